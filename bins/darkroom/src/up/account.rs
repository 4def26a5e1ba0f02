//! The first account, made by the same events as every other.

use std::sync::Arc;

use custody::Custody;
use domain::Timestamp;
use eventlog::{Keys, Log};
use service::{Failure, OrTry};
use storage::{Network, Patience};
use vault::{Role, Secret, Vault};
use zeroize::Zeroizing;

use super::{keepsake::Keepsake, owner, servers::Servers};
use crate::account::{Outfit, establish};

/// Opens the account of `keepsake` with its key pair and webhook secret, as far as it is not there;
/// answers the token by which its first person joins, if nobody has.
pub(crate) async fn open(
    operator: &Log,
    servers: &Servers,
    keepsake: &Keepsake,
    now: Timestamp,
) -> Result<Option<Zeroizing<String>>, Failure> {
    let vault = Vault::open(&servers.settings.vault, Role::Opens, Arc::new(Keys::new(operator)))
        .await
        .or_try("put the key ring files back that this log was made with")?;
    let network = Network::direct(Patience::default());
    let custody = Custody::new(Arc::new(vault), &servers.settings.storage, &network).await?;
    let outfit = Outfit {
        account: keepsake.account,
        label: None,
        application: keepsake.application,
        key: keepsake.key.clone(),
        secret: Secret::from(keepsake.secret.as_str()),
        webhook_secret: Secret::from(keepsake.webhook_secret.as_str()),
    };
    establish(operator, &custody, &outfit, now).await?;
    let until = servers.settings.api.sessions.invitation_until(now);
    owner::invite(operator, &custody, keepsake.account, (now, until)).await
}
