//! The one command of operator and user.

mod account;
mod application;
mod audit;
mod backup;
mod client;
mod connection;
mod demo;
mod destination;
mod diff;
mod doctor;
mod endpoint;
mod erase;
mod events;
mod exit;
mod export;
mod feed;
mod http;
mod input;
mod key;
mod ledger;
mod member;
mod nats;
mod operator;
mod preview;
mod progress;
mod readmodel;
mod replay;
mod restore;
mod sse;
mod up;
mod upload;
mod usage;

use clap::{Args, Parser, Subcommand};
use service::{Failure, LogSettings, Sources, SystemClock, settings::load, telemetry};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub use exit::Exit;

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
    Demo(demo::Arguments),
    Preview(preview::Arguments),
    Upload(upload::Arguments),
    Input(input::Arguments),
    Replay(replay::Arguments),
    Audit(audit::Arguments),
    Diff(diff::Arguments),
    Readmodel(readmodel::Arguments),
    Account(account::Arguments),
    Application(application::Arguments),
    Usage(usage::Arguments),
    Member(member::Arguments),
    Destination(destination::Arguments),
    Endpoint(endpoint::Arguments),
    Nats(nats::Arguments),
    Key(key::Arguments),
    Doctor(doctor::Arguments),
    Events(events::Arguments),
    Erase(erase::Arguments),
    Export(export::Arguments),
    Feed(feed::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    /// Run an API alone
    Api(Alone),
    /// Run a worker alone
    Worker(Alone),
    /// Run a dispatcher alone
    Dispatcher(Alone),
    /// Run a notary alone
    Notary(Alone),
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
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let clock = SystemClock;
        match self.command {
            Command::Demo(arguments) => {
                quiet()?;
                demo::run(arguments, &clock, shutdown).await
            }
            Command::Preview(arguments) => {
                quiet()?;
                preview::run(arguments, &clock, shutdown).await?;
                Ok(Exit::Well)
            }
            Command::Upload(arguments) => {
                quiet()?;
                upload::run(arguments, shutdown).await?;
                Ok(Exit::Well)
            }
            Command::Input(arguments) => {
                quiet()?;
                input::run(arguments).await?;
                Ok(Exit::Well)
            }
            Command::Replay(arguments) => {
                quiet()?;
                replay::run(arguments, &clock).await
            }
            Command::Diff(arguments) => {
                quiet()?;
                diff::run(arguments, &clock).await
            }
            Command::Audit(arguments) => {
                quiet()?;
                Box::pin(audit::run(arguments, &clock)).await
            }
            Command::Readmodel(arguments) => {
                quiet()?;
                readmodel::run(arguments).await
            }
            Command::Application(arguments) => {
                quiet()?;
                application::run(arguments, &clock).await
            }
            Command::Usage(arguments) => {
                quiet()?;
                usage::run(arguments, &clock).await
            }
            Command::Account(arguments) => {
                quiet()?;
                account::run(arguments, &clock).await
            }
            Command::Endpoint(arguments) => {
                quiet()?;
                endpoint::run(arguments).await?;
                Ok(Exit::Well)
            }
            Command::Destination(arguments) => {
                quiet()?;
                destination::run(arguments).await
            }
            Command::Member(arguments) => {
                quiet()?;
                member::run(arguments, &clock).await
            }
            Command::Key(arguments) => {
                quiet()?;
                Box::pin(key::run(arguments, &clock)).await
            }
            Command::Nats(arguments) => {
                quiet()?;
                nats::run(arguments).await
            }
            Command::Doctor(arguments) => {
                quiet()?;
                doctor::run(arguments).await
            }
            Command::Events(arguments) => {
                quiet()?;
                events::run(arguments, shutdown).await?;
                Ok(Exit::Well)
            }
            Command::Erase(arguments) => {
                quiet()?;
                erase::run(arguments, &clock).await
            }
            Command::Export(arguments) => {
                quiet()?;
                export::run(arguments).await
            }
            Command::Feed(arguments) => {
                quiet()?;
                feed::run(arguments).await
            }
            Command::Backup(arguments) => {
                quiet()?;
                backup::run(arguments, &clock).await
            }
            Command::Restore(arguments) => {
                quiet()?;
                restore::run(arguments, &clock).await
            }
            Command::Up(arguments) => {
                Box::pin(up::run(arguments, shutdown)).await?;
                Ok(Exit::Well)
            }
            Command::Api(alone) => alone.run(Part::Api, shutdown).await,
            Command::Worker(alone) => alone.run(Part::Worker, shutdown).await,
            Command::Dispatcher(alone) => alone.run(Part::Dispatcher, shutdown).await,
            Command::Notary(alone) => alone.run(Part::Notary, shutdown).await,
        }
    }
}

/// A part that can be run alone.
enum Part {
    Api,
    Worker,
    Dispatcher,
    Notary,
}

impl Alone {
    /// The same as the part's own executable.
    async fn run(self, part: Part, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let (sources, clock) = (self.sources, Arc::new(SystemClock));
        match part {
            Part::Api => {
                let settings: api::Settings = load(api::DEFAULTS, &sources)?;
                telemetry::init(&settings.log)?;
                api::run(settings, clock, shutdown).await?;
            }
            Part::Worker => {
                let settings: worker::Settings = load(worker::settings::DEFAULTS, &sources)?;
                telemetry::init(&settings.log)?;
                worker::run(settings, clock, shutdown).await?;
            }
            Part::Dispatcher => {
                let settings: dispatcher::Settings =
                    load(dispatcher::settings::DEFAULTS, &sources)?;
                telemetry::init(&settings.log)?;
                dispatcher::run(settings, clock, shutdown).await?;
            }
            Part::Notary => {
                let settings: notary::Settings = load(notary::settings::DEFAULTS, &sources)?;
                telemetry::init(&settings.log)?;
                notary::run(settings, clock, shutdown).await?;
            }
        }
        Ok(Exit::Well)
    }
}

/// Commands for people say what they found; the log speaks of trouble alone.
fn quiet() -> Result<(), Failure> {
    Ok(telemetry::init(&LogSettings {
        level: "error,darkroom=warn".to_owned(),
        ..LogSettings::default()
    })?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
