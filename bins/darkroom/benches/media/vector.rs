//! Pages of a PDF and an SVG, beside the programs that draw them from a shell.
//!
//! Peers start anew for each job, as ours do: the pool has one ready, and starting the next counts.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, MetadataKind, Pages, PreviewWish};
use enclave::{Config, Outcome, Pool, RenderJob, Renderer};
use serde_json::json;
use tokio::sync::mpsc;

use crate::Arguments;
use crate::support::figures::{Figures, show_load};
use crate::support::{Trouble, cpu, program, root};

/// A manual of 36 pages that the package libtasn1-doc carries.
const DOCUMENT: &str = "/usr/share/doc/libtasn1-doc/libtasn1.pdf";
const WIDTH: u32 = 1_024;
/// Times that a job is done more often than one on a large picture: CPU time is counted in ticks
/// of ten milliseconds.
const REPEATS: u32 = 8;

pub(crate) async fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Trouble> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let drawing = folder.join("drawing.svg");
    std::fs::write(&drawing, flowers()?)?;
    let (document, drawing) = (Path::new(DOCUMENT), drawing.as_path());
    let first = pages(document, folder, 1, 1).into_iter().take(1).collect();
    let works = [
        ("pdf-page", document, wish("1", WIDTH, false)?, first),
        ("pdf-20-pages", document, wish("1-20", WIDTH, false)?, pages(document, folder, 1, 20)),
        ("pdf-metadata", document, wish("1", 16, true)?, vec![of("pdfinfo", &[DOCUMENT])]),
        ("svg", drawing, wish("1", WIDTH, false)?, vec![rsvg(drawing, folder)]),
    ];
    let pool = Pool::start(&Config::of(program(Config::EXECUTABLE)?))?;
    for (name, source, wish, mut peers) in works {
        if !name.contains(&arguments.only) {
            continue;
        }
        let jobs = arguments.jobs * REPEATS;
        ours(&pool, source, &wish, 1).await?;
        for pair in 1..=arguments.pairs {
            show_load(&format!("{name}, pair {pair}"));
            let (drawn, peak_mib) = ours(&pool, source, &wish, jobs).await?;
            let mut best = f64::INFINITY;
            for peer in &mut peers {
                let found = theirs(peer, jobs)?;
                println!("  {:<20} {found:.4} CPU s", peer.get_program().display());
                best = best.min(found);
            }
            println!("  ours: {peak_mib:.0} MiB at most");
            figures.add(&format!("media-{name}-cpu-seconds"), drawn, best);
        }
    }
    Ok(())
}

fn wish(pages: &str, width: u32, told: bool) -> Result<PreviewWish, Trouble> {
    Ok(PreviewWish {
        sizes: vec![Size::parse(&json!(width))?],
        format: Some(Format::Jpg),
        pages: Pages::parse(pages)?,
        metadata: told.then_some(MetadataKind::Document).into_iter().collect(),
        ..PreviewWish::default()
    })
}

/// CPU seconds of a job, with all processes it took, and the most memory of a renderer.
async fn ours(
    pool: &Pool,
    source: &Path,
    wish: &PreviewWish,
    jobs: u32,
) -> Result<(f64, f64), Trouble> {
    let before = cpu::own()?;
    let mut peak_mib = 0.0_f64;
    for _ in 0..jobs {
        let file = File::open(source)?;
        let source_bytes = file.metadata()?.len();
        let job = RenderJob { wish: wish.clone(), source_bytes, limits: Limits::default() };
        let (sender, mut events) = mpsc::channel(8);
        let heard = async { while events.recv().await.is_some() {} };
        let drawn = pool.render(Renderer::Light, job, Box::new(file), sender);
        let (outcome, ()) = tokio::join!(drawn, heard);
        let Outcome::Rendered(rendered) = outcome? else {
            return Err(format!("{} was handed over", source.display()).into());
        };
        peak_mib = peak_mib.max(rendered.peak_bytes as f64 / 1_048_576.0);
    }
    Ok(((cpu::own()? - before) / f64::from(jobs), peak_mib))
}

/// CPU seconds of one run of a program.
fn theirs(peer: &mut Command, runs: u32) -> Result<f64, Trouble> {
    let before = cpu::own()?;
    for _ in 0..runs {
        let status = peer.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("{} failed", peer.get_program().display()).into());
        }
    }
    Ok((cpu::own()? - before) / f64::from(runs))
}

fn of(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Those that draw pages of a PDF as JPEGs; the first is pdftoppm.
fn pages(document: &Path, folder: &Path, first: u32, last: u32) -> Vec<Command> {
    let (document, folder) = (document.display().to_string(), folder.display().to_string());
    let (first, last, width) = (first.to_string(), last.to_string(), WIDTH.to_string());
    let python = root().join(".tools/venv-peers/bin/python").display().to_string();
    let script = root().join(".config/bench/pdfium.py").display().to_string();
    let jpeg = ["-scale-to-x", &width, "-scale-to-y", "-1", "-jpeg", "-jpegopt", "quality=80"];
    let mut poppler = of("pdftoppm", &["-f", &first, "-l", &last]);
    poppler.args(jpeg).args([&document, &format!("{folder}/poppler")]);
    let range = format!("{first}-{last}");
    let output = format!("{folder}/mutool%d.jpg");
    vec![
        poppler,
        of("mutool", &["draw", "-q", "-w", &width, "-o", &output, &document, &range]),
        of(&python, &[&script, &document, &first, &last, &width, &folder]),
    ]
}

fn rsvg(drawing: &Path, folder: &Path) -> Command {
    let mut command = of("rsvg-convert", &["--width", &WIDTH.to_string(), "--output"]);
    command.arg(folder.join("rsvg.png")).arg(drawing);
    command
}

/// A drawing of two thousand shapes, with gradients and half of them to be seen through.
fn flowers() -> Result<String, Trouble> {
    let mut svg = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' width='1000' height='1000'>\
         <radialGradient id='g'><stop stop-color='#fd8'/><stop offset='1' stop-color='#c25'/>\
         </radialGradient><rect width='1000' height='1000' fill='#eef'/>",
    );
    for number in 0..2_000_u32 {
        let (x, y, turn) = (number * 37 % 1_000, number * 91 % 1_000, number * 13 % 360);
        let opacity = if number % 2 == 0 { "1" } else { "0.6" };
        write!(
            svg,
            "<path transform='translate({x} {y}) rotate({turn})' fill='url(#g)' \
             fill-opacity='{opacity}' stroke='#513' stroke-width='0.7' \
             d='M0 0C10 -30 40 -30 30 0C40 30 10 30 0 0Z'/>"
        )?;
    }
    svg.push_str("</svg>");
    Ok(svg)
}
