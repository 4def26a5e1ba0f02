//! Renderers started ahead of their jobs, one job each.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use domain::Capability;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::fonts;
use crate::keeper::Keeper;
use crate::render::{Outcome, RangeSource, RenderError, RenderEvent, RenderJob, Renderer};
use crate::session::Session;

/// How renderers are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The light renderer's executable.
    pub executable: PathBuf,
    /// The executable of the renderer that links the libraries for film, sound, HEIC and AVIF.
    pub av_executable: Option<PathBuf>,
    /// How many renderers of each wait, started, for their job.
    pub ready: usize,
    /// How many jobs are drawn at once; further ones wait.
    pub running: usize,
    /// Font files that renderers draw text with; those that are not there are left out.
    pub fonts: Vec<PathBuf>,
}

impl Config {
    /// The name of the light renderer's executable.
    pub const EXECUTABLE: &'static str = "darkroom-renderer";
    /// The name of the other one's.
    pub const AV_EXECUTABLE: &'static str = "darkroom-renderer-av";

    /// The light renderer alone, one at a time, without fonts.
    #[must_use]
    pub const fn of(executable: PathBuf) -> Self {
        Self { executable, av_executable: None, ready: 1, running: 1, fonts: Vec::new() }
    }

    /// The renderers that lie beside the running executable, with the fonts of this machine.
    ///
    /// # Errors
    /// [`StartError::Missing`] when the light one is not there.
    pub fn beside_current_exe(ready: usize, running: usize) -> Result<Self, StartError> {
        let own = std::env::current_exe().map_err(StartError::Locate)?;
        let executable = own.with_file_name(Self::EXECUTABLE);
        if !executable.is_file() {
            return Err(StartError::Missing { executable });
        }
        let av_executable = Some(own.with_file_name(Self::AV_EXECUTABLE));
        let av_executable = av_executable.filter(|executable| executable.is_file());
        let fonts = fonts::usual();
        Ok(Self { executable, av_executable, ready, running, fonts })
    }

    /// The fonts of this machine that cover most of what is written.
    #[must_use]
    pub fn usual_fonts() -> Vec<PathBuf> {
        fonts::usual()
    }

    /// The executables, each of which has walls of its own to prove.
    #[must_use]
    pub fn each(&self) -> Vec<Self> {
        let executables = [Some(&self.executable), self.av_executable.as_ref()];
        let alone = |executable: &PathBuf| Self { executable: executable.clone(), ..self.clone() };
        executables.into_iter().flatten().map(alone).collect()
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
    /// The process that renderers are forked from cannot fork one.
    #[error("fork a renderer: {detail}")]
    Template {
        /// What is known about it.
        detail: String,
    },
    /// It ended, or fell silent, before its walls stood.
    #[error("the renderer did not get its walls up: {detail}")]
    Walls {
        /// What is known about it.
        detail: String,
    },
    /// The fonts could not be put into a memory file.
    #[error("gather the fonts")]
    Fonts(#[source] io::Error),
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
    light: Arc<Keeper>,
    av: Option<Arc<Keeper>>,
    running: Arc<Semaphore>,
    fonts: Option<Arc<OwnedFd>>,
}

impl Pool {
    /// Starts the first renderers.
    ///
    /// # Errors
    /// When an executable cannot be started at all, or there is no memory for the fonts.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let keeper =
            |executable: &PathBuf| Keeper::start(executable.clone(), config.ready).map(Arc::new);
        Ok(Self {
            fonts: fonts::gather(&config.fonts).map_err(StartError::Fonts)?.map(Arc::new),
            light: keeper(&config.executable)?,
            av: config.av_executable.as_ref().map(keeper).transpose()?,
            running: Arc::new(Semaphore::new(config.running.max(1))),
        })
    }

    /// Has a renderer draw one job, or say who else has to. Events arrive in order; a full channel
    /// holds the renderer up without counting against its time. Dropping the future kills the
    /// renderer at once.
    ///
    /// # Errors
    /// [`RenderError::Failed`] with its code when the file cannot be drawn or the renderer came
    /// down over it, [`RenderError::Missing`] when that renderer is not installed; the others are
    /// this service's own trouble.
    pub async fn render(
        &self,
        renderer: Renderer,
        job: RenderJob,
        source: Box<dyn RangeSource>,
        events: mpsc::Sender<RenderEvent>,
    ) -> Result<Outcome, RenderError> {
        let keeper = match renderer {
            Renderer::Light => Some(&self.light),
            Renderer::Av => self.av.as_ref(),
        };
        let keeper =
            Arc::clone(keeper.ok_or(RenderError::Missing { capability: Capability::RendererAv })?);
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_closed| StartError::Closed)?;
        let process = keeper.take().await?;
        let _killer = process.killer();
        // The thread that started the renderer must outlive it: the keeper goes along.
        let session = Session::new(process, self.fonts.clone(), job, source, events);
        let (answer, outcome) = oneshot::channel();
        let drawn = tokio::task::spawn_blocking(move || {
            let (result, process) = session.run();
            drop(running);
            // Whoever asked may have gone. Who waits need not wait for the kernel to clear up.
            let _ = answer.send(result);
            drop((process, keeper));
        });
        match outcome.await {
            Ok(result) => result,
            Err(_gone) => {
                drawn.await.map_err(RenderError::Thread)?;
                Err(StartError::Closed.into())
            }
        }
    }
}
