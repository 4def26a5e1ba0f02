//! Reading and deleting in a bucket of one's own, and trying whether that can be done in another's.

use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use bytes::Bytes;

use crate::{CustomerKey, Destination, Error, Network, client::Client, customer_key::ALGORITHM};

/// Reads a bucket. Nothing that stores into customers' buckets has one.
#[derive(Debug, Clone)]
pub struct Reader {
    client: Client,
}

/// An object that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its media type; empty when the server gave none.
    pub content_type: String,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key under the destination's prefix.
    pub key: String,
    /// Its size.
    pub size_bytes: u64,
}

impl Reader {
    /// Checks the destination; makes no request.
    ///
    /// # Errors
    /// As [`Bucket::open`](crate::Bucket::open).
    pub async fn open(destination: Destination, network: &Network) -> Result<Self, Error> {
        Ok(Self { client: Client::open(destination, network).await? })
    }

    /// Reads an object of at most `limit_bytes`.
    ///
    /// # Errors
    /// [`Error::MissingObject`], [`Error::TooLarge`] and whatever else a request can end in.
    pub async fn get(&self, key: &str, limit_bytes: u64) -> Result<Found, Error> {
        let answer = self
            .get_request(key)?
            .send()
            .await
            .map_err(|error| Error::from_sdk("GetObject", error))?;
        let size_bytes = u64::try_from(answer.content_length.unwrap_or(0)).unwrap_or(0);
        if size_bytes > limit_bytes {
            return Err(Error::TooLarge { size_bytes, limit_bytes });
        }
        // The SDK holds the body to the length that was announced, and breaks off when it stalls.
        let broken = |source: aws_sdk_s3::primitives::ByteStreamError| Error::Unreachable {
            operation: "GetObject",
            source: source.into(),
        };
        let bytes = answer.body.collect().await.map_err(broken)?.into_bytes();
        Ok(Found { bytes, content_type: answer.content_type.unwrap_or_default() })
    }

    fn get_request(&self, key: &str) -> Result<GetObjectFluentBuilder, Error> {
        let client = &self.client;
        let request = client.sdk.get_object().bucket(&client.destination.bucket);
        Ok(request
            .key(client.key(key)?)
            .set_expected_bucket_owner(client.destination.bucket_owner.clone())
            .set_sse_customer_algorithm(client.sse_c().map(|_| ALGORITHM.to_owned()))
            .set_sse_customer_key(client.sse_c().map(CustomerKey::base64))
            .set_sse_customer_key_md5(client.sse_c().map(CustomerKey::md5)))
    }

    /// Begins to read a version of an object.
    pub(crate) async fn get_version(&self, key: &str, version: &str) -> Result<(), Error> {
        let request = self.get_request(key)?.version_id(version);
        let answer = request.send().await.map_err(|error| Error::from_sdk("GetObject", error))?;
        drop(answer.body);
        Ok(())
    }

    /// Asks whether an object is there.
    ///
    /// # Errors
    /// [`Error::MissingObject`] when it is not, and whatever else a request can end in.
    pub async fn head(&self, key: &str) -> Result<(), Error> {
        self.client
            .sdk
            .head_object()
            .bucket(&self.client.destination.bucket)
            .key(self.client.key(key)?)
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .set_sse_customer_algorithm(self.client.sse_c().map(|_| ALGORITHM.to_owned()))
            .set_sse_customer_key(self.client.sse_c().map(CustomerKey::base64))
            .set_sse_customer_key_md5(self.client.sse_c().map(CustomerKey::md5))
            .send()
            .await
            .map_err(|error| Error::from_sdk("HeadObject", error))?;
        Ok(())
    }

    /// Deletes an object; one that is not there counts as deleted.
    ///
    /// # Errors
    /// Whatever a request can end in.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.remove(key, None).await
    }

    /// Deletes a version of an object.
    pub(crate) async fn delete_version(&self, key: &str, version: &str) -> Result<(), Error> {
        self.remove(key, Some(version)).await
    }

    async fn remove(&self, key: &str, version: Option<&str>) -> Result<(), Error> {
        self.client
            .sdk
            .delete_object()
            .bucket(&self.client.destination.bucket)
            .key(self.client.key(key)?)
            .set_version_id(version.map(ToOwned::to_owned))
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .send()
            .await
            .map_err(|error| Error::from_sdk("DeleteObject", error))?;
        Ok(())
    }

    /// Asks for one key: below `prefix`, or of the whole bucket.
    pub(crate) async fn peek(&self, prefix: Option<&str>) -> Result<(), Error> {
        self.client
            .sdk
            .list_objects_v2()
            .bucket(&self.client.destination.bucket)
            .set_prefix(prefix.filter(|prefix| !prefix.is_empty()).map(ToOwned::to_owned))
            .max_keys(1)
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .send()
            .await
            .map_err(|error| Error::from_sdk("ListObjectsV2", error))?;
        Ok(())
    }

    /// Asks for one version below `prefix`.
    pub(crate) async fn peek_versions(&self, prefix: &str) -> Result<(), Error> {
        self.client
            .sdk
            .list_object_versions()
            .bucket(&self.client.destination.bucket)
            .prefix(prefix)
            .max_keys(1)
            .set_expected_bucket_owner(self.client.destination.bucket_owner.clone())
            .send()
            .await
            .map_err(|error| Error::from_sdk("ListObjectVersions", error))?;
        Ok(())
    }

    /// The first `limit` objects whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// Whatever a request can end in.
    pub async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Listed>, Error> {
        let home = &self.client.destination.prefix;
        let mut listed = Vec::new();
        let mut from: Option<String> = None;
        while listed.len() < limit {
            let page = self
                .client
                .sdk
                .list_objects_v2()
                .bucket(&self.client.destination.bucket)
                .prefix(format!("{home}{prefix}"))
                .set_continuation_token(from.take())
                .send()
                .await
                .map_err(|error| Error::from_sdk("ListObjectsV2", error))?;
            listed.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let key = object.key?.strip_prefix(home.as_str())?.to_owned();
                Some(Listed { key, size_bytes: u64::try_from(object.size?).ok()? })
            }));
            from = page.next_continuation_token;
            if from.is_none() {
                break;
            }
        }
        listed.truncate(limit);
        Ok(listed)
    }
}
