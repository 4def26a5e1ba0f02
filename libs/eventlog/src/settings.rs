//! Where the log is and what it must promise: the `[nats]` section.

use std::{fmt, path::PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

/// A password. It has no textual form of its own, so that it reaches no log and no error.
#[derive(Clone, Default, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Secret {
    /// Keeps `text` secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What an acknowledged append has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Every server writes through to its disk before it acknowledges.
    #[default]
    Synced,
    /// Servers write through when they see fit: a power cut may lose what was acknowledged.
    Relaxed,
}

/// The `[nats]` section.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `nats://` on loopback, `tls://` beyond; several servers of a cluster parted by commas.
    pub url: String,
    /// The user of this process' role.
    pub user: String,
    /// Its password; or the seed of its NKey (`SU...`), which is not sent: the process signs what the
    /// server asks of it, and the server knows the public half alone.
    pub password: Secret,
    /// Certificates that vouch for the servers, in PEM; the system's own if absent.
    pub ca_file: Option<PathBuf>,
    /// What an acknowledged append must have survived.
    pub durability: Durability,
    /// The system account's user that may ask the servers how they store; needed unless relaxed.
    pub system_user: String,
    /// Its password.
    pub system_password: Secret,
    /// Copies of every stream: 1, or 3 in a cluster.
    pub replicas: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".into(),
            user: String::new(),
            password: Secret::default(),
            ca_file: None,
            durability: Durability::Synced,
            system_user: "observer".into(),
            system_password: Secret::default(),
            replicas: 1,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("user", &self.user)
            .field("ca_file", &self.ca_file)
            .field("durability", &self.durability)
            .field("system_user", &self.system_user)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
