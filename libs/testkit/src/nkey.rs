//! How a client proves that it holds a user's NKey, written from the specification of NATS alone.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};

/// Digits of base 32 (RFC 4648).
const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Two bytes that say what the seed is of; it stands behind them, before a checksum.
const SEED: std::ops::Range<usize> = 2..34;

/// What the holder of a seed (`SU...`) answers to a server's nonce, as `CONNECT` has it in `sig`.
///
/// # Panics
/// When it is no seed.
#[must_use]
pub fn answer(seed: &str, nonce: &str) -> String {
    let mut bits = seed.bytes().flat_map(|letter| {
        let digit = DIGITS.iter().position(|digit| *digit == letter).unwrap();
        (0..5).rev().map(move |bit| u8::from(digit & (1 << bit) != 0))
    });
    let bytes =
        std::iter::from_fn(|| (0..8).try_fold(0, |byte, _| Some((byte << 1) | bits.next()?)));
    let bytes: Vec<u8> = bytes.collect();
    let key = SigningKey::from_bytes(bytes[SEED].try_into().unwrap());
    URL_SAFE_NO_PAD.encode(key.sign(nonce.as_bytes()).to_bytes())
}
