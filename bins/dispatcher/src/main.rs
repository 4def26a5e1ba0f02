//! The dispatcher as a process of its own.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use dispatcher::{Settings, settings::DEFAULTS};
use service::{Sources, SystemClock, settings::load, telemetry};

/// Turns outcomes of jobs into signed webhook deliveries.
#[derive(Parser)]
#[command(name = "darkroom-dispatcher", version)]
struct Arguments {
    #[command(flatten)]
    sources: Sources,
}

fn main() -> ExitCode {
    let taken = vault::take_rings_from_environment();
    let arguments = Arguments::parse();
    service::run_main("dispatcher", async |shutdown| {
        taken?;
        let settings: Settings = load(DEFAULTS, &arguments.sources)?;
        telemetry::init(&settings.log)?;
        Ok(dispatcher::run(settings, Arc::new(SystemClock), shutdown).await?)
    })
}
