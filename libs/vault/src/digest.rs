//! Keyed digests: HMAC-SHA-256 under a key of its own for every purpose.

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the secret all purposes' keys come from.
pub(crate) const SECRET_BYTES: usize = 32;

/// The secret behind [`crate::MasterKeys::digests`].
pub(crate) struct DigestSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl DigestSecret {
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        if bytes.len() != SECRET_BYTES {
            return None;
        }
        secret.copy_from_slice(bytes);
        Some(Self(secret))
    }

    /// Compares in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(other.0.iter());
        std::hint::black_box(pairs.fold(0_u8, |seen, (a, b)| seen | (a ^ b))) == 0
    }

    pub(crate) fn digests(&self, purpose: &str) -> Digests {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand_multi_info(&[b"darkroom digest v1: ", purpose.as_bytes()], key.as_mut_slice())
            .expect("32 bytes are within HKDF's limit");
        Digests(
            Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length"),
        )
    }
}

/// Digests for one purpose, whose key is derived once. Nobody without the key ring can make or guess at one. They are
/// the same for ever, also after the wrapping keys were rotated.
#[derive(Clone)]
pub struct Digests(Hmac<Sha256>);

impl Digests {
    /// The digest of `data`.
    #[must_use]
    pub fn of(&self, data: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(data).finalize().into_bytes().into()
    }

    /// Compares with [`Digests::of`] in constant time.
    #[must_use]
    pub fn verify(&self, data: &[u8], digest: &[u8]) -> bool {
        self.0.clone().chain_update(data).verify_slice(digest).is_ok()
    }
}
