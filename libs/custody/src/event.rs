//! Any stored event, told to those whose it is: what is personal in it opened, what nobody may get back left out.

use domain::{
    Aggregate, Sealed, Timestamp,
    delivery::Deliveries,
    endpoint::Endpoints,
    id::{AccountId, EndpointId, EventId},
    job::{self, Jobs},
    member::{self, Members},
    sealed::field,
    upload::{self, Uploads},
};
use serde_json::{Map, Value, json};
use storage::layout::RECEIPT_NAME;

use crate::{Custody, Error, artifact_field, endpoint_field};

/// What is never handed out, by name.
const NEVER: [&str; 10] = [
    "credentials",
    // They may authorise whoever sends them.
    "headers",
    "secret",
    "secret_digest",
    "token_digest",
    "email_digest",
    "password",
    "multipart",
    "fingerprint",
    "totp",
];
/// What stands in its place.
const LEFT_OUT: &str = "[not exported]";
/// How every event subject begins.
const ROOT: &str = "darkroom.";

/// An event as the log holds it.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The stream that holds it.
    pub stream: &'a str,
    /// Its place there.
    pub seq: u64,
    /// Where it was published.
    pub subject: &'a str,
    /// Its `ce-type`.
    pub kind: &'a str,
    /// Its id.
    pub id: Option<EventId>,
    /// When it was decided.
    pub time: Option<Timestamp>,
    /// Its body.
    pub body: &'a [u8],
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Its body, with what is personal opened.
    pub data: Value,
    /// Whether something in it can never be read again, and is null.
    pub erased: bool,
}

/// Whose a sealed field is.
enum Owner {
    Account(AccountId),
    Job(job::Id),
    Member(member::Id),
    Upload(upload::Id),
    /// An endpoint, or a delivery to it.
    Endpoint(AccountId, EndpointId),
}

/// A sealed field within an event.
struct Field {
    /// Where, as a JSON pointer.
    place: String,
    /// Under which name it was sealed.
    name: String,
    /// Whether it is JSON itself.
    json: bool,
    sealed: Sealed,
}

impl Stored<'_> {
    /// Whose it is, if its subject is one of an event.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        let (_, rest) = self.subject.strip_prefix(ROOT)?.split_once('.')?;
        rest.split_once('.')?.0.parse().ok()
    }

    /// The subject without the name of the event.
    fn prefix(&self) -> &str {
        self.subject.rsplit_once('.').map_or("", |(prefix, _)| prefix)
    }

    /// What of the account it happened to; nothing where that is the account itself.
    fn about(&self) -> Option<&str> {
        let tokens = self.prefix().strip_prefix(ROOT)?.split('.').skip(2);
        tokens.last()
    }
}

impl Custody {
    /// The body of an event, with what is personal in it opened. What of it can never be read again
    /// is null; secrets and digests are left out.
    ///
    /// # Errors
    /// When the vault fails or refuses a ciphertext.
    pub async fn open_event(&self, stored: &Stored<'_>) -> Result<Opened, Error> {
        let mut data: Value = serde_json::from_slice(stored.body).unwrap_or_default();
        let mut erased = false;
        let Some(account) = stored.account() else { return Ok(Opened { data, erased }) };
        let owner = owner(account, stored.prefix());
        let mut fields = Vec::new();
        search(&mut data, &owner, "", &mut fields);
        for field in fields {
            let opened = self.open_field(&owner, &field).await?;
            erased |= opened.is_none();
            if let Some(place) = data.pointer_mut(&field.place) {
                *place = opened.unwrap_or(Value::Null);
            }
        }
        Ok(Opened { data, erased })
    }

    /// The event as `CloudEvents` 1.0 has it in structured mode, opened. Extension attributes:
    /// `stream` and `sequence` say where it lies, `erased` that something in it is null for ever.
    ///
    /// # Errors
    /// As [`Custody::open_event`].
    pub async fn tell_event(&self, stored: &Stored<'_>) -> Result<Map<String, Value>, Error> {
        let Opened { data, erased } = self.open_event(stored).await?;
        let account = stored.account().map(|account| account.to_string()).unwrap_or_default();
        let told = json!({
            "specversion": "1.0",
            "id": stored.id,
            "source": format!("/accounts/{account}"),
            "type": stored.kind,
            "subject": stored.about(),
            "time": stored.time,
            "datacontenttype": "application/json",
            "stream": stored.stream,
            "sequence": format!("{:020}", stored.seq),
            "erased": erased.then_some(true),
            "data": data,
        });
        let Value::Object(mut told) = told else { return Ok(Map::new()) };
        // An attribute without a value is not there.
        told.retain(|name, value| name == "data" || !value.is_null());
        Ok(told)
    }

    /// What a field says; nothing where its key is shredded.
    async fn open_field(&self, owner: &Owner, field: &Field) -> Result<Option<Value>, Error> {
        let sealed = &field.sealed;
        let opened = match owner {
            Owner::Job(id) => self.open_text(id, &field.name, sealed).await,
            Owner::Account(id) => self.open_for_account(*id, &field.name, sealed).await,
            Owner::Member(id) => self.open_email(id, sealed).await,
            Owner::Upload(id) => self.open_upload_name(id, sealed).await,
            Owner::Endpoint(account, id) => {
                let name = endpoint_field(&field.name, *id);
                self.open_for_account(*account, &name, sealed).await
            }
        };
        match opened {
            Ok(text) if field.json => {
                Ok(Some(serde_json::from_str(&text).unwrap_or(Value::String(text))))
            }
            Ok(text) => Ok(Some(Value::String(text))),
            Err(Error::Erased) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn owner(account: AccountId, prefix: &str) -> Owner {
    let job = Jobs::parse_prefix(prefix).map(Owner::Job);
    let member = || Members::parse_prefix(prefix).map(Owner::Member);
    let upload = || Uploads::parse_prefix(prefix).map(Owner::Upload);
    let endpoint = || Endpoints::parse_prefix(prefix).map(|id| id.endpoint);
    let delivery = || Deliveries::parse_prefix(prefix).map(|id| id.endpoint);
    let told = || endpoint().or_else(delivery).map(|id| Owner::Endpoint(account, id));
    job.or_else(member).or_else(upload).or_else(told).unwrap_or(Owner::Account(account))
}

/// Finds what is sealed, and takes out what is never handed out.
fn search(value: &mut Value, owner: &Owner, place: &str, found: &mut Vec<Field>) {
    match value {
        Value::Object(object) => {
            let beside = object.clone();
            for (name, value) in object {
                let place = format!("{place}/{name}");
                match value {
                    Value::Null => {}
                    _ if is_never(name, &beside) => *value = LEFT_OUT.into(),
                    Value::String(text) => {
                        if let Some((name, json)) = sealed_as(name, owner, &beside) {
                            let sealed = Sealed::from_envelope(text.clone());
                            found.push(Field { place, name, json, sealed });
                        }
                    }
                    _ => search(value, owner, &place, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                search(item, owner, &format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Puts a note in the place of whatever nobody may have back: credentials, and what stands for one.
/// What is sealed stays as it is.
pub fn withhold(data: &mut Value) {
    match data {
        Value::Object(object) => {
            let beside = object.clone();
            for (name, value) in object {
                if !value.is_null() && is_never(name, &beside) {
                    *value = LEFT_OUT.into();
                } else {
                    withhold(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(withhold),
        _ => {}
    }
}

fn is_never(name: &str, beside: &Map<String, Value>) -> bool {
    // A customer's own encryption key; other keys are names.
    let own_key = name == "key" && beside.get("kind").is_some_and(|kind| kind == "sse_c");
    own_key || NEVER.contains(&name)
}

/// Under which name a field of this name was sealed, and whether it is JSON.
fn sealed_as(name: &str, owner: &Owner, beside: &Map<String, Value>) -> Option<(String, bool)> {
    let (sealed_as, json) = match (owner, name) {
        (Owner::Job(_), "source_url") => (field::SOURCE_URL, false),
        (Owner::Job(_), "callback_url") => (field::CALLBACK_URL, false),
        (Owner::Job(_), "user_data") => (field::USER_DATA, true),
        (Owner::Job(_), "uploader") => (field::UPLOADER, true),
        (Owner::Job(_), "metadata") => (field::METADATA, true),
        (Owner::Job(_) | Owner::Upload(_), "file_name") => (field::FILE_NAME, false),
        (Owner::Job(_) | Owner::Account(_), "detail") => (field::DETAIL, false),
        (Owner::Job(_), "location") => {
            // The receipt has no name of its own.
            let name = beside.get("name").and_then(Value::as_str).unwrap_or(RECEIPT_NAME);
            return Some((artifact_field(name), true));
        }
        (Owner::Account(_), "label") => (field::LABEL, false),
        (Owner::Member(_), "email") => (field::EMAIL, false),
        (Owner::Endpoint(..), "url") => (field::ENDPOINT_URL, false),
        (Owner::Endpoint(..), "description") => (field::ENDPOINT_DESCRIPTION, false),
        (Owner::Endpoint(..), "excerpt") => (field::ENDPOINT_ANSWER, false),
        _ => return None,
    };
    Some((sealed_as.to_owned(), json))
}

#[cfg(test)]
mod tests {
    use domain::id::JobId;
    use uuid::Uuid;

    use super::*;

    fn account() -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(1))
    }

    #[test]
    fn nothing_that_opens_anything_is_handed_out() {
        let mut data = json!({
            "event": "destination_set", "bucket": "b", "access_key_hint": "WXYZ",
            "credentials": "c2VjcmV0", "encryption": {"kind": "sse_c", "key": "c2VjcmV0"},
            "secret": "c2VjcmV0", "headers": "c2VhbGVk",
            "applications": [{"key": "dk_1", "secret_digest": "c2VjcmV0", "label": "c2VhbGVk"}],
        });
        let mut found = Vec::new();
        search(&mut data, &Owner::Account(account()), "", &mut found);
        let text = data.to_string();
        assert!(!text.contains("c2VjcmV0"), "{text}");
        assert!(text.contains("WXYZ") && text.contains("dk_1"), "{text}");
        let places: Vec<_> = found.iter().map(|field| field.place.as_str()).collect();
        assert_eq!(places, ["/applications/0/label"]);
        let mut withheld = json!({"secret": "c2VjcmV0", "label": "c2VhbGVk", "step": null});
        withhold(&mut withheld);
        let left = json!({"secret": LEFT_OUT, "label": "c2VhbGVk", "step": null});
        assert_eq!(withheld, left);
    }

    #[test]
    fn a_wish_for_metadata_is_not_taken_for_metadata() {
        let job = job::Id { account: account(), job: JobId::from_uuid(Uuid::nil()) };
        let mut data = json!({
            "wish": {"metadata": ["exif"]}, "metadata": "c2VhbGVk",
            "artifact": {"name": "a.jpg", "location": "c2VhbGVk"},
            "receipt": {"key_id": "k", "location": "c2VhbGVk"},
        });
        let mut found = Vec::new();
        search(&mut data, &Owner::Job(job), "", &mut found);
        let names: Vec<_> = found.iter().map(|field| field.name.as_str()).collect();
        let wanted = ["artifact_location/a.jpg", "metadata", "artifact_location/receipt.json"];
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_subject_says_whose_an_event_is_and_what_it_is_about() {
        let (a, b, c) = (account(), Uuid::from_u128(2), Uuid::from_u128(3));
        for (subject, about) in [
            (format!("darkroom.job.{a}.{b}.requested"), Some(b)),
            (format!("darkroom.account.{a}.opened"), None),
            (format!("darkroom.delivery.{a}.{b}.{c}.due"), Some(c)),
        ] {
            let (stream, kind, body) = ("JOBS", "darkroom.job.requested.v1", b"{}".as_slice());
            let stored =
                Stored { stream, seq: 1, subject: &subject, kind, id: None, time: None, body };
            assert_eq!(stored.account(), Some(a), "{subject}");
            assert_eq!(stored.about().map(str::to_owned), about.map(|id| id.to_string()));
        }
    }
}
