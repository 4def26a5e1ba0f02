//! What can happen to a job, as stored. Fields are only ever added, with a default.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Capability, FailureCode, Sealed,
    id::{ApplicationId, JobId, UploadId, WorkerId},
    wish::{Extra, PreviewWish},
};

/// What a job does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "JobKind")]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Pictures and metadata of a file.
    Preview {
        /// What is wished for.
        wish: PreviewWish,
    },
}

/// A fact in a job's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The wish was accepted.
    Requested(Requested),
    /// A worker took the lease.
    Started {
        /// Counts from 1.
        attempt: u32,
        /// Who holds the lease.
        worker: WorkerId,
    },
    /// The source was read in full.
    Fetched(Fetched),
    /// An artifact lies in its bucket.
    Stored {
        /// The artifact.
        artifact: Box<Artifact>,
    },
    /// Everything that was made of the source on the way is destroyed.
    Wiped {
        /// Bytes of intermediates destroyed.
        bytes: u64,
    },
    /// All that was wished for is in the bucket.
    Completed(Completed),
    /// An attempt failed, and another follows.
    AttemptFailed {
        /// Which attempt, from 1.
        attempt: u32,
        /// Why.
        code: FailureCode,
        /// When the next attempt is due.
        retry_at: Timestamp,
        /// More of why; may quote the caller.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<Sealed>,
    },
    /// The job failed for good.
    Failed {
        /// Attempts made.
        attempts: u32,
        /// Why.
        code: FailureCode,
        /// Which part is missing, where the code is `capability_missing` and it is one by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capability: Option<Capability>,
        /// More of why; may quote the caller.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<Sealed>,
    },
    /// The caller wants no more of it while a worker has it.
    CancelRequested {},
    /// The job ended because the caller wanted so.
    Cancelled {},
    /// Its artifacts in development storage have been removed after their time.
    Expired {},
    /// Everything held about it shall go.
    ErasureRequested {},
    /// Its keys are shredded and its objects removed.
    Erased {
        /// Objects removed from the platform bucket.
        #[serde(default, skip_serializing_if = "is_zero")]
        objects: u64,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Event {
    /// The last token of its subject.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) => "requested",
            Self::Started { .. } => "started",
            Self::Fetched(_) => "fetched",
            Self::Stored { .. } => "stored",
            Self::Wiped { .. } => "wiped",
            Self::Completed(_) => "completed",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::Failed { .. } => "failed",
            Self::CancelRequested {} => "cancel_requested",
            Self::Cancelled {} => "cancelled",
            Self::Expired {} => "expired",
            Self::ErasureRequested {} => "erasure_requested",
            Self::Erased { .. } => "erased",
        }
    }

    /// Whether a job has ended with it, so that those who wait are told.
    #[must_use]
    pub const fn is_outcome(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed { .. } | Self::Cancelled {})
    }
}

/// The wish as accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Requested {
    /// Whose key asked.
    pub application: ApplicationId,
    /// What is wished for.
    #[serde(flatten)]
    pub kind: Kind,
    /// What to read: an `http(s)` URL, `upload:ID`, or `s3://bucket/key` of an input.
    pub source_url: Sealed,
    /// The upload that is read, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// The URL that gets the webhook of this job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<Sealed>,
    /// The caller's own JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Sealed>,
    /// Key prefix and object headers: [`crate::filepreviews::Uploader`] as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploader: Option<Sealed>,
    /// The job that this one does again, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<JobId>,
    /// Keyed digest of the whole request, in hex: tells a repeated request from another one that
    /// reuses its `Idempotency-Key`.
    pub fingerprint: String,
}

/// What the source turned out to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fetched {
    /// The file's name with extension, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<Sealed>,
    /// Bytes.
    pub size_bytes: u64,
    /// As sniffed from its bytes.
    pub media_type: String,
    /// As libmagic names it: `binary`, `us-ascii`, `utf-8`.
    pub encoding: String,
    /// SHA-256, in hex. Empty where the source was read in parts and no checksum was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// MD5, in hex: what the v2 contract calls the checksum. Empty as above.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub md5: String,
    /// CRC-32C, in hex, eight digits. Empty as above, and in events of before it was reckoned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub crc32c: String,
    /// What claims it to be of another kind than its bytes are.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub mismatch: BTreeSet<Claim>,
}

/// What a sender says of a source's kind. Append only.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(rename = "SourceClaim")]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// The extension of its name.
    FileName,
    /// The media type that its server gives.
    ContentType,
}

/// In whose bucket an artifact lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoredIn {
    /// The customer's own.
    Destination,
    /// The platform's, for a while.
    Development,
}

/// Where an artifact lies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Object key in its bucket.
    pub key: String,
    /// The object's URL, unsigned.
    pub url: String,
}

/// What an artifact is to the wish.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[schemars(rename = "ArtifactRole")]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A page in one of the sizes asked for.
    #[default]
    Rendition,
    /// A film's frames side by side.
    ContactSheet,
    /// A film's frames as one sprite.
    Storyboard,
    /// Which part of the sprite is when.
    StoryboardCues,
    /// A few seconds, moving.
    Animation,
    /// A few seconds, as a film.
    Clip,
    /// Peaks of a waveform.
    Peaks,
    /// One layer; `page` counts them in the order of the metadata's layers, from 1.
    Layer,
}

impl Role {
    /// Whether it is a rendition.
    #[must_use]
    pub fn is_rendition(&self) -> bool {
        *self == Self::Rendition
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rendition => "rendition",
            Self::ContactSheet => "contact_sheet",
            Self::Storyboard => "storyboard",
            Self::StoryboardCues => "storyboard_cues",
            Self::Animation => "animation",
            Self::Clip => "clip",
            Self::Peaks => "peaks",
            Self::Layer => "layer",
        }
    }

    /// What has to be asked for to get it; nothing for renditions.
    #[must_use]
    pub const fn asked_as(self) -> Option<Extra> {
        match self {
            Self::Rendition => None,
            Self::ContactSheet => Some(Extra::ContactSheet),
            Self::Storyboard | Self::StoryboardCues => Some(Extra::Storyboard),
            Self::Animation => Some(Extra::Animation),
            Self::Clip => Some(Extra::Clip),
            Self::Peaks => Some(Extra::Peaks),
            Self::Layer => Some(Extra::Layers),
        }
    }
}

/// One rendition of one page, or what was made beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// What it is to the wish.
    #[serde(default, skip_serializing_if = "Role::is_rendition")]
    pub role: Role,
    /// Its name within the job's folder: unique and deterministic.
    pub name: String,
    /// Where it lies: a [`Location`] as JSON.
    pub location: Sealed,
    /// In whose bucket.
    pub stored_in: StoredIn,
    /// Page, from 1.
    pub page: u32,
    /// Position among the sizes asked, from 0.
    pub size_index: u32,
    /// The caller's spelling of the size, verbatim.
    pub requested_size: Value,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pixels of the page it was made from.
    pub original_width: u32,
    /// Pixels of the page it was made from.
    pub original_height: u32,
    /// Whether its size differs from the page's.
    pub resized: bool,
    /// IANA media type.
    pub media_type: String,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
}

/// The signed account of what was made of what, by what: a DSSE envelope around an in-toto statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Where it lies: a [`Location`] as JSON.
    pub location: Sealed,
    /// In whose bucket.
    pub stored_in: StoredIn,
    /// Names the key that signed it.
    pub key_id: String,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
}

/// How long the parts of the successful attempt took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Durations {
    /// Reading the source, in milliseconds.
    pub fetch_ms: u64,
    /// Drawing, in milliseconds.
    pub render_ms: u64,
    /// Storing, in milliseconds.
    pub store_ms: u64,
}

/// How a job was fulfilled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Completed {
    /// Pages the source has.
    pub total_pages: u32,
    /// What was found in the file: JSON object by metadata kind, if any was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Sealed>,
    /// Version of each engine that touched the source, by name.
    #[serde(default)]
    pub engines: BTreeMap<String, String>,
    /// How long it took.
    #[serde(default)]
    pub durations: Durations,
    /// The receipt that lies beside the artifacts; none in events of before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}
