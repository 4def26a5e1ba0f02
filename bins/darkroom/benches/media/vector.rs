//! Pages of a PDF and an SVG, beside the programs that draw them from a shell.
//!
//! Peers start anew for each job, as ours do: the pool has one ready, and starting the next counts.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use domain::size::Size;
use domain::wish::{Format, MetadataKind, Pages, PreviewWish};
use enclave::Renderer;
use serde_json::json;

use crate::Arguments;
use crate::run::{Light, of, theirs};
use crate::support::figures::{Figures, show_load};
use crate::support::{Trouble, root};

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
        ("pdf-page", document, wish("1", WIDTH)?, first),
        ("pdf-20-pages", document, wish("1-20", WIDTH)?, pages(document, folder, 1, 20)),
        ("pdf-metadata", document, told(), vec![of("pdfinfo", &[DOCUMENT])]),
        ("svg", drawing, wish("1", WIDTH)?, vec![rsvg(drawing, folder)]),
    ];
    let ours = Light::start()?;
    for (name, source, wish, mut peers) in works {
        if !arguments.wants(name) {
            continue;
        }
        let jobs = arguments.jobs * REPEATS;
        ours.times(Renderer::Light, source, &wish, 1).await?;
        for pair in 1..=arguments.pairs {
            show_load(&format!("{name}, pair {pair}"));
            let drawn = ours.times(Renderer::Light, source, &wish, jobs).await?;
            let mut best = f64::INFINITY;
            for peer in &mut peers {
                let found = theirs(peer, jobs)?;
                println!("  {:<20} {found:.4} CPU s", peer.get_program().display());
                best = best.min(found);
            }
            println!("  ours: {:.0} MiB at most", drawn.peak_mib);
            figures.add(&format!("media-{name}-cpu-seconds"), drawn.cpu_s, best);
        }
    }
    Ok(())
}

fn wish(pages: &str, width: u32) -> Result<PreviewWish, Trouble> {
    Ok(PreviewWish {
        sizes: vec![Size::parse(&json!(width))?],
        format: Some(Format::Jpg),
        pages: Pages::parse(pages)?,
        ..PreviewWish::default()
    })
}

/// What a document says of itself, and nothing drawn.
fn told() -> PreviewWish {
    let metadata = [MetadataKind::Document].into();
    PreviewWish { sizes: Vec::new(), metadata, ..PreviewWish::default() }
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
