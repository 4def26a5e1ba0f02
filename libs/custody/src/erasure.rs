//! What goes when nothing of a job or an account shall be left, and where it lies until then.

use std::time::Duration;

use domain::{
    Timestamp,
    id::AccountId,
    job::{Artifact, Id, Job, Location, StoredIn},
};
use storage::layout::Prefix;

use crate::{
    Custody, Error,
    job::{Stored, is_shown, receipt},
    settings::artifact_field,
};

impl Custody {
    /// How long results stay in development storage.
    #[must_use]
    pub const fn expires(&self) -> Duration {
        self.expires
    }

    /// Until when links to the results of a job work that lie in development storage; nothing where
    /// there are none, or none any more.
    #[must_use]
    pub fn expires_at(&self, job: &Job) -> Option<Timestamp> {
        let there = is_shown(job) && job.artifacts.iter().any(is_in_development);
        there.then(|| job.requested_at.saturating_add(self.expires).ok()).flatten()
    }

    /// Below which keys of the platform bucket the results of a job lie that has no bucket of its
    /// own, whether or not it says so.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails.
    pub async fn development_folder(&self, id: &Id, job: &Job) -> Result<String, Error> {
        let asked = self.open_uploader(id, job).await?.destination.unwrap_or_default();
        // The request was checked; nothing can lie below a prefix that is none.
        let asked = Prefix::parse(&asked).unwrap_or_default();
        Ok(format!("{}{}{}/", storage::results_of(id.account), asked.as_str(), id.job))
    }

    /// The keys of the results of a job that lie in development storage, as they were recorded.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails.
    pub async fn development_keys(&self, id: &Id, job: &Job) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        let objects = job.artifacts.iter().map(Stored::from).chain(receipt(job).map(Stored::from));
        for object in objects.filter(|object| object.stored_in == StoredIn::Development) {
            let field = artifact_field(object.name);
            let location = self.open_text(id, &field, object.location).await?;
            let location: Result<Location, _> = serde_json::from_str(&location);
            keys.extend(location.map(|location| location.key));
        }
        Ok(keys)
    }

    /// Destroys the key of a job. What was sealed under it can never be read again.
    ///
    /// # Errors
    /// When the vault fails; doing it again is safe.
    pub async fn shred_job(&self, id: &Id) -> Result<(), Error> {
        Ok(self.vault.shred_job(&id.account.to_string(), &id.job.to_string()).await?)
    }

    /// Destroys the keys of an account and of everything that is its, and says how many those were.
    ///
    /// # Errors
    /// When the vault fails; doing it again is safe.
    pub async fn shred_account(&self, account: AccountId) -> Result<u64, Error> {
        Ok(self.vault.shred_account(&account.to_string()).await?)
    }
}

fn is_in_development(artifact: &Artifact) -> bool {
    artifact.stored_in == StoredIn::Development
}
