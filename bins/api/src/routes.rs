//! The table of endpoints: what is served, and what the document describes, are both read from here.

mod healthz;
mod landing;
mod openapi_json;
mod readyz;
mod v1;
mod v2;

use std::sync::Arc;

use futures::future::BoxFuture;
use http::Method;
use warp::reply::Response;

use crate::{app::App, auth::Access, call::Call, document::Doc, problem::Problem};

/// What a handler is: a plain async function in a box.
pub(crate) type Handler = fn(Arc<App>, Call) -> BoxFuture<'static, Result<Response, Problem>>;

/// What is done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Read.
    Get,
    /// Make.
    Post,
    /// Set as a whole.
    Put,
    /// Change in part.
    Patch,
    /// End.
    Delete,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether requests have a body that is read.
    pub(crate) const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }

    fn is(self, method: &Method) -> bool {
        // A HEAD is a GET whose body is left out on the way.
        method.as_str() == self.name() || (self == Self::Get && method == Method::HEAD)
    }
}

/// One verb at one path.
pub(crate) struct Endpoint {
    pub(crate) verb: Verb,
    /// `{id}` and `{name}` stand for one segment each, in this order. A slash after the end makes
    /// no difference.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: Handler,
    pub(crate) doc: Doc,
}

/// Every endpoint there is.
pub(crate) const TABLE: &[Endpoint] = &[
    v2::previews::POST,
    v2::previews::id::GET,
    v1::jobs::GET,
    v1::jobs::id::GET,
    v1::jobs::id::DELETE,
    v1::jobs::id::events::GET,
    v1::counts::GET,
    landing::GET,
    healthz::GET,
    readyz::GET,
    openapi_json::GET,
];

/// What a method and a path lead to.
pub(crate) enum Matched<'a> {
    /// This endpoint, and what stands in the places of `{id}` and `{name}`.
    Endpoint(&'static Endpoint, [&'a str; 2]),
    /// A browser asks whether a page may ask.
    Preflight { allow: String },
    /// The path has endpoints, for these methods only.
    OtherMethod { allow: String },
    /// No endpoint has this path.
    Nothing,
}

/// Looks an endpoint up.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Matched<'a> {
    let mut verbs = Vec::new();
    for endpoint in TABLE {
        if let Some(places) = fit(endpoint.path, path) {
            if endpoint.verb.is(method) {
                return Matched::Endpoint(endpoint, places);
            }
            verbs.push(endpoint.verb.name());
        }
    }
    if verbs.is_empty() {
        return Matched::Nothing;
    }
    verbs.push("OPTIONS");
    let allow = verbs.join(", ");
    if method == Method::OPTIONS {
        Matched::Preflight { allow }
    } else {
        Matched::OtherMethod { allow }
    }
}

/// The path of the endpoints that a path leads to, for logs: a closed set.
pub(crate) fn template(path: &str) -> &'static str {
    let known = TABLE.iter().find(|endpoint| fit(endpoint.path, path).is_some());
    known.map_or("none", |endpoint| endpoint.path)
}

/// What stands in the places of `{id}` and `{name}`, where `path` has the form of `template`.
fn fit<'a>(template: &str, path: &'a str) -> Option<[&'a str; 2]> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut wanted = template.trim_end_matches('/').split('/');
    let mut given = path.split('/');
    let (mut places, mut taken) = (["", ""], 0);
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(places),
            (Some(open), Some(segment)) if open.starts_with('{') => {
                *places.get_mut(taken)? = Some(segment).filter(|segment| !segment.is_empty())?;
                taken += 1;
            }
            (Some(want), Some(have)) if want == have => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_their_templates_with_and_without_a_slash_at_the_end() {
        for (template, path, expected) in [
            ("/", "/", Some(["", ""])),
            ("/", "", Some(["", ""])),
            ("/v2/previews", "/v2/previews", Some(["", ""])),
            ("/v2/previews", "/v2/previews/", Some(["", ""])),
            ("/v2/previews", "/v2/previews//", None),
            ("/v2/previews", "/v2/preview", None),
            ("/v2/previews/{id}", "/v2/previews/7", Some(["7", ""])),
            ("/v2/previews/{id}", "/v2/previews/7/", Some(["7", ""])),
            ("/v2/previews/{id}", "/v2/previews/", None),
            ("/v2/previews/{id}", "/v2/previews/7/8", None),
            ("/v1/jobs/{id}/events", "/v1/jobs/7/events/", Some(["7", ""])),
            ("/v1/artifacts/{id}/{name}", "/v1/artifacts/7/a.jpg", Some(["7", "a.jpg"])),
            ("/v1/artifacts/{id}/{name}", "/v1/artifacts/7", None),
            ("/v1/jobs/{id}/events", "/v1/jobs/events", None),
            ("/v1/jobs/{id}", "/v1/jobs/7/events", None),
        ] {
            assert_eq!(fit(template, path), expected, "{template} {path}");
        }
    }
}
