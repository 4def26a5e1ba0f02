//! HTML made into blocks: words and their structure, nothing fetched, nothing run.

use html5gum::{Token, Tokenizer};

use super::build::Builder;
use crate::page::flow::Block;

/// More of a text is not read: it would not be set either.
const MOST_BYTES: usize = 2 << 20;
/// Longest description of a picture.
const MOST_NAME_CHARS: usize = 200;

/// The blocks of a text.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let bytes = text.as_bytes();
    let bytes = bytes.get(..bytes.len().min(MOST_BYTES)).unwrap_or_default();
    let mut emitter = html5gum::DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut reader = Reader::default();
    for Ok(token) in Tokenizer::new_with_emitter(bytes, emitter) {
        match token {
            Token::StartTag(tag) => {
                let attribute = |name: &[u8]| {
                    tag.attributes
                        .get(name)
                        .map(|value| String::from_utf8_lossy(value).into_owned())
                };
                reader.open(&tag.name, &attribute);
            }
            Token::EndTag(tag) => reader.close(&tag.name),
            Token::String(words) => reader.words(&String::from_utf8_lossy(&words)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    reader.builder.done()
}

#[derive(Default)]
struct Reader {
    builder: Builder,
    /// How many elements are open whose words are not shown.
    hidden: u32,
    /// What is gathered of preformatted text.
    held: Option<String>,
}

impl Reader {
    fn words(&mut self, words: &str) {
        if self.hidden > 0 {
            return;
        }
        if let Some(held) = &mut self.held {
            held.push_str(words);
            return;
        }
        // White space of any length is one space, and none at the beginning.
        let mut said = String::with_capacity(words.len());
        let mut is_after_space = self.builder.is_after_space();
        for letter in words.chars() {
            // Mails hide such letters behind their first line.
            if matches!(letter, '\u{200b}'..='\u{200d}' | '\u{34f}' | '\u{ad}' | '\u{feff}') {
                continue;
            }
            let is_space = letter.is_whitespace() && letter != '\u{a0}';
            if !is_space {
                said.push(letter);
            } else if !is_after_space {
                said.push(' ');
            }
            is_after_space = is_space;
        }
        self.builder.words(&said);
    }

    fn open(&mut self, name: &[u8], attribute: &dyn Fn(&[u8]) -> Option<String>) {
        let builder = &mut self.builder;
        match name {
            b"script" | b"style" | b"head" | b"title" | b"noscript" | b"template" | b"svg"
            | b"select" => self.hidden += 1,
            b"body" => self.hidden = 0,
            b"h1" => builder.heading(1),
            b"h2" => builder.heading(2),
            b"h3" => builder.heading(3),
            b"h4" => builder.heading(4),
            b"h5" | b"h6" => builder.heading(5),
            b"ul" | b"menu" | b"dl" => builder.list(None),
            b"ol" => {
                let first = attribute(b"start").and_then(|start| start.parse().ok()).unwrap_or(1);
                builder.list(Some(first));
            }
            b"li" => builder.item(),
            b"blockquote" => builder.quote(),
            b"hr" => builder.rule(),
            b"br" => match &mut self.held {
                Some(held) => held.push('\n'),
                None => builder.words("\n"),
            },
            b"b" | b"strong" | b"dt" => builder.bold += 1,
            b"i" | b"em" | b"cite" | b"var" => builder.italic += 1,
            b"code" | b"tt" | b"kbd" | b"samp" => builder.code += 1,
            b"s" | b"del" | b"strike" => builder.strike += 1,
            b"a" => builder.link += u32::from(attribute(b"href").is_some()),
            b"pre" | b"textarea" => {
                builder.end();
                self.held = Some(String::new());
            }
            b"table" => builder.table(Vec::new()),
            b"tr" => builder.row(),
            b"td" => builder.cell(false),
            b"th" => builder.cell(true),
            b"img" => {
                let said = attribute(b"alt").unwrap_or_default();
                // Pictures without words are mostly there to count readers or to fill space.
                if !said.trim().is_empty() && self.hidden == 0 {
                    builder.picture(&said.chars().take(MOST_NAME_CHARS).collect::<String>());
                }
            }
            name if is_block(name) => builder.end(),
            _ => {}
        }
    }

    fn close(&mut self, name: &[u8]) {
        let builder = &mut self.builder;
        let less = |count: &mut u32| *count = count.saturating_sub(1);
        match name {
            b"script" | b"style" | b"head" | b"title" | b"noscript" | b"template" | b"svg"
            | b"select" => less(&mut self.hidden),
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => builder.end_heading(),
            b"ul" | b"ol" | b"menu" | b"dl" => builder.end_list(),
            b"blockquote" => builder.end_quote(),
            b"b" | b"strong" => less(&mut builder.bold),
            b"dt" => {
                less(&mut builder.bold);
                builder.end();
            }
            b"i" | b"em" | b"cite" | b"var" => less(&mut builder.italic),
            b"code" | b"tt" | b"kbd" | b"samp" => less(&mut builder.code),
            b"s" | b"del" | b"strike" => less(&mut builder.strike),
            b"a" => less(&mut builder.link),
            b"pre" | b"textarea" => {
                let held = self.held.take().unwrap_or_default();
                builder.code_block(held.trim_matches('\n'));
            }
            b"table" => builder.end_table(),
            b"td" | b"th" => builder.end_cell(),
            name if is_block(name) => builder.end(),
            _ => {}
        }
    }
}

fn is_block(name: &[u8]) -> bool {
    matches!(
        name,
        b"p" | b"div"
            | b"section"
            | b"article"
            | b"header"
            | b"footer"
            | b"main"
            | b"nav"
            | b"aside"
            | b"center"
            | b"address"
            | b"form"
            | b"fieldset"
            | b"figure"
            | b"figcaption"
            | b"dd"
            | b"li"
            | b"tr"
            | b"tbody"
            | b"thead"
            | b"caption"
            | b"details"
            | b"summary"
            | b"body"
    )
}
