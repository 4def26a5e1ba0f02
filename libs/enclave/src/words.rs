//! Texts that come out of a renderer, made harmless or refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

const MEDIA_TYPE_CHARS: usize = 100;
const EXTENSION_CHARS: usize = 12;
const DETAIL_CHARS: usize = 300;
const TAG_NAME_CHARS: usize = 64;
const MAX_ENGINES: usize = 16;
const ENGINE_CHARS: usize = 40;

/// Tags that no honest renderer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("more metadata than allowed")]
    TooMuch,
    #[error("a tag that is no word, number or text")]
    Odd,
}

/// `type/subtype` in the characters that such names have.
pub(crate) fn is_media_type(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte)
            })
    };
    text.len() <= MEDIA_TYPE_CHARS
        && text.split_once('/').is_some_and(|(kind, name)| word(kind) && word(name))
}

/// Lower-case letters and digits; may be empty.
pub(crate) fn is_extension(text: &str) -> bool {
    text.len() <= EXTENSION_CHARS
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Printable ASCII of bounded length.
pub(crate) fn detail(text: &str) -> String {
    printable(text, DETAIL_CHARS)
}

fn printable(text: &str, chars: usize) -> String {
    text.chars()
        .take(chars)
        .map(|letter| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' })
        .collect()
}

/// Names and versions of libraries, cut down to printable words.
pub(crate) fn engines(engines: BTreeMap<String, String>) -> BTreeMap<String, String> {
    engines
        .into_iter()
        .take(MAX_ENGINES)
        .map(|(name, version)| (printable(&name, ENGINE_CHARS), printable(&version, ENGINE_CHARS)))
        .collect()
}

/// A flat map of tags to numbers and texts, the texts free of control characters.
pub(crate) fn tags(
    tags: Option<Map<String, Value>>,
    max_bytes: u32,
) -> Result<Option<Map<String, Value>>, Flaw> {
    let Some(mut tags) = tags else { return Ok(None) };
    for (name, value) in &mut tags {
        let fine = !name.is_empty()
            && name.len() <= TAG_NAME_CHARS
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !fine {
            return Err(Flaw::Odd);
        }
        match value {
            Value::String(text) => text.retain(|letter| !letter.is_control()),
            Value::Number(_) | Value::Null => {}
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err(Flaw::Odd),
        }
    }
    let bytes = serde_json::to_vec(&tags).map_or(usize::MAX, |json| json.len());
    if bytes > max_bytes as usize { Err(Flaw::TooMuch) } else { Ok(Some(tags)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn media_types_and_extensions_are_plain_words() {
        for fine in ["image/jpeg", "application/vnd.ms-excel", "image/svg+xml"] {
            assert!(is_media_type(fine), "{fine}");
        }
        for odd in
            ["image", "/", "image/", "image/jp eg", "image/jpeg\r\nX: y", "Image/JPEG", "a/b/c"]
        {
            assert!(!is_media_type(odd), "{odd}");
        }
        assert!(is_extension("jpg") && is_extension(""));
        assert!(!is_extension("../x") && !is_extension("JPG"));
    }

    #[test]
    fn tags_are_flat_small_and_printable() {
        let map = |value: Value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        };
        let cleaned = tags(map(json!({"Make": "a\u{7}b\n", "X": 1.5})), 1_000).expect("fine");
        assert_eq!(cleaned, map(json!({"Make": "ab", "X": 1.5})));
        assert_eq!(tags(map(json!({"a": {}})), 1_000), Err(Flaw::Odd));
        assert_eq!(tags(map(json!({"a b": 1})), 1_000), Err(Flaw::Odd));
        assert_eq!(tags(map(json!({"a": "long"})), 5), Err(Flaw::TooMuch));
        assert_eq!(tags(None, 0), Ok(None));
    }
}
