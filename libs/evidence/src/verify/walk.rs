//! One stream, walked from its first leaf to its last: events against leaves, leaves against checkpoints.
//!
//! Two trees grow side by side as long as leaves and events differ: one of the leaves as they are
//! recorded, one of the events as they are there. The next checkpoint that holds for one of them
//! says which of the two was changed.

mod ending;

use jiff::Timestamp;

use super::{
    chains::Chains,
    finding::{Finding, Findings, Kind, Place},
    record::{Halt, Leaves, Stored},
    statement::Statement,
};
use crate::{
    Hash,
    tile::{self, WIDTH},
    tree::{self, Edge},
};

/// Events that differ from their leaves since the last checkpoint that held.
#[derive(Default)]
struct Differing {
    first: Option<Place>,
    count: u64,
}

/// Events that are not there, one after the other.
#[derive(Clone, Copy, Default)]
struct Gone {
    from: u64,
    to: u64,
    count: u64,
}

impl Gone {
    fn add(&mut self, from: u64, to: u64) {
        if self.count == 0 {
            self.from = from;
        }
        self.to = to;
        self.count = self.count.saturating_add(to.saturating_sub(from).saturating_add(1));
    }
}

/// The walk along one stream.
pub(super) struct Walk {
    stream: String,
    statements: Vec<Statement>,
    sorted: bool,
    /// The next statement to be looked at.
    at: usize,
    /// Statements that did not hold since the last one that did.
    failed: Vec<usize>,
    held: Vec<usize>,
    /// The tree of the leaves as recorded; of the events where none are.
    stated: Edge,
    /// The tree of the events as they are there, where it differs.
    found: Option<Edge>,
    /// The index of the next leaf.
    next: u64,
    /// The first leaf that nothing says, which ends both trees.
    lost: Option<u64>,
    tile: Option<(u64, Vec<Hash>)>,
    differing: Differing,
    /// Since the last event that is there.
    gone: Gone,
    /// Before the first event that is there.
    purged: Gone,
    /// Gone before the notary saw them, as the tree says.
    unseen: u64,
    chains: Chains,
    pub(super) findings: Findings,
    events: u64,
    first: Option<u64>,
    last: u64,
    /// The first event after what checkpoints cover: its place, and when it was decided.
    uncovered: Option<(u64, Option<Timestamp>)>,
    uncovered_events: u64,
}

impl Walk {
    pub(super) fn new(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            statements: Vec::new(),
            sorted: false,
            at: 0,
            failed: Vec::new(),
            held: Vec::new(),
            stated: Edge::default(),
            found: None,
            next: 0,
            lost: None,
            tile: None,
            differing: Differing::default(),
            gone: Gone::default(),
            purged: Gone::default(),
            unseen: 0,
            chains: Chains::default(),
            findings: Findings::default(),
            events: 0,
            first: None,
            last: 0,
            uncovered: None,
            uncovered_events: 0,
        }
    }

    fn tell(&mut self, finding: Finding) {
        self.findings.add(finding.of(&self.stream));
    }

    /// Takes in what a checkpoint says. Those of the log come before its leaves and events.
    pub(super) fn state(&mut self, statement: Statement) {
        if self.sorted {
            self.tell(Finding::new(
                Kind::OutOfOrder,
                format!("{} comes after the events it speaks of", statement.name()),
            ));
            return;
        }
        self.statements.push(statement);
    }

    /// Takes in why the notary signs nothing more.
    pub(super) fn halted(&mut self, halt: &Halt) {
        let says = format!("the notary has stopped signing: {}", halt.reason);
        let mut finding = Finding::new(Kind::Halted, says);
        finding.seq = halt.seq;
        self.tell(finding);
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.sorted, true) {
            self.statements.sort_by(|a, b| a.place().cmp(&b.place()));
            // One that witnesses signed later stands there twice.
            self.statements.dedup_by(|next, kept| {
                let same = next.place() == kept.place();
                kept.witnesses = kept.witnesses.max(if same { next.witnesses } else { 0 });
                same
            });
            self.look();
        }
    }

    /// Takes in the leaves of the stretch that follows.
    pub(super) fn leaves(&mut self, tile: &Leaves) {
        self.begin();
        self.drain();
        let start = tile.index.saturating_mul(WIDTH);
        let leaves = tile::hashes_of(&tile.leaves);
        let Some(leaves) = leaves.filter(|it| (1..=WIDTH).contains(&(it.len() as u64))) else {
            self.tell(
                Finding::new(
                    Kind::LeavesDamaged,
                    format!("tile {} is not one to 256 leaves of 32 bytes", tile.index),
                )
                .at(start.saturating_add(1)),
            );
            return;
        };
        if start < self.next {
            let says = format!("tile {} comes late or a second time", tile.index);
            self.tell(Finding::new(Kind::OutOfOrder, says).at(start + 1));
            return;
        }
        if start > self.next {
            self.lose(start);
        }
        self.tile = Some((start, leaves));
    }

    /// Takes in one event.
    pub(super) fn event(&mut self, event: &Stored) {
        self.begin();
        let place = Place::of(event);
        if event.seq <= self.last || event.seq == 0 {
            let says = format!("event {} comes after event {}", event.seq, self.last);
            self.tell(Finding::new(Kind::OutOfOrder, says).event(&place));
            return;
        }
        self.skip_to(event.seq - 1);
        let gone = std::mem::take(&mut self.gone);
        match self.first {
            None => self.purged = gone,
            Some(_) => self.missing(gone),
        }
        let first = *self.first.get_or_insert(event.seq);
        self.last = event.seq;
        self.events += 1;
        if let Some(name) = event.repeated() {
            let says =
                format!("the header {name} is there twice, and only one of the two is covered");
            self.tell(Finding::new(Kind::RepeatedHeader, says).event(&place));
        }
        let raw = event.raw();
        let hash = raw.hash();
        if let Err(broken) = self.chains.take(event, &raw, hash, first > 1) {
            self.tell(chain_broken(&place, broken.before));
        }
        let leaf = tree::event_leaf(&self.stream, event.seq, hash.as_bytes());
        let stated = self.stated_leaf();
        if stated.is_some_and(|stated| stated != leaf) {
            self.differing.count += 1;
            self.differing.first.get_or_insert(place);
        }
        if stated.is_none() && self.statements.last().is_some_and(|it| it.size > self.next) {
            let says = format!("the leaf of event {} is not recorded any more", event.seq);
            self.tell(Finding::new(Kind::LeavesMissing, says).at(event.seq));
        }
        self.uncovered_events += 1;
        if self.uncovered.is_none() {
            self.uncovered = Some((event.seq, raw.time()));
        }
        self.push(stated, Some(leaf));
    }

    fn missing(&mut self, gone: Gone) {
        let Gone { from, to, count } = gone;
        let says = match count {
            0 => return,
            1 => format!("event {from} is gone, and the ones before and after it are there"),
            _ => format!("events {from} to {to} are gone, and the ones before and after are there"),
        };
        let mut finding = Finding::new(Kind::Missing, says).at(from).to(to);
        finding.count = count;
        self.tell(finding);
    }

    /// The recorded leaf of the next index, if there is one.
    fn stated_leaf(&self) -> Option<Hash> {
        let (start, leaves) = self.tile.as_ref()?;
        let place = usize::try_from(self.next.checked_sub(*start)?).ok()?;
        leaves.get(place).copied()
    }

    /// Goes on to `index` over events that are not there.
    fn skip_to(&mut self, index: u64) {
        while self.next < index {
            let Some(leaf) = self.stated_leaf() else { return self.lose(index) };
            self.push(Some(leaf), None);
        }
    }

    /// Goes on to the end of the stretch whose leaves are known.
    fn drain(&mut self) {
        while let Some(leaf) = self.stated_leaf() {
            self.push(Some(leaf), None);
        }
        self.tile = None;
    }

    fn lose(&mut self, to: u64) {
        if to > self.next {
            self.lost.get_or_insert(self.next);
            self.gone.add(self.next + 1, to);
            self.next = to;
        }
    }

    fn push(&mut self, stated: Option<Hash>, found: Option<Hash>) {
        self.next += 1;
        if found.is_none() {
            if stated == Some(tree::absent_leaf(&self.stream, self.next)) {
                self.unseen += 1;
            } else {
                self.gone.add(self.next, self.next);
            }
        }
        let Some(leaf) = stated.or(found).filter(|_| self.lost.is_none()) else { return };
        match (&mut self.found, found) {
            (Some(tree), found) => drop(tree.append(found.unwrap_or(leaf))),
            (None, Some(found)) if found != leaf => {
                let mut tree = self.stated.clone();
                tree.append(found);
                self.found = Some(tree);
            }
            (None, _) => {}
        }
        self.stated.append(leaf);
        self.look();
    }

    /// Holds every statement about the tree of this size against it.
    fn look(&mut self) {
        let from = self.at;
        while self.statements.get(self.at).is_some_and(|it| it.size == self.next) {
            self.at += 1;
        }
        if from == self.at || self.lost.is_some() {
            return;
        }
        let (stated, found) = (self.stated.root(), self.found.as_ref().map(Edge::root));
        let saying = |root: Hash| -> Vec<usize> {
            (from..self.at).filter(|at| self.root(*at) == Some(root)).collect()
        };
        let by_leaves = saying(stated);
        let by_events = found.map(saying).unwrap_or_default();
        let held = if by_leaves.is_empty() { &by_events } else { &by_leaves };
        let others: Vec<usize> = (from..self.at).filter(|at| !held.contains(at)).collect();
        if held.is_empty() {
            self.failed.extend(others);
            return;
        }
        self.held.extend(held);
        self.resolve(by_leaves.is_empty());
        self.failed.extend(others);
        self.contradicted();
    }

    fn root(&self, at: usize) -> Option<Hash> {
        self.statements.get(at).map(|statement| statement.root)
    }

    /// A statement holds: says what is known since the one before.
    fn resolve(&mut self, events_are_right: bool) {
        let differing = std::mem::take(&mut self.differing);
        if let Some(place) = differing.first {
            let mut finding = if events_are_right {
                let says = format!(
                    "the leaf recorded of event {} is not its own; checkpoints confirm the event",
                    place.seq
                );
                Finding::new(Kind::LeavesDamaged, says)
            } else {
                Finding::new(Kind::Altered, altered(place.seq, "what was signed"))
            };
            finding.count = differing.count;
            self.tell(finding.event(&place));
        }
        if let Some(found) = self.found.take()
            && events_are_right
        {
            self.stated = found;
        }
        self.uncovered = None;
        self.uncovered_events = 0;
    }

    /// Tells of statements that others refute, which hold for a tree of the same size or a larger one.
    fn contradicted(&mut self) {
        for at in std::mem::take(&mut self.failed) {
            let Some(statement) = self.statements.get(at) else { continue };
            let holding = || self.held.iter().filter_map(|at| self.statements.get(*at));
            let since = holding()
                .filter(|other| other.size < statement.size)
                .filter(|other| other.is_kept() || !statement.is_kept())
                .map(|other| other.size)
                .max()
                .unwrap_or_default();
            let says = format!(
                "{} cannot be true beside the others: both are signed, and no log has two first {} \
                 events. Somewhere from event {} to event {} history was written anew",
                statement.name(),
                statement.size,
                since + 1,
                statement.size
            );
            let finding = Finding::new(Kind::Contradicted, says).at(since + 1).to(statement.size);
            self.tell(finding);
        }
    }
}

fn altered(seq: u64, than: &str) -> String {
    format!("event {seq} is not the one that was stored: it differs from {than}")
}

fn chain_broken(place: &Place, before: Option<u64>) -> Finding {
    match before {
        None => Finding::new(
            Kind::ChainBroken,
            format!("event {} continues a history of which nothing is there", place.seq),
        )
        .event(place),
        Some(before) => {
            let says = format!(
                "event {} does not continue event {before}, the one before it in its history: one of \
                 the two was altered, or what lay between them is gone",
                place.seq
            );
            let mut finding = Finding::new(Kind::ChainBroken, says).event(place);
            finding.to_seq = finding.seq.replace(before);
            finding
        }
    }
}
