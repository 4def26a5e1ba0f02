//! The first account, made by the same events as every other.

use std::sync::Arc;

use custody::Custody;
use domain::{
    Timestamp,
    account::{self, Accounts, Application, Terms},
    sealed::field,
};
use eventlog::{Keys, Log};
use service::{Failure, OrTry};
use storage::{Network, Patience};
use vault::{Role, Vault};

use super::{keepsake::Keepsake, servers::Servers};

/// Opens the account of `keepsake` with its key pair and webhook secret, as far as it is not there.
pub(crate) async fn open(
    operator: &Log,
    servers: &Servers,
    keepsake: &Keepsake,
    now: Timestamp,
) -> Result<(), Failure> {
    let vault = Vault::open(&servers.settings.vault, Role::Opens, Arc::new(Keys::new(operator)))
        .await
        .or_try("put the key ring files back that this log was made with")?;
    let network = Network::direct(Patience::default());
    let custody = Custody::new(Arc::new(vault), &servers.settings.storage, &network).await?;
    let id = keepsake.account;
    let secret = &keepsake.webhook_secret;
    let sealed = custody.seal_credential(id, field::WEBHOOK_SECRET, secret).await?;
    let application = Application {
        application: keepsake.application,
        key: keepsake.key.clone(),
        secret_digest: custody.secret_digest(&keepsake.secret),
        terms: Terms::default(),
    };
    let step = |state: &account::State| {
        let mut events = account::open(state, None)?;
        if state.opened_at.is_none() {
            return Ok(events);
        }
        events.extend(account::add_application(state, application.clone())?);
        if state.webhook_secret.is_none() {
            events.extend(account::set_webhook_secret(state, sealed.clone())?);
        }
        Ok::<_, account::Refusal>(events)
    };
    // The first opens it, the second gives it what belongs to it.
    operator.transact::<Accounts, _>(&id, now, step).await?;
    operator.transact::<Accounts, _>(&id, now, step).await?;
    Ok(())
}
