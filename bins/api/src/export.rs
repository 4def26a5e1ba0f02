//! Everything that is held about an account, opened as far as it can be: its events, line by line.
//!
//! Credentials are left out, and so is whatever only stands for one: nobody may get them back.

use std::sync::Arc;

use custody::{Custody, artifact_field, endpoint_field};
use domain::{
    Aggregate, Sealed,
    delivery::Deliveries,
    endpoint::Endpoints,
    id::{AccountId, EndpointId},
    job::{self, Jobs},
    member::{self, Members},
    sealed::field,
    upload::{self, Uploads},
};
use eventlog::{Log, Raw, Span, Unavailable, topology};
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Map, Value, json};

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
/// The shape of the lines.
const FORMAT: u32 = 1;

/// Why an export breaks off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log does not answer.
    #[error("read the log")]
    Log(#[from] Unavailable),
    /// A personal field cannot be opened.
    #[error("open a personal field")]
    Custody(#[from] custody::Error),
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

/// Every event of the account, oldest first in each stream, each with what is personal in it opened;
/// a line before them that says what they are, and one after them without which they are not whole.
pub fn lines(
    log: &Log,
    custody: &Custody,
    account: AccountId,
) -> impl Stream<Item = Result<Value, ExportError>> + Send + use<> {
    let sources = [
        (topology::ACCOUNTS, format!("darkroom.account.{account}.>")),
        (topology::MEMBERS, format!("darkroom.member.{account}.>")),
        (topology::UPLOADS, format!("darkroom.upload.{account}.>")),
        (topology::JOBS, format!("darkroom.job.{account}.>")),
        (topology::ENDPOINTS, format!("darkroom.endpoint.{account}.>")),
        (topology::DELIVERIES, format!("darkroom.delivery.{account}.>")),
    ];
    let log = log.clone();
    let custody = Arc::new(custody.clone());
    let events = stream::iter(sources).flat_map(move |(stream, filter)| {
        log.replay(stream, Span { filter: Some(filter), ..Span::default() }).boxed()
    });
    let events = events.then(move |raw| {
        let custody = Arc::clone(&custody);
        async move { line(&custody, account, &raw?).await }
    });
    let first = json!({ "export": FORMAT, "account": account });
    let last = json!({ "end": true });
    stream::iter([Ok(first)]).chain(events).chain(stream::iter([Ok(last)]))
}

async fn line(custody: &Custody, account: AccountId, raw: &Raw) -> Result<Value, ExportError> {
    let mut data: Value = serde_json::from_slice(&raw.body).unwrap_or_default();
    let prefix = raw.subject.rsplit_once('.').map_or("", |(prefix, _)| prefix);
    let owner = owner(account, prefix);
    let mut fields = Vec::new();
    search(&mut data, &owner, "", &mut fields);
    for field in fields {
        let opened = open(custody, &owner, &field).await?;
        if let Some(place) = data.pointer_mut(&field.place) {
            *place = opened;
        }
    }
    let mut tokens = raw.subject.split('.').skip(1);
    let noun = tokens.next().unwrap_or_default();
    Ok(json!({
        "event": format!("{noun}.{}", raw.event_name()),
        "id": prefix.rsplit('.').next(),
        "at": raw.time(),
        "seq": raw.seq,
        "data": data,
    }))
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
            return Some((artifact_field(beside.get("name")?.as_str()?), true));
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

/// What a field says; nothing where its key is shredded.
async fn open(custody: &Custody, owner: &Owner, field: &Field) -> Result<Value, custody::Error> {
    let sealed = &field.sealed;
    let opened = match owner {
        Owner::Job(id) => custody.open_text(id, &field.name, sealed).await,
        Owner::Account(id) => custody.open_for_account(*id, &field.name, sealed).await,
        Owner::Member(id) => custody.open_email(id, sealed).await,
        Owner::Upload(id) => custody.open_upload_name(id, sealed).await,
        Owner::Endpoint(account, id) => {
            let name = endpoint_field(&field.name, *id);
            custody.open_for_account(*account, &name, sealed).await
        }
    };
    match opened {
        Ok(text) if field.json => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
        Ok(text) => Ok(Value::String(text)),
        Err(custody::Error::Erased) => Ok(Value::Null),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn a_wish_for_metadata_is_not_taken_for_metadata() {
        let job = job::Id { account: account(), job: domain::id::JobId::from_uuid(Uuid::nil()) };
        let mut data = json!({
            "wish": {"metadata": ["exif"]}, "metadata": "c2VhbGVk",
            "artifact": {"name": "a.jpg", "location": "c2VhbGVk"},
        });
        let mut found = Vec::new();
        search(&mut data, &Owner::Job(job), "", &mut found);
        let names: Vec<_> = found.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["artifact_location/a.jpg", "metadata"]);
    }
}
