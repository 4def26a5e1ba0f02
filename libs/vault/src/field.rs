//! A key as its users see it: bound to an account and a record, it seals and opens named fields.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::envelope::{Context, Envelope};
use crate::{DataKey, EnvelopeError, Error, KeyId};

/// Seals and opens the fields of one record of one account. Cheap to clone; the key inside is wiped with the last clone.
#[derive(Clone)]
pub struct FieldKey {
    key: Arc<DataKey>,
    account: Arc<str>,
    record: Arc<str>,
}

impl FieldKey {
    pub(crate) fn new(key: Arc<DataKey>, account: &str, record: &str) -> Self {
        Self { key, account: account.into(), record: record.into() }
    }

    /// The same key for another record of the account, for example one endpoint: what it seals opens there only.
    #[must_use]
    pub fn for_record(&self, record: &str) -> Self {
        Self {
            key: Arc::clone(&self.key),
            account: Arc::clone(&self.account),
            record: record.into(),
        }
    }

    /// The public name of the key, as it stands in every envelope.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.key.id()
    }

    /// The key that sealed an envelope, as that names it.
    pub(crate) fn id_in(field: &str, envelope: &str) -> Result<KeyId, Error> {
        let malformed = |source| Error::Envelope { what: field.to_owned(), source };
        match URL_SAFE_NO_PAD.decode(envelope) {
            Ok(bytes) => Ok(Envelope::decode(&bytes).map_err(malformed)?.key),
            Err(_) => Err(malformed(EnvelopeError::NotBase64)),
        }
    }

    /// Seals bytes as `field`; gives the envelope in base64url.
    #[must_use]
    pub fn seal(&self, field: &str, plaintext: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.key.seal(&self.context(field), plaintext))
    }

    /// Seals a value as JSON.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the value has no JSON form.
    pub fn seal_json<T: Serialize>(&self, field: &str, value: &T) -> Result<String, Error> {
        match serde_json::to_vec(value).map(Zeroizing::new) {
            Ok(json) => Ok(self.seal(field, &json)),
            Err(_) => Err(Error::Unwritable { field: field.to_owned() }),
        }
    }

    /// Opens what [`FieldKey::seal`] made for the same key, account, record and field.
    ///
    /// # Errors
    /// [`Error::Envelope`], [`Error::OtherKey`] or [`Error::Refused`], whatever the input.
    pub fn open(&self, field: &str, envelope: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let context = self.context(field);
        match URL_SAFE_NO_PAD.decode(envelope) {
            Ok(bytes) => self.key.open(&context, &bytes),
            Err(_) => Err(context.malformed(EnvelopeError::NotBase64)),
        }
    }

    /// Opens a text.
    ///
    /// # Errors
    /// As [`FieldKey::open`], and [`Error::NotText`].
    pub fn open_text(&self, field: &str, envelope: &str) -> Result<Zeroizing<String>, Error> {
        let bytes = self.open(field, envelope)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(Error::NotText { field: field.to_owned() }),
        }
    }

    /// Opens what [`FieldKey::seal_json`] made.
    ///
    /// # Errors
    /// As [`FieldKey::open`], and [`Error::NotJson`].
    pub fn open_json<T: DeserializeOwned>(&self, field: &str, envelope: &str) -> Result<T, Error> {
        let bytes = self.open(field, envelope)?;
        // The parser's own message may quote the value.
        serde_json::from_slice(&bytes).map_err(|error| Error::NotJson {
            field: field.to_owned(),
            line: error.line(),
            column: error.column(),
        })
    }

    fn context<'a>(&'a self, field: &'a str) -> Context<'a> {
        Context::field(&self.account, &self.record, field)
    }
}
