//! Storing a large object in parts, and leaving nothing behind when that fails.

use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::{
    Body, CustomerKey, Error, Object,
    bucket::{Answered, agree, checksum, create_request},
    client::Client,
    customer_key::ALGORITHM,
};

/// Objects larger than this are stored in parts, in bytes.
pub const MULTIPART_ABOVE_BYTES: u64 = 64 << 20;
/// Size of a part, in bytes; larger where the object would otherwise have too many.
pub const PART_BYTES: u64 = 16 << 20;
/// The most parts that S3 takes.
const MAX_PARTS: u64 = 10_000;
/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 4;

/// Stores the object.
pub(crate) async fn put(client: &Client, key: &str, object: &Object) -> Result<Answered, Error> {
    let created = create_request(client, key, object)
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .send()
        .await
        .map_err(|error| Error::from_sdk("CreateMultipartUpload", error))?;
    let id = created.upload_id.unwrap_or_default();
    let mut upload = Upload { client: client.clone(), key: key.to_owned(), id, open: true };
    let finished = upload.finish(&object.body).await;
    upload.open = false;
    match finished {
        Ok(answered) => Ok(answered),
        Err(error) => Err(match upload.abort().await {
            Ok(()) => error,
            Err(abort) => Error::LeftBehind { error: Box::new(error), abort: Box::new(abort) },
        }),
    }
}

/// An upload that was begun. Dropped half-way, it is aborted in the background.
struct Upload {
    client: Client,
    key: String,
    id: String,
    open: bool,
}

impl Upload {
    async fn finish(&self, body: &Body) -> Result<Answered, Error> {
        let part_bytes = part_bytes(body.size_bytes());
        let count = body.size_bytes().div_ceil(part_bytes);
        let parts: Vec<CompletedPart> = stream::iter(0..count)
            .map(|index| self.part(index, body.part(index * part_bytes, part_bytes)))
            .buffered(PARTS_AT_ONCE)
            .try_collect()
            .await?;
        let whole = composite(&parts);
        let done = self
            .client
            .sdk
            .complete_multipart_upload()
            .bucket(&self.client.destination.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .set_sse_customer_algorithm(self.client.sse_c().map(|_| ALGORITHM.to_owned()))
            .set_sse_customer_key(self.client.sse_c().map(CustomerKey::base64))
            .set_sse_customer_key_md5(self.client.sse_c().map(CustomerKey::md5))
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .customize()
            // The server may read the whole object once more before it answers.
            .config_override(self.client.patience(body.size_bytes()))
            .send()
            .await
            .map_err(|error| Error::from_sdk("CompleteMultipartUpload", error))?;
        // Some servers answer with a checksum of the whole object, which is not known here.
        let answered = done.checksum_sha256.filter(|checksum| checksum.contains('-'));
        agree("CompleteMultipartUpload", &whole, answered.as_deref())?;
        Ok(Answered { etag: done.e_tag, version: done.version_id })
    }

    async fn part(&self, index: u64, body: Body) -> Result<CompletedPart, Error> {
        let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
        let sha256 = checksum(&body).await?;
        let stored = self
            .client
            .sdk
            .upload_part()
            .bucket(&self.client.destination.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number)
            .checksum_sha256(&sha256)
            .content_length(i64::try_from(body.size_bytes()).unwrap_or(i64::MAX))
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .set_sse_customer_algorithm(self.client.sse_c().map(|_| ALGORITHM.to_owned()))
            .set_sse_customer_key(self.client.sse_c().map(CustomerKey::base64))
            .set_sse_customer_key_md5(self.client.sse_c().map(CustomerKey::md5))
            .body(body.stream())
            .customize()
            .config_override(self.client.patience(body.size_bytes()))
            .send()
            .await
            .map_err(|error| Error::from_sdk("UploadPart", error))?;
        agree("UploadPart", &sha256, stored.checksum_sha256.as_deref())?;
        let part = CompletedPart::builder().part_number(number).checksum_sha256(sha256);
        Ok(part.set_e_tag(stored.e_tag).build())
    }

    /// Ends the upload, so that its parts are not kept and paid for. Policies may forbid it.
    async fn abort(&self) -> Result<(), Error> {
        self.client
            .sdk
            .abort_multipart_upload()
            .bucket(&self.client.destination.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| Error::from_sdk("AbortMultipartUpload", error))
            .inspect_err(|error| {
                tracing::warn!(%error, "an unfinished upload stays in the bucket until its lifecycle ends it");
            })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.open {
            let rest = Self {
                client: self.client.clone(),
                key: std::mem::take(&mut self.key),
                id: std::mem::take(&mut self.id),
                open: false,
            };
            // What there is to say of it was logged.
            runtime.spawn(async move { rest.abort().await.is_ok() });
        }
    }
}

/// The checksum of an object in parts: that of its parts' checksums, and their number.
fn composite(parts: &[CompletedPart]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let sha256 = part.checksum_sha256.as_deref().unwrap_or_default();
        hash.update(STANDARD.decode(sha256).unwrap_or_default());
    }
    format!("{}-{}", STANDARD.encode(hash.finalize()), parts.len())
}

/// [`PART_BYTES`], or as much more, in whole MiB, as keeps the count within S3's limit.
fn part_bytes(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(MAX_PARTS).next_multiple_of(1 << 20).max(PART_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::MAX_OBJECT_BYTES;

    #[test]
    fn the_largest_object_fits_in_the_parts_allowed() {
        assert_eq!(part_bytes(MULTIPART_ABOVE_BYTES + 1), PART_BYTES);
        assert!(MAX_OBJECT_BYTES.div_ceil(part_bytes(MAX_OBJECT_BYTES)) <= MAX_PARTS);
        assert!(part_bytes(MAX_OBJECT_BYTES) <= 5 << 30);
    }
}
