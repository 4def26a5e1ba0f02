//! The table of endpoints: what is served, and what the document describes, are both read from here.

mod asyncapi_json;
mod healthz;
mod landing;
mod openapi_json;
mod readyz;
pub(crate) mod v1;
pub(crate) mod v2;

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use http::Method;
use matchit::Router;
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
    v1::jobs::id::audit::GET,
    v1::counts::GET,
    v1::account::GET,
    v1::account::PATCH,
    v1::applications::GET,
    v1::applications::POST,
    v1::applications::id::GET,
    v1::applications::id::PATCH,
    v1::applications::id::DELETE,
    v1::applications::id::rotate::POST,
    v1::usage::GET,
    v1::destination::GET,
    v1::destination::PUT,
    v1::destination::PATCH,
    v1::destination::DELETE,
    v1::destination::proof::POST,
    v1::endpoints::GET,
    v1::endpoints::POST,
    v1::endpoints::id::GET,
    v1::endpoints::id::PATCH,
    v1::endpoints::id::DELETE,
    v1::endpoints::secret::POST,
    v1::endpoints::test::POST,
    v1::endpoints::replays::POST,
    v1::deliveries::GET,
    v1::deliveries::id::GET,
    v1::deliveries::redeliver::POST,
    v1::erasures::GET,
    v1::events::GET,
    v1::export::GET,
    v1::feed::GET,
    v1::feed::PUT,
    v1::audit::events::GET,
    v1::account_erasure::DELETE,
    v1::sessions::POST,
    v1::sessions::GET,
    v1::sessions::DELETE,
    v1::sessions::id::DELETE,
    v1::me::GET,
    v1::me::password::PUT,
    v1::me::totp::POST,
    v1::me::totp::PUT,
    v1::me::totp::OFF,
    v1::members::GET,
    v1::members::POST,
    v1::members::id::GET,
    v1::members::id::PATCH,
    v1::members::id::DELETE,
    v1::members::reset::POST,
    v1::joins::POST,
    v1::password_resets::POST,
    v1::uploads::POST,
    v1::uploads::GET,
    v1::uploads::id::GET,
    v1::uploads::id::DELETE,
    v1::uploads::id::parts::POST,
    v1::uploads::id::complete::POST,
    v1::inputs::GET,
    v1::inputs::PUT,
    v1::inputs::id::DELETE,
    v1::artifacts::GET,
    v1::log::GET,
    v1::log::checkpoint::GET,
    v1::receipt_keys::GET,
    landing::GET,
    healthz::GET,
    readyz::GET,
    openapi_json::GET,
    asyncapi_json::GET,
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

/// [`TABLE`], to be looked into by path.
pub(crate) struct Routes(Router<Vec<&'static Endpoint>>);

impl Routes {
    pub(crate) fn new() -> Self {
        let mut by_path: BTreeMap<&str, Vec<&Endpoint>> = BTreeMap::new();
        for endpoint in TABLE {
            by_path.entry(endpoint.path).or_default().push(endpoint);
        }
        let mut router = Router::new();
        for (path, endpoints) in by_path {
            if let Err(error) = router.insert(path, endpoints) {
                tracing::error!(%error, path, "two endpoints stand in each other's way");
            }
        }
        Self(router)
    }

    /// Looks an endpoint up.
    pub(crate) fn find<'a>(&self, method: &Method, path: &'a str) -> Matched<'a> {
        let Ok(found) = self.0.at(bare(path)) else { return Matched::Nothing };
        if let Some(endpoint) = found.value.iter().find(|known| known.verb.is(method)) {
            let place = |name| found.params.get(name).unwrap_or_default();
            return Matched::Endpoint(endpoint, [place("id"), place("name")]);
        }
        let verbs = found.value.iter().map(|known| known.verb.name());
        let allow = verbs.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ");
        if method == Method::OPTIONS {
            Matched::Preflight { allow }
        } else {
            Matched::OtherMethod { allow }
        }
    }

    /// The path of the endpoints that a path leads to, for logs: a closed set.
    pub(crate) fn template(&self, path: &str) -> &'static str {
        let known = self.0.at(bare(path)).ok().and_then(|found| found.value.first().copied());
        known.map_or("none", |endpoint| endpoint.path)
    }
}

/// Without the slash that makes no difference.
fn bare(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some("") => "/",
        Some(bare) if bare != "/" => bare,
        Some(_) => path,
        None if path.is_empty() => "/",
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_by_its_path() {
        let routes = Routes::new();
        for endpoint in TABLE {
            let path = endpoint.path.replace("{id}", "7").replace("{name}", "a.jpg");
            let method: Method = endpoint.verb.name().parse().unwrap();
            for path in [path.clone(), format!("{}/", path.trim_end_matches('/'))] {
                let Matched::Endpoint(found, [id, name]) = routes.find(&method, &path) else {
                    panic!("nothing is at {method} {path}");
                };
                assert!(std::ptr::eq(found, endpoint) || found.path == endpoint.path);
                let open = |place: &str| endpoint.path.contains(place);
                assert_eq!((id == "7", name == "a.jpg"), (open("{id}"), open("{name}")), "{path}");
            }
            assert_eq!(routes.template(&path), endpoint.path);
        }
    }

    #[test]
    fn paths_fit_their_templates_with_and_without_a_slash_at_the_end() {
        let routes = Routes::new();
        for (path, expected) in [
            ("/", "/"),
            ("", "/"),
            ("/v2/previews", "/v2/previews"),
            ("/v2/previews/", "/v2/previews"),
            ("//", "none"),
            ("/v2/previews//", "none"),
            ("/v2/preview", "none"),
            ("/v2/previews/7/8", "none"),
            ("/v1/jobs/7/events/", "/v1/jobs/{id}/events"),
            ("/v1/jobs/events", "/v1/jobs/{id}"),
            ("/v1/jobs//events", "none"),
        ] {
            assert_eq!(routes.template(path), expected, "{path}");
        }
    }
}
