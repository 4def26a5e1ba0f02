//! Why a field could not be sealed or opened.

/// Why a field could not be sealed or opened. Quotes nothing of the field.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The keys are shredded: the field can never be read again.
    #[error("the keys of this record have been shredded")]
    Erased,
    /// The vault failed.
    #[error("use the vault")]
    Vault(#[source] vault::Error),
    /// A sealed pair of credentials is none.
    #[error("the stored credentials are no pair of access key and secret key")]
    Credentials,
    /// A link to development storage could not be made.
    #[error("make a link to development storage")]
    Link(#[source] storage::Error),
    /// A link through the CDN could not be made.
    #[error("make a link through the CDN")]
    Cdn(#[source] Box<storage::CdnError>),
    /// What says where an artifact lies says nothing.
    #[error("the stored place of an artifact is none")]
    Location,
    /// The headers of a destination are none.
    #[error("the stored headers of the destination are no object of texts")]
    Headers,
    /// A destination that cannot be used.
    #[error("use the account's destination")]
    Destination(#[source] storage::Error),
}

impl From<vault::Error> for Error {
    fn from(error: vault::Error) -> Self {
        if error.is_shredded() { Self::Erased } else { Self::Vault(error) }
    }
}
