//! The notary as a process of its own.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use notary::{Settings, settings::DEFAULTS};
use service::{Sources, SystemClock, settings::load, telemetry};

/// Signs what the log amounts to.
#[derive(Parser)]
#[command(name = "darkroom-notary", version)]
struct Arguments {
    #[command(flatten)]
    sources: Sources,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    service::run_main("notary", async |shutdown| {
        let settings: Settings = load(DEFAULTS, &arguments.sources)?;
        telemetry::init(&settings.log)?;
        Ok(notary::run(settings, Arc::new(SystemClock), shutdown).await?)
    })
}
