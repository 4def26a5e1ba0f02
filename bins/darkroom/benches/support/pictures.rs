//! Pictures drawn by our renderers behind their walls, and by peers, with what that took.

#![allow(clippy::print_stdout, reason = "its figures are what a benchmark is for")]

use std::fs::File;
use std::path::{Path, PathBuf};

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, PreviewWish};
use enclave::{
    Artifact, Config, HandedOver, Outcome, Pool, RenderEvent, RenderJob, Renderer, Stage,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::figures::median;
use super::node::Peer;
use super::{Trouble, cpu, program};

const PILLOW: &str = "Pillow";
const MIB: f64 = 1_048_576.0;

/// What is drawn of a file.
#[derive(Debug, Clone)]
pub struct Work {
    pub source: PathBuf,
    pub format: Format,
    pub widths: Vec<u32>,
}

/// What drawing took, each job.
#[derive(Debug, Default, Clone)]
pub struct Cost {
    pub cpu_s: f64,
    pub wall_s: f64,
    pub peak_mib: f64,
    pub output_kib: f64,
    /// The last pictures, in the order of the widths.
    pub pictures: Vec<Vec<u8>>,
}

/// Our renderers.
pub struct Ours(Pool);

impl Ours {
    pub fn start() -> Result<Self, Trouble> {
        let mut config = Config::of(program(Config::EXECUTABLE)?);
        config.av_executable = Some(program(Config::AV_EXECUTABLE)?);
        Ok(Self(Pool::start(&config)?))
    }

    /// Counts everything: starting renderers, building their walls, speaking with them, and this
    /// process, which stands for the worker.
    pub async fn measure(&self, work: &Work, jobs: u32) -> Result<Cost, Trouble> {
        let mut cost = Cost::default();
        reset_peak()?;
        let before = cpu::own()?;
        let mut peaks = Vec::new();
        for _ in 0..jobs {
            let (rendered, artifacts) = self.draw(work).await?;
            cost.wall_s += rendered.wall_ms as f64 / 1e3 / f64::from(jobs);
            peaks.push(rendered.peak_bytes as f64 / MIB);
            cost.output_kib = rendered.output_bytes as f64 / 1024.0;
            cost.pictures = artifacts.iter().map(read).collect::<Result<_, _>>()?;
        }
        cost.cpu_s = (cpu::own()? - before) / f64::from(jobs);
        let (renderer, own) = (median(peaks.into_iter()), peak_mib()?);
        println!("  a renderer {renderer:.0} MiB, the process that hands it the file {own:.0} MiB");
        cost.peak_mib = renderer + own;
        Ok(cost)
    }

    /// As a worker does: the light renderer sees every file first.
    async fn draw(&self, work: &Work) -> Result<(enclave::Rendered, Vec<Artifact>), Trouble> {
        match self.rendered(Renderer::Light, work).await? {
            (Outcome::Rendered(rendered), artifacts) => Ok((rendered, artifacts)),
            (Outcome::HandedOver(HandedOver { to: Stage::Av, .. }), _) => {
                match self.rendered(Renderer::Av, work).await? {
                    (Outcome::Rendered(rendered), artifacts) => Ok((rendered, artifacts)),
                    (Outcome::HandedOver(over), _) => Err(handed_over(&over)),
                }
            }
            (Outcome::HandedOver(over), _) => Err(handed_over(&over)),
        }
    }

    async fn rendered(
        &self,
        renderer: Renderer,
        work: &Work,
    ) -> Result<(Outcome, Vec<Artifact>), Trouble> {
        let source = File::open(&work.source)?;
        let sizes = work.widths.iter().map(|width| Size::parse(&Value::from(*width)));
        let wish = PreviewWish {
            sizes: sizes.collect::<Result<_, _>>()?,
            format: Some(work.format),
            ..PreviewWish::default()
        };
        let source_bytes = source.metadata()?.len();
        let job = RenderJob { wish, source_bytes, limits: Limits::default() };
        let (sender, mut events) = mpsc::channel(8);
        let heard = async {
            let mut artifacts = Vec::new();
            while let Some(event) = events.recv().await {
                if let RenderEvent::Artifact(artifact) = event {
                    artifacts.push(artifact);
                }
            }
            artifacts
        };
        let render = self.0.render(renderer, job, Box::new(source), sender);
        let (outcome, artifacts) = tokio::join!(render, heard);
        Ok((outcome?, artifacts))
    }
}

fn handed_over(over: &HandedOver) -> Trouble {
    format!("handed over to {:?}", over.to).into()
}

/// A peer that draws the same, in one of its ways.
pub struct Theirs {
    pub name: String,
    way: &'static str,
    peer: Peer,
    folder: PathBuf,
}

impl Theirs {
    pub fn sharp(way: &'static str, folder: &Path) -> Result<Self, Trouble> {
        let folder = folder.join(way);
        std::fs::create_dir_all(&folder)?;
        let peer = Peer::start("sharp.cjs", &[&folder.display().to_string()])?;
        Ok(Self { name: format!("sharp, {way}"), way, peer, folder })
    }

    pub fn pillow(folder: &Path) -> Result<Self, Trouble> {
        let folder = folder.join("pillow");
        std::fs::create_dir_all(&folder)?;
        let peer = Peer::start_python("pillow.py", &[&folder.display().to_string()])?;
        Ok(Self { name: PILLOW.to_owned(), way: "separate", peer, folder })
    }

    /// Whether it reads such a file: sharp as it is installed has no decoder for HEVC.
    pub fn reads(&self, source: &Path) -> bool {
        self.name == PILLOW || source.extension().is_none_or(|extension| extension != "heic")
    }

    /// Has the peer write a picture in another format.
    pub async fn make(&mut self, from: &Path, to: &Path, options: Value) -> Result<(), Trouble> {
        self.peer.ask(json!({ "make": to, "source": from, "options": options })).await.map(drop)
    }

    pub async fn measure(&mut self, work: &Work, jobs: u32) -> Result<Cost, Trouble> {
        let found = self
            .peer
            .ask(json!({
                "way": self.way,
                "jobs": jobs,
                "source": work.source,
                "format": work.format.extension(),
                "widths": work.widths,
            }))
            .await?;
        if let Some(error) = found.get("error") {
            return Err(format!("{}: {error}", self.name).into());
        }
        let number = |name: &str| found.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let sizes = found.get("bytes").and_then(Value::as_array);
        let bytes: f64 = sizes.into_iter().flatten().filter_map(Value::as_f64).sum();
        let picture = |width: &u32| {
            std::fs::read(self.folder.join(format!("{width}.{}", work.format.extension())))
        };
        Ok(Cost {
            cpu_s: number("cpu_s") / f64::from(jobs),
            wall_s: number("wall_s") / f64::from(jobs),
            peak_mib: number("peak_bytes") / MIB,
            output_kib: bytes / 1024.0,
            pictures: work.widths.iter().map(picture).collect::<Result<_, _>>()?,
        })
    }
}

fn read(artifact: &Artifact) -> Result<Vec<u8>, Trouble> {
    use std::io::{Read as _, Seek as _};
    let mut file = &artifact.file;
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Forgets how much memory this process has had at most, and gives back what it holds of pictures that
/// were made for it: no worker has drawn them.
#[allow(unsafe_code, reason = "no safe way to ask the allocator")]
pub fn reset_peak() -> Result<(), Trouble> {
    unsafe extern "C" {
        /// Of mimalloc, the allocator of every program of ours: gives back what is free, all of it at
        /// once where `force` says so.
        safe fn mi_collect(force: bool);
    }
    mi_collect(true);
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

pub fn peak_mib() -> Result<f64, Trouble> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = peak.unwrap_or_default().trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
