//! The one command of operator and user.

mod http;
mod up;

use clap::{Args, Parser, Subcommand};
use service::{Failure, Sources, SystemClock, settings::load, telemetry};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Previews and metadata of files: run it, use it, look into it
#[derive(Parser)]
#[command(
    name = "darkroom",
    version,
    after_help = "\
Begin with `darkroom up`, then, in another terminal, `darkroom demo`."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::Arguments),
    /// Run an API alone
    Api(Alone),
    /// Run a worker alone
    Worker(Alone),
    /// Run a dispatcher alone
    Dispatcher(Alone),
}

/// What one part run alone is told.
#[derive(Args)]
struct Alone {
    #[command(flatten)]
    sources: Sources,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// What went wrong, and what to try.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Failure> {
        let clock = Arc::new(SystemClock);
        match self.command {
            Command::Up(arguments) => up::run(arguments, shutdown).await,
            Command::Api(Alone { sources }) => {
                let settings: api::Settings = load(api::DEFAULTS, &sources)?;
                telemetry::init(&settings.log)?;
                Ok(api::run(settings, clock, shutdown).await?)
            }
            Command::Worker(Alone { sources }) => {
                let settings: worker::Settings = load(worker::settings::DEFAULTS, &sources)?;
                telemetry::init(&settings.log)?;
                Ok(worker::run(settings, clock, shutdown).await?)
            }
            Command::Dispatcher(Alone { sources }) => {
                let settings: dispatcher::Settings =
                    load(dispatcher::settings::DEFAULTS, &sources)?;
                telemetry::init(&settings.log)?;
                Ok(dispatcher::run(settings, clock, shutdown).await?)
            }
        }
    }
}
