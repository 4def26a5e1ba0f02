//! Renderers started ahead of their jobs, one job each.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::keeper::Keeper;
use crate::render::{RangeSource, RenderError, RenderEvent, RenderJob, Rendered};
use crate::session::Session;

/// How renderers are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The renderer's executable.
    pub executable: PathBuf,
    /// How many renderers wait, started, for their job.
    pub ready: usize,
    /// How many jobs are drawn at once; further ones wait.
    pub running: usize,
}

impl Config {
    /// The name of the renderer's executable.
    pub const EXECUTABLE: &'static str = "darkroom-renderer";

    /// The renderer that lies beside the running executable.
    ///
    /// # Errors
    /// [`StartError::Missing`] when there is none.
    pub fn beside_current_exe(ready: usize, running: usize) -> Result<Self, StartError> {
        let own = std::env::current_exe().map_err(StartError::Locate)?;
        let executable = own.with_file_name(Self::EXECUTABLE);
        if executable.is_file() {
            Ok(Self { executable, ready, running })
        } else {
            Err(StartError::Missing { executable })
        }
    }
}

/// Why no renderer stands ready.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The running executable cannot tell where it lies.
    #[error("find the running executable")]
    Locate(#[source] io::Error),
    /// The executable is not there.
    #[error("there is no renderer at {}", executable.display())]
    Missing {
        /// Where it was looked for.
        executable: PathBuf,
    },
    /// The process could not be made.
    #[error("start {}", executable.display())]
    Spawn {
        /// What was to be started.
        executable: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ended, or fell silent, before its walls stood.
    #[error("the renderer did not get its walls up: {detail}")]
    Walls {
        /// What is known about it.
        detail: String,
    },
    /// The thread that starts renderers could not be made.
    #[error("start the thread that starts renderers")]
    Thread(#[source] io::Error),
    /// The pool is gone.
    #[error("the pool of renderers has been closed")]
    Closed,
}

/// Renderers started ahead, one job each. Cheap to clone; they end with the last clone and job.
#[derive(Debug, Clone)]
pub struct Pool {
    keeper: Arc<Keeper>,
    running: Arc<Semaphore>,
}

impl Pool {
    /// Starts the first renderers.
    ///
    /// # Errors
    /// When the executable cannot be started at all.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let keeper = Keeper::start(config.executable.clone(), config.ready)?;
        let running = Arc::new(Semaphore::new(config.running.max(1)));
        Ok(Self { keeper: Arc::new(keeper), running })
    }

    /// Draws one job. Events arrive in order; a full channel holds the renderer up without
    /// counting against its time. Dropping the future kills the renderer at once.
    ///
    /// # Errors
    /// [`RenderError::Failed`] with its code when the file cannot be drawn or the renderer came
    /// down over it; the others are this service's own trouble.
    pub async fn render(
        &self,
        job: RenderJob,
        source: Box<dyn RangeSource>,
        events: mpsc::Sender<RenderEvent>,
    ) -> Result<Rendered, RenderError> {
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_closed| StartError::Closed)?;
        let process = self.keeper.take().await?;
        let _killer = process.killer();
        // The thread that started the renderer must outlive it.
        let keeper = Arc::clone(&self.keeper);
        let session = Session::new(process, job, source, events);
        let drawn = tokio::task::spawn_blocking(move || {
            let result = session.run();
            drop((running, keeper));
            result
        });
        drawn.await.map_err(RenderError::Thread)?
    }
}
