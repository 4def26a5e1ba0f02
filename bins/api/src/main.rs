//! `darkroom-api`: one API process.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use service::{Sources, SystemClock, settings, telemetry};

/// Darkroom's HTTP API.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    sources: Sources,
}

fn main() -> ExitCode {
    let taken = vault::take_rings_from_environment();
    let arguments = Arguments::parse();
    service::run_main("darkroom-api", async move |shutdown| {
        taken?;
        let settings: api::Settings = settings::load(api::DEFAULTS, &arguments.sources)?;
        telemetry::init(&settings.log)?;
        api::run(settings, Arc::new(SystemClock), shutdown).await?;
        Ok(())
    })
}
