//! How far a replay has come, as a text and in a file, so that another one goes on from there.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use service::{Failure, OrTry};

/// How often it is noted.
const EVERY: Duration = Duration::from_secs(1);
/// Longest name of a stream.
const MAX_NAME_BYTES: usize = 32;

/// The last message that was shown of each stream. As text `ACCOUNTS:3,JOBS:17`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Positions(BTreeMap<String, u64>);

/// The text is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no position: one looks like JOBS:17,ACCOUNTS:3")]
pub(super) struct NoPosition;

impl Positions {
    pub(super) fn of(&self, stream: &str) -> Option<u64> {
        self.0.get(stream).copied()
    }

    pub(super) fn reach(&mut self, stream: &str, seq: u64) {
        match self.0.get_mut(stream) {
            Some(known) => *known = seq,
            None => drop(self.0.insert(stream.to_owned(), seq)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(name, seq)| format!("{name}:{seq}")).collect();
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Positions {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut positions = BTreeMap::new();
        for part in text.split(',') {
            let (name, seq) = part.split_once(':').ok_or(NoPosition)?;
            let named = (1..=MAX_NAME_BYTES).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            let digits = seq.bytes().all(|byte| byte.is_ascii_digit());
            let seq = seq.parse().ok().filter(|_| named && digits).ok_or(NoPosition)?;
            if positions.insert(name.to_owned(), seq).is_some() {
                return Err(NoPosition);
            }
        }
        Ok(Self(positions))
    }
}

#[derive(Debug, thiserror::Error)]
enum BookmarkError {
    #[error("{operation} {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} does not say how far a replay has come", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{} belongs to a replay of something else", .0.display())]
    Other(PathBuf),
}

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// What is replayed.
    asked: String,
    positions: Positions,
}

/// How far a replay has come, and where that is noted.
pub(super) struct Bookmark {
    note: Note,
    path: Option<PathBuf>,
    noted: Instant,
}

impl Bookmark {
    /// One that is noted nowhere.
    pub(super) fn none(positions: Positions) -> Self {
        let note = Note { asked: String::new(), positions };
        Self { note, path: None, noted: Instant::now() }
    }

    /// One in a file, which may be there already.
    pub(super) fn open(path: &Path, asked: String) -> Result<Self, Failure> {
        let at = path.to_owned();
        let note = match fs::read(path) {
            Ok(text) => {
                let note: Note = serde_json::from_slice(&text)
                    .map_err(|source| BookmarkError::Unreadable { path: at.clone(), source })
                    .or_try("another file, or remove this one to begin anew")?;
                if note.asked != asked {
                    return Err(BookmarkError::Other(at))
                        .or_try("the arguments that it was begun with, or another file");
                }
                note
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Note { asked, positions: Positions::default() }
            }
            Err(source) => return Err(failed("read", path)(source).into()),
        };
        Ok(Self { note, path: Some(at), noted: Instant::now() })
    }

    pub(super) const fn reached(&self) -> &Positions {
        &self.note.positions
    }

    pub(super) fn reach(&mut self, stream: &str, seq: u64) {
        self.note.positions.reach(stream, seq);
    }

    /// Whether it is time to note it; what was shown must have been handed on before.
    pub(super) fn is_due(&self) -> bool {
        self.path.is_some() && self.noted.elapsed() >= EVERY
    }

    /// Notes it, as a whole or not at all.
    pub(super) fn note(&mut self) -> Result<(), Failure> {
        self.noted = Instant::now();
        let Some(path) = &self.path else { return Ok(()) };
        let mut beside = path.clone().into_os_string();
        beside.push(".part");
        let beside = PathBuf::from(beside);
        let text = serde_json::to_vec(&self.note)?;
        fs::write(&beside, text).map_err(failed("write", &beside))?;
        fs::rename(&beside, path).map_err(failed("write", path))?;
        Ok(())
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BookmarkError + use<> {
    let path = path.to_owned();
    move |source| BookmarkError::File { operation, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let positions: Positions = "JOBS:17,ACCOUNTS:3".parse().unwrap();
        assert_eq!(positions.to_string(), "ACCOUNTS:3,JOBS:17");
        assert_eq!((positions.of("JOBS"), positions.of("MEMBERS")), (Some(17), None));
        for wrong in ["", "JOBS", "JOBS:", "JOBS:x", "JOBS:1,JOBS:2", "jobs:1", "JOBS:+1", "A:1,"] {
            assert_eq!(wrong.parse::<Positions>(), Err(NoPosition), "{wrong}");
        }
    }

    #[test]
    fn a_file_goes_on_with_what_it_was_begun_with_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("done.json");
        let mut bookmark = Bookmark::open(&path, "all".to_owned()).unwrap();
        assert!(bookmark.reached().is_empty());
        bookmark.reach("JOBS", 7);
        bookmark.note().unwrap();
        let again = Bookmark::open(&path, "all".to_owned()).unwrap();
        assert_eq!(again.reached().of("JOBS"), Some(7));
        let other = Bookmark::open(&path, "jobs".to_owned()).map(|_| ()).unwrap_err().to_string();
        assert!(other.contains("something else") && other.contains("another file"), "{other}");
        fs::write(&path, "7").unwrap();
        assert!(Bookmark::open(&path, "all".to_owned()).is_err());
    }
}
