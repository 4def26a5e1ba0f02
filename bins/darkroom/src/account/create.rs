//! Opens an account, with all that it needs to be used.

use std::io::{Write as _, stdout};

use clap::Args;
use custody::Custody;
use domain::{
    Sealed, Timestamp,
    account::{self, Accounts, Application, Refusal, State, Terms},
    id::{AccountId, ApplicationId},
    sealed::field,
};
use eventlog::Log;
use serde_json::json;
use service::{Clock, Failure};
use uuid::Uuid;
use vault::{Secret, secrets};

use crate::{export, operator::Operator};

#[derive(Debug, Args)]
pub(super) struct CreateArguments {
    /// What its people call it
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// Make a test key: it says so, and can do the same
    #[arg(long)]
    test: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

/// What an account is opened with, secrets in the clear.
pub(crate) struct Outfit {
    pub(crate) account: AccountId,
    pub(crate) label: Option<Sealed>,
    pub(crate) application: ApplicationId,
    pub(crate) key: String,
    pub(crate) secret: Secret,
    pub(crate) webhook_secret: Secret,
}

/// Opens an account with its key pair and webhook secret, as far as it is not there.
pub(crate) async fn establish(
    log: &Log,
    custody: &Custody,
    outfit: &Outfit,
    now: Timestamp,
) -> Result<(), Failure> {
    let id = outfit.account;
    let secret = outfit.webhook_secret.expose();
    let sealed = custody.seal_credential(id, field::WEBHOOK_SECRET, secret).await?;
    let application = Application {
        application: outfit.application,
        key: outfit.key.clone(),
        secret_digest: custody.secret_digest(outfit.secret.expose()),
        terms: Terms::default(),
    };
    let step = |state: &State| {
        let mut events = account::open(state, outfit.label.clone())?;
        if state.opened_at.is_none() {
            return Ok(events);
        }
        events.extend(account::add_application(state, application.clone())?);
        if state.webhook_secret.is_none() {
            events.extend(account::set_webhook_secret(state, sealed.clone())?);
        }
        Ok::<_, Refusal>(events)
    };
    // The first opens it, the second gives it what belongs to it.
    log.transact::<Accounts, _>(&id, now, step).await?;
    log.transact::<Accounts, _>(&id, now, step).await?;
    Ok(())
}

pub(super) async fn create(arguments: CreateArguments, clock: &dyn Clock) -> Result<(), Failure> {
    let settings = arguments.operator.settings()?;
    let way = arguments.operator.reach().await?;
    let log = Log::connect(&way.nats, "operator").await?;
    let custody = export::custody(&log, &settings).await?;
    let account = AccountId::from_uuid(Uuid::new_v4());
    let label = match &arguments.label {
        Some(text) => Some(custody.seal_for_account(account, field::LABEL, text.trim()).await?),
        None => None,
    };
    let (key, secret) =
        if arguments.test { ("dk_test_", "ds_test_") } else { ("dk_live_", "ds_live_") };
    let outfit = Outfit {
        account,
        label,
        application: ApplicationId::from_uuid(Uuid::new_v4()),
        key: secrets::token(key).expose().to_owned(),
        secret: secrets::token(secret),
        webhook_secret: secrets::webhook_secret(),
    };
    let done = establish(&log, &custody, &outfit, clock.now()).await;
    way.close().await;
    done?;
    print(&outfit, arguments.json)
}

fn print(outfit: &Outfit, as_json: bool) -> Result<(), Failure> {
    let lines = [
        ("account", outfit.account.to_string()),
        ("application", outfit.application.to_string()),
        ("key", outfit.key.clone()),
        ("secret", outfit.secret.expose().to_owned()),
        ("webhook_secret", outfit.webhook_secret.expose().to_owned()),
    ];
    if as_json {
        let all: serde_json::Map<_, _> =
            lines.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        writeln!(stdout(), "{}", serde_json::Value::Object(all))?;
        return Ok(());
    }
    for (name, value) in lines {
        writeln!(stdout(), "{name:<16}{value}")?;
    }
    writeln!(
        stdout(),
        "The secrets are shown once and stored nowhere as they are: keep them now."
    )?;
    Ok(())
}
