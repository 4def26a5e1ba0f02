//! What a worker can be told. `defaults.toml` is the manual.

use std::path::PathBuf;

use domain::{limits::Limits, retry::Backoff};
use serde::Deserialize;

/// The defaults, as TOML.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// All sections that a worker reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[worker]`
    pub worker: Worker,
    /// `[log]`
    pub log: service::LogSettings,
    /// `[nats]`
    pub nats: eventlog::Settings,
    /// `[vault]`
    pub vault: vault::Settings,
    /// `[storage]`
    pub storage: storage::Settings,
    /// `[egress]`
    pub egress: egress::Settings,
    /// `[limits]`
    pub limits: Limits,
    /// `[retry]`
    pub retry: Backoff,
}

/// The `[worker]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Jobs at once; 0: one per CPU.
    pub slots: usize,
    /// Renderers started ahead; 0: as many as slots.
    pub renderers_ready: usize,
    /// The renderer's executable.
    #[serde(default)]
    pub renderer: Option<PathBuf>,
    /// Largest source that stays in memory, in bytes.
    pub spool_memory_bytes: u64,
    /// Folder for larger ones.
    pub spool: PathBuf,
    /// Uploads of one job at once.
    pub uploads: usize,
    /// The public base of the API, without a trailing slash.
    pub public_url: String,
    /// How long jobs may go on after a stop was asked for, in milliseconds.
    pub drain_ms: u64,
}

impl Worker {
    /// Jobs at once.
    #[must_use]
    pub fn slots(&self) -> usize {
        if self.slots > 0 {
            return self.slots;
        }
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }

    /// How renderers are started.
    ///
    /// # Errors
    /// When no renderer lies beside the running executable and none is named.
    pub fn renderers(&self) -> Result<enclave::Config, enclave::StartError> {
        let running = self.slots();
        let ready = if self.renderers_ready > 0 { self.renderers_ready } else { running };
        match &self.renderer {
            Some(executable) => {
                // The renderer is started from a folder of its own.
                let executable =
                    std::path::absolute(executable).map_err(enclave::StartError::Locate)?;
                Ok(enclave::Config { executable, ready, running })
            }
            None => enclave::Config::beside_current_exe(ready, running),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_settings() {
        let settings: Settings = toml::from_str(DEFAULTS).unwrap();
        assert!(settings.worker.slots() >= 1);
        assert_eq!(settings.retry, Backoff::default());
    }
}
