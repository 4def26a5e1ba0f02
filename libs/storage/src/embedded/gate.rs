//! Who may do what on the embedded server, and which names it takes.

use std::path::PathBuf;

use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    path::S3Path,
    s3_error,
};

use crate::{destination::check_bucket, key};

/// Requests that store an object.
const WRITES: [&str; 5] = [
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
];
/// Further requests that the admin can make. Those that name keys in their body are not among them.
const READS: [&str; 9] = [
    "GetObject",
    "HeadObject",
    "DeleteObject",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "ListBuckets",
    "HeadBucket",
    "GetBucketLocation",
];
/// The longest name of a file, in bytes, on the file systems in use.
const MAX_NAME_BYTES: usize = 255;

/// Asked before every request whose signature held, and every one without a signature.
pub(super) struct Gate {
    pub(super) data: PathBuf,
    pub(super) admin: String,
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = context.s3_op().name();
        let Some(credentials) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "requests must be signed"));
        };
        let writes = WRITES.contains(&operation);
        if credentials.access_key != self.admin && !writes {
            return Err(s3_error!(AccessDenied, "this credential may only write"));
        }
        if !writes && !READS.contains(&operation) {
            return Err(s3_error!(NotImplemented));
        }
        match context.s3_path() {
            S3Path::Root => Ok(()),
            S3Path::Bucket { bucket } => self.check_bucket(bucket),
            S3Path::Object { bucket, key } => {
                self.check_bucket(bucket)?;
                check_key(operation, bucket, key)
            }
        }
    }
}

impl Gate {
    /// The server itself would make a bucket for whatever is put into it.
    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if check_bucket(bucket).is_err() || !self.data.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(())
    }
}

/// A key becomes a path, and what is known about the object a file named after bucket and key.
fn check_key(operation: &str, bucket: &str, key: &str) -> S3Result<()> {
    if key::check(key).is_err() {
        return Err(s3_error!(InvalidArgument, "the key has an empty, '.' or '..' part"));
    }
    let base64_len = |text: &str| (text.len() * 4).div_ceil(3);
    let around = match operation {
        "PutObject" => ".bucket-.object-.metadata.json".len(),
        _ if WRITES.contains(&operation) => ".bucket-.object-.upload-.metadata.json".len() + 36,
        _ => 0,
    };
    let name_len = around + base64_len(bucket) + base64_len(key);
    let too_long = around > 0 && name_len > MAX_NAME_BYTES;
    if too_long || key.split('/').any(|part| part.len() > MAX_NAME_BYTES) {
        return Err(s3_error!(KeyTooLongError, "the embedded server takes shorter keys only"));
    }
    Ok(())
}
