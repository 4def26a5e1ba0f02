//! A small log with its leaves and checkpoints, for tests that alter it.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::record::{Closing, Leaves, Line, Opening, Signed, Stored, VERSION};
use crate::{
    Hash, STREAMS,
    checkpoint::Checkpoint,
    note::{Kind, Signer, Verifier},
    proof,
    tile::WIDTH,
    tree,
};

/// What the deployment of these tests is called.
pub(crate) const DEPLOYMENT: &str = "darkroom.test";
/// When the log begins.
pub(crate) const BEGAN: &str = "2026-11-01T00:00:00Z";

/// A log that can be altered before it is written down.
#[derive(Clone)]
pub(crate) struct Sample {
    /// By stream, in the order of [`STREAMS`].
    pub(crate) streams: Vec<Part>,
    pub(crate) exported_at: Timestamp,
}

/// One stream of it.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) stream: &'static str,
    pub(crate) notes: Vec<String>,
    pub(crate) leaves: Vec<Hash>,
    pub(crate) events: Vec<Stored>,
}

pub(crate) fn time(minutes: i64) -> Timestamp {
    let began: Timestamp = BEGAN.parse().unwrap();
    began.checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

pub(crate) fn signer(stream: &str, seed: u8) -> Signer {
    Signer::new(format!("{DEPLOYMENT}/{stream}"), Kind::Note, &[seed; 32]).unwrap()
}

/// The keys that these logs are signed with.
pub(crate) fn keys() -> Vec<Verifier> {
    vec![signer("JOBS", 1).verifier().named(DEPLOYMENT)]
}

/// The checkpoint over the first `size` of these leaves.
pub(crate) fn note(stream: &str, leaves: &[Hash], size: usize, at: Timestamp, seed: u8) -> String {
    let root = proof::root(size as u64, &leaves[..size]).unwrap();
    let origin = format!("{DEPLOYMENT}/{stream}");
    Checkpoint::new(&origin, size as u64, root, at).sign(&signer(stream, seed)).to_string()
}

pub(crate) fn leaf(event: &Stored) -> Hash {
    tree::event_leaf(&event.stream, event.seq, event.raw().hash().as_bytes())
}

impl Part {
    fn new(stream: &'static str) -> Self {
        Self { stream, notes: vec![], leaves: vec![], events: vec![] }
    }

    /// Adds an event to one of its histories.
    pub(crate) fn append(&mut self, history: &str, name: &str, body: &str) {
        let seq = self.events.len() as u64 + 1;
        let before = self.events.iter().rev().find(|event| event.history() == history);
        let prev = before.map(|event| event.raw().hash()).unwrap_or_default();
        let at = time(i64::try_from(seq).unwrap());
        let header = |name: &str, value: String| (name.to_owned(), value);
        let event = Stored {
            stream: self.stream.to_owned(),
            seq,
            subject: format!("{history}.{name}"),
            stored_at: Some(at),
            headers: vec![
                header("Nats-Expected-Last-Subject-Sequence", (seq - 1).to_string()),
                header("ce-id", format!("00000000-0000-7000-8000-{seq:012}")),
                header("ce-source", "/darkroom".to_owned()),
                header("ce-specversion", "1.0".to_owned()),
                header("ce-time", at.to_string()),
                header("ce-type", format!("darkroom.job.{name}.v1")),
                header("darkroom-prev", prev.to_string()),
            ],
            body: Bytes::from(body.to_owned()),
        };
        self.leaves.push(leaf(&event));
        self.events.push(event);
    }

    /// Adds the checkpoint over the first `size` events, signed a minute after the last of them.
    pub(crate) fn sign(&mut self, size: usize) {
        let at = time(i64::try_from(size).unwrap() + 1);
        self.notes.push(note(self.stream, &self.leaves, size, at, 1));
    }

    /// Makes leaves and checkpoints anew, as somebody would who has a key.
    pub(crate) fn forge(&mut self, seed: u8) {
        self.leaves = self.events.iter().map(leaf).collect();
        let sizes: Vec<usize> = self.notes.iter().map(|it| size_of(it)).collect();
        let sizes = sizes.into_iter().filter(|size| *size <= self.leaves.len());
        self.notes = sizes
            .map(|size| {
                let at = time(i64::try_from(size).unwrap() + 1);
                note(self.stream, &self.leaves, size, at, seed)
            })
            .collect();
    }

    fn lines(&self) -> Vec<Line> {
        let stream = self.stream.to_owned();
        let note =
            |note: &String| Line::Checkpoint(Signed { stream: stream.clone(), note: note.clone() });
        let mut lines: Vec<Line> = self.notes.iter().map(note).collect();
        let width = usize::try_from(WIDTH).unwrap();
        let mut events = self.events.iter().peekable();
        for (index, chunk) in (0..).zip(self.leaves.chunks(width)) {
            let leaves = chunk.iter().flat_map(|hash| *hash.as_bytes()).collect();
            lines.push(Line::Tile(Leaves { stream: stream.clone(), index, leaves }));
            let last = (index + 1) * WIDTH;
            while let Some(event) = events.next_if(|event| event.seq <= last) {
                lines.push(Line::Event(event.clone()));
            }
        }
        lines.extend(events.cloned().map(Line::Event));
        lines
    }
}

pub(crate) fn size_of(note: &str) -> usize {
    note.lines().nth(1).unwrap().parse().unwrap()
}

impl Sample {
    /// Three jobs of which one is erased, an account, and nothing else: all of it signed.
    pub(crate) fn small() -> Self {
        let mut sample = Self::empty();
        let jobs = sample.part("JOBS");
        let of = |job: u8| format!("darkroom.job.a.j{job}");
        for (job, name) in [
            (1, "requested"),
            (2, "requested"),
            (1, "started"),
            (3, "requested"),
            (1, "fetched"),
            (2, "started"),
            (1, "completed"),
            (2, "completed"),
            (1, "erasure_requested"),
            (1, "erased"),
        ] {
            jobs.append(&of(job), name, &format!("{{\"event\":\"{name}\",\"n\":{job}}}"));
        }
        for size in [3, 7, 10] {
            jobs.sign(size);
        }
        let accounts = sample.part("ACCOUNTS");
        accounts.append("darkroom.account.a", "opened", "{}");
        accounts.append("darkroom.account.a", "labelled", "{}");
        accounts.sign(2);
        sample
    }

    /// As little as there can be of everything.
    pub(crate) fn tiny() -> Self {
        let mut sample = Self::empty();
        let jobs = sample.part("JOBS");
        for name in ["requested", "started", "completed"] {
            jobs.append("darkroom.job.a.j1", name, "{\"n\":1}");
        }
        jobs.sign(3);
        sample
    }

    /// Some hundred jobs over several tiles, the last few events under no checkpoint yet.
    pub(crate) fn long() -> Self {
        let mut sample = Self::empty();
        let jobs = sample.part("JOBS");
        for number in 0..660 {
            let job = format!("darkroom.job.a.j{}", number % 110);
            jobs.append(&job, if number < 110 { "requested" } else { "started" }, "{}");
        }
        for size in [200, 256, 400, 512, 650] {
            jobs.sign(size);
        }
        jobs.leaves.truncate(650);
        sample
    }

    fn empty() -> Self {
        let streams = STREAMS.iter().map(|stream| Part::new(stream)).collect();
        Self { streams, exported_at: time(700) }
    }

    pub(crate) fn part(&mut self, stream: &str) -> &mut Part {
        self.streams.iter_mut().find(|part| part.stream == stream).unwrap()
    }

    /// As an export has it.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::Export(Opening {
            version: VERSION,
            exported_at: self.exported_at,
            keys: keys().iter().map(ToString::to_string).collect(),
            streams: STREAMS.iter().map(|stream| (*stream).to_owned()).collect(),
        })];
        lines.extend(self.streams.iter().flat_map(Part::lines));
        let mut closing = Closing::default();
        for line in &lines {
            closing.count(line);
        }
        lines.push(Line::End(closing));
        lines
    }
}
