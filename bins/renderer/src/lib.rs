//! The renderer: one job behind walls, bytes in over a socket pair, pictures out as memory files.
//!
//! Renderers are the only programs of the house that open untrusted bytes. Walls and conversation
//! are `enclave`'s, what is drawn with is a [`Studio`]; this joins the two.

mod job;
pub mod memory;
mod studio;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use domain::FailureCode;
use enclave::inside::escape::{ATTEMPTS, EXIT_ESCAPED, EXIT_REFUSED};
use enclave::inside::walls::{self, Walls};
use enclave::inside::{Visit, VisitError};

pub use studio::{Drawing, Fonts, Light, Studio, draw_here};

/// Exit status when called in a way that no worker does.
const EXIT_USAGE: u8 = 64;
/// Exit status when a wall could not be built or the worker cannot be spoken with.
const EXIT_UNFIT: u8 = 70;

/// Runs in the mode that the worker asked for, with the worker's process id as last word.
#[must_use]
pub fn run(words: &[&str], studio: &dyn Studio) -> ExitCode {
    match words {
        ["job", parent] => outcome(parent.parse().ok().map(|parent| job(parent, studio))),
        ["prove", attempt, parent] => {
            outcome(parent.parse().ok().map(|parent| prove(attempt, parent)))
        }
        _ => ExitCode::from(EXIT_USAGE),
    }
}

fn outcome(result: Option<Result<u8, VisitError>>) -> ExitCode {
    match result {
        None => ExitCode::from(EXIT_USAGE),
        Some(Ok(status)) => ExitCode::from(status),
        // Nobody is left to be told.
        Some(Err(_hung_up)) => ExitCode::from(EXIT_UNFIT),
    }
}

/// Builds the walls, draws one job, ends.
fn job(parent: i32, studio: &dyn Studio) -> Result<u8, VisitError> {
    let visit = Visit::over_stdin();
    studio.prepare();
    let panics = note_panics();
    if !enter(&visit, Walls::All, parent)? {
        return Ok(EXIT_UNFIT);
    }
    panics.catch(&visit, || job::run(&visit, studio, &panics))?;
    Ok(0)
}

/// Builds the walls and runs against them.
fn prove(name: &str, parent: i32) -> Result<u8, VisitError> {
    let visit = Visit::over_stdin();
    let Some(attempt) = ATTEMPTS.iter().find(|attempt| attempt.name == name) else {
        return Ok(EXIT_USAGE);
    };
    if !enter(&visit, attempt.walls, parent)? {
        return Ok(EXIT_UNFIT);
    }
    let (status, detail) = match attempt.make(parent) {
        Ok(()) => (EXIT_ESCAPED, "got out".to_owned()),
        Err(errno) => (EXIT_REFUSED, errno.to_string()),
    };
    visit.failed(FailureCode::Internal, &detail)?;
    Ok(u8::try_from(status).unwrap_or(EXIT_UNFIT))
}

/// Builds the walls and says so, or says which could not be built.
fn enter(visit: &Visit, walls: Walls, parent: i32) -> Result<bool, VisitError> {
    match walls::build(walls, parent) {
        Ok(built) => visit.announce(built).map(|()| true),
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            visit
                .failed(FailureCode::Internal, &format!("{error}{}", source.unwrap_or_default()))?;
            Ok(false)
        }
    }
}

/// Remembers where a decoder panicked, instead of writing it to a place that is not there. Whoever
/// catches the panic tells what became of the job.
fn note_panics() -> Panics {
    let panics = Panics::default();
    let noted = Arc::clone(&panics.0);
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
        if let (Some(place), Ok(mut last)) = (place, noted.lock()) {
            *last = Some(place);
        }
    }));
    panics
}

/// Where the last panic was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Panics(Arc<Mutex<Option<String>>>);

impl Panics {
    /// The place in the source, if there was one.
    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().ok()?.clone()
    }

    /// Does the work; where it panics, says so to the worker.
    fn catch(
        &self,
        visit: &Visit,
        work: impl FnOnce() -> Result<(), VisitError>,
    ) -> Result<(), VisitError> {
        std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_payload| {
            let place = self.last().unwrap_or_default();
            visit.failed(FailureCode::RendererCrashed, &format!("panicked at {place}"))
        })
    }
}

/// Does what a renderer does behind its walls; a panic is told to the worker, with its place.
///
/// # Errors
/// When the worker cannot be spoken with.
pub fn survive(
    visit: &Visit,
    work: impl FnOnce() -> Result<(), VisitError>,
) -> Result<(), VisitError> {
    note_panics().catch(visit, work)
}
