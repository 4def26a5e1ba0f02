//! The tree on disk: opened, fed, compared, made anew.

use std::{
    fs::{self, File, TryLockError},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    Error,
    entry::{Entry, Positions, Stream},
    key,
    projection::{Changes, read_number},
    seen::Seen,
    tree::Tree,
};

/// The shape of keys and rows. A store of another shape is made anew from the log.
const FORMAT: u64 = 6;
/// How sled says that a tree is still open.
const SLED_HELD: &str = "could not acquire lock";
/// How often it is looked whether sled has let go of a tree, and how long apart.
const MAX_LOOKS: usize = 500;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Marks a store that is being emptied; never a real format.
const NO_FORMAT: u64 = 0;
/// Where those lie that were there before.
const BEFORE: &str = "before";
/// Where those lie that could not be carried on with.
const UNUSABLE: &str = "unusable";
/// Memory that sled may use for its pages, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// How long rows may stay in memory only. What a crash loses is read from the log again.
const FLUSH_EVERY_MS: u64 = 1_000;

/// What was in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing: the store is new.
    Nothing,
    /// A store that can be carried on with.
    Rows(Positions),
    /// A store that was made ready beside the one that was there, and has taken its place.
    Prepared {
        /// Where that one lies now.
        before: PathBuf,
        /// How far the rows reach.
        reached: Positions,
    },
    /// A store that cannot, which has been moved out of the way. The new one is empty.
    Unusable {
        /// Where the old one lies now.
        moved_to: PathBuf,
        /// What was wrong with it.
        why: WhyAnew,
    },
}

/// Why a store could not be carried on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyAnew {
    /// Its rows have a shape that this program does not know.
    Format {
        /// The shape's number.
        found: u64,
    },
    /// It is damaged.
    Damaged {
        /// In sled's words.
        reason: String,
    },
}

/// Rows about jobs and accounts, and how far into the log they reach.
///
/// Reading a row needs no lock and sees whole batches. Calls block: keep them off an async thread where
/// they write or scan.
pub struct Store {
    tree: Tree,
    /// Held while writing, so that positions and rows are always those of one batch.
    writer: Mutex<Positions>,
    /// Which rows there may be.
    seen: Mutex<Seen>,
    /// Held while a batch goes into the tree, and shared by those who read several rows as of one moment.
    rows: RwLock<()>,
    /// Whether the tree says where each stream stands. Changed by whoever holds the positions.
    says_all: AtomicBool,
    /// Released by the system when the process ends, however it ends; none for rows in memory.
    _lock: Option<File>,
}

impl Store {
    /// Opens the store in the folder `path`, which is made if missing. Rows of this shape that were
    /// made ready beside it take its place first. What lies there and cannot be carried on with is
    /// moved to `<path>.unusable`, replacing what was there.
    ///
    /// # Errors
    /// [`Error::Held`] when another process has it open, [`Error::Files`], [`Error::Sled`].
    pub fn open(path: &Path) -> Result<(Self, Found), Error> {
        let lock = lock(path)?;
        let prepared = swap_in(path)?;
        match attempt(path)? {
            Attempt::Open(tree) => {
                let fresh = tree.is_new();
                let store = Self::start(tree, lock)?;
                let found = match prepared {
                    _ if fresh => Found::Nothing,
                    Some(before) => Found::Prepared { before, reached: store.positions() },
                    None => Found::Rows(store.positions()),
                };
                Ok((store, found))
            }
            Attempt::Unusable(why) => {
                let moved_to = move_aside(path, UNUSABLE)?;
                match attempt(path)? {
                    Attempt::Open(tree) => {
                        Ok((Self::start(tree, lock)?, Found::Unusable { moved_to, why }))
                    }
                    Attempt::Unusable(_) => Err(Error::row(key::FORMAT, None)),
                }
            }
        }
    }

    /// Opens the store that is being made to take the place of the one at `path`: where somebody has
    /// begun with it, they go on. [`Store::make_ready`] ends it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_next(path: &Path) -> Result<(Self, Found), Error> {
        Self::open(&next_to(path))
    }

    /// Ends what [`Store::open_next`] began: whoever opens the store at `path` next finds these rows.
    ///
    /// # Errors
    /// [`Error::Sled`], [`Error::Files`].
    pub fn make_ready(self, path: &Path) -> Result<PathBuf, Error> {
        let (next, ready) = (next_to(path), ready_for(path));
        self.flush()?;
        // The lock lies beside the folder, and is held until all is done.
        let Self { tree, _lock, .. } = self;
        drop(tree);
        let files = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Files { operation, path, source }
        };
        if ready.exists() {
            fs::remove_dir_all(&ready).map_err(files("remove", &ready))?;
        }
        fs::rename(&next, &ready).map_err(files("make ready", &next))?;
        Ok(ready)
    }

    /// A store in memory, for a fold that is looked at once.
    #[must_use]
    pub fn memory() -> Self {
        let tree = Tree::memory(key::FORMAT, &FORMAT.to_be_bytes());
        Self {
            tree,
            writer: Mutex::new(Positions::default()),
            seen: Mutex::new(Seen::anything()),
            rows: RwLock::default(),
            says_all: AtomicBool::new(false),
            _lock: None,
        }
    }

    fn start(tree: Tree, lock: File) -> Result<Self, Error> {
        let seen = if tree.is_new() { Seen::nothing() } else { Seen::anything() };
        let mut positions = Positions::default();
        for stream in Stream::ALL {
            positions.advance(stream, read_number(&tree, &key::position(stream))?);
        }
        tree.insert(key::FORMAT, &FORMAT.to_be_bytes())?;
        Ok(Self {
            tree,
            writer: Mutex::new(positions),
            seen: Mutex::new(seen),
            rows: RwLock::default(),
            says_all: AtomicBool::new(false),
            _lock: Some(lock),
        })
    }

    pub(crate) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Keeps everything as it is for as long as the guard lives.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Positions> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps rows as they are for as long as the guard lives; nobody waits for it but the next batch.
    pub(crate) fn still(&self) -> RwLockReadGuard<'_, ()> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in entries, oldest first in each stream, and answers how far the rows reach then.
    /// What has been taken in before is passed over. All of it is written, or none.
    ///
    /// # Errors
    /// [`Error::Sled`] or [`Error::Row`]; the store is as it was.
    pub fn apply<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Positions, Error> {
        let mut positions = self.hold();
        let mut reached = *positions;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Changes::new(&self.tree, &mut seen);
        for entry in entries {
            if entry.seq > reached.of(entry.stream) {
                changes.take(entry)?;
                reached.advance(entry.stream, entry.seq);
            }
        }
        if reached != *positions {
            // The first batch says all, whatever was there; the later ones what is new.
            let known = self.says_all.load(Ordering::Relaxed).then_some(*positions);
            let batch = changes.into_batch(known, reached)?;
            let moving = self.rows.write().unwrap_or_else(PoisonError::into_inner);
            self.tree.apply(batch)?;
            drop(moving);
            *positions = reached;
            self.says_all.store(true, Ordering::Relaxed);
        }
        Ok(reached)
    }

    /// How far into the log the rows reach.
    #[must_use]
    pub fn positions(&self) -> Positions {
        *self.hold()
    }

    /// How far into `stream` the rows reach.
    #[must_use]
    pub fn position(&self, stream: Stream) -> u64 {
        self.positions().of(stream)
    }

    /// How many messages could not be read.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn unreadable(&self) -> Result<usize, Error> {
        let rows = self.tree.scan_prefix(b"unreadable/");
        rows.into_iter().try_fold(0, |count, row| row.map(|_| count + 1))
    }

    /// Forgets everything, for a log that is not the one the rows were made from.
    ///
    /// # Errors
    /// [`Error::Sled`]. A store that was left half empty is made anew when next opened.
    pub fn clear(&self) -> Result<(), Error> {
        let mut positions = self.hold();
        self.tree.insert(key::FORMAT, &NO_FORMAT.to_be_bytes())?;
        self.tree.flush()?;
        self.tree.clear()?;
        self.tree.insert(key::FORMAT, &FORMAT.to_be_bytes())?;
        *positions = Positions::default();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::nothing();
        self.says_all.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Marks the store as damaged: whoever opens it next makes it anew.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn condemn(&self) -> Result<(), Error> {
        self.tree.insert(key::FORMAT, &NO_FORMAT.to_be_bytes())?;
        self.tree.flush()
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn flush(&self) -> Result<(), Error> {
        self.tree.flush()
    }
}

enum Attempt {
    Open(Tree),
    Unusable(WhyAnew),
}

/// Opens what nobody else has open: the lock beside it is ours. sled's own threads may still let go of
/// what was closed a moment ago.
fn open_once_free(config: &sled::Config) -> sled::Result<sled::Db> {
    for _ in 0..MAX_LOOKS {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().starts_with(SLED_HELD) => {
                thread::park_timeout(LOOK_EVERY);
            }
            done => return done,
        }
    }
    config.open()
}

/// sled panics on some kinds of damage and reports others.
fn attempt(path: &Path) -> Result<Attempt, Error> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let damaged = |reason: String| Ok(Attempt::Unusable(WhyAnew::Damaged { reason }));
    match catch_unwind(AssertUnwindSafe(|| open_once_free(&config))) {
        Ok(Ok(db)) => {
            let (empty, tree) = (db.is_empty(), Tree::Disk(db));
            match read_number(&tree, key::FORMAT) {
                Ok(FORMAT) => Ok(Attempt::Open(tree)),
                Ok(NO_FORMAT) if empty => Ok(Attempt::Open(tree)),
                Ok(found) => Ok(Attempt::Unusable(WhyAnew::Format { found })),
                Err(error) => damaged(error.to_string()),
            }
        }
        Ok(Err(error @ (sled::Error::Corruption { .. } | sled::Error::Unsupported(_)))) => {
            damaged(error.to_string())
        }
        Ok(Err(sled::Error::Io(error)))
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            damaged(error.to_string())
        }
        Ok(Err(source)) => Err(Error::Sled { operation: "open", source }),
        Err(_) => damaged("sled panicked on it".to_owned()),
    }
}

fn lock(path: &Path) -> Result<File, Error> {
    let files = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Files { operation, path, source }
    };
    fs::create_dir_all(path).map_err(files("make the folder", path))?;
    let name = beside(path, "lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(files("open", &name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Held { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(files("lock", &name)(source)),
    }
}

/// Puts rows that were made ready in the place of those at `path`, and answers where those lie now.
fn swap_in(path: &Path) -> Result<Option<PathBuf>, Error> {
    let ready = ready_for(path);
    if !ready.exists() {
        return Ok(None);
    }
    let before = move_aside(path, BEFORE)?;
    fs::rename(&ready, path).map_err(|source| Error::Files {
        operation: "put what was made ready into",
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(before))
}

fn move_aside(path: &Path, suffix: &str) -> Result<PathBuf, Error> {
    let to = beside(path, suffix);
    let files = |operation| {
        let path = path.to_owned();
        move |source| Error::Files { operation, path, source }
    };
    if to.exists() {
        fs::remove_dir_all(&to).map_err(files("remove what was set aside before"))?;
    }
    fs::rename(path, &to).map_err(files("set aside"))?;
    Ok(to)
}

/// Where rows of this shape lie while they are made to take the place of those at `path`.
fn next_to(path: &Path) -> PathBuf {
    beside(path, &format!("next-{FORMAT}"))
}

/// Where they lie once they are made.
fn ready_for(path: &Path) -> PathBuf {
    beside(path, &format!("ready-{FORMAT}"))
}

/// `<path>.<suffix>`, in the same folder.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}
