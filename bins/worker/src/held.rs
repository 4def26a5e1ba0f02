//! Which bytes of a source are here, as stretches that do not touch.

use std::collections::BTreeMap;

/// Stretches: where each begins, and the byte after its last.
#[derive(Debug, Default)]
pub(crate) struct Held(BTreeMap<u64, u64>);

impl Held {
    /// Adds a stretch, joining what it touches.
    pub(crate) fn add(&mut self, mut from: u64, mut to: u64) {
        if from >= to {
            return;
        }
        let touched: Vec<(u64, u64)> = self
            .0
            .range(..=to)
            .rev()
            .take_while(|(_, end)| **end >= from)
            .map(|(start, end)| (*start, *end))
            .collect();
        for (start, end) in touched {
            self.0.remove(&start);
            from = from.min(start);
            to = to.max(end);
        }
        self.0.insert(from, to);
    }

    /// The first byte from `at` on that is not here.
    pub(crate) fn until(&self, at: u64) -> u64 {
        self.0.range(..=at).next_back().map_or(at, |(_, end)| at.max(*end))
    }

    /// The first byte from `at` on that is here.
    pub(crate) fn next(&self, at: u64) -> Option<u64> {
        if self.until(at) > at {
            return Some(at);
        }
        self.0.range(at..).next().map(|(start, _)| *start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_join_where_they_touch() {
        let mut held = Held::default();
        for (from, to) in [(10, 20), (30, 40), (0, 5), (5, 5)] {
            held.add(from, to);
        }
        assert_eq!(held.0.len(), 3);
        assert_eq!((held.until(0), held.until(5), held.until(12), held.until(40)), (5, 5, 20, 40));
        assert_eq!((held.next(5), held.next(12), held.next(40)), (Some(10), Some(12), None));
        held.add(20, 30);
        assert_eq!(held.0.iter().collect::<Vec<_>>(), [(&0, &5), (&10, &40)]);
        held.add(3, 50);
        assert_eq!(held.0.iter().collect::<Vec<_>>(), [(&0, &50)]);
    }

    #[test]
    fn stretches_agree_with_a_map_of_bytes() {
        let (mut held, mut map) = (Held::default(), [false; 64]);
        let mut seed = 7_u64;
        for _ in 0..500 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (from, length) = ((seed >> 33) as usize % 64, (seed >> 50) as usize % 7);
            let to = (from + length).min(64);
            held.add(from as u64, to as u64);
            map[from..to].fill(true);
            for at in 0..64 {
                let gap = (at..64).find(|at| !map[*at]).unwrap_or(64);
                assert_eq!(held.until(at as u64), gap as u64);
                let here = (at..64).find(|at| map[*at]).map(|at| at as u64);
                assert_eq!(held.next(at as u64), here);
            }
            if map.iter().all(|here| *here) {
                (held, map) = (Held::default(), [false; 64]);
            }
        }
    }
}
