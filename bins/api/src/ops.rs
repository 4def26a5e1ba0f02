//! Answers to operators, over the log's own connection.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use readmodel::{Positions, RowBytes, Run, Store};
use serde::{Deserialize, Serialize};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::{app::App, error::Error};

/// The question that [`Report`] answers, and with a body the questions of [`Question`].
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

/// What an operator asks one replica, or all of them, about its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// Who is there, and how far they have come: [`Presence`].
    Presence,
    /// What lies in a run of keys, as a digest: [`readmodel::Stretch`].
    Digest {
        /// Who is asked; the others keep silent.
        replica: String,
        /// Which run.
        run: Run,
    },
    /// The rows themselves: [`Rows`].
    Rows {
        /// Who is asked; the others keep silent.
        replica: String,
        /// Which run; as many of its first rows as fit an answer.
        run: Run,
    },
}

/// That a replica is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Which replica.
    pub replica: String,
    /// How far it has come.
    pub positions: Positions,
}

/// Rows as they lie there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// How far they reach.
    pub positions: Positions,
    /// In order.
    pub rows: Vec<RowBytes>,
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
            let (store, replica) = (app.store.clone(), replica.clone());
            let asked = question.body.clone();
            let looked = tokio::task::spawn_blocking(move || look(&store, replica, &asked));
            let Some(body) = looked.await?? else { continue };
            if let Err(error) = question.answer(body).await {
                tracing::warn!(error = %service::Chain(&error), "an operator was not answered");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is answered; nothing where somebody else is asked, or what is asked for is not known here.
fn look(store: &Store, replica: String, asked: &[u8]) -> Result<Option<Bytes>, Error> {
    if asked.is_empty() {
        let (positions, hash) = store.hash()?;
        return Ok(said(&Report { replica, positions, hash }));
    }
    // A question of another release is none of ours.
    let Ok(question) = serde_json::from_slice(asked) else { return Ok(None) };
    Ok(match question {
        Question::Presence => said(&Presence { replica, positions: store.positions() }),
        Question::Digest { replica: asked, run } if asked == replica => said(&store.stretch(&run)?),
        Question::Rows { replica: asked, run } if asked == replica => {
            let (positions, rows) = store.rows_of(&run)?;
            said(&Rows { positions, rows })
        }
        Question::Digest { .. } | Question::Rows { .. } => None,
    })
}

fn said(answer: &impl Serialize) -> Option<Bytes> {
    serde_json::to_vec(answer).map(Bytes::from).ok()
}
