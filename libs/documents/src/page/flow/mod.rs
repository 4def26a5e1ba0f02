//! Running text: blocks set one under the other and broken into pages.

mod table;

use super::canvas::{Area, Canvas, Colour, FAINT, LINE, LINK, MUTED, SHADE};
use super::letters::{Face, Letters, Lines, Look, Side};
use super::{Pages, Paper, nth, px};

/// As much text as is ever set, and a paragraph's share: longer ones are broken.
const MOST_CHARS: usize = 400_000;
const MOST_PARAGRAPH_CHARS: usize = 6_000;

/// Letters of running text.
const SIZE: f32 = 21.0;
const LEADING: f32 = 1.45;
const CODE_SIZE: f32 = 17.5;
/// What is no further below stands on the same line.
const SAME_LINE: f32 = 6.0;
/// A level of indentation.
const INDENT: f32 = 36.0;

/// Some text that looks the same.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) bold: bool,
    pub(crate) italic: bool,
    pub(crate) code: bool,
    pub(crate) link: bool,
    pub(crate) strike: bool,
    pub(crate) muted: bool,
}

impl Span {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub(crate) fn bold(text: impl Into<String>) -> Self {
        Self { text: text.into(), bold: true, ..Self::default() }
    }

    pub(crate) fn muted(text: impl Into<String>) -> Self {
        Self { text: text.into(), muted: true, ..Self::default() }
    }

    fn look(&self, face: Face) -> Look {
        let colour = if self.link {
            Some(LINK)
        } else if self.muted {
            Some(MUTED)
        } else if self.code {
            Some([0x8a, 0x2b, 0x4a])
        } else {
            None
        };
        Look {
            face: if self.code { Face::Mono } else { face },
            bold: self.bold,
            italic: self.italic,
            strike: self.strike,
            colour,
            underline: false,
        }
    }
}

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Levels of lists it is in.
    pub(crate) depth: u8,
    /// Levels of quotes it is in.
    pub(crate) quotes: u8,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    /// A heading, of level 1 to 6.
    Heading(u8, Vec<Span>),
    /// A paragraph, perhaps with a sign before its first line.
    Paragraph(Place, Option<String>, Vec<Span>),
    /// Lines as they are.
    Code(Place, String),
    /// A line across.
    Rule,
    /// Rows of cells; the first may be a head.
    Table { head: bool, rows: Vec<Vec<Vec<Span>>>, sides: Vec<Side> },
    /// Names and values, as at the top of a mail.
    Fields(Vec<(String, Vec<Span>)>),
    /// A picture that is not shown, by its description.
    Picture(String),
    /// A specimen: text of a size in points of the page.
    Specimen(f32, String),
}

/// What is drawn somewhere.
enum Piece {
    /// A line of a set text, at its left edge.
    Line {
        lines: usize,
        nth: usize,
        x: f32,
    },
    Fill {
        area: (f32, f32, f32),
        radius: f32,
        colour: Colour,
    },
}

struct Item {
    page: u32,
    y: f32,
    piece: Piece,
}

/// Blocks on pages.
pub(crate) struct Flow<'a> {
    texts: Vec<Lines>,
    items: Vec<Item>,
    letters: &'a mut Letters,
    paper: Paper,
    face: Face,
    most_pages: u32,
    /// Where the next block begins.
    page: u32,
    y: f32,
    chars: usize,
}

impl<'a> Flow<'a> {
    pub(crate) fn new(blocks: Vec<Block>, most_pages: u32, letters: &'a mut Letters) -> Self {
        Self::in_face(blocks, Face::Sans, most_pages, letters)
    }

    pub(crate) fn in_face(
        blocks: Vec<Block>,
        face: Face,
        most_pages: u32,
        letters: &'a mut Letters,
    ) -> Self {
        let paper = Paper { margin: 120.0, ..Paper::UPRIGHT };
        let mut flow = Self {
            texts: Vec::new(),
            items: Vec::new(),
            letters,
            paper,
            face,
            most_pages: most_pages.max(1),
            page: 1,
            y: paper.margin,
            chars: 0,
        };
        for block in blocks {
            if flow.page > flow.most_pages || flow.chars > MOST_CHARS {
                break;
            }
            flow.block(block);
        }
        flow
    }

    fn bottom(&self) -> f32 {
        px(self.paper.height) - self.paper.margin
    }

    fn is_at_top(&self) -> bool {
        self.y <= self.paper.margin + 0.5
    }

    fn gap(&mut self, gap: f32) {
        if !self.is_at_top() {
            self.y += gap;
        }
    }

    /// Begins a page if so much does not fit any more.
    fn need(&mut self, height: f32) {
        if self.y + height > self.bottom() && !self.is_at_top() {
            self.page += 1;
            self.y = self.paper.margin;
        }
    }

    fn fill(&mut self, x: f32, y: f32, (width, height): (f32, f32), radius: f32, colour: Colour) {
        let piece = Piece::Fill { area: (x, width, height), radius, colour };
        self.items.push(Item { page: self.page, y, piece });
    }

    fn block(&mut self, block: Block) {
        match block {
            Block::Heading(level, spans) => self.heading(level, &spans),
            Block::Paragraph(place, sign, spans) => self.paragraph(place, sign.as_deref(), &spans),
            Block::Code(place, text) => self.code(place, &text),
            Block::Rule => {
                self.gap(22.0);
                self.need(30.0);
                let width = self.paper.inner_width();
                self.fill(self.paper.margin, self.y, (width, 2.0), 0.0, LINE);
                self.y += 22.0;
            }
            Block::Table { head, rows, sides } => self.table(head, &rows, &sides),
            Block::Fields(fields) => self.fields(&fields),
            Block::Picture(description) => self.picture(&description),
            Block::Specimen(size, text) => {
                self.gap(size * 0.3);
                let look = Look { face: Face::Specimen, ..Look::default() };
                self.chars += text.chars().count();
                let lines = self.letters.set(
                    &[(&text, look)],
                    (size, 1.3),
                    Some(self.paper.inner_width()),
                    Side::Start,
                );
                self.lines(lines, self.paper.margin, None, 0.0);
            }
        }
    }

    /// Sets spans; what is too long is cut.
    fn set(
        &mut self,
        spans: &[Span],
        size: f32,
        leading: f32,
        width: f32,
        bold: bool,
        side: Side,
    ) -> Lines {
        let face = self.face;
        let mut looks: Vec<(&str, Look)> = Vec::new();
        for span in spans {
            let mut look = span.look(face);
            look.bold |= bold;
            looks.push((span.text.as_str(), look));
        }
        self.chars += spans.iter().map(|span| span.text.chars().count()).sum::<usize>();
        self.letters.set(&looks, (size, leading), Some(width.max(40.0)), side)
    }

    /// Puts lines under one another from here on, across pages; `quoted` bars stand at their left.
    fn lines(&mut self, lines: Lines, x: f32, shade: Option<(f32, f32)>, bars: f32) {
        let heights = lines.heights();
        let at = self.texts.len();
        self.texts.push(lines);
        for (line, height) in heights.into_iter().enumerate() {
            self.need(height);
            if let Some((left, width)) = shade {
                self.fill(left, self.y, (width, height + 0.5), 0.0, SHADE);
            }
            for bar in 0..super::whole(bars) {
                let left = self.paper.margin + nth(bar) * 24.0;
                self.fill(left, self.y - 4.0, (5.0, height + 8.0), 2.0, LINE);
            }
            let piece = Piece::Line { lines: at, nth: line, x };
            self.items.push(Item { page: self.page, y: self.y, piece });
            self.y += height;
        }
    }

    fn heading(&mut self, level: u8, spans: &[Span]) {
        let size = match level {
            1 => 42.0,
            2 => 33.0,
            3 => 27.0,
            4 => 23.0,
            _ => SIZE,
        };
        self.gap(size * 0.95);
        let width = self.paper.inner_width();
        let lines = self.set(spans, size, 1.25, width, true, Side::Start);
        // A heading stays with the first lines under it.
        self.need(lines.height() + 90.0);
        self.lines(lines, self.paper.margin, None, 0.0);
        if level <= 2 {
            self.y += 8.0;
            self.fill(self.paper.margin, self.y, (width, 1.6), 0.0, LINE);
        }
        self.y += size * 0.3;
    }

    fn left(&self, place: Place) -> f32 {
        self.paper.margin
            + f32::from(place.depth.min(8)) * INDENT
            + f32::from(place.quotes.min(6)) * 24.0
    }

    fn paragraph(&mut self, place: Place, sign: Option<&str>, spans: &[Span]) {
        if spans.iter().all(|span| span.text.trim().is_empty()) && sign.is_none() {
            return;
        }
        let left = self.left(place);
        let width = self.paper.inner_width() - (left - self.paper.margin);
        self.gap(if place.depth > 0 { 7.0 } else { 15.0 });
        let bars = f32::from(place.quotes.min(6));
        for (part, spans) in parts(spans).into_iter().enumerate() {
            let lines = self.set(&spans, SIZE, LEADING, width, false, Side::Start);
            if let Some(sign) = sign.filter(|_| part == 0) {
                self.need(SIZE * LEADING);
                let muted = Look { colour: Some(MUTED), face: self.face, ..Look::default() };
                let mark = self.letters.set(&[(sign, muted)], (SIZE, LEADING), None, Side::Start);
                let x = left - 12.0 - mark.width();
                self.texts.push(mark);
                let piece = Piece::Line { lines: self.texts.len() - 1, nth: 0, x };
                self.items.push(Item { page: self.page, y: self.y, piece });
            }
            self.lines(lines, left, None, bars);
        }
    }

    fn code(&mut self, place: Place, text: &str) {
        const PAD: f32 = 16.0;
        let left = self.left(place);
        let width = self.paper.inner_width() - (left - self.paper.margin);
        self.gap(16.0);
        self.need(CODE_SIZE * 1.4 * 2.0 + 2.0 * PAD);
        self.fill(left, self.y, (width, PAD), 0.0, SHADE);
        self.y += PAD;
        let look = Look { face: Face::Mono, ..Look::default() };
        for part in text.trim_end().split('\n').collect::<Vec<_>>().chunks(40) {
            if self.chars > MOST_CHARS || self.page > self.most_pages {
                break;
            }
            let part: String = part.join("\n").chars().take(MOST_PARAGRAPH_CHARS).collect();
            self.chars += part.chars().count();
            let lines = self.letters.set(
                &[(&part, look)],
                (CODE_SIZE, 1.4),
                Some(width - 2.0 * PAD),
                Side::Start,
            );
            self.lines(lines, left + PAD, Some((left, width)), 0.0);
        }
        self.fill(left, self.y, (width, PAD), 0.0, SHADE);
        self.y += PAD;
    }

    fn picture(&mut self, description: &str) {
        self.gap(16.0);
        self.need(76.0);
        let width = self.paper.inner_width();
        self.fill(self.paper.margin, self.y, (width, 64.0), 6.0, SHADE);
        // A small landscape: frame, sun, hills.
        let (x, y) = (self.paper.margin + 18.0, self.y + 15.0);
        self.fill(x, y, (46.0, 34.0), 4.0, FAINT);
        self.fill(x + 3.0, y + 3.0, (40.0, 28.0), 2.0, super::canvas::WHITE);
        self.fill(x + 30.0, y + 7.0, (8.0, 8.0), 4.0, FAINT);
        self.fill(x + 6.0, y + 20.0, (34.0, 9.0), 4.0, FAINT);
        let words = if description.trim().is_empty() { "Picture" } else { description };
        let words: String = words.chars().take(90).collect();
        let muted = Look { colour: Some(MUTED), italic: true, ..Look::default() };
        let lines = self.letters.set(&[(&words, muted)], (SIZE, 1.0), None, Side::Start);
        self.texts.push(lines);
        let piece = Piece::Line { lines: self.texts.len() - 1, nth: 0, x: x + 66.0 };
        self.items.push(Item { page: self.page, y: self.y + 21.0, piece });
        self.y += 64.0;
    }

    fn fields(&mut self, fields: &[(String, Vec<Span>)]) {
        const NAME_WIDTH: f32 = 150.0;
        for (name, spans) in fields {
            self.gap(5.0);
            let muted = Look { colour: Some(MUTED), ..Look::default() };
            let label = self.letters.set(&[(name, muted)], (19.0, 1.4), None, Side::Start);
            let width = self.paper.inner_width() - NAME_WIDTH;
            let value = self.set(spans, 19.0, 1.4, width, false, Side::Start);
            self.need(28.0);
            self.texts.push(label);
            let piece = Piece::Line { lines: self.texts.len() - 1, nth: 0, x: self.paper.margin };
            self.items.push(Item { page: self.page, y: self.y, piece });
            self.lines(value, self.paper.margin + NAME_WIDTH, None, 0.0);
        }
    }
}

/// Spans in parts that are not too long to be set at once.
fn parts(spans: &[Span]) -> Vec<Vec<Span>> {
    let total: usize = spans.iter().map(|span| span.text.len()).sum();
    if total <= MOST_PARAGRAPH_CHARS {
        return vec![spans.to_vec()];
    }
    let mut parts = vec![Vec::new()];
    let mut room = MOST_PARAGRAPH_CHARS;
    for span in spans {
        let mut rest = span.text.as_str();
        while !rest.is_empty() {
            let end = rest.char_indices().nth(room).map_or(rest.len(), |(at, _)| at);
            let (now, later) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if let Some(last) = parts.last_mut() {
                last.push(Span { text: now.to_owned(), ..span.clone() });
            }
            room = room.saturating_sub(now.chars().count());
            rest = later;
            if room == 0 {
                parts.push(Vec::new());
                room = MOST_PARAGRAPH_CHARS;
            }
            if parts.len() * MOST_PARAGRAPH_CHARS > MOST_CHARS {
                return parts;
            }
        }
    }
    parts
}

impl Pages for Flow<'_> {
    fn paper(&self) -> Paper {
        self.paper
    }

    fn total(&self) -> u32 {
        self.page.min(self.most_pages)
    }

    fn text(&self, page: u32) -> String {
        let mut text = String::new();
        let mut last = None;
        for item in self.items.iter().filter(|item| item.page == page) {
            let Piece::Line { lines, nth, .. } = item.piece else { continue };
            let line = self.texts.get(lines).map(|lines| lines.text(nth)).unwrap_or_default();
            // Signs and cells stand beside what was set before them.
            match last {
                Some(y) if item.y > y + SAME_LINE => text.push('\n'),
                Some(_) => text.push(' '),
                None => {}
            }
            text.push_str(line.trim());
            last = Some(item.y);
        }
        text
    }

    fn paint(&mut self, page: u32, canvas: &mut Canvas) {
        let Self { texts, items, letters, .. } = self;
        let here = || items.iter().filter(|item| item.page == page);
        // What is filled lies under all letters.
        for item in here() {
            if let Piece::Fill { area: (x, width, height), radius, colour } = item.piece {
                canvas.round(Area(x, item.y, width, height), radius, colour);
            }
        }
        for item in here() {
            if let Piece::Line { lines, nth, x } = item.piece
                && let Some(lines) = texts.get(lines)
            {
                letters.draw_line(lines, nth, (x, item.y), canvas);
            }
        }
        if self.total() > 1 {
            let number = format!("{page} / {}", self.total());
            let faint = Look { colour: Some(FAINT), ..Look::default() };
            let lines = self.letters.set(&[(&number, faint)], (16.0, 1.0), None, Side::Start);
            let x = (px(self.paper.width) - lines.width()) / 2.0;
            self.letters.draw(&lines, (x, px(self.paper.height) - 70.0), canvas);
        }
    }
}
