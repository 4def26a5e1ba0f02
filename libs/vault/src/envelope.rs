//! The layout of a sealed value, and what is bound into it.
//!
//! ```text
//! version 1 B | algorithm 1 B | key id 8 B |                    nonce 16 B | synthetic IV 16 B | ciphertext
//! version 1 B | algorithm 1 B | key id 8 B | encapsulated 32 B | nonce 16 B | synthetic IV 16 B | ciphertext
//! ```
//! Version, algorithm and key id are associated data themselves, and the encapsulated key makes the key that seals, so
//! no byte can change unnoticed.

use crate::cipher::{KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES};
use crate::pair::ENCAPSULATED_BYTES;
use crate::{EnvelopeError, Error, KeyId};

/// The layout above.
const VERSION: u8 = 1;
/// AES-SIV with CMAC, 512-bit key (RFC 5297).
const AES_256_SIV: u8 = 1;
/// The same, under a key that HPKE agreed on (RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, export only).
const HPKE_AES_256_SIV: u8 = 2;
/// Most bytes before the ciphertext.
const HEAD_BYTES: usize = 2 + KEY_ID_BYTES + ENCAPSULATED_BYTES + NONCE_BYTES;

/// How a value was sealed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Under the key that the envelope names.
    AesSiv,
    /// To the public key that the envelope names; with what its owner needs to find the key that sealed.
    Hpke([u8; ENCAPSULATED_BYTES]),
}

impl Algorithm {
    pub(crate) const fn id(self) -> u8 {
        match self {
            Self::AesSiv => AES_256_SIV,
            Self::Hpke(_) => HPKE_AES_256_SIV,
        }
    }
}

/// A sealed value, taken apart.
pub(crate) struct Envelope<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: KeyId,
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.ciphertext.len());
        bytes.extend_from_slice(&[VERSION, self.algorithm.id()]);
        bytes.extend_from_slice(&self.key.0);
        if let Algorithm::Hpke(encapsulated) = &self.algorithm {
            bytes.extend_from_slice(encapsulated);
        }
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(self.ciphertext);
        bytes
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let short = EnvelopeError::TooShort(bytes.len());
        let (&[version, algorithm], rest) = bytes.split_first_chunk::<2>().ok_or(short)?;
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        let (key, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(short)?;
        let (algorithm, rest) = match algorithm {
            AES_256_SIV => (Algorithm::AesSiv, rest),
            HPKE_AES_256_SIV => {
                let (key, rest) = rest.split_first_chunk().ok_or(short)?;
                (Algorithm::Hpke(*key), rest)
            }
            unknown => return Err(EnvelopeError::Algorithm(unknown)),
        };
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(short)?;
        if ciphertext.len() < TAG_BYTES {
            return Err(short);
        }
        Ok(Self { algorithm, key: KeyId(*key), nonce: *nonce, ciphertext })
    }
}

/// Where a sealed value belongs. It opens nowhere else.
pub(crate) struct Context<'a> {
    purpose: &'static str,
    account: &'a str,
    record: &'a str,
    field: &'a str,
}

impl<'a> Context<'a> {
    pub(crate) const fn field(account: &'a str, record: &'a str, field: &'a str) -> Self {
        Self { purpose: "field", account, record, field }
    }

    /// A wrapped key; its name in the store holds the account and the job.
    pub(crate) const fn wrap(name: &'a str) -> Self {
        Self { purpose: "wrap", account: "", record: "", field: name }
    }

    /// The field's or the wrapped key's name, for errors.
    pub(crate) const fn what(&self) -> &'a str {
        self.field
    }

    pub(crate) fn malformed(&self, source: EnvelopeError) -> Error {
        Error::Envelope { what: self.field.to_owned(), source }
    }

    /// Every part with its length before it, so that no two contexts share an encoding.
    pub(crate) fn associated_data(&self, algorithm: Algorithm, key: KeyId) -> Vec<u8> {
        let parts: [&[u8]; 6] = [
            &[VERSION, algorithm.id()],
            &key.0,
            self.purpose.as_bytes(),
            self.account.as_bytes(),
            self.record.as_bytes(),
            self.field.as_bytes(),
        ];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_contexts_share_an_encoding_however_the_text_is_cut() {
        let id = KeyId([7; 8]);
        let contexts = [
            Context::field("ab", "c", "d"),
            Context::field("a", "bc", "d"),
            Context::field("a", "b", "cd"),
            Context::field("", "abc", "d"),
            Context::field("abcd", "", ""),
            Context::field("", "", "abcd"),
            Context::wrap("abcd"),
        ];
        let siv = Algorithm::AesSiv;
        let mut encoded: Vec<_> =
            contexts.iter().map(|context| context.associated_data(siv, id)).collect();
        encoded.push(contexts[0].associated_data(siv, KeyId([8; 8])));
        encoded.push(contexts[0].associated_data(Algorithm::Hpke([0; 32]), id));
        let all = encoded.len();
        encoded.sort();
        encoded.dedup();
        assert_eq!(encoded.len(), all);
    }

    #[test]
    fn an_envelope_says_which_rule_a_value_breaks() {
        for algorithm in [Algorithm::AesSiv, Algorithm::Hpke([4; 32])] {
            let good =
                Envelope { algorithm, key: KeyId([1; 8]), nonce: [2; 16], ciphertext: &[3; 16] }
                    .encode();
            assert!(Envelope::decode(&good).is_ok());
            for length in 0..good.len() {
                assert_eq!(
                    Envelope::decode(&good[..length]).err(),
                    Some(EnvelopeError::TooShort(length))
                );
            }
            let mut later = good.clone();
            later[0] = 2;
            assert_eq!(Envelope::decode(&later).err(), Some(EnvelopeError::Version(2)));
            let mut other = good;
            other[1] = 9;
            assert_eq!(Envelope::decode(&other).err(), Some(EnvelopeError::Algorithm(9)));
        }
    }
}
