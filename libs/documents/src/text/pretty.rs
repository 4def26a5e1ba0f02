//! JSON and XML that were written without line breaks, with them.

use std::borrow::Cow;

/// A text with longer lines than this on average was not written to be read.
const DENSE_CHARS: usize = 160;
/// Deeper levels are not indented any further.
const MOST_INDENT: usize = 40;
/// What is written grows to at most so many times the bytes read, and a little.
const MOST_GROWTH: usize = 4;

/// The text as it is best read.
pub(crate) fn shown<'a>(media_type: &str, text: &'a str) -> Cow<'a, str> {
    let is_dense = text.len() / text.lines().count().max(1) > DENSE_CHARS;
    let is_xml = media_type.ends_with("xml") || media_type == "application/x-plist";
    if is_dense && media_type.ends_with("json") {
        Cow::Owned(json(text))
    } else if is_dense && is_xml {
        Cow::Owned(xml(text))
    } else {
        Cow::Borrowed(text)
    }
}

struct Writer {
    out: String,
    depth: usize,
    most: usize,
}

impl Writer {
    fn new(text: &str) -> Self {
        Self { out: String::new(), depth: 0, most: text.len() * MOST_GROWTH + 1_024 }
    }

    fn line(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n("  ", self.depth.min(MOST_INDENT)));
    }

    const fn is_full(&self) -> bool {
        self.out.len() >= self.most
    }
}

/// One value or name a line; what is no JSON comes out no worse than it was.
fn json(text: &str) -> String {
    let mut writer = Writer::new(text);
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '{' | '[' => {
                writer.out.push(first);
                let close = if first == '{' { '}' } else { ']' };
                let inner = rest.get(1..).unwrap_or_default().trim_start();
                if inner.starts_with(close) {
                    writer.out.push(close);
                    length = rest.len() - inner.len() + 1;
                } else {
                    writer.depth += 1;
                    writer.line();
                }
            }
            '}' | ']' => {
                writer.depth = writer.depth.saturating_sub(1);
                writer.line();
                writer.out.push(first);
            }
            ',' => {
                writer.out.push(',');
                writer.line();
            }
            ':' => writer.out.push_str(": "),
            '"' => {
                length = string_bytes(rest);
                writer.out.push_str(rest.get(..length).unwrap_or_default());
            }
            '\n' if writer.depth == 0 => writer.line(),
            first if first.is_whitespace() => {}
            first => writer.out.push(first),
        }
        rest = rest.get(length..).unwrap_or_default();
        if writer.is_full() {
            break;
        }
    }
    writer.out
}

fn string_bytes(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// One tag a line, and text on the line of its tag.
fn xml(text: &str) -> String {
    let mut writer = Writer::new(text);
    let mut rest = text.trim();
    let mut after_open = false;
    while !rest.is_empty() && !writer.is_full() {
        if !rest.starts_with('<') {
            let end = rest.find('<').unwrap_or(rest.len());
            let words = rest.get(..end).unwrap_or_default().trim();
            writer.out.push_str(words);
            rest = rest.get(end..).unwrap_or_default();
            continue;
        }
        let end = tag_bytes(rest);
        let tag = rest.get(..end).unwrap_or_default();
        if tag.starts_with("</") {
            writer.depth = writer.depth.saturating_sub(1);
            if !after_open {
                writer.line();
            }
            after_open = false;
        } else {
            writer.line();
            let opens = !tag.ends_with("/>") && !tag.starts_with("<?") && !tag.starts_with("<!");
            writer.depth += usize::from(opens);
            after_open = opens;
        }
        writer.out.push_str(tag);
        rest = rest.get(end..).unwrap_or_default();
    }
    writer.out
}

fn tag_bytes(text: &str) -> usize {
    for (begin, end) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")] {
        if text.starts_with(begin) {
            return text.find(end).map_or(text.len(), |at| at + end.len());
        }
    }
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    text.len()
}
