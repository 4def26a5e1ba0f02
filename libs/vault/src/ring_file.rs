//! A key ring's file: made once and as a whole, replaced as a whole, for its owner's eyes only.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cipher::random;
use crate::document::{Document, Kind};
use crate::error::{RingError, RingFault};

/// Largest key ring.
pub(crate) const RING_MAX_BYTES: usize = 64 << 10;

/// Who besides its owner may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nobody may do anything.
    Owner,
    /// Nobody but its group may read. systemd hands a credential to a service by an access list, which shows as the
    /// rights of the group, in a folder that only the service can enter.
    Credential,
    /// Everybody may read, and nobody else may write.
    Public,
}

impl Guard {
    /// Permission bits that must not be set.
    const fn forbidden(self) -> u32 {
        match self {
            Self::Owner => 0o077,
            Self::Credential => 0o037,
            Self::Public => 0o022,
        }
    }

    /// The mode of a new file.
    const fn mode(self) -> u32 {
        match self {
            Self::Owner | Self::Credential => 0o600,
            Self::Public => 0o644,
        }
    }

    pub(crate) const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Fields | Kind::Credentials => Self::Owner,
            Kind::Public => Self::Public,
        }
    }
}

/// Reads a file. Permissions are asked of the opened file, so nobody can swap it in between.
pub(crate) fn read(path: &Path, guard: Guard) -> Result<Zeroizing<Vec<u8>>, RingError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => {
            return Err(RingError::Missing { path: path.to_owned(), source });
        }
        Err(source) => return Err(failed("open", path, source)),
    };
    let metadata = file.metadata().map_err(|source| failed("examine", path, source))?;
    if !metadata.is_file() {
        return Err(RingError::NotAFile { path: path.to_owned() });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & guard.forbidden() != 0 {
        let path = path.to_owned();
        return Err(match guard {
            Guard::Public => RingError::Writable { path, mode },
            Guard::Owner | Guard::Credential => RingError::Exposed { path, mode },
        });
    }
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(vec![0; RING_MAX_BYTES + 1]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(failed("read", path, source)),
        }
    }
    if length > RING_MAX_BYTES {
        let fault = RingFault::TooLarge(RING_MAX_BYTES);
        return Err(RingError::Malformed { place: path.display().to_string(), fault });
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Writes a ring, unless another process was faster; either way a whole, synced ring is there after.
pub(crate) fn create(path: &Path, ring: &Document) -> Result<(), RingError> {
    let draft = draft_path(path);
    let written = write_draft(&draft, ring).and_then(|()| match fs::hard_link(&draft, path) {
        // The link appears whole or not at all, and never replaces a ring.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    finish(path, &draft, written).map_err(|source| failed("create", path, source))?;
    tracing::info!(path = %path.display(), "the key ring is in place; keep a copy apart from the log");
    Ok(())
}

/// Puts a ring in the place of an earlier one: whoever reads finds one or the other, whole. Owner and mode stay.
pub(crate) fn replace(path: &Path, ring: &Document) -> Result<(), RingError> {
    let draft = draft_path(path);
    let written = write_draft(&draft, ring)
        .and_then(|()| keep_owner(path, &draft))
        .and_then(|()| fs::rename(&draft, path));
    finish(path, &draft, written).map_err(|source| failed("replace", path, source))
}

/// Of two who change a ring at once the second would lose the key of the first: changes are made under this lock.
pub(crate) fn lock(path: &Path) -> Result<File, RingError> {
    let folder = File::open(parent(path)).map_err(|source| failed("lock", path, source))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(RingError::Busy { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed("lock", path, source)),
    }
}

/// Whoever rotates may be another user than those who read.
fn keep_owner(path: &Path, draft: &Path) -> io::Result<()> {
    let (wanted, made) = (fs::metadata(path)?, fs::metadata(draft)?);
    if (wanted.uid(), wanted.gid()) != (made.uid(), made.gid()) {
        chown(draft, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    fs::set_permissions(draft, wanted.permissions())
}

/// Takes the draft away, and has the folder remember what happened to the ring.
fn finish(path: &Path, draft: &Path, written: io::Result<()>) -> io::Result<()> {
    let removed = match fs::remove_file(draft) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    written.and(removed).and_then(|()| File::open(parent(path))?.sync_all())
}

fn write_draft(draft: &Path, ring: &Document) -> io::Result<()> {
    let mode = Guard::of(ring.kind).mode();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(ring.print().as_bytes())?;
    // The mask of the process has no say in who may seal.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// A name beside the ring that no other process uses.
fn draft_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parent(path).join(format!(".{name}.{}", hex::encode(random::<8>())))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

pub(crate) fn failed(operation: &'static str, path: &Path, source: io::Error) -> RingError {
    RingError::File { operation, path: path.to_owned(), source }
}
