//! `darkroom up`: everything in one process, on this machine, with nothing prepared by hand.
//!
//! It starts what is not given, a nats-server and an S3 server on loopback, makes an account, and
//! then runs the same API, worker and dispatcher that run apart elsewhere.

mod account;
mod banner;
pub(crate) mod demo_env;
pub(crate) mod keepsake;
mod owner;
mod parts;
mod servers;
pub(crate) mod settings;

use std::{
    fs::{self, File, TryLockError},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use eventlog::{Log, topology};
use service::{Clock, Failure, OrTry, Sources, SystemClock, telemetry};
use tokio_util::sync::CancellationToken;

use self::{demo_env::DemoEnv, keepsake::Keepsake, servers::Servers, settings::Settings};

/// Where everything lies unless told otherwise.
pub(crate) const DATA: &str = ".darkroom";

/// Build up everything on this machine: event log, bucket, API, worker, dispatcher
#[derive(Args)]
#[command(after_help = "\
Examples:
  darkroom up                                  everything embedded, data in ./.darkroom
  darkroom up --data /var/lib/darkroom         another data folder
  darkroom up --nats tls://nats.example.org    an event log of your own
  darkroom up --set worker.slots=8             any setting; DARKROOM__WORKER__SLOTS=8 does the same

Once ready it writes DATA/demo.env, which scripts can source, and stops what it started on SIGTERM.")]
pub(crate) struct Arguments {
    /// Keep everything in this folder
    #[arg(long, value_name = "DIR", default_value = DATA)]
    data: PathBuf,
    /// Serve the API on this address; beyond loopback it needs api.tls_certificate and api.tls_key
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Use this NATS server instead of starting one; beyond loopback only tls://
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// What an accepted job must have survived: `synced` (a power cut) or `relaxed`
    #[arg(long, value_name = "PROMISE")]
    durability: Option<String>,
    #[command(flatten)]
    sources: Sources,
}

/// The data folder cannot be ours.
#[derive(Debug, thiserror::Error)]
enum FolderError {
    /// It cannot be used.
    #[error("use the data folder {}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error("another `darkroom up` runs on {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// Runs until `shutdown`.
pub(crate) async fn run(
    mut arguments: Arguments,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let own_nats = arguments.nats.is_none();
    let flags = [
        ("api.listen", arguments.listen.map(|address| address.to_string())),
        ("nats.url", arguments.nats.take()),
        ("nats.durability", arguments.durability.take()),
    ];
    for (key, value) in flags {
        arguments.sources.set.extend(value.map(|value| format!("{key}={value}")));
    }
    let settings = Settings::load(&arguments.data, &arguments.sources)?;
    telemetry::init(&settings.log)?;
    let lock = own(&arguments.data)
        .or_try("stop the other one, or give this one a folder of its own with --data")?;
    DemoEnv::clear(&arguments.data)?;
    let keepsake = Keepsake::keep(&arguments.data.join("credentials.json"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    // Servers outlive what uses them.
    let servers_stop = CancellationToken::new();
    let servers =
        Servers::start(&arguments.data, settings, &keepsake, own_nats, servers_stop.clone())
            .await?;
    let ran = serve(&arguments.data, &servers, &keepsake, clock, shutdown).await;
    servers_stop.cancel();
    servers.stop().await;
    drop(lock);
    ran
}

async fn serve(
    data: &Path,
    servers: &Servers,
    keepsake: &Keepsake,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let nats = servers.nats("operator");
    Log::prove_durability(&nats).await?;
    let operator = Log::connect(&nats, "operator").await?;
    topology::apply(&operator, nats.replicas).await?;
    let invitation = account::open(&operator, servers, keepsake, clock.now()).await?;
    drop(operator);
    let mut parts = parts::start(servers, &clock, &shutdown).await?;
    let env = parts.demo_env(servers, keepsake);
    let ready = parts.ready(&shutdown).await?;
    let written = if ready {
        let written = DemoEnv::write(data, &env)?;
        let console = banner::console(&env, invitation.as_ref().map(|token| token.as_str()));
        banner::show(data, &env, &console)?;
        drop((console, invitation));
        Some(written)
    } else {
        None
    };
    let ran = parts.run(shutdown).await;
    drop(written);
    ran
}

/// Makes the folder and takes it.
fn own(data: &Path) -> Result<File, FolderError> {
    let unusable = |source| FolderError::Unusable { path: data.to_owned(), source };
    fs::create_dir_all(data).map_err(unusable)?;
    let lock = File::create(data.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(FolderError::InUse { path: data.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}
