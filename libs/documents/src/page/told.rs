//! What is written on pages that are laid out here: told, rather than read off their pictures.

use domain::limits::Limits;
use serde_json::{Value, json};

/// Longest text of a page, in bytes of JSON.
const MOST_PAGE_BYTES: usize = 64 << 10;
/// Bytes of JSON of a page without text, at most.
const PAGE_BYTES: usize = 80;

/// Texts of pages, within what metadata may take.
pub(super) struct Told {
    pages: Vec<Value>,
    left_bytes: usize,
}

impl Told {
    pub(super) fn new(limits: &Limits) -> Self {
        // The other half is for whatever else there is to tell.
        Self { pages: Vec::new(), left_bytes: limits.metadata_bytes as usize / 2 }
    }

    /// Adds a page's text; what does not fit is left out.
    pub(super) fn add(&mut self, number: u32, text: &str) {
        if self.left_bytes < PAGE_BYTES {
            return;
        }
        self.left_bytes -= PAGE_BYTES;
        let (text, cost) = cut(text, self.left_bytes.min(MOST_PAGE_BYTES));
        self.left_bytes -= cost;
        self.pages.push(match text {
            Cut::Whole(text) => json!({ "page": number, "text": text, "source": "document" }),
            Cut::Part(text) => json!({
                "page": number, "text": text, "source": "document", "truncated": true,
            }),
        });
    }

    /// The kind `ocr`, for those pages.
    pub(super) fn done(self) -> Value {
        Value::Array(self.pages)
    }
}

#[derive(Debug, PartialEq)]
enum Cut<'a> {
    Whole(&'a str),
    Part(&'a str),
}

/// As much of a text as fits into so many bytes of JSON, and how many it takes.
fn cut(text: &str, room: usize) -> (Cut<'_>, usize) {
    let mut used = 0;
    for (at, letter) in text.char_indices() {
        let cost = match letter {
            '\n' | '"' | '\\' => 2,
            '\0'..='\u{1f}' => 6,
            _ => letter.len_utf8(),
        };
        if used + cost > room {
            return (Cut::Part(text.get(..at).unwrap_or_default()), used);
        }
        used += cost;
    }
    (Cut::Whole(text), used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_into_what_metadata_may_take() {
        let limits = Limits { metadata_bytes: 1_000, ..Limits::default() };
        let mut told = Told::new(&limits);
        for page in 1..=20 {
            told.add(page, &"\"a\u{1}\u{fc}\n".repeat(10));
        }
        let told = told.done();
        assert!(told.to_string().len() <= 500, "{told}");
        assert_eq!(told[0].get("truncated"), None);
        assert_eq!(told[0]["text"], "\"a\u{1}\u{fc}\n".repeat(10));
        let last = told.as_array().unwrap().last().unwrap();
        assert_eq!(last["truncated"], true, "{told}");
    }
}
