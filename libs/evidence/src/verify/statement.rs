//! A signed checkpoint as one fact: at this time the log of this stream had this many events and this root.

use jiff::Timestamp;

use crate::Hash;

/// Where a statement was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// In the log itself.
    Log,
    /// Somewhere that the log's operator does not keep: the name of a file.
    Kept(String),
}

/// What a checkpoint says, its signature having been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// When it was signed, as it says itself.
    pub(crate) time: Option<Timestamp>,
    pub(crate) source: Source,
    /// How many witnesses have signed it too.
    pub(crate) witnesses: usize,
}

impl Statement {
    /// How it is called in a sentence.
    pub(crate) fn name(&self) -> String {
        match &self.source {
            Source::Log => format!("the checkpoint over {} events", self.size),
            Source::Kept(file) => format!("the checkpoint over {} events in {file}", self.size),
        }
    }

    /// What tells it from others, the size first.
    pub(crate) fn place(&self) -> (u64, Hash, &Source) {
        (self.size, self.root, &self.source)
    }

    pub(crate) const fn is_kept(&self) -> bool {
        matches!(self.source, Source::Kept(_))
    }
}
