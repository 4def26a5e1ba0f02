//! `darkroom nats`: the server held against `nats/`.

use std::io::{Write as _, stdout};

use clap::{Args, Subcommand};
use eventlog::{Log, UserKey, callout::Keys, server::USERS, topology};
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
    /// Make the keys by which roles log in, and those that let customers' own clients in: public halves for the
    /// servers, seeds for each process
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

/// Who holds which seeds, under which names.
const HOLDERS: [(&str, &[(&str, &str)]); 8] = [
    ("every process", &[("DARKROOM__NATS__SYSTEM_PASSWORD", "observer")]),
    (
        "the API",
        &[
            ("DARKROOM__NATS__PASSWORD", "api"),
            ("DARKROOM__SUBSCRIBERS__PASSWORD", "gate"),
            ("DARKROOM__SUBSCRIBERS__DESK_PASSWORD", "desk"),
            ("DARKROOM__SUBSCRIBERS__USHER_PASSWORD", "usher"),
        ],
    ),
    ("workers", &[("DARKROOM__NATS__PASSWORD", "worker")]),
    ("dispatchers", &[("DARKROOM__NATS__PASSWORD", "dispatcher")]),
    ("notaries", &[("DARKROOM__NATS__PASSWORD", "notary")]),
    ("operators", &[("DARKROOM__NATS__PASSWORD", "operator")]),
    ("auditors", &[("DARKROOM_NATS_PASSWORD", "auditor")]),
    ("a copy elsewhere (nats/offsite.conf)", &[("DARKROOM_OFFSITE_SEED", "offsite")]),
];

/// Prints new keys, each half for whom it is.
fn keys() -> Result<Exit, Failure> {
    let users = USERS.map(|user| (user, UserKey::generate()));
    let callout = Keys::generate();
    let ((issuer_seed, xkey_seed), (issuer, xkey)) = (callout.seeds(), callout.public());
    let mut out = stdout().lock();
    writeln!(out, "# For the servers (nats/users.conf): public halves, which open nothing")?;
    for (user, key) in &users {
        writeln!(out, "DARKROOM_{}_NKEY={}", user.to_uppercase(), key.public())?;
    }
    writeln!(out, "DARKROOM_CALLOUT_ISSUER={issuer}\nDARKROOM_CALLOUT_XKEY={xkey}")?;
    for (holder, held) in HOLDERS {
        writeln!(out, "# Secret, for {holder} alone")?;
        for (name, user) in held {
            let seed = users.iter().find(|(other, _)| other == user).map(|(_, key)| key.seed());
            let seed = seed.unwrap_or_default();
            writeln!(out, "{name}={}", seed.expose())?;
        }
        if holder == "the API" {
            writeln!(out, "DARKROOM__SUBSCRIBERS__ISSUER_SEED={}", issuer_seed.expose())?;
            writeln!(out, "DARKROOM__SUBSCRIBERS__XKEY_SEED={}", xkey_seed.expose())?;
        }
    }
    Ok(Exit::Well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_one_holder() {
        let mut held: Vec<_> =
            HOLDERS.iter().flat_map(|(_, held)| held.iter().map(|(_, user)| *user)).collect();
        held.sort_unstable();
        let mut users = USERS;
        users.sort_unstable();
        assert_eq!(held, users);
    }
}
