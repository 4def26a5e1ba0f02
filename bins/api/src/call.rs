//! A request as handlers see it, and the pieces of an answer.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use bytes::Bytes;
use domain::{Timestamp, id::ApplicationId, job::Job};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use url::form_urlencoded;
use warp::reply::{Reply as _, Response};

use crate::{
    auth::{By, Caller},
    problem::Problem,
};

/// Most characters of a caller's text that are quoted back.
const QUOTED_CHARS: usize = 64;
/// Room for as many headers as most answers have, so that it is found once.
const MOST_HEADERS: usize = 12;

/// A request.
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    /// What stands in the place of `{id}`, as it was sent.
    pub(crate) id: String,
    /// What stands in the place of the second segment left open, as it was sent.
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) body: Bytes,
    pub(crate) caller: Option<Caller>,
    /// Who is at the other end of the connection.
    pub(crate) peer: Option<IpAddr>,
}

impl Call {
    /// Who asks.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        // The router lets nobody through to an endpoint that wants to know.
        self.caller.as_ref().ok_or(Problem::NoCredentials)
    }

    /// The id, fit to be quoted back.
    pub(crate) fn quoted_id(&self) -> String {
        quote(&self.id)
    }

    /// The value of a header, if it has one that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the client says that it takes this kind of answer, by its own name.
    pub(crate) fn accepts(&self, media_type: &str) -> bool {
        let accepted = self.header(header::ACCEPT.as_str()).unwrap_or_default();
        let mut kinds = accepted.split(',').filter_map(|kind| kind.split(';').next());
        kinds.any(|kind| kind.trim() == media_type)
    }

    /// A query's parameters; each of those known, once.
    pub(crate) fn query(
        &self,
        known: &[&'static str],
    ) -> Result<Vec<(&'static str, String)>, Problem> {
        let mut read: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            let Some(name) = known.iter().find(|known| **known == name) else {
                let message = format!(
                    "There is no parameter \"{}\"; this path takes {}.",
                    quote(&name),
                    known.join(", ")
                );
                return Err(Problem::Malformed(message));
            };
            if read.iter().any(|(other, _)| other == name) {
                let message = "This parameter is given twice.".to_owned();
                return Err(Problem::FieldInvalid { field: name, message });
            }
            read.push((name, value.into_owned()));
        }
        Ok(read)
    }

    /// One that asks this and says nothing else.
    #[cfg(test)]
    pub(crate) fn asking(query: &str) -> Self {
        Self {
            headers: HeaderMap::new(),
            id: String::new(),
            name: String::new(),
            query: query.to_owned(),
            body: Bytes::new(),
            caller: None,
            peer: None,
        }
    }

    /// The trace that this request is part of, if it says so properly.
    pub(crate) fn traceparent(&self) -> Option<String> {
        let text = self.header("traceparent")?;
        let mut parts = text.split('-');
        let hex = |part: Option<&str>, length: usize| {
            part.is_some_and(|part| {
                part.len() == length
                    && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            })
        };
        let well_formed = parts.next() == Some("00")
            && hex(parts.next(), 32)
            && hex(parts.next(), 16)
            && hex(parts.next(), 2)
            && parts.next().is_none();
        well_formed.then(|| text.to_owned())
    }
}

impl Caller {
    /// Whether the caller may see a job of their account. A key without its secret shows what was
    /// asked for with that key alone.
    pub(crate) fn may_see(&self, job: &Job) -> bool {
        self.may_see_jobs_of(job.requested.application)
    }

    /// Whether jobs that this application of the account asked for may be shown.
    pub(crate) fn may_see_jobs_of(&self, application: ApplicationId) -> bool {
        match &self.by {
            By::Secret(_) | By::Session(_) => true,
            By::Origin(own, _) => application == own.application,
        }
    }
}

/// A caller's text, cut so that it can be quoted back.
pub(crate) fn quote(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(QUOTED_CHARS).collect()
}

/// What somebody says in a parameter or a field, where a text explains itself what is wrong with it.
pub(crate) fn read<T: FromStr<Err: Display>>(
    field: &'static str,
    text: &str,
) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: T::Err| Problem::FieldInvalid { field, message: format!("{error}.") })
}

/// A time that somebody says in a parameter or a field.
pub(crate) fn time(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let message = "This must be a time such as 2026-11-20T08:00:00Z.".to_owned();
    text.parse().map_err(|_odd: jiff::Error| Problem::FieldInvalid { field, message })
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    match serde_json::to_vec(body) {
        Ok(body) => Ok(json_bytes(status, body.into())),
        Err(error) => {
            tracing::error!(%error, "an answer has no JSON form");
            Err(Problem::Internal)
        }
    }
}

/// An answer that is JSON already.
pub(crate) fn json_bytes(status: StatusCode, body: Bytes) -> Response {
    let mut response = http::Response::new(body).into_response();
    *response.status_mut() = status;
    response.headers_mut().reserve(MOST_HEADERS);
    let media_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
