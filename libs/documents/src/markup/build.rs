//! Gathers blocks while a text is read: spans into paragraphs, cells into tables.

use crate::page::flow::{Block, Place, Span};
use crate::page::letters::Side;

/// Blocks, and spans of one block, that are ever kept.
const MOST_BLOCKS: usize = 20_000;
const MOST_SPANS: usize = 2_000;
/// Deepest lists and quotes that still show.
const MOST_DEPTH: usize = 8;

/// A list: its next number, if it has numbers.
type List = Option<u64>;

/// What is being built.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) blocks: Vec<Block>,
    spans: Vec<Span>,
    /// The look of the next words; how often each was opened.
    pub(crate) bold: u32,
    pub(crate) italic: u32,
    pub(crate) code: u32,
    pub(crate) link: u32,
    pub(crate) strike: u32,
    lists: Vec<List>,
    quotes: u8,
    /// The sign of an item that has no words yet.
    sign: Option<String>,
    heading: Option<u8>,
    table: Option<Table>,
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<Vec<Span>>>,
    sides: Vec<Side>,
    head: bool,
    in_cell: bool,
}

impl Builder {
    /// Words as they are.
    pub(crate) fn words(&mut self, text: &str) {
        if text.is_empty() || self.spans.len() >= MOST_SPANS {
            return;
        }
        let span = Span {
            text: text.to_owned(),
            bold: self.bold > 0,
            italic: self.italic > 0,
            code: self.code > 0,
            link: self.link > 0,
            strike: self.strike > 0,
            muted: false,
        };
        match self.spans.last_mut() {
            Some(last)
                if (Span { text: String::new(), ..last.clone() })
                    == (Span { text: String::new(), ..span.clone() }) =>
            {
                last.text.push_str(text);
            }
            _ => self.spans.push(span),
        }
    }

    /// Whether a space here would be one too many.
    pub(crate) fn is_after_space(&self) -> bool {
        self.spans.last().is_none_or(|span| span.text.ends_with(char::is_whitespace))
    }

    /// Ends the paragraph or heading that is open.
    pub(crate) fn end(&mut self) {
        if self.table.as_ref().is_some_and(|table| table.in_cell) {
            // A cell has no paragraphs: they follow one another.
            if !self.is_after_space() {
                self.words(" ");
            }
            return;
        }
        let mut spans = std::mem::take(&mut self.spans);
        if let Some(first) = spans.first_mut() {
            first.text = first.text.trim_start().to_owned();
        }
        if let Some(last) = spans.last_mut() {
            last.text = last.text.trim_end().to_owned();
        }
        if spans.iter().all(|span| span.text.is_empty()) {
            return;
        }
        match self.heading.take() {
            Some(level) => self.push(Block::Heading(level, spans)),
            None => {
                let sign = self.sign.take();
                let place = self.place();
                self.push(Block::Paragraph(place, sign, spans));
            }
        }
    }

    fn place(&self) -> Place {
        let depth = u8::try_from(self.lists.len().min(MOST_DEPTH)).unwrap_or(0);
        Place { depth, quotes: self.quotes.min(6) }
    }

    pub(crate) fn push(&mut self, block: Block) {
        if self.blocks.len() < MOST_BLOCKS {
            self.blocks.push(block);
        }
    }

    pub(crate) fn heading(&mut self, level: u8) {
        self.end();
        self.heading = Some(level);
    }

    pub(crate) fn end_heading(&mut self) {
        self.end();
        self.heading = None;
    }

    pub(crate) fn code_block(&mut self, text: &str) {
        self.end();
        let place = self.place();
        self.push(Block::Code(place, text.to_owned()));
    }

    pub(crate) fn rule(&mut self) {
        self.end();
        self.push(Block::Rule);
    }

    pub(crate) fn picture(&mut self, description: &str) {
        // In a link it is a badge or a button: its words will do.
        if self.table.is_some() || !self.lists.is_empty() || self.link > 0 {
            self.words(description);
            return;
        }
        self.end();
        self.push(Block::Picture(crate::facts::clean(description, 200)));
    }

    pub(crate) fn list(&mut self, first: Option<u64>) {
        self.end();
        self.lists.push(first);
    }

    pub(crate) fn end_list(&mut self) {
        self.end();
        self.lists.pop();
        self.sign = None;
    }

    pub(crate) fn item(&mut self) {
        self.end();
        let bullets = ["\u{2022}", "\u{25e6}", "\u{25aa}"];
        let depth = self.lists.len().saturating_sub(1);
        self.sign = Some(match self.lists.last_mut() {
            Some(Some(number)) => {
                let sign = format!("{number}.");
                *number = number.saturating_add(1);
                sign
            }
            _ => (*bullets.get(depth % 3).unwrap_or(&"\u{2022}")).to_owned(),
        });
    }

    /// A box that may be ticked.
    pub(crate) fn task(&mut self, done: bool) {
        self.sign = Some(if done { "\u{2611}" } else { "\u{2610}" }.to_owned());
    }

    pub(crate) fn quote(&mut self) {
        self.end();
        self.quotes = self.quotes.saturating_add(1);
    }

    pub(crate) fn end_quote(&mut self) {
        self.end();
        self.quotes = self.quotes.saturating_sub(1);
    }

    pub(crate) fn table(&mut self, sides: Vec<Side>) {
        self.end();
        // Tables in tables are read as one.
        if self.table.is_none() {
            self.table = Some(Table { sides, ..Table::default() });
        }
    }

    pub(crate) fn row(&mut self) {
        self.end_cell();
        if let Some(table) = &mut self.table {
            table.rows.push(Vec::new());
        }
    }

    pub(crate) fn cell(&mut self, is_head: bool) {
        self.end_cell();
        if self.table.is_none() {
            self.end();
        }
        if let Some(table) = &mut self.table {
            if table.rows.is_empty() {
                table.rows.push(Vec::new());
            }
            table.head |= is_head && table.rows.len() == 1;
            table.in_cell = true;
        }
    }

    pub(crate) fn end_cell(&mut self) {
        if let Some(table) = &mut self.table
            && std::mem::take(&mut table.in_cell)
        {
            let spans = std::mem::take(&mut self.spans);
            if let Some(row) = table.rows.last_mut() {
                row.push(spans);
            }
        }
    }

    pub(crate) fn end_table(&mut self) {
        self.end_cell();
        let Some(Table { mut rows, sides, head, .. }) = self.table.take() else { return };
        let is_blank = |cell: &Vec<Span>| cell.iter().all(|span| span.text.trim().is_empty());
        rows.retain(|row| !row.iter().all(is_blank));
        // Most tables of mails and pages are there for looks: one column is no table.
        if rows.iter().all(|row| row.iter().filter(|cell| !is_blank(cell)).count() <= 1) {
            for cell in rows.into_iter().flatten().filter(|cell| !is_blank(cell)) {
                self.spans = cell;
                self.end();
            }
        } else {
            self.push(Block::Table { head, rows, sides });
        }
    }

    pub(crate) fn done(mut self) -> Vec<Block> {
        self.end_table();
        self.end();
        self.blocks
    }
}
