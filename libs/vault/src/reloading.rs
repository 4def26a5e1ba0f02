//! A ring that is read again while it is in use, so that a rotation needs no restart.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::document::{Document, Kind};
use crate::error::{RingError, RingFault};
use crate::source::Source;

/// How long after a look the next one is taken for the sake of an unknown key id, which whoever can write to the store
/// can make up.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The same where a look runs a command.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How long a process goes on wrapping under a ring that it cannot read again. Whoever takes a key out of the ring waits
/// longer than this after the rotation, so that nobody wraps under a key that is no more.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(240);

/// A ring in the form that works.
pub(crate) trait Ring: Sized + Send + Sync + 'static {
    const KIND: Kind;

    fn build(document: Document) -> Result<Self, RingFault>;

    /// Whether it is an earlier ring, rotated, and not another one in its place.
    fn follows(&self, earlier: &Self) -> bool;
}

/// A ring and where it comes from.
pub(crate) struct Reloading<R> {
    source: Source,
    state: RwLock<State<R>>,
    /// Held while the ring is read again, so that many who need it ask once.
    looking: tokio::sync::Mutex<()>,
}

struct State<R> {
    ring: Arc<R>,
    looked_at: Instant,
    read_at: Instant,
}

impl<R: Ring> Reloading<R> {
    pub(crate) async fn open(source: Source) -> Result<Self, RingError> {
        let document = source.read(R::KIND).await?;
        Self::new(source, document)
    }

    pub(crate) fn new(source: Source, document: Document) -> Result<Self, RingError> {
        let ring = build(&source, document)?;
        let now = Instant::now();
        let state = State { ring: Arc::new(ring), looked_at: now, read_at: now };
        Ok(Self { source, state: RwLock::new(state), looking: tokio::sync::Mutex::default() })
    }

    /// The ring as it was last read. Held for the moment of a copied pointer, never while anything is read or sealed.
    pub(crate) fn held(&self) -> Arc<R> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).ring)
    }

    /// The ring to wrap under: read again if it is time to.
    pub(crate) async fn fresh(&self) -> Result<Arc<R>, RingError> {
        if self.looked_at().elapsed() >= self.source.again() {
            let _one_at_a_time = self.looking.lock().await;
            if self.looked_at().elapsed() >= self.source.again() {
                self.look().await;
            }
        }
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.read_at.elapsed() >= STALE_AFTER {
            return Err(RingError::Stale { place: self.source.place(), limit: STALE_AFTER });
        }
        Ok(Arc::clone(&state.ring))
    }

    /// The ring as it is now, for a key id that it did not hold.
    pub(crate) async fn again(&self) -> Arc<R> {
        let asked_at = Instant::now();
        let _one_at_a_time = self.looking.lock().await;
        // Somebody else may have looked for all who wait.
        if self.looked_at() < asked_at {
            let pause = match self.source {
                Source::File(_) | Source::Credential(_) | Source::Environment(_) => LOOK_AGAIN,
                Source::Command(_) => ASK_AGAIN,
            };
            tokio::time::sleep(pause.saturating_sub(self.looked_at().elapsed())).await;
            self.look().await;
        }
        self.held()
    }

    /// Reads the ring again. One that cannot be read leaves the one at hand.
    async fn look(&self) {
        let looked_at = Instant::now();
        let read = self.source.read(R::KIND).await.and_then(|read| build(&self.source, read));
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.looked_at = looked_at;
        match read {
            Ok(ring) if R::follows(&ring, &state.ring) => {
                state.ring = Arc::new(ring);
                state.read_at = looked_at;
            }
            Ok(_) => tracing::error!(
                ring = self.source.place(),
                "another key ring lies where this process read its own: it keeps the one it has"
            ),
            Err(error) => tracing::warn!(
                ring = self.source.place(),
                error = &error as &(dyn std::error::Error + 'static),
                "the key ring cannot be read again"
            ),
        }
    }

    /// When the last look began.
    fn looked_at(&self) -> Instant {
        self.state.read().unwrap_or_else(PoisonError::into_inner).looked_at
    }
}

fn build<R: Ring>(source: &Source, document: Document) -> Result<R, RingError> {
    R::build(document).map_err(|fault| RingError::Malformed { place: source.place(), fault })
}
