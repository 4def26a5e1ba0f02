//! `darkroom readmodel`: the rows, made again from the log.

mod build;
mod compare;
mod verify;

use std::{
    io::{Write as _, stdout},
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use clap::{Args, Subcommand};
use eventlog::Log;
use readmodel::Positions;
use serde::de::DeserializeOwned;
use service::Failure;

use crate::{exit::Exit, operator::Operator};

/// The most API processes that are asked.
const REPLICAS_MAX: usize = 256;
/// How long they have to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Make the read model again, and hold it against the live ones
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom readmodel verify                    name the first row in which one differs
  darkroom readmodel rebuild                   compare hashes with every API process that runs
  darkroom readmodel rebuild --into /tmp/rows  keep what was made
  darkroom readmodel prepare                   make the rows of this release beside those of
                                               another, which goes on; the next start has them

While API processes run, theirs stay as they are and go on answering; exit status 3 says that
one differs. While none runs, `rebuild` replaces the one in the data folder. What was
interrupted goes on where it was when it is called again.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read the log from its first event into an empty store
    Rebuild {
        /// Keep the store in this folder, which must not exist
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        #[command(flatten)]
        operator: Operator,
    },
    /// Read the log into an empty store, and name the first row in which a live one differs
    Verify {
        #[command(flatten)]
        operator: Operator,
    },
    /// Make the rows beside the live ones, for the next start to swap in
    Prepare {
        #[command(flatten)]
        operator: Operator,
    },
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let (Verb::Rebuild { operator, .. } | Verb::Verify { operator } | Verb::Prepare { operator }) =
        &arguments.verb;
    let way = operator.reach().await?;
    let done = match Log::connect(&way.nats, "operator").await {
        Err(error) => Err(error.into()),
        Ok(log) => match &arguments.verb {
            Verb::Rebuild { into, operator } => compare::run(&log, operator, into.as_deref()).await,
            Verb::Verify { operator } => verify::run(&log, operator).await,
            Verb::Prepare { operator } => build::prepare(&log, operator).await,
        },
    };
    way.close().await;
    done
}

/// What API processes that run answer; those that do not understand are left out.
async fn ask<T: DeserializeOwned>(log: &Log, question: Bytes, enough: usize) -> Vec<T> {
    let answers = log.ask(api::ops::READ_MODEL, question, enough, PATIENCE).await;
    // Nobody there is an answer too.
    let answers = answers.unwrap_or_default();
    answers.iter().filter_map(|answer| serde_json::from_slice(answer).ok()).collect()
}

/// How far rows reach, for people.
fn spelled(positions: &Positions) -> String {
    let Positions { accounts, jobs, members, uploads, endpoints, deliveries } = positions;
    format!(
        "ACCOUNTS {accounts}, JOBS {jobs}, MEMBERS {members}, UPLOADS {uploads}, ENDPOINTS {endpoints}, DELIVERIES {deliveries}"
    )
}

/// Tells the operator one thing.
fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(stdout(), "{line}")?)
}
