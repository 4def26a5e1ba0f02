//! The one frame that stands for a film.

use stills::Error;

use crate::ff::{Channels, Frame, Scaler};
use crate::film::Film;
use crate::score;

/// Where key frames are looked at, in thousandths of the length, the likeliest first: titles and
/// blends sit at the start, credits at the end.
const PLACES: [u64; 6] = [220, 350, 120, 480, 280, 60];
/// How many are looked at before one that is merely good is taken at once, of small frames and of large ones:
/// the latter cost time and are far to fetch.
const LOOKED_AT: (usize, usize) = (2, 1);
/// From how many pixels on a frame is large.
const LARGE_PIXELS: u64 = 4_000_000;
/// From how many bytes on the best frame so far is taken if it is not poor.
const ENOUGH_BYTES: u64 = 1_200_000;
/// Where a frame between key frames is looked for if all of these are poor.
const LAST_PLACES: [u64; 3] = [300, 550, 800];
/// How far such a frame may be from a key frame, in milliseconds: what lies between is decoded.
const MAX_FORWARD_MS: u64 = 12_000;

/// A frame chosen well: not black, not white, not blurred, if there is such a one.
///
/// # Errors
/// When no frame can be decoded, the source cannot be read, or a limit is reached.
pub(crate) fn choose(film: &mut Film<'_, '_>) -> Result<Frame, Error> {
    let mut candidates = Candidates { scaler: Scaler::new(), best: None, seen: Vec::new() };
    let length_ms = film.length_ms;
    let (width, height) = film.seen();
    let is_large = u64::from(width) * u64::from(height) >= LARGE_PIXELS;
    let least = if is_large { LOOKED_AT.1 } else { LOOKED_AT.0 };
    let before = film.input.bytes_read();
    for (looked, place) in PLACES.into_iter().enumerate() {
        let has_read_enough = film.input.bytes_read() - before >= ENOUGH_BYTES;
        let wanted = if has_read_enough { score::POOR } else { score::GOOD };
        let best = candidates.best_score();
        if best >= score::FINE || (looked >= least || has_read_enough) && best >= wanted {
            break;
        }
        let Some(frame) = film.key_frame(part(length_ms, place))? else { continue };
        candidates.look(frame)?;
        if length_ms == 0 {
            break;
        }
    }
    for place in LAST_PLACES {
        if candidates.best_score() >= score::POOR {
            break;
        }
        let ms = part(length_ms, place).min(MAX_FORWARD_MS.max(candidates.last_ms(film)));
        if let Some(frame) = film.frame_at(ms)? {
            candidates.look(frame)?;
        }
    }
    candidates.best.map(|(_, frame)| frame).ok_or_else(|| Error::corrupt("no frame can be decoded"))
}

const fn part(length_ms: u64, permille: u64) -> u64 {
    length_ms / 1_000 * permille + length_ms % 1_000 * permille / 1_000
}

struct Candidates {
    scaler: Scaler,
    best: Option<(f64, Frame)>,
    seen: Vec<Option<i64>>,
}

impl Candidates {
    fn best_score(&self) -> f64 {
        self.best.as_ref().map_or(-1.0, |(score, _)| *score)
    }

    /// The latest moment that was looked at: from the key frame there on it is not far.
    fn last_ms(&self, film: &Film<'_, '_>) -> u64 {
        self.seen.iter().flatten().map(|time| film.ms(*time)).max().unwrap_or(0) + MAX_FORWARD_MS
    }

    fn look(&mut self, frame: Frame) -> Result<(), Error> {
        let time = frame.time();
        if self.seen.contains(&time) {
            return Ok(());
        }
        self.seen.push(time);
        let gray = self.scaler.pixels(&frame, (score::WIDTH, score::HEIGHT), Channels::Gray)?;
        let score = score::of(&gray);
        if score > self.best_score() {
            self.best = Some((score, frame));
        }
        Ok(())
    }
}
