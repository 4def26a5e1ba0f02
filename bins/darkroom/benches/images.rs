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

use clap::Parser;
use domain::wish::Format;
use support::{
    Trouble,
    figures::{Figures, show_load},
    likeness::Gray,
    pictures::{Cost, Ours, Theirs, Work},
};

const WIDTHS: [u32; 3] = [1_920, 640, 256];
const WAYS: [&str; 3] = ["separate", "clone", CAREFUL];
/// What hardly anybody writes, but could.
const CAREFUL: &str = "chained";

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
    // What the pictures would be like without loss. The photograph itself must not count as memory
    // of ours.
    let whole = Gray::of_jpeg(&bytes)?;
    let exact = WIDTHS.map(|width| {
        let width = width as usize;
        whole.shrunk(width, (width * photo::HEIGHT + photo::WIDTH / 2) / photo::WIDTH)
    });
    drop((bytes, whole));

    let work = Work { source, format: Format::Jpg, widths: WIDTHS.to_vec() };
    let ours = Ours::start()?;
    let mut theirs = Vec::new();
    for way in WAYS {
        theirs.push((way, Theirs::sharp(way, folder.path())?));
    }

    ours.measure(&work, 1).await?;
    for (_, peer) in &mut theirs {
        peer.measure(&work, 1).await?;
    }
    let (mut figures, mut drawn, mut last) = (Figures::default(), Cost::default(), Cost::default());
    for pair in 1..=arguments.pairs {
        show_load(&format!("pair {pair}"));
        drawn = ours.measure(&work, arguments.jobs).await?;
        let (mut usual, mut cheapest) = (None, None);
        for (way, peer) in &mut theirs {
            let found = peer.measure(&work, arguments.jobs).await?;
            println!(
                "  {:<24} {:.3} CPU s a job, {:.0} MiB",
                peer.name, found.cpu_s, found.peak_mib
            );
            cheapest = cheaper(cheapest, found.clone());
            if *way != CAREFUL {
                usual = cheaper(usual, found);
            }
        }
        let usual = usual.ok_or("no peer")?;
        let cheapest = cheapest.ok_or("no peer")?;
        figures.add("images-cpu-seconds", drawn.cpu_s, cheapest.cpu_s);
        figures.add("images-cpu-seconds-usual", drawn.cpu_s, usual.cpu_s);
        figures.add("images-wall-seconds", drawn.wall_s, cheapest.wall_s);
        figures.add("images-peak-mib", drawn.peak_mib, cheapest.peak_mib);
        figures.add("images-output-kib", drawn.output_kib, cheapest.output_kib);
        last = usual;
    }
    for (exact, (ours, theirs)) in exact.iter().zip(drawn.pictures.iter().zip(&last.pictures)) {
        let (ours, theirs) = (Gray::of_jpeg(ours)?, Gray::of_jpeg(theirs)?);
        let size = (exact.width, exact.height);
        if size != (ours.width, ours.height) || size != (theirs.width, theirs.height) {
            return Err("the pictures differ in size".into());
        }
        let width = exact.width;
        figures.add(
            &format!("images-ssim-{width}"),
            exact.likeness(&ours),
            exact.likeness(&theirs),
        );
    }
    figures.conclude();
    Ok(())
}

fn cheaper(known: Option<Cost>, found: Cost) -> Option<Cost> {
    Some(known.filter(|known| known.cpu_s <= found.cpu_s).unwrap_or(found))
}
