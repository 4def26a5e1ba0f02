//! Everything that is read of a request, by whichever endpoint, for those who fuzz it.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use domain::{
    Timestamp,
    account::{Application, Terms},
    id::{AccountId, ApplicationId},
};
use http::{HeaderMap, HeaderValue, header};
use uuid::Uuid;

use crate::{
    auth::{self, By, Caller},
    call::Call,
    console,
    fields::Fields,
    past::AsOf,
    problem::Problem,
    routes::{v1, v2},
    sessions::{cookie, log_in, peer},
};

/// Fields of the small bodies.
const NAMES: [&str; 12] = [
    "email",
    "password",
    "role",
    "token",
    "on",
    "current",
    "enrolment",
    "code",
    "clear_totp",
    "overlap_s",
    "scheme",
    "secret",
];
/// Where the installation is found.
const PUBLIC_URL: &str = "https://darkroom.example/d";

/// A request for a preview, as it was understood.
#[derive(Debug)]
pub struct Preview {
    /// Its source, spelled anew.
    pub source: String,
    /// The same bytes for the same request.
    pub canonical: Vec<u8>,
}

/// Reads a request as every endpoint would; what `POST /v2/previews` understood, if it did.
#[must_use]
pub fn read(path: &str, query: &str, headers: HeaderMap, body: Bytes) -> Option<Preview> {
    let now = Timestamp::UNIX_EPOCH;
    let peer = IpAddr::from([10, 0, 0, 1]);
    let application = Application {
        application: ApplicationId::from_uuid(Uuid::nil()),
        key: String::new(),
        secret_digest: String::new(),
        terms: Terms::default(),
    };
    let account = AccountId::from_uuid(Uuid::nil());
    let caller = Caller { account, by: By::Secret(Arc::new(application)) };
    let query = query.to_owned();
    let call = Call {
        headers,
        id: path.to_owned(),
        name: String::new(),
        query,
        body,
        caller: Some(caller),
        peer: Some(peer),
    };
    head(path, &call, peer);
    queries(&call, now);
    bodies(&call, account, now);
    let request = v2::previews::request::Request::read(&call.body).ok()?;
    Some(Preview { canonical: request.canonical(), source: request.fields.source_url })
}

fn head(path: &str, call: &Call, peer: IpAddr) {
    let tag = HeaderValue::from_static("\"a\"");
    let _ = auth::not_in_url(path, &call.query);
    let _ = call.headers.get(header::AUTHORIZATION).map(auth::claim);
    let _ = call.headers.get(header::IF_NONE_MATCH).map(|value| console::names(value, &tag));
    let _ = (call.traceparent(), call.accepts("text/csv"), call.quoted_id());
    let _ = (cookie::token(&call.headers), peer::client(peer, &call.headers, &[peer]));
    let _ = cookie::is_ours(&call.headers, PUBLIC_URL);
    let _ = v2::previews::idempotency_key(call);
    let _ = v1::jobs::id::events::live::last_event_id(call);
}

fn queries(call: &Call, now: Timestamp) {
    let _ = v1::audit::events::wanted::Wanted::read(call);
    let _ = v1::deliveries::Wanted::read(call);
    let _ = v1::events::read(call);
    let _ = v1::jobs::Wanted::read(call, now);
    let _ = v1::usage::Wanted::read(call, now);
    let _ = AsOf::read(&call.query, now);
}

fn bodies(call: &Call, account: AccountId, now: Timestamp) {
    let body = &call.body;
    let _ = log_in::Request::read(body);
    let _ = v1::account::Wanted::read(body);
    let _ = v1::applications::terms::fields(body, &[])
        .and_then(|mut fields| v1::applications::terms::Said::read(&mut fields, now));
    let _ = v1::destination::request::Asked::read(body).map(|asked| asked.canonical(account));
    let _ = v1::endpoints::replays::Wanted::read(body);
    let _ = v1::endpoints::terms::fields(body, &[])
        .and_then(|mut fields| v1::endpoints::terms::Said::read(&mut fields));
    let _ = v1::uploads::body::<v1::inputs::Asked>(call).and_then(|asked| asked.place());
    let _ = v1::uploads::body::<v1::uploads::id::complete::Asked>(call);
    let _ = v1::uploads::body::<v1::uploads::id::parts::Asked>(call);
    let upload = v1::uploads::body::<v1::uploads::Asked>(call);
    let _ = upload.map(|asked| asked.check().is_ok());
    let _ = Fields::read(body, &NAMES).map(small);
}

/// Each kind of field that small bodies have.
fn small(mut fields: Fields) -> Result<(), Problem> {
    fields.text("email")?;
    fields.optional_text("password")?;
    fields.optional_time("code")?;
    fields.optional_flag("on")?;
    fields.flag("clear_totp")?;
    let _ = fields.value("overlap_s");
    Ok(())
}
