//! API, worker, dispatcher and notary, run as they are run apart.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use service::{Clock, Failure, OrTry};
use tokio_util::sync::CancellationToken;

use super::{keepsake::Keepsake, servers::Servers};

/// How long the parts may take until they are ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(50);

type Part = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// The parts, built and waiting to run.
pub(crate) struct Parts {
    /// Where the API answers from this machine.
    url: String,
    readiness: api::Readiness,
    running: tokio::task::JoinSet<(&'static str, Result<(), Failure>)>,
    demo_webhook_port: u16,
    notary_key: String,
}

/// Starts the parts.
pub(crate) async fn start(
    servers: &Servers,
    clock: &Arc<dyn Clock>,
    shutdown: &CancellationToken,
) -> Result<Parts, Failure> {
    let settings = servers.settings.clone();
    let mut running = tokio::task::JoinSet::new();
    let api = api::Settings {
        api: settings.api.clone(),
        limits: settings.limits,
        quotas: settings.quotas,
        nats: servers.nats("api"),
        subscribers: servers.subscribers(),
        vault: settings.vault.clone(),
        storage: settings.storage.clone(),
        log: settings.log.clone(),
    };
    let server = api::Server::start(api, Arc::clone(clock), shutdown.clone())
        .await
        .or_try("if its port is taken: --listen 127.0.0.1:PORT")?;
    let address = server.address();
    let public_url = server.public_url().to_owned();
    let readiness = server.readiness();
    // A certificate is for the name that callers use.
    let encrypted = settings.api.tls_certificate.is_some();
    let url = if encrypted { public_url.clone() } else { format!("http://{address}") };
    let part = async move { Ok(server.serve().await?) };
    spawn(&mut running, "api", Box::pin(part));

    let worker = worker::Settings {
        worker: worker::settings::Worker {
            public_url: public_url.clone(),
            ..settings.worker.clone()
        },
        log: settings.log.clone(),
        nats: servers.nats("worker"),
        vault: settings.vault.clone(),
        storage: settings.storage.clone(),
        egress: settings.egress.clone(),
        limits: settings.limits,
        retry: settings.retry,
    };
    let (now, stop) = (Arc::clone(clock), shutdown.clone());
    let part = async move { Ok(worker::run(worker, now, stop).await?) };
    spawn(&mut running, "worker", Box::pin(part));

    let dispatcher = dispatcher::Settings {
        dispatcher: dispatcher::settings::Dispatcher { public_url, ..settings.dispatcher },
        log: settings.log.clone(),
        nats: servers.nats("dispatcher"),
        vault: settings.vault,
        storage: settings.storage,
        egress: settings.egress.clone(),
    };
    let (now, stop) = (Arc::clone(clock), shutdown.clone());
    let part = async move { Ok(dispatcher::run(dispatcher, now, stop).await?) };
    spawn(&mut running, "dispatcher", Box::pin(part));

    let notary = notary::Settings {
        notary: settings.notary,
        log: settings.log,
        nats: servers.nats("notary"),
        egress: settings.egress,
    };
    let key = (notary.notary.data.clone(), notary.notary.name.clone());
    let key = move || notary::identity::verifier(&key.0, key.1.as_deref());
    let notary_key = tokio::task::spawn_blocking(key).await??.to_string();
    let (now, stop) = (Arc::clone(clock), shutdown.clone());
    let part = async move { Ok(notary::run(notary, now, stop).await?) };
    spawn(&mut running, "notary", Box::pin(part));
    let demo_webhook_port = settings.up.demo_webhook_port;
    Ok(Parts { url, readiness, running, demo_webhook_port, notary_key })
}

fn spawn(
    running: &mut tokio::task::JoinSet<(&'static str, Result<(), Failure>)>,
    name: &'static str,
    part: Part,
) {
    running.spawn(async move { (name, part.await) });
}

impl Parts {
    /// What `demo.env` says.
    pub(crate) fn demo_env(
        &self,
        servers: &Servers,
        keepsake: &Keepsake,
    ) -> Vec<(&'static str, String)> {
        let storage = &servers.settings.storage;
        let auditor = servers.auditor();
        let endpoint = storage.endpoint.clone().unwrap_or_default();
        vec![
            ("DARKROOM_URL", self.url.clone()),
            ("DARKROOM_KEY", keepsake.key.clone()),
            ("DARKROOM_SECRET", keepsake.secret.clone()),
            ("DARKROOM_S3_ENDPOINT", endpoint),
            ("DARKROOM_S3_BUCKET", storage.bucket.clone()),
            ("DARKROOM_S3_ACCESS_KEY", storage.access_key.clone()),
            ("DARKROOM_S3_SECRET_KEY", storage.secret_key.expose().to_owned()),
            ("DARKROOM_NATS_URL", auditor.url.clone()),
            ("DARKROOM_NATS_USER", auditor.user.clone()),
            ("DARKROOM_NATS_PASSWORD", auditor.password.expose().to_owned()),
            ("DARKROOM_ACCOUNT", keepsake.account.to_string()),
            ("DARKROOM_WEBHOOK_SECRET", keepsake.webhook_secret.clone()),
            ("DARKROOM_NOTARY_KEY", self.notary_key.clone()),
            ("DARKROOM_DEMO_WEBHOOK_PORT", self.demo_webhook_port.to_string()),
        ]
    }

    /// Waits until the API serves what the log holds; false when told to stop meanwhile.
    pub(crate) async fn ready(&mut self, shutdown: &CancellationToken) -> Result<bool, Failure> {
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        loop {
            if self.readiness.is_ready() {
                return Ok(true);
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Failure::from(NotReady).or_try("see the log above"));
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(false),
                () = tokio::time::sleep(LOOK) => {}
                Some(ended) = self.running.join_next() => {
                    let (part, outcome) = ended?;
                    outcome?;
                    return Err(Failure::from(Ended { part }));
                }
            }
        }
    }

    /// Runs until all have ended; one that fails ends the others.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Failure> {
        let mut first = Ok(());
        while let Some(ended) = self.running.join_next().await {
            let outcome = match ended {
                Ok((part, Ok(()))) if !shutdown.is_cancelled() => Err(Ended { part }.into()),
                Ok((_, outcome)) => outcome,
                Err(error) => Err(error.into()),
            };
            if first.is_ok() {
                first = outcome;
            }
            shutdown.cancel();
        }
        first
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not ready within {} s", READY_WITHIN.as_secs())]
struct NotReady;

#[derive(Debug, thiserror::Error)]
#[error("the {part} ended by itself")]
struct Ended {
    part: &'static str,
}
