//! What a picture in JPEG 2000 comes to, by the head of its codestream (ISO/IEC 15444-1, A.5.1).

/// How a codestream begins; its sizes follow.
const START: &[u8] = b"\xff\x4f\xff\x51";
/// Bytes of the sizes: their own length, capabilities, four pairs of numbers, the channels.
const SIZES_BYTES: usize = 38;

/// The sizes of a codestream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: u16,
    /// How many tiles it is made of.
    pub(super) tiles: u64,
}

/// The sizes of each codestream that may begin in `data`: which one is decoded, boxes around it tell.
pub(super) fn sizes(data: &[u8]) -> impl Iterator<Item = Sizes> + '_ {
    let starts = data.windows(START.len()).enumerate().filter(|(_, found)| *found == START);
    starts.filter_map(|(at, _)| read(data.get(at + START.len()..)?.first_chunk()?))
}

fn read(head: &[u8; SIZES_BYTES]) -> Option<Sizes> {
    let (numbers, channels) = head.get(4..)?.split_at_checked(32)?;
    let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let pair = |at: usize| {
        let pair = numbers.get(8 * at..).unwrap_or_default();
        (number(pair), number(pair.get(4..).unwrap_or_default()))
    };
    let (end, begin, tile, first) = (pair(0), pair(1), pair(2), pair(3));
    let along = |end: u32, first: u32, tile: u32| {
        (tile > 0).then(|| u64::from(end.saturating_sub(first).div_ceil(tile)))
    };
    Some(Sizes {
        width: end.0.saturating_sub(begin.0),
        height: end.1.saturating_sub(begin.1),
        channels: channels.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes)),
        tiles: along(end.0, first.0, tile.0)?.saturating_mul(along(end.1, first.1, tile.1)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codestream(numbers: [u32; 8], channels: u16) -> Vec<u8> {
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        [START, &[0, 47, 0, 0], &numbers, &channels.to_be_bytes()].concat()
    }

    #[test]
    fn a_picture_is_as_large_and_has_as_many_tiles_as_its_codestream_says() {
        let tall = codestream([120, 184_549_420, 0, 0, 120, 44, 0, 0], 3);
        let small = codestream([130, 54, 10, 10, 50, 50, 0, 0], 1);
        let both = [&b"\0\0\0\x0cjP  "[..], &small, b"between", &tall].concat();
        let found: Vec<Sizes> = sizes(&both).collect();
        let wanted = [
            Sizes { width: 120, height: 44, channels: 1, tiles: 3 * 2 },
            Sizes { width: 120, height: 184_549_420, channels: 3, tiles: 4_194_305 },
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_cut_off_or_has_no_tiles_has_no_sizes() {
        let whole = codestream([120, 44, 0, 0, 120, 44, 0, 0], 3);
        assert_eq!(sizes(&whole).count(), 1);
        assert_eq!(sizes(&whole[..whole.len() - 1]).count(), 0);
        assert_eq!(sizes(&codestream([120, 44, 0, 0, 0, 44, 0, 0], 3)).count(), 0);
    }
}
