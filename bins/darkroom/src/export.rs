//! `darkroom export`: everything held about an account, opened.

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write as _, stderr, stdout},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::Arc,
};

use clap::Args;
use custody::Custody;
use domain::{account::Accounts, id::AccountId};
use eventlog::{Keys, Log};
use futures::StreamExt as _;
use service::{Failure, OrTry};
use storage::{Network, Patience};
use vault::{Role, Vault};

use crate::{backup::failed, exit::Exit, operator::Operator, up::settings::Settings};

/// Write everything held about an account, as lines of JSON
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom export --account ACCOUNT -o account.ndjson
  darkroom export --account ACCOUNT | jq 'select(.event == \"job.requested\")'

Each line is an event with its personal fields opened: what the account, its members, its uploads and
its jobs have told, and what was told about them. Credentials are left out. After the
events comes what was used, a line a day. The last line is
{\"end\":true}. Fields whose keys are shredded are null.")]
pub(crate) struct Arguments {
    /// Whose
    #[arg(long, value_name = "ACCOUNT")]
    account: AccountId,
    /// Into this file, which must not be there; otherwise to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no account {0}")]
struct NoSuchAccount(AccountId);

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let settings = arguments.operator.settings()?;
    let way = arguments.operator.reach().await?;
    let written = write(&arguments, &settings, &way.nats).await;
    way.close().await;
    writeln!(stderr(), "{} lines", written?)?;
    Ok(Exit::Well)
}

async fn write(
    arguments: &Arguments,
    settings: &Settings,
    nats: &eventlog::Settings,
) -> Result<u64, Failure> {
    let log = Log::connect(nats, "operator").await?;
    let account = arguments.account;
    if log.load::<Accounts>(&account).await?.state.opened_at.is_none() {
        return Err(NoSuchAccount(account)).or_try("darkroom account list");
    }
    let custody = custody(&log, settings).await?;
    let mut out: Box<dyn std::io::Write + Send> = match &arguments.output {
        None => Box::new(stdout()),
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Box::new(BufWriter::new(file.map_err(failed("make", path))?))
        }
    };
    let mut lines = Box::pin(api::export::lines(&log, &custody, account));
    let mut count = 0;
    while let Some(line) = lines.next().await.transpose()? {
        writeln!(out, "{line}")?;
        count += 1;
    }
    out.flush()?;
    Ok(count)
}

/// What opens personal fields, and no bucket that is asked anything.
pub(crate) async fn custody(log: &Log, settings: &Settings) -> Result<Custody, Failure> {
    // Credentials are left out, so what opens them is not looked for.
    let vault = Vault::open(&settings.vault, Role::Seals, Arc::new(Keys::new(log)))
        .await
        .or_try("the key ring files that this log was made with")?;
    let mut storage = settings.storage.clone();
    if storage.access_key.is_empty() {
        // The embedded server's, which need not run.
        storage.endpoint.get_or_insert_with(|| "http://127.0.0.1:1".to_owned());
        storage.access_key = "none".to_owned();
        storage.secret_key = storage::Secret::from("none");
    }
    Ok(Custody::new(Arc::new(vault), &storage, &Network::direct(Patience::default())).await?)
}
