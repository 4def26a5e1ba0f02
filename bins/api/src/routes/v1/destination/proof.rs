//! `POST /v1/destination/proof`: asks what the destination's credentials may do, and waits a while
//! for the answer. A worker tries it; nothing here reaches the bucket.

use std::{sync::Arc, time::Duration};

use domain::{
    account::{self, State},
    id::AccountId,
    scope::Scope,
};
use http::StatusCode;
use readmodel::Stream;
use warp::reply::Response;

use super::{decide, view::View};
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    problem::Problem,
    routes::{Endpoint, Verb},
};

/// How long the answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/destination/proof",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Has the destination's credentials tried, and answers what came of it; 202 where that takes longer than 15 seconds.",
        parameters: &[],
        request: None,
        status: 200,
        answer: "Destination",
        streams: false,
    },
};

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let account = call.caller()?.account;
    let now = app.clock.now();
    let asked = decide(&app, &call, |state| account::request_proof(state, now)).await?.loaded;
    let seq = asked.last.map_or(0, |head| head.seq);
    let found = tokio::time::timeout(PATIENCE, found_out(&app, account, seq)).await;
    let (status, state) = match found {
        Ok(found) => (StatusCode::OK, found?),
        Err(_elapsed) => (StatusCode::ACCEPTED, asked.state),
    };
    call::json(status, &View::of(&app, account, &state).await?)
}

/// The account once nothing that was asked before `seq` is awaited any more.
async fn found_out(app: &App, account: AccountId, seq: u64) -> Result<State, Problem> {
    let mut reached = app.reached.subscribe();
    loop {
        let there = reached.borrow_and_update().of(Stream::Accounts) >= seq;
        let row = if there { app.store.account(account)? } else { None };
        if let Some(row) = row.filter(|row| row.state.knowledge.requested_at.is_none()) {
            return Ok(row.state);
        }
        reached.changed().await.map_err(|_gone| Problem::Unavailable)?;
    }
}
