//! Reading an object as far as it is needed: from a place on, and no other version of it.

use bytes::Bytes;

use aws_sdk_s3::primitives::ByteStream;

use crate::{Destination, Error, InvalidDestination, InvalidKey, Network, client::Client, key};

/// Reads sources out of a bucket, by ranges. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ranges {
    client: Client,
}

/// What a server tells of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its size.
    pub size_bytes: u64,
    /// Its tag, as it was sent; a later version has another. Empty when the server told none.
    pub etag: String,
}

/// Bytes of an object that are coming.
#[derive(Debug)]
pub struct Range {
    /// Of the whole object.
    pub of: Described,
    /// The media type that it was stored with.
    pub content_type: Option<String>,
    /// How many bytes are coming.
    pub length: u64,
    body: ByteStream,
}

impl Ranges {
    /// Checks the bucket; makes no request.
    ///
    /// # Errors
    /// As [`Bucket::open`](crate::Bucket::open).
    pub async fn open(destination: Destination, network: &Network) -> Result<Self, Error> {
        Ok(Self { client: Client::open(destination, network).await? })
    }

    /// Whether a bucket can be where and what this says.
    ///
    /// # Errors
    /// [`InvalidDestination`], for the first field that is unusable.
    pub fn check(destination: &Destination) -> Result<(), InvalidDestination> {
        destination.check().map(drop)
    }

    /// Whether an object can have this key.
    ///
    /// # Errors
    /// [`InvalidKey`] says why not.
    pub fn check_key(object_key: &str) -> Result<(), InvalidKey> {
        key::check(object_key)
    }

    /// Asks what is there.
    ///
    /// # Errors
    /// [`Error::MissingObject`], and whatever else a request can end in.
    pub async fn describe(&self, key: &str) -> Result<Described, Error> {
        let answer = self
            .client
            .sdk
            .head_object()
            .bucket(&self.client.destination.bucket)
            .key(self.client.key(key)?)
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .send()
            .await
            .map_err(|error| Error::from_sdk("HeadObject", error))?;
        Ok(Described {
            size_bytes: number(answer.content_length),
            etag: answer.e_tag.unwrap_or_default(),
        })
    }

    /// Up to `length` bytes from `offset` on, of the version with this tag, if one is meant. An
    /// empty object has no range: it is answered as one of no bytes.
    ///
    /// # Errors
    /// [`Error::MissingObject`], [`Error::Invalid`] with status 412 where a server that looks at
    /// versions has another one, and whatever else a request can end in.
    pub async fn read(
        &self,
        key: &str,
        (offset, length): (u64, u64),
        version: Option<&str>,
    ) -> Result<Range, Error> {
        let last = offset.saturating_add(length).saturating_sub(1);
        let answered = self
            .client
            .sdk
            .get_object()
            .bucket(&self.client.destination.bucket)
            .key(self.client.key(key)?)
            .range(format!("bytes={offset}-{last}"))
            .set_if_match(version.map(ToOwned::to_owned))
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .send()
            .await
            .map_err(|error| Error::from_sdk("GetObject", error));
        let answer = match answered {
            Err(Error::Invalid(answer)) if answer.status == 416 && offset == 0 => {
                let of = self.describe(key).await?;
                return Ok(Range { of, content_type: None, length: 0, body: Bytes::new().into() });
            }
            answered => answered?,
        };
        let length = number(answer.content_length);
        // `bytes 0-9/100`; without it all of the object is coming.
        let total = answer.content_range.as_deref().and_then(|range| range.rsplit('/').next());
        let size_bytes = total.and_then(|total| total.parse().ok()).unwrap_or(length);
        let of = Described { size_bytes, etag: answer.e_tag.unwrap_or_default() };
        Ok(Range { of, content_type: answer.content_type, length, body: answer.body })
    }
}

impl Range {
    /// The next bytes; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when they stop coming.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        let next = self.body.next().await?;
        Some(
            next.map_err(|source| Error::Unreachable {
                operation: "GetObject",
                source: source.into(),
            }),
        )
    }
}

fn number(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}
