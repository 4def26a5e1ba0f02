//! `darkroom audit`: the log as evidence.
//!
//! Reads as the auditor, who may read the log, its tiles and its checkpoints, and nothing else.

mod check;
mod export;
mod find;
mod keys;
mod packed;
mod prove;
mod receipt;
mod source;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use service::{Clock, Failure};

use crate::{
    connection::{Connection, Where},
    exit::Exit,
};

/// Verify the log, export it, and prove to others what happened
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom audit verify                            the log of `darkroom up` in this folder
  darkroom audit export log.ndjson                 all of it, to be verified elsewhere
  darkroom audit verify --export log.ndjson --key KEY
  darkroom audit prove JOB                         evidence of one job, and a page to read
  darkroom audit check evidence-JOB.json --key KEY

KEY is the verifier key that the notary's operator publishes: NAME+HASH+KEY, or a file with one on
each line. Exit status 2 says that something does not hold. docs/AUDIT.md tells what is proven.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Verify(verify::Arguments),
    Export(export::Arguments),
    Prove(prove::Arguments),
    Check(check::Arguments),
    Receipt(receipt::Arguments),
    Find(find::Arguments),
}

/// Where the log is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// Read DARKROOM_NATS_URL and so on from this file [default: the environment, then .darkroom/demo.env]
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

impl Place {
    /// The names that say where it is.
    pub(crate) fn connection(&self) -> Result<Connection, Failure> {
        Where::of_file(self.env_file.clone()).connection()
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    match arguments.verb {
        Verb::Verify(arguments) => verify::run(arguments, clock).await,
        Verb::Export(arguments) => export::run(arguments, clock).await,
        Verb::Prove(arguments) => prove::run(arguments, clock).await,
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Receipt(arguments) => Box::pin(receipt::run(arguments)).await,
        Verb::Find(arguments) => Box::pin(find::run(arguments, clock)).await,
    }
}
