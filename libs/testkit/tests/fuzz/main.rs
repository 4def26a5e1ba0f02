//! A short run of every fuzz target, the same every time; `just fuzz` runs them long.
#![allow(clippy::indexing_slicing, reason = "a test that slips fails, as it should")]

#[allow(dead_code, unreachable_pub, reason = "the programs under fuzz/ include the same file")]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};

use targets::{ALL, Target};

/// Largest input, in bytes.
const LARGEST: usize = 4_096;
/// Numbers and words that readers stumble over.
const STUMBLES: &[&[u8]] = &[
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\0\x80",
    b"-1",
    b"0",
    b"18446744073709551616",
    b"\"",
    b"{",
    b"[[[[[[[[",
    b"\\u0000",
    b"\r\n",
    b"%00",
    b"../",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"1e999",
    b"null",
    b"@",
    b"::",
    b"\xe2\x80\xae",
];

/// Numbers that look random and are the same every time (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }
}

fn change(input: &mut Vec<u8>, dice: &mut Dice, seeds: &[Vec<u8>]) {
    let at = dice.below(input.len() + 1);
    match dice.below(8) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = dice.roll() as u8,
        2 => input.truncate(at),
        3 => {
            let stumble = STUMBLES[dice.below(STUMBLES.len())];
            input.splice(at..at, stumble.iter().copied());
        }
        4 => {
            let stumble = STUMBLES[dice.below(STUMBLES.len())];
            let end = (at + stumble.len()).min(input.len());
            input.splice(at..end, stumble.iter().copied());
        }
        5 => {
            let end = at + dice.below(input.len() - at + 1);
            let piece = input[at..end].to_vec();
            let to = dice.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        6 => {
            let end = at + dice.below((input.len() - at + 1).min(16));
            input.drain(at..end);
        }
        _ => {
            let other = &seeds[dice.below(seeds.len())];
            let from = dice.below(other.len());
            input.truncate(at);
            input.extend(&other[from..]);
        }
    }
    input.truncate(LARGEST);
}

fn try_hard(target: &Target) {
    let seeds = (target.seeds)();
    let mut dice = Dice(target.name.bytes().map(u64::from).sum());
    let run = |input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
            panic!("{} fails on b\"{}\"", target.name, input.escape_ascii());
        }
    };
    seeds.iter().for_each(|seed| run(seed));
    for _ in 0..target.rounds {
        let mut input = seeds[dice.below(seeds.len())].clone();
        for _ in 0..=dice.below(6) {
            change(&mut input, &mut dice, &seeds);
        }
        run(&input);
    }
}

macro_rules! each {
    ($($name:ident: $index:literal,)+) => {
        $(#[test]
        fn $name() {
            assert_eq!(ALL[$index].name, stringify!($name).trim_end_matches("_are_read_whatever_they_are"));
            try_hard(&ALL[$index]);
        })+

        #[test]
        fn no_target_is_left_out() {
            assert_eq!([$($index,)+].len(), ALL.len());
        }
    };
}

each! {
    frames_are_read_whatever_they_are: 0,
    kinds_are_read_whatever_they_are: 1,
    listings_are_read_whatever_they_are: 2,
    pictures_are_read_whatever_they_are: 3,
    wishes_are_read_whatever_they_are: 4,
    addresses_are_read_whatever_they_are: 5,
    envelopes_are_read_whatever_they_are: 6,
    events_are_read_whatever_they_are: 7,
    objects_are_read_whatever_they_are: 8,
    drawings_are_read_whatever_they_are: 9,
    documents_are_read_whatever_they_are: 10,
    artifacts_are_read_whatever_they_are: 11,
    words_are_read_whatever_they_are: 12,
    films_are_read_whatever_they_are: 13,
    proofs_are_read_whatever_they_are: 14,
    renderers_are_read_whatever_they_are: 15,
    hosts_are_read_whatever_they_are: 16,
    pages_are_read_whatever_they_are: 17,
    requests_are_read_whatever_they_are: 18,
    answers_are_read_whatever_they_are: 19,
    subscribers_are_read_whatever_they_are: 20,
}
