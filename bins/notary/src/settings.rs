//! What a notary can be told. `defaults.toml` is the manual.

use std::{collections::BTreeMap, path::PathBuf};

use eventlog::Secret;
use serde::Deserialize;

/// The defaults, as TOML.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// All sections that a notary reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[notary]`
    pub notary: Notary,
    /// `[log]`
    pub log: service::LogSettings,
    /// `[nats]`
    pub nats: eventlog::Settings,
    /// `[egress]`
    pub egress: egress::Settings,
}

/// The `[notary]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notary {
    /// The folder of the signing key and of what was signed last.
    #[serde(default)]
    pub data: PathBuf,
    /// What the deployment is called in its checkpoints.
    #[serde(default)]
    pub name: Option<String>,
    /// After so many events a stream is signed.
    pub every_events: u64,
    /// After so many milliseconds a stream that grew is signed.
    pub every_ms: u64,
    /// Verifier keys of notaries before this one.
    pub succeeds: Vec<String>,
    /// Up to which sequences events are known to be gone, by stream.
    #[serde(default)]
    pub absent: BTreeMap<String, u64>,
    /// Where each checkpoint is written, one file for each stream.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Where each checkpoint is stored.
    #[serde(default)]
    pub bucket: Option<storage::Settings>,
    /// Where each checkpoint is posted.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// Who else signs each checkpoint.
    #[serde(default)]
    pub witnesses: Vec<Witness>,
}

/// The `[notary.webhook]` section.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The receiver.
    pub url: String,
    /// What posts are signed with.
    pub secret: Secret,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[webhook]")
    }
}

/// One of `[[notary.witnesses]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its submission prefix.
    pub url: String,
    /// Its verifier key.
    pub key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_settings() {
        let settings: Settings = toml::from_str(DEFAULTS).unwrap();
        assert_eq!((settings.notary.every_events, settings.notary.every_ms), (1_000, 60_000));
    }

    #[test]
    fn what_is_shown_as_an_example_is_settings_too() {
        let mut lines = Vec::new();
        for line in DEFAULTS.lines() {
            match line.strip_prefix("# ") {
                Some(set) if set.starts_with('[') || set.contains(" = ") => lines.push(set),
                _ => lines.push(line),
            }
        }
        let settings: Settings = toml::from_str(&lines.join("\n")).unwrap();
        let Notary { bucket, webhook, witnesses, absent, folder, .. } = settings.notary;
        assert!(bucket.is_some() && webhook.is_some() && folder.is_some());
        assert_eq!((witnesses.len(), absent["DELIVERIES"]), (1, 5_000));
    }
}
