//! Tables that may be long: rows of one height, as many columns as fit, a head on every page.

use super::canvas::{Area, Canvas, INK, LINE, MUTED, SHADE};
use super::letters::{Face, Letters, Look, Side};
use super::{Pages, Paper, nth, px, whole};

const SIZE: f32 = 17.0;
const LEADING: f32 = 30.0;
/// Empty space in a cell, left and right.
const PAD: f32 = 10.0;
/// Narrowest and widest column.
const LEAST_WIDTH: f32 = 48.0;
const MOST_WIDTH: f32 = 1_200.0;
/// Columns that are wider than this are narrowed where there is not the room.
const FAIR_WIDTH: f32 = 110.0;
/// Rows that are measured to find the widths, and letters of a cell that are ever set.
const MEASURED_ROWS: usize = 5_000;
const MOST_CHARS: usize = 160;

/// A column.
#[derive(Debug, Clone, Default)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Numbers stand at the right.
    pub(crate) side: Side,
    pub(crate) face: Face,
}

/// A small drawing before a row's first cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sign {
    pub(crate) colour: [u8; 3],
    pub(crate) shape: Shape,
}

/// What a sign shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Folder,
    Sheet,
    Link,
}

/// A row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) sign: Option<Sign>,
    /// Drawn paler, and its first cell in this colour.
    pub(crate) warning: Option<[u8; 3]>,
}

/// A table.
pub(crate) struct Grid<'a> {
    columns: Vec<Column>,
    rows: Vec<Row>,
    widths: Vec<f32>,
    /// Above the table on the first page: large, and smaller.
    title: Option<(String, String)>,
    letters: &'a mut Letters,
    most_pages: u32,
    paper: Paper,
    /// Columns or rows that do not fit, in words.
    rest: String,
}

impl<'a> Grid<'a> {
    pub(crate) fn new(
        columns: Vec<Column>,
        rows: Vec<Row>,
        title: Option<(String, String)>,
        most_pages: u32,
        letters: &'a mut Letters,
    ) -> Self {
        let mut grid = Self {
            columns,
            rows,
            widths: Vec::new(),
            title,
            letters,
            most_pages,
            paper: Paper { margin: 80.0, ..Paper::UPRIGHT },
            rest: String::new(),
        };
        let natural = grid.natural_widths();
        let signs = if grid.rows.iter().any(|row| row.sign.is_some()) { 34.0 } else { 0.0 };
        let wanted: f32 = natural.iter().map(|width| width.min(300.0)).sum::<f32>() + signs;
        if wanted > grid.paper.inner_width() * 1.05 && natural.len() > 5 {
            grid.paper = Paper::ACROSS;
        }
        let room = grid.paper.inner_width() - signs;
        grid.widths = fit(&natural, room);
        let left_out = grid.columns.len().saturating_sub(grid.widths.len());
        if left_out > 0 {
            grid.rest =
                format!("and {left_out} more column{}", if left_out == 1 { "" } else { "s" });
        }
        let taken: f32 = grid.widths.iter().sum();
        if let Some(first) = grid.widths.first_mut().filter(|_| signs > 0.0) {
            // Sizes and dates of a listing stand at the right.
            *first += signs + (room - taken).max(0.0);
        }
        grid
    }

    /// How wide each column would like to be.
    fn natural_widths(&mut self) -> Vec<f32> {
        let Self { columns, rows, letters, .. } = self;
        let mut widths = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            let bold = Look { face: column.face, bold: true, ..Look::default() };
            let mut width = letters.width(&cut(&column.name), bold, SIZE);
            let mut longest: Vec<(usize, &str)> = rows
                .iter()
                .take(MEASURED_ROWS)
                .filter_map(|row| row.cells.get(at).map(String::as_str))
                .map(|text| (text.chars().take(MOST_CHARS).count(), text))
                .collect();
            longest.sort_by_key(|(chars, _)| std::cmp::Reverse(*chars));
            for (_, text) in longest.iter().take(4) {
                let look = Look { face: column.face, ..Look::default() };
                width = width.max(letters.width(&cut(text), look, SIZE));
            }
            widths.push((width + 2.0 * PAD).clamp(LEAST_WIDTH, MOST_WIDTH));
        }
        widths
    }

    fn title_height(&self) -> f32 {
        if self.title.is_some() { 104.0 } else { 0.0 }
    }

    fn page_rows(&self, page: u32) -> usize {
        let title = if page == 1 { self.title_height() } else { 0.0 };
        // The head of the table takes a row, too.
        whole((self.paper.inner_height() - title) / LEADING).saturating_sub(1).max(1)
    }

    fn first_row(&self, page: u32) -> usize {
        match page {
            0 | 1 => 0,
            _ => self.page_rows(1) + (page as usize - 2) * self.page_rows(2),
        }
    }

    fn cell(
        &mut self,
        text: &str,
        look: Look,
        side: Side,
        Area(x, y, width, _): Area,
        canvas: &mut Canvas,
    ) {
        let room = width - 2.0 * PAD;
        let text = cut(text);
        let mut lines = self.letters.set(&[(&text, look)], (SIZE, 1.0), None, Side::Start);
        let mut kept = text.chars().count();
        while lines.width() > room && kept > 1 {
            // Letters differ in width: the guess is improved until it fits.
            let guess = whole(nth(kept) * room / lines.width()).min(kept - 1).max(1);
            kept = guess;
            let shorter: String = text.chars().take(kept.saturating_sub(1)).collect();
            let shorter = format!("{}\u{2026}", shorter.trim_end());
            lines = self.letters.set(&[(&shorter, look)], (SIZE, 1.0), None, Side::Start);
        }
        let left = match side {
            Side::Start => x + PAD,
            Side::Middle => x + (width - lines.width()) / 2.0,
            Side::End => x + width - PAD - lines.width(),
        };
        self.letters.draw(&lines, (left, y + (LEADING - SIZE) / 2.0), canvas);
    }

    fn head(&mut self, top: f32, canvas: &mut Canvas) {
        let Paper { margin, .. } = self.paper;
        let wide: f32 = self.widths.iter().sum();
        canvas.fill(Area(margin, top, wide, LEADING), SHADE);
        let mut x = margin;
        let columns: Vec<Column> = self.columns.iter().take(self.widths.len()).cloned().collect();
        for (column, width) in columns.iter().zip(self.widths.clone()) {
            let look = Look { bold: true, face: column.face, ..Look::default() };
            self.cell(&column.name, look, column.side, Area(x, top, width, LEADING), canvas);
            x += width;
        }
        canvas.fill(Area(margin, top + LEADING - 2.0, wide, 2.0), LINE);
    }
}

fn cut(text: &str) -> String {
    let spaced = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    spaced.take(MOST_CHARS).collect()
}

/// Widths that fit, of as many columns as do; what is left goes to those that were cut.
fn fit(natural: &[f32], room: f32) -> Vec<f32> {
    let mut widths = natural.to_vec();
    let total = |widths: &[f32]| widths.iter().sum::<f32>();
    // The widest are narrowed first, down to what can still be read.
    let mut most = MOST_WIDTH;
    while total(&widths) > room && most > FAIR_WIDTH {
        most = (most * 0.95).max(FAIR_WIDTH);
        for width in &mut widths {
            *width = width.min(most);
        }
    }
    while total(&widths) > room && widths.len() > 1 {
        widths.pop();
    }
    let mut spare = room - total(&widths);
    for (width, natural) in widths.iter_mut().zip(natural) {
        let more = (natural - *width).max(0.0).min(spare.max(0.0));
        *width += more;
        spare -= more;
    }
    widths
}

/// Cells beside one another, of as many columns as are shown.
fn told<'a>(cells: impl Iterator<Item = &'a String>, shown: usize) -> String {
    let cells: Vec<String> = cells.take(shown).map(|cell| cut(cell)).collect();
    cells.join("\t").trim_end().to_owned()
}

impl Pages for Grid<'_> {
    fn paper(&self) -> Paper {
        self.paper
    }

    fn total(&self) -> u32 {
        let first = self.page_rows(1);
        let later = self.rows.len().saturating_sub(first).div_ceil(self.page_rows(2));
        u32::try_from(1 + later).unwrap_or(u32::MAX).min(self.most_pages.max(1))
    }

    fn text(&self, page: u32) -> String {
        let shown = self.widths.len();
        let title = self.title.iter().filter(|_| page == 1);
        let mut lines: Vec<String> =
            title.flat_map(|(title, under)| [cut(title), cut(under)]).collect();
        lines.push(told(self.columns.iter().map(|column| &column.name), shown));
        let rows = self.rows.iter().skip(self.first_row(page)).take(self.page_rows(page));
        lines.extend(rows.map(|row| told(row.cells.iter(), shown)));
        if !self.rest.is_empty() {
            lines.push(self.rest.clone());
        }
        lines.join("\n")
    }

    fn paint(&mut self, page: u32, canvas: &mut Canvas) {
        let Paper { margin, height, .. } = self.paper;
        let mut top = margin;
        if let Some((title, under)) = self.title.clone().filter(|_| page == 1) {
            let bold = Look { bold: true, ..Look::default() };
            let muted = Look { colour: Some(MUTED), ..Look::default() };
            let large = self.letters.set(&[(&cut(&title), bold)], (34.0, 1.2), None, Side::Start);
            self.letters.draw(&large, (margin, top), canvas);
            let small = self.letters.set(&[(&cut(&under), muted)], (20.0, 1.2), None, Side::Start);
            self.letters.draw(&small, (margin, top + 48.0), canvas);
            top += self.title_height();
        }
        self.head(top, canvas);
        let wide: f32 = self.widths.iter().sum();
        let (from, count) = (self.first_row(page), self.page_rows(page));
        let rows: Vec<Row> = self.rows.iter().skip(from).take(count).cloned().collect();
        for row in &rows {
            top += LEADING;
            let mut x = margin;
            for (at, width) in self.widths.clone().into_iter().enumerate() {
                let Some(text) = row.cells.get(at) else { break };
                let Column { side, face, .. } = self.columns.get(at).cloned().unwrap_or_default();
                let mut area = Area(x, top, width, LEADING);
                if let Some(sign) = row.sign.filter(|_| at == 0) {
                    sign.draw((x + PAD, top + 5.0), canvas);
                    area = Area(x + 34.0, top, width - 34.0, LEADING);
                }
                let colour = row.warning.filter(|_| at == 0).unwrap_or(if at == 0 {
                    INK
                } else {
                    [0x3d, 0x44, 0x4d]
                });
                self.cell(
                    text,
                    Look { face, colour: Some(colour), ..Look::default() },
                    side,
                    area,
                    canvas,
                );
                x += width;
            }
            canvas.fill(Area(margin, top + LEADING - 1.0, wide, 1.0), [0xe6, 0xea, 0xee]);
        }
        if !self.rest.is_empty() {
            let faint = Look { colour: Some(MUTED), italic: true, ..Look::default() };
            let lines =
                self.letters.set(&[(&self.rest.clone(), faint)], (16.0, 1.0), None, Side::Start);
            self.letters.draw(&lines, (margin, px(height) - margin + 16.0), canvas);
        }
    }
}

impl Sign {
    fn draw(self, (x, y): (f32, f32), canvas: &mut Canvas) {
        match self.shape {
            Shape::Folder => {
                canvas.round(Area(x, y + 2.0, 10.0, 6.0), 2.0, self.colour);
                canvas.round(Area(x, y + 4.0, 22.0, 15.0), 2.5, self.colour);
            }
            Shape::Sheet | Shape::Link => {
                canvas.round(Area(x + 2.0, y, 17.0, 20.0), 2.5, self.colour);
                canvas.fill(Area(x + 14.0, y - 1.0, 6.0, 6.0), super::canvas::WHITE);
                canvas.corner(Area(x + 14.0, y, 5.0, 5.0), self.colour);
                let bars: &[f32] =
                    if self.shape == Shape::Link { &[11.0] } else { &[8.0, 11.5, 15.0] };
                for bar in bars {
                    canvas.fill(Area(x + 5.5, y + bar, 10.0, 1.6), super::canvas::WHITE);
                }
            }
        }
    }
}
