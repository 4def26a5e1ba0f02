//! The personal fields of a job.

use std::collections::BTreeMap;

use domain::{
    Sealed,
    filepreviews::{Opened, Uploader},
    job::{Artifact, Id, Job, Location, Outcome, Phase, Receipt, StoredIn},
    sealed::field,
};
use serde::Serialize;
use serde_json::{Map, Value};
use storage::layout::RECEIPT_NAME;
use vault::FieldKey;

use crate::{Custody, Error, settings::artifact_field};

/// What a caller said that is personal.
#[derive(Clone)]
pub struct PersonalFields {
    /// The URL to read.
    pub source_url: String,
    /// The URL that gets the webhook.
    pub callback_url: Option<String>,
    /// The caller's own object.
    pub user_data: Option<Value>,
    /// How objects are to be stored.
    pub uploader: Option<Uploader>,
}

/// The same, as it goes into the `requested` event.
#[derive(Debug, Clone)]
pub struct SealedRequest {
    /// The URL to read.
    pub source_url: Sealed,
    /// The URL that gets the webhook.
    pub callback_url: Option<Sealed>,
    /// The caller's own object.
    pub user_data: Option<Sealed>,
    /// How objects are to be stored.
    pub uploader: Option<Sealed>,
}

impl Custody {
    /// Makes the job's key ahead of a request, which is then sealed without waiting for the store
    /// if it comes soon.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn prepare(&self, id: &Id) -> Result<(), Error> {
        self.vault.create_job_key(&id.account.to_string(), &id.job.to_string()).await?;
        Ok(())
    }

    /// Makes the job's key, if there is none, and seals a request under it.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn seal_request(
        &self,
        id: &Id,
        fields: &PersonalFields,
    ) -> Result<SealedRequest, Error> {
        let (account, job) = (id.account.to_string(), id.job.to_string());
        let key = self.vault.create_job_key(&account, &job).await?;
        let callback = fields.callback_url.as_ref();
        Ok(SealedRequest {
            source_url: text(&key, field::SOURCE_URL, &fields.source_url),
            callback_url: callback.map(|url| text(&key, field::CALLBACK_URL, url)),
            user_data: seal_optional(&key, field::USER_DATA, fields.user_data.as_ref())?,
            uploader: seal_optional(&key, field::UPLOADER, fields.uploader.as_ref())?,
        })
    }

    /// Opens what the caller of a job said, to make the job again.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses a ciphertext.
    pub async fn open_request(&self, id: &Id, job: &Job) -> Result<PersonalFields, Error> {
        let key = self.job_key(id).await?;
        let requested = &job.requested;
        let open = |field, sealed: &Sealed| -> Result<String, Error> {
            Ok(key.open_text(field, sealed.envelope())?.to_string())
        };
        let callback = requested.callback_url.as_ref();
        Ok(PersonalFields {
            source_url: open(field::SOURCE_URL, &requested.source_url)?,
            callback_url: callback.map(|url| open(field::CALLBACK_URL, url)).transpose()?,
            user_data: open_optional(&key, field::USER_DATA, requested.user_data.as_ref())?,
            uploader: open_optional(&key, field::UPLOADER, requested.uploader.as_ref())?,
        })
    }

    /// Seals a text as `field` of the job.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails.
    pub async fn seal_text(&self, id: &Id, field: &str, value: &str) -> Result<Sealed, Error> {
        Ok(text(&self.job_key(id).await?, field, value))
    }

    /// Seals a value as `field` of the job, as JSON.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails.
    pub async fn seal_json<T: Serialize + Sync>(
        &self,
        id: &Id,
        field: &str,
        value: &T,
    ) -> Result<Sealed, Error> {
        let envelope = self.job_key(id).await?.seal_json(field, value)?;
        Ok(Sealed::from_envelope(envelope))
    }

    /// Opens a text.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_text(&self, id: &Id, field: &str, value: &Sealed) -> Result<String, Error> {
        let key = self.job_key(id).await?;
        Ok(key.open_text(field, value.envelope())?.to_string())
    }

    /// How the caller wants objects to be stored.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_uploader(&self, id: &Id, job: &Job) -> Result<Uploader, Error> {
        match &job.requested.uploader {
            None => Ok(Uploader::default()),
            Some(sealed) => {
                let key = self.job_key(id).await?;
                Ok(key.open_json(field::UPLOADER, sealed.envelope())?)
            }
        }
    }

    /// Opens what a `/v2` body shows of a job, with a link for each artifact. Links to development
    /// storage are signed as of the moment the job was requested, so that they are the same in
    /// every answer about it.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses a ciphertext.
    pub async fn open_view(&self, id: &Id, job: &Job) -> Result<Opened, Error> {
        let fetched_name = job.fetched.as_ref().and_then(|fetched| fetched.file_name.as_ref());
        let user_data = job.requested.user_data.as_ref();
        let metadata = metadata(job);
        let shown = if is_shown(job) { job.artifacts.as_slice() } else { &[] };
        let receipt = receipt(job).filter(|_| is_shown(job));
        let said = fetched_name.is_some() || user_data.is_some() || metadata.is_some();
        if !said && receipt.is_none() && shown.is_empty() {
            return Ok(Opened::default());
        }
        let key = self.job_key(id).await?;
        let file_name = match fetched_name {
            Some(sealed) => Some(key.open_text(field::FILE_NAME, sealed.envelope())?.to_string()),
            None => None,
        };
        let mut urls = BTreeMap::new();
        for artifact in shown {
            let link = self.link(&key, job, &artifact.into()).await?;
            urls.insert(artifact.name.clone(), link);
        }
        if let Some(receipt) = receipt {
            urls.insert(RECEIPT_NAME.to_owned(), self.link(&key, job, &receipt.into()).await?);
        }
        Ok(Opened {
            file_name,
            user_data: open_optional::<Value>(&key, field::USER_DATA, user_data)?,
            metadata: open_optional::<Map<String, Value>>(&key, field::METADATA, metadata)?,
            urls,
        })
    }

    async fn link(&self, key: &FieldKey, job: &Job, object: &Stored<'_>) -> Result<String, Error> {
        let name = artifact_field(object.name);
        let location: Location = key.open_json(&name, object.location.envelope())?;
        match object.stored_in {
            StoredIn::Destination => Ok(location.url),
            StoredIn::Development => self.development_link(&location.key, job).await,
        }
    }

    /// A signed link to an object in development storage that belongs to the job.
    ///
    /// # Errors
    /// [`Error::Link`].
    pub async fn development_link(&self, key: &str, job: &Job) -> Result<String, Error> {
        let signed = self.development.presign_get(key, job.requested_at, self.expires).await;
        Ok(signed.map_err(Error::Link)?.to_string())
    }

    async fn job_key(&self, id: &Id) -> Result<FieldKey, Error> {
        Ok(self.vault.job_key(&id.account.to_string(), &id.job.to_string()).await?)
    }
}

fn metadata(job: &Job) -> Option<&Sealed> {
    match &job.phase {
        Phase::Ended(ended) => match &ended.outcome {
            Outcome::Completed(completed) => completed.metadata.as_ref(),
            Outcome::Failed { .. } | Outcome::Cancelled => None,
        },
        Phase::Queued { .. } | Phase::Running { .. } => None,
    }
}

/// What a job made is shown once all of it is there, and until it is gone.
pub(crate) const fn is_shown(job: &Job) -> bool {
    match &job.phase {
        Phase::Ended(ended) if ended.expired_at.is_some() || ended.erased_at.is_some() => false,
        Phase::Ended(ended) => matches!(ended.outcome, Outcome::Completed(_)),
        Phase::Queued { .. } | Phase::Running { .. } => false,
    }
}

/// The receipt of a job that is done.
pub(crate) const fn receipt(job: &Job) -> Option<&Receipt> {
    match &job.phase {
        Phase::Ended(ended) => match &ended.outcome {
            Outcome::Completed(completed) => completed.receipt.as_ref(),
            Outcome::Failed { .. } | Outcome::Cancelled => None,
        },
        Phase::Queued { .. } | Phase::Running { .. } => None,
    }
}

/// An object of a job as it was recorded.
pub(crate) struct Stored<'a> {
    pub(crate) name: &'a str,
    pub(crate) location: &'a Sealed,
    pub(crate) stored_in: StoredIn,
    pub(crate) size_bytes: u64,
}

impl<'a> From<&'a Artifact> for Stored<'a> {
    fn from(artifact: &'a Artifact) -> Self {
        let Artifact { name, location, stored_in, size_bytes, .. } = artifact;
        Self { name, location, stored_in: *stored_in, size_bytes: *size_bytes }
    }
}

impl<'a> From<&'a Receipt> for Stored<'a> {
    fn from(receipt: &'a Receipt) -> Self {
        let Receipt { location, stored_in, size_bytes, .. } = receipt;
        Self { name: RECEIPT_NAME, location, stored_in: *stored_in, size_bytes: *size_bytes }
    }
}

fn text(key: &FieldKey, field: &str, value: &str) -> Sealed {
    Sealed::from_envelope(key.seal(field, value.as_bytes()))
}

fn seal_optional<T: Serialize>(
    key: &FieldKey,
    field: &str,
    value: Option<&T>,
) -> Result<Option<Sealed>, Error> {
    let envelope = value.map(|value| key.seal_json(field, value)).transpose()?;
    Ok(envelope.map(Sealed::from_envelope))
}

fn open_optional<T: serde::de::DeserializeOwned>(
    key: &FieldKey,
    field: &str,
    sealed: Option<&Sealed>,
) -> Result<Option<T>, Error> {
    Ok(sealed.map(|sealed| key.open_json(field, sealed.envelope())).transpose()?)
}
