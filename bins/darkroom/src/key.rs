//! `darkroom key`: the key rings and what is wrapped under them.

use std::{
    io::{IsTerminal as _, Write as _, stderr, stdout},
    sync::Arc,
};

use clap::{Args, Subcommand};
use domain::Timestamp;
use eventlog::{Keys, Log};
use service::{Clock, Failure, OrTry};
use vault::{Census, KeyId, Report, RingName, Role, Rotated, Vault};

use crate::{
    exit::Exit,
    operator::{Operator, Way},
};

/// See the key rings, rotate them, and prove that every wrapped key opens
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom key list                        both rings: ids, and how many keys each still wraps
  darkroom key rotate                      a new current key in both rings, then every key re-wrapped
  darkroom key rotate --ring credentials   of customers' credentials alone
  darkroom key rotate --resume             no new key: go on with what is left under earlier ones
  darkroom key verify                      open every wrapped key; nothing is changed
  darkroom key retire ID                   take a key that wraps nothing any more out of its ring

Everything may run meanwhile. Processes on this machine read the rings again by themselves; where rings
are copied to other machines, copy them there before the re-wrapping: `rotate` with --resume does that
alone. Exit status 1 of `rotate` and `verify` says that some keys do not open.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The keys of the rings, and how many wrapped keys each holds
    List(Chosen),
    /// Add a new current key and re-wrap everything under it
    Rotate {
        /// Add no key: re-wrap what is left under earlier ones
        #[arg(long)]
        resume: bool,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Open every wrapped key
    Verify(Chosen),
    /// Take a key out of its ring, if nothing is wrapped under it
    Retire {
        /// As `darkroom key list` shows it
        #[arg(value_name = "ID", value_parser = key_id)]
        id: KeyId,
        #[command(flatten)]
        operator: Operator,
    },
}

#[derive(Debug, Args)]
struct Chosen {
    /// `fields` or `credentials` [default: both]
    #[arg(long, value_name = "RING")]
    ring: Option<RingName>,
    #[command(flatten)]
    operator: Operator,
}

impl Chosen {
    fn rings(&self) -> Vec<RingName> {
        self.ring.map_or_else(|| RingName::ALL.to_vec(), |ring| vec![ring])
    }
}

#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error("no ring holds a key {0}")]
    Unknown(KeyId),
}

/// A vault over the log that the operator reaches.
struct Desk {
    way: Way,
    log: Log,
    settings: vault::Settings,
}

impl Desk {
    async fn open(operator: &Operator) -> Result<Self, Failure> {
        let settings = operator.settings()?.vault;
        let way = operator.reach().await?;
        let log = Log::connect(&way.nats, "operator").await?;
        Ok(Self { way, log, settings })
    }

    /// The rings as they are now, checked against the store.
    async fn vault(&self) -> Result<Vault, Failure> {
        Vault::open(&self.settings, Role::Operates, Arc::new(Keys::new(&self.log)))
            .await
            .or_try("put the key rings back that this log was made with, or name them: --set vault.master_key_file=FILE and so on")
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let operator = match &arguments.verb {
        Verb::List(chosen) | Verb::Verify(chosen) | Verb::Rotate { chosen, .. } => &chosen.operator,
        Verb::Retire { operator, .. } => operator,
    };
    let desk = Desk::open(operator).await?;
    let done = match &arguments.verb {
        Verb::List(chosen) => list(&desk, &chosen.rings()).await,
        Verb::Rotate { resume, chosen } => rotate(&desk, &chosen.rings(), *resume, clock).await,
        Verb::Verify(chosen) => verify(&desk, &chosen.rings()).await,
        Verb::Retire { id, .. } => retire(&desk, *id, clock).await,
    };
    desk.way.close().await;
    done
}

async fn list(desk: &Desk, rings: &[RingName]) -> Result<Exit, Failure> {
    let vault = desk.vault().await?;
    let mut exit = Exit::Well;
    for ring in rings {
        let mut census = vault.census(*ring).await?;
        for key in desk.settings.keys(*ring).await? {
            let held = census.remove(&key.id).unwrap_or_default();
            let state = if key.current { "current" } else { "earlier" };
            let made = key.made_at.and_then(|made| Timestamp::from_second(made).ok());
            let made = made.map_or_else(|| "first".to_owned(), |made| made.to_string());
            writeln!(
                stdout(),
                "{ring:<12}{id}  {state}  {held:>9} wrapped keys  added {made}",
                id = key.id
            )?;
        }
        for (id, held) in census {
            writeln!(
                stdout(),
                "{ring:<12}{id}  MISSING  {held:>9} wrapped keys that nobody can open"
            )?;
            exit = Exit::Amiss;
        }
    }
    Ok(exit)
}

async fn rotate(
    desk: &Desk,
    rings: &[RingName],
    resume: bool,
    clock: &dyn Clock,
) -> Result<Exit, Failure> {
    // A ring that does not fit the store is not made worse.
    desk.vault().await?;
    let mut exit = Exit::Well;
    for ring in rings {
        if resume {
            finish_ring(desk, *ring).await?;
        } else if !add_key(desk, *ring, clock).await? {
            continue;
        }
        let vault = desk.vault().await?;
        let total = total(&vault.census(*ring).await?);
        let report = vault.rewrap(*ring, &mut progress(*ring, total)).await?;
        let Report { well, moved, .. } = report;
        writeln!(stdout(), "{ring:<12}{moved} keys re-wrapped, {well} are under the current key")?;
        exit = exit_of(&report, exit)?;
    }
    Ok(exit)
}

/// Adds a key; false where somebody else has to.
async fn add_key(desk: &Desk, ring: RingName, clock: &dyn Clock) -> Result<bool, Failure> {
    match desk.settings.rotate(ring, clock.now().as_second()).await? {
        Rotated::Written(id) => {
            writeln!(
                stdout(),
                "{ring:<12}{id} is the current key now; keep a copy of the ring apart from the log"
            )?;
            Ok(true)
        }
        Rotated::ToAdd { id, entry } => {
            writeln!(
                stderr(),
                "The {ring} ring is kept where this command cannot write. Add the following to its `keys`, make {id} its `current`,\n\
                 wait until every process can have read it, and run `darkroom key rotate --ring {ring} --resume`. It is a secret."
            )?;
            writeln!(stdout(), "{}", *entry)?;
            Ok(false)
        }
    }
}

/// What a rotation may have left that was killed before the re-wrapping.
async fn finish_ring(desk: &Desk, ring: RingName) -> Result<(), Failure> {
    if ring == RingName::Credentials {
        desk.settings.publish_credentials().await?;
    }
    Ok(())
}

async fn verify(desk: &Desk, rings: &[RingName]) -> Result<Exit, Failure> {
    let vault = desk.vault().await?;
    let mut exit = Exit::Well;
    for ring in rings {
        let report = vault.verify(*ring, &mut progress(*ring, 0)).await?;
        let Report { well, orphaned, failed, .. } = report;
        writeln!(stdout(), "{ring:<12}{well} keys open, {failed} do not")?;
        if orphaned > 0 {
            writeln!(
                stdout(),
                "{ring:<12}{orphaned} keys of jobs belong to accounts that were erased, and open nothing"
            )?;
        }
        exit = exit_of(&report, exit)?;
    }
    Ok(exit)
}

async fn retire(desk: &Desk, id: KeyId, clock: &dyn Clock) -> Result<Exit, Failure> {
    let vault = desk.vault().await?;
    for ring in RingName::ALL {
        if desk.settings.keys(ring).await?.iter().all(|key| key.id != id) {
            continue;
        }
        let held = vault.census(ring).await?.get(&id).copied().unwrap_or_default();
        desk.settings.retire(ring, id, held, clock.now().as_second()).await?;
        writeln!(
            stdout(),
            "{ring:<12}{id} is no longer in the ring; remove it from the copies too"
        )?;
        return Ok(Exit::Well);
    }
    Err(KeyError::Unknown(id)).or_try("one that `darkroom key list` shows")
}

fn exit_of(report: &Report, exit: Exit) -> Result<Exit, Failure> {
    for (name, error) in &report.failures {
        writeln!(stdout(), "  {name}: {}", service::Chain(error))?;
    }
    let unnamed = report.failed.saturating_sub(report.failures.len() as u64);
    if unnamed > 0 {
        writeln!(stdout(), "  and {unnamed} more")?;
    }
    Ok(if report.failed > 0 { Exit::Amiss } else { exit })
}

fn total(census: &Census) -> u64 {
    census.values().sum()
}

/// Says on a terminal how far it has come.
fn progress(ring: RingName, total: u64) -> impl FnMut(u64) + Send {
    let shown = stderr().is_terminal();
    move |seen| {
        if shown {
            let of = if total > 0 { format!(" of {total}") } else { String::new() };
            // Nobody is told less of the outcome if this cannot be shown.
            drop(write!(stderr(), "\r{ring:<12}{seen}{of} keys\x1b[K\r"));
        }
    }
}

fn key_id(text: &str) -> Result<KeyId, String> {
    text.parse().map_err(|_odd| "a key id has 16 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_listed() {
        assert_eq!(key_id("00000000000000aa").unwrap().to_string(), "00000000000000aa");
        for odd in ["", "aa", "main", "00000000000000aaa", "0000000000000 aa"] {
            assert!(key_id(odd).is_err(), "{odd}");
        }
    }
}
