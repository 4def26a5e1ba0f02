//! LZW as TIFF has it: codes of 9 to 12 bits, the highest bit first.

use crate::error::Error;

const CLEAR: usize = 256;
const END: usize = 257;
/// Codes that mean strings begin here.
const FIRST: usize = 258;
const MAX_CODES: usize = 4_096;

/// Unpacks as many bytes as `target` has room for.
///
/// # Errors
/// When there are fewer, or a code means nothing.
pub(crate) fn unpack(packed: &[u8], target: &mut [u8]) -> Result<(), Error> {
    let odd = || Error::corrupt("TIFF: LZW without sense");
    // Where the string of a code begins in what is unpacked, and its length: every string is the
    // one before it and the byte behind that.
    let mut strings = [(0_u32, 0_u32); MAX_CODES];
    let (mut next, mut bits) = (FIRST, 9_u32);
    let (mut held, mut count) = (0_u64, 0_u32);
    let mut bytes = packed.iter();
    let (mut at, mut last): (usize, Option<(usize, usize)>) = (0, None);
    while at < target.len() {
        while count < bits {
            let byte = bytes.next().ok_or_else(|| Error::corrupt("TIFF: LZW ends too early"))?;
            held = held << 8 | u64::from(*byte);
            count += 8;
        }
        count -= bits;
        let code = usize::try_from(held >> count & ((1 << bits) - 1)).map_err(|_odd| odd())?;
        held &= (1 << count) - 1;
        if code == CLEAR {
            (next, bits, last) = (FIRST, 9, None);
            continue;
        }
        if code == END {
            break;
        }
        let begun = at;
        if code < CLEAR {
            let place = target.get_mut(at).ok_or_else(odd)?;
            *place = u8::try_from(code).map_err(|_odd| odd())?;
            at += 1;
        } else {
            let (from, length) = match last {
                // The string that this very code makes: the last one, and its first byte again.
                Some((from, length)) if code == next => (from, length + 1),
                Some(_) if code < next => {
                    let (from, length) = strings.get(code).copied().ok_or_else(odd)?;
                    (from as usize, length as usize)
                }
                _ => return Err(odd()),
            };
            let end = (at + length).min(target.len());
            if from + length <= at {
                target.copy_within(from..from + (end - at), at);
            } else {
                for to in at..end {
                    let byte = target.get(from + to - at).copied().ok_or_else(odd)?;
                    *target.get_mut(to).ok_or_else(odd)? = byte;
                }
            }
            at = end;
        }
        if let Some((from, length)) = last
            && let Some(place) = strings.get_mut(next)
        {
            *place = (
                u32::try_from(from).map_err(|_odd| odd())?,
                u32::try_from(length + 1).map_err(|_odd| odd())?,
            );
            next += 1;
            // One earlier than needed, as its inventors had it.
            if next + 1 >= 1 << bits && bits < 12 {
                bits += 1;
            }
        }
        last = Some((begun, at - begun));
    }
    if at == target.len() { Ok(()) } else { Err(Error::corrupt("TIFF: LZW ends too early")) }
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
