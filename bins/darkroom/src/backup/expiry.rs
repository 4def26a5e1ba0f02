//! Backups of keys that have reached their age: removed once a newer one is whole.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use domain::Timestamp;
use jiff::SignedDuration;

use super::{BackupError, KEYS_MANIFEST, failed, read};

/// Removes the keys of every backup below `folder` that is as old as `age`, and gives where they lay. What else lies
/// there stays. Called again after it was killed, it goes on.
pub(super) fn expire(
    folder: &Path,
    age: SignedDuration,
    now: Timestamp,
) -> Result<Vec<PathBuf>, BackupError> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let place = entry.map_err(failed("list", folder))?.path();
        let manifest = place.join(KEYS_MANIFEST);
        if !manifest.is_file() {
            continue;
        }
        let backup = read(&manifest)?;
        if now.duration_since(backup.taken_at) < age {
            continue;
        }
        for part in &backup.streams {
            // A manifest that was tampered with leads nowhere else.
            let Some(name) = Path::new(&part.file).file_name() else { continue };
            remove(&place.join(name))?;
        }
        // Last: as long as it is there, somebody looks for the rest.
        remove(&manifest)?;
        synced(&place)?;
        removed.push(place);
    }
    removed.sort();
    Ok(removed)
}

fn remove(path: &Path) -> Result<(), BackupError> {
    gone(fs::remove_file(path)).map_err(failed("remove", path))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Has the disk know of it. A folder in which nothing is left goes too.
fn synced(place: &Path) -> Result<(), BackupError> {
    let sync = |folder: &Path| File::open(folder).and_then(|folder| folder.sync_all());
    sync(place).map_err(failed("sync", place))?;
    match fs::remove_dir(place) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => return Ok(()),
        removed => removed.map_err(failed("remove", place))?,
    }
    let folder = place.parent().unwrap_or(place);
    sync(folder).map_err(failed("sync", folder))
}
