//! One log: follows its stream, and says what it amounts to. First a claim, then the promise on this
//! notary's own disk, then the signature: whoever is killed in between, and however many notaries
//! there are, no two trees of one size are signed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::Timestamp;
use eventlog::{Headers, Offered, Raw, Statement};
use evidence::{
    Hash, KEY_HEADER,
    checkpoint::Checkpoint,
    claim::{Claim, Halted},
    note::{Signer, Verifier},
    proof,
    shelf::{Kept, ShelfError},
};
use service::{Chain, Clock};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    growth::{Ground, Tree},
    promise::{Promise, PromiseFile},
    trouble::{Halt, Trouble},
};

/// How often a stream is looked at; more often where checkpoints are wanted more often.
const LOOK: Duration = Duration::from_millis(500);
/// After how many events a stream that is far ahead is claimed in between.
const STRIDE: u64 = 65_536;
/// How long what is said to be there may take to be readable.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pauses after trouble: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(60));

/// A checkpoint that was signed.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) note: String,
}

/// The last signed checkpoint in the log.
#[derive(Debug, Clone, Copy)]
struct Last {
    seq: u64,
    tree: Promise,
}

/// Keeps one log.
pub(crate) struct Keeper {
    pub(crate) ground: Ground,
    pub(crate) promise: PromiseFile,
    /// Under the log's name.
    pub(crate) signer: Signer,
    /// The deployment's own.
    pub(crate) key: Verifier,
    /// Those of this log's checkpoints that count.
    pub(crate) keys: Vec<Verifier>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) every_events: u64,
    pub(crate) every: Duration,
    pub(crate) published: watch::Sender<Option<Published>>,
    pub(crate) shutdown: CancellationToken,
}

impl Keeper {
    /// Goes on until the shutdown, whatever happens.
    pub(crate) async fn run(self) {
        let mut pause = PAUSES.0;
        let mut said = None;
        while !self.shutdown.is_cancelled() {
            let begun = Instant::now();
            let ended = tokio::select! {
                () = self.shutdown.cancelled() => return,
                ended = self.keep() => ended,
            };
            let Err(trouble) = ended;
            if begun.elapsed() > PATIENCE {
                pause = PAUSES.0;
            }
            let longest = self.report(&trouble, &mut said, pause).await;
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Says what keeps it from going on, and returns the longest pause before the next try.
    async fn report(
        &self,
        trouble: &Trouble,
        said: &mut Option<String>,
        pause: Duration,
    ) -> Duration {
        let (stream, error) = (self.ground.stream, Chain(trouble).to_string());
        match trouble {
            Trouble::Raced => {
                tracing::debug!(stream, error, "looking again");
                return PAUSES.0;
            }
            Trouble::Halt(halt) => {
                // Once when it happens, and then each minute.
                if pause == PAUSES.1 || said.as_ref() != Some(&error) {
                    let sequence = halt.sequence();
                    tracing::error!(stream, error, stream.seq = sequence, "nothing is signed");
                    self.say_halted(Some(error.clone()), sequence).await;
                    *said = Some(error);
                }
                return PAUSES.1;
            }
            _ => tracing::warn!(stream, error, "going on after a pause"),
        }
        PATIENCE
    }

    async fn keep(&self) -> Result<std::convert::Infallible, Trouble> {
        let (mut tree, mut kept, mut last) = self.begin().await?;
        if let Some(kept) = &kept
            && last.is_none_or(|last| last.tree.size < kept.claim.size)
        {
            last = Some(self.sign(kept, last).await?);
        }
        self.say_resumed().await?;
        let (mut signed_at, mut stalled): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            let extent = self.ground.events.extent(self.ground.stream).await?;
            let size = tree.size();
            if extent.last < size {
                return Err(Halt::RolledBack { last: extent.last, size }.into());
            }
            let to = extent.last.min(size + STRIDE);
            let complete = self.ground.grow(&mut tree, to, extent).await?;
            if complete {
                stalled = None;
            } else if stalled.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Err(Halt::Gap { sequence: tree.size() + 1 }.into());
            }
            let fresh = tree.size() - kept.as_ref().map_or(0, |kept| kept.claim.size);
            if fresh >= self.every_events
                || (fresh > 0 && signed_at.is_none_or(|at| at.elapsed() >= self.every))
            {
                let claimed = self.claim(&mut tree, kept.as_ref()).await?;
                last = Some(self.sign(&claimed, last).await?);
                kept = Some(claimed);
                signed_at = Some(Instant::now());
            }
            if tree.size() >= extent.last || !complete {
                tokio::time::sleep(LOOK.min(self.every)).await;
            }
        }
    }

    /// Where this log stands: what was claimed, verified from what this notary signed last on.
    async fn begin(&self) -> Result<(Tree, Option<Kept>, Option<Last>), Trouble> {
        let stream = self.ground.stream;
        let promise = self.promise.read()?;
        let kept = self.ground.shelf.kept(stream).await?;
        let last = self.last().await?;
        let size = kept.as_ref().map_or(0, |kept| kept.claim.size);
        let signed = [promise, last.map(|last| last.tree)].into_iter().flatten();
        if let Some(beyond) = signed.map(|signed| signed.size).find(|signed| *signed > size) {
            return Err(Halt::Forgotten { size: beyond }.into());
        }
        let Some(kept) = kept else { return Ok((Tree::default(), None, last)) };
        let mut tree = match promise {
            Some(promise) => self.ground.restore(&kept, promise).await?,
            None => Tree::default(),
        };
        let extent = self.ground.events.extent(stream).await?;
        self.ground.follow(&mut tree, &kept, extent).await?;
        Ok((tree, Some(kept), last))
    }

    /// The last checkpoint, if it is one of ours.
    async fn last(&self) -> Result<Option<Last>, Trouble> {
        let found = self.ground.shelf.last(self.ground.stream, Statement::Signed).await?;
        let Some(raw) = found else { return Ok(None) };
        let text = String::from_utf8_lossy(&raw.body);
        let (checkpoint, _signed) = Checkpoint::open(&text, &self.keys).map_err(Halt::Stranger)?;
        let tree = Promise { size: checkpoint.size, root: checkpoint.root };
        // It may not have been published elsewhere before this notary was stopped.
        self.publish(Published { checkpoint, note: text.into_owned() });
        Ok(Some(Last { seq: raw.seq, tree }))
    }

    /// Claims the tree as it is, its tiles stored.
    async fn claim(&self, tree: &mut Tree, before: Option<&Kept>) -> Result<Kept, Trouble> {
        self.ground.store(tree).await?;
        let size = before.map_or(0, |kept| kept.claim.size);
        let seq = before.map_or(0, |kept| kept.seq);
        let tail = tree.edge.tail().to_vec();
        // Whether the claim before has leaves of the same unfinished tile.
        let since = before
            .filter(|_| size + tail.len() as u64 > tree.size())
            .map(|kept| kept.claim.since.unwrap_or(kept.seq));
        let claim = Claim {
            size: tree.size(),
            root: tree.edge.root(),
            time: self.now().to_string(),
            leaves: tree.edge.fresh(size).to_vec(),
            since,
        };
        let body = Bytes::from(serde_json::to_vec(&claim)?);
        let (stream, headers) = (self.ground.stream, Headers::default());
        match self.ground.books.state(stream, Statement::Claimed, seq, &headers, body).await? {
            Offered::Stored(seq) => Ok(Kept { claim, seq, tail }),
            Offered::Lost => Err(Trouble::Raced),
        }
    }

    /// Signs what was claimed, once it is proven to continue all that was signed before.
    async fn sign(&self, kept: &Kept, last: Option<Last>) -> Result<Last, Trouble> {
        let tree = Promise { size: kept.claim.size, root: kept.claim.root };
        let (promise, last_tree) = (self.promise.read()?, last.map(|last| last.tree));
        // Mostly they are the same.
        for signed in promise.into_iter().chain(last_tree.filter(|last| Some(*last) != promise)) {
            self.prove(kept, signed, tree).await?;
        }
        self.promise.keep(tree).await?;
        let checkpoint =
            Checkpoint::new(self.signer.name(), tree.size, tree.root, &kept.claim.time);
        let note = checkpoint.sign(&self.signer).to_string();
        let after = last.map_or(0, |last| last.seq);
        let headers = Headers::from_iter([(KEY_HEADER, self.key.to_string())]);
        let (stream, body) = (self.ground.stream, Bytes::from(note.clone()));
        let stated = self.ground.books.state(stream, Statement::Signed, after, &headers, body);
        let Offered::Stored(seq) = stated.await? else { return Err(Trouble::Raced) };
        tracing::debug!(stream, size = tree.size, root = %tree.root, "signed");
        self.publish(Published { checkpoint, note });
        Ok(Last { seq, tree })
    }

    fn publish(&self, newest: Published) {
        self.published.send_if_modified(|known| {
            let size = newest.checkpoint.size;
            let newer = known.as_ref().is_none_or(|known| known.checkpoint.size < size);
            if newer {
                *known = Some(newest);
            }
            newer
        });
    }

    /// That the tree begins with one that was signed.
    async fn prove(&self, kept: &Kept, old: Promise, new: Promise) -> Result<(), Trouble> {
        let broken = |source| Halt::Inconsistent { old: old.size, new: new.size, source };
        let plan = proof::consistency(old.size, new.size)
            .map_err(|_smaller| broken(proof::Invalid(proof::Fault::Outside)))?;
        let stream = self.ground.stream;
        let tiles = self.ground.shelf.tiles(stream, kept, plan.nodes()).await?;
        let hashes: Vec<Hash> =
            plan.make(&tiles).map_err(|source| ShelfError::missing(stream, source))?;
        proof::verify_consistency(old.size, &old.root, new.size, &new.root, &hashes)
            .map_err(|invalid| broken(invalid).into())
    }

    /// Tells everybody who looks that nothing is signed, unless that is known.
    async fn say_halted(&self, reason: Option<String>, sequence: Option<u64>) {
        let said = match self.halted().await {
            Ok(known) if known.as_ref().is_some_and(|(_, known)| known.reason == reason) => return,
            Ok(known) => {
                let after = known.map_or(0, |(raw, _)| raw.seq);
                self.state_halted(after, Halted { reason, sequence, time: self.now().to_string() })
                    .await
            }
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = said {
            let (stream, error) = (self.ground.stream, Chain(&trouble).to_string());
            tracing::warn!(stream, error, "could not tell others that nothing is signed");
        }
    }

    /// Takes that back, where it was said.
    async fn say_resumed(&self) -> Result<(), Trouble> {
        match self.halted().await? {
            Some((raw, Halted { reason: Some(_), .. })) => {
                tracing::info!(stream = self.ground.stream, "signing again");
                let halted = Halted { reason: None, sequence: None, time: self.now().to_string() };
                self.state_halted(raw.seq, halted).await
            }
            _ => Ok(()),
        }
    }

    async fn halted(&self) -> Result<Option<(Raw, Halted)>, Trouble> {
        let found = self.ground.shelf.last(self.ground.stream, Statement::Halted).await?;
        found.map(|raw| Ok((raw.clone(), serde_json::from_slice(&raw.body)?))).transpose()
    }

    async fn state_halted(&self, after: u64, halted: Halted) -> Result<(), Trouble> {
        let (stream, body) = (self.ground.stream, Bytes::from(serde_json::to_vec(&halted)?));
        let headers = Headers::default();
        // Whoever was faster said it too.
        self.ground.books.state(stream, Statement::Halted, after, &headers, body).await?;
        Ok(())
    }

    /// To the second: what a checkpoint says is no measurement.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }
}
