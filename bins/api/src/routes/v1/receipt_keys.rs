//! `GET /v1/receipt-keys`: the public keys that processing receipts are verified with.

use std::sync::Arc;

use evidence::receipt_key::PublicKeys;
use http::StatusCode;
use serde::Serialize;
use warp::reply::Response;

use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const GET: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/v1/receipt-keys",
    access: Access::Anyone,
    handler: |app, call| Box::pin(get(app, call)),
    doc: Doc {
        summary: "The public keys that receipts of jobs are verified with, earlier ones first: each signs, or has signed, receipts that name its id.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "ReceiptKeys",
        streams: false,
    },
};

#[derive(Serialize)]
struct Listed {
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    id: String,
    algorithm: &'static str,
    /// SubjectPublicKeyInfo.
    pem: String,
}

async fn get(app: Arc<App>, _call: Call) -> Result<Response, Problem> {
    let file = app.api.receipt_keys_file.clone();
    // Read each time: a worker adds to it when it makes a new key.
    let read = tokio::task::spawn_blocking(move || PublicKeys::read(&file)).await;
    let keys = read.or(Err(Problem::Internal))?.map_err(|error| {
        tracing::error!(error = %service::Chain(&error), "api.receipt_keys_file cannot be used");
        Problem::Internal
    })?;
    let key = |key: &evidence::receipt_key::PublicKey| Key {
        id: key.id().to_owned(),
        algorithm: "ed25519",
        pem: key.to_pem(),
    };
    call::json(StatusCode::OK, &Listed { keys: keys.iter().map(key).collect() })
}
