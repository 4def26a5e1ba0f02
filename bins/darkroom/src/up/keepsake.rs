//! What `up` must remember and the log must not know: secrets of which only digests are stored.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use domain::id::{AccountId, ApplicationId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vault::secrets;

/// The demo account, and the credentials of the embedded S3 server.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Keepsake {
    pub(crate) account: AccountId,
    pub(crate) application: ApplicationId,
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) webhook_secret: String,
    pub(crate) s3_access_key: String,
    pub(crate) s3_secret_key: String,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepsakeError {
    /// Reading or writing failed.
    #[error("keep credentials in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} is not the credentials file that `darkroom up` wrote (line {line}): restore it, or move it away for a new demo account", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
    },
}

impl Keepsake {
    /// Reads the file, or makes it.
    pub(crate) fn keep(path: &Path) -> Result<Self, KeepsakeError> {
        let file = |source| KeepsakeError::File { path: path.to_owned(), source };
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| KeepsakeError::Content {
                path: path.to_owned(),
                line: error.line(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Self::generate();
                let json =
                    serde_json::to_vec_pretty(&made).map_err(io::Error::from).map_err(file)?;
                write_private(path, &json).map_err(file)?;
                Ok(made)
            }
            Err(error) => Err(file(error)),
        }
    }

    fn generate() -> Self {
        let token = |prefix| secrets::token(prefix).expose().to_owned();
        Self {
            account: AccountId::from_uuid(Uuid::new_v4()),
            application: ApplicationId::from_uuid(Uuid::new_v4()),
            key: token("dk_test_"),
            secret: token("ds_test_"),
            webhook_secret: secrets::webhook_secret().expose().to_owned(),
            s3_access_key: token("s3_"),
            s3_secret_key: token("s3s_"),
        }
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    // A leftover of a killed process may have other rights.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn credentials_are_made_once_and_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        let made = Keepsake::keep(&path).unwrap();
        let kept = Keepsake::keep(&path).unwrap();
        assert_eq!((made.key, made.account), (kept.key, kept.account));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{").unwrap();
        assert!(matches!(Keepsake::keep(&path), Err(KeepsakeError::Content { .. })));
    }
}
