//! Files that hold what nothing should hold any more. The crate is optimised for this, also where
//! nothing else is.

use std::{
    fs::{self, File},
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Bytes of a file that are looked at together.
const PIECE_BYTES: u64 = 1 << 20;
/// Files of others larger than this are not read, in bytes.
const OTHERS_MAX_BYTES: u64 = 64 << 20;

/// Whether a text stands anywhere in these bytes.
#[must_use]
pub fn stands_in(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}

/// The files below a folder, however deep, that hold a text.
#[must_use]
pub fn holding(folder: &Path, text: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    search(folder, text, None, &mut found);
    found
}

/// The same of a folder that others write to as well: of it, what was written since then.
#[must_use]
pub fn holding_since(folder: &Path, text: &[u8], since: SystemTime) -> Vec<PathBuf> {
    let mut found = Vec::new();
    search(folder, text, Some(since), &mut found);
    found
}

fn search(folder: &Path, text: &[u8], since: Option<SystemTime>, found: &mut Vec<PathBuf>) {
    // What disappears meanwhile is not left, and what we may not read is not ours.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let path = entry.path();
        let wanted = since.is_none_or(|since| {
            let fresh = metadata.modified().is_ok_and(|at| at >= since);
            fresh && metadata.len() <= OTHERS_MAX_BYTES
        });
        if metadata.is_dir() {
            search(&path, text, since, found);
        } else if metadata.is_file() && wanted && holds(&path, text) {
            found.push(path);
        }
    }
}

/// Whether a file holds a text, read piece by piece.
fn holds(path: &Path, text: &[u8]) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let (mut file, mut piece) = (BufReader::new(file), Vec::new());
    loop {
        // A text may begin in one piece and end in the next.
        let kept = piece.len().min(text.len().saturating_sub(1));
        piece.drain(..piece.len() - kept);
        match file.by_ref().take(PIECE_BYTES).read_to_end(&mut piece) {
            Ok(1..) if stands_in(&piece, text) => return true,
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
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let piece = PIECE_BYTES as usize;
        for at in [0, 5, piece - 11, piece - 5, piece - 1, piece, 2 * piece + 7] {
            let mut bytes = vec![b'l'; at];
            bytes.extend(text);
            let path = below.join(at.to_string());
            fs::write(&path, &bytes).unwrap();
            assert_eq!(holding(folder.path(), text), std::slice::from_ref(&path), "at {at}");
            bytes.pop();
            fs::write(&path, &bytes).unwrap();
            assert!(holding(folder.path(), text).is_empty(), "cut off, at {at}");
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn of_folders_of_others_what_is_old_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        fs::write(&path, "latent-image").unwrap();
        let at = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(holding_since(folder.path(), b"latent", at), [path]);
        let later = at + std::time::Duration::from_secs(1);
        assert!(holding_since(folder.path(), b"latent", later).is_empty());
    }
}
