//! Limits of an account's jobs, and quotas of all of them together: shown, given, taken back.

use std::io::{Write as _, stdout};

use clap::Args;
use domain::{
    account::{self, Accounts, Event, Refusal, State},
    id::AccountId,
    limits::{InvalidLimit, Overrides, QuotaOverrides},
};
use eventlog::Log;
use service::{Clock, Failure, OrTry};

use super::known;
use crate::operator::Operator;

#[derive(Debug, Args)]
pub(super) struct LimitsArguments {
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

#[derive(Debug, Args)]
pub(super) struct QuotasArguments {
    /// Whose
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
    /// Give it a quota of its own
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    quota: Vec<(String, u64)>,
    /// Take the installation's quota again
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    #[command(flatten)]
    operator: Operator,
}

pub(super) async fn limits(arguments: LimitsArguments, clock: &dyn Clock) -> Result<(), Failure> {
    let LimitsArguments { account, limit, unset, operator } = arguments;
    let installation = operator.settings()?.limits;
    let way = operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let before = known(&log, account).await?;
    let mut wanted: Overrides = before.limits;
    change(&limit, &unset, |name, value| wanted.set(name, value))
        .or_try("one of those that `darkroom account limits ACCOUNT` lists, and a value above 0")?;
    if wanted != before.limits {
        transact(&log, account, clock, |state| account::set_limits(state, wanted)).await?;
    }
    show(&installation.with(&wanted).beside(&wanted))?;
    way.close().await;
    Ok(())
}

pub(super) async fn quotas(arguments: QuotasArguments, clock: &dyn Clock) -> Result<(), Failure> {
    let QuotasArguments { account, quota, unset, operator } = arguments;
    let installation = operator.settings()?.quotas;
    let way = operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let before = known(&log, account).await?;
    let mut wanted: QuotaOverrides = before.quotas;
    change(&quota, &unset, |name, value| wanted.set(name, value))
        .or_try("one of those that `darkroom account quotas ACCOUNT` lists, and a value above 0")?;
    if wanted != before.quotas {
        transact(&log, account, clock, |state| account::set_quotas(state, wanted)).await?;
    }
    show(&installation.with(&wanted).beside(&wanted))?;
    way.close().await;
    Ok(())
}

async fn transact(
    log: &Log,
    account: AccountId,
    clock: &dyn Clock,
    step: impl Fn(&State) -> Result<Vec<Event>, Refusal> + Send,
) -> Result<(), Failure> {
    log.transact::<Accounts, Refusal>(&account, clock.now(), step).await?;
    Ok(())
}

fn change(
    given: &[(String, u64)],
    unset: &[String],
    mut set: impl FnMut(&str, Option<u64>) -> Result<(), InvalidLimit>,
) -> Result<(), InvalidLimit> {
    for (name, value) in given {
        set(name, Some(*value))?;
    }
    unset.iter().try_for_each(|name| set(name, None))
}

fn show(bounds: &[(&'static str, u64, Option<u64>)]) -> Result<(), Failure> {
    for (name, value, own) in bounds {
        let whose = if own.is_some() { "  its own" } else { "" };
        writeln!(stdout(), "{name:<24}{value:>16}{whose}")?;
    }
    Ok(())
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
