//! Tables in running text: cells that grow with what is in them.

use super::{Flow, Item, LINE, Lines, Look, MOST_CHARS, Piece, SHADE, Side, Span, nth, parts};

/// Rows and columns of one table.
const MOST_ROWS: usize = 2_000;
const MOST_COLUMNS: usize = 12;

impl Flow<'_> {
    pub(super) fn table(&mut self, head: bool, rows: &[Vec<Vec<Span>>], sides: &[Side]) {
        const PAD: f32 = 10.0;
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0).min(MOST_COLUMNS);
        if columns == 0 {
            return;
        }
        self.gap(16.0);
        let widths = self.column_widths(rows, columns, PAD);
        for (row, cells) in rows.iter().take(MOST_ROWS).enumerate() {
            if self.chars > MOST_CHARS || self.page > self.most_pages {
                break;
            }
            let is_head = head && row == 0;
            let mut set = Vec::new();
            for (at, (spans, width)) in cells.iter().zip(&widths).enumerate() {
                let side = sides.get(at).copied().unwrap_or_default();
                let cell: Vec<Span> = parts(spans).into_iter().next().unwrap_or_default();
                set.push(self.set(&cell, 18.0, 1.35, width - 2.0 * PAD, is_head, side));
            }
            let height =
                set.iter().map(Lines::height).fold(24.0, f32::max).min(self.paper.inner_height())
                    + 2.0 * 7.0;
            self.need(height);
            let wide: f32 = widths.iter().sum();
            if is_head {
                self.fill(self.paper.margin, self.y, (wide, height), 0.0, SHADE);
                self.fill(self.paper.margin, self.y, (wide, 1.5), 0.0, LINE);
            }
            let mut x = self.paper.margin;
            for (lines, width) in set.into_iter().zip(&widths) {
                let (mut y, at) = (self.y + 7.0, self.texts.len());
                for (line, line_height) in lines.heights().into_iter().enumerate() {
                    let piece = Piece::Line { lines: at, nth: line, x: x + PAD };
                    self.items.push(Item { page: self.page, y, piece });
                    y += line_height;
                }
                self.texts.push(lines);
                x += width;
            }
            self.y += height;
            self.fill(self.paper.margin, self.y - 1.5, (wide, 1.5), 0.0, LINE);
            let mut x = self.paper.margin;
            for width in std::iter::once(&0.0).chain(&widths) {
                x += width;
                self.fill(x - 0.75, self.y - height, (1.5, height), 0.0, LINE);
            }
        }
    }

    /// What the widest cells want, shrunk in proportion where that is too much.
    fn column_widths(&mut self, rows: &[Vec<Vec<Span>>], columns: usize, pad: f32) -> Vec<f32> {
        const MEASURED_ROWS: usize = 30;
        let mut widths = vec![40.0_f32; columns];
        for (row, cells) in rows.iter().take(MEASURED_ROWS).enumerate() {
            for (width, spans) in widths.iter_mut().zip(cells) {
                let text: String =
                    spans.iter().flat_map(|span| span.text.chars()).take(200).collect();
                let look = Look { bold: row == 0, face: self.face, ..Look::default() };
                *width = width.max(self.letters.width(&text, look, 18.0) + 2.0 * pad + 2.0);
            }
        }
        let room = self.paper.inner_width();
        let total: f32 = widths.iter().sum();
        if total > room {
            // Narrow ones keep their width; the others share what is left.
            let fair = room / nth(columns);
            let kept: f32 = widths.iter().filter(|width| **width <= fair).sum();
            let wide: f32 = widths.iter().filter(|width| **width > fair).sum();
            for width in &mut widths {
                if *width > fair {
                    *width = (*width / wide * (room - kept)).max(40.0);
                }
            }
        }
        widths
    }
}
