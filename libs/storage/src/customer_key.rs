//! The customer's own encryption key, sent with every object and kept by nobody (SSE-C).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use zeroize::{Zeroize, Zeroizing};

/// The one algorithm that S3 has for customers' keys.
pub(crate) const ALGORITHM: &str = "AES256";
/// Its length, in bytes.
const KEY_BYTES: usize = 32;

/// A key of 256 bits, wiped from memory after use and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey(Zeroizing<[u8; KEY_BYTES]>);

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a customer's key is {KEY_BYTES} bytes in base64")]
pub struct InvalidCustomerKey;

impl CustomerKey {
    /// Reads base64, with padding.
    ///
    /// # Errors
    /// [`InvalidCustomerKey`].
    pub fn parse(text: &str) -> Result<Self, InvalidCustomerKey> {
        let mut decoded = STANDARD.decode(text.trim()).map_err(|_quotes_it| InvalidCustomerKey)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let fits = decoded.len() == KEY_BYTES;
        if fits {
            key.copy_from_slice(&decoded);
        }
        decoded.zeroize();
        if fits { Ok(Self(key)) } else { Err(InvalidCustomerKey) }
    }

    /// As the header has it.
    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(self.0.as_slice())
    }

    /// What the server checks that it arrived whole with.
    pub(crate) fn md5(&self) -> String {
        STANDARD.encode(Md5::digest(self.0.as_slice()))
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[customer's key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_and_is_not_shown() {
        let text = STANDARD.encode([7; 32]);
        let key = CustomerKey::parse(&text).unwrap();
        assert_eq!(key.base64(), text);
        assert!(!format!("{key:?}").contains(&text));
        for wrong in
            ["", "AAAA", "not base64!", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33])]
        {
            assert_eq!(CustomerKey::parse(wrong), Err(InvalidCustomerKey), "{wrong}");
        }
    }
}
