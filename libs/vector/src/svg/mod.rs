//! SVG: drawn without anything from outside, at exactly the size that is wanted.

mod cost;
mod document;
mod guard;
mod options;

use domain::limits::Limits;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::Tree;
use stills::{Drawn, Easel, Error, Layout, Page, Picture, Raster, Source, read_all};

use crate::fonts::{Fonts, Shelf};
use crate::{canvas, engines};

/// Draws the one page that an SVG is.
pub(crate) fn draw(
    source: &mut dyn Source,
    mut easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    let bytes = read_all(source, easel.limits())?;
    let pages = easel.open(1)?;
    easel.used(engines::RESVG);
    let mut drawing = Drawing::open(&bytes, easel.limits(), fonts)?;
    for number in pages {
        easel.page(number, &mut drawing)?;
    }
    Ok(Drawn { engines: easel.done(), ..Drawn::default() })
}

/// An SVG that is read and may be drawn.
pub struct Drawing {
    tree: Tree,
    dimensions: (u32, u32),
}

impl Drawing {
    /// Reads an SVG, compressed or not.
    ///
    /// # Errors
    /// When it is damaged, or would take more than the limits allow.
    pub fn open(bytes: &[u8], limits: &Limits, fonts: Fonts<'_>) -> Result<Self, Error> {
        let text = document::text(bytes, limits)?;
        let tree = options::Reading::new(Shelf::new(fonts), limits).tree(&text)?;
        let size = tree.size();
        let dimensions = canvas::original(size.width().into(), size.height().into(), limits);
        Ok(Self { tree, dimensions })
    }
}

impl Page for Drawing {
    fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    fn decode(&mut self, least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        let (width, height) = canvas::drawn(least, limits);
        let size = self.tree.size();
        let (across, down) = (f32::from(width) / size.width(), f32::from(height) / size.height());
        cost::check(&self.tree, (across, down), (width, height), limits)?;
        let (width, height) = (u32::from(width), u32::from(height));
        let mut pixmap =
            Pixmap::new(width, height).ok_or(Error::Memory { what: "pixels of a drawing" })?;
        resvg::render(&self.tree, Transform::from_scale(across, down), &mut pixmap.as_mut());
        if pixmap.pixels().iter().all(|pixel| pixel.is_opaque()) {
            return Picture::opaque(width, height, pixmap.take());
        }
        let pixels = pixmap.take_demultiplied();
        Ok(Picture::upright(Raster::new(width, height, Layout::Rgba, pixels)?))
    }
}
