//! Files that others send straight into the platform bucket, in parts, each with a link of its own.
//!
//! Nothing here touches a byte of them: a multipart upload is begun, links are signed, the server is
//! asked which parts it has, and the upload is completed or aborted.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use jiff::Timestamp;

use crate::{
    Body, Destination, Error, Network, Object, ObjectHeaders, Presigned,
    bucket::{create_request, presigned, unquoted, window},
    client::Client,
};

/// The media type of what nobody has looked at.
const UNKNOWN: &str = "application/octet-stream";
/// The most pages of a list of parts that are read; a page has up to 1,000 of at most 10,000.
const MAX_PAGES: usize = 20;
/// Codes of answers that mean that there is no such multipart upload.
const NO_SUCH_UPLOAD: &str = "NoSuchUpload";

/// Multipart uploads into one bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Uploads {
    client: Client,
}

/// A part that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its bytes.
    pub size_bytes: u64,
    /// The server's tag of them, without quotes; empty when it told none.
    pub etag: String,
}

impl Uploads {
    /// Checks the bucket; makes no request.
    ///
    /// # Errors
    /// As [`Bucket::open`](crate::Bucket::open).
    pub async fn open(destination: Destination, network: &Network) -> Result<Self, Error> {
        Ok(Self { client: Client::open(destination, network).await? })
    }

    /// Begins an upload and gives the server's name of it. What will be stored is encrypted as
    /// every object of the bucket.
    ///
    /// # Errors
    /// [`Error::Key`], and whatever a request can end in.
    pub async fn begin(&self, key: &str) -> Result<String, Error> {
        let object = Object {
            key: key.to_owned(),
            content_type: UNKNOWN.to_owned(),
            headers: ObjectHeaders::default(),
            body: Body::from(bytes::Bytes::new()),
        };
        let created = create_request(&self.client, &self.client.key(key)?, &object)
            .send()
            .await
            .map_err(|error| Error::from_sdk("CreateMultipartUpload", error))?;
        Ok(created.upload_id.unwrap_or_default())
    }

    /// A link to send one part with, of this number and size and no other.
    ///
    /// # Errors
    /// [`Error::Expiry`] beyond one second to seven days; [`Error::Key`].
    pub async fn presign_part(
        &self,
        key: &str,
        upload: &str,
        (number, size_bytes): (u64, u64),
        start: Timestamp,
        expires: Duration,
    ) -> Result<Presigned, Error> {
        let request = self
            .client
            .sdk
            .upload_part()
            .bucket(&self.client.destination.bucket)
            .key(self.client.key(key)?)
            .upload_id(upload)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .content_length(i64::try_from(size_bytes).unwrap_or(i64::MAX))
            .presigned(window(start, expires)?)
            .await
            .map_err(|error| Error::from_sdk("UploadPart", error))?;
        presigned("UploadPart", &request)
    }

    /// The parts that the server has, by number; `None` when it knows no such upload. A server that
    /// does not look answers with no parts instead.
    ///
    /// # Errors
    /// Whatever a request can end in.
    pub async fn parts(
        &self,
        key: &str,
        upload: &str,
    ) -> Result<Option<BTreeMap<u64, Part>>, Error> {
        let mut parts = BTreeMap::new();
        let mut from: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let listed = self
                .client
                .sdk
                .list_parts()
                .bucket(&self.client.destination.bucket)
                .key(self.client.key(key)?)
                .upload_id(upload)
                .set_part_number_marker(from.take())
                .send()
                .await;
            let page = match listed.map_err(|error| Error::from_sdk("ListParts", error)) {
                Err(error) if is_unknown(&error) => return Ok(None),
                page => page?,
            };
            parts.extend(page.parts.unwrap_or_default().into_iter().filter_map(|part| {
                let number = u64::try_from(part.part_number?).ok()?;
                let size_bytes = u64::try_from(part.size?).ok()?;
                Some((number, Part { size_bytes, etag: unquoted(part.e_tag) }))
            }));
            if page.is_truncated != Some(true) {
                break;
            }
            from = page.next_part_number_marker;
        }
        Ok(Some(parts))
    }

    /// Makes one object of the parts. Large ones take a while.
    ///
    /// # Errors
    /// Whatever a request can end in.
    pub async fn complete(
        &self,
        key: &str,
        upload: &str,
        parts: &BTreeMap<u64, Part>,
    ) -> Result<(), Error> {
        let size_bytes = parts.values().map(|part| part.size_bytes).sum();
        let parts = parts.iter().map(|(number, part)| {
            let number = i32::try_from(*number).unwrap_or(i32::MAX);
            let etag = Some(part.etag.clone()).filter(|etag| !etag.is_empty());
            CompletedPart::builder().part_number(number).set_e_tag(etag).build()
        });
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        self.client
            .sdk
            .complete_multipart_upload()
            .bucket(&self.client.destination.bucket)
            .key(self.client.key(key)?)
            .upload_id(upload)
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .multipart_upload(parts)
            .customize()
            // The server may read all of it once more before it answers.
            .config_override(self.client.patience(size_bytes))
            .send()
            .await
            .map_err(|error| Error::from_sdk("CompleteMultipartUpload", error))?;
        Ok(())
    }

    /// Ends an upload, so that its parts are not kept and paid for; one that is unknown has ended.
    ///
    /// # Errors
    /// Whatever a request can end in.
    pub async fn abort(&self, key: &str, upload: &str) -> Result<(), Error> {
        let aborted = self
            .client
            .sdk
            .abort_multipart_upload()
            .bucket(&self.client.destination.bucket)
            .key(self.client.key(key)?)
            .upload_id(upload)
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .send()
            .await;
        match aborted.map_err(|error| Error::from_sdk("AbortMultipartUpload", error)) {
            Err(error) if is_unknown(&error) => Ok(()),
            aborted => aborted.map(drop),
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::Unavailable(answer) if answer.code == NO_SUCH_UPLOAD)
}
