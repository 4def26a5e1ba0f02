//! What can happen to an upload, as stored. Fields are only ever added, with a default.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Sealed,
    id::{ApplicationId, JobId},
};

/// A fact in an upload's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Parts may be sent.
    Started(Started),
    /// All parts have been sent; what they make is to be held against this.
    CompletionRequested {
        /// What the whole file is held against.
        checksum: Checksum,
    },
    /// The file lies in the platform bucket, as large and with the checksum that was announced.
    SourceUploaded {
        /// Bytes.
        size_bytes: u64,
        /// What it was held against.
        checksum: Checksum,
    },
    /// It is not the file that was announced; nothing of it stays.
    Rejected {
        /// Why.
        because: RejectedBecause,
    },
    /// A job may be accepted that reads it: the file stays until that job has ended.
    Claimed {
        /// Which.
        job: JobId,
    },
    /// It was not completed in time, or was given up; its parts go.
    Expired {},
    /// The file can be read no more; its bytes leave the platform bucket.
    Removed {
        /// Why.
        because: RemovedBecause,
    },
}

/// An upload as it was announced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "UploadStarted")]
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
    /// What the whole file is held against, where that is known by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// Until when it can be completed.
    pub expires_at: Timestamp,
}

/// A checksum of a whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// CRC-32C, in hex, eight lower-case digits.
    Crc32c(String),
    /// SHA-256, in hex, 64 lower-case digits.
    Sha256(String),
}

impl Checksum {
    /// Reads digits in either case.
    #[must_use]
    pub fn crc32c(hex: &str) -> Option<Self> {
        digits(hex, 8).map(Self::Crc32c)
    }

    /// Reads digits in either case.
    #[must_use]
    pub fn sha256(hex: &str) -> Option<Self> {
        digits(hex, 64).map(Self::Sha256)
    }
}

fn digits(text: &str, count: usize) -> Option<String> {
    let fits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| text.to_ascii_lowercase())
}

/// Why what was uploaded is not what was announced. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectedBecause {
    /// The bucket no longer has the parts.
    Parts,
    /// It is larger or smaller.
    Size,
    /// Its checksum is another.
    Checksum,
}

impl RejectedBecause {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parts => "parts",
            Self::Size => "size",
            Self::Checksum => "checksum",
        }
    }
}

/// Why an uploaded file was removed. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl RemovedBecause {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobsEnded => "jobs_ended",
            Self::Unused => "unused",
            Self::Asked => "asked",
            Self::Erased => "erased",
        }
    }
}

impl Event {
    /// The last token of its subject.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::CompletionRequested { .. } => "completion_requested",
            Self::SourceUploaded { .. } => "source_uploaded",
            Self::Rejected { .. } => "rejected",
            Self::Claimed { .. } => "claimed",
            Self::Expired {} => "expired",
            Self::Removed { .. } => "removed",
        }
    }
}
