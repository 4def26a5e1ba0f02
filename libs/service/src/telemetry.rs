//! What a process says while it runs: one line per event on standard error, for people or for machines.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::settings::env_flag;

/// Section `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or by crate as in `info,eventlog=debug`.
    pub level: String,
    /// How a line looks.
    pub format: Format,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Human }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    Human,
    /// One JSON object per line.
    Json,
}

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is no level.
    #[error(
        "log.level is `{level}`; it takes error, warn, info, debug, trace, or levels by crate as in info,eventlog=debug"
    )]
    Level {
        /// As it was set.
        level: String,
        /// What the filter says.
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Starts logging. Only the first call of a process counts, so tests may call it freely.
///
/// # Errors
/// [`TelemetryError::Level`].
pub fn init(settings: &LogSettings) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&settings.level)
        .map_err(|source| TelemetryError::Level { level: settings.level.clone(), source })?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.format {
        Format::Human => {
            lines.with_ansi(std::io::stderr().is_terminal() && !env_flag("NO_COLOR")).boxed()
        }
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_err() {
        tracing::debug!("logging was started before; its settings stay");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_may_be_started_twice() {
        init(&LogSettings::default()).unwrap();
        init(&LogSettings { format: Format::Json, ..LogSettings::default() }).unwrap();
    }

    #[test]
    fn a_level_that_is_none_is_named() {
        let settings = LogSettings { level: "eventlog=loud".to_owned(), ..LogSettings::default() };
        let error = init(&settings).unwrap_err();
        assert!(error.to_string().contains("`eventlog=loud`"), "{error}");
    }

    #[test]
    fn a_json_line_carries_message_and_fields() {
        const CHILD: &str = "DARKROOM_TELEMETRY_CHILD";
        if env_flag(CHILD) {
            init(&LogSettings { level: "warn".to_owned(), format: Format::Json }).unwrap();
            tracing::info!("not this one");
            tracing::warn!(job.id = 7, "this one");
            return;
        }
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "telemetry::tests::a_json_line_carries_message_and_fields",
            ])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert_eq!(lines[0]["message"], "this one");
        assert_eq!(lines[0]["job.id"], 7);
        assert_eq!(lines[0]["level"], "WARN");
    }
}
