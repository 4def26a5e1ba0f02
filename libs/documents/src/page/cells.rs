//! Text in cells of equal width: code, logs, plain text. Lines are broken without being shaped, so
//! that pages can be counted; only the pages asked for are set.

use unicode_width::UnicodeWidthChar;

use super::canvas::{Area, Canvas, Colour, FAINT, SHADE};
use super::letters::{Face, Letters, Look};
use super::{Pages, Paper, nth, px, whole};

/// Size of letters, and from line to line.
const SIZE: f32 = 17.5;
const LEADING: f32 = 24.0;
/// Width of a cell: what a monospaced letter takes of its size.
const CELL: f32 = SIZE * 0.602;
/// Between line numbers and text, in cells.
const GAP: usize = 2;
/// Letters of a row for each of its cells, at most: marks take no cell, but time.
const MOST_CELL_CHARS: usize = 4;
/// A line is broken at a space if there is one within so many cells of its end.
const RAGGED_CELLS: usize = 24;

/// What a part of a text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Ink {
    #[default]
    Plain,
    Keyword,
    Kind,
    Text,
    Number,
    Comment,
    Function,
    Name,
    Added,
    Removed,
}

impl Ink {
    const fn colour(self) -> Option<Colour> {
        match self {
            Self::Plain => None,
            Self::Keyword | Self::Removed => Some([0xb5, 0x1d, 0x3d]),
            Self::Kind => Some([0x8a, 0x46, 0x00]),
            Self::Text => Some([0x0a, 0x30, 0x69]),
            Self::Number | Self::Name => Some([0x05, 0x50, 0xae]),
            Self::Comment => Some([0x6a, 0x73, 0x7d]),
            Self::Function => Some([0x62, 0x39, 0xa6]),
            Self::Added => Some([0x11, 0x63, 0x29]),
        }
    }
}

/// Gives the inks of a text: where each part begins, in order.
pub(crate) type Inks = Vec<(usize, Ink)>;

/// One row of cells.
struct Row {
    /// The line it is of, from 1; 0 for what continues one.
    line: u32,
    from: usize,
    to: usize,
}

/// A text in rows.
pub(crate) struct Cells<'a> {
    text: &'a str,
    rows: Vec<Row>,
    inks: Inks,
    letters: &'a mut Letters,
    /// Cells for line numbers; none where lines are not numbered.
    gutter: usize,
    most_pages: u32,
    paper: Paper,
}

impl<'a> Cells<'a> {
    /// Breaks a text, which has neither tabs nor control characters but line feeds.
    pub(crate) fn new(
        text: &'a str,
        inks: Inks,
        numbered: bool,
        most_pages: u32,
        letters: &'a mut Letters,
    ) -> Self {
        let paper = Paper { margin: 80.0, ..Paper::UPRIGHT };
        let lines = text.lines().count();
        let gutter = if numbered { lines.to_string().len().max(2) + GAP } else { 0 };
        let columns = whole(paper.inner_width() / CELL).saturating_sub(gutter).max(8);
        let most_rows = Self::page_rows(&paper).saturating_mul(most_pages as usize);
        let mut cells = Self { text, rows: Vec::new(), inks, letters, gutter, most_pages, paper };
        let mut from = 0;
        for (line, whole_line) in (1_u32..).zip(text.split_inclusive('\n')) {
            let length = whole_line.trim_end_matches('\n').len();
            cells.break_line(line, from, from + length, columns);
            from += whole_line.len();
            if cells.rows.len() >= most_rows {
                cells.rows.truncate(most_rows);
                break;
            }
        }
        cells
    }

    fn page_rows(paper: &Paper) -> usize {
        whole(paper.inner_height() / LEADING).max(1)
    }

    fn break_line(&mut self, line: u32, from: usize, to: usize, columns: usize) {
        let text = self.text.get(from..to).unwrap_or_default();
        let (mut begin, mut cells, mut chars, mut space) = (from, 0, 0, None);
        let mut number = line;
        for (at, letter) in text.char_indices() {
            let at = from + at;
            let width = letter.width().unwrap_or(0);
            if cells + width > columns || chars >= columns * MOST_CELL_CHARS {
                let end = match space {
                    Some((place, left)) if cells - left <= RAGGED_CELLS => place,
                    _ => at,
                };
                self.rows.push(Row { line: number, from: begin, to: end });
                number = 0;
                let carried = self.text.get(end..at).unwrap_or_default();
                cells = carried.chars().filter_map(UnicodeWidthChar::width).sum();
                chars = carried.chars().count();
                begin = end;
                space = None;
            }
            cells += width;
            chars += 1;
            if letter == ' ' {
                space = Some((at + 1, cells));
            }
        }
        self.rows.push(Row { line: number, from: begin, to });
    }

    fn row_spans(&self, row: &Row) -> Vec<(&str, Look)> {
        let first = self.inks.partition_point(|(at, _)| *at <= row.from).saturating_sub(1);
        let mut spans = Vec::new();
        let mut at = row.from;
        let mut ink = Ink::Plain;
        for (begin, next) in self.inks.iter().skip(first) {
            if *begin > at {
                let end = (*begin).min(row.to);
                spans.push((self.text.get(at..end).unwrap_or_default(), look(ink)));
                at = end;
            }
            if *begin >= row.to {
                break;
            }
            ink = *next;
        }
        if at < row.to {
            spans.push((self.text.get(at..row.to).unwrap_or_default(), look(ink)));
        }
        spans.retain(|(text, _)| !text.is_empty());
        spans
    }
}

fn look(ink: Ink) -> Look {
    let colour = ink.colour();
    Look {
        face: Face::Mono,
        colour,
        bold: ink == Ink::Keyword,
        italic: ink == Ink::Comment,
        ..Look::default()
    }
}

impl Pages for Cells<'_> {
    fn paper(&self) -> Paper {
        self.paper
    }

    fn total(&self) -> u32 {
        let pages = self.rows.len().div_ceil(Self::page_rows(&self.paper));
        u32::try_from(pages).unwrap_or(u32::MAX).clamp(1, self.most_pages.max(1))
    }

    fn text(&self, page: u32) -> String {
        let count = Self::page_rows(&self.paper);
        let mut text = String::new();
        for row in self.rows.iter().skip(count * (page as usize - 1)).take(count) {
            // What continues a line is no line of its own.
            if row.line > 0 && !text.is_empty() {
                text.push('\n');
            }
            text.push_str(self.text.get(row.from..row.to).unwrap_or_default());
        }
        text
    }

    fn paint(&mut self, page: u32, canvas: &mut Canvas) {
        let rows = Self::page_rows(&self.paper);
        let from = rows * (page as usize - 1);
        let Paper { margin, height, .. } = self.paper;
        let left = margin + nth(self.gutter) * CELL;
        if self.gutter > 0 {
            let strip = margin + nth(self.gutter - 1) * CELL;
            canvas.fill(Area(0.0, 0.0, strip, px(height)), SHADE);
        }
        for (nth_row, at) in (from..(from + rows).min(self.rows.len())).enumerate() {
            let Some(row) = self.rows.get(at) else { break };
            let top = margin + nth(nth_row) * LEADING + (LEADING - SIZE) / 2.0;
            if self.gutter > 0 && row.line > 0 {
                let number = format!("{:>1$}", row.line, self.gutter - GAP);
                let faint = Look { face: Face::Mono, colour: Some(FAINT), ..Look::default() };
                let lines = self.letters.set_cells(&[(&number, faint)], SIZE, CELL);
                self.letters.draw(&lines, (margin, top), canvas);
            }
            let spans: Vec<(String, Look)> = self
                .row_spans(row)
                .into_iter()
                .map(|(text, look)| (text.to_owned(), look))
                .collect();
            let spans: Vec<(&str, Look)> =
                spans.iter().map(|(text, look)| (text.as_str(), *look)).collect();
            if !spans.is_empty() {
                let lines = self.letters.set_cells(&spans, SIZE, CELL);
                self.letters.draw(&lines, (left, top), canvas);
            }
        }
    }
}
