//! What custody needs of settings, and the names of fields that come in numbers.

use domain::sealed::field;

/// The `[storage]` section makes no bucket.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// A key is missing or wrong.
    #[error(transparent)]
    Section(#[from] storage::InvalidSettings),
    /// The bucket cannot be used.
    #[error("use the bucket of the [storage] section")]
    Bucket(#[from] storage::Error),
    /// The CDN cannot be used.
    #[error(transparent)]
    Cdn(#[from] storage::InvalidCdn),
}

/// The sealed field that says where the artifact with this name lies.
#[must_use]
pub fn artifact_field(name: &str) -> String {
    format!("{}/{name}", field::ARTIFACT_LOCATION)
}
