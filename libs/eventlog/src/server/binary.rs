//! Which nats-server to run.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::ServerError;
use crate::durability::parse_version;

const OLDEST: (u64, u64, u64) = (2, 12, 3);

/// A nats-server that is new enough.
#[derive(Debug, Clone)]
pub struct Binary(PathBuf);

impl Binary {
    /// The one that was set, or else the first of `folders` that holds one, or else that on PATH.
    ///
    /// # Errors
    /// [`ServerError::Missing`], or [`ServerError::Old`] when it must not be trusted with events.
    pub fn find(set: Option<&Path>, folders: &[&Path]) -> Result<Self, ServerError> {
        let path = set
            .map(Path::to_owned)
            .or_else(|| {
                let candidates = folders.iter().map(|folder| folder.join("nats-server"));
                candidates.into_iter().find(|path| path.is_file())
            })
            .or_else(on_path)
            .ok_or(ServerError::Missing)?;
        let output = match Command::new(&path).arg("--version").output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ServerError::Missing);
            }
            Err(source) => return Err(ServerError::Spawn { path, source }),
        };
        // nats-server: v2.15.1
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().last().unwrap_or_default();
        if parse_version(version).is_none_or(|version| version < OLDEST) {
            return Err(ServerError::Old { path, version: version.to_owned() });
        }
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// By its whole path: the server is started with an environment of its own.
fn on_path() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&folders).map(|folder| folder.join("nats-server"));
    found.into_iter().find(|path| path.is_absolute() && path.is_file())
}
