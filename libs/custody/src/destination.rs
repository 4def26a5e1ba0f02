//! Where an account's results go: its own bucket, opened with its credentials, or development storage.

use domain::{
    account::{Destination, Place},
    id::AccountId,
    job::StoredIn,
    sealed::field,
};
use storage::{Bucket, Encryption, Network};

use crate::{Custody, Error};

/// A bucket to put results into, and whose it is.
#[derive(Clone)]
pub struct OpenedDestination {
    /// The bucket.
    pub bucket: Bucket,
    /// In whose bucket artifacts lie.
    pub stored_in: StoredIn,
}

impl Custody {
    /// Where results go without a destination of the account's own.
    #[must_use]
    pub fn development_destination(&self) -> OpenedDestination {
        OpenedDestination { bucket: self.development.clone(), stored_in: StoredIn::Development }
    }

    /// The account's own bucket, reached over `network`.
    ///
    /// # Errors
    /// [`Error::Erased`], [`Error::Destination`], or when the vault fails.
    pub async fn open_destination(
        &self,
        account: AccountId,
        own: &Destination,
        network: &Network,
    ) -> Result<OpenedDestination, Error> {
        let credentials = self
            .open_bucket_credentials(account, field::DESTINATION_CREDENTIALS, &own.credentials)
            .await?;
        let Place { endpoint, region, bucket, prefix, path_style, bucket_owner, .. } =
            own.place.clone();
        let destination = storage::Destination {
            endpoint,
            region,
            bucket,
            prefix,
            path_style,
            credentials,
            encryption: Encryption::None,
            bucket_owner,
        };
        let bucket = Bucket::open(destination, network).await.map_err(Error::Destination)?;
        Ok(OpenedDestination { bucket, stored_in: StoredIn::Destination })
    }
}
