//! The thread that starts hosts, some of them ahead of their jobs.
//!
//! A host dies with the thread that started it, so all are started by this one, which lives as
//! long as the workshop and every job in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::{Name, Settings};
use crate::inside::hosted_tasks;
use crate::pool::StartError;
use crate::process::Process;

/// How often a host that died while it waited is replaced for one job.
const MAX_REPLACEMENTS: usize = 4;
/// The host itself, its shadow, and what the program starts.
const HOST_TASKS: u32 = 8;

type Answer = oneshot::Sender<Result<Process, StartError>>;

/// A handle on the thread; the last one dropped ends it.
#[derive(Debug)]
pub(crate) struct Shelf {
    asks: mpsc::Sender<(Name, Answer)>,
}

impl Shelf {
    /// Starts the thread, and as many hosts of the named programs as shall stand ready.
    pub(crate) fn start(settings: Settings, names: Vec<Name>) -> Result<Self, StartError> {
        let (asks, asked) = mpsc::channel::<(Name, Answer)>();
        std::thread::Builder::new()
            .name("host-keeper".to_owned())
            .spawn(move || {
                let mut keeper = Keeper { settings, names, waiting: BTreeMap::new() };
                keeper.refill();
                while let Ok((name, answer)) = asked.recv() {
                    // Whoever asked may have gone; the host is then dropped, that is, ended.
                    let _ = answer.send(keeper.take(name));
                    keeper.refill();
                }
            })
            .map_err(StartError::Thread)?;
        Ok(Self { asks })
    }

    /// A host, started ahead if there is one.
    pub(crate) async fn take(&self, name: Name) -> Result<Process, StartError> {
        let (answer, taken) = oneshot::channel();
        self.asks.send((name, answer)).map_err(|_gone| StartError::Closed)?;
        taken.await.map_err(|_gone| StartError::Closed)?
    }
}

struct Keeper {
    settings: Settings,
    names: Vec<Name>,
    waiting: BTreeMap<Name, VecDeque<Process>>,
}

impl Keeper {
    fn take(&mut self, name: Name) -> Result<Process, StartError> {
        for _ in 0..MAX_REPLACEMENTS {
            let waiting = self.waiting.get_mut(&name).and_then(VecDeque::pop_front);
            let Some(mut process) = waiting else { break };
            if !process.has_ended() {
                return Ok(process);
            }
        }
        self.start(name)
    }

    fn refill(&mut self) {
        for name in self.names.clone() {
            while self.waiting.get(&name).map_or(0, VecDeque::len) < self.settings.ready.of(name) {
                match self.start(name) {
                    Ok(process) => self.waiting.entry(name).or_default().push_back(process),
                    Err(error) => {
                        tracing::warn!(error = %error, program = %name, "no host could be started ahead");
                        break;
                    }
                }
            }
        }
    }

    fn start(&self, name: Name) -> Result<Process, StartError> {
        let program = self.settings.program(name).to_string_lossy();
        let words = ["job", name.as_str(), &program];
        Process::start(&self.settings.host, &words, hosted_tasks(name) + HOST_TASKS)
    }
}
