//! What was signed last, on a disk of the notary's own: kept before each signature, so that no log,
//! whatever it says later, gets another tree of that size signed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use evidence::Hash;
use serde::{Deserialize, Serialize};

use crate::identity::write;

/// A tree that was signed, or is about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Promise {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// The file of one stream's promise.
#[derive(Debug, Clone)]
pub(crate) struct PromiseFile(PathBuf);

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromiseError {
    #[error("{operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} does not say what was signed last: nothing is signed before it does", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl PromiseFile {
    /// In the notary's folder.
    pub(crate) fn of(folder: &Path, stream: &str) -> Self {
        Self(folder.join(format!("{stream}.json")))
    }

    pub(crate) fn read(&self) -> Result<Option<Promise>, PromiseError> {
        match fs::read(&self.0) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| PromiseError::Damaged { path: self.0.clone(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("read", source)),
        }
    }

    /// Returns once it is on the disk.
    pub(crate) async fn keep(&self, promise: Promise) -> Result<(), PromiseError> {
        let (file, path) = (self.clone(), self.0.clone());
        let written = tokio::task::spawn_blocking(move || {
            let bytes = serde_json::to_vec(&promise).map_err(io::Error::from)?;
            write(&path, &bytes, 0o600)
        });
        let written = written.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
        written.map_err(|source| file.failed("write", source))
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> PromiseError {
        PromiseError::File { operation, path: self.0.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_promise_is_kept_and_a_damaged_one_is_no_absent_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = PromiseFile::of(folder.path(), "JOBS");
        assert_eq!(file.read().unwrap(), None);
        let promise = Promise { size: 7, root: Hash::from_bytes([1; 32]) };
        file.keep(promise).await.unwrap();
        assert_eq!(file.read().unwrap(), Some(promise));
        fs::write(folder.path().join("JOBS.json"), "").unwrap();
        assert!(matches!(file.read(), Err(PromiseError::Damaged { .. })));
    }
}
