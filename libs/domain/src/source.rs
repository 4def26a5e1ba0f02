//! What a job reads, as its caller names it.

use crate::{
    account::{self, Input},
    id::{InvalidId, UploadId},
};

/// What stands before the id of an upload.
const UPLOAD: &str = "upload:";
/// What stands before a bucket and a key.
const BUCKET: &str = "s3://";

/// What a job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Something on the web, by its URL.
    Web(String),
    /// A file that the account uploaded: `upload:ID`.
    Upload(UploadId),
    /// An object in a bucket that is an input of the account: `s3://bucket/key`, the key as it is,
    /// nothing in it encoded.
    Object {
        /// The bucket.
        bucket: String,
        /// The whole key.
        key: String,
    },
}

/// Why a text names nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// No upload has such an id.
    #[error("after `upload:` comes the id of an upload: {0}")]
    Upload(#[from] InvalidId),
    /// Bucket or key is missing.
    #[error("an object is named as s3://bucket/key")]
    Object,
}

impl Source {
    /// The input of the account that it lies in: of several, the one with the longest prefix.
    #[must_use]
    pub fn input<'a>(&self, account: &'a account::State) -> Option<&'a Input> {
        let Self::Object { bucket, key } = self else { return None };
        let inputs = account.inputs.values();
        let holds = |input: &&Input| {
            input.place.bucket == *bucket && key.starts_with(input.place.prefix.as_str())
        };
        inputs.filter(holds).max_by_key(|input| input.place.prefix.len())
    }

    /// Reads a text. What begins like neither an upload nor an object is taken for a URL, as it is.
    ///
    /// # Errors
    /// [`InvalidSource`] when what begins like an upload or an object is none.
    pub fn parse(text: &str) -> Result<Self, InvalidSource> {
        if let Some(id) = text.strip_prefix(UPLOAD) {
            return Ok(Self::Upload(id.parse()?));
        }
        let Some(place) = text.strip_prefix(BUCKET) else { return Ok(Self::Web(text.to_owned())) };
        match place.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self::Object { bucket: bucket.to_owned(), key: key.to_owned() })
            }
            _ => Err(InvalidSource::Object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_reads_is_told_by_how_it_begins() {
        let id = "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21";
        assert_eq!(Source::parse(&format!("upload:{id}")), Ok(Source::Upload(id.parse().unwrap())));
        let object = |bucket: &str, key: &str| {
            Ok(Source::Object { bucket: bucket.to_owned(), key: key.to_owned() })
        };
        assert_eq!(Source::parse("s3://films/a b%20/ü?#.mp4"), object("films", "a b%20/ü?#.mp4"));
        for none in ["s3://", "s3://films", "s3://films/", "s3:///key"] {
            assert_eq!(Source::parse(none), Err(InvalidSource::Object), "{none}");
        }
        for none in ["upload:", "upload:../x", "upload:0190A5C4-9D2E-7C3B-8F1A-2B6D5E4F3A21"] {
            assert!(matches!(Source::parse(none), Err(InvalidSource::Upload(_))), "{none}");
        }
        let web = "https://example.com/upload:7";
        assert_eq!(Source::parse(web), Ok(Source::Web(web.to_owned())));
    }
}
