//! Personal fields as they lie in events: ciphertext, opaque to everything but the vault.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A sealed value: the vault's envelope in base64 (see the `vault` crate for its layout).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Wraps an envelope that the vault made.
    #[must_use]
    pub const fn from_envelope(envelope: String) -> Self {
        Self(envelope)
    }

    /// The envelope, for the vault to open.
    #[must_use]
    pub fn envelope(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// In the log it is a text; told to those it belongs to it is whatever it said, or null once its key
/// is shredded.
impl JsonSchema for Sealed {
    fn schema_name() -> Cow<'static, str> {
        "Sealed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Personal or secret. In the log: ciphertext, in base64. Told to its owner: what it says, or `[not exported]` where nobody may have it back, or null where its key is shredded.",
            "type": ["string", "object", "null"],
        })
    }
}

/// The names of the sealed fields, bound into each ciphertext as associated data. Append only.
pub mod field {
    /// The URL a job reads.
    pub const SOURCE_URL: &str = "source_url";
    /// The URL that gets this job's webhook.
    pub const CALLBACK_URL: &str = "callback_url";
    /// The caller's own JSON object.
    pub const USER_DATA: &str = "user_data";
    /// Key prefix and object headers the caller asked for.
    pub const UPLOADER: &str = "uploader";
    /// The file's name, with extension.
    pub const FILE_NAME: &str = "file_name";
    /// Where one artifact lies; followed by `/` and the artifact's name.
    pub const ARTIFACT_LOCATION: &str = "artifact_location";
    /// EXIF and other metadata of the file.
    pub const METADATA: &str = "metadata";
    /// What went wrong, where the text may quote the caller.
    pub const DETAIL: &str = "detail";
    /// Credentials of a destination.
    pub const DESTINATION_CREDENTIALS: &str = "destination_credentials";
    /// The secret that signs webhooks.
    pub const WEBHOOK_SECRET: &str = "webhook_secret";
    /// A name a person gave to an account or application.
    pub const LABEL: &str = "label";
    /// Headers that every object of a destination carries.
    pub const DESTINATION_HEADERS: &str = "destination_headers";
    /// The customer's own key that a destination's server encrypts with.
    pub const DESTINATION_KEY: &str = "destination_key";
    /// Credentials of an input.
    pub const INPUT_CREDENTIALS: &str = "input_credentials";
    /// A member's address.
    pub const EMAIL: &str = "email";
    /// The hash of a member's password.
    pub const PASSWORD_HASH: &str = "password_hash";
    /// What a member's one-time codes are made of.
    pub const TOTP_SECRET: &str = "totp_secret";
    /// The URL of an endpoint; followed by `/` and the endpoint's id, as the next four.
    pub const ENDPOINT_URL: &str = "endpoint_url";
    /// What an endpoint's people call it.
    pub const ENDPOINT_DESCRIPTION: &str = "endpoint_description";
    /// Headers that every delivery to an endpoint carries.
    pub const ENDPOINT_HEADERS: &str = "endpoint_headers";
    /// What deliveries to an endpoint are signed with.
    pub const ENDPOINT_SECRET: &str = "endpoint_secret";
    /// The beginning of what an endpoint answered.
    pub const ENDPOINT_ANSWER: &str = "endpoint_answer";
    /// What S3 calls a multipart upload.
    pub const MULTIPART: &str = "multipart";
}
