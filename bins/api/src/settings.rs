//! What an API process can be told: the `[api]` section, and the sections of what it uses.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use domain::limits::{Limits, Quotas};
use serde::Deserialize;
use service::LogSettings;
use url::Url;

use crate::sessions::settings::Sessions;

/// The defaults, which are also the manual.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Everything an API process can be told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How requests are taken and answered.
    pub api: Api,
    /// What one job may use. Workers hold jobs to it; here it is shown.
    pub limits: Limits,
    /// What an account's jobs and uploads may use together.
    pub quotas: Quotas,
    /// The log.
    pub nats: eventlog::Settings,
    /// What lets customers' own NATS clients in.
    pub subscribers: eventlog::callout::Settings,
    /// The master keys.
    pub vault: vault::Settings,
    /// The platform bucket.
    pub storage: storage::Settings,
    /// What is logged.
    pub log: LogSettings,
}

/// The sections that say how requests are answered.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// How requests are taken and answered.
    pub api: Api,
    /// What one job may use.
    pub limits: Limits,
    /// What an account's jobs and uploads may use together.
    pub quotas: Quotas,
}

impl From<Api> for Served {
    fn from(api: Api) -> Self {
        Self { api, ..Self::default() }
    }
}

/// The `[api]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Address to listen on; port 0 takes a free one. Beyond loopback it needs a certificate.
    pub listen: SocketAddr,
    /// What callers reach this API under; empty: the address it listens on.
    pub public_url: String,
    /// Certificate chain, in PEM.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    pub tls_key: Option<PathBuf>,
    /// Folder of the read model. Each process needs its own.
    pub data: PathBuf,
    /// Most connections at once; further ones are told to come back.
    pub max_connections: usize,
    /// Most requests at work at once; further ones are told to come back.
    pub max_in_flight: usize,
    /// Most event streams open at once; further ones are told to come back.
    pub max_streams: usize,
    /// Most event streams and exports that one account may have open at once.
    pub max_streams_per_account: usize,
    /// Largest body, in bytes.
    pub body_bytes: usize,
    /// How long a client may take over a TLS handshake and over the head of a request, and how
    /// long it may keep a connection open without one, in milliseconds.
    pub header_read_ms: u64,
    /// How long a client may take over a body, in milliseconds.
    pub body_read_ms: u64,
    /// How long an answer may take once the request is there, in milliseconds.
    pub request_ms: u64,
    /// How long requests under way may go on after the stop, in milliseconds.
    pub drain_ms: u64,
    /// How long a read waits for the read model before it goes to the log itself, in milliseconds.
    pub read_barrier_ms: u64,
    /// How long an upload can be completed once it was begun, in seconds.
    pub upload_expires_s: u64,
    /// The public keys of receipts, as workers write it.
    pub receipt_keys_file: PathBuf,
    /// How members log in.
    pub sessions: Sessions,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7780)),
            public_url: String::new(),
            tls_certificate: None,
            tls_key: None,
            data: PathBuf::from(".darkroom/api"),
            max_connections: 1_024,
            max_in_flight: 512,
            max_streams: 256,
            max_streams_per_account: 32,
            body_bytes: 1 << 20,
            header_read_ms: 15_000,
            body_read_ms: 15_000,
            request_ms: 10_000,
            drain_ms: 10_000,
            read_barrier_ms: 500,
            upload_expires_s: 7 * 24 * 3_600,
            receipt_keys_file: PathBuf::from(".darkroom/receipts.pub"),
            sessions: Sessions::default(),
        }
    }
}

/// What is wrong with the `[api]` section; each text names the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// Keys would be sent in the clear.
    #[error(
        "api.listen is {0}, beyond loopback: set api.tls_certificate and api.tls_key to the PEM files of its certificate"
    )]
    Plaintext(SocketAddr),
    /// One file without the other.
    #[error("api.tls_certificate and api.tls_key belong together: set both or none")]
    HalfCertificate,
    /// Not something that links can be built on.
    #[error("api.public_url is `{0}`: use a URL such as https://darkroom.example, without query")]
    PublicUrl(String),
    /// A limit that lets nothing through.
    #[error("api.{0} is 0: use at least 1")]
    Zero(&'static str),
    /// A cost that makes hashes too easy, or log-ins too slow.
    #[error("api.sessions.bcrypt_cost is {0}: use {min} to {max}", min = passwords::MIN_COST, max = passwords::MAX_COST)]
    BcryptCost(u32),
}

impl Api {
    /// Whether it is served over TLS.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.tls_certificate.is_some()
    }

    /// Checks what no single key shows.
    ///
    /// # Errors
    /// [`InvalidSettings`], which names the key.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err(InvalidSettings::HalfCertificate);
        }
        if !self.listen.ip().is_loopback() && !self.is_encrypted() {
            return Err(InvalidSettings::Plaintext(self.listen));
        }
        for (name, value) in [
            ("max_connections", self.max_connections as u64),
            ("max_in_flight", self.max_in_flight as u64),
            ("max_streams", self.max_streams as u64),
            ("max_streams_per_account", self.max_streams_per_account as u64),
            ("body_bytes", self.body_bytes as u64),
            ("header_read_ms", self.header_read_ms),
            ("body_read_ms", self.body_read_ms),
            ("request_ms", self.request_ms),
            ("read_barrier_ms", self.read_barrier_ms),
            ("upload_expires_s", self.upload_expires_s),
        ] {
            if value == 0 {
                return Err(InvalidSettings::Zero(name));
            }
        }
        self.sessions.check()?;
        self.public_base(self.listen).map(drop)
    }

    /// The base of links, without a trailing slash, when listening on `bound`.
    pub(crate) fn public_base(&self, bound: SocketAddr) -> Result<String, InvalidSettings> {
        if self.public_url.is_empty() {
            let scheme = if self.is_encrypted() { "https" } else { "http" };
            return Ok(format!("{scheme}://{bound}"));
        }
        let invalid = || InvalidSettings::PublicUrl(self.public_url.clone());
        let Ok(url) = Url::parse(&self.public_url) else { return Err(invalid()) };
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if !web || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(invalid());
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    pub(crate) const fn read_barrier(&self) -> Duration {
        Duration::from_millis(self.read_barrier_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_file_says_what_the_code_does() {
        let sources = service::Sources {
            environment: service::settings::Environment::Given(vec![]),
            ..service::Sources::default()
        };
        let read: Settings = service::settings::load(DEFAULTS, &sources).unwrap();
        assert_eq!(format!("{:?}", read.api), format!("{:?}", Api::default()));
        assert_eq!(read.api.check(), Ok(()));
        assert_eq!((read.quotas, read.limits), (Quotas::default(), Limits::default()));
    }

    #[test]
    fn plaintext_beyond_loopback_is_refused_by_the_names_of_the_keys() {
        let listen = "0.0.0.0:7780".parse().unwrap();
        let open = Api { listen, ..Api::default() };
        let refused = open.check().unwrap_err().to_string();
        assert!(refused.contains("api.tls_certificate") && refused.contains("api.tls_key"));
        let half = Api { tls_certificate: Some("c.pem".into()), ..Api::default() };
        assert_eq!(half.check(), Err(InvalidSettings::HalfCertificate));
        let whole = Api { tls_key: Some("k.pem".into()), listen, ..half };
        assert_eq!(whole.check(), Ok(()));
    }

    #[test]
    fn a_public_url_is_a_base_for_links() {
        let with = |url: &str| Api { public_url: url.to_owned(), ..Api::default() };
        let bound = "127.0.0.1:9".parse().unwrap();
        assert_eq!(with("").public_base(bound), Ok("http://127.0.0.1:9".to_owned()));
        assert_eq!(with("https://d.example/").public_base(bound), Ok("https://d.example".into()));
        for wrong in ["d.example", "ftp://d.example", "https://d.example/?a", "https://u@d.example"]
        {
            assert!(with(wrong).check().is_err(), "{wrong}");
        }
        let none = Api { max_in_flight: 0, ..Api::default() };
        assert_eq!(none.check(), Err(InvalidSettings::Zero("max_in_flight")));
    }
}
