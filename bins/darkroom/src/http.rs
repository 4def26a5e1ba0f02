//! The client side of our own API: small answers, event streams, downloads.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Uri;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

/// Whether a GET is answered with a success. Plain HTTP only: for this very machine.
pub(crate) async fn is_ok(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    matches!(client.get(uri).await, Ok(answer) if answer.status().is_success())
}
