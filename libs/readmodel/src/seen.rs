//! Which rows a store may have: a Bloom filter over all that was ever touched since it was empty.
//!
//! Most events of a log that is read for the first time begin a history. Looking for a row that cannot be
//! there costs as much as reading one; asking here costs nothing, and the answer is never a wrong "no".

use std::hash::{DefaultHasher, Hash, Hasher as _};

/// Bits of the filter, a power of two: one mebibyte of memory.
const BITS: u64 = 1 << 23;
/// Words of 64 of them.
const WORDS: usize = 1 << 17;
/// Bits that a row sets. Of a million rows one in forty is looked for in vain, of two million one in six.
const EACH: u64 = 4;
/// Beyond so many rows it is of no more use.
const MAX_ROWS: usize = 2_000_000;

/// Rows that there may be; all, once it is full.
pub(crate) struct Seen {
    bits: Vec<u64>,
    rows: usize,
}

impl Seen {
    /// For a store that is empty.
    pub(crate) fn nothing() -> Self {
        Self { bits: vec![0; WORDS], rows: 0 }
    }

    /// For a store that has rows already.
    pub(crate) const fn anything() -> Self {
        Self { bits: Vec::new(), rows: MAX_ROWS }
    }

    /// Whether there may be a row of this id. From now on there may.
    pub(crate) fn note(&mut self, id: &impl Hash) -> bool {
        if self.rows >= MAX_ROWS {
            *self = Self::anything();
            return true;
        }
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        // Two halves of one hash are as good as hashes of their own.
        let (first, step) = (hash >> 32, hash | 1);
        let mut known = true;
        for number in 0..EACH {
            let bit = first.wrapping_add(step.wrapping_mul(number)) % BITS;
            let word = usize::try_from(bit / 64).ok().and_then(|word| self.bits.get_mut(word));
            if let Some(word) = word {
                let mask = 1 << (bit % 64);
                known &= *word & mask != 0;
                *word |= mask;
            }
        }
        self.rows += usize::from(!known);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_may_be_there_and_nearly_nothing_else() {
        let mut seen = Seen::nothing();
        let strangers = (0..100_000_u64).filter(|id| seen.note(id)).count();
        assert!(strangers < 1_000, "{strangers}");
        assert!((0..100_000_u64).all(|id| seen.note(&id)));
        let mut anything = Seen::anything();
        assert!(anything.note(&7_u64) && anything.bits.is_empty());
    }

    #[test]
    fn one_that_is_full_says_no_more_than_one_of_which_nothing_is_known() {
        let mut seen = Seen::nothing();
        seen.rows = MAX_ROWS;
        assert!(seen.note(&7_u64) && seen.bits.is_empty());
    }
}
