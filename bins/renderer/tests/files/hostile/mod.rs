//! Files made to hurt: each by our own code, the same every time.

mod bits;
mod films;
mod mutations;
mod packs;
mod pages;
mod pdfs;
mod seeds;
mod sounds;
mod stills;
mod texts;

use std::io;

use enclave::RangeSource;

pub(crate) use bits::Dice;

/// What a file may try to reach. Nothing of it may ever be touched.
pub(crate) struct Lures {
    /// A folder of files that must never be opened.
    pub(crate) folder: String,
    /// An address, with port, that must never be spoken to.
    pub(crate) address: String,
}

/// One malformed file.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) body: Body,
}

/// The file's bytes; the middle may be long and is never held in memory.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) head: Vec<u8>,
    /// Repeated over `middle_bytes`.
    pub(crate) pattern: Vec<u8>,
    pub(crate) middle_bytes: u64,
    pub(crate) tail: Vec<u8>,
}

impl Body {
    pub(crate) fn len(&self) -> u64 {
        self.head.len() as u64 + self.middle_bytes + self.tail.len() as u64
    }

    fn byte(&self, at: u64) -> Option<u8> {
        let head = self.head.len() as u64;
        if at < head {
            return self.head.get(at as usize).copied();
        }
        let middle = at - head;
        if middle < self.middle_bytes {
            return Some(self.pattern[(middle % self.pattern.len() as u64) as usize]);
        }
        self.tail.get((middle - self.middle_bytes) as usize).copied()
    }
}

impl From<Vec<u8>> for Body {
    fn from(head: Vec<u8>) -> Self {
        Self { head, pattern: Vec::new(), middle_bytes: 0, tail: Vec::new() }
    }
}

impl RangeSource for Body {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.middle_bytes == 0 {
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.head.len());
            let count = buffer.len().min(self.head.len() - from);
            buffer[..count].copy_from_slice(&self.head[from..from + count]);
            return Ok(count);
        }
        let mut filled = 0;
        for place in buffer.iter_mut() {
            let Some(byte) = self.byte(offset + filled) else { break };
            *place = byte;
            filled += 1;
        }
        Ok(filled as usize)
    }
}

/// Collects cases under names that tell where they come from.
pub(crate) struct Cases {
    kind: &'static str,
    pub(crate) made: Vec<Case>,
}

impl Cases {
    fn of(&mut self, kind: &'static str) -> &mut Self {
        self.kind = kind;
        self
    }

    fn add(&mut self, what: impl std::fmt::Display, body: impl Into<Body>) {
        self.made.push(Case { name: format!("{}: {what}", self.kind), body: body.into() });
    }
}

/// Every malformed file. `real` are well-formed ones that others wrote, with their names.
pub(crate) fn all(lures: &Lures, real: &[(String, Vec<u8>)]) -> Vec<Case> {
    let mut cases = Cases { kind: "", made: Vec::new() };
    stills::add(&mut cases);
    films::add(&mut cases, lures);
    sounds::add(&mut cases);
    pages::add(&mut cases, lures);
    pdfs::add(cases.of("pdf"), lures);
    texts::add(&mut cases, lures);
    packs::add(&mut cases, lures);
    let own = seeds::all();
    mutations::add(&mut cases, &own, real);
    cases.made
}
