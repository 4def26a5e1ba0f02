//! CPU time and memory of one job: a photograph of 24 megapixels to JPEGs 1920, 640 and 256 wide,
//! by the real renderers behind their walls, beside sharp.
//!
//! Ours counts everything: starting renderers, building their walls, speaking with them, and this
//! process. sharp may choose among three ways to write the same: the cheapest counts, and beside it
//! the cheapest that people write.

#![allow(clippy::print_stdout, reason = "its figures are what a benchmark is for")]

#[path = "support/photo.rs"]
mod photo;
mod support;

use std::{fs::File, path::Path};

use clap::Parser;
use domain::{
    limits::Limits,
    size::Size,
    wish::{Format, PreviewWish},
};
use enclave::{Artifact, Config, Pool, RenderEvent, RenderJob};
use serde_json::{Value, json};
use support::{
    Trouble, cpu,
    figures::{Figures, median, show_load},
    node::Peer,
};
use tokio::sync::mpsc;

const WIDTHS: [&str; 3] = ["1920", "640", "256"];
const WAYS: [&str; 3] = ["separate", "clone", CAREFUL];
/// What hardly anybody writes, but could.
const CAREFUL: &str = "chained";
const MIB: f64 = 1_048_576.0;

#[derive(Parser)]
struct Arguments {
    /// How often both sides are measured.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Jobs of one measurement.
    #[arg(long, default_value_t = 5)]
    jobs: u32,
    /// What cargo tells every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("photo.jpg");
    let bytes = photo::photograph()?;
    std::fs::write(&source, &bytes)?;
    println!("{} x {} pixels, {:.1} MB", photo::WIDTH, photo::HEIGHT, bytes.len() as f64 / 1e6);
    drop(bytes);

    let executable = support::program(Config::EXECUTABLE)?;
    let ours = Ours { pool: Pool::start(&Config { executable, ready: 1, running: 1 })?, source };
    let mut theirs = Vec::new();
    for way in WAYS {
        let place = folder.path().join(way);
        std::fs::create_dir(&place)?;
        theirs.push(Theirs::start(way, &ours.source, &place)?);
    }

    ours.measure(1).await?;
    for way in &mut theirs {
        way.measure(1).await?;
    }
    let (mut figures, mut drawn) = (Figures::default(), Drawn::default());
    for pair in 1..=arguments.pairs {
        show_load(&format!("pair {pair}"));
        drawn = ours.measure(arguments.jobs).await?;
        let mut usual = None;
        let mut cheapest = None;
        for way in &mut theirs {
            let found = way.measure(arguments.jobs).await?;
            println!(
                "  sharp, {:<17} {:.3} CPU s a job, {:.0} MiB",
                way.way, found.cpu_s, found.peak_mib
            );
            cheapest = cheaper(cheapest, found);
            if way.way != CAREFUL {
                usual = cheaper(usual, found);
            }
        }
        let usual = usual.ok_or("no peer")?;
        let cheapest = cheapest.ok_or("no peer")?;
        let ours = drawn.cost;
        figures.add("images-cpu-seconds", ours.cpu_s, cheapest.cpu_s);
        figures.add("images-cpu-seconds-usual", ours.cpu_s, usual.cpu_s);
        figures.add("images-wall-seconds", ours.wall_s, cheapest.wall_s);
        figures.add("images-peak-mib", ours.peak_mib, cheapest.peak_mib);
        figures.add("images-output-kib", ours.output_kib, cheapest.output_kib);
    }
    println!("our renderers alone, by their own account: {:.3} CPU s a job", drawn.renderer_cpu_s);
    for (width, picture) in WIDTHS.iter().zip(&drawn.pictures) {
        let theirs = std::fs::read(folder.path().join("separate").join(format!("{width}.jpg")))?;
        let apart = difference(picture, &theirs)?;
        println!("{width} px wide: {apart:.2} of 255 apart from sharp's on average");
    }
    figures.conclude();
    Ok(())
}

/// What drawing took, each job.
#[derive(Default, Clone, Copy)]
struct Cost {
    cpu_s: f64,
    wall_s: f64,
    peak_mib: f64,
    output_kib: f64,
}

fn cheaper(known: Option<Cost>, found: Cost) -> Option<Cost> {
    Some(known.filter(|known| known.cpu_s <= found.cpu_s).unwrap_or(found))
}

/// What we drew at last.
#[derive(Default)]
struct Drawn {
    cost: Cost,
    renderer_cpu_s: f64,
    pictures: Vec<Vec<u8>>,
}

struct Ours {
    pool: Pool,
    source: std::path::PathBuf,
}

impl Ours {
    async fn measure(&self, jobs: u32) -> Result<Drawn, Trouble> {
        let mut drawn = Drawn::default();
        reset_peak()?;
        let before = cpu::own()?;
        let mut peaks = Vec::new();
        for _ in 0..jobs {
            let (rendered, artifacts) = self.draw().await?;
            drawn.renderer_cpu_s += rendered.cpu_ms as f64 / 1e3 / f64::from(jobs);
            drawn.cost.wall_s += rendered.wall_ms as f64 / 1e3 / f64::from(jobs);
            peaks.push(rendered.peak_bytes as f64 / MIB);
            drawn.cost.output_kib = rendered.output_bytes as f64 / 1024.0;
            drawn.pictures = artifacts.iter().map(read).collect::<Result<_, _>>()?;
        }
        drawn.cost.cpu_s = (cpu::own()? - before) / f64::from(jobs);
        // The renderer at work, and this process, which stands for the worker.
        drawn.cost.peak_mib = median(peaks.into_iter()) + peak_mib()?;
        Ok(drawn)
    }

    async fn draw(&self) -> Result<(enclave::Rendered, Vec<Artifact>), Trouble> {
        let source = File::open(&self.source)?;
        let sizes = WIDTHS.iter().map(|width| Size::parse(&Value::from(*width)));
        let wish = PreviewWish {
            sizes: sizes.collect::<Result<_, _>>()?,
            format: Some(Format::Jpg),
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
        let (rendered, artifacts) =
            tokio::join!(self.pool.render(job, Box::new(source), sender), heard);
        Ok((rendered?, artifacts))
    }
}

struct Theirs {
    way: &'static str,
    peer: Peer,
}

impl Theirs {
    fn start(way: &'static str, source: &Path, place: &Path) -> Result<Self, Trouble> {
        let arguments = [source, place].map(|path| path.display().to_string());
        let peer = Peer::start("sharp.cjs", &[&arguments[0], &arguments[1]])?;
        Ok(Self { way, peer })
    }

    async fn measure(&mut self, jobs: u32) -> Result<Cost, Trouble> {
        let found = self.peer.ask(json!({ "way": self.way, "jobs": jobs })).await?;
        let number = |name: &str| found.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let sizes = found.get("bytes").and_then(Value::as_array);
        let bytes: f64 = sizes.into_iter().flatten().filter_map(Value::as_f64).sum();
        Ok(Cost {
            cpu_s: number("cpu_s") / f64::from(jobs),
            wall_s: number("wall_s") / f64::from(jobs),
            peak_mib: number("peak_bytes") / MIB,
            output_kib: bytes / 1024.0,
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

/// Forgets how much memory this process has had at most.
fn reset_peak() -> Result<(), Trouble> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

fn peak_mib() -> Result<f64, Trouble> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = peak.unwrap_or_default().trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// How far two pictures are apart, on average over all samples.
fn difference(ours: &[u8], theirs: &[u8]) -> Result<f64, Trouble> {
    let [ours, theirs] =
        [ours, theirs].map(|jpeg| turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::RGB));
    let (ours, theirs) = (ours?, theirs?);
    if (ours.width, ours.height) != (theirs.width, theirs.height) {
        return Err("the pictures differ in size".into());
    }
    let pairs = ours.pixels.iter().zip(&theirs.pixels);
    let sum: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    Ok(sum / ours.pixels.len() as f64)
}
