//! The personal fields of an upload, and the links by which a job's results are downloaded.

use std::time::Duration;

use domain::{
    Sealed, Timestamp,
    job::{self, Job, Location, StoredIn},
    sealed::field,
    upload,
};
use storage::{Cdn, Uploads, layout::RECEIPT_NAME};

use crate::{
    Custody, Error,
    job::{Stored, is_shown, receipt},
    settings::artifact_field,
};

/// Where an artifact can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// Behind this link, for a while.
    Link(String),
    /// In the customer's own bucket, which only they can open: its plain URL.
    Own(String),
}

impl Custody {
    /// Uploads into the platform bucket.
    #[must_use]
    pub const fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Where links to uploads and downloads lead, as origins that a browser has to be told of.
    #[must_use]
    pub fn download_origins(&self) -> Vec<String> {
        let bucket = self.development.object_url("origin").ok();
        let bucket = bucket.map(|url| url.origin().ascii_serialization());
        bucket.into_iter().chain(self.cdn.as_ref().map(|cdn| cdn.origin().to_owned())).collect()
    }

    /// Seals what S3 calls a multipart upload. Bound to the upload, so that it opens no other's.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn seal_multipart(&self, id: &upload::Id, name: &str) -> Result<Sealed, Error> {
        self.seal_for_account(id.account, &of(field::MULTIPART, id), name).await
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_multipart(&self, id: &upload::Id, name: &Sealed) -> Result<String, Error> {
        self.open_for_account(id.account, &of(field::MULTIPART, id), name).await
    }

    /// Seals the name of an uploaded file.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn seal_upload_name(&self, id: &upload::Id, name: &str) -> Result<Sealed, Error> {
        self.seal_for_account(id.account, &of(field::FILE_NAME, id), name).await
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_upload_name(&self, id: &upload::Id, name: &Sealed) -> Result<String, Error> {
        self.open_for_account(id.account, &of(field::FILE_NAME, id), name).await
    }

    /// Where the artifact of this name, or `receipt.json`, can be downloaded, with a link that works from `now` for
    /// `works`: through the CDN if there is one and the artifact is small enough, else out of the
    /// platform bucket. Nothing where the job has no such artifact to show.
    ///
    /// # Errors
    /// [`Error::Erased`], [`Error::Link`], or when the vault fails or refuses the ciphertext.
    pub async fn download(
        &self,
        id: &job::Id,
        job: &Job,
        name: &str,
        (now, works): (Timestamp, Duration),
    ) -> Result<Option<Download>, Error> {
        let Some(artifact) = shown(job, name) else { return Ok(None) };
        let field = artifact_field(artifact.name);
        let location = self.open_text(id, &field, artifact.location).await?;
        let location: Location =
            serde_json::from_str(&location).map_err(|_quotes_the_customer| Error::Location)?;
        if artifact.stored_in == StoredIn::Destination {
            return Ok(Some(Download::Own(location.url)));
        }
        let until = now.saturating_add(works).unwrap_or(Timestamp::MAX);
        // A link never outlives what it leads to.
        let gone = job.requested_at.saturating_add(self.expires).unwrap_or(Timestamp::MAX);
        let until = until.min(gone);
        if until <= now {
            return Ok(None);
        }
        if let Some(cdn) = self.cdn.as_ref().filter(|cdn| cdn.serves(artifact.size_bytes)) {
            let link =
                cdn.link(&location.key, until).map_err(|error| Error::Cdn(Box::new(error)))?;
            return Ok(Some(Download::Link(link)));
        }
        let works = Duration::try_from(until.duration_since(now)).unwrap_or(works);
        let works = works.max(Duration::from_secs(1));
        let link = self.development.presign_get(&location.key, now, works).await;
        Ok(Some(Download::Link(link.map_err(Error::Link)?.to_string())))
    }
}

/// The artifact or the receipt, once all of the job's objects are there and until they are gone.
fn shown<'a>(job: &'a Job, name: &str) -> Option<Stored<'a>> {
    if !is_shown(job) {
        return None;
    }
    if name == RECEIPT_NAME {
        return receipt(job).map(Stored::from);
    }
    job.artifacts.iter().find(|artifact| artifact.name == name).map(Stored::from)
}

/// The name of a field of one upload.
fn of(field: &str, id: &upload::Id) -> String {
    format!("{field}/{}", id.upload)
}

/// A CDN in front of the platform bucket, if one is set.
///
/// # Errors
/// When its section or its key cannot be used.
pub(crate) fn cdn(
    storage: &storage::Settings,
) -> Result<Option<std::sync::Arc<Cdn>>, storage::InvalidCdn> {
    storage.cdn.as_ref().map(Cdn::open).transpose().map(|cdn| cdn.map(std::sync::Arc::new))
}
