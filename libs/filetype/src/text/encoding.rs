//! Which encoding a text has, in libmagic's words; or that it is none.

use std::borrow::Cow;

/// Fewer bytes than this beyond ASCII could be anything.
const LEAST_8_BIT_BYTES: usize = 8;

/// The encoding and the text, read well enough to see what it is about; `None` for what is no text.
pub(crate) fn decode(bytes: &[u8], is_cut: bool) -> Option<(&'static str, Cow<'_, str>)> {
    if bytes.is_empty() {
        return None;
    }
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return Some(("utf-8", Cow::Borrowed(utf8(rest, is_cut)?)));
    }
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return None;
    }
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return utf16(rest, u16::from_le_bytes).map(|text| ("utf-16le", text));
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return utf16(rest, u16::from_be_bytes).map(|text| ("utf-16be", text));
    }
    if let Some(text) = utf8(bytes, is_cut) {
        let encoding = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        return Some((encoding, Cow::Borrowed(text)));
    }
    if let Some(found) = unmarked_utf16(bytes) {
        return Some(found);
    }
    eight_bit(bytes)
}

fn is_printable(letter: char) -> bool {
    !letter.is_control()
        || matches!(letter, '\t' | '\n' | '\r' | '\x07' | '\x08' | '\x0c' | '\x1b' | '\u{85}')
}

fn utf8(bytes: &[u8], is_cut: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut in the middle of a character by us, not by the file.
        Err(error) if error.error_len().is_none() && is_cut => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    text.chars().all(is_printable).then_some(text)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Cow<'static, str>> {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
    let text: String = char::decode_utf16(units)
        .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    let odd = text
        .chars()
        .filter(|letter| !is_printable(*letter) || *letter == char::REPLACEMENT_CHARACTER);
    // The last one may be cut.
    (odd.count() <= 1).then_some(Cow::Owned(text))
}

/// Text of the West in UTF-16 has a zero in every other byte.
fn unmarked_utf16(bytes: &[u8]) -> Option<(&'static str, Cow<'_, str>)> {
    let pairs = bytes.as_chunks::<2>().0;
    let zeros = |which: fn(&[u8; 2]) -> bool| pairs.iter().filter(|pair| which(pair)).count();
    let (high, low) = (zeros(|[high, _]| *high == 0), zeros(|[_, low]| *low == 0));
    let most = pairs.len() * 7 / 10;
    if pairs.len() < 4 || high.min(low) > 0 {
        None
    } else if low > most {
        utf16(bytes, u16::from_le_bytes).map(|text| ("utf-16le", text))
    } else if high > most {
        utf16(bytes, u16::from_be_bytes).map(|text| ("utf-16be", text))
    } else {
        None
    }
}

/// One byte a letter, or an older encoding of the East: no control characters in either.
fn eight_bit(bytes: &[u8]) -> Option<(&'static str, Cow<'_, str>)> {
    let is_text = |byte: &u8| matches!(byte, 7..=13 | 27 | 32..=126 | 128..);
    if bytes.len() < LEAST_8_BIT_BYTES || !bytes.iter().all(is_text) {
        return None;
    }
    let ascii = bytes.iter().filter(|byte| byte.is_ascii()).count();
    let spaces = bytes.iter().filter(|byte| byte.is_ascii_whitespace()).count();
    // Noise has neither: a text without a space is as short as a word.
    if ascii * 8 < bytes.len() || spaces * 64 < bytes.len() {
        return None;
    }
    let has_upper_controls = bytes.iter().any(|byte| matches!(byte, 0x80..=0x9f));
    let encoding = if has_upper_controls { "unknown-8bit" } else { "iso-8859-1" };
    Some((encoding, Cow::Owned(bytes.iter().copied().map(char::from).collect())))
}
