//! The renderer: one job behind walls, bytes in over a socket pair, pictures out as memory files.
//! It is forked from a template, which is what its program runs as.
//!
//! Renderers are the only programs of the house that open untrusted bytes. Walls and conversation
//! are `enclave`'s, what is drawn with is a [`Studio`]; this joins the two.

mod job;
pub mod memory;
mod practice;
mod studio;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use domain::FailureCode;
use enclave::inside::{Visit, VisitError};

pub use studio::{Drawing, Fonts, Light, Studio, draw_here};

/// Is the template that a worker has asked for, from which its renderers are forked.
#[must_use]
pub fn run(words: &[&str], studio: &dyn Studio) -> ExitCode {
    let panics = Panics::default();
    let prepare = || {
        studio.prepare();
        panics.note();
        // One that fails leaves that to each job.
        let _ = practice::practise(studio);
    };
    let job = |visit: &Visit| panics.catch(visit, || job::run(visit, studio, &panics));
    ExitCode::from(enclave::inside::serve(words, prepare, studio.needless(), job))
}

/// Where the last panic was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Panics(Arc<Mutex<Option<String>>>);

impl Panics {
    /// Remembers where a decoder panicks, instead of writing it to a place that is not there.
    /// Whoever catches the panic tells what became of the job.
    fn note(&self) {
        let noted = Arc::clone(&self.0);
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
            if let (Some(place), Ok(mut last)) = (place, noted.lock()) {
                *last = Some(place);
            }
        }));
    }

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
    let panics = Panics::default();
    panics.note();
    panics.catch(visit, work)
}
