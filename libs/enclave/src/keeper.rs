//! The thread that starts renderers ahead of their jobs.
//!
//! A renderer dies with the thread that started it (that is what the kernel's parent-death signal
//! means), so all are started by this one, which lives as long as the pool and every job in it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::pool::StartError;
use crate::process::{Process, RENDERER_PROCESSES};

/// How often a renderer that died while it waited is replaced for one job.
const MAX_REPLACEMENTS: usize = 4;

type Answer = oneshot::Sender<Result<Process, StartError>>;

/// A handle on the thread; the last one dropped ends it.
#[derive(Debug)]
pub(crate) struct Keeper {
    asks: mpsc::Sender<Answer>,
}

impl Keeper {
    /// Starts the thread, and as many renderers as shall stand ready.
    pub(crate) fn start(executable: PathBuf, ready: usize) -> Result<Self, StartError> {
        let (asks, asked) = mpsc::channel::<Answer>();
        let (started, first) = mpsc::channel();
        std::thread::Builder::new()
            .name("renderer-keeper".to_owned())
            .spawn(move || {
                let mut shelf = Shelf { executable, ready, waiting: VecDeque::new() };
                // The receiver is there: it waits below.
                let _ = started.send(shelf.refill());
                while let Ok(answer) = asked.recv() {
                    // Whoever asked may have gone; the renderer is then dropped, that is, ended.
                    let _ = answer.send(shelf.take());
                    if let Err(error) = shelf.refill() {
                        tracing::warn!(error = %error, "no renderer could be started ahead");
                    }
                }
            })
            .map_err(StartError::Thread)?;
        first.recv().map_err(|_gone| StartError::Closed)??;
        Ok(Self { asks })
    }

    /// A renderer, started ahead if there is one.
    pub(crate) async fn take(&self) -> Result<Process, StartError> {
        let (answer, taken) = oneshot::channel();
        self.asks.send(answer).map_err(|_gone| StartError::Closed)?;
        taken.await.map_err(|_gone| StartError::Closed)?
    }
}

struct Shelf {
    executable: PathBuf,
    ready: usize,
    waiting: VecDeque<Process>,
}

impl Shelf {
    fn take(&mut self) -> Result<Process, StartError> {
        for _ in 0..MAX_REPLACEMENTS {
            let mut process = match self.waiting.pop_front() {
                Some(process) => process,
                None => return self.start(),
            };
            if !process.has_ended() {
                return Ok(process);
            }
        }
        self.start()
    }

    fn refill(&mut self) -> Result<(), StartError> {
        while self.waiting.len() < self.ready {
            let process = self.start()?;
            self.waiting.push_back(process);
        }
        Ok(())
    }

    fn start(&self) -> Result<Process, StartError> {
        Process::start(&self.executable, &["job"], RENDERER_PROCESSES)
    }
}
