//! CPU time and memory of drawing files of many kinds, by the real renderers behind their walls,
//! beside what others would use for each.
//!
//! Ours counts everything: starting renderers, building their walls, speaking with them, and this
//! process. Of several peers the cheapest counts. vipsthumbnail is libvips with a start of its own,
//! so sharp stands for both.

#![allow(clippy::print_stdout, reason = "its figures are what a benchmark is for")]

#[path = "media/facts.rs"]
mod facts;
#[path = "media/film.rs"]
mod film;
#[allow(
    dead_code,
    unused_imports,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the tests' own hostile files, of which a part is used"
)]
#[path = "../../renderer/tests/files/hostile/mod.rs"]
mod hostile;
#[path = "media/office.rs"]
mod office;
#[path = "support/photo.rs"]
mod photo;
#[path = "media/run.rs"]
mod run;
#[path = "media/stills.rs"]
mod stills;
mod support;
#[path = "media/vector.rs"]
mod vector;
#[path = "media/walls.rs"]
mod walls;

use clap::Parser;
use support::Trouble;
use support::figures::Figures;

#[derive(Parser)]
struct Arguments {
    /// How often both sides are measured.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Jobs of one measurement.
    #[arg(long, default_value_t = 3)]
    jobs: u32,
    /// Only works whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// What cargo tells every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    /// Whether a row is among those asked for.
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
}

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let arguments = Arguments::parse();
    let mut figures = Figures::default();
    stills::measure(&arguments, &mut figures).await?;
    vector::measure(&arguments, &mut figures).await?;
    film::measure(&arguments, &mut figures).await?;
    facts::measure(&arguments, &mut figures).await?;
    office::measure(&arguments, &mut figures).await?;
    walls::measure(&arguments, &mut figures).await?;
    figures.conclude();
    Ok(())
}
