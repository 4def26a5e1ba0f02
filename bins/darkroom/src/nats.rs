//! `darkroom nats`: the server held against `nats/`.

use std::io::{Write as _, stdout};

use clap::{Args, Subcommand};
use eventlog::{Log, callout::Keys, topology};
use service::Failure;

use crate::{exit::Exit, operator::Operator};

/// Bring streams and consumers of a NATS server in line, or see where they differ
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom nats diff                       the server of `darkroom up` in this folder
  DARKROOM__NATS__URL=tls://nats.example.org DARKROOM__NATS__USER=operator \\
  DARKROOM__NATS__PASSWORD=... darkroom nats apply

Exit status 1 of `diff` says that something differs.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create and update streams and consumers
    Apply(Operator),
    /// Show where the server differs
    Diff(Operator),
    /// Make the two keys that let customers' own clients in: variables for the servers, settings for the API
    Keys,
    /// Make the streams of a server elsewhere copies of the origin's (nats/offsite.conf)
    Mirror(Operator),
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let operator = match &arguments.verb {
        Verb::Apply(operator) | Verb::Diff(operator) | Verb::Mirror(operator) => operator,
        Verb::Keys => return keys(),
    };
    let way = operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let replicas = way.nats.replicas;
    let exit = match arguments.verb {
        Verb::Keys => Exit::Well,
        Verb::Apply(_) => {
            topology::apply(&log, replicas).await?;
            writeln!(stdout(), "every stream and consumer is as nats/ describes it")?;
            Exit::Well
        }
        Verb::Mirror(_) => {
            topology::apply_mirrors(&log, replicas).await?;
            writeln!(stdout(), "every stream is a mirror of the origin's")?;
            Exit::Well
        }
        Verb::Diff(_) => {
            let drifts = topology::diff(&log, replicas).await?;
            for drift in &drifts {
                writeln!(stdout(), "{drift}")?;
            }
            writeln!(stdout(), "{} differences", drifts.len())?;
            if drifts.is_empty() { Exit::Well } else { Exit::Amiss }
        }
    };
    way.close().await;
    Ok(exit)
}

/// Prints new keys, each half for whom it is.
fn keys() -> Result<Exit, Failure> {
    let keys = Keys::generate();
    let ((issuer_seed, xkey_seed), (issuer, xkey)) = (keys.seeds(), keys.public());
    write!(
        stdout(),
        "\
# For the servers (nats/users.conf)
DARKROOM_CALLOUT_ISSUER={issuer}
DARKROOM_CALLOUT_XKEY={xkey}
# Secret, for the API alone
DARKROOM__SUBSCRIBERS__ISSUER_SEED={}
DARKROOM__SUBSCRIBERS__XKEY_SEED={}
",
        issuer_seed.expose(),
        xkey_seed.expose(),
    )?;
    Ok(Exit::Well)
}
