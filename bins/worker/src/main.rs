//! The worker as a process of its own.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use service::{Sources, SystemClock, settings::load, telemetry};
use worker::{Settings, settings::DEFAULTS};

/// Takes due jobs, drives the renderer, stores, reports.
#[derive(Parser)]
#[command(name = "darkroom-worker", version)]
struct Arguments {
    #[command(flatten)]
    sources: Sources,
}

fn main() -> ExitCode {
    let taken = vault::take_rings_from_environment();
    let arguments = Arguments::parse();
    service::run_main("worker", async |shutdown| {
        taken?;
        let settings: Settings = load(DEFAULTS, &arguments.sources)?;
        telemetry::init(&settings.log)?;
        Ok(worker::run(settings, Arc::new(SystemClock), shutdown).await?)
    })
}
