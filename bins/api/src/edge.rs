//! What every request passes: from warp's filters to a handler, and what every answer gets on its way out.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use futures::{FutureExt as _, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use tokio::sync::Semaphore;
use tower_service::Service;
use warp::{Filter, filters::path::FullPath, reply::Response};

use crate::{
    app::App,
    auth::{self, By},
    call::{Call, json_bytes},
    incoming::read_body,
    problem::{Problem, Spelling},
    routes::{Matched, Routes},
    sessions::{self, peer::Peer},
};

/// Largest head of a request: path, query and headers, in bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 16 << 10;

/// What every answer carries.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000; includeSubDomains"),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// All endpoints as one filter. It turns nothing away: what fits no endpoint is answered here.
pub(crate) fn filter(
    app: Arc<App>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let query =
        warp::query::raw().or_else(|_| async { Ok::<(String,), Infallible>((String::new(),)) });
    warp::any()
        .map(move || app.clone())
        .and(warp::method())
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .and(warp::body::stream())
        .then(respond)
        // Reading the body is the one part that could refuse, were it read twice.
        .or_else(|_| async {
            Ok::<_, Infallible>((Problem::Internal.into_response(Spelling::Details),))
        })
}

async fn respond<S, B>(
    app: Arc<App>,
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    peer: Option<Peer>,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let path = path.as_str();
    let spelling = Spelling::of_path(path);
    let (endpoint, [id, name]) = match app.routes.find(&method, path) {
        Matched::Endpoint(endpoint, [id, name]) => (endpoint, [id.to_owned(), name.to_owned()]),
        Matched::Preflight { allow } => return preflight(&headers, &allow),
        Matched::OtherMethod { allow } => {
            return Problem::MethodNotAllowed { allow }.into_response(spelling);
        }
        Matched::Nothing => return Problem::NoSuchPath.into_response(spelling),
    };
    let peer = peer.map(|Peer(address)| address);
    let mut call = Call { headers, id, name, query, body: Bytes::new(), caller: None, peer };
    let mut origin = None;
    let answer = async {
        call.caller = auth::identify(&app, &call.headers, endpoint.access).await?;
        sessions::guard(&app, &call, endpoint.verb)?;
        origin = allowed_origin(&call);
        if endpoint.verb.has_body() {
            let patience = Duration::from_millis(app.api.body_read_ms);
            call.body = Box::pin(read_body(body, app.api.body_bytes, patience)).await?;
        }
        let patience = Duration::from_millis(app.api.request_ms);
        match tokio::time::timeout(patience, (endpoint.handler)(app.clone(), call)).await {
            Ok(answer) => answer,
            Err(_elapsed) => {
                tracing::warn!(http.route = endpoint.path, "an answer took too long");
                Err(Problem::Unavailable)
            }
        }
    };
    let mut response = answer.await.unwrap_or_else(|problem: Problem| {
        let ends = problem.ends_connection();
        let mut response = problem.into_response(spelling);
        if ends {
            response.extensions_mut().insert(LastAnswer);
        }
        response
    });
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("location"));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// The origin that may read the answer, if the request came from a page.
fn allowed_origin(call: &Call) -> Option<HeaderValue> {
    let caller = call.caller.as_ref()?;
    match &caller.by {
        By::Origin(_, origin) => Some(origin.clone()),
        By::Secret(application) => {
            let origin = call.headers.get(header::ORIGIN)?;
            let allowed = application.terms.origins.iter().any(|allowed| origin == allowed);
            allowed.then(|| origin.clone())
        }
        By::Session(_) => None,
    }
}

/// A preflight names no key, so every origin may ask; the request itself is what is checked.
fn preflight(headers: &HeaderMap, allow: &str) -> Response {
    let mut response = json_bytes(StatusCode::OK, Bytes::from_static(b"{}"));
    let answer = response.headers_mut();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
        answer.insert(header::ALLOW, allow);
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Content-Type, Accept, Idempotency-Key"),
        );
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        answer.append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// Marks an answer after which the connection is of no more use.
#[derive(Debug, Clone, Copy)]
struct LastAnswer;

/// The filter as a service, behind the limits that hold for every request.
#[derive(Clone)]
pub(crate) struct Edge<S> {
    filters: S,
    routes: Arc<Routes>,
    in_flight: Arc<Semaphore>,
}

impl<S> Edge<S> {
    pub(crate) fn new(filters: S, routes: Arc<Routes>, max_in_flight: usize) -> Self {
        Self { filters, routes, in_flight: Arc::new(Semaphore::new(max_in_flight)) }
    }

    /// Answers one request, whatever happens.
    pub(crate) async fn answer<B>(self, request: Request<B>) -> Response
    where
        S: Service<Request<B>, Response = Response, Error = Infallible> + Send,
        S::Future: Send,
    {
        let version = request.version();
        let spelling = Spelling::of_path(request.uri().path());
        let noted = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (request.method().clone(), self.routes.template(request.uri().path())));
        let mut response = if head_bytes(&request) > MAX_HEAD_BYTES {
            let problem = Problem::HeadTooLarge { limit_bytes: MAX_HEAD_BYTES };
            let mut response = problem.into_response(spelling);
            response.extensions_mut().insert(LastAnswer);
            response
        } else {
            self.limited(request, spelling).await
        };
        if let Some((method, route)) = noted {
            tracing::debug!(
                http.method = %method, http.route = route,
                http.status = response.status().as_u16(), "answered"
            );
        }
        finish(&mut response, version);
        response
    }

    async fn limited<B>(mut self, request: Request<B>, spelling: Spelling) -> Response
    where
        S: Service<Request<B>, Response = Response, Error = Infallible> + Send,
        S::Future: Send,
    {
        let Ok(_permit) = self.in_flight.clone().try_acquire_owned() else {
            return Problem::Overloaded.into_response(spelling);
        };
        match AssertUnwindSafe(self.filters.call(request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_panic) => {
                tracing::error!("a handler panicked");
                Problem::Internal.into_response(spelling)
            }
        }
    }
}

/// What a connection is told that comes when there are too many.
pub(crate) fn busy<B>(request: &Request<B>) -> Response {
    let spelling = Spelling::of_path(request.uri().path());
    let mut response = Problem::Overloaded.into_response(spelling);
    response.extensions_mut().insert(LastAnswer);
    finish(&mut response, request.version());
    response
}

fn finish(response: &mut Response, version: Version) {
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    // HTTP/2 knows no such header; there, a stream is closed alone.
    if response.extensions_mut().remove::<LastAnswer>().is_some() && version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

fn head_bytes<B>(request: &Request<B>) -> usize {
    let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    let headers = request.headers().iter();
    uri + headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}
