//! DSSE envelopes: bytes and their type, signed together, so that neither passes for another's.
//!
//! <https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md>

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde::{Deserialize, Serialize};

use crate::receipt_key::{PublicKey, PublicKeys, SecretKey};

/// What is signed begins with it.
const VERSION: &str = "DSSEv1";
/// Largest envelope that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// The most signatures of an envelope that are looked at.
const MAX_SIGNATURES: usize = 16;

/// A payload, its type, and who signed both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// What the payload is, as a media type.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The payload, in base64.
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    /// A hint at the key. Nothing is believed for its sake.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
    /// In base64.
    sig: String,
}

/// Why an envelope says nothing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is larger than any of ours.
    #[error("an envelope has at most {MAX_BYTES} bytes")]
    TooLarge,
    /// It is no envelope.
    #[error("this is no DSSE envelope")]
    Malformed(#[from] serde_json::Error),
    /// A part of it is no base64.
    #[error("the {0} of the envelope is not in base64")]
    Base64(&'static str),
    /// It holds something else.
    #[error("the envelope holds `{0}`, which is not what was looked for")]
    OtherType(String),
    /// None of the keys that are trusted is named in it.
    #[error("it is signed with the key {0}, which is none of those given")]
    UnknownKey(String),
    /// A key that is trusted is named in it, and did not sign this.
    #[error("the signature does not hold: the receipt, or what it says, was changed")]
    BadSignature,
}

/// A payload whose signature holds.
#[derive(Debug)]
pub struct Opened<'a> {
    /// The payload.
    pub payload: Vec<u8>,
    /// Who signed it.
    pub key: &'a PublicKey,
}

impl Envelope {
    /// Signs a payload together with its type.
    #[must_use]
    pub fn sign(payload_type: &str, payload: &[u8], key: &SecretKey) -> Self {
        let sig = STANDARD.encode(key.sign(&pae(payload_type, payload)));
        Self {
            payload_type: payload_type.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature { keyid: key.public().id().to_owned(), sig }],
        }
    }

    /// Reads an envelope. Nothing of it is to be believed yet.
    ///
    /// # Errors
    /// [`OpenError::TooLarge`] or [`OpenError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenError> {
        if bytes.len() > MAX_BYTES {
            return Err(OpenError::TooLarge);
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The payload, if it has this type and one of the keys has signed both.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open<'a>(
        &self,
        payload_type: &str,
        keys: &'a PublicKeys,
    ) -> Result<Opened<'a>, OpenError> {
        let payload = decode(&self.payload).ok_or(OpenError::Base64("payload"))?;
        let signed = pae(&self.payload_type, &payload);
        let mut failure = OpenError::UnknownKey("that it does not name".to_owned());
        for signature in self.signatures.iter().take(MAX_SIGNATURES) {
            let named = keys.find(&signature.keyid);
            // A signature need not say whose it is.
            let candidates = keys.iter().filter(|key| match named {
                Some(named) => key.id() == named.id(),
                None => signature.keyid.is_empty(),
            });
            let bytes = decode(&signature.sig).ok_or(OpenError::Base64("signature"))?;
            let mut tried = false;
            for key in candidates {
                tried = true;
                if !key.verifies(&signed, &bytes) {
                    continue;
                }
                if self.payload_type != payload_type {
                    return Err(OpenError::OtherType(shown(&self.payload_type)));
                }
                return Ok(Opened { payload, key });
            }
            match failure {
                OpenError::BadSignature => {}
                _ if tried => failure = OpenError::BadSignature,
                _ => failure = OpenError::UnknownKey(shown(&signature.keyid)),
            }
        }
        Err(failure)
    }
}

/// Pre-authentication encoding: what a signature is over.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head =
        format!("{VERSION} {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    [head.as_slice(), payload].concat()
}

/// Either alphabet is allowed.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_other| URL_SAFE.decode(text)).ok()
}

/// A stranger's text, short and harmless.
fn shown(text: &str) -> String {
    text.chars().take(96).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "application/vnd.in-toto+json";

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn keys(of: &[&SecretKey]) -> PublicKeys {
        of.iter().map(|key| key.public().clone()).collect()
    }

    #[test]
    fn what_is_signed_is_that_of_the_specifications_example() {
        let signed = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(signed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn what_one_of_the_keys_signed_opens() {
        let (ours, earlier) = (key(1), key(2));
        let envelope = Envelope::sign(TYPE, b"{}", &ours);
        let json = serde_json::to_vec(&envelope).unwrap();
        let keys = keys(&[&earlier, &ours]);
        let read = Envelope::parse(&json).unwrap();
        let opened = read.open(TYPE, &keys).unwrap();
        assert_eq!((opened.payload.as_slice(), opened.key.id()), (&b"{}"[..], ours.public().id()));
    }

    #[test]
    fn the_other_alphabet_and_a_signature_without_a_name_are_fine() {
        let ours = key(1);
        let mut envelope = Envelope::sign(TYPE, b"\xff\xfe\xfd>>>???", &ours);
        envelope.payload = envelope.payload.replace('+', "-").replace('/', "_");
        envelope.signatures[0].keyid.clear();
        assert!(envelope.open(TYPE, &keys(&[&key(3), &ours])).is_ok());
    }

    #[test]
    fn nothing_else_opens() {
        let ours = key(1);
        let trusted = keys(&[&ours]);
        let good = Envelope::sign(TYPE, b"{}", &ours);
        let fault = |envelope: &Envelope| envelope.open(TYPE, &trusted).unwrap_err();

        let other_payload = Envelope { payload: STANDARD.encode(b"[]"), ..good.clone() };
        assert!(matches!(fault(&other_payload), OpenError::BadSignature));
        let other_type = Envelope { payload_type: "text/plain".to_owned(), ..good.clone() };
        assert!(matches!(fault(&other_type), OpenError::BadSignature));
        let truly_other = Envelope::sign("text/plain", b"{}", &ours);
        assert!(matches!(fault(&truly_other), OpenError::OtherType(_)));
        let a_strangers = Envelope::sign(TYPE, b"{}", &key(9));
        assert!(matches!(fault(&a_strangers), OpenError::UnknownKey(_)));
        let mut renamed = a_strangers.clone();
        renamed.signatures[0].keyid = ours.public().id().to_owned();
        assert!(matches!(fault(&renamed), OpenError::BadSignature));
        let unsigned = Envelope { signatures: vec![], ..good.clone() };
        assert!(matches!(fault(&unsigned), OpenError::UnknownKey(_)));
        let mut odd = good.clone();
        odd.signatures[0].sig = "!".to_owned();
        assert!(matches!(fault(&odd), OpenError::Base64("signature")));
        let mut short = good;
        short.signatures[0].sig = STANDARD.encode([0; 63]);
        assert!(matches!(fault(&short), OpenError::BadSignature));
    }
}
