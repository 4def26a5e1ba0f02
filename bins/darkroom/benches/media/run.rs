//! Jobs through our renderers, and programs of others, with what each took.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domain::limits::Limits;
use domain::wish::PreviewWish;
use enclave::{Config, Outcome, Pool, RenderJob, Renderer};
use tokio::sync::mpsc;

use crate::support::{Trouble, cpu, program};

const MIB: f64 = 1_048_576.0;

/// Our renderers, one started ahead.
pub(crate) struct Light(pub(crate) Pool);

/// What a job took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Took {
    /// With all processes it took.
    pub(crate) cpu_s: f64,
    /// The most memory of a renderer.
    pub(crate) peak_mib: f64,
    /// Bytes of the source that were asked for.
    pub(crate) read_bytes: f64,
    /// From asking to having, each.
    pub(crate) wall: Vec<Duration>,
}

impl Light {
    pub(crate) fn start() -> Result<Self, Trouble> {
        Self::of_slots(1)
    }

    /// With as many jobs at once, and as many renderers started ahead.
    pub(crate) fn of_slots(slots: usize) -> Result<Self, Trouble> {
        let mut config = Config::of(program(Config::EXECUTABLE)?);
        config.av_executable = Some(program(Config::AV_EXECUTABLE)?);
        (config.ready, config.running) = (slots, slots);
        Ok(Self(Pool::start(&config)?))
    }

    /// The same job so many times, one after the other.
    pub(crate) async fn times(
        &self,
        renderer: Renderer,
        source: &Path,
        wish: &PreviewWish,
        jobs: u32,
    ) -> Result<Took, Trouble> {
        let before = spent()?;
        let mut took = Took::default();
        for _ in 0..jobs {
            let began = Instant::now();
            let drawn = self.once(renderer, source, wish).await?;
            took.wall.push(began.elapsed());
            took.peak_mib = took.peak_mib.max(drawn.peak_bytes as f64 / MIB);
            took.read_bytes = drawn.read_bytes as f64;
        }
        took.cpu_s = (spent()? - before) / f64::from(jobs);
        Ok(took)
    }

    pub(crate) async fn once(
        &self,
        renderer: Renderer,
        source: &Path,
        wish: &PreviewWish,
    ) -> Result<enclave::Rendered, Trouble> {
        let file = File::open(source)?;
        let source_bytes = file.metadata()?.len();
        let job = RenderJob { wish: wish.clone(), source_bytes, limits: Limits::default() };
        let (sender, mut events) = mpsc::channel(8);
        let heard = async { while events.recv().await.is_some() {} };
        let drawn = self.0.render(renderer, job, Box::new(file), sender);
        let (outcome, ()) = tokio::join!(drawn, heard);
        match outcome? {
            Outcome::Rendered(rendered) => Ok(rendered),
            Outcome::HandedOver(to) => {
                Err(format!("{} was handed over to {:?}", source.display(), to.to).into())
            }
        }
    }
}

/// CPU seconds of this process, of all its children that have ended, and of those that live: the
/// templates that renderers are forked from, and what is not yet cleared away.
fn spent() -> Result<f64, Trouble> {
    const TRIES: usize = 8;
    let mut tried = 0;
    loop {
        let living = children()?;
        let sum = cpu::of_all(living.clone()).and_then(|living| Ok(living + cpu::own()?));
        tried += 1;
        // One that ends meanwhile would be counted twice, or not at all.
        match sum {
            Ok(sum) if children()? == living || tried == TRIES => return Ok(sum),
            Err(error) if tried == TRIES => return Err(error),
            _ => {}
        }
    }
}

fn children() -> Result<Vec<u32>, Trouble> {
    let mut all = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task")? {
        // A thread may end meanwhile: then it has no children.
        let children = std::fs::read_to_string(thread?.path().join("children"));
        let children = children.unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(all)
}

/// CPU seconds of one run of a program.
pub(crate) fn theirs(peer: &mut Command, runs: u32) -> Result<f64, Trouble> {
    let before = cpu::own()?;
    for _ in 0..runs {
        let status = peer.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let name = || peer.get_program().display().to_string();
        let status = status.map_err(|error| format!("{}: {error}", name()))?;
        if !status.success() {
            return Err(format!("{} failed", name()).into());
        }
    }
    Ok((cpu::own()? - before) / f64::from(runs))
}

pub(crate) fn of(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Seconds, the middle one of many.
pub(crate) fn middle(wall: &[Duration]) -> f64 {
    crate::support::figures::median(wall.iter().map(Duration::as_secs_f64))
}
