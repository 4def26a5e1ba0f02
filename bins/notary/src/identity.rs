//! Who a deployment is: the key it signs with, in a file for its owner alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use evidence::note::{BadKey, Kind, Signer, Verifier};
use zeroize::Zeroizing;

/// The file of the key, below the notary's folder.
const KEY: &str = "key";
/// And of the half of it that everybody may have.
const PUBLIC_KEY: &str = "key.pub";
/// More than any key has.
const MAX_KEY_BYTES: u64 = 4_096;
/// Rights of others.
const OTHERS: u32 = 0o077;

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Nothing says where the key is.
    #[error("notary.data is not set: name a folder for the signing key")]
    NoFolder,
    /// It cannot be read or written.
    #[error("{operation} {}", path.display())]
    File {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Others can read it.
    #[error("{} can be read by others (mode {mode:03o}): chmod 600 it, and have a new key if anybody did", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// It holds no key.
    #[error("{} holds no signing key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: BadKey,
    },
    /// The name that is set cannot be one.
    #[error("notary.name `{name}` cannot be a name: use no spaces and no plus sign")]
    Name {
        /// As it was set.
        name: String,
    },
    /// The key is another deployment's.
    #[error("notary.name is `{set}`, but the key in {} is that of `{found}`: a deployment keeps its name", path.display())]
    Renamed {
        /// As it was set.
        set: String,
        /// As the key says.
        found: String,
        /// The file.
        path: PathBuf,
    },
}

/// Reads the key in `folder`, or makes one: called `name`, or something of its own.
///
/// # Errors
/// [`IdentityError`].
pub fn open(folder: &Path, name: Option<&str>) -> Result<Signer, IdentityError> {
    if folder.as_os_str().is_empty() {
        return Err(IdentityError::NoFolder);
    }
    let path = folder.join(KEY);
    let signer = match read(&path)? {
        Some(signer) => signer,
        None => make(folder, &path, name)?,
    };
    match name {
        Some(set) if set != signer.name() => Err(IdentityError::Renamed {
            set: set.to_owned(),
            found: signer.name().to_owned(),
            path,
        }),
        _ => Ok(signer),
    }
}

/// The verifier key of the deployment in `folder`, made if there is none.
///
/// # Errors
/// [`IdentityError`].
pub fn verifier(folder: &Path, name: Option<&str>) -> Result<Verifier, IdentityError> {
    Ok(open(folder, name)?.verifier())
}

fn read(path: &Path) -> Result<Option<Signer>, IdentityError> {
    let failed = |source| IdentityError::File { operation: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_BYTES).read_to_string(&mut text).map_err(failed)?;
    let bad = |source| IdentityError::Key { path: path.to_owned(), source };
    Signer::parse(text.trim_end()).map(Some).map_err(bad)
}

fn make(folder: &Path, path: &Path, name: Option<&str>) -> Result<Signer, IdentityError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| IdentityError::File { operation, path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make", folder))?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => format!("darkroom-{}", hex::encode(rand::random::<[u8; 4]>())),
    };
    let seed = Zeroizing::new(rand::random::<[u8; 32]>());
    let signer = Signer::new(name.as_str(), Kind::Note, &seed)
        .map_err(|_bad_name| IdentityError::Name { name })?;
    let text = Zeroizing::new(format!("{}\n", signer.expose().as_str()));
    write(path, text.as_bytes(), 0o600).map_err(failed("write", path))?;
    let public = folder.join(PUBLIC_KEY);
    let text = format!("{}\n", signer.verifier());
    write(&public, text.as_bytes(), 0o644).map_err(failed("write", &public))?;
    tracing::info!(key = %signer.verifier(), "made a signing key");
    Ok(signer)
}

/// Writes a file whole or not at all, and waits until it is on the disk.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    // A leftover of a killed process may have other rights.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("notary");
        let made = open(&folder, None).unwrap();
        assert!(made.name().starts_with("darkroom-") && made.name().len() == 17);
        assert_eq!(open(&folder, None).unwrap().verifier(), made.verifier());
        assert_eq!(verifier(&folder, Some(made.name())).unwrap(), made.verifier());
        let mode = |name| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("key"), 0o600);
        let public = fs::read_to_string(folder.join("key.pub")).unwrap();
        assert_eq!(public.trim_end(), made.verifier().to_string());
        let renamed = open(&folder, Some("other")).err();
        assert!(matches!(renamed, Some(IdentityError::Renamed { .. })));
    }

    #[test]
    fn a_key_that_others_can_read_or_that_was_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY);
        open(folder.path(), Some("here.example")).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = open(folder.path(), None).err().unwrap();
            assert!(matches!(refused, IdentityError::Exposed { .. }), "{refused}");
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "PRIVATE+KEY+here.example+00000000+AAAA\n").unwrap();
        assert!(matches!(open(folder.path(), None).err(), Some(IdentityError::Key { .. })));
        assert!(matches!(open(Path::new(""), None).err(), Some(IdentityError::NoFolder)));
        let other = tempfile::tempdir().unwrap();
        let spaced = open(other.path(), Some("two words")).err();
        assert!(matches!(spaced, Some(IdentityError::Name { .. })));
    }
}
