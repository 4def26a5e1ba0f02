//! The servers that everything else stands on: those started here, or those given.

use std::{net::SocketAddr, path::Path};

use eventlog::server::{Binary, Embedded, Options};
use service::{Failure, OrTry};
use storage::{Credentials, Secret, embedded};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{keepsake::Keepsake, settings::Settings};

/// Where `./justw` puts programs, below the working folder.
const TOOLS: &str = ".tools/bin";

/// Servers that run, and how each part reaches them.
pub(crate) struct Servers {
    pub(crate) settings: Settings,
    nats: Option<Embedded>,
    s3: Option<(SocketAddr, JoinHandle<()>)>,
}

impl Servers {
    /// Starts what is not given.
    pub(crate) async fn start(
        data: &Path,
        mut settings: Settings,
        keepsake: &Keepsake,
        own_nats: bool,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let nats = if own_nats { Some(start_nats(data, &settings).await?) } else { None };
        let own_s3 = settings.storage.endpoint.is_none() && settings.storage.access_key.is_empty();
        let mut s3 = None;
        if own_s3 {
            let server = bind_s3(data, &settings, keepsake).await?;
            settings.storage.endpoint = Some(server.endpoint());
            settings.storage.access_key.clone_from(&keepsake.s3_access_key);
            settings.storage.secret_key = Secret::from(keepsake.s3_secret_key.as_str());
            s3 = Some((server.address(), tokio::spawn(server.serve(stop))));
        }
        let mut servers = Self { settings, nats, s3 };
        servers.allow_own_ports()?;
        Ok(servers)
    }

    /// How a role reaches the log.
    pub(crate) fn nats(&self, role: &str) -> eventlog::Settings {
        let given = || self.settings.nats.clone();
        self.nats.as_ref().map_or_else(given, |embedded| embedded.settings(role))
    }

    /// How whoever looks at the log reaches it, with a client of any kind.
    pub(crate) fn auditor(&self) -> eventlog::Settings {
        let given = || self.settings.nats.clone();
        self.nats.as_ref().map_or_else(given, Embedded::auditor_by_password)
    }

    /// What lets customers' own NATS clients in.
    pub(crate) fn subscribers(&self) -> eventlog::callout::Settings {
        let given = || self.settings.subscribers.clone();
        self.nats.as_ref().map_or_else(given, Embedded::callout)
    }

    /// Sources in the platform bucket and the demo's webhook lie on loopback, which is refused
    /// otherwise: exactly those two ports are let through.
    fn allow_own_ports(&mut self) -> Result<(), Failure> {
        let Some((s3, _)) = &self.s3 else { return Ok(()) };
        let mut allow: Vec<String> =
            self.settings.egress.allow.entries().iter().map(ToString::to_string).collect();
        for port in [s3.port(), self.settings.up.demo_webhook_port] {
            allow.push(format!("127.0.0.1/32:{port}"));
        }
        self.settings.egress.allow = allow.join(",").parse()?;
        Ok(())
    }

    /// Stops what was started, the log last.
    pub(crate) async fn stop(self) {
        if let Some((_, server)) = self.s3
            && let Err(error) = server.await
        {
            tracing::error!(%error, "the embedded S3 server ended badly");
        }
        if let Some(nats) = self.nats {
            nats.stop().await;
        }
    }
}

async fn start_nats(data: &Path, settings: &Settings) -> Result<Embedded, Failure> {
    let folders = [Path::new(TOOLS)];
    let binary = Binary::find(settings.up.nats_server.as_deref(), &folders)
        .or_try("run it as `./justw up`, which installs nats-server, or set up.nats_server")?;
    let options = Options {
        data: data.join("nats"),
        binary,
        port: Some(settings.up.nats_port),
        durability: settings.nats.durability,
    };
    Embedded::start(options)
        .await
        .or_try("if its port is taken: --set up.nats_port=PORT; if not, see the log above")
}

async fn bind_s3(
    data: &Path,
    settings: &Settings,
    keepsake: &Keepsake,
) -> Result<embedded::Server, Failure> {
    let options = embedded::Options {
        listen: SocketAddr::from(([127, 0, 0, 1], settings.up.s3_port)),
        data: data.join("s3"),
        buckets: vec![settings.storage.bucket.clone()],
        admin: Credentials {
            access_key: keepsake.s3_access_key.clone(),
            secret_key: Secret::from(keepsake.s3_secret_key.as_str()),
            session_token: None,
            role: None,
        },
        writer: None,
    };
    embedded::Server::bind(options).await.or_try("if its port is taken: --set up.s3_port=PORT")
}
