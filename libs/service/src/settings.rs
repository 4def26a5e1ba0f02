//! Settings in layers: defaults, file, environment, flags. Each error names the key, where it came from and a remedy.

use std::path::PathBuf;

use figment::Figment;
use serde::de::DeserializeOwned;

mod error;
mod layer;
mod sections;

pub use error::{Origin, SettingsError};
use layer::Layer;

/// Before every variable that sets a key, as in `DARKROOM__WORKER__SLOTS`.
const PREFIX: &str = "DARKROOM__";

/// Where settings come from besides the defaults: flags that every executable has, and the environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Sources {
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Set one key, as in `worker.slots=4`; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE", global = true)]
    pub set: Vec<String>,
    /// Log more or less: error, warn, info, debug, trace, or by crate as in info,eventlog=debug
    #[arg(long, value_name = "LEVEL", global = true)]
    pub log: Option<String>,
    /// Which variables are looked at.
    #[arg(skip)]
    pub environment: Environment,
}

/// The variables that settings may come from.
#[derive(Clone, Default)]
pub enum Environment {
    /// Those of the process.
    #[default]
    Process,
    /// These and no others, for tests and for processes within a process.
    Given(Vec<(String, String)>),
}

impl std::fmt::Debug for Environment {
    /// Without the values, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Process => "Process",
            Self::Given(_) => "Given",
        })
    }
}

/// Reads the settings of one executable: `defaults_toml`, then `--config`, then the environment, then `--set`; later
/// wins. Values from the environment and flags are TOML (`4`, `true`, `["a", "b"]`) where they parse and the key does
/// not want text, else text as it stands.
///
/// A variable of a section that `T` does not have is another executable's and is ignored; anything else unknown is an
/// error.
///
/// # Errors
/// [`SettingsError`], with the key, its origin and a remedy.
pub fn load<T: DeserializeOwned>(
    defaults_toml: &str,
    sources: &Sources,
) -> Result<T, SettingsError> {
    let sections = sections::of::<T>();
    let mut layers = vec![Layer::text(Origin::Defaults, defaults_toml, sections)?];
    if let Some(path) = &sources.config {
        layers.push(Layer::file(path, sections)?);
    }
    layers.extend(layer::environment(&sources.environment, sections)?);
    for flag in &sources.set {
        layers.push(Layer::flag(flag, sections)?);
    }
    if let Some(level) = &sources.log {
        layers.push(Layer::log(level));
    }
    extract(layers)
}

/// A value that parsed as a number or a truth value may have been meant as text: `password=1234`. Whether it was is
/// known once the target refuses it, so each such value gets one second chance.
fn extract<T: DeserializeOwned>(mut layers: Vec<Layer>) -> Result<T, SettingsError> {
    let mut refused: Option<figment::Error> = None;
    loop {
        let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
        let error = match figment.extract::<T>() {
            Ok(settings) => return Ok(settings),
            Err(error) => error,
        };
        if let Some(first) = refused.take_if(|first| first.path == error.path) {
            return Err(error::explain(&first, &figment));
        }
        // The last layer that sets the key is the one whose value was refused.
        let retried = layers
            .iter_mut()
            .rfind(|layer| layer.sets(&error.path))
            .is_some_and(|layer| error::is_of_type(&error) && layer.take_as_text());
        if !retried {
            return Err(error::explain(&error, &figment));
        }
        refused = Some(error);
    }
}

/// Whether a variable such as `NO_COLOR` is set and not empty.
#[must_use]
pub fn env_flag(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
