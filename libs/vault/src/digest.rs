//! Keyed digests: HMAC-SHA-256 under a key of its own for every purpose.

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the secret all purposes' keys come from.
pub(crate) const SECRET_BYTES: usize = 32;

/// The secret behind [`crate::MasterKeys::keyed_digest`].
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

    pub(crate) fn digest(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        self.mac(purpose, data).finalize().into_bytes().into()
    }

    pub(crate) fn verify(&self, purpose: &str, data: &[u8], digest: &[u8]) -> bool {
        self.mac(purpose, data).verify_slice(digest).is_ok()
    }

    fn mac(&self, purpose: &str, data: &[u8]) -> Hmac<Sha256> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand_multi_info(&[b"darkroom digest v1: ", purpose.as_bytes()], key.as_mut_slice())
            .expect("32 bytes are within HKDF's limit");
        Hmac::<Sha256>::new_from_slice(key.as_slice())
            .expect("HMAC takes keys of any length")
            .chain_update(data)
    }
}
