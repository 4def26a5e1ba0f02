//! Where an account's results go: its own bucket, opened with its credentials, or development storage.

use std::collections::BTreeMap;

use domain::{
    Sealed,
    account::{Destination, Encryption, Place},
    id::AccountId,
    job::StoredIn,
    sealed::field,
};
use storage::{Bucket, CustomerKey, Network};

use crate::{Custody, Error};

/// Headers of every object in a destination, by name in lower case.
pub type Headers = BTreeMap<String, String>;

/// A bucket to put results into, and whose it is.
#[derive(Clone)]
pub struct OpenedDestination {
    /// The bucket.
    pub bucket: Bucket,
    /// In whose bucket artifacts lie.
    pub stored_in: StoredIn,
    /// What every object there carries, unless its job says otherwise.
    pub headers: Headers,
}

impl Custody {
    /// Where results go without a destination of the account's own.
    #[must_use]
    pub fn development_destination(&self) -> OpenedDestination {
        OpenedDestination {
            bucket: self.development.clone(),
            stored_in: StoredIn::Development,
            headers: Headers::new(),
        }
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
        let (destination, headers) = self.unseal_destination(account, own).await?;
        let bucket = Bucket::open(destination, network).await.map_err(Error::Destination)?;
        Ok(OpenedDestination { bucket, stored_in: StoredIn::Destination, headers })
    }

    /// The account's own bucket with everything that storing there needs.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses a ciphertext.
    pub async fn unseal_destination(
        &self,
        account: AccountId,
        own: &Destination,
    ) -> Result<(storage::Destination, Headers), Error> {
        let credentials = match &own.role {
            // The account's id, which nobody chooses, is what its role has to ask for.
            Some(role) => self.roles.credentials(role.clone(), account.to_string()),
            None => {
                let (name, sealed) = (field::DESTINATION_CREDENTIALS, &own.credentials);
                self.open_bucket_credentials(account, name, sealed).await?
            }
        };
        let encryption = match &own.encryption {
            Encryption::None => storage::Encryption::None,
            Encryption::SseS3 => storage::Encryption::SseS3,
            Encryption::SseKms { key_id } => storage::Encryption::SseKms { key_id: key_id.clone() },
            Encryption::SseC { key } => {
                let key = self.open_credential(account, field::DESTINATION_KEY, key).await?;
                let key = CustomerKey::parse(key.expose()).map_err(|_no_key| Error::Credentials)?;
                storage::Encryption::SseC { key }
            }
        };
        let Place { endpoint, region, bucket, prefix, path_style, bucket_owner, .. } =
            own.place.clone();
        let destination = storage::Destination {
            endpoint,
            region,
            bucket,
            prefix,
            path_style,
            credentials,
            encryption,
            bucket_owner,
        };
        let headers = self.open_destination_headers(account, own.headers.as_ref()).await?;
        Ok((destination, headers))
    }

    /// Seals the headers of every object in a destination; none are nothing.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn seal_destination_headers(
        &self,
        account: AccountId,
        headers: &Headers,
    ) -> Result<Option<Sealed>, Error> {
        if headers.is_empty() {
            return Ok(None);
        }
        let text = serde_json::json!(headers).to_string();
        self.seal_for_account(account, field::DESTINATION_HEADERS, &text).await.map(Some)
    }

    /// The headers of every object in a destination.
    ///
    /// # Errors
    /// [`Error::Erased`], or when the vault fails or refuses the ciphertext.
    pub async fn open_destination_headers(
        &self,
        account: AccountId,
        sealed: Option<&Sealed>,
    ) -> Result<Headers, Error> {
        let Some(sealed) = sealed else { return Ok(Headers::new()) };
        let text = self.open_for_account(account, field::DESTINATION_HEADERS, sealed).await?;
        serde_json::from_str(&text).map_err(|_quotes_it| Error::Headers)
    }
}
