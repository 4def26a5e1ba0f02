//! Metadata: texts out of files made short and free of control characters, lists cut to the limit.

use domain::wish::MetadataKind;
use serde_json::{Map, Value};
use stills::Easel;

/// Longest text, in characters.
const MOST_CHARS: usize = 1_000;

/// A text from a file.
pub(crate) fn text(text: &str) -> Value {
    Value::String(clean(text, MOST_CHARS))
}

/// Without control characters, at most so long, nothing around it.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let is_odd = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let cleaned: String = text
        .trim()
        .chars()
        .take(most)
        .map(|letter| if is_odd(letter) { ' ' } else { letter })
        .collect();
    cleaned.trim().to_owned()
}

/// Puts a text in, if there is one.
pub(crate) fn put_text(facts: &mut Map<String, Value>, name: &str, said: Option<&str>) {
    let said = said.map(|said| clean(said, MOST_CHARS)).filter(|said| !said.is_empty());
    if let Some(said) = said {
        facts.insert(name.to_owned(), Value::String(said));
    }
}

/// Puts facts of a kind in, if they are wished for.
pub(crate) fn put(
    metadata: &mut Map<String, Value>,
    kind: MetadataKind,
    easel: &Easel<'_>,
    facts: Value,
) {
    if easel.wish().metadata.contains(&kind) {
        metadata.insert(kind.name().to_owned(), facts);
    }
}

/// As many of the items as `bytes` of JSON hold, and whether that is not all of them.
pub(crate) fn cut(items: Vec<Value>, bytes: usize) -> (Vec<Value>, bool) {
    let mut room = bytes;
    let total = items.len();
    let kept: Vec<Value> = items
        .into_iter()
        .take_while(|item| {
            let length = item.to_string().len() + 1;
            let fits = length <= room;
            room = room.saturating_sub(length);
            fits
        })
        .collect();
    let is_cut = kept.len() < total;
    (kept, is_cut)
}
