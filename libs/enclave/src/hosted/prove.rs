//! Proof, at start, that the walls of hosted programs hold: from where each would run, every way
//! out is tried, and must be closed.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;

use super::session::ready;
use super::wire::{self, Failed, Word};
use super::{Name, Settings};
use crate::inside::HOSTED_ATTEMPTS;
use crate::inside::escape::{EXIT_ESCAPED, EXIT_REFUSED};
use crate::pool::StartError;
use crate::process::{Process, post_mortem};
use crate::prove::{ProveError, WallProof};
use crate::words;

/// Longest time for all attempts of one program together.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Processes of one attempt, the shadow included. More than the program's own limit, so that it is
/// that limit which is tried.
const TASKS: u32 = 400;

/// For each program what stands around it, and every attempt to get out.
pub type Proven = Vec<(Name, WallProof)>;

pub(super) async fn prove(settings: Settings, names: Vec<Name>) -> Result<Proven, ProveError> {
    let one = move |name| match prove_one(&settings, name) {
        Ok(proof) => Ok((name, proof)),
        Err(source) => Err(ProveError::Hosted { name, source: Box::new(source) }),
    };
    let all = move || names.into_iter().map(one).collect();
    tokio::task::spawn_blocking(all).await.map_err(ProveError::Thread)?
}

fn prove_one(settings: &Settings, name: Name) -> Result<WallProof, ProveError> {
    let lure = Lure::set()
        .map_err(|source| StartError::Spawn { executable: settings.host.clone(), source })?;
    let program = settings.program(name).to_string_lossy().into_owned();
    let start = |attempt: &'static str| {
        let words = ["prove", attempt, name.as_str(), &program, &lure.canary, &lure.port];
        Process::start(&settings.host, &words, TASKS)
    };
    let until = Instant::now() + TIMEOUT;
    let mut walls = Vec::new();
    let mut attempts = Vec::new();
    // A few at once: most of the time goes into building walls.
    let tried: Vec<_> =
        HOSTED_ATTEMPTS.iter().filter(|attempt| attempt.spared != Some(name)).collect();
    for some in tried.chunks(8) {
        let started: Result<Vec<_>, StartError> =
            some.iter().map(|attempt| start(attempt.name)).collect();
        for (attempt, process) in some.iter().zip(started?) {
            let (built, outcome) = outcome(process, until)?;
            let attempt = attempt.name;
            let Ok(stopped) = outcome else {
                let outcome = outcome.unwrap_or_else(|how| how);
                return Err(ProveError::Breached { attempt, outcome });
            };
            if built.len() > walls.len() {
                walls = built;
            }
            attempts.push((attempt, stopped));
        }
    }
    Ok(WallProof { walls, attempts })
}

/// Things that a program behind walls must not get at.
struct Lure {
    canary: String,
    port: String,
    _file: OwnedFd,
    _listener: TcpListener,
}

impl Lure {
    fn set() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port().to_string();
        // A file of the worker's that has no name on any disk.
        let file = rustix::fs::memfd_create("canary", MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(file);
        file.write_all(b"canary")?;
        let canary = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        assert_readable(&canary)?;
        Ok(Self { canary, port, _file: file.into(), _listener: listener })
    }
}

/// What the worker cannot read proves nothing.
fn assert_readable(path: &str) -> std::io::Result<()> {
    std::fs::File::open(Path::new(path)).map(drop)
}

/// The walls, and what stopped the attempt, or how it ended instead.
type Seen = (Vec<String>, Result<String, String>);

fn outcome(mut process: Process, until: Instant) -> Result<Seen, StartError> {
    let walls = ready(&mut process).map_err(|detail| StartError::Walls { detail })?;
    let why = match wire::hear(&process.socket, Some(until)) {
        Ok(heard) if heard.word == Word::Failed => heard
            .read::<Failed>()
            .map_or_else(|error| error.to_string(), |failed| words::detail(&failed.detail)),
        Ok(heard) => format!("{:?}", heard.word),
        Err(wire::WireError::Socket(crate::socket::SocketError::Closed)) => String::new(),
        Err(error) => return Ok((walls, Err(format!("ended unexpectedly: {error}")))),
    };
    let status = process.wait();
    let outcome = match (status.and_then(|s| s.signal()), status.and_then(|s| s.code())) {
        (Some(libc::SIGSYS), _) => Ok("killed by the filter".to_owned()),
        (None, Some(EXIT_REFUSED)) => Ok(format!("refused: {why}")),
        (None, Some(EXIT_ESCAPED)) => Err("got out".to_owned()),
        _ => Err(format!("ended unexpectedly: {}", post_mortem(status).1)),
    };
    Ok((walls, outcome))
}
