//! The inside of a host: walls are built, a program is started behind them, and one job is done
//! with it. The host is the first process of the namespace; when it ends, the kernel ends all
//! others in it, and the private file system is gone.

mod attempts;
mod browser;
mod child;
mod devtools;
mod files;
mod filter;
mod ocr;
mod oembed;
mod office;
mod profile;
mod room;
mod walls;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use domain::FailureCode;
use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use attempts::ATTEMPTS;
pub(crate) use walls::tasks;

use crate::hosted::Name;
use crate::hosted::wire::{self, Failed, Heard, Order, PROTOCOL, Product, Ready, WireError, Word};
use crate::inside::escape::{EXIT_ESCAPED, EXIT_REFUSED};
use crate::inside::walls::WallError;
use crate::socket::Socket;

/// Exit status when called in a way that no worker does.
const EXIT_USAGE: u8 = 64;
/// Exit status when a wall could not be built or the worker cannot be spoken with.
const EXIT_UNFIT: u8 = 70;

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The worker cannot be spoken with; nobody is left to be told.
    #[error("speak with the worker")]
    Wire(#[from] WireError),
    /// A wall cannot be built.
    #[error("walls")]
    Walls(#[from] WallError),
    /// Something here failed.
    #[error("{step}")]
    Io {
        step: &'static str,
        #[source]
        source: io::Error,
    },
    /// The job cannot be done.
    #[error("{detail}")]
    Job { code: FailureCode, detail: String },
}

impl Trouble {
    fn io(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { step, source }
    }

    fn job(code: FailureCode, detail: impl Into<String>) -> Self {
        Self::Job { code, detail: detail.into() }
    }
}

/// Runs in the mode that the worker asked for, with the worker's process id as last word. Gives
/// the exit status.
#[must_use]
pub fn run(words: &[&str]) -> u8 {
    let result = match words {
        ["job", name, program, parent] => {
            with(name, parent, |name, parent| job(name, &PathBuf::from(program), parent))
        }
        ["prove", attempt, name, program, canary, port, parent] => {
            with(name, parent, |name, parent| {
                let target = attempts::Target::new(parent, canary, port);
                prove(attempt, target, name, Path::new(program), parent)
            })
        }
        _ => return EXIT_USAGE,
    };
    result.unwrap_or(EXIT_USAGE)
}

fn with(
    name: &str,
    parent: &str,
    run: impl FnOnce(Name, i32) -> Result<u8, Trouble>,
) -> Option<u8> {
    let (name, parent) = (Name::parse(name)?, parent.parse().ok()?);
    let worker = Worker::over_stdin();
    Some(run(name, parent).unwrap_or_else(|trouble| {
        // If this fails too, nobody is left to be told.
        let _ = worker.failed(&trouble);
        EXIT_UNFIT
    }))
}

/// Builds the walls, warms the program up, does one job, ends.
fn job(name: Name, program: &Path, parent: i32) -> Result<u8, Trouble> {
    let worker = Worker::over_stdin();
    let walls = walls::build(name, program, parent, walls::Filter::On)?;
    match name {
        Name::Office => office::serve(&worker, program, walls)?,
        Name::Ocr => ocr::serve(&worker, program, walls)?,
        Name::Browser => browser::serve(&worker, program, walls)?,
    }
    Ok(0)
}

/// Builds the walls and runs against them.
fn prove(
    attempt: &str,
    target: Option<attempts::Target>,
    name: Name,
    program: &Path,
    parent: i32,
) -> Result<u8, Trouble> {
    let worker = Worker::over_stdin();
    let attempt = ATTEMPTS.iter().find(|known| known.name == attempt);
    let (Some(attempt), Some(target)) = (attempt, target) else { return Ok(EXIT_USAGE) };
    let walls = walls::build(name, program, parent, attempt.filter)?;
    worker.ready(walls)?;
    let (status, detail) = match attempt.make(&target) {
        Ok(()) => (EXIT_ESCAPED, "got out".to_owned()),
        Err(errno) => (EXIT_REFUSED, errno.to_string()),
    };
    worker.failed(&Trouble::job(FailureCode::Internal, detail))?;
    Ok(u8::try_from(status).unwrap_or(EXIT_UNFIT))
}

/// What an answer of oEmbed tells; see [`oembed`].
pub(crate) fn oembed_answer(answer: OwnedFd) -> Option<Map<String, Value>> {
    oembed::read(answer)
}

/// The link of a page's metadata that is followed; see [`oembed`].
pub(crate) fn oembed_link(said: &Map<String, Value>) -> Option<(usize, String)> {
    oembed::link(said)
}

/// How many messages a browser says, until it ends or says what is none; see [`devtools`].
pub(crate) fn devtools_messages(from: OwnedFd) -> usize {
    let Ok(to) = from.try_clone() else { return 0 };
    let mut devtools = devtools::Devtools::over(to, from);
    let mut heard = 0;
    while devtools.listen().is_ok() {
        loop {
            match devtools.next() {
                Ok(Some(_)) => heard += 1,
                Ok(None) => break,
                Err(_) => return heard,
            }
        }
    }
    heard
}

/// The conversation with the worker, over standard input.
struct Worker {
    socket: Socket<io::Stdin>,
}

impl Worker {
    fn over_stdin() -> Self {
        Self { socket: Socket(io::stdin()) }
    }

    fn ready(&self, walls: Vec<String>) -> Result<(), Trouble> {
        self.say(Word::Ready, &Ready { protocol: PROTOCOL, walls })
    }

    /// The job, and its source.
    fn order(&self) -> Result<(Order, Option<OwnedFd>), Trouble> {
        let heard = self.hear()?;
        let order = heard.read()?;
        Ok((order, heard.descriptor))
    }

    fn hear(&self) -> Result<Heard, Trouble> {
        Ok(wire::hear(&self.socket, None)?)
    }

    fn say(&self, word: Word, message: &impl Serialize) -> Result<(), Trouble> {
        Ok(wire::say(&self.socket, word, message, None, None)?)
    }

    fn made(&self, product: Product, file: &OwnedFd) -> Result<(), Trouble> {
        let made = wire::Made { product };
        Ok(wire::say(&self.socket, Word::Made, &made, Some(file.as_fd()), None)?)
    }

    fn failed(&self, trouble: &Trouble) -> Result<(), Trouble> {
        const DETAIL_CHARS: usize = 300;
        let code = match trouble {
            Trouble::Job { code, .. } => *code,
            _ => FailureCode::Internal,
        };
        let mut detail = trouble.to_string();
        let mut cause = std::error::Error::source(trouble);
        while let Some(error) = cause {
            detail.push_str(": ");
            detail.push_str(&error.to_string());
            cause = error.source();
        }
        let detail = detail.chars().take(DETAIL_CHARS).collect();
        self.say(Word::Failed, &Failed { code, detail })
    }
}
