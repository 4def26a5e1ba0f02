//! The settings of everything in one process: the sections of each part, and `[up]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use service::{LogSettings, SettingsError, Sources, settings::load};
use toml::{Table, Value};

const OWN: &str = include_str!("../defaults.toml");

/// Every section there is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) up: Up,
    pub(crate) api: api::Api,
    pub(crate) worker: worker::settings::Worker,
    pub(crate) dispatcher: dispatcher::settings::Dispatcher,
    pub(crate) notary: notary::settings::Notary,
    pub(crate) nats: eventlog::Settings,
    pub(crate) subscribers: eventlog::callout::Settings,
    pub(crate) vault: vault::Settings,
    pub(crate) storage: storage::Settings,
    pub(crate) egress: egress::Settings,
    pub(crate) limits: domain::limits::Limits,
    pub(crate) quotas: domain::limits::Quotas,
    pub(crate) retry: domain::retry::Backoff,
    pub(crate) log: LogSettings,
}

/// The `[up]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Up {
    pub(crate) nats_port: u16,
    pub(crate) s3_port: u16,
    pub(crate) demo_webhook_port: u16,
    #[serde(default)]
    pub(crate) nats_server: Option<PathBuf>,
}

impl Settings {
    /// Loads all sections; folders lie below `data` unless they are set.
    pub(crate) fn load(data: &Path, sources: &Sources) -> Result<Self, SettingsError> {
        load(&defaults(data), sources)
    }
}

/// The defaults of each part, in one text.
fn defaults(data: &Path) -> String {
    let mut all = Table::new();
    let parts = [worker::settings::DEFAULTS, dispatcher::settings::DEFAULTS];
    for part in [api::DEFAULTS].into_iter().chain(parts).chain([notary::settings::DEFAULTS, OWN]) {
        // A text that is no TOML is reported when the whole is read.
        let part: Table = part.parse().unwrap_or_default();
        for (section, keys) in part {
            match (all.get_mut(&section), keys) {
                (Some(Value::Table(known)), Value::Table(keys)) => known.extend(keys),
                (_, keys) => drop(all.insert(section, keys)),
            }
        }
    }
    for (section, key, path) in [
        ("vault", "master_key_file", data.join("master.key")),
        ("vault", "credentials_key_file", data.join("credentials.key")),
        ("vault", "credentials_public_file", data.join("credentials.pub")),
        ("api", "data", data.join("api")),
        ("api", "receipt_keys_file", data.join("receipts.pub")),
        ("worker", "receipt_key_file", data.join("receipts.key")),
        ("worker", "receipt_keys_file", data.join("receipts.pub")),
        ("worker", "spool", data.join("spool")),
        ("dispatcher", "attempts", data.join("attempts")),
        ("notary", "data", data.join("notary")),
    ] {
        let path = Value::String(path.to_string_lossy().into_owned());
        if let Some(Value::Table(keys)) = all.get_mut(section) {
            keys.insert(key.to_owned(), path);
        }
    }
    all.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_all_parts_are_settings() {
        let sources = Sources {
            environment: service::settings::Environment::Given(vec![]),
            ..Sources::default()
        };
        let settings = Settings::load(Path::new("/data"), &sources).unwrap();
        assert_eq!(settings.api.data, Path::new("/data/api"));
        assert_eq!(settings.vault.master_key_file, Path::new("/data/master.key"));
        assert_eq!(settings.vault.credentials_key_file, Path::new("/data/credentials.key"));
        assert_eq!(settings.vault.credentials_public_file, Path::new("/data/credentials.pub"));
        assert_eq!(settings.worker.receipt_key_file, Path::new("/data/receipts.key"));
        assert_eq!(settings.worker.receipt_keys_file, Path::new("/data/receipts.pub"));
        assert_eq!(settings.api.receipt_keys_file, Path::new("/data/receipts.pub"));
        assert_eq!(settings.dispatcher.attempts, Path::new("/data/attempts"));
        assert_eq!(settings.notary.data, Path::new("/data/notary"));
        assert_eq!(settings.up.s3_port, 7781);
    }
}
