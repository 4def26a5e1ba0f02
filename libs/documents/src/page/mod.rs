//! Sheets of paper, and drawing on them: areas, letters, lines of text.

pub(crate) mod canvas;
pub(crate) mod cells;
pub(crate) mod flow;
pub(crate) mod grid;
pub(crate) mod letters;

mod told;

use domain::limits::Limits;
use domain::wish::MetadataKind;
use serde_json::{Map, Value};
use stills::{Easel, Error, Layout, Picture, Raster};

use canvas::Canvas;
use told::Told;

/// A sheet's width and height at 150 dots an inch, and its empty edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Paper {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) margin: f32,
}

impl Paper {
    /// A4.
    pub(crate) const UPRIGHT: Self = Self { width: 1_240, height: 1_754, margin: 92.0 };
    /// A4 turned.
    pub(crate) const ACROSS: Self = Self { width: 1_754, height: 1_240, margin: 80.0 };
    /// For an icon.
    pub(crate) const SQUARE: Self = Self { width: 1_024, height: 1_024, margin: 96.0 };

    /// Between the edges.
    pub(crate) fn inner_width(&self) -> f32 {
        px(self.width) - 2.0 * self.margin
    }

    /// Between the edges.
    pub(crate) fn inner_height(&self) -> f32 {
        px(self.height) - 2.0 * self.margin
    }
}

/// A length in pixels to compute with; no sheet is so large that it would lose any.
#[allow(clippy::cast_precision_loss, reason = "far below 2^24")]
pub(crate) const fn px(length: u32) -> f32 {
    length as f32
}

/// A count to compute a place with.
#[allow(clippy::cast_precision_loss, reason = "places on a sheet, far below 2^24")]
pub(crate) const fn nth(count: usize) -> f32 {
    count as f32
}

/// A whole number of pixels, at least 0.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, which is what is wanted"
)]
pub(crate) const fn whole(length: f32) -> usize {
    length as usize
}

/// Something that can be painted page by page.
pub(crate) trait Pages {
    /// The sheet.
    fn paper(&self) -> Paper;
    /// How many there are; at least 1.
    fn total(&self) -> u32;
    /// Paints a page, from 1.
    fn paint(&mut self, page: u32, canvas: &mut Canvas);
    /// What is written on a page, from 1.
    fn text(&self, page: u32) -> String;
}

/// Draws the pages asked for.
pub(crate) fn draw(pages: &mut dyn Pages, easel: &mut Easel<'_>) -> Result<(), Error> {
    easel.used(("cosmic-text", "0.19"));
    for number in easel.open(pages.total().max(1))? {
        easel.page(number, &mut Sheet { pages, number, tells_text: false })?;
    }
    Ok(())
}

/// Draws the pages asked for. What is written on them is put into the metadata, if that is wished
/// for, and need not be read off their pictures.
pub(crate) fn draw_told(
    pages: &mut dyn Pages,
    easel: &mut Easel<'_>,
    metadata: &mut Map<String, Value>,
) -> Result<(), Error> {
    if !easel.wish().metadata.contains(&MetadataKind::Ocr) {
        return draw(pages, easel);
    }
    easel.used(("cosmic-text", "0.19"));
    let mut told = Told::new(easel.limits());
    for number in easel.open(pages.total().max(1))? {
        told.add(number, &pages.text(number));
        easel.page(number, &mut Sheet { pages, number, tells_text: true })?;
    }
    metadata.insert(MetadataKind::Ocr.name().to_owned(), told.done());
    Ok(())
}

/// A page on its way to the easel.
struct Sheet<'a> {
    pages: &'a mut dyn Pages,
    number: u32,
    tells_text: bool,
}

impl stills::Page for Sheet<'_> {
    fn dimensions(&self) -> (u32, u32) {
        let Paper { width, height, .. } = self.pages.paper();
        (width, height)
    }

    fn tells_text(&self) -> bool {
        self.tells_text
    }

    fn decode(&mut self, least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        /// Small letters are drawn larger and shrunk, which keeps their weight.
        const LEAST_PART: u32 = 2;
        let paper = self.pages.paper();
        let (width, height) = if least.0 < paper.width / LEAST_PART {
            (paper.width / LEAST_PART, paper.height / LEAST_PART)
        } else {
            least
        };
        stills::within((width, height), limits)?;
        let mut canvas = Canvas::new(width, height, &paper);
        self.pages.paint(self.number, &mut canvas);
        Ok(Picture::upright(Raster::new(width, height, Layout::Rgb, canvas.into_pixels())?))
    }
}
