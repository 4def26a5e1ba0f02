//! Answers to operators, over the log's own connection.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use readmodel::Positions;
use serde::{Deserialize, Serialize};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::{app::App, error::Error};

/// The question that [`Report`] answers.
pub const READ_MODEL: &str = "readmodel";
/// How long to wait before listening again after the connection broke off.
const PAUSE: Duration = Duration::from_secs(1);

/// What a replica's read model holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which replica.
    pub replica: String,
    /// How far it has come.
    pub positions: Positions,
    /// SHA-256 over all of its rows, in hex.
    pub hash: String,
}

/// Answers operators' questions until the shutdown.
pub(crate) async fn answer(
    app: Arc<App>,
    replica: String,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    loop {
        let mut questions = app.log.questions(READ_MODEL).await?;
        loop {
            let question = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                question = questions.next() => question,
            };
            let Some(question) = question else { break };
            let store = app.store.clone();
            let (positions, hash) = tokio::task::spawn_blocking(move || store.hash()).await??;
            let report = Report { replica: replica.clone(), positions, hash };
            let body = serde_json::to_vec(&report).map(Bytes::from).unwrap_or_default();
            if let Err(error) = question.answer(body).await {
                tracing::warn!(error = %service::Chain(&error), "an operator was not answered");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
