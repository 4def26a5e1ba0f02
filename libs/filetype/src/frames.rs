//! Sound without any header: frames in a row, each saying how long it is.

use crate::bytes::{File, array};
use crate::filetype::Filetype;
use crate::kind::Kind;

/// So many frames in a row are no accident.
const ENOUGH_FRAMES: usize = 4;
/// As many bytes hold that many frames.
pub(crate) const ENOUGH_BYTES: usize = 16 << 10;
/// Rest of a cut frame, or padding, that may come first.
const MOST_JUNK_BYTES: usize = 4_096;

type Length = fn(&[u8]) -> Option<usize>;

const CODINGS: &[(Length, &str, &str)] = &[
    (mpeg, "audio/mpeg", "mp3"),
    (adts, "audio/aac", "aac"),
    (ac3, "audio/ac3", "ac3"),
    (eac3, "audio/eac3", "eac3"),
    (loas, "audio/x-loas", "loas"),
];

/// Looks for frames, first at the beginning and then a little later.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    let head = file.head;
    of(head).or_else(|| {
        let junk = head.iter().take(MOST_JUNK_BYTES).enumerate();
        let starts = junk.filter(|(_, byte)| matches!(byte, 0xff | 0x0b));
        starts.skip(1).find_map(|(at, _)| {
            let found = of(head.get(at..)?)?;
            // Fewer would be likely enough at some of so many places.
            (count(head.get(at..)?, length_of(found)?) >= ENOUGH_FRAMES).then_some(found)
        })
    })
}

fn length_of(found: Filetype) -> Option<Length> {
    CODINGS.iter().find(|(_, name, _)| *name == found.media_type).map(|(length, ..)| *length)
}

/// What frames these bytes begin with.
pub(crate) fn of(bytes: &[u8]) -> Option<Filetype> {
    CODINGS
        .iter()
        .find(|(length, ..)| {
            let frames = count(bytes, *length);
            // A short file has few, but then nothing else either.
            frames >= ENOUGH_FRAMES || frames >= 2 && ends(bytes, *length)
        })
        .map(|(_, media_type, extension)| Filetype::of(Kind::Sound, media_type, extension))
}

fn count(bytes: &[u8], length: Length) -> usize {
    let mut rest = bytes;
    let mut frames = 0;
    while frames < ENOUGH_FRAMES
        && let Some(next) = length(rest)
    {
        frames += 1;
        rest = rest.get(next..).unwrap_or_default();
    }
    frames
}

/// Whether the frames fill the bytes exactly.
fn ends(bytes: &[u8], length: Length) -> bool {
    let mut rest = bytes;
    while let Some(next) = length(rest) {
        rest = rest.get(next..).unwrap_or(&[0]);
    }
    rest.is_empty() || rest.starts_with(b"TAG")
}

/// MPEG audio, layers 1 to 3.
fn mpeg(bytes: &[u8]) -> Option<usize> {
    const V1_L1: [usize; 15] =
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
    const V1_L2: [usize; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
    const V1_L3: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const V2_L1: [usize; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
    const V2_L23: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let [sync, flags, rates, _] = array(bytes, 0)?;
    if sync != 0xff || flags & 0xe0 != 0xe0 {
        return None;
    }
    let (version, layer) = (flags >> 3 & 3, flags >> 1 & 3);
    let kbits = match (version, layer) {
        (3, 3) => V1_L1,
        (3, 2) => V1_L2,
        (3, 1) => V1_L3,
        (0 | 2, 3) => V2_L1,
        (0 | 2, 1 | 2) => V2_L23,
        _ => return None,
    };
    let kbits = *kbits.get(usize::from(rates >> 4)).filter(|kbits| **kbits > 0)?;
    let hertz = [44_100, 48_000, 32_000].get(usize::from(rates >> 2 & 3))?;
    let hertz = match version {
        3 => *hertz,
        2 => hertz / 2,
        _ => hertz / 4,
    };
    let padding = usize::from(rates >> 1 & 1);
    Some(match (layer, version) {
        (3, _) => (12_000 * kbits / hertz + padding) * 4,
        (1, 0 | 2) => 72_000 * kbits / hertz + padding,
        _ => 144_000 * kbits / hertz + padding,
    })
}

/// AAC in ADTS.
fn adts(bytes: &[u8]) -> Option<usize> {
    let [sync, flags, rates, high, middle, low, _] = array(bytes, 0)?;
    if sync != 0xff || flags & 0xf6 != 0xf0 || rates >> 2 & 15 > 12 {
        return None;
    }
    let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
    (length > 7).then_some(length)
}

/// AC-3.
fn ac3(bytes: &[u8]) -> Option<usize> {
    const KBITS: [usize; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let [0x0b, 0x77, _, _, coding, version] = array(bytes, 0)? else { return None };
    if version >> 3 > 8 {
        return None;
    }
    let kbits = KBITS.get(usize::from(coding & 0x3f) / 2)?;
    match coding >> 6 {
        0 => Some(kbits * 4),
        1 => Some((kbits * 96_000 / 44_100 + usize::from(coding & 1)) * 2),
        2 => Some(kbits * 6),
        _ => None,
    }
}

/// Enhanced AC-3.
fn eac3(bytes: &[u8]) -> Option<usize> {
    let [0x0b, 0x77, high, low, _, version] = array(bytes, 0)? else { return None };
    let words = usize::from(high & 7) << 8 | usize::from(low);
    (version >> 3 > 10 && version >> 3 <= 16).then_some((words + 1) * 2)
}

/// AAC in LOAS, as broadcast.
fn loas(bytes: &[u8]) -> Option<usize> {
    let [0x56, flags, low] = array(bytes, 0)? else { return None };
    let length = usize::from(flags & 0x1f) << 8 | usize::from(low);
    (flags & 0xe0 == 0xe0 && length > 0).then_some(length + 3)
}
