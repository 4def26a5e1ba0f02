//! A bucket to write into and to sign links for.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::{
    operation::{
        create_multipart_upload::builders::CreateMultipartUploadFluentBuilder,
        put_object::builders::PutObjectFluentBuilder,
    },
    presigning::{PresignedRequest, PresigningConfig},
    types::ServerSideEncryption,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use url::Url;

use crate::{
    Body, CustomerKey, Destination, Encryption, Error, Network, ObjectHeaders,
    client::Client,
    customer_key::ALGORITHM,
    multipart::{self, MULTIPART_ABOVE_BYTES},
    settings::LONGEST_LINK,
};

/// The largest object that S3 takes, in bytes.
pub(crate) const MAX_OBJECT_BYTES: u64 = 5 << 40;

/// An object to be stored.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its key under the destination's prefix.
    pub key: String,
    /// Its media type.
    pub content_type: String,
    /// What else a download answers with.
    pub headers: ObjectHeaders,
    /// Its bytes.
    pub body: Body,
}

/// An object that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The server's tag of these bytes, without quotes; empty when it sent none.
    pub etag: String,
    /// Bytes stored.
    pub size_bytes: u64,
    /// Which of the object's versions it is, where the bucket keeps several.
    pub version: Option<String>,
}

/// What a server answers a finished upload with.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) etag: Option<String>,
    pub(crate) version: Option<String>,
}

/// A request that whoever holds it may make until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presigned {
    /// Where to send it.
    pub url: Url,
    /// Headers that are part of the signature and must be sent as they are.
    pub headers: Vec<(String, String)>,
}

/// Writes into one bucket. Cheap to clone.
///
/// Uses `PutObject`, `CreateMultipartUpload`, `UploadPart`, `CompleteMultipartUpload` and
/// `AbortMultipartUpload`, all but the last of which a policy grants as `s3:PutObject`; a canned ACL
/// or tags among the headers need `s3:PutObjectAcl` or `s3:PutObjectTagging` besides.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub(crate) client: Client,
}

impl Bucket {
    /// Checks the destination; makes no request.
    ///
    /// # Errors
    /// [`Error::Destination`] when a field is unusable, [`Error::Forbidden`] when the endpoint is an
    /// address that the network refuses.
    pub async fn open(destination: Destination, network: &Network) -> Result<Self, Error> {
        Ok(Self { client: Client::open(destination, network).await? })
    }

    /// Stores an object, replacing what had its key. In parts above [`MULTIPART_ABOVE_BYTES`].
    ///
    /// The server verifies a SHA-256 of what it received, and where it answers with its own, that
    /// is compared. The call ends within the network's
    /// patience for a body of this size; given up earlier, it leaves the old object, if any.
    ///
    /// # Errors
    /// See [`Error`]; each variant says whether trying again can help.
    pub async fn put(&self, object: Object) -> Result<Stored, Error> {
        let key = self.client.key(&object.key)?;
        let size_bytes = object.body.size_bytes();
        if size_bytes > MAX_OBJECT_BYTES {
            return Err(Error::TooLarge { size_bytes, limit_bytes: MAX_OBJECT_BYTES });
        }
        let answered = if size_bytes > MULTIPART_ABOVE_BYTES {
            multipart::put(&self.client, &key, &object).await?
        } else {
            self.put_whole(&key, &object).await?
        };
        Ok(Stored { etag: unquoted(answered.etag), size_bytes, version: answered.version })
    }

    async fn put_whole(&self, key: &str, object: &Object) -> Result<Answered, Error> {
        let size_bytes = object.body.size_bytes();
        let sha256 = checksum(&object.body).await?;
        let stored = put_request(&self.client, key, object)
            .checksum_sha256(&sha256)
            .content_length(i64::try_from(size_bytes).unwrap_or(i64::MAX))
            .body(object.body.stream())
            .customize()
            .config_override(self.client.patience(size_bytes))
            .send()
            .await
            .map_err(|error| Error::from_sdk("PutObject", error))?;
        agree("PutObject", &sha256, stored.checksum_sha256.as_deref())?;
        Ok(Answered { etag: stored.e_tag, version: stored.version_id })
    }

    /// A link to an object, working from `start` for `expires`. The same arguments give the same
    /// link. It carries no condition on the bucket's owner: a plain GET could not meet one.
    ///
    /// # Errors
    /// [`Error::Expiry`] beyond one second to seven days; [`Error::Key`].
    pub async fn presign_get(
        &self,
        key: &str,
        start: Timestamp,
        expires: Duration,
    ) -> Result<Url, Error> {
        let request = self
            .client
            .sdk
            .get_object()
            .bucket(&self.client.destination.bucket)
            .key(self.client.key(key)?)
            .presigned(window(start, expires)?)
            .await
            .map_err(|error| Error::from_sdk("GetObject", error))?;
        Ok(presigned("GetObject", &request)?.url)
    }

    /// A link to store one object with, of this key, media type and size and no other.
    ///
    /// # Errors
    /// [`Error::Expiry`] beyond one second to seven days; [`Error::Key`].
    pub async fn presign_put(
        &self,
        key: &str,
        content_type: &str,
        size_bytes: u64,
        start: Timestamp,
        expires: Duration,
    ) -> Result<Presigned, Error> {
        let object = Object {
            key: key.to_owned(),
            content_type: content_type.to_owned(),
            headers: ObjectHeaders::default(),
            body: Body::from(bytes::Bytes::new()),
        };
        let request = put_request(&self.client, &self.client.key(key)?, &object)
            .content_length(i64::try_from(size_bytes).unwrap_or(i64::MAX))
            .presigned(window(start, expires)?)
            .await
            .map_err(|error| Error::from_sdk("PutObject", error))?;
        presigned("PutObject", &request)
    }

    /// The plain URL of an object; whether it can be read there is the bucket's affair.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn object_url(&self, key: &str) -> Result<Url, Error> {
        parse("object_url", &self.client.base.object(&self.client.key(key)?))
    }
}

/// Sets on a request what a new object carries.
macro_rules! dress {
    ($request:expr, $client:expr, $key:expr, $object:expr) => {{
        let headers = &$object.headers;
        let (encryption, kms_key) = encryption($client);
        let metadata = Some(headers.metadata.clone()).filter(|metadata| !metadata.is_empty());
        $request
            .bucket(&$client.destination.bucket)
            .key($key)
            .content_type(&$object.content_type)
            .set_expected_bucket_owner($client.destination.bucket_owner.clone())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .set_sse_customer_algorithm($client.sse_c().map(|_| ALGORITHM.to_owned()))
            .set_sse_customer_key($client.sse_c().map(CustomerKey::base64))
            .set_sse_customer_key_md5($client.sse_c().map(CustomerKey::md5))
            .set_cache_control(headers.cache_control.clone())
            .set_content_disposition(headers.content_disposition.clone())
            .set_content_encoding(headers.content_encoding.clone())
            .set_content_language(headers.content_language.clone())
            .set_expires(headers.expires)
            .set_acl(headers.acl.clone())
            .set_storage_class(headers.storage_class.clone())
            .set_tagging(headers.tagging.clone())
            .set_website_redirect_location(headers.website_redirect.clone())
            .set_metadata(metadata)
    }};
}

fn put_request(client: &Client, key: &str, object: &Object) -> PutObjectFluentBuilder {
    dress!(client.sdk.put_object(), client, key, object)
}

pub(crate) fn create_request(
    client: &Client,
    key: &str,
    object: &Object,
) -> CreateMultipartUploadFluentBuilder {
    dress!(client.sdk.create_multipart_upload(), client, key, object)
}

fn encryption(client: &Client) -> (Option<ServerSideEncryption>, Option<String>) {
    match &client.destination.encryption {
        // A customer's key says by itself that it is to be used.
        Encryption::None | Encryption::SseC { .. } => (None, None),
        Encryption::SseS3 => (Some(ServerSideEncryption::Aes256), None),
        Encryption::SseKms { key_id } => (Some(ServerSideEncryption::AwsKms), Some(key_id.clone())),
    }
}

/// Whether the server stored what it was sent, as far as it says.
pub(crate) fn agree(
    operation: &'static str,
    sent: &str,
    answered: Option<&str>,
) -> Result<(), Error> {
    match answered {
        Some(answered) if answered != sent => Err(Error::Damaged { operation }),
        _ => Ok(()),
    }
}

/// The SHA-256 as S3 spells it.
pub(crate) async fn checksum(body: &Body) -> Result<String, Error> {
    Ok(STANDARD.encode(body.sha256().await.map_err(Error::Body)?))
}

pub(crate) fn unquoted(etag: Option<String>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

pub(crate) fn window(start: Timestamp, expires: Duration) -> Result<PresigningConfig, Error> {
    if expires.as_secs() == 0 || expires > LONGEST_LINK {
        return Err(Error::Expiry);
    }
    PresigningConfig::builder()
        .start_time(SystemTime::from(start))
        .expires_in(Duration::from_secs(expires.as_secs()))
        .build()
        .map_err(|source| Error::Unprepared { operation: "presign", source: source.into() })
}

pub(crate) fn presigned(
    operation: &'static str,
    request: &PresignedRequest,
) -> Result<Presigned, Error> {
    let headers = request.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(Presigned { url: parse(operation, request.uri())?, headers: headers.collect() })
}

fn parse(operation: &'static str, url: &str) -> Result<Url, Error> {
    Url::parse(url).map_err(|source| Error::Unprepared { operation, source: source.into() })
}
