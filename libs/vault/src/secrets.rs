//! Random secrets in the forms that people and scanners know: API tokens and webhook signing secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Secret;
use crate::cipher::random;

/// Random characters of a token: 33 of base62 are 196 bits.
const BODY_CHARS: usize = 33;
/// Characters of the check sum: 62^6 > 2^32.
const CHECK_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Begins every webhook signing secret (Standard Webhooks).
const WEBHOOK_PREFIX: &str = "whsec_";
/// Bytes of a webhook signing secret.
const WEBHOOK_BYTES: usize = 32;
/// Fewest and most bytes of a webhook signing secret that is taken over from elsewhere (Standard Webhooks).
const WEBHOOK_BYTES_TAKEN: std::ops::RangeInclusive<usize> = 24..=64;

/// A new token: the prefix, 33 random characters, and a check sum over both, all base62 after the prefix.
///
/// Scanners find it by `<prefix>[0-9A-Za-z]{39}` and tell it from noise by the CRC-32 in its last six characters.
#[must_use]
pub fn token(prefix: &str) -> Secret {
    let mut text = String::with_capacity(prefix.len() + BODY_CHARS + CHECK_CHARS);
    text.push_str(prefix);
    while text.len() < prefix.len() + BODY_CHARS {
        let [byte] = random::<1>();
        // 248 is the largest multiple of 62 in a byte; beyond it some characters would come more often.
        if byte < 248 {
            text.push(base62(u32::from(byte)));
        }
    }
    let check = check_sum(text.as_bytes());
    text.extend(check);
    Secret::new(text)
}

/// Whether a text is whole: this prefix, the right length and alphabet, and the right check sum. It says nothing about
/// whether the token was ever given out, but saves the look-up of a mistyped one.
#[must_use]
pub fn is_token(prefix: &str, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    if rest.len() != BODY_CHARS + CHECK_CHARS
        || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return false;
    }
    let (signed, check) = text.split_at(text.len() - CHECK_CHARS);
    check.chars().eq(check_sum(signed.as_bytes()))
}

/// A new webhook signing secret: `whsec_` and 32 random bytes in base64.
#[must_use]
pub fn webhook_secret() -> Secret {
    let bytes = Zeroizing::new(random::<WEBHOOK_BYTES>());
    let mut text = String::with_capacity(WEBHOOK_PREFIX.len() + bytes.len().div_ceil(3) * 4);
    text.push_str(WEBHOOK_PREFIX);
    STANDARD.encode_string(bytes.as_slice(), &mut text);
    Secret::new(text)
}

/// The signing key inside a webhook secret; nothing if it is not `whsec_` and base64 of 24 to 64 bytes.
#[must_use]
pub fn webhook_key(secret: &str) -> Option<Zeroizing<Vec<u8>>> {
    let key = STANDARD.decode(secret.strip_prefix(WEBHOOK_PREFIX)?).ok().map(Zeroizing::new)?;
    WEBHOOK_BYTES_TAKEN.contains(&key.len()).then_some(key)
}

fn check_sum(bytes: &[u8]) -> impl Iterator<Item = char> + use<> {
    let crc = crc32(bytes);
    (0..CHECK_CHARS as u32).rev().map(move |place| base62(crc / 62_u32.pow(place)))
}

/// The character for the last base62 digit of a number.
fn base62(number: u32) -> char {
    BASE62.get((number % 62) as usize).copied().map_or('0', char::from)
}

/// CRC-32 as in zip and PNG.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sum_is_the_crc_32_everybody_knows() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_token_is_whole_and_no_other_text_near_it_is() {
        let token = token("dk_test_");
        let text = token.expose();
        assert_eq!(text.len(), "dk_test_".len() + 39);
        assert!(is_token("dk_test_", text));
        assert!(!is_token("dk_live_", text));
        assert!(!is_token("dk_test_", &text.replacen("dk_test_", "dk_live_", 1)));
        for index in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
            assert!(
                !is_token("dk_test_", std::str::from_utf8(&bytes).unwrap()),
                "character {index}"
            );
        }
        for bad in
            ["", "dk_test_", "dk_test_é", &text[1..], &text[..text.len() - 1], &format!("{text}0")]
        {
            assert!(!is_token("dk_test_", bad), "{bad}");
        }
    }

    #[test]
    fn tokens_use_the_whole_alphabet_and_never_repeat() {
        let tokens: std::collections::HashSet<String> =
            (0..200).map(|_| token("").expose().to_owned()).collect();
        assert_eq!(tokens.len(), 200);
        let seen: std::collections::HashSet<u8> =
            tokens.iter().flat_map(|token| token.bytes().take(33)).collect();
        assert_eq!(seen.len(), 62);
    }

    #[test]
    fn a_webhook_secret_gives_its_key_back() {
        let secret = webhook_secret();
        assert_eq!(webhook_key(secret.expose()).unwrap().len(), 32);
        assert_eq!(webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().len(), 24);
        for bad in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!"] {
            assert!(webhook_key(bad).is_none(), "{bad}");
        }
    }
}
