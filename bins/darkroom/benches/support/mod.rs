//! What the benchmarks share: a running Darkroom, its peers, load, and figures.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each benchmark compiles this for itself and uses a part of it"
)]

pub mod bare;
pub mod counters;
pub mod cpu;
pub mod figures;
pub mod likeness;
pub mod load;
pub mod node;
pub mod pictures;
pub mod receiver;
pub mod redis;
pub mod stack;
pub mod stub;

use std::path::{Path, PathBuf};

/// What goes wrong in a benchmark ends it; its text is for whoever runs it.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// The root of the repository.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

/// A program that `./justw --need bench` installed.
pub fn tool(name: &str) -> PathBuf {
    root().join(".tools/bin").join(name)
}

/// A program of this workspace, built beside the running benchmark.
pub fn program(name: &str) -> Result<PathBuf, Trouble> {
    // target/release/deps/images-0123: programs lie one folder up.
    let own = std::env::current_exe()?;
    let path = own.ancestors().nth(2).unwrap_or(&own).join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("there is no {}: run this through just", path.display()).into())
    }
}
