//! Good files made bad: cut, flipped, overwritten, moved, doubled.

use super::Cases;
use super::bits::Dice;

const CUTS: usize = 14;
const FLIPS: usize = 12;
const NUMBERS: usize = 8;
const SHUFFLES: usize = 3;
const EDGES: usize = 6;
/// What most formats hold their tables in, in bytes from either end.
const EDGE_BYTES: usize = 1 << 10;

/// Breaks each of our own files in every way, and each real one in a few.
pub(super) fn add(cases: &mut Cases, own: &[(String, Vec<u8>)], real: &[(String, Vec<u8>)]) {
    for (index, (name, file)) in own.iter().enumerate() {
        let mut dice = Dice::new(index as u64);
        broken(cases, name, file, &mut dice, [CUTS, FLIPS, NUMBERS, SHUFFLES, EDGES]);
    }
    for (index, (name, file)) in real.iter().enumerate() {
        let mut dice = Dice::new(1_000 + index as u64);
        broken(cases, name, file, &mut dice, [2, 2, 2, 1, 2]);
    }
}

fn broken(cases: &mut Cases, name: &str, file: &[u8], dice: &mut Dice, times: [usize; 5]) {
    let [cuts, flips, numbers, shuffles, edges] = times;
    for step in 1..=cuts {
        let length = file.len() * step / (cuts + 1);
        cases.of("cut").add(format!("{name} after {length}, step {step}"), file[..length].to_vec());
    }
    for round in 0..flips {
        let mut flipped = file.to_vec();
        // From a single bit to one in a hundred bytes; the first round leaves the rest alone.
        for _ in 0..=round * file.len() / 100 / flips.max(1) {
            let at = dice.below(flipped.len());
            flipped[at] ^= 1 << dice.below(8);
        }
        cases.of("flip").add(format!("{name}, round {round}"), flipped);
    }
    for round in 0..numbers {
        let mut lying = file.to_vec();
        let edge = [0, 1, 0x7f, 0x80, 0xff, 0xfe][dice.below(6)];
        let at = dice.below(lying.len().min(512));
        let end = (at + [1, 2, 4, 8][round % 4]).min(lying.len());
        lying[at..end].fill(edge);
        cases.of("number").add(format!("{name}, {edge:x} at {at}, round {round}"), lying);
    }
    for round in 0..shuffles {
        let (from, to) = (dice.below(file.len()), dice.below(file.len()));
        let length = dice.below(file.len() / 3);
        let piece = &file[from..(from + length).min(file.len())];
        let mut moved = file.to_vec();
        if round % 2 == 0 {
            moved.splice(to..to, piece.iter().copied());
        } else {
            moved.drain(from..(from + length).min(file.len()));
        }
        cases
            .of("shuffle")
            .add(format!("{name}, {length} from {from} to {to}, round {round}"), moved);
    }
    for round in 0..edges {
        let mut gnawed = file.to_vec();
        let edge = gnawed.len().min(EDGE_BYTES);
        let from = if round % 2 == 0 { 0 } else { gnawed.len() - edge };
        for _ in 0..=dice.below(8) {
            gnawed[from + dice.below(edge)] = dice.roll() as u8;
        }
        cases.of("edge").add(format!("{name}, round {round}"), gnawed);
    }
}
