//! What browsers want to hear before they send parts of a file from a page of another origin.
//!
//! Any origin may: what lets somebody in is the signature in the link, which no page can make, and
//! no cookie or login of the browser's counts here.

use hyper::{
    Method, Request, Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

/// Methods that links can be signed for.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT");
/// Answers' headers that a page needs: the tag of a part is what completes an upload.
const EXPOSED: HeaderValue = HeaderValue::from_static("ETag, Content-Range, x-amz-request-id");
/// For how many seconds a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3000");
const ANY: HeaderValue = HeaderValue::from_static("*");
const ASKED_METHOD: HeaderName = header::ACCESS_CONTROL_REQUEST_METHOD;

/// Whether a request comes from a page of some origin.
pub(super) fn is_cross_origin<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(header::ORIGIN)
}

/// The answer to a preflight, if the request is one.
pub(super) fn preflight<B, A: Default>(request: &Request<B>) -> Option<Response<A>> {
    let asked = request.headers().get(ASKED_METHOD);
    let asked =
        asked.filter(|_| request.method() == Method::OPTIONS && is_cross_origin(request))?;
    let mut answer = Response::new(A::default());
    if ![Method::GET, Method::HEAD, Method::PUT].iter().any(|method| method.as_str() == asked) {
        *answer.status_mut() = StatusCode::FORBIDDEN;
        return Some(answer);
    }
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    if let Some(asked) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    allow(&mut answer);
    Some(answer)
}

/// Lets the page read an answer.
pub(super) fn allow<A>(answer: &mut Response<A>) {
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}
