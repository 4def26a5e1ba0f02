//! Processing receipts: what was made, of what, by what; an in-toto statement in a DSSE envelope.
//!
//! Statement: <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>. Its subjects are
//! the job's objects. The predicate is ours; it names things as the events do, and holds nothing that
//! is sealed in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    dsse::{Envelope, OpenError},
    receipt_key::{PublicKey, PublicKeys, SecretKey},
};

/// What an envelope of ours holds.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// What a statement says that it is.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What our predicate says that it is. A field that is added does not change it.
pub const PREDICATE_TYPE: &str = "urn:darkroom:processing:v1";
/// The media type of a receipt as it is stored.
pub const MEDIA_TYPE: &str = "application/vnd.in-toto.dsse+json";
const SHA256: &str = "sha256";

/// The statement: these objects came of this processing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// The objects, `metadata.json` last.
    pub subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// How they came about.
    pub predicate: Processing,
}

/// An object that a job stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name within the job's folder.
    pub name: String,
    /// Its digests in hex, by algorithm.
    pub digest: BTreeMap<String, String>,
}

/// How a job was fulfilled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Processing {
    /// Which job.
    pub job: String,
    /// Whose it is.
    pub account: String,
    /// The job that it did again, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<String>,
    /// What the job does.
    pub kind: String,
    /// Which attempt succeeded, from 1.
    pub attempt: u32,
    /// When it was asked for (RFC 3339).
    pub requested_at: String,
    /// When it was done (RFC 3339).
    pub finished_at: String,
    /// What was read.
    pub source: Source,
    /// What was wished for.
    pub parameters: Value,
    /// Version of each engine that touched the source, by name.
    pub engines: BTreeMap<String, String>,
    /// How long the parts of the attempt took, in milliseconds.
    pub durations: Value,
    /// The objects but `metadata.json`, as the log has them.
    pub artifacts: Vec<Made>,
    /// Who did it.
    pub worker: Worker,
}

/// The file that was processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// As sniffed from its bytes.
    pub media_type: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Its digests in hex, by algorithm; none where only parts of it were read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
}

/// What one object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its name, as among the subjects.
    pub name: String,
    /// What it is to the wish.
    pub role: String,
    /// Page, from 1.
    pub page: u32,
    /// IANA media type.
    pub media_type: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// The process that did the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its id, as in the job's `started`.
    pub id: String,
    /// The release that it is of.
    pub version: String,
}

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Its envelope does not open.
    #[error(transparent)]
    Envelope(#[from] OpenError),
    /// What was signed is no statement of ours.
    #[error("what was signed is no processing receipt")]
    Statement(#[source] serde_json::Error),
    /// What was signed is another statement.
    #[error("what was signed is a `{0}`, and no processing receipt")]
    OtherStatement(String),
}

/// A receipt whose signature holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// What it says.
    pub statement: Statement,
    /// Who signed it.
    pub key: PublicKey,
}

impl Subject {
    /// An object with this SHA-256, in hex.
    #[must_use]
    pub fn new(name: String, sha256: String) -> Self {
        Self { name, digest: sha256_alone(sha256) }
    }

    /// Its SHA-256, in hex, if it has one.
    #[must_use]
    pub fn sha256(&self) -> Option<&str> {
        self.digest.get(SHA256).map(String::as_str)
    }
}

impl Source {
    /// A file; `sha256` is in hex, and empty where only parts of it were read.
    #[must_use]
    pub fn new(media_type: String, size_bytes: u64, sha256: String) -> Self {
        let digest = if sha256.is_empty() { BTreeMap::new() } else { sha256_alone(sha256) };
        Self { media_type, size_bytes, digest }
    }
}

impl Statement {
    /// Says that `subject` came of `predicate`.
    #[must_use]
    pub fn new(subject: Vec<Subject>, predicate: Processing) -> Self {
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject,
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate,
        }
    }

    /// The subject with this SHA-256, in hex: what counts is the digest, whatever a file is called.
    #[must_use]
    pub fn names(&self, sha256: &str) -> Option<&Subject> {
        self.subject.iter().find(|subject| subject.sha256() == Some(sha256))
    }

    /// The receipt, as it is stored.
    ///
    /// # Errors
    /// When the predicate is no JSON, which nothing of ours is.
    pub fn sign(&self, key: &SecretKey) -> Result<Vec<u8>, serde_json::Error> {
        let envelope = Envelope::sign(PAYLOAD_TYPE, &serde_json::to_vec(self)?, key);
        let mut bytes = serde_json::to_vec(&envelope)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Reads a receipt that one of the keys signed.
///
/// # Errors
/// [`VerifyError`].
pub fn verify(receipt: &[u8], keys: &PublicKeys) -> Result<Verified, VerifyError> {
    /// What every statement has.
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "_type", default)]
        kind: String,
        #[serde(rename = "predicateType", default)]
        predicate_type: String,
    }
    let envelope = Envelope::parse(receipt)?;
    let opened = envelope.open(PAYLOAD_TYPE, keys)?;
    let head: Head = serde_json::from_slice(&opened.payload).map_err(VerifyError::Statement)?;
    let expected = [(&head.kind, STATEMENT_TYPE), (&head.predicate_type, PREDICATE_TYPE)];
    if let Some((other, _)) = expected.iter().find(|(found, expected)| found != expected) {
        let other = other.chars().filter(|c| !c.is_control()).take(96).collect();
        return Err(VerifyError::OtherStatement(other));
    }
    let statement = serde_json::from_slice(&opened.payload).map_err(VerifyError::Statement)?;
    Ok(Verified { statement, key: opened.key.clone() })
}

fn sha256_alone(sha256: String) -> BTreeMap<String, String> {
    BTreeMap::from([(SHA256.to_owned(), sha256)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement() -> Statement {
        let subject = [("page-1_40.jpg", "aa"), ("metadata.json", "bb")];
        let subject =
            subject.map(|(name, sha256)| Subject::new(name.to_owned(), sha256.to_owned()));
        Statement::new(
            subject.to_vec(),
            Processing {
                job: "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21".to_owned(),
                account: "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a22".to_owned(),
                rerun_of: None,
                kind: "preview".to_owned(),
                attempt: 1,
                requested_at: "2026-07-01T00:00:00Z".to_owned(),
                finished_at: "2026-07-01T00:00:01Z".to_owned(),
                source: Source::new("image/webp".to_owned(), 7, "cc".to_owned()),
                parameters: json!({"sizes": [40]}),
                engines: BTreeMap::from([("libwebp".to_owned(), "1.3.2".to_owned())]),
                durations: json!({"fetch_ms": 1}),
                artifacts: vec![],
                worker: Worker { id: "w".to_owned(), version: "0.1.0".to_owned() },
            },
        )
    }

    fn keys(key: &SecretKey) -> PublicKeys {
        [key.public().clone()].into_iter().collect()
    }

    #[test]
    fn what_was_signed_is_what_is_read() {
        let key = SecretKey::from_seed(&[7; 32]);
        let receipt = statement().sign(&key).unwrap();
        let verified = verify(&receipt, &keys(&key)).unwrap();
        assert_eq!((verified.statement, verified.key.id()), (statement(), key.public().id()));
        assert_eq!(statement().names("bb").unwrap().name, "metadata.json");
        assert_eq!(statement().names("cc"), None, "the source is none of its subjects");
    }

    #[test]
    fn the_statement_has_the_fields_of_in_toto() {
        let json = serde_json::to_value(statement()).unwrap();
        assert_eq!(json["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(json["predicateType"], PREDICATE_TYPE);
        assert_eq!(
            json["subject"][1],
            json!({"name": "metadata.json", "digest": {"sha256": "bb"}})
        );
        let unread = Source::new("video/mp4".to_owned(), 1, String::new());
        assert_eq!(
            serde_json::to_value(unread).unwrap(),
            json!({"media_type": "video/mp4", "size_bytes": 1}),
        );
    }

    #[test]
    fn no_changed_byte_makes_it_say_anything_else() {
        let key = SecretKey::from_seed(&[7; 32]);
        let receipt = statement().sign(&key).unwrap();
        let mut read = 0;
        for (at, byte) in receipt.iter().enumerate() {
            let mut changed = receipt.clone();
            changed[at] = if *byte == b'A' { b'B' } else { b'A' };
            if let Ok(verified) = verify(&changed, &keys(&key)) {
                assert_eq!(verified.statement, statement(), "byte {at}");
                read += 1;
            }
        }
        // Only the name of the hint at the key can be taken away.
        assert_eq!(read, "keyid".len());
    }

    #[test]
    fn another_statement_is_not_taken_for_a_receipt() {
        let key = SecretKey::from_seed(&[7; 32]);
        let other = json!({"_type": STATEMENT_TYPE, "subject": [], "predicateType": "https://slsa.dev/provenance/v1", "predicate": {}});
        let envelope = Envelope::sign(PAYLOAD_TYPE, other.to_string().as_bytes(), &key);
        let refused = verify(&serde_json::to_vec(&envelope).unwrap(), &keys(&key));
        assert!(
            matches!(refused, Err(VerifyError::OtherStatement(ref kind)) if kind.contains("slsa"))
        );
    }

    #[test]
    fn fields_of_later_releases_are_no_obstacle() {
        let key = SecretKey::from_seed(&[7; 32]);
        let mut later = serde_json::to_value(statement()).unwrap();
        later["predicate"]["more"] = json!(1);
        later["subject"][0]["uri"] = json!("x");
        let envelope = Envelope::sign(PAYLOAD_TYPE, later.to_string().as_bytes(), &key);
        assert!(verify(&serde_json::to_vec(&envelope).unwrap(), &keys(&key)).is_ok());
    }
}
