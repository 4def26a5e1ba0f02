//! `darkroom account`: accounts as their operator sees them.

mod bounds;
mod create;
mod show;

use std::{
    collections::BTreeSet,
    io::{Write as _, stdout},
};

use clap::{Args, Subcommand};
use domain::{
    Aggregate,
    account::{Accounts, State},
    id::AccountId,
    limits::Limits,
};
use eventlog::{Log, Span};
use futures::StreamExt as _;
use service::{Clock, Failure, OrTry};

use self::{
    bounds::{LimitsArguments, QuotasArguments},
    create::CreateArguments,
};
use crate::{exit::Exit, operator::Operator};

pub(crate) use self::create::{Outfit, establish};

/// Open accounts, list and show them, and give them limits and quotas of their own
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom account create --label \"Example Ltd\"
  darkroom account list
  darkroom account show ACCOUNT
  darkroom account limits ACCOUNT --limit pixels=400000000 --limit pages=50
  darkroom account quotas ACCOUNT --quota jobs_per_minute=600 --unset uploads_in_flight

An account's own limits and quotas stand before those of the installation ([limits] and [quotas] in
the settings), upwards as well as downwards. Limits hold for attempts that begin afterwards, quotas
for requests.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Open an account with a first key pair; prints what is shown once
    Create(CreateArguments),
    /// Every account: id, when it was opened, key pairs, where results go
    List {
        #[command(flatten)]
        operator: Operator,
    },
    /// All that is known of an account; secrets are known to nobody
    Show {
        /// Which
        #[arg(value_name = "ACCOUNT")]
        account: AccountId,
        #[command(flatten)]
        operator: Operator,
    },
    /// What one job of an account may use; with --limit or --unset, change it first
    Limits(LimitsArguments),
    /// What its jobs and uploads may use together; with --quota or --unset, change it first
    Quotas(QuotasArguments),
}

#[derive(Debug, thiserror::Error)]
enum AccountError {
    #[error("there is no account {0}")]
    Unknown(AccountId),
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    match arguments.verb {
        Verb::Create(arguments) => create::create(arguments, clock).await?,
        Verb::List { operator } => list(&operator).await?,
        Verb::Show { account, operator } => show::show(account, &operator).await?,
        Verb::Limits(arguments) => bounds::limits(arguments, clock).await?,
        Verb::Quotas(arguments) => bounds::quotas(arguments, clock).await?,
    }
    Ok(Exit::Well)
}

/// An account that there is.
async fn known(log: &Log, account: AccountId) -> Result<State, Failure> {
    let state = log.load::<Accounts>(&account).await?.state;
    state.opened_at.ok_or(AccountError::Unknown(account)).or_try("darkroom account list")?;
    Ok(state)
}

async fn list(operator: &Operator) -> Result<(), Failure> {
    let way = operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let opened = Span { filter: Some("darkroom.account.*.opened".to_owned()), ..Span::default() };
    let mut known = BTreeSet::new();
    let mut messages = std::pin::pin!(log.replay(Accounts::STREAM, opened));
    while let Some(message) = messages.next().await {
        let subject = message?.subject;
        known.extend(
            subject.rsplit_once('.').and_then(|(prefix, _)| Accounts::parse_prefix(prefix)),
        );
    }
    for id in known {
        let state = log.load::<Accounts>(&id).await?.state;
        let opened = state.opened_at.map(|at| at.to_string()).unwrap_or_default();
        let results =
            state.destination.as_ref().map_or("development storage", |_| "its own bucket");
        let keys = state.applications.len();
        let own = Limits::default().beside(&state.limits);
        let own = own.iter().filter(|(_, _, own)| own.is_some()).count();
        writeln!(
            stdout(),
            "{id}  opened {opened}  {keys} key pairs  results in {results}  {own} limits of its own"
        )?;
    }
    way.close().await;
    Ok(())
}
