//! Links to the platform bucket through CloudFront: signed URLs with a canned policy.
//!
//! Signatures are over SHA-256, which CloudFront takes since 2026 where the URL says so, by an RSA
//! or an ECDSA P-256 key of a trusted key group.

use std::{fmt, io, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;
use url::Url;

use crate::{InvalidKey, key};

/// The `[storage.cdn]` section: a CloudFront distribution whose origin is the platform bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdnSettings {
    /// Base of its URLs: `https://d111111abcdef8.cloudfront.net`.
    pub url: String,
    /// Id of the public key in a key group that the distribution trusts.
    pub key_pair_id: String,
    /// PEM file of the private key: RSA with 2048 bits, or EC P-256 in PKCS#8.
    pub private_key_file: PathBuf,
    /// Results of this size and above are downloaded from the bucket itself, in bytes.
    #[serde(default = "usual_below_bytes")]
    pub below_bytes: u64,
}

/// 20 GB.
const fn usual_below_bytes() -> u64 {
    20_000_000_000
}

/// What is wrong with the section; each text names the key.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCdn {
    /// Not a place that links can lead to.
    #[error("storage.cdn.url is not an https:// URL without path, query and user")]
    Url,
    /// Not an id.
    #[error("storage.cdn.key_pair_id is not 1 to 128 letters and digits")]
    KeyPairId,
    /// The file cannot be read.
    #[error("storage.cdn.private_key_file: {} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its content is no key that CloudFront takes. Quotes nothing of it.
    #[error(
        "storage.cdn.private_key_file: {} holds no private key in PEM that is RSA of 2048 bits, or EC P-256 in PKCS#8 (openssl pkcs8 -topk8 -nocrypt)",
        path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
}

/// Why a link was not made.
#[derive(Debug, thiserror::Error)]
pub enum CdnError {
    /// The key is unusable.
    #[error(transparent)]
    ObjectKey(#[from] InvalidKey),
    /// Signing failed.
    #[error("sign a link")]
    Sign,
}

/// Signs links that a CDN honours.
pub struct Cdn {
    base: String,
    key_pair_id: String,
    below_bytes: u64,
    key: Signer,
}

enum Signer {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl fmt::Debug for Cdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cdn({})", self.base)
    }
}

impl Cdn {
    /// Checks the section and reads the key.
    ///
    /// # Errors
    /// [`InvalidCdn`], which names the key of the section.
    pub fn open(settings: &CdnSettings) -> Result<Self, InvalidCdn> {
        let url = Url::parse(&settings.url).or(Err(InvalidCdn::Url))?;
        let bare = url.scheme() == "https"
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !bare {
            return Err(InvalidCdn::Url);
        }
        let id = &settings.key_pair_id;
        if !(1..=128).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(InvalidCdn::KeyPairId);
        }
        let path = &settings.private_key_file;
        let pem = std::fs::read(path)
            .map_err(|source| InvalidCdn::File { path: path.clone(), source })?;
        let key = signer(&zeroize::Zeroizing::new(pem))
            .ok_or_else(|| InvalidCdn::Key { path: path.clone() })?;
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            key_pair_id: id.clone(),
            below_bytes: settings.below_bytes,
            key,
        })
    }

    /// The origin of its links.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.base.trim_end_matches('/')
    }

    /// Whether objects of this size are downloaded through it.
    #[must_use]
    pub const fn serves(&self, size_bytes: u64) -> bool {
        size_bytes < self.below_bytes
    }

    /// A link to an object that works until `until`, to the second.
    ///
    /// # Errors
    /// [`CdnError`].
    pub fn link(&self, object_key: &str, until: Timestamp) -> Result<String, CdnError> {
        key::check(object_key)?;
        let resource = format!("{}/{}", self.base, key::encode(object_key));
        let expires = until.as_second();
        let signature = self.key.sign(policy(&resource, expires).as_bytes())?;
        Ok(format!(
            "{resource}?Expires={expires}&Signature={}&Key-Pair-Id={}&Hash-Algorithm=SHA256",
            in_url(&signature),
            self.key_pair_id
        ))
    }
}

impl Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CdnError> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .or(Err(CdnError::Sign))?;
                Ok(signature)
            }
            Self::Ecdsa(key) => {
                let signature = key.sign(&random, message).or(Err(CdnError::Sign))?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

/// The canned policy as CloudFront writes it for itself: in this order, without spaces.
fn policy(resource: &str, expires: i64) -> String {
    format!(
        r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#
    )
}

/// Base64 with CloudFront's stand-ins for what means something in a query.
fn in_url(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

fn signer(pem: &[u8]) -> Option<Signer> {
    match PrivateKeyDer::from_pem_slice(pem).ok()? {
        PrivateKeyDer::Pkcs1(der) => {
            RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().map(Signer::Rsa)
        }
        PrivateKeyDer::Pkcs8(der) => {
            let der = der.secret_pkcs8_der();
            if let Ok(key) = RsaKeyPair::from_pkcs8(der) {
                return Some(Signer::Rsa(key));
            }
            let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
            EcdsaKeyPair::from_pkcs8(algorithm, der, &SystemRandom::new()).ok().map(Signer::Ecdsa)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    };

    use super::*;

    fn settings(folder: &tempfile::TempDir, pem: &str) -> CdnSettings {
        let private_key_file = folder.path().join("cdn.pem");
        std::fs::write(&private_key_file, pem).unwrap();
        CdnSettings {
            url: "https://d111111abcdef8.cloudfront.net".to_owned(),
            key_pair_id: "K2JCJMDEHXQW5F".to_owned(),
            private_key_file,
            below_bytes: usual_below_bytes(),
        }
    }

    #[test]
    fn a_link_carries_the_signature_of_its_canned_policy() {
        let folder = tempfile::tempdir().unwrap();
        let pair = rcgen::KeyPair::generate().unwrap();
        let cdn = Cdn::open(&settings(&folder, &pair.serialize_pem())).unwrap();
        let until = Timestamp::from_second(1_767_290_400).unwrap();
        let link = Url::parse(&cdn.link("results/a b/ü.jpg", until).unwrap()).unwrap();
        assert_eq!(link.path(), "/results/a%20b/%C3%BC.jpg");
        let query: std::collections::HashMap<_, _> = link.query_pairs().into_owned().collect();
        assert_eq!(query["Expires"], "1767290400");
        assert_eq!(query["Key-Pair-Id"], "K2JCJMDEHXQW5F");
        assert_eq!(query["Hash-Algorithm"], "SHA256");
        // As somebody else would check it: the policy spelled out, the stand-ins taken back.
        let message = concat!(
            r#"{"Statement":[{"Resource":"https://d111111abcdef8.cloudfront.net/results/a%20b/%C3%BC.jpg","#,
            r#""Condition":{"DateLessThan":{"AWS:EpochTime":1767290400}}}]}"#
        );
        let signature = query["Signature"].replace('-', "+").replace('_', "=").replace('~', "/");
        let signature = STANDARD.decode(signature).unwrap();
        let Signer::Ecdsa(key) = &cdn.key else { panic!("an EC key") };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref());
        public.verify(message.as_bytes(), &signature).unwrap();
        let another = message.replace("a%20b", "a%20c");
        assert!(public.verify(another.as_bytes(), &signature).is_err());
        assert!(cdn.link("a/../b", until).is_err());
    }

    #[test]
    fn an_rsa_key_signs_as_well() {
        let folder = tempfile::tempdir().unwrap();
        // Made for this test by `openssl genrsa`; it opens nothing.
        let pem = include_str!("../testdata/cdn-rsa.pem");
        let cdn = Cdn::open(&settings(&folder, pem)).unwrap();
        let Signer::Rsa(key) = &cdn.key else { panic!("an RSA key") };
        let signature = cdn.key.sign(b"policy").unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public());
        public.verify(b"policy", &signature).unwrap();
        assert!(!in_url(&signature).contains(['+', '=', '/']));
    }

    #[test]
    fn only_what_is_small_enough_goes_through_it() {
        let folder = tempfile::tempdir().unwrap();
        let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let cdn = Cdn::open(&settings(&folder, &pem)).unwrap();
        assert!(cdn.serves(19_999_999_999) && !cdn.serves(20_000_000_000));
    }

    #[test]
    fn a_section_that_cannot_work_is_refused_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let good = settings(&folder, &pem);
        let with = |url: &str| CdnSettings { url: url.to_owned(), ..good.clone() };
        for url in ["http://d.example", "https://d.example/x", "https://u@d.example", "d.example"] {
            assert!(matches!(Cdn::open(&with(url)), Err(InvalidCdn::Url)), "{url}");
        }
        let id = CdnSettings { key_pair_id: "K&x=y".to_owned(), ..good.clone() };
        assert!(matches!(Cdn::open(&id), Err(InvalidCdn::KeyPairId)));
        let none = CdnSettings { private_key_file: "/nowhere".into(), ..good };
        assert!(matches!(Cdn::open(&none), Err(InvalidCdn::File { .. })));
        let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
        for wrong in ["", "no key", ed25519.as_str()] {
            let refused = Cdn::open(&settings(&folder, wrong)).unwrap_err();
            assert!(matches!(refused, InvalidCdn::Key { .. }), "{refused}");
            assert!(wrong.is_empty() || !refused.to_string().contains(wrong));
        }
    }
}
