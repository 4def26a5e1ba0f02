//! What webhooks are signed with: the secrets of Standard Webhooks, made, read and used.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{
    KEYPAIR_LENGTH, PUBLIC_KEY_LENGTH, SECRET_KEY_LENGTH, Signer as _, SigningKey,
};
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Secret;
use crate::cipher::random;
use crate::secrets::webhook_key;

/// Begins the secret half of an Ed25519 key pair.
const PRIVATE_PREFIX: &str = "whsk_";
/// Begins its public half.
const PUBLIC_PREFIX: &str = "whpk_";
/// Bytes of a public key's digest that its id is made of.
const ID_BYTES: usize = 8;

/// The secret is of no form that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook secret is whsec_ and 24 to 64 bytes in base64, or whsk_ and an Ed25519 key pair in base64"
)]
pub struct BadSecret;

/// A key that signs webhooks. Wiped when dropped.
pub struct SigningSecret(Kind);

enum Kind {
    Hmac(Zeroizing<Vec<u8>>),
    Ed25519(Box<SigningKey>),
}

/// A new Ed25519 key pair: `whsk_...`, and `whpk_...` for whoever verifies.
#[must_use]
pub fn key_pair() -> (Secret, String) {
    let seed = Zeroizing::new(random::<SECRET_KEY_LENGTH>());
    let key = SigningKey::from_bytes(&seed);
    let pair = Zeroizing::new(key.to_keypair_bytes());
    let mut secret = String::with_capacity(PRIVATE_PREFIX.len() + KEYPAIR_LENGTH.div_ceil(3) * 4);
    secret.push_str(PRIVATE_PREFIX);
    STANDARD.encode_string(pair.as_slice(), &mut secret);
    let public = format!("{PUBLIC_PREFIX}{}", STANDARD.encode(key.verifying_key().as_bytes()));
    (Secret::new(secret), public)
}

/// The id of a public key, `whpk_...`: the first eight bytes of the SHA-256 of its 32 bytes, in
/// base64url without padding. None where the text is no such key.
#[must_use]
pub fn public_key_id(public: &str) -> Option<String> {
    let key = STANDARD.decode(public.strip_prefix(PUBLIC_PREFIX)?).ok()?;
    let key: [u8; PUBLIC_KEY_LENGTH] = key.try_into().ok()?;
    let digest = Sha256::digest(key);
    let (id, _) = digest.split_first_chunk::<ID_BYTES>()?;
    Some(URL_SAFE_NO_PAD.encode(id))
}

impl SigningSecret {
    /// Reads a secret: `whsec_...` or `whsk_...`.
    ///
    /// # Errors
    /// [`BadSecret`].
    pub fn read(secret: &str) -> Result<Self, BadSecret> {
        let Some(pair) = secret.strip_prefix(PRIVATE_PREFIX) else {
            return webhook_key(secret).map(|key| Self(Kind::Hmac(key))).ok_or(BadSecret);
        };
        let bytes = Zeroizing::new(STANDARD.decode(pair).or(Err(BadSecret))?);
        let bytes: &[u8; KEYPAIR_LENGTH] = bytes.as_slice().try_into().or(Err(BadSecret))?;
        let key = SigningKey::from_keypair_bytes(bytes).or(Err(BadSecret))?;
        Ok(Self(Kind::Ed25519(Box::new(key))))
    }

    /// The signature of `parts`, one after the other, as `webhook-signature` has it: `v1,...`
    /// (HMAC-SHA256) or `v1a,...` (Ed25519), in base64.
    #[must_use]
    pub fn signature(&self, parts: &[&[u8]]) -> String {
        let version = match self.0 {
            Kind::Hmac(_) => "v1",
            Kind::Ed25519(_) => "v1a",
        };
        format!("{version},{}", STANDARD.encode(self.sign(parts)))
    }

    /// The bare signature of `parts`, one after the other.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        match &self.0 {
            Kind::Hmac(key) => {
                // Any length is a key of HMAC (RFC 2104).
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return vec![] };
                for part in parts {
                    mac.update(part);
                }
                mac.finalize().into_bytes().to_vec()
            }
            Kind::Ed25519(key) => key.sign(&parts.concat()).to_bytes().to_vec(),
        }
    }

    /// Its name as the algorithm of a JSON Web Token (RFC 7518, RFC 8037).
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self.0 {
            Kind::Hmac(_) => "HS256",
            Kind::Ed25519(_) => "EdDSA",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.";
    const BODY: &str = r#"{"test": 2432232314}"#;

    #[test]
    fn signatures_are_those_of_the_known_answers() {
        for (secret, expected) in [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
            ),
        ] {
            let key = SigningSecret::read(secret).unwrap();
            assert_eq!(key.signature(&[ID.as_bytes(), BODY.as_bytes()]), expected);
        }
    }

    #[test]
    fn a_key_pair_signs_what_its_public_half_verifies() {
        use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
        let (secret, public) = key_pair();
        let key = SigningSecret::read(secret.expose()).unwrap();
        let public = STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
        let signature = Signature::from_slice(&key.sign(&[b"a", b"b"])).unwrap();
        assert!(public.verify(b"ab", &signature).is_ok());
        assert!(public.verify(b"ba", &signature).is_err());
        assert_ne!(key_pair().1, key_pair().1);
    }

    /// Expected: `head -c 32 /dev/zero | openssl dgst -sha256 -binary | head -c 8 | basenc --base64url`.
    #[test]
    fn a_public_key_has_an_id_that_anybody_can_compute() {
        let zeros = format!("whpk_{}", STANDARD.encode([0; PUBLIC_KEY_LENGTH]));
        assert_eq!(public_key_id(&zeros).as_deref(), Some("Zmh6rfhivXc"));
        assert_ne!(public_key_id(&key_pair().1), public_key_id(&key_pair().1));
        for odd in ["", "whpk_", "whpk_AAAA", "whpk_!!!!", "whsk_AAAA"] {
            assert_eq!(public_key_id(odd), None, "{odd}");
        }
    }

    #[test]
    fn an_odd_secret_is_refused() {
        for odd in ["", "whsec_", "whsk_", "whsk_AAAA", "secret", "whsk_!!!!"] {
            assert_eq!(SigningSecret::read(odd).err(), Some(BadSecret), "{odd}");
        }
    }
}
