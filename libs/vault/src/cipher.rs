//! Data keys and the one cipher: AES-SIV with CMAC and AES-256 (RFC 5297), nonce as the last header.

use std::fmt;
use std::str::FromStr;

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::envelope::{Algorithm, Context, Envelope};
use crate::{EnvelopeError, Error};

/// Bytes of a key: two 256-bit halves.
pub(crate) const KEY_BYTES: usize = 64;
/// Bytes of a key's id.
pub(crate) const KEY_ID_BYTES: usize = 8;
/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 16;
/// Bytes that the synthetic IV adds to every plaintext.
pub(crate) const TAG_BYTES: usize = 16;

/// The public name of a key: 64 random bits, written as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) [u8; KEY_ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; KEY_ID_BYTES];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Fills an array from the operating system's generator.
///
/// # Panics
/// If the system has no randomness: then nothing here can be kept secret, and going on would be worse.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

pub(crate) fn fill_random(bytes: &mut [u8]) {
    OsRng.try_fill_bytes(bytes).expect("the operating system gives randomness");
}

/// A 512-bit key with its id. Wiped when dropped; cannot be printed or cloned.
#[derive(ZeroizeOnDrop)]
pub struct DataKey {
    #[zeroize(skip)]
    id: KeyId,
    bytes: Box<[u8; KEY_BYTES]>,
}

impl DataKey {
    /// A new random key.
    #[must_use]
    pub fn generate() -> Self {
        let mut key = Self { id: KeyId(random()), bytes: Box::new([0; KEY_BYTES]) };
        fill_random(key.bytes.as_mut_slice());
        key
    }

    /// A key read from a key ring.
    pub(crate) fn from_parts(id: KeyId, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != KEY_BYTES {
            return None;
        }
        let mut key = Self { id, bytes: Box::new([0; KEY_BYTES]) };
        key.bytes.copy_from_slice(bytes);
        Some(key)
    }

    /// Its public name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Wraps another key, to be stored as `name`; it unwraps under this key and that name only.
    #[must_use]
    pub fn wrap(&self, name: &str, key: &Self) -> Vec<u8> {
        self.seal(&Context::wrap(name), &key.to_wrap())
    }

    /// What is wrapped: its id, then its bytes.
    pub(crate) fn to_wrap(&self) -> Zeroizing<Vec<u8>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(KEY_ID_BYTES + KEY_BYTES));
        plain.extend_from_slice(&self.id.0);
        plain.extend_from_slice(self.bytes.as_slice());
        plain
    }

    /// Takes a key back from what was wrapped as `name`.
    pub(crate) fn from_wrapped(name: &str, plain: &[u8]) -> Result<Self, Error> {
        let malformed =
            || Error::Envelope { what: name.to_owned(), source: EnvelopeError::KeyLength };
        let (id, bytes) = plain.split_first_chunk::<KEY_ID_BYTES>().ok_or_else(malformed)?;
        Self::from_parts(KeyId(*id), bytes).ok_or_else(malformed)
    }

    /// Takes a wrapped key out again.
    ///
    /// # Errors
    /// [`Error::OtherKey`] if another key wrapped it, [`Error::Refused`] if it was changed or stored under another
    /// name, [`Error::Envelope`] if it is none of ours.
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Self, Error> {
        Self::from_wrapped(name, &self.open(&Context::wrap(name), wrapped)?)
    }

    /// Seals bytes into a binary envelope.
    pub(crate) fn seal(&self, context: &Context<'_>, plaintext: &[u8]) -> Vec<u8> {
        self.seal_as(Algorithm::AesSiv, context, plaintext)
    }

    /// The same for a key that was found by `algorithm`.
    pub(crate) fn seal_as(
        &self,
        algorithm: Algorithm,
        context: &Context<'_>,
        plaintext: &[u8],
    ) -> Vec<u8> {
        let nonce = random();
        let associated = context.associated_data(algorithm, self.id);
        let ciphertext = encrypt(&self.bytes, &associated, &nonce, plaintext);
        Envelope { algorithm, key: self.id, nonce, ciphertext: &ciphertext }.encode()
    }

    /// Opens a binary envelope.
    pub(crate) fn open(
        &self,
        context: &Context<'_>,
        envelope: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let envelope = Envelope::decode(envelope).map_err(|source| context.malformed(source))?;
        if envelope.algorithm != Algorithm::AesSiv {
            let unfit = EnvelopeError::Algorithm(envelope.algorithm.id());
            return Err(context.malformed(unfit));
        }
        if envelope.key != self.id {
            return Err(Error::OtherKey { sealed_under: envelope.key, held: self.id });
        }
        self.open_as(context, &envelope)
    }

    /// Opens an envelope whose algorithm led to this key.
    pub(crate) fn open_as(
        &self,
        context: &Context<'_>,
        envelope: &Envelope<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let associated = context.associated_data(envelope.algorithm, self.id);
        decrypt(&self.bytes, &associated, &envelope.nonce, envelope.ciphertext)
            .ok_or_else(|| Error::Refused { what: context.what().to_owned() })
    }
}

/// AEAD encryption: synthetic IV, then ciphertext. RFC 5297 takes a nonce of any length; ours have one.
pub(crate) fn encrypt(
    key: &[u8; KEY_BYTES],
    associated: &[u8],
    nonce: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    Aes256Siv::new(key.into())
        .encrypt([associated, nonce], plaintext)
        .expect("two headers are within AES-SIV's limit of 126")
}

/// AEAD decryption; nothing if the IV does not match.
pub(crate) fn decrypt(
    key: &[u8; KEY_BYTES],
    associated: &[u8],
    nonce: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    Aes256Siv::new(key.into()).decrypt([associated, nonce], ciphertext).ok().map(Zeroizing::new)
}

#[cfg(test)]
#[path = "cipher_tests.rs"]
mod tests;
