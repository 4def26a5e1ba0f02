//! `darkroom account`: accounts as their operator sees them.

use std::{
    collections::BTreeSet,
    io::{Write as _, stdout},
};

use clap::{Args, Subcommand};
use domain::{
    Aggregate,
    account::{self, Accounts, Refusal},
    id::AccountId,
    limits::{Limits, Overrides},
};
use eventlog::{Log, Span};
use futures::StreamExt as _;
use service::{Clock, Failure, OrTry};

use crate::{exit::Exit, operator::Operator};

/// List accounts, see their limits, and give them limits of their own
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom account list
  darkroom account limits ACCOUNT
  darkroom account limits ACCOUNT --limit pixels=400000000 --limit pages=50
  darkroom account limits ACCOUNT --unset pages

An account's own limits stand before those of the installation ([limits] in the settings), upwards
as well as downwards. They hold for attempts that begin afterwards.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every account: id, when it was opened, key pairs, where results go
    List {
        #[command(flatten)]
        operator: Operator,
    },
    /// An account's limits; with --limit or --unset, change them first
    Limits(LimitsArguments),
}

#[derive(Debug, Args)]
struct LimitsArguments {
    /// Whose
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
    /// Give it a limit of its own
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    limit: Vec<(String, u64)>,
    /// Take the installation's limit again
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, thiserror::Error)]
enum AccountError {
    #[error("there is no account {0}")]
    Unknown(AccountId),
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    match arguments.verb {
        Verb::List { operator } => list(&operator).await?,
        Verb::Limits(arguments) => limits(arguments, clock).await?,
    }
    Ok(Exit::Well)
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

async fn limits(arguments: LimitsArguments, clock: &dyn Clock) -> Result<(), Failure> {
    let installation = arguments.operator.settings()?.limits;
    let way = arguments.operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let id = arguments.account;
    let known = log.load::<Accounts>(&id).await?.state;
    known.opened_at.ok_or(AccountError::Unknown(id)).or_try("darkroom account list")?;
    let mut wanted = known.limits;
    change(&mut wanted, &arguments)
        .or_try("one of those that `darkroom account limits ACCOUNT` lists, and a value above 0")?;
    if wanted != known.limits {
        let step = |state: &account::State| account::set_limits(state, wanted);
        log.transact::<Accounts, Refusal>(&id, clock.now(), step).await?;
    }
    for (name, value, own) in installation.with(&wanted).beside(&wanted) {
        let whose = if own.is_some() { "  its own" } else { "" };
        writeln!(stdout(), "{name:<24}{value:>16}{whose}")?;
    }
    way.close().await;
    Ok(())
}

fn change(
    limits: &mut Overrides,
    arguments: &LimitsArguments,
) -> Result<(), domain::limits::InvalidLimit> {
    for (name, value) in &arguments.limit {
        limits.set(name, Some(*value))?;
    }
    arguments.unset.iter().try_for_each(|name| limits.set(name, None))
}

/// `name=value`, the value a whole number; underscores may part its digits.
fn assignment(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, as in pages=50")?;
    let value = value.replace('_', "");
    let value = value.parse().map_err(|_odd| format!("{value} is not a whole number"))?;
    Ok((name.trim().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read() {
        assert_eq!(assignment("pages=50"), Ok(("pages".to_owned(), 50)));
        assert_eq!(assignment("pixels=400_000_000"), Ok(("pixels".to_owned(), 400_000_000)));
        for odd in ["pages", "pages=", "pages=-1", "pages=many"] {
            assert!(assignment(odd).is_err(), "{odd}");
        }
    }
}
