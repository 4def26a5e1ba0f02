//! `GET /v1/inputs`: the buckets that sources may be read from. `PUT /v1/inputs`: sets one.

pub(crate) mod id;

use std::sync::Arc;

use domain::{
    account::{self, Accounts, Input, Place, Refusal},
    id::{AccountId, InputId},
    scope::Scope,
    sealed::field,
};
use eventlog::{Moment, TransactError};
use http::StatusCode;
use readmodel::Stream;
use serde::{Deserialize, Serialize};
use storage::{Credentials, Destination, Encryption, InvalidDestination, Ranges, Secret};
use warp::reply::Response;

use super::uploads::body;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// Characters of an access key that are shown, to tell one from another.
const HINT_CHARS: usize = 4;
/// The longest access key and secret key, in bytes.
const MAX_KEY_BYTES: usize = 1_024;

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/inputs",
    access: Access::Caller(Scope::AccountRead),
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The buckets that sources may be read from as s3://bucket/key.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "InputList",
        streams: false,
    },
};

pub(crate) const PUT: Endpoint = Endpoint {
    verb: Verb::Put,
    path: "/v1/inputs",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(put(app, call)),
    doc: Doc {
        summary: "Lets sources be read from a bucket, below a prefix; the same bucket and prefix again replaces credentials and place. Credentials need s3:GetObject there and are never shown again.",
        parameters: &[],
        request: Some("InputRequest"),
        status: 200,
        answer: "Input",
        streams: false,
    },
};

#[derive(Serialize)]
struct List {
    inputs: Vec<InputView>,
}

/// An input, without its credentials.
#[derive(Serialize)]
pub(super) struct InputView {
    id: InputId,
    #[serde(flatten)]
    place: Place,
}

impl InputView {
    fn of(input: &Input) -> Self {
        Self { id: input.input, place: input.place.clone() }
    }
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    endpoint: Option<String>,
    region: String,
    bucket: String,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    path_style: bool,
    #[serde(default)]
    bucket_owner: Option<String>,
    access_key: String,
    secret_key: Secret,
}

async fn get(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let age = app.catch_up(Stream::Accounts).await;
    let row = app.store.account(account)?;
    let inputs = row.iter().flat_map(|row| row.state.inputs.values()).map(InputView::of);
    let mut response = call::json(StatusCode::OK, &List { inputs: inputs.collect() })?;
    app.date(&mut response, age);
    Ok(response)
}

async fn put(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let asked: Asked = body(&call)?;
    let place = asked.place()?;
    let sealed = app
        .custody
        .seal_bucket_credentials(
            account,
            field::INPUT_CREDENTIALS,
            &asked.access_key,
            asked.secret_key.expose(),
        )
        .await?;
    let input = Input { input: named(account, &place), place, credentials: sealed };
    let moment = Moment { now: app.clock.now(), traceparent: call.traceparent() };
    app.log
        .transact::<Accounts, Refusal>(&account, moment, |state| {
            account::set_input(state, input.clone())
        })
        .await
        .map_err(|error| failed(error, &input.input.to_string()))?;
    call::json(StatusCode::OK, &InputView::of(&input))
}

/// The same bucket and prefix are the same input.
fn named(account: AccountId, place: &Place) -> InputId {
    let endpoint = place.endpoint.as_deref().unwrap_or_default();
    let name = format!("input:{endpoint}\n{}\n{}", place.bucket, place.prefix);
    InputId::derived(account.as_uuid(), name.as_bytes())
}

impl Asked {
    /// Where it is, if that can be anywhere.
    pub(crate) fn place(&self) -> Result<Place, Problem> {
        let keys =
            [("access_key", self.access_key.len()), ("secret_key", self.secret_key.expose().len())];
        for (field, length) in keys {
            if !(1..=MAX_KEY_BYTES).contains(&length) {
                let message = format!("This field has 1 to {MAX_KEY_BYTES} bytes.");
                return Err(Problem::FieldInvalid { field, message });
            }
        }
        let prefix = match self.prefix.as_str() {
            "" => String::new(),
            folder => format!("{}/", folder.trim_end_matches('/')),
        };
        let destination = Destination {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: prefix.clone(),
            path_style: self.path_style,
            credentials: Credentials {
                access_key: self.access_key.clone(),
                secret_key: self.secret_key.clone(),
                session_token: None,
                role: None,
            },
            encryption: Encryption::None,
            bucket_owner: self.bucket_owner.clone(),
        };
        Ranges::check(&destination).map_err(|error| Problem::FieldInvalid {
            field: field_of(&error),
            message: format!("{error}."),
        })?;
        let chars = self.access_key.chars().count();
        let hint = self.access_key.chars().skip(chars.saturating_sub(HINT_CHARS)).collect();
        Ok(Place {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix,
            path_style: self.path_style,
            bucket_owner: self.bucket_owner.clone(),
            access_key_hint: if chars > 2 * HINT_CHARS { hint } else { String::new() },
        })
    }
}

const fn field_of(error: &InvalidDestination) -> &'static str {
    match error {
        InvalidDestination::Endpoint | InvalidDestination::Plaintext => "endpoint",
        InvalidDestination::Region => "region",
        InvalidDestination::Bucket => "bucket",
        InvalidDestination::Prefix(_) => "prefix",
        InvalidDestination::Owner => "bucket_owner",
        _ => "access_key",
    }
}

/// What a client is told when nothing could be recorded.
pub(super) fn failed(error: TransactError<Refusal>, id: &str) -> Problem {
    match error {
        TransactError::Refused(Refusal::UnknownInput) => {
            Problem::NotFound { what: "input", id: id.to_owned() }
        }
        TransactError::Refused(refusal @ Refusal::TooManyInputs) => {
            Problem::Conflict { code: "too_many_inputs", message: format!("{refusal}.") }
        }
        TransactError::Refused(refusal) => {
            Problem::Conflict { code: "account_closed", message: format!("{refusal}.") }
        }
        TransactError::Read(error) => error.into(),
        TransactError::Unavailable(error) => error.into(),
        TransactError::Contended { .. } => Problem::Unavailable,
        error @ (TransactError::Rejected { .. } | TransactError::Encode(_)) => {
            tracing::error!(error = %service::Chain(&error), "the log does not take an event");
            Problem::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(change: &serde_json::Value) -> Result<Place, Problem> {
        let mut asked = serde_json::json!({
            "region": "eu-west-1", "bucket": "films", "access_key": "AKIAEXAMPLE7QXA", "secret_key": "s",
        });
        let (fields, changes) = (asked.as_object_mut().unwrap(), change.as_object().unwrap());
        fields.extend(changes.clone());
        serde_json::from_value::<Asked>(asked).unwrap().place()
    }

    #[test]
    fn a_place_is_read_and_shows_no_credentials() {
        let read = place(&serde_json::json!({"prefix": "in/2026"})).unwrap();
        assert_eq!((read.prefix.as_str(), read.access_key_hint.as_str()), ("in/2026/", "7QXA"));
        assert_eq!(place(&serde_json::json!({})).unwrap().prefix, "");
        let short = place(&serde_json::json!({"access_key": "tester"})).unwrap();
        assert_eq!(short.access_key_hint, "");
    }

    #[test]
    fn what_cannot_be_reached_is_refused_by_its_field() {
        for (change, expected) in [
            (serde_json::json!({"endpoint": "http://s3.example.com"}), "endpoint"),
            (serde_json::json!({"endpoint": "ftp://s3.example.com"}), "endpoint"),
            (serde_json::json!({"bucket": "../etc"}), "bucket"),
            (serde_json::json!({"region": "EU"}), "region"),
            (serde_json::json!({"prefix": "a/../b"}), "prefix"),
            (serde_json::json!({"bucket_owner": "1"}), "bucket_owner"),
            (serde_json::json!({"secret_key": ""}), "secret_key"),
        ] {
            let Err(Problem::FieldInvalid { field, .. }) = place(&change) else {
                panic!("{expected} is refused")
            };
            assert_eq!(field, expected);
        }
    }
}
