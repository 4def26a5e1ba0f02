//! Texts that come out of a renderer, made harmless or refused.

use std::collections::{BTreeMap, BTreeSet};

use domain::wish::MetadataKind;
use serde_json::{Map, Value};

const MEDIA_TYPE_CHARS: usize = 100;
const EXTENSION_CHARS: usize = 12;
const DETAIL_CHARS: usize = 300;
const ENCODING_CHARS: usize = 24;
/// The most characters of a key.
const KEY_CHARS: usize = 128;
/// The deepest nesting of metadata.
const METADATA_DEPTH: usize = 8;
const MAX_ENGINES: usize = 16;
const ENGINE_CHARS: usize = 40;

/// Metadata that no honest renderer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("more metadata than allowed")]
    TooMuch,
    #[error("metadata of a kind that nobody asked for")]
    Unasked,
    #[error("metadata with a key that is no name")]
    Key,
    #[error("metadata nested too deeply")]
    Deep,
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

/// A name such as libmagic gives encodings: lower-case letters, digits and hyphens.
pub(crate) fn is_encoding(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=ENCODING_CHARS).contains(&text.len()) && text.bytes().all(letter)
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

/// What was found in a file: only kinds that `asked` names, not nested too deeply, keys printable
/// and short, texts free of control characters but ends of lines and tabs, all within `max_bytes` of
/// JSON.
pub(crate) fn metadata(
    mut found: Map<String, Value>,
    asked: &BTreeSet<MetadataKind>,
    max_bytes: u32,
) -> Result<Map<String, Value>, Flaw> {
    if !found.keys().all(|name| asked.iter().any(|kind| kind.name() == name)) {
        return Err(Flaw::Unasked);
    }
    found.values_mut().try_for_each(|value| clean(value, METADATA_DEPTH - 1))?;
    let bytes = serde_json::to_vec(&found).map_or(usize::MAX, |json| json.len());
    if bytes > max_bytes as usize { Err(Flaw::TooMuch) } else { Ok(found) }
}

/// Takes control characters out of texts, but for what parts their words; refuses what is nested deeper than `depth`.
fn clean(value: &mut Value, depth: usize) -> Result<(), Flaw> {
    match value {
        Value::String(text) => {
            text.retain(|letter| matches!(letter, '\n' | '\t') || !letter.is_control());
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
        Value::Array(_) | Value::Object(_) if depth == 0 => return Err(Flaw::Deep),
        Value::Array(values) => {
            values.iter_mut().try_for_each(|value| clean(value, depth - 1))?;
        }
        Value::Object(map) => {
            if !map.keys().all(|key| is_key(key)) {
                return Err(Flaw::Key);
            }
            map.values_mut().try_for_each(|value| clean(value, depth - 1))?;
        }
    }
    Ok(())
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && !key.chars().any(char::is_control) && key.chars().count() <= KEY_CHARS
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
    fn encodings_are_plain_names() {
        for fine in ["binary", "us-ascii", "utf-8", "utf-16le", "iso-8859-1", "unknown-8bit"] {
            assert!(is_encoding(fine), "{fine}");
        }
        for odd in ["", "UTF-8", "utf 8", "utf-8\n", &"x".repeat(25)] {
            assert!(!is_encoding(odd), "{odd}");
        }
    }

    fn check(value: Value, max_bytes: u32) -> Result<Value, Flaw> {
        let Value::Object(found) = value else { unreachable!("a map") };
        let asked = BTreeSet::from([MetadataKind::Exif, MetadataKind::Mail]);
        metadata(found, &asked, max_bytes).map(Value::Object)
    }

    #[test]
    fn metadata_is_asked_for_shallow_small_and_printable() {
        let fine =
            json!({ "exif": { "Make": "a\u{7}b\u{1b}[1m", "X": 1.5, "com.maker/key": [true] } });
        let cleaned = json!({ "exif": { "Make": "ab[1m", "X": 1.5, "com.maker/key": [true] } });
        assert_eq!(check(fine, 1_000), Ok(cleaned));
        let lines = json!({ "mail": { "text": "one\r\ntwo\tthree\n" } });
        let parted = json!({ "mail": { "text": "one\ntwo\tthree\n" } });
        assert_eq!(check(lines, 1_000), Ok(parted), "words stay apart");
        assert_eq!(check(json!({}), 2), Ok(json!({})));
        assert_eq!(check(json!({ "psd": {} }), 1_000), Err(Flaw::Unasked));
        assert_eq!(check(json!({ "exif": { "": 1 } }), 1_000), Err(Flaw::Key));
        assert_eq!(check(json!({ "exif": { "a\n": 1 } }), 1_000), Err(Flaw::Key));
        assert_eq!(
            check(json!({ "exif": { "a": { "x".repeat(129): 1 } } }), 1_000),
            Err(Flaw::Key)
        );
        assert_eq!(check(json!({ "exif": { "a": "long" } }), 10), Err(Flaw::TooMuch));
    }

    #[test]
    fn metadata_goes_eight_levels_deep_and_no_further() {
        let nested = |levels: usize| {
            let inner = (1..levels).fold(json!(1), |value, _| json!([value]));
            json!({ "mail": inner })
        };
        assert!(check(nested(8), 1_000).is_ok());
        assert_eq!(check(nested(9), 1_000), Err(Flaw::Deep));
    }
}
