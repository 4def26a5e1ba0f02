//! Texts from strangers, on their way into metadata.

/// Longest text of one field, in characters.
const MOST_CHARS: usize = 1_000;

/// One line without control characters, of bounded length; nothing if nothing is left.
pub(crate) fn line(text: &str) -> Option<String> {
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MOST_CHARS)
        .collect();
    let text = text.trim();
    if text.is_empty() { None } else { Some(text.to_owned()) }
}

/// A text string of a PDF: UTF-16 or UTF-8 with a mark, else PDFDocEncoding.
pub(crate) fn of_pdf(bytes: &[u8]) -> Option<String> {
    let utf_16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
        let text = char::decode_utf16(units).map(|letter| letter.unwrap_or('\u{fffd}'));
        text.take(MOST_CHARS).collect::<String>()
    };
    let text = match bytes {
        [0xfe, 0xff, rest @ ..] => without_language(&utf_16(rest, u16::from_be_bytes)),
        [0xff, 0xfe, rest @ ..] => without_language(&utf_16(rest, u16::from_le_bytes)),
        [0xef, 0xbb, 0xbf, rest @ ..] => {
            without_language(&String::from_utf8_lossy(rest.get(..MOST_CHARS * 4).unwrap_or(rest)))
        }
        _ => match std::str::from_utf8(bytes) {
            // Against the letter of the specification, and common.
            Ok(text) => text.chars().take(MOST_CHARS).collect(),
            Err(_other_encoding) => {
                bytes.iter().take(MOST_CHARS).map(|byte| pdf_letter(*byte)).collect()
            }
        },
    };
    line(&text)
}

/// Unicode text may hold its language between two escapes.
fn without_language(text: &str) -> String {
    text.split('\u{1b}').step_by(2).collect()
}

/// PDFDocEncoding, where it differs from Latin-1.
fn pdf_letter(byte: u8) -> char {
    const FROM_18: [char; 8] = ['˘', 'ˇ', 'ˆ', '˙', '˝', '˛', '˚', '˜'];
    const FROM_80: [char; 33] = [
        '•', '†', '‡', '…', '—', '–', 'ƒ', '⁄', '‹', '›', '−', '‰', '„', '“', '”', '‘', '’', '‚',
        '™', 'ﬁ', 'ﬂ', 'Ł', 'Œ', 'Š', 'Ÿ', 'Ž', 'ı', 'ł', 'œ', 'š', 'ž', '\u{fffd}', '€',
    ];
    let from = |table: &[char], first: u8| {
        table.get(usize::from(byte - first)).copied().unwrap_or('\u{fffd}')
    };
    match byte {
        0x18..=0x1f => from(&FROM_18, 0x18),
        0x80..=0xa0 => from(&FROM_80, 0x80),
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_pdf_are_read_in_each_of_their_encodings() {
        for (bytes, expected) in [
            (&b"plain"[..], Some("plain")),
            (b"\xfe\xff\0G\0r\0\xfc\0\xdf\0e", Some("Grüße")),
            (b"\xff\xfeG\0r\0\xfc\0", Some("Grü")),
            (b"\xef\xbb\xbfGr\xc3\xbc", Some("Grü")),
            (b"\xfe\xff\0\x1b\0e\0n\0\x1b\0H\0i", Some("Hi")),
            (b"\x85\xa0 Gr\xfc", Some("–€ Grü")),
            ("schon UTF-8: ü".as_bytes(), Some("schon UTF-8: ü")),
            (b"a\0b\nc", Some("a b c")),
            (b" \n", None),
            (b"", None),
        ] {
            assert_eq!(of_pdf(bytes).as_deref(), expected, "{bytes:?}");
        }
    }
}
