//! IPTC's records (IIM 4): where files keep them, and what of them may go into a rendition.

use crate::ifd::Tiff;
use crate::jpeg;

/// The most bytes of records that are kept: with their wrapping they fit into a JPEG's segment.
const MAX_BYTES: usize = 60_000;
/// What a JPEG's segment of Photoshop's resources begins with.
pub(crate) const JPEG_MARK: &[u8] = b"Photoshop 3.0\0";
/// What each resource begins with.
pub(crate) const RESOURCE: &[u8] = b"8BIM";
/// The number of the records among the resources.
pub(crate) const NUMBER: u16 = 0x0404;
/// The tag of a TIFF that has them.
const TIFF_TAG: u16 = 33_723;
/// The first byte of every value.
const VALUE: u8 = 0x1c;
/// The records about the whole and about the picture.
const KEPT: std::ops::RangeInclusive<u8> = 1..=2;
/// Of the record about the picture: pictures of the picture.
const PREVIEWS: std::ops::RangeInclusive<u8> = 200..=202;

/// The records in a file, as they stand there; `None` where there are none.
pub(crate) fn find(file: &[u8]) -> Option<&[u8]> {
    match file {
        [0xff, 0xd8, ..] => jpeg::application(file, 0xed)
            .find_map(|body| in_resources(body.strip_prefix(JPEG_MARK)?)),
        [b'I', b'I', ..] | [b'M', b'M', ..] => {
            let tiff = Tiff::of(file)?;
            tiff.bytes(tiff.directory(tiff.first())?.get(TIFF_TAG)?)
        }
        _ => None,
    }
}

fn in_resources(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (number, after) = rest.strip_prefix(RESOURCE)?.split_first_chunk::<2>()?;
        // A name, filled up to an even length.
        let name = usize::from(*after.first()?) + 1;
        let after = after.get(name.next_multiple_of(2)..)?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        if u16::from_be_bytes(*number) == NUMBER {
            return after.get(..length);
        }
        rest = after.get(length.checked_next_multiple_of(2)?..)?;
    }
}

/// The values that may be put into a rendition, up to where they are damaged; `None` where there
/// are none, or too many.
pub(crate) fn cleaned(mut records: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    while let Some([VALUE, record, number, high, low]) = records.first_chunk().copied() {
        let length = usize::from(u16::from_be_bytes([high, low])) + 5;
        let Some((value, rest)) = records.split_at_checked(length) else { break };
        if KEPT.contains(&record) && !(record == 2 && PREVIEWS.contains(&number)) {
            kept.extend_from_slice(value);
        }
        records = rest;
    }
    (1..=MAX_BYTES).contains(&kept.len()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_about_the_picture_are_kept_up_to_where_they_are_damaged() {
        let city = b"\x1c\x02\x5a\0\x04Rome";
        let preview = b"\x1c\x02\xca\0\x03abc";
        let other = b"\x1c\x07\x01\0\x01a";
        let long = b"\x1c\x02\x78\xff\xffcut";
        let all = [&city[..], preview, other, city, long].concat();
        assert_eq!(cleaned(&all), Some([&city[..], city].concat()));
        assert_eq!(cleaned(long), None);
        assert_eq!(cleaned(b""), None);
        assert_eq!(cleaned(&city.repeat(MAX_BYTES / city.len() + 1)), None);
    }

    #[test]
    fn the_records_are_found_among_resources() {
        let named = [RESOURCE, b"\x04\x0a\x03abc\0\0\0\x01a\0"].concat();
        let records = [RESOURCE, b"\x04\x04\0\0\0\0\0\x03abc\0"].concat();
        assert_eq!(in_resources(&[&named[..], &records].concat()), Some(&b"abc"[..]));
        assert_eq!(in_resources(&named), None);
        for at in 0..records.len() - 1 {
            assert_eq!(in_resources(&records[..at]), None, "{at}");
        }
    }
}
