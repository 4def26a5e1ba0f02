//! Asking a witness to sign that a checkpoint continues what it saw before
//! (<https://c2sp.org/tlog-witness>).

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use egress::{Answer, HookUrl};
use evidence::{
    checkpoint::Checkpoint,
    note::{BadNote, Kind, Note, Signature, Unsigned, Verifier},
    proof::{self, Impossible},
    shelf::{Shelf, ShelfError},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use crate::elsewhere::ANSWER;

/// What is called below a witness' prefix.
pub(crate) const ADD_CHECKPOINT: &str = "add-checkpoint";
/// More than any answer has.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How often a witness may say that it knows another size.
const MAX_ROUNDS: u32 = 3;

/// A witness did not sign.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WitnessError {
    #[error("ask the witness {name}")]
    Ask {
        name: String,
        #[source]
        source: egress::Error,
    },
    #[error("the witness {name} answers with status {status}")]
    Status { name: String, status: u16 },
    #[error(
        "the witness {name} saw {seen} events where this log has {size}: two logs have this name, or this one was rolled back"
    )]
    Ahead { name: String, seen: u64, size: u64 },
    #[error("the witness {name} keeps saying that it saw another size")]
    Undecided { name: String },
    #[error("the witness {name} answers with no signature")]
    Form {
        name: String,
        #[source]
        source: Option<BadNote>,
    },
    #[error("the witness {name} answers with a signature that is not its own")]
    Unsigned {
        name: String,
        #[source]
        source: Unsigned,
    },
    #[error("show the witness what the tree began with")]
    Shelf(#[from] ShelfError),
    #[error("show the witness what the tree began with")]
    Impossible(#[from] Impossible),
    #[error("the tree is not kept any more")]
    Gone,
}

/// Somebody who signs that a log only grows.
pub(crate) struct Witness {
    url: HookUrl,
    key: Verifier,
    /// The size that it signed last, by stream.
    seen: Mutex<HashMap<String, u64>>,
}

impl Witness {
    /// None if the key signs no cosignatures.
    pub(crate) fn at(url: HookUrl, key: Verifier) -> Option<Self> {
        (key.kind() == Kind::Cosignature).then(|| Self { url, key, seen: Mutex::default() })
    }

    /// Its signature of this checkpoint, verified.
    pub(crate) async fn cosign(
        &self,
        egress: &egress::Client,
        shelf: &Shelf,
        stream: &str,
        checkpoint: &Checkpoint,
        note: &str,
    ) -> Result<Signature, WitnessError> {
        let (name, size) = (self.key.name().to_owned(), checkpoint.size);
        for _ in 0..MAX_ROUNDS {
            let old = self.seen().get(stream).copied().unwrap_or_default();
            if old > size {
                return Err(WitnessError::Ahead { name, seen: old, size });
            }
            let body = request(shelf, stream, old, size, note).await?;
            let answer = self.ask(egress, body).await?;
            match answer.status {
                200 => {
                    let signature = self.read(&answer, note)?;
                    self.seen().insert(stream.to_owned(), size);
                    return Ok(signature);
                }
                409 => {
                    let known = decimal(&answer.body);
                    let known =
                        known.ok_or(WitnessError::Form { name: name.clone(), source: None })?;
                    self.seen().insert(stream.to_owned(), known);
                }
                status => return Err(WitnessError::Status { name, status }),
            }
        }
        Err(WitnessError::Undecided { name })
    }

    async fn ask(&self, egress: &egress::Client, body: String) -> Result<Answer, WitnessError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let body = Bytes::from(body);
        let asked = egress.exchange(&self.url, headers, body, MAX_ANSWER_BYTES, ANSWER).await;
        asked.map_err(|source| WitnessError::Ask { name: self.key.name().to_owned(), source })
    }

    /// The one line that this witness' key signed; others are ignored.
    fn read(&self, answer: &Answer, note: &str) -> Result<Signature, WitnessError> {
        let name = || self.key.name().to_owned();
        let text = String::from_utf8_lossy(&answer.body);
        let form = |source| WitnessError::Form { name: name(), source: Some(source) };
        let note = Note::parse(&format!("{note}{text}")).map_err(form)?;
        let keys = std::slice::from_ref(&self.key);
        note.verify(keys).map_err(|source| WitnessError::Unsigned { name: name(), source })?;
        let ours = |signature: &Signature| {
            signature.name == self.key.name() && signature.id == self.key.id()
        };
        let found = note.signatures.into_iter().find(ours);
        found.ok_or(WitnessError::Form { name: name(), source: None })
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The size that it says it saw, that the checkpoint continues that, and the checkpoint.
async fn request(
    shelf: &Shelf,
    stream: &str,
    old: u64,
    size: u64,
    note: &str,
) -> Result<String, WitnessError> {
    let plan = proof::consistency(old, size)?;
    let mut body = format!("old {old}\n");
    if !plan.nodes().is_empty() {
        let kept = shelf.kept(stream).await?.ok_or(WitnessError::Gone)?;
        let tiles = shelf.tiles(stream, &kept, plan.nodes()).await?;
        let proof = plan.make(&tiles).map_err(|source| ShelfError::missing(stream, source))?;
        for hash in proof {
            // Writing to a text does not fail.
            let _ = writeln!(body, "{hash}");
        }
    }
    body.push('\n');
    body.push_str(note);
    Ok(body)
}

/// A number and a newline, and no more.
fn decimal(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
