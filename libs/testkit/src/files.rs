//! Files that hold what nothing should hold any more. The crate is optimised for this, also where
//! nothing else is.

use std::{
    fs::{self, File, Metadata},
    io::{BufReader, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Bytes of a file that are looked at together.
const PIECE_BYTES: u64 = 1 << 20;
/// Files of others larger than this are not read, in bytes.
const OTHERS_MAX_BYTES: u64 = 64 << 20;
/// File systems that hold no bytes of files.
const WITHOUT_FILES: [&str; 8] =
    ["autofs", "cgroup", "cgroup2", "devpts", "mqueue", "proc", "securityfs", "sysfs"];

/// Whether a text stands anywhere in these bytes.
#[must_use]
pub fn stands_in(bytes: &[u8], text: &[u8]) -> bool {
    // Most places are told by their first byte.
    bytes.windows(text.len()).any(|part| part.first() == text.first() && part == text)
}

/// The files below a folder, however deep, that hold one of the texts.
#[must_use]
pub fn holding<T: AsRef<[u8]>>(folder: &Path, texts: &[T]) -> Vec<PathBuf> {
    Search { texts, since: None, device: None, found: Vec::new() }.below(folder)
}

/// The same of a folder that others write to as well: of it, what was changed since then.
#[must_use]
pub fn holding_since<T: AsRef<[u8]>>(
    folder: &Path,
    texts: &[T],
    since: SystemTime,
) -> Vec<PathBuf> {
    Search { texts, since: Some(since), device: None, found: Vec::new() }.below(folder)
}

/// The same of every file system of this machine that can be written to.
///
/// # Panics
/// When the kernel does not say what is mounted.
#[must_use]
pub fn holding_anywhere<T: AsRef<[u8]>>(texts: &[T], since: SystemTime) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut found = Vec::new();
    for mount in mounts.lines() {
        // `36 35 98:0 / /mnt rw,noatime - ext4 /dev/root rw`
        let (of_mount, of_disk) = mount.split_once(" - ").unwrap();
        let of_mount: Vec<&str> = of_mount.split(' ').collect();
        let (place, options) = (Path::new(of_mount[4]), of_mount[5]);
        let kind = of_disk.split(' ').next().unwrap_or_default();
        let Ok(metadata) = fs::symlink_metadata(place) else { continue };
        if options.split(',').any(|option| option == "rw") && !WITHOUT_FILES.contains(&kind) {
            let device = Some(metadata.dev());
            let search = Search { texts, since: Some(since), device, found: Vec::new() };
            found.extend(search.below(place));
        }
    }
    found.sort();
    found.dedup();
    found
}

struct Search<'a, T> {
    texts: &'a [T],
    /// Only what was changed since then, and is not too large.
    since: Option<SystemTime>,
    /// Only what lies on this device.
    device: Option<u64>,
    found: Vec<PathBuf>,
}

impl<T: AsRef<[u8]>> Search<'_, T> {
    fn below(mut self, folder: &Path) -> Vec<PathBuf> {
        self.look(folder);
        self.found
    }

    fn look(&mut self, folder: &Path) {
        // What disappears meanwhile is not left, and what we may not read is not ours.
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if self.device.is_some_and(|device| metadata.dev() != device) {
                continue;
            }
            if metadata.is_dir() {
                self.look(&entry.path());
            } else if metadata.is_file() && self.wants(&metadata) {
                self.found.extend(Some(entry.path()).filter(|path| holds(path, self.texts)));
            }
        }
    }

    fn wants(&self, metadata: &Metadata) -> bool {
        let fresh = |since| changed(metadata) >= since && metadata.len() <= OTHERS_MAX_BYTES;
        self.since.is_none_or(fresh)
    }
}

/// When a file was last changed; nobody can set that time.
fn changed(metadata: &Metadata) -> SystemTime {
    let (seconds, nanos) = (metadata.ctime(), metadata.ctime_nsec());
    let since =
        Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0));
    SystemTime::UNIX_EPOCH + since
}

/// Whether a file holds one of the texts, read piece by piece.
fn holds(path: &Path, texts: &[impl AsRef<[u8]>]) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let (mut file, mut piece) = (BufReader::new(file), Vec::new());
    let longest = texts.iter().map(|text| text.as_ref().len()).max().unwrap_or_default();
    loop {
        // A text may begin in one piece and end in the next.
        let kept = piece.len().min(longest.saturating_sub(1));
        piece.drain(..piece.len() - kept);
        match file.by_ref().take(PIECE_BYTES).read_to_end(&mut piece) {
            Ok(1..) if texts.iter().any(|text| stands_in(&piece, text.as_ref())) => return true,
            Ok(1..) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_wherever_it_stands_in_a_file() {
        let (folder, text) = (tempfile::tempdir().unwrap(), b"latent-image");
        let texts = [&b"something longer"[..], text];
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let piece = PIECE_BYTES as usize;
        for at in [0, 5, piece - 11, piece - 5, piece - 1, piece, 2 * piece + 7] {
            let mut bytes = vec![b'l'; at];
            bytes.extend(text);
            let path = below.join(at.to_string());
            fs::write(&path, &bytes).unwrap();
            assert_eq!(holding(folder.path(), &texts), std::slice::from_ref(&path), "at {at}");
            bytes.pop();
            fs::write(&path, &bytes).unwrap();
            assert!(holding(folder.path(), &texts).is_empty(), "cut off, at {at}");
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn of_folders_of_others_what_is_old_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        fs::write(&path, "latent-image").unwrap();
        let at = changed(&fs::metadata(&path).unwrap());
        assert_eq!(holding_since(folder.path(), &[b"latent"], at), [path]);
        let later = at + Duration::from_secs(1);
        assert!(holding_since(folder.path(), &[b"latent"], later).is_empty());
    }

    #[test]
    fn a_text_is_found_wherever_it_was_written_last() {
        let text = format!("latent-image-{}", uuid::Uuid::new_v4());
        let mut left = Vec::new();
        for folder in [std::env::temp_dir(), "/dev/shm".into(), std::env::current_dir().unwrap()] {
            let folder = tempfile::tempdir_in(folder).unwrap();
            fs::write(folder.path().join("one"), &text).unwrap();
            // Whoever makes a file look old hides nothing.
            let file = File::open(folder.path().join("one")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            left.push(folder);
        }
        let since = changed(&fs::metadata(left[0].path().join("one")).unwrap());
        let mut all: Vec<_> =
            left.iter().map(|folder| folder.path().canonicalize().unwrap().join("one")).collect();
        all.sort();
        assert_eq!(holding_anywhere(&[text], since), all);
    }
}
