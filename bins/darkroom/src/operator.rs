//! The log as its operator reaches it: by settings, or by what `darkroom up` keeps in its data folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use eventlog::{
    Secret,
    server::{Binary, Embedded, Options},
};
use service::{Failure, OrTry, Sources};

use crate::{
    connection::Where,
    up::{DATA, settings::Settings},
};

/// Where `./justw` puts programs, below the working folder.
const TOOLS: &str = ".tools/bin";

/// Where the log is.
#[derive(Debug, Args)]
pub(crate) struct Operator {
    /// The data folder of `darkroom up`
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) sources: Sources,
}

/// A way to the log, kept open for as long as it is needed.
pub(crate) struct Way {
    /// How to connect.
    pub(crate) nats: eventlog::Settings,
    embedded: Option<Embedded>,
}

impl Way {
    /// Closes what was opened for it.
    pub(crate) async fn close(self) {
        if let Some(server) = self.embedded {
            server.stop().await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum OperatorError {
    #[error("nothing says how an operator reaches the log: {} is not there, and nats.password is not set", .0.display())]
    Unknown(PathBuf),
    #[error("read {}", path.display())]
    Credentials {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl Operator {
    /// All settings of the data folder.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Ok(Settings::load(&self.data, &self.sources)?)
    }

    /// The operator's way to a log that runs, where anything says it.
    pub(crate) fn known(&self, settings: &Settings) -> Result<Option<eventlog::Settings>, Failure> {
        if Self::is_given(settings) {
            return Ok(Some(settings.nats.clone()));
        }
        if self.credentials().exists() { self.running(settings) } else { Ok(None) }
    }

    fn credentials(&self) -> PathBuf {
        self.data.join("nats/credentials.json")
    }

    /// Whether settings name a log of their own.
    fn is_given(settings: &Settings) -> bool {
        !settings.nats.password.is_empty()
    }

    /// Reaches the log as its operator; starts the data folder's own server if nobody runs it.
    pub(crate) async fn reach(&self) -> Result<Way, Failure> {
        let settings = self.settings()?;
        if Self::is_given(&settings) {
            return Ok(Way { nats: settings.nats, embedded: None });
        }
        if let Some(nats) = self.running(&settings)? {
            return Ok(Way { nats, embedded: None });
        }
        self.start(&settings).await
    }

    /// The same where the data folder may hold no log yet: there one is begun.
    pub(crate) async fn begin(&self) -> Result<Way, Failure> {
        let settings = self.settings()?;
        if Self::is_given(&settings) || self.credentials().exists() {
            return self.reach().await;
        }
        self.start(&settings).await
    }

    async fn start(&self, settings: &Settings) -> Result<Way, Failure> {
        let binary = Binary::find(settings.up.nats_server.as_deref(), &tools())?;
        let embedded = Embedded::start(Options {
            data: self.data.join("nats"),
            binary,
            port: None,
            durability: settings.nats.durability,
        })
        .await?;
        Ok(Way { nats: embedded.settings("operator"), embedded: Some(embedded) })
    }

    /// The operator's way to the server that a running `up` has started.
    fn running(&self, settings: &Settings) -> Result<Option<eventlog::Settings>, Failure> {
        let path = self.credentials();
        let text = fs::read(&path)
            .map_err(|_absent| OperatorError::Unknown(path.clone()))
            .or_try("name the folder of `darkroom up` with --data, or --set nats.url=... nats.user=operator nats.password=...")?;
        let passwords: BTreeMap<String, String> = serde_json::from_slice(&text)
            .map_err(|source| OperatorError::Credentials { path, source })?;
        let Some(url) = Where::of(&self.data)
            .and_then(|known| known.find("DARKROOM_NATS_URL").map(ToOwned::to_owned))
        else {
            return Ok(None);
        };
        let password = |user: &str| Secret::new(passwords.get(user).cloned().unwrap_or_default());
        Ok(Some(eventlog::Settings {
            url,
            user: "operator".to_owned(),
            password: password("operator"),
            system_user: "observer".to_owned(),
            system_password: password("observer"),
            ..settings.nats.clone()
        }))
    }
}

/// Folders where a nats-server may have been put.
pub(crate) fn tools() -> [&'static Path; 1] {
    [Path::new(TOOLS)]
}
