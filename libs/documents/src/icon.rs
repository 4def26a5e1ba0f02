//! The generic icon: a sheet with the extension on it, for what cannot be shown.

use filetype::{Filetype, Kind};
use serde_json::{Map, json};
use stills::{Drawn, Easel, Error};

use crate::facts;
use crate::page::canvas::{Area, Canvas, Colour, LINE, MUTED, WHITE};
use crate::page::letters::{Fonts, Letters, Look, Side};
use crate::page::{Pages, Paper, draw_told};

/// Draws a generic icon for a file of this type, and marks it as such.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub fn icon(filetype: &Filetype, mut easel: Easel<'_>, fonts: Fonts<'_>) -> Result<Drawn, Error> {
    let mut letters = Letters::new(fonts);
    let mut metadata = Map::new();
    draw_told(&mut Icon { filetype, letters: &mut letters }, &mut easel, &mut metadata)?;
    let told = json!({ "generic": true, "media_type": filetype.media_type });
    facts::put(&mut metadata, domain::wish::MetadataKind::Document, &easel, told);
    Ok(Drawn { metadata, engines: easel.done() })
}

struct Icon<'a> {
    filetype: &'a Filetype,
    letters: &'a mut Letters,
}

/// The colour of a kind, and what it is called.
pub(crate) const fn colour(kind: Kind) -> (Colour, &'static str) {
    match kind {
        Kind::Film => ([0xa3, 0x3b, 0xc2], "Film"),
        Kind::Sound => ([0xd4, 0x5a, 0x9a], "Sound"),
        Kind::Office => ([0x2b, 0x62, 0xc9], "Document"),
        Kind::Pdf => ([0xc9, 0x37, 0x2c], "Document"),
        Kind::Archive => ([0xb0, 0x7d, 0x1c], "Archive"),
        Kind::Font => ([0x4b, 0x57, 0x66], "Font"),
        Kind::Mail => ([0x1b, 0x80, 0xa8], "Message"),
        Kind::Epub => ([0x7b, 0x5b, 0x3a], "Book"),
        Kind::Text | Kind::Html => ([0x3f, 0x6e, 0x8c], "Text"),
        Kind::Unknown => ([0x5b, 0x67, 0x76], "File"),
        Kind::Sketch | Kind::Psd | Kind::Svg => ([0xd0, 0x78, 0x1e], "Drawing"),
        _ => ([0x2e, 0x8b, 0x57], "Picture"),
    }
}

impl Icon<'_> {
    fn label(&self) -> String {
        let extension = self.filetype.extension;
        let label = if extension.is_empty() { "?" } else { extension };
        label.to_ascii_uppercase()
    }
}

impl Pages for Icon<'_> {
    fn paper(&self) -> Paper {
        Paper::SQUARE
    }

    fn total(&self) -> u32 {
        1
    }

    /// The words on it are not the file's.
    fn text(&self, _page: u32) -> String {
        String::new()
    }

    fn paint(&mut self, _page: u32, canvas: &mut Canvas) {
        const FOLD: f32 = 150.0;
        let (colour, name) = colour(self.filetype.kind);
        let sheet = Area(212.0, 92.0, 600.0, 800.0);
        let Area(x, y, width, height) = sheet;
        // A soft shadow, the sheet with its edge, the folded corner.
        canvas.round(Area(x - 8.0, y + 6.0, width + 16.0, height + 12.0), 34.0, [0xf1, 0xf3, 0xf5]);
        canvas.round(Area(x - 3.0, y - 3.0, width + 6.0, height + 6.0), 31.0, LINE);
        canvas.round(sheet, 28.0, WHITE);
        let (fold_x, fold_y) = (x + width - FOLD, y);
        canvas.fill(Area(fold_x, fold_y - 4.0, FOLD + 8.0, FOLD + 4.0), WHITE);
        canvas.corner(Area(fold_x - 1.0, fold_y - 3.0, FOLD + 7.0, FOLD + 7.0), LINE);
        canvas.corner(Area(fold_x, fold_y, FOLD, FOLD), [0xe8, 0xec, 0xf0]);
        for (line, part) in [0.9_f32, 0.72, 0.84, 0.55].into_iter().enumerate() {
            let top = y + 250.0 + crate::page::nth(line) * 62.0;
            canvas.round(
                Area(x + 84.0, top, (width - 168.0) * part, 22.0),
                11.0,
                [0xe6, 0xea, 0xee],
            );
        }
        let badge = Area(x - 44.0, y + 520.0, 520.0, 170.0);
        canvas.round(badge, 26.0, colour);
        let label = self.label();
        let white = Look { bold: true, colour: Some(WHITE), ..Look::default() };
        let natural = self.letters.width(&label, white, 112.0).max(1.0);
        let size = (112.0 * 440.0 / natural).min(112.0);
        let lines = self.letters.set(&[(&label, white)], (size, 1.0), None, Side::Start);
        let left = badge.0 + (badge.2 - lines.width()) / 2.0;
        self.letters.draw(&lines, (left, badge.1 + (badge.3 - size) / 2.0), canvas);
        let muted = Look { colour: Some(MUTED), ..Look::default() };
        let lines = self.letters.set(&[(name, muted)], (44.0, 1.0), None, Side::Start);
        let left = x + (width - lines.width()) / 2.0;
        self.letters.draw(&lines, (left, y + 716.0), canvas);
    }
}
