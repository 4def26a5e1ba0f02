//! Whose signatures count.

use crate::{
    STREAMS,
    checkpoint::Checkpoint,
    note::{Kind as KeyKind, Verifier},
};

use super::{
    finding::{Finding, Kind},
    record::Signed,
    statement::{Source, Statement},
};

/// The most keys that are taken from what they are to prove.
const KEYS_MAX: usize = 64;

/// The keys whose signatures count, and where they come from.
#[derive(Debug, Clone)]
pub struct Trust {
    keys: Vec<Verifier>,
    own: bool,
}

impl Trust {
    /// Keys that somebody was given apart from the log.
    #[must_use]
    pub fn given(keys: Vec<Verifier>) -> Self {
        Self { keys: under_all_names(keys), own: false }
    }

    /// Keys that come with what they are to prove: they show that it was not changed since it was
    /// signed, and not who signed it.
    #[must_use]
    pub fn of_itself(keys: &[String]) -> Self {
        let keys = keys.iter().take(KEYS_MAX).filter_map(|key| key.parse().ok()).collect();
        Self { keys: under_all_names(keys), own: true }
    }

    /// The keys as text, each once.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for key in &self.keys {
            let name = key.named(deployment(key)).to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Whether the keys come with what they are to prove.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.own
    }

    /// Whether witnesses' keys are among them.
    pub(super) fn names_witnesses(&self) -> bool {
        self.keys.iter().any(|key| key.kind() == KeyKind::Cosignature)
    }

    /// What a checkpoint of the log says.
    pub(crate) fn read(&self, signed: &Signed) -> Result<Statement, Box<Finding>> {
        self.open(&signed.note, Source::Log).and_then(|(stream, statement)| {
            if stream == signed.stream {
                return Ok(statement);
            }
            let says = format!("a checkpoint of {stream} stands among those of {}", signed.stream);
            Err(Box::new(Finding::new(Kind::NotSigned, says).of(&signed.stream)))
        })
    }

    /// What a checkpoint says, and of which stream.
    pub(super) fn open(
        &self,
        note: &str,
        source: Source,
    ) -> Result<(String, Statement), Box<Finding>> {
        let not_signed = |why: String| {
            let whose = match &source {
                Source::Log => "a checkpoint of the log".to_owned(),
                Source::Kept(file) => format!("the checkpoint in {file}"),
            };
            Box::new(Finding::new(Kind::NotSigned, format!("{whose} does not count: {why}")))
        };
        let (checkpoint, signed) =
            Checkpoint::open(note, &self.keys).map_err(|error| not_signed(error.to_string()))?;
        let of = |kind| signed.iter().filter(move |it| it.by.kind() == kind);
        if !of(KeyKind::Note).any(|it| it.by.name() == checkpoint.origin) {
            return Err(not_signed(format!("no key of {} signed it", checkpoint.origin)));
        }
        let statement = Statement {
            size: checkpoint.size,
            root: checkpoint.root,
            time: checkpoint.time().and_then(|text| text.parse().ok()),
            witnesses: of(KeyKind::Cosignature).count(),
            source,
        };
        Ok((checkpoint.stream().to_owned(), statement))
    }
}

/// A notary has one key, and signs each log under the log's own name.
fn under_all_names(keys: Vec<Verifier>) -> Vec<Verifier> {
    let mut all: Vec<Verifier> = Vec::new();
    for key in keys {
        let logs = STREAMS.iter().map(|stream| key.named(format!("{}/{stream}", deployment(&key))));
        let known: Vec<Verifier> = match key.kind() {
            KeyKind::Note => logs.collect(),
            KeyKind::Cosignature => vec![key],
        };
        all.extend(known);
    }
    all
}

/// What the deployment is called that a key belongs to.
fn deployment(key: &Verifier) -> &str {
    let name = key.name();
    let of_log = |stream: &&str| name.strip_suffix(stream)?.strip_suffix('/');
    STREAMS.iter().find_map(of_log).unwrap_or(name)
}
