//! What has been sent of a file, so that an upload that was cut off can go on: a file of its own in
//! the user's cache. It holds no link, key or credential.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Bytes of the digest that names a journal.
const NAME_BYTES: usize = 16;

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("note the progress in {}", path.display())]
pub(crate) struct JournalError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Which upload, of which version of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The upload's id.
    pub(crate) id: String,
    pub(crate) size_bytes: u64,
    pub(crate) part_bytes: u64,
    /// When the file was changed last: whole seconds, and nanoseconds.
    pub(crate) changed: (i64, i64),
}

/// A part that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) number: u64,
    /// As the bucket answered it.
    pub(crate) etag: String,
    /// CRC-32C of the part.
    pub(crate) crc32c: u32,
}

/// The parts that were sent, on disk as they come.
pub(crate) struct Journal {
    pub(crate) head: Head,
    pub(crate) sent: BTreeMap<u64, Sent>,
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Where the journal of this file lies, for this API and key.
    pub(crate) fn path(folder: &Path, api: &str, key: &str, file: &Path) -> PathBuf {
        let mut name = Sha256::new();
        for part in [api.as_bytes(), key.as_bytes(), file.as_os_str().as_encoded_bytes()] {
            name.update((part.len() as u64).to_be_bytes());
            name.update(part);
        }
        let name: String =
            name.finalize().iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
        folder.join(format!("{name}.jsonl"))
    }

    /// Begins one, in place of what was there.
    pub(crate) fn begin(path: &Path, head: Head) -> Result<Self, JournalError> {
        let failed = |source| JournalError { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = File::options().append(true).create_new(true).mode(0o600).open(path);
        let (sent, file) = (BTreeMap::new(), file.map_err(failed)?);
        let mut journal = Self { head, sent, file, path: path.to_owned() };
        let head = serde_json::to_string(&journal.head).map_err(io::Error::from).map_err(failed)?;
        journal.line(&head)?;
        Ok(journal)
    }

    /// Takes up one that is there. Lines that a kill cut short are as good as not written.
    pub(crate) fn take_up(path: PathBuf) -> Result<Option<Self>, JournalError> {
        let failed = |source| JournalError { path: path.clone(), source };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(failed)?,
        };
        let mut lines = text.lines();
        let head = lines.next().and_then(|line| serde_json::from_str(line).ok());
        let Some(head) = head else { return Ok(None) };
        let sent = lines.filter_map(|line| serde_json::from_str(line).ok());
        let sent = sent.map(|sent: Sent| (sent.number, sent)).collect();
        let mut file = File::options().append(true).open(&path).map_err(failed)?;
        if !text.ends_with('\n') {
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok(Some(Self { head, sent, file, path }))
    }

    /// Notes a part.
    pub(crate) fn note(&mut self, sent: Sent) -> Result<(), JournalError> {
        let failed = |source| JournalError { path: self.path.clone(), source };
        let line = serde_json::to_string(&sent).map_err(io::Error::from).map_err(failed)?;
        self.line(&line)?;
        self.sent.insert(sent.number, sent);
        Ok(())
    }

    /// It is over.
    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "a journal stays in the cache");
        }
    }

    fn line(&mut self, text: &str) -> Result<(), JournalError> {
        let written = self.file.write_all(format!("{text}\n").as_bytes());
        written.map_err(|source| JournalError { path: self.path.clone(), source })
    }
}

/// When a file was changed last.
pub(crate) fn changed(metadata: &Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(number: u64) -> Sent {
        Sent { number, etag: format!("e{number}"), crc32c: 7 }
    }

    #[test]
    fn what_was_noted_is_taken_up_but_for_a_line_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = Journal::path(folder.path(), "http://a", "dk", Path::new("/f"));
        assert!(Journal::take_up(path.clone()).unwrap().is_none());
        let head = Head { id: "u".into(), size_bytes: 9, part_bytes: 5, changed: (1, 2) };
        let mut journal = Journal::begin(&path, head.clone()).unwrap();
        journal.note(sent(2)).unwrap();
        journal.note(sent(1)).unwrap();
        drop(journal);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"number\": 3, \"et").unwrap();
        let mut journal = Journal::take_up(path.clone()).unwrap().unwrap();
        assert_eq!((&journal.head, journal.sent.len()), (&head, 2));
        journal.note(sent(3)).unwrap();
        let journal = Journal::take_up(path.clone()).unwrap().unwrap();
        assert_eq!(journal.sent.values().cloned().collect::<Vec<_>>(), [sent(1), sent(2), sent(3)]);
        journal.remove();
        assert!(!path.exists());
    }

    #[test]
    fn each_file_api_and_key_has_a_journal_of_its_own() {
        let path = |api, key, file| Journal::path(Path::new("/c"), api, key, Path::new(file));
        assert_eq!(path("a", "k", "/f"), path("a", "k", "/f"));
        for other in [path("ak", "", "/f"), path("a", "k2", "/f"), path("a", "k", "/g")] {
            assert_ne!(path("a", "k", "/f"), other);
        }
    }
}
