//! What a dispatcher can be told. `defaults.toml` is the manual.

use std::path::PathBuf;

use domain::retry::Schedule;
use serde::Deserialize;

/// The defaults, as TOML.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// All sections that a dispatcher reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[dispatcher]`
    pub dispatcher: Dispatcher,
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
}

/// The `[dispatcher]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispatcher {
    /// Deliveries under way at once.
    pub slots: usize,
    /// Deliveries under way at once to one endpoint that asks for no other number.
    pub at_once: u32,
    /// Longest attempt, in milliseconds.
    pub timeout_ms: u64,
    /// Waits between attempts, in seconds.
    pub retry_after_s: Schedule,
    /// Longest `Retry-After` that is honoured, in seconds.
    pub longest_retry_after_s: u64,
    /// The folder in which attempts are noted while they are under way, so that those of a process that is
    /// killed get into the log. Dispatchers of one machine may share it.
    pub attempts: PathBuf,
    /// The public base of the API, without a trailing slash.
    pub public_url: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_settings() {
        let settings: Settings = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(settings.dispatcher.retry_after_s, Schedule::default());
    }
}
