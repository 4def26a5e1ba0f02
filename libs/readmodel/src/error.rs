//! What can go wrong with a store.

use std::{io, path::PathBuf};

/// The store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// sled belongs to one process at a time.
    #[error(
        "the read model in {path} is held by another process: give each process a data folder of its own"
    )]
    Held {
        /// The store's folder.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("{operation} {path}")]
    Files {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// In the system's words.
        source: io::Error,
    },
    /// sled said no.
    #[error("{operation} the read model")]
    Sled {
        /// What was attempted.
        operation: &'static str,
        /// In sled's words.
        source: sled::Error,
    },
    /// A row is not what was written.
    #[error("the read model's row {key} is unreadable")]
    Row {
        /// Its key; binary parts escaped.
        key: String,
        /// What is wrong with its JSON, if that is it.
        source: Option<serde_json::Error>,
    },
}

impl Error {
    pub(crate) const fn sled(operation: &'static str) -> impl Fn(sled::Error) -> Self {
        move |source| Self::Sled { operation, source }
    }

    pub(crate) fn row(key: &[u8], source: impl Into<Option<serde_json::Error>>) -> Self {
        Self::Row { key: key.escape_ascii().to_string(), source: source.into() }
    }

    /// Whether the store itself is damaged, so that only making it anew helps.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Row { .. } | Self::Sled { source: sled::Error::Corruption { .. }, .. })
    }
}
