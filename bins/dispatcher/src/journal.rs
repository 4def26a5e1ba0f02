//! Attempts that are under way, noted where a process that is killed leaves them.
//!
//! An attempt is recorded when it is over. Whoever is killed in between has asked something of an
//! endpoint that no event tells of. So each attempt is noted in a file before it is made, and struck out
//! once it is in the log; what is found there at a start is recorded as interrupted. A note is one write
//! below a page into the system's memory: it outlives the process, though not the machine.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{
    Timestamp,
    delivery::{self, Told},
};
use serde::{Deserialize, Serialize};

/// Bytes of a note. Eight fill a page, so that none lies across two.
const NOTE: usize = 512;
/// Bytes that say how long a note is; 0 where there is none.
const LENGTH: usize = 2;
/// Most dispatchers that share a folder.
const MOST_FILES: u32 = 64;
/// Most notes of a file; attempts beyond are not noted.
const MOST_NOTES: u32 = 65_536;

/// Why attempts cannot be noted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be used.
    #[error("keep notes of attempts in {folder} (dispatcher.attempts)")]
    Folder {
        /// Which.
        folder: String,
        /// What the system says.
        source: io::Error,
    },
    /// Others use all its files.
    #[error(
        "{folder} (dispatcher.attempts) has {MOST_FILES} dispatchers already: give this one another folder"
    )]
    Crowded {
        /// Which.
        folder: String,
    },
}

/// An attempt that was under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) account: domain::id::AccountId,
    pub(crate) endpoint: domain::id::EndpointId,
    pub(crate) delivery: domain::id::DeliveryId,
    pub(crate) told: Told,
    /// Counts from 1; what comes of it is recorded under this number or a later one.
    pub(crate) number: u32,
    pub(crate) began_at: Timestamp,
}

impl Attempt {
    pub(crate) fn new(id: delivery::Id, told: &Told, number: u32, began_at: Timestamp) -> Self {
        let delivery::Id { account, endpoint, delivery } = id;
        Self { account, endpoint, delivery, told: told.clone(), number, began_at }
    }

    pub(crate) const fn id(&self) -> delivery::Id {
        delivery::Id { account: self.account, endpoint: self.endpoint, delivery: self.delivery }
    }
}

/// The notes of one dispatcher.
pub(crate) struct Journal {
    /// Locked for as long as the process lives.
    file: File,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// Places of notes that were struck out.
    free: Vec<u32>,
    /// Places that the file has.
    count: u32,
    /// What was noted and is neither under way any more nor in the log.
    left: Vec<(Attempt, u32)>,
}

/// An attempt that is noted. Unless it is struck out, it is left to be recorded as interrupted.
pub(crate) struct Noted {
    journal: Arc<Journal>,
    attempt: Attempt,
    /// Where; nowhere once it is struck out.
    place: Option<u32>,
}

impl Journal {
    /// Takes a file of `folder`, and what is left in the files of those that are gone.
    ///
    /// # Errors
    /// [`Error`]
    pub(crate) fn open(folder: &Path) -> Result<Arc<Self>, Error> {
        let name = || folder.display().to_string();
        let unusable = |source| Error::Folder { folder: name(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        let mut own: Option<Arc<Self>> = None;
        for number in 0..MOST_FILES {
            let path = folder.join(format!("{number}.notes"));
            if own.is_some() && !path.exists() {
                continue;
            }
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(&path).map_err(unusable)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
            let book = Book::read(&fs::read(&path).map_err(unusable)?);
            match &own {
                None => own = Some(Arc::new(Self { file, book: Mutex::new(book) })),
                Some(own) => {
                    for (attempt, _) in book.left {
                        drop(own.note(attempt));
                    }
                    file.set_len(0).map_err(unusable)?;
                }
            }
        }
        own.ok_or_else(|| Error::Crowded { folder: name() })
    }

    /// Notes an attempt that is about to be made. One that cannot be noted is made all the same.
    pub(crate) fn note(self: &Arc<Self>, attempt: Attempt) -> Noted {
        let mut place = self.book().take_place();
        if let Some(taken) = place
            && let Err(error) = self.write(taken, &attempt)
        {
            tracing::warn!(%error, delivery.id = %attempt.id(), "an attempt is not noted");
            self.book().free.push(taken);
            place = None;
        }
        Noted { journal: Arc::clone(self), attempt, place }
    }

    /// What others left, or could not be recorded here.
    pub(crate) fn left(self: &Arc<Self>) -> Vec<Noted> {
        let left = std::mem::take(&mut self.book().left);
        let noted =
            |(attempt, place)| Noted { journal: Arc::clone(self), attempt, place: Some(place) };
        left.into_iter().map(noted).collect()
    }

    fn write(&self, place: u32, attempt: &Attempt) -> io::Result<()> {
        let text = serde_json::to_vec(attempt)?;
        let length = u16::try_from(text.len()).ok().filter(|_| LENGTH + text.len() <= NOTE);
        let length = length.ok_or(io::ErrorKind::FileTooLarge)?.to_le_bytes();
        self.file.write_all_at(&[length.as_slice(), &text].concat(), offset(place))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// What a file holds. What cannot be read was never written whole, or by somebody else.
    fn read(bytes: &[u8]) -> Self {
        let mut book = Self::default();
        for note in bytes.chunks(NOTE) {
            let place = book.count;
            book.count += 1;
            let length = note.first_chunk().map_or(0, |length| u16::from_le_bytes(*length));
            let text = note.get(LENGTH..LENGTH + usize::from(length)).unwrap_or_default();
            match serde_json::from_slice(text) {
                Ok(attempt) => book.left.push((attempt, place)),
                Err(error) => {
                    if length > 0 {
                        tracing::warn!(%error, "a note of an attempt cannot be read");
                    }
                    book.free.push(place);
                }
            }
        }
        book
    }

    fn take_place(&mut self) -> Option<u32> {
        if let Some(place) = self.free.pop() {
            return Some(place);
        }
        let place = self.count;
        if place == MOST_NOTES {
            return None;
        }
        self.count += 1;
        Some(place)
    }
}

impl Noted {
    pub(crate) const fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// It is in the log.
    pub(crate) fn strike_out(mut self) {
        let Some(place) = self.place.take() else { return };
        match self.journal.file.write_all_at(&[0; LENGTH], offset(place)) {
            Ok(()) => self.journal.book().free.push(place),
            // It is recorded twice at worst, and found to be.
            Err(error) => tracing::warn!(%error, "a note of an attempt cannot be struck out"),
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.journal.book().left.push((self.attempt.clone(), place));
        }
    }
}

fn offset(place: u32) -> u64 {
    u64::from(place) * NOTE as u64
}

#[cfg(test)]
mod tests {
    use domain::id::{AccountId, DeliveryId, EndpointId, EventId};
    use uuid::Uuid;

    use super::*;

    fn attempt(number: u128) -> Attempt {
        let id = Uuid::from_u128(number);
        Attempt {
            account: AccountId::from_uuid(id),
            endpoint: EndpointId::from_uuid(id),
            delivery: DeliveryId::from_uuid(id),
            told: Told {
                event_id: EventId::from_uuid(id),
                event_type: "account.application_added".to_owned(),
                job: Some(domain::id::JobId::from_uuid(id)),
                time: Some(Timestamp::MAX),
                stream: "ACCOUNTS".to_owned(),
                seq: u64::MAX,
            },
            number: u32::MAX,
            began_at: Timestamp::MAX,
        }
    }

    fn left(journal: &Arc<Journal>) -> Vec<Attempt> {
        journal.left().iter().map(|noted| noted.attempt().clone()).collect()
    }

    #[test]
    fn what_was_not_struck_out_is_left_to_whoever_comes_next() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let [first, second, third] = [1, 2, 3].map(|number| journal.note(attempt(number)));
        second.strike_out();
        // As after a kill: nobody says anything any more.
        for noted in [first, third] {
            std::mem::forget(noted);
        }
        assert_eq!(left(&journal), []);
        // Whoever lives keeps what is its own, and takes a place that is free.
        let other = Journal::open(folder.path()).unwrap();
        assert_eq!(left(&other), []);
        std::mem::forget(other.note(attempt(4)));
        std::mem::forget(journal.note(attempt(5)));
        let bytes = fs::read(folder.path().join("0.notes")).unwrap();
        assert!(bytes.len() <= 3 * NOTE, "{}", bytes.len());
        let (journal, other) = (journal.file.try_clone(), other.file.try_clone());
        drop((journal, other));
    }

    #[test]
    fn files_of_those_that_are_gone_are_taken_over_once() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) =
            (Journal::open(folder.path()).unwrap(), Journal::open(folder.path()).unwrap());
        drop(one.note(attempt(1)));
        drop(other.note(attempt(2)));
        drop((one, other));
        let heir = Journal::open(folder.path()).unwrap();
        assert_eq!(left(&heir), [attempt(1), attempt(2)]);
        // Asked again, and not struck out, they still are.
        assert_eq!(left(&heir), [attempt(1), attempt(2)]);
        for noted in heir.left() {
            noted.strike_out();
        }
        drop(heir);
        assert_eq!(left(&Journal::open(folder.path()).unwrap()), []);
    }

    #[test]
    fn what_is_no_note_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = vec![0xff; 3 * NOTE + 7];
        bytes[NOTE..NOTE + 4].copy_from_slice(&[2, 0, b'{', b'}']);
        fs::write(folder.path().join("0.notes"), bytes).unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(left(&journal), []);
        drop(journal.note(attempt(1)));
        drop(journal);
        assert_eq!(left(&Journal::open(folder.path()).unwrap()), [attempt(1)]);
    }

    #[test]
    fn a_note_of_the_longest_topic_fits() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let noted = journal.note(attempt(u128::MAX));
        assert!(noted.place.is_some());
    }
}
