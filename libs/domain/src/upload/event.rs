//! What can happen to an upload, as stored. Fields are only ever added, with a default.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Sealed, id::ApplicationId};

/// A fact in an upload's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Parts may be sent.
    Started(Started),
    /// The file lies in the platform bucket, as large and with the checksum that was announced.
    SourceUploaded {
        /// Bytes.
        size_bytes: u64,
        /// What it was held against.
        checksum: Checksum,
    },
    /// It was not completed in time, or was given up; its parts are removed.
    Expired {},
    /// The file was removed from the platform bucket.
    Removed {
        /// Why.
        because: RemovedBecause,
    },
}

/// An upload as it was announced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Whose key asked; absent: a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// The file's name, with extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<Sealed>,
    /// Bytes.
    pub size_bytes: u64,
    /// Bytes of each part but the last.
    pub part_bytes: u64,
    /// What S3 calls the multipart upload.
    pub multipart: Sealed,
    /// Object key in the platform bucket.
    pub key: String,
    /// What the whole file is held against.
    pub checksum: Checksum,
    /// Until when it can be completed.
    pub expires_at: Timestamp,
}

/// A checksum of a whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// CRC-32C, in hex, eight digits.
    Crc32c(String),
    /// SHA-256, in hex.
    Sha256(String),
}

/// Why an uploaded file was removed. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovedBecause {
    /// The jobs that read it have ended.
    JobsEnded,
    /// No job read it in time.
    Unused,
    /// Its owner asked.
    Asked,
    /// Its account, or the job that read it, was erased.
    Erased,
}

impl Event {
    /// The last token of its subject.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::SourceUploaded { .. } => "source_uploaded",
            Self::Expired {} => "expired",
            Self::Removed { .. } => "removed",
        }
    }
}
