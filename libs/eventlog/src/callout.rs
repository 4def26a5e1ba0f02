//! The gate: lets customers' own NATS clients in, and answers what they ask.
//!
//! The server asks here about everybody who is not one of its own users (auth callout), and admits
//! whom we vouch for into the account `CUSTOMERS`, with rights to the subjects of their own account
//! and no others. There is no JetStream there. What a customer asks of consumers is heard by
//! [`Gate::serve`], which looks at it and asks JetStream itself: JetStream sends its answers wherever
//! it is told to, and must not be told by strangers.

mod desk;
#[doc(hidden)]
pub mod fuzzed;
mod guests;
mod review;
mod rights;
#[cfg(test)]
mod strangers;
mod token;
mod wish;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use async_nats::{Client, Message};
use domain::id::AccountId;
use futures::{StreamExt as _, future};
use jiff::Timestamp;
use nkeys::{KeyPair, XKey};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

pub use self::{review::Reviewed, rights::Sees};
use crate::{
    connect,
    error::{ConnectError, Unavailable},
    nkey::UserKey,
    settings::{Secret, Settings as Nats},
};

/// Where the server asks who somebody is.
const QUESTIONS: &str = "$SYS.REQ.USER.AUTH";
/// All processes that answer share what is asked.
const GROUP: &str = "gate";
/// Questions at work at once; further ones wait, and the server gives up on them after a while.
const AT_ONCE: usize = 64;
/// How long an answer may take: the server waits for 5 s (`users.conf`).
const PATIENCE: Duration = Duration::from_secs(3);

/// The `[subscribers]` section: what the gate holds. Without it nobody is let in.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The seed of `gate`'s NKey (`SU...`); or the password of `gate`, `desk` and `usher`.
    pub password: Secret,
    /// The seed of `desk`'s NKey, or its password; `password` if absent.
    pub desk_password: Secret,
    /// The seed of `usher`'s NKey, or its password; `password` if absent.
    pub usher_password: Secret,
    /// The seed of the account key that signs who is let in (`SA...`).
    pub issuer_seed: Secret,
    /// The seed of the curve key that questions are sealed to (`SX...`).
    pub xkey_seed: Secret,
}

impl Settings {
    /// Whether anybody is to be let in.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !(self.password.is_empty() && self.issuer_seed.is_empty() && self.xkey_seed.is_empty())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("set", &self.is_set()).finish_non_exhaustive()
    }
}

/// The gate cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A seed is none.
    #[error("subscribers.{key} is no such seed: `darkroom nats keys` makes a pair")]
    Seed {
        /// Which.
        key: &'static str,
        /// Why not.
        #[source]
        source: nkeys::error::Error,
    },
    /// A seed is one of something else.
    #[error(
        "subscribers.issuer_seed is the seed of something else than an account: `darkroom nats keys` makes one"
    )]
    NoAccount,
    /// The servers cannot be reached, or refuse the password.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// The two key pairs of the gate.
pub struct Keys {
    issuer: KeyPair,
    xkey: XKey,
}

impl Keys {
    /// New ones.
    #[must_use]
    pub fn generate() -> Self {
        Self { issuer: KeyPair::new_account(), xkey: XKey::new() }
    }

    /// Those of `settings`.
    ///
    /// # Errors
    /// [`GateError`] which names the key.
    pub fn read(settings: &Settings) -> Result<Self, GateError> {
        let wrong = |key| move |source| GateError::Seed { key, source };
        let issuer =
            KeyPair::from_seed(settings.issuer_seed.expose()).map_err(wrong("issuer_seed"))?;
        if !issuer.public_key().starts_with('A') {
            return Err(GateError::NoAccount);
        }
        let xkey = XKey::from_seed(settings.xkey_seed.expose()).map_err(wrong("xkey_seed"))?;
        Ok(Self { issuer, xkey })
    }

    /// The seeds: of the issuer, and of the curve key.
    #[must_use]
    pub fn seeds(&self) -> (Secret, Secret) {
        // Both were made, or read, with their seeds.
        let seed = |seed: Result<String, _>| Secret::new(seed.unwrap_or_default());
        (seed(self.issuer.seed()), seed(self.xkey.seed()))
    }

    /// The public halves, as `users.conf` has them: of the issuer, and of the curve key.
    #[must_use]
    pub fn public(&self) -> (String, String) {
        (self.issuer.public_key(), self.xkey.public_key())
    }
}

/// What somebody shows who wants in.
pub struct Claim {
    /// The user name: a public key.
    pub key: String,
    /// The password: its secret.
    pub secret: Secret,
    /// Where they connect from.
    pub host: String,
}

/// Who is let in.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Whose subjects they may hear.
    pub account: AccountId,
    /// What the connection is called by, for [`Gate::review`]: it says which secret was shown.
    pub guest: String,
    /// When that secret ends, if it does.
    pub until: Option<Timestamp>,
    /// What of the account they may hear.
    pub sees: Sees,
}

/// The gate. Clones share its connections.
#[derive(Clone)]
pub struct Gate {
    /// As `gate`: hears who wants in.
    client: Client,
    /// As `desk`: hears what customers ask, asks JetStream.
    desk: Client,
    /// As `usher`: ends connections.
    usher: Client,
    /// What servers call `desk`: our own among customers' connections. No customer can be called that, since
    /// servers ask for its key or password.
    own: Arc<str>,
    keys: Arc<Keys>,
    guests: Arc<guests::Guests>,
}

impl Gate {
    /// Connects to the servers of `nats`.
    ///
    /// # Errors
    /// [`GateError`], which says what to set.
    pub async fn open(nats: &Nats, settings: &Settings) -> Result<Self, GateError> {
        let keys = Keys::read(settings)?;
        let gates = &settings.password;
        let [desks, ushers] = [&settings.desk_password, &settings.usher_password]
            .map(|secret| if secret.is_empty() { gates } else { secret });
        let client = connect::connect(nats, "gate", "gate", gates).await?;
        let desk = connect::connect(nats, "desk", "desk", desks).await?;
        let usher = connect::connect(nats, "usher", "usher", ushers).await?;
        let own = UserKey::of(desks).map_or_else(|| "desk".into(), |key| key.public().into());
        Ok(Self { client, desk, usher, own, keys: keys.into(), guests: Arc::default() })
    }

    /// Answers who may come in, until `shutdown`. `admit` is told what somebody shows, and answers
    /// who that is, if anybody. Who cannot be answered about is not let in.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no connection to hear questions on.
    pub async fn admit<F, Fut>(
        &self,
        admit: F,
        shutdown: &CancellationToken,
    ) -> Result<(), Unavailable>
    where
        F: Fn(Claim) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Admission>> + Send + 'static,
    {
        let questions = hear(&self.client, QUESTIONS).await?;
        let admit = Arc::new(admit);
        let answered =
            questions.take_until(shutdown.cancelled()).for_each_concurrent(AT_ONCE, |message| {
                let (gate, admit) = (self.clone(), Arc::clone(&admit));
                async move {
                    match tokio::time::timeout(PATIENCE, gate.answer(&*admit, message)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::warn!(error, "nobody was let in at NATS"),
                        Err(_) => tracing::warn!("who wants in at NATS was not answered in time"),
                    }
                }
            });
        answered.await;
        Ok(())
    }

    async fn answer<F, Fut>(&self, admit: &F, message: Message) -> Result<(), &'static str>
    where
        F: Fn(Claim) -> Fut + Send + Sync,
        Fut: Future<Output = Option<Admission>> + Send,
    {
        let reply = message.reply.clone().ok_or("nobody waits for the answer")?;
        let question = token::Question::read(&message, &self.keys.xkey)?;
        let admission = match question.claim() {
            Some(claim) => admit(claim).await,
            None => None,
        };
        let answer = question.answer(admission.as_ref(), &self.keys.issuer, &self.keys.xkey)?;
        if let Some(admission) = &admission {
            self.guests.came(admission.account);
        }
        self.client
            .publish(reply, answer.into())
            .await
            .map_err(|_closed| "the connection is gone for good")
    }

    /// Whether as many of the account's clients are connected as may be.
    #[must_use]
    pub fn is_full(&self, account: AccountId) -> bool {
        self.guests.is_full(account)
    }

    /// Answers what customers ask of consumers, until `shutdown`.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no connection to hear questions on.
    pub async fn serve(&self, shutdown: &CancellationToken) -> Result<(), Unavailable> {
        let asked = hear(&self.desk, desk::ASKED).await?;
        let settled = hear(&self.desk, desk::SETTLED).await?;
        let desk = Arc::new(desk::Desk::new(self.desk.clone()));
        let ask = asked.take_until(shutdown.cancelled()).for_each_concurrent(AT_ONCE, |message| {
            let desk = Arc::clone(&desk);
            async move { desk.ask(message).await }
        });
        let settle = settled.take_until(shutdown.cancelled()).for_each(|message| {
            let desk = Arc::clone(&desk);
            async move { desk.settle(message).await }
        });
        future::join(ask, settle).await;
        Ok(())
    }
}

/// What one of all processes that listen is to answer.
async fn hear(
    client: &Client,
    subject: &'static str,
) -> Result<async_nats::Subscriber, Unavailable> {
    client
        .queue_subscribe(subject, GROUP.to_owned())
        .await
        .map_err(|source| Unavailable::new("hear what customers ask", source))
}
