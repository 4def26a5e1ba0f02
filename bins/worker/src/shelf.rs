//! Puts what a job makes into its bucket, under keys that a repeated attempt overwrites.

use std::collections::HashMap;

use custody::{Custody, OpenedDestination, artifact_field};
use domain::{
    filepreviews::Uploader,
    id::AccountId,
    job::{Artifact, Id, Location, Receipt, StoredIn},
    size::Size,
    wish::Format,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use storage::{
    Object, ObjectHeaders,
    layout::{self, Prefix},
};

use crate::stop::{Stop, storage_failure};

/// The header that makes an object readable by anyone, where the bucket allows it.
const PUBLIC: (&str, &str) = ("x-amz-acl", "public-read");

/// Where one job's results go.
pub(crate) struct Shelf {
    id: Id,
    destination: OpenedDestination,
    prefix: Prefix,
    headers: ObjectHeaders,
    sizes: Vec<Size>,
}

impl Shelf {
    /// Lays out a job's folder as its caller asked.
    pub(crate) fn new(
        id: Id,
        destination: OpenedDestination,
        uploader: &Uploader,
        sizes: Vec<Size>,
    ) -> Result<Self, Stop> {
        let asked = uploader.destination.as_deref().unwrap_or_default();
        let prefix = prefix(destination.stored_in, id.account, asked);
        // What the job says stands before what its destination says.
        let mut headers = destination.headers.clone();
        let own = uploader.headers.iter();
        headers.extend(own.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
        if uploader.public == Some(true) {
            headers.entry(PUBLIC.0.to_owned()).or_insert_with(|| PUBLIC.1.to_owned());
        }
        // The request was checked; a stricter check since then is still the caller's to know.
        let unusable = |error: storage::Error| storage_failure(&error);
        Ok(Self {
            id,
            destination,
            prefix: prefix.map_err(|error| Stop::internal(&error))?,
            headers: ObjectHeaders::parse(&headers)
                .map_err(storage::Error::from)
                .map_err(unusable)?,
            sizes,
        })
    }

    /// Stores an artifact and gives what is recorded of it.
    pub(crate) async fn put(
        &self,
        custody: &Custody,
        made: enclave::Artifact,
    ) -> Result<Artifact, Stop> {
        let (name, requested_size) = if made.role.is_rendition() {
            let size = self.sizes.get(made.size_index).map(|size| size.spelling().clone());
            let size =
                size.ok_or_else(|| Stop::failed(domain::FailureCode::RendererCrashed, "size"))?;
            (self.name(made.page, made.size_index, made.format), size)
        } else {
            (layout::extra(made.role, made.page, made.format), Value::Null)
        };
        let key = layout::key(&self.prefix, self.id.job, &name);
        let file = made.file;
        let (file, sha256) = tokio::task::spawn_blocking(move || digest(file))
            .await
            .map_err(|error| Stop::internal(&error))?
            .map_err(|error| Stop::internal(&error))?;
        let body = storage::Body::file(file).map_err(|error| Stop::internal(&error))?;
        self.store(&key, made.format.media_type(), body).await?;
        let location = self.location(key)?;
        let field = artifact_field(&name);
        Ok(Artifact {
            role: made.role,
            location: custody.seal_json(&self.id, &field, &location).await?,
            name,
            stored_in: self.destination.stored_in,
            page: made.page,
            size_index: u32::try_from(made.size_index).unwrap_or(u32::MAX),
            requested_size,
            width: made.width,
            height: made.height,
            original_width: made.original_width,
            original_height: made.original_height,
            resized: made.resized,
            media_type: made.format.media_type().to_owned(),
            size_bytes: made.bytes,
            sha256,
        })
    }

    /// Stores `receipt.json`, the last object but one, and gives what is recorded of it.
    pub(crate) async fn put_receipt(
        &self,
        custody: &Custody,
        receipt: Vec<u8>,
        key_id: &str,
    ) -> Result<Receipt, Stop> {
        let key = layout::key(&self.prefix, self.id.job, layout::RECEIPT_NAME);
        let size_bytes = receipt.len() as u64;
        let sha256 = hex::encode(Sha256::digest(&receipt));
        self.store(&key, evidence::receipt::MEDIA_TYPE, bytes::Bytes::from(receipt).into()).await?;
        let location = self.location(key)?;
        let field = artifact_field(layout::RECEIPT_NAME);
        Ok(Receipt {
            location: custody.seal_json(&self.id, &field, &location).await?,
            stored_in: self.destination.stored_in,
            key_id: key_id.to_owned(),
            size_bytes,
            sha256,
        })
    }

    /// Stores `metadata.json`, the last object of a job.
    pub(crate) async fn put_metadata(&self, json: Vec<u8>) -> Result<(), Stop> {
        let key = layout::key(&self.prefix, self.id.job, layout::METADATA_NAME);
        self.store(&key, "application/json", bytes::Bytes::from(json).into()).await
    }

    async fn store(&self, key: &str, media_type: &str, body: storage::Body) -> Result<(), Stop> {
        let object = Object {
            key: key.to_owned(),
            content_type: media_type.to_owned(),
            headers: self.headers.clone(),
            body,
        };
        let stored = self.destination.bucket.put(object).await;
        stored.map(drop).map_err(|error| storage_failure(&error))
    }

    fn location(&self, key: String) -> Result<Location, Stop> {
        let url = self.destination.bucket.object_url(&key);
        let url = url.map_err(|error| storage_failure(&error))?.to_string();
        Ok(Location { key, url })
    }

    /// Sizes that differ in spelling alone would share a name: later ones carry their position.
    fn name(&self, page: u32, size_index: usize, format: Format) -> String {
        let mut taken: HashMap<String, usize> = HashMap::new();
        for (index, size) in self.sizes.iter().enumerate().take(size_index + 1) {
            let name = layout::rendition(page, size, format);
            let first = *taken.entry(name.clone()).or_insert(index);
            if index == size_index {
                return if first == index { name } else { format!("{index}_{name}") };
            }
        }
        format!("page-{page}_{size_index}.{}", format.extension())
    }
}

/// Accounts share the platform bucket, each below a prefix of its own: the one that erasing clears.
fn prefix(
    stored_in: StoredIn,
    account: AccountId,
    asked: &str,
) -> Result<Prefix, layout::InvalidPrefix> {
    let asked = Prefix::parse(asked)?;
    match stored_in {
        StoredIn::Destination => Ok(asked),
        StoredIn::Development => {
            Prefix::parse(&format!("{}{}", storage::results_of(account), asked.as_str()))
        }
    }
}

fn digest(mut file: std::fs::File) -> std::io::Result<(std::fs::File, String)> {
    let mut sha256 = Sha256::new();
    std::io::copy(&mut file, &mut sha256)?;
    Ok((file, hex::encode(sha256.finalize())))
}
