//! What the walls cost, and what hostile files cost those beside them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, PreviewWish};
use enclave::{RenderError, RenderJob, Renderer};
use serde_json::json;
use tokio::sync::mpsc;

use crate::Arguments;
use crate::hostile::{self, Case, Lures};
use crate::run::{Light, middle, of, theirs};
use crate::support::figures::{Figures, rate, show_load};
use crate::support::{Trouble, program};

/// What the walls may add to a job, in milliseconds.
const MOST_ADDED_MS: f64 = 2.0;
/// Jobs of one measurement.
const JOBS: u32 = 60;
/// How long legal jobs run alone, and beside hostile ones.
const SPAN: Duration = Duration::from_secs(20);
/// Of the hostile files, one in so many.
const ONE_IN: usize = 8;
/// What a hostile file may take, in seconds, and hold, in MiB.
const MOST_S: f64 = 5.0;
const MOST_MIB: f64 = 512.0;

pub(crate) async fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    let folder = tempfile::tempdir()?;
    let photo = folder.path().join("photo.jpg");
    let mut make = of("ffmpeg", &["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=1200x800"]);
    theirs(make.args(["-frames:v", "1", "-q:v", "3"]).arg(&photo), 1)?;
    let wish = PreviewWish {
        sizes: vec![Size::parse(&json!(256))?],
        format: Some(Format::Jpg),
        ..PreviewWish::default()
    };
    let ours = Light::start()?;
    if arguments.wants("enclave-added") {
        ours.times(Renderer::Light, &photo, &wish, 4).await?;
        for pair in 1..=arguments.pairs {
            show_load(&format!("enclave-added, pair {pair}"));
            let drawn = ours.times(Renderer::Light, &photo, &wish, JOBS).await?;
            let here_ms = in_process(&photo, folder.path())?;
            let added_ms = middle(&drawn.wall) * 1e3 - here_ms;
            figures.add("media-enclave-added-ms", added_ms, MOST_ADDED_MS);
        }
    }
    if arguments.wants("hostile-beside-legal") {
        // As a worker does, which has a slot for each core. In one slot they would take turns.
        let slots = std::thread::available_parallelism()?.get().max(2);
        beside(&Light::of_slots(slots)?, &photo, &wish, figures).await?;
    }
    Ok(())
}

/// Milliseconds of the same job by the same code without walls, the middle one of many.
fn in_process(photo: &Path, folder: &Path) -> Result<f64, Trouble> {
    let draw = program("examples/draw")
        .map_err(|error| format!("{error} (cargo build -p stills --example draw)"))?;
    let said = Command::new(draw)
        .arg(photo)
        .args(["jpg", "256", &JOBS.to_string()])
        .arg(folder)
        .output()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let middle = text.split("median ").nth(1).and_then(|rest| rest.split(' ').next());
    middle.and_then(|ms| ms.parse().ok()).ok_or_else(|| format!("draw says: {text}").into())
}

/// Jobs a second, one after the other.
async fn legal(ours: &Light, photo: &Path, wish: &PreviewWish) -> Result<f64, Trouble> {
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < SPAN {
        ours.once(Renderer::Light, photo, wish).await?;
        count += 1;
    }
    Ok(rate(count, began.elapsed()))
}

async fn beside(
    ours: &Light,
    photo: &Path,
    wish: &PreviewWish,
    figures: &mut Figures,
) -> Result<(), Trouble> {
    let lures = Lures { folder: "/nonexistent".to_owned(), address: "127.0.0.1:9".to_owned() };
    let cases: Vec<Case> = hostile::all(&lures, &[]).into_iter().step_by(ONE_IN).collect();
    println!("{} hostile files", cases.len());
    show_load("legal jobs alone");
    let alone = legal(ours, photo, wish).await?;
    show_load("beside hostile ones");
    let (mut longest, mut largest) = ((0.0_f64, String::new()), 0.0_f64);
    let hostile = async {
        for case in cases {
            let (took, peak) = ours.suffer(case.body, wish).await?;
            if took > longest.0 {
                longest = (took, case.name);
            }
            largest = largest.max(peak);
        }
        Ok::<_, Trouble>(())
    };
    // Whichever takes longer goes on alone, and is not counted.
    let (rated, done) = tokio::join!(legal(ours, photo, wish), hostile);
    done?;
    println!("  the longest: {}", longest.1);
    figures.add("media-hostile-beside-legal-rate", rated?, alone);
    figures.add("media-hostile-longest-seconds", longest.0, MOST_S);
    figures.add("media-hostile-peak-mib", largest, MOST_MIB);
    Ok(())
}

impl Light {
    /// Seconds that a hostile file took, and MiB that it held, if that is known.
    async fn suffer(&self, body: hostile::Body, wish: &PreviewWish) -> Result<(f64, f64), Trouble> {
        let limits = Limits {
            renderer_memory_bytes: 512 << 20,
            renderer_cpu_ms: 3_000,
            renderer_wall_ms: 5_000,
            pixels: 20_000_000,
            expanded_bytes: 64 << 20,
            ..Limits::default()
        };
        let job = RenderJob { wish: wish.clone(), source_bytes: body.len(), limits };
        let (sender, mut events) = mpsc::channel(8);
        let heard = async { while events.recv().await.is_some() {} };
        let began = Instant::now();
        let drawn = self.0.render(Renderer::Light, job, Box::new(body), sender);
        let (outcome, ()) = tokio::join!(drawn, heard);
        let took = began.elapsed().as_secs_f64();
        match outcome {
            Ok(enclave::Outcome::Rendered(rendered)) => {
                Ok((took, rendered.peak_bytes as f64 / 1_048_576.0))
            }
            Ok(enclave::Outcome::HandedOver(_)) | Err(RenderError::Failed { .. }) => {
                Ok((took, 0.0))
            }
            Err(error) => Err(error.into()),
        }
    }
}
