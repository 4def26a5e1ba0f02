//! Proof, at start, that the walls hold: a renderer tries to get out in every way, and must fail.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::control::Purpose;
use crate::frame::{self, Kind};
use crate::inside::escape::{ATTEMPTS, EXIT_ESCAPED, EXIT_REFUSED};
use crate::inside::walls::Walls;
use crate::message::{Failed, Ready};
use crate::pool::{Config, StartError};
use crate::process::{Process, post_mortem};
use crate::socket::SocketError;
use crate::template::Template;
use crate::words;

/// Longest time for all attempts together.
const PROVE_TIMEOUT: Duration = Duration::from_secs(60);

/// Every attempt to get out, and what stopped it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallProof {
    /// The walls that stand.
    pub walls: Vec<String>,
    /// Attempt and what stopped it, in the order tried.
    pub attempts: Vec<(&'static str, String)>,
}

/// Why the walls are not proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// No renderer could be started.
    #[error("start a renderer to test its walls")]
    Start(#[from] StartError),
    /// An attempt got out.
    #[error("the walls do not hold: {attempt} {outcome}")]
    Breached {
        /// What was tried.
        attempt: &'static str,
        /// What came of it.
        outcome: String,
    },
    /// Those around a hosted program are not proven.
    #[error("prove the walls around {name}")]
    Hosted {
        /// Which.
        name: crate::hosted::Name,
        /// Why not.
        #[source]
        source: Box<Self>,
    },
    /// The thread that watched the attempts died.
    #[error("watch the attempts")]
    Thread(#[source] tokio::task::JoinError),
}

/// Starts renderers that try to get out. A worker that gets an error here must not take jobs.
///
/// # Errors
/// When an attempt succeeds, or a renderer cannot be started or build its walls.
pub async fn prove(config: &Config) -> Result<WallProof, ProveError> {
    let executable = config.executable.clone();
    tokio::task::spawn_blocking(move || prove_all(&executable)).await.map_err(ProveError::Thread)?
}

fn prove_all(executable: &Path) -> Result<WallProof, ProveError> {
    let mut template = Template::start(executable)?;
    let started: Result<Vec<_>, StartError> = (0..)
        .zip(ATTEMPTS)
        .map(|(number, _attempt)| template.fork(Purpose::Prove(number)))
        .collect();
    let until = Instant::now() + PROVE_TIMEOUT;
    let mut walls = Vec::new();
    let mut attempts = Vec::new();
    for (attempt, process) in ATTEMPTS.iter().zip(started?) {
        let (built, outcome) = outcome(process, until)?;
        let name = attempt.name;
        let holds = match attempt.walls {
            Walls::All => outcome == Outcome::Killed,
            Walls::AllButFilter => matches!(outcome, Outcome::Refused(_)),
        };
        if !holds {
            return Err(ProveError::Breached { attempt: name, outcome: outcome.to_string() });
        }
        if attempt.walls == Walls::All {
            walls = built;
        }
        attempts.push((name, outcome.to_string()));
    }
    Ok(WallProof { walls, attempts })
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Killed,
    Refused(String),
    Escaped,
    Other(String),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Killed => f.write_str("killed by the filter"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Escaped => f.write_str("got out"),
            Self::Other(how) => write!(f, "ended unexpectedly: {how}"),
        }
    }
}

/// What the renderer said first, and how it ended.
fn outcome(mut process: Process, until: Instant) -> Result<(Vec<String>, Outcome), StartError> {
    let outer_wall = process.outer_wall();
    let walls = |detail: String| StartError::Walls { detail };
    let (kind, body) = receive(&process, until)
        .map_err(|error| walls(format!("{error}; {}", post_mortem(process.kill()).1)))?;
    if kind != Kind::Ready {
        let said = frame::decode::<Failed, _>(Kind::Failed, &body);
        return Err(walls(said.map_or_else(|e| e.to_string(), |said| words::detail(&said.detail))));
    }
    let mut ready: Ready = frame::decode(kind, &body).map_err(|error| walls(error.to_string()))?;
    ready.walls.push(outer_wall);
    let why = match receive(&process, until) {
        Ok((Kind::Failed, body)) => frame::decode::<Failed, _>(Kind::Failed, &body)
            .map_or_else(|e| e.to_string(), |said| words::detail(&said.detail)),
        Ok((kind, _)) => format!("{kind:?}"),
        Err(SocketError::Closed) => String::new(),
        Err(_) => return Ok((ready.walls, Outcome::Other("it never ended".to_owned()))),
    };
    let status = process.wait();
    let outcome = match (status.and_then(|s| s.signal()), status.and_then(|s| s.code())) {
        (Some(libc::SIGSYS), _) => Outcome::Killed,
        (None, Some(EXIT_REFUSED)) => Outcome::Refused(why),
        (None, Some(EXIT_ESCAPED)) => Outcome::Escaped,
        _ => Outcome::Other(post_mortem(status).1),
    };
    Ok((ready.walls, outcome))
}

fn receive(process: &Process, until: Instant) -> Result<(Kind, Vec<u8>), SocketError> {
    let head = process.socket.receive_head(Some(until))?;
    let mut body = vec![0; head.len];
    process.socket.receive_body(&mut body, Some(until))?;
    Ok((head.kind, body))
}
