//! From bytes to the text of an SVG: unpacked and decoded, within limits.

use std::borrow::Cow;
use std::io::Read;

use domain::limits::Limits;
use flate2::read::MultiGzDecoder;
use stills::Error;

/// The text of an SVG, compressed or not.
pub(super) fn text<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, Error> {
    if bytes.starts_with(b"\x1f\x8b") {
        return Ok(Cow::Owned(decoded(&unpacked(bytes, limits)?)?.into_owned()));
    }
    decoded(bytes)
}

fn unpacked(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
    let most = limits.expanded_bytes;
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes).take(most.saturating_add(1));
    reader.read_to_end(&mut unpacked).map_err(|error| Error::corrupt(format!("gzip: {error}")))?;
    if unpacked.len() as u64 > most {
        return Err(Error::Expands { what: format!("more than {most} bytes") });
    }
    Ok(unpacked)
}

/// UTF-8 and UTF-16 as their marks say, else what the declaration says.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    let utf_16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
        char::decode_utf16(units).map(|letter| letter.unwrap_or('\u{fffd}')).collect()
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf_8(rest),
        [0xfe, 0xff, rest @ ..] => Ok(Cow::Owned(utf_16(rest, u16::from_be_bytes))),
        [0xff, 0xfe, rest @ ..] => Ok(Cow::Owned(utf_16(rest, u16::from_le_bytes))),
        _ => utf_8(bytes),
    }
}

fn utf_8(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) if says_latin_1(bytes) => {
            Ok(Cow::Owned(bytes.iter().copied().map(char::from).collect()))
        }
        Err(error) => Err(Error::corrupt(format!("an SVG that is no text: {error}"))),
    }
}

/// Whether the XML declaration names Latin-1 or its kin, of which some old programs are fond.
fn says_latin_1(bytes: &[u8]) -> bool {
    const DECLARATION_BYTES: usize = 256;
    let head = bytes.get(..DECLARATION_BYTES).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let declaration = head.split("?>").next().unwrap_or_default();
    ["iso-8859-1", "iso-8859-15", "windows-1252", "latin1"]
        .iter()
        .any(|name| declaration.contains(name))
}
