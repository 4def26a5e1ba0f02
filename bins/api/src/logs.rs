//! What the notary says of each log: looked up at most once a second, since anybody may ask.

use std::{sync::Arc, time::Duration};

use eventlog::{Log, Statement, Unavailable};
use evidence::{
    KEY_HEADER, STREAMS,
    checkpoint::Checkpoint,
    note::Note,
    shelf::{Shelf, ShelfError},
};
use tokio::{sync::Mutex, time::Instant};

/// For how long what was found is told again.
const FRESH: Duration = Duration::from_secs(1);

/// The newest checkpoint of a log.
pub(crate) struct Said {
    /// The stream.
    pub(crate) log: &'static str,
    /// The deployment's verifier key, as the notary says; for whoever has no better source.
    pub(crate) key: Option<String>,
    pub(crate) checkpoint: Checkpoint,
    /// The signed note, with the signatures of witnesses if there are any.
    pub(crate) note: String,
}

/// The newest checkpoints of all logs.
#[derive(Default)]
pub(crate) struct Logs(Mutex<Option<(Instant, Arc<Vec<Said>>)>>);

impl Logs {
    /// Those of logs that have one.
    pub(crate) async fn read(&self, log: &Log) -> Result<Arc<Vec<Said>>, Unavailable> {
        let mut known = self.0.lock().await;
        if let Some((at, said)) = &*known
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(said));
        }
        let shelf = Shelf::new(log);
        let mut all = Vec::new();
        for stream in STREAMS {
            all.extend(newest(&shelf, stream).await?);
        }
        let said = Arc::new(all);
        *known = Some((Instant::now(), Arc::clone(&said)));
        Ok(said)
    }
}

/// The last one that was signed, in the form that witnesses signed too if they have.
async fn newest(shelf: &Shelf, log: &'static str) -> Result<Option<Said>, Unavailable> {
    let mut said: Option<Said> = None;
    for statement in [Statement::Signed, Statement::Cosigned] {
        let raw = match shelf.last(log, statement).await {
            Ok(raw) => raw,
            Err(ShelfError::Unavailable(error)) => return Err(error),
            // Only trees can be damaged.
            Err(_) => None,
        };
        let Some(raw) = raw else { continue };
        let note = String::from_utf8_lossy(&raw.body).into_owned();
        let parsed = Note::parse(&note).ok().and_then(|note| note.text.parse().ok());
        let Some(checkpoint): Option<Checkpoint> = parsed else {
            tracing::error!(log, stream.seq = raw.seq, "a checkpoint cannot be read");
            continue;
        };
        if said.as_ref().is_none_or(|said| said.checkpoint == checkpoint) {
            let key = raw.headers.get(KEY_HEADER).map(str::to_owned);
            said = Some(Said { log, key, checkpoint, note });
        }
    }
    Ok(said)
}
