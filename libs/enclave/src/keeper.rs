//! The thread that has renderers made ahead of their jobs.
//!
//! A renderer dies with the thread that started its template (that is what the kernel's
//! parent-death signal means), so this one lives as long as the pool and every job in it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::control::Purpose;
use crate::pool::StartError;
use crate::process::Process;
use crate::template::Template;

/// How often a renderer that died while it waited is replaced for one job.
const MAX_REPLACEMENTS: usize = 4;

type Answer = oneshot::Sender<Result<Process, StartError>>;

/// A handle on the thread; the last one dropped ends it.
#[derive(Debug)]
pub(crate) struct Keeper {
    asks: mpsc::Sender<Answer>,
}

impl Keeper {
    /// Starts the thread, a template, and as many renderers as shall stand ready.
    pub(crate) fn start(executable: PathBuf, ready: usize) -> Result<Self, StartError> {
        let (asks, asked) = mpsc::channel::<Answer>();
        let (started, first) = mpsc::channel();
        std::thread::Builder::new()
            .name("renderer-keeper".to_owned())
            .spawn(move || {
                let mut shelf =
                    Shelf { executable, ready, template: None, waiting: VecDeque::new() };
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
    template: Option<Template>,
    waiting: VecDeque<Process>,
}

impl Shelf {
    fn take(&mut self) -> Result<Process, StartError> {
        if self.template.as_ref().is_some_and(Template::is_suspect) {
            self.template = None;
            self.waiting.clear();
        }
        for _ in 0..MAX_REPLACEMENTS {
            let Some(mut process) = self.waiting.pop_front() else { break };
            if !process.has_ended() {
                return Ok(process);
            }
        }
        self.fork()
    }

    fn refill(&mut self) -> Result<(), StartError> {
        // What waits was forked from it, and is still good.
        if self.template.as_ref().is_some_and(Template::is_worn) {
            self.template = None;
        }
        while self.waiting.len() < self.ready {
            let process = self.fork()?;
            self.waiting.push_back(process);
        }
        Ok(())
    }

    /// A renderer from the template, or from a new one where that fails: it may have been killed.
    fn fork(&mut self) -> Result<Process, StartError> {
        if let Some(template) = &mut self.template {
            match template.fork(Purpose::Job) {
                Ok(process) => return Ok(process),
                Err(error) => {
                    tracing::warn!(error = %error, "a template of renderers is replaced");
                    self.template = None;
                }
            }
        }
        self.template.insert(Template::start(&self.executable)?).fork(Purpose::Job)
    }
}
