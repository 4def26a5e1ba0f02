//! Markdown, with tables, tasks, footnotes and struck words.

use pulldown_cmark::{Alignment, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::build::Builder;
use crate::page::flow::Block;
use crate::page::letters::Side;

/// More of a text is not read: it would not be set either.
const MOST_BYTES: usize = 1 << 20;

/// The blocks of a text.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let end = text
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= MOST_BYTES)
        .last()
        .unwrap_or(0);
    let text = if text.len() > MOST_BYTES { text.get(..end).unwrap_or_default() } else { text };
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reader = Reader::default();
    for event in Parser::new_ext(text, options) {
        reader.event(event);
    }
    reader.builder.done()
}

#[derive(Default)]
struct Reader {
    builder: Builder,
    /// What is gathered of code, a picture's description, or what is not shown.
    held: Option<String>,
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.held {
                Some(held) => held.push_str(&text),
                None => self.builder.words(&text),
            },
            Event::Code(text) => {
                self.builder.code += 1;
                self.builder.words(&text);
                self.builder.code -= 1;
            }
            Event::SoftBreak => match &mut self.held {
                Some(held) => held.push(' '),
                None => self.builder.words(" "),
            },
            Event::HardBreak => self.builder.words("\n"),
            Event::Rule => self.builder.rule(),
            Event::TaskListMarker(done) => self.builder.task(done),
            Event::FootnoteReference(name) => self.builder.words(&format!("[{name}]")),
            Event::InlineHtml(html) => {
                if html.starts_with("<br") {
                    self.builder.words("\n");
                }
            }
            Event::Html(html) => {
                if let Some(held) = &mut self.held {
                    held.push_str(&html);
                }
            }
            Event::InlineMath(text) | Event::DisplayMath(text) => self.builder.words(&text),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let builder = &mut self.builder;
        match tag {
            Tag::Heading { level, .. } => builder.heading(level_of(level)),
            Tag::BlockQuote(_) => builder.quote(),
            Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::MetadataBlock(_) | Tag::Image { .. } => {
                self.held = Some(String::new());
            }
            Tag::List(first) => builder.list(first),
            Tag::Item => builder.item(),
            Tag::Table(alignments) => builder.table(alignments.into_iter().map(side).collect()),
            Tag::TableHead | Tag::TableRow => builder.row(),
            Tag::TableCell => builder.cell(true),
            Tag::Emphasis => builder.italic += 1,
            Tag::Strong => builder.bold += 1,
            Tag::Strikethrough => builder.strike += 1,
            Tag::Link { .. } => builder.link += 1,
            Tag::FootnoteDefinition(name) => {
                builder.end();
                builder.words(&format!("[{name}] "));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        let builder = &mut self.builder;
        match tag {
            TagEnd::Paragraph => builder.end(),
            TagEnd::Heading(_) => builder.end_heading(),
            TagEnd::BlockQuote(_) => builder.end_quote(),
            TagEnd::CodeBlock => builder.code_block(&self.held.take().unwrap_or_default()),
            TagEnd::HtmlBlock => {
                let held = self.held.take().unwrap_or_default();
                builder.end();
                for block in super::html::blocks(&held) {
                    builder.push(block);
                }
            }
            TagEnd::MetadataBlock(_) => {
                let held = self.held.take().unwrap_or_default();
                builder.code_block(&held);
            }
            TagEnd::Image => {
                let held = self.held.take().unwrap_or_default();
                builder.picture(&held);
            }
            TagEnd::List(_) => builder.end_list(),
            TagEnd::Item => builder.end(),
            TagEnd::Table => builder.end_table(),
            TagEnd::TableCell => builder.end_cell(),
            TagEnd::Emphasis => builder.italic = builder.italic.saturating_sub(1),
            TagEnd::Strong => builder.bold = builder.bold.saturating_sub(1),
            TagEnd::Strikethrough => builder.strike = builder.strike.saturating_sub(1),
            TagEnd::Link => builder.link = builder.link.saturating_sub(1),
            _ => {}
        }
    }
}

const fn level_of(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

const fn side(alignment: Alignment) -> Side {
    match alignment {
        Alignment::Right => Side::End,
        Alignment::Center => Side::Middle,
        Alignment::Left | Alignment::None => Side::Start,
    }
}
