//! LZW as TIFF has it: codes of 9 to 12 bits, the highest bit first.

use crate::error::Error;

const CLEAR: usize = 256;
const END: usize = 257;
/// Codes that mean strings begin here.
const FIRST: usize = 258;
const MAX_CODES: usize = 4_096;

/// What a code stands for: every string is the one before it and the byte behind that, so that it
/// can be found where it was written first.
#[derive(Clone, Copy)]
struct Text {
    /// Its first bytes, the very first lowest.
    head: u64,
    /// Where it begins in what is unpacked.
    from: u32,
    length: u32,
}

/// Bytes of a string that are kept with its code.
const HEAD_BYTES: usize = 8;

/// Codes of a growing number of bits.
struct Codes<'a> {
    packed: &'a [u8],
    /// Bits taken from `packed` and not yet given, the lowest `count` of these.
    held: u64,
    count: u32,
}

impl Codes<'_> {
    #[inline]
    fn next(&mut self, bits: u32) -> Option<usize> {
        if self.count < bits {
            if let Some((eight, _)) = self.packed.split_first_chunk::<8>() {
                let bytes = (63 - self.count) / 8;
                self.held =
                    self.held << (bytes * 8) | u64::from_be_bytes(*eight) >> (64 - bytes * 8);
                self.count += bytes * 8;
                self.packed = self.packed.get(bytes as usize..)?;
            } else {
                while self.count < bits {
                    let (byte, rest) = self.packed.split_first()?;
                    self.held = self.held << 8 | u64::from(*byte);
                    self.count += 8;
                    self.packed = rest;
                }
            }
        }
        self.count -= bits;
        usize::try_from(self.held >> self.count & ((1 << bits) - 1)).ok()
    }
}

/// Unpacks as many bytes as `target` has room for.
///
/// # Errors
/// When there are fewer, or a code means nothing.
pub(crate) fn unpack(packed: &[u8], target: &mut [u8]) -> Result<(), Error> {
    let odd = || Error::corrupt("TIFF: LZW without sense");
    let early = || Error::corrupt("TIFF: LZW ends too early");
    let mut texts = [Text { head: 0, from: 0, length: 1 }; MAX_CODES];
    for (head, text) in (0..).zip(&mut texts).take(CLEAR) {
        text.head = head;
    }
    let (mut next, mut bits) = (FIRST, 9_u32);
    let mut codes = Codes { packed, held: 0, count: 0 };
    let (mut at, mut last): (usize, Option<Text>) = (0, None);
    while at < target.len() {
        let code = codes.next(bits).ok_or_else(early)?;
        if code == CLEAR {
            (next, bits, last) = (FIRST, 9, None);
            continue;
        }
        if code == END {
            break;
        }
        let mut text = match last {
            // The string that this very code makes: the last one, and its first byte again.
            Some(last) if code == next => longer(last, last.head),
            Some(_) if code < next => texts.get(code).copied().ok_or_else(odd)?,
            None if code < CLEAR => texts.get(code).copied().ok_or_else(odd)?,
            _ => return Err(odd()),
        };
        let begun = at;
        at += write(target, at, text);
        if let Some(last) = last
            && let Some(place) = texts.get_mut(next)
        {
            *place = longer(last, text.head);
            next += 1;
            // One earlier than needed, as its inventors had it.
            if next + 1 >= 1 << bits && bits < 12 {
                bits += 1;
            }
        }
        text.from = u32::try_from(begun).map_err(|_odd| odd())?;
        last = Some(text);
    }
    if at == target.len() { Ok(()) } else { Err(early()) }
}

/// A string with the first byte of `head` behind it.
#[inline]
const fn longer(text: Text, head: u64) -> Text {
    let added =
        if text.length < HEAD_BYTES as u32 { (head & 0xff) << (text.length * 8) } else { 0 };
    Text { head: text.head | added, length: text.length + 1, ..text }
}

/// Writes a string, as far as there is room; gives how many bytes that was. What lies behind it is
/// written over again by the next.
#[inline]
fn write(target: &mut [u8], at: usize, text: Text) -> usize {
    let (from, length) = (text.from as usize, text.length as usize);
    let head = text.head.to_le_bytes();
    let Some((place, _)) = target.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut) else {
        // At the very end.
        let mut written = 0;
        for index in 0..length {
            let known = head.get(index).copied();
            let byte = known.or_else(|| target.get(from + index).copied()).unwrap_or_default();
            let Some(place) = target.get_mut(at + index) else { break };
            *place = byte;
            written += 1;
        }
        return written;
    };
    *place = head;
    if length > HEAD_BYTES {
        let end = (at + length).min(target.len());
        let source = from + HEAD_BYTES..from + (end - at).max(HEAD_BYTES);
        target.copy_within(source, at + HEAD_BYTES);
        return end - at;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_comes_out() {
        // 7 7 7 8 8 7 7 6 6 as codes 256 7 258 8 8 258 6 6 257 of 9 bits each.
        let codes = [256_u32, 7, 258, 8, 8, 258, 6, 6, 257];
        let bits: Vec<u32> =
            codes.iter().flat_map(|code| (0..9).rev().map(move |at| code >> at & 1)).collect();
        let packed: Vec<u8> = bits
            .chunks(8)
            .map(|byte| {
                (0..8).fold(0, |sum, at| sum << 1 | byte.get(at).copied().unwrap_or(0) as u8)
            })
            .collect();
        let mut target = [0; 9];
        unpack(&packed, &mut target).expect("unpacked");
        assert_eq!(target, [7, 7, 7, 8, 8, 7, 7, 6, 6]);
        assert!(unpack(&packed[..4], &mut [0; 9]).is_err());
        assert!(unpack(&[0xff; 8], &mut [0; 9]).is_err());
    }
}
