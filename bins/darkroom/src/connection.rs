//! Where a running Darkroom is and how to speak with it: `demo.env`, or the same names in the environment.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use service::{Failure, OrTry};

use crate::up::{DATA, demo_env};

/// Where to look for the names below.
#[derive(Debug, Clone, Args)]
pub(crate) struct Where {
    /// Read DARKROOM_URL, DARKROOM_KEY and so on from this file [default: the environment, then .darkroom/demo.env]
    #[arg(long, value_name = "FILE", global = true)]
    env_file: Option<PathBuf>,
    /// Reach the API here instead
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,
    /// Ask with this key instead; its secret is taken from DARKROOM_SECRET
    #[arg(long, value_name = "KEY", global = true)]
    key: Option<String>,
}

/// The names of `demo.env` with their values.
#[derive(Clone, Default)]
pub(crate) struct Connection(BTreeMap<String, String>);

/// Something that a command needs is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The file cannot be read.
    #[error("read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A name has no value.
    #[error("{0} is not set")]
    Missing(&'static str),
}

/// What to try when a name has no value.
const REMEDY: &str =
    "start `darkroom up` in this folder, name its demo.env with --env-file, or set the variable";

impl Where {
    /// What a running `up` with this data folder says, if there is one.
    pub(crate) fn of(data: &Path) -> Option<Connection> {
        let text = fs::read_to_string(data.join(demo_env::NAME)).ok()?;
        Some(Connection(parse(&text)))
    }

    /// Where this file says, or where it is to be found; for commands that ask no API.
    pub(crate) const fn of_file(env_file: Option<PathBuf>) -> Self {
        Self { env_file, url: None, key: None }
    }

    /// What was named on the command line, and the rest from where it is to be found.
    pub(crate) fn connection(&self) -> Result<Connection, Failure> {
        let mut connection = self.found()?;
        for (name, value) in [("DARKROOM_URL", &self.url), ("DARKROOM_KEY", &self.key)] {
            connection.0.extend(value.clone().map(|value| (name.to_owned(), value)));
        }
        Ok(connection)
    }

    /// Reads the file that was named; without one the environment, and what `up` wrote here.
    fn found(&self) -> Result<Connection, Failure> {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            let ours = name.starts_with("DARKROOM_") && !name.starts_with("DARKROOM__");
            (ours && !value.is_empty()).then_some((name, value))
        });
        let Some(path) = &self.env_file else {
            let mut connection = Self::of(Path::new(DATA)).unwrap_or_default();
            connection.0.extend(environment);
            return Ok(connection);
        };
        let mut values: BTreeMap<String, String> = environment.collect();
        let text = fs::read_to_string(path)
            .map_err(|source| ConnectionError::File { path: path.clone(), source })
            .or_try("the demo.env that a running `darkroom up` keeps in its data folder")?;
        values.extend(parse(&text));
        Ok(Connection(values))
    }
}

impl Connection {
    /// The value of a name, if it has one.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a name that must have one.
    pub(crate) fn get(&self, name: &'static str) -> Result<&str, Failure> {
        self.find(name).ok_or(ConnectionError::Missing(name)).or_try(REMEDY)
    }

    /// The platform bucket.
    pub(crate) fn storage(&self) -> Result<storage::Settings, Failure> {
        Ok(storage::Settings {
            endpoint: self.find("DARKROOM_S3_ENDPOINT").map(ToOwned::to_owned),
            bucket: self.get("DARKROOM_S3_BUCKET")?.to_owned(),
            access_key: self.get("DARKROOM_S3_ACCESS_KEY")?.to_owned(),
            secret_key: storage::Secret::from(self.get("DARKROOM_S3_SECRET_KEY")?),
            ..storage::Settings::default()
        })
    }

    /// The log, as whoever may read it.
    pub(crate) fn nats(&self) -> Result<eventlog::Settings, Failure> {
        Ok(eventlog::Settings {
            url: self.get("DARKROOM_NATS_URL")?.to_owned(),
            user: self.get("DARKROOM_NATS_USER")?.to_owned(),
            password: eventlog::Secret::new(self.get("DARKROOM_NATS_PASSWORD")?),
            ..eventlog::Settings::default()
        })
    }
}

/// Reads what `demo_env` writes: `NAME=value`, quoted where a shell needs it.
fn parse(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), unquoted(value))).collect()
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) => inner.replace(r"'\''", "'"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_quoted_for_a_shell_is_read_back() {
        let read = parse("A=plain\nB='two words'\nC='it'\\''s'\n\n# none\nD=''\n");
        assert_eq!(read["A"], "plain");
        assert_eq!(read["B"], "two words");
        assert_eq!(read["C"], "it's");
        assert_eq!(read["D"], "");
    }

    #[test]
    fn a_missing_name_says_what_to_do() {
        let failure = Connection::default().get("DARKROOM_URL").unwrap_err().to_string();
        assert!(failure.contains("DARKROOM_URL is not set") && failure.contains("darkroom up"));
    }
}
