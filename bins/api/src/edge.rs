//! What every request passes: from warp's filters to a handler, and what every answer gets on its way out.

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures::{FutureExt as _, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use tokio::sync::Semaphore;
use tower_service::Service;
use warp::{Filter, reply::Response};

use crate::{
    app::App,
    auth::{self, By},
    call::{Call, json_bytes},
    console::OwnPolicy,
    incoming::read_body,
    problem::{Problem, Spelling},
    routes::{Matched, Routes},
    sessions,
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

/// The head of a request, taken out of it once, so that nothing on its way to a handler copies it.
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: IpAddr,
}

/// How it gets through warp's filters: whoever takes it has it alone.
#[derive(Clone)]
struct Handed(Arc<Mutex<Option<Head>>>);

impl Handed {
    fn over<B>(peer: IpAddr, request: &mut Request<B>) -> Self {
        let headers = std::mem::take(request.headers_mut());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self(Arc::new(Mutex::new(Some(Head { method, uri, headers, peer }))))
    }

    fn take(&self) -> Option<Head> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// All endpoints as one filter. It turns nothing away: what fits no endpoint is answered here.
pub(crate) fn filter(
    app: Arc<App>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let internal = || Problem::Internal.into_response(Spelling::Details);
    warp::ext::get::<Handed>()
        .and(warp::body::stream())
        .then(move |handed: Handed, body| {
            let app = app.clone();
            // Boxed: what is large is not moved about while it waits.
            Box::pin(async move {
                match handed.take() {
                    Some(head) => respond(app, head, body).await,
                    None => internal(),
                }
            })
        })
        // Taking head or body is what could refuse, were it done twice.
        .or_else(move |_| async move { Ok::<_, Infallible>((internal(),)) })
}

async fn respond<S, B>(app: Arc<App>, head: Head, body: S) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let Head { method, uri, headers, peer } = head;
    let path = uri.path();
    if let Some(response) = app.console.answer(&method, path, &headers) {
        return response;
    }
    let spelling = Spelling::of_path(path);
    let (endpoint, [id, name]) = match app.routes.find(&method, path) {
        Matched::Endpoint(endpoint, [id, name]) => (endpoint, [id.to_owned(), name.to_owned()]),
        Matched::Preflight { allow } => return preflight(&headers, &allow),
        Matched::OtherMethod { allow } => {
            return Problem::MethodNotAllowed { allow }.into_response(spelling);
        }
        Matched::Nothing => return Problem::NoSuchPath.into_response(spelling),
    };
    let query = uri.query().unwrap_or_default().to_owned();
    let (body_read, peer) = (Bytes::new(), Some(peer));
    let mut call = Call { headers, id, name, query, body: body_read, caller: None, peer };
    let mut origin = None;
    let answer = async {
        auth::not_in_url(path, &call.query)?;
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

    /// Answers one request of `peer`, whatever happens.
    pub(crate) async fn answer<B>(self, peer: IpAddr, request: Request<B>) -> Response
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
            self.limited(peer, request, spelling).await
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

    async fn limited<B>(
        mut self,
        peer: IpAddr,
        mut request: Request<B>,
        spelling: Spelling,
    ) -> Response
    where
        S: Service<Request<B>, Response = Response, Error = Infallible> + Send,
        S::Future: Send,
    {
        let Ok(_permit) = self.in_flight.clone().try_acquire_owned() else {
            return Problem::Overloaded.into_response(spelling);
        };
        let handed = Handed::over(peer, &mut request);
        request.extensions_mut().insert(handed);
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
    let says_itself = response.extensions_mut().remove::<OwnPolicy>().is_some();
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        if !(says_itself && headers.contains_key(&name)) {
            headers.insert(name, value);
        }
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
