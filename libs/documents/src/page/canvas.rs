//! Pixels of a page: areas with smooth edges, and what letters leave on them.

use super::{Paper, px, whole};

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];

pub(crate) const WHITE: Colour = [0xff, 0xff, 0xff];
pub(crate) const INK: Colour = [0x1f, 0x23, 0x28];
pub(crate) const MUTED: Colour = [0x65, 0x6d, 0x76];
pub(crate) const FAINT: Colour = [0x9a, 0xa2, 0xab];
pub(crate) const LINE: Colour = [0xd0, 0xd7, 0xde];
pub(crate) const SHADE: Colour = [0xf3, 0xf5, 0xf8];
pub(crate) const LINK: Colour = [0x09, 0x5b, 0xc4];

/// A rectangle: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area(pub(crate) f32, pub(crate) f32, pub(crate) f32, pub(crate) f32);

/// White pixels, drawn on in the paper's own measure.
pub(crate) struct Canvas {
    width: usize,
    height: usize,
    /// Pixels for a unit of the paper, across and down.
    scale: (f32, f32),
    pixels: Vec<u8>,
}

impl Canvas {
    pub(crate) fn new(width: u32, height: u32, paper: &Paper) -> Self {
        let scale = (px(width) / px(paper.width), px(height) / px(paper.height));
        let (width, height) = (width as usize, height as usize);
        Self { width, height, scale, pixels: vec![0xff; width * height * 3] }
    }

    /// Pixels for a unit of the paper; letters are not distorted by the rounding of its edges.
    pub(crate) const fn scale(&self) -> f32 {
        self.scale.0
    }

    pub(crate) fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Fills a rectangle.
    pub(crate) fn fill(&mut self, area: Area, colour: Colour) {
        self.round(area, 0.0, colour);
    }

    /// Fills a rectangle with round corners.
    pub(crate) fn round(&mut self, Area(x, y, width, height): Area, radius: f32, colour: Colour) {
        let (left, top) = (x * self.scale.0, y * self.scale.1);
        let (right, bottom) = ((x + width) * self.scale.0, (y + height) * self.scale.1);
        let radius = (radius * self.scale.0).min((right - left) / 2.0).min((bottom - top) / 2.0);
        let rows = whole(top.floor())..whole(bottom.ceil()).min(self.height);
        for row in rows {
            let columns = whole(left.floor())..whole(right.ceil()).min(self.width);
            for column in columns {
                let (from_x, from_y) = (super::nth(column), super::nth(row));
                let across = (right.min(from_x + 1.0) - left.max(from_x)).clamp(0.0, 1.0);
                let down = (bottom.min(from_y + 1.0) - top.max(from_y)).clamp(0.0, 1.0);
                let mut cover = across * down;
                if radius > 0.0 {
                    let (at_x, at_y) = (from_x + 0.5, from_y + 0.5);
                    let beyond_x = (left + radius - at_x).max(at_x - (right - radius)).max(0.0);
                    let beyond_y = (top + radius - at_y).max(at_y - (bottom - radius)).max(0.0);
                    if beyond_x > 0.0 && beyond_y > 0.0 {
                        let distance = beyond_x.hypot(beyond_y);
                        cover *= (radius + 0.5 - distance).clamp(0.0, 1.0);
                    }
                }
                self.blend(column, row, colour, cover);
            }
        }
    }

    /// A triangle with a right angle at the top left of the area, as of a folded corner.
    pub(crate) fn corner(&mut self, Area(x, y, width, height): Area, colour: Colour) {
        let (left, top) = (x * self.scale.0, y * self.scale.1);
        let (width, height) = (width * self.scale.0, height * self.scale.1);
        for row in whole(top)..whole(top + height).min(self.height) {
            let end = left + (super::nth(row) + 0.5 - top) / height * width;
            for column in whole(left)..whole(end.ceil()).min(self.width) {
                self.blend(column, row, colour, (end - super::nth(column)).clamp(0.0, 1.0));
            }
        }
    }

    /// Lays a mask of a letter down: one byte of cover a pixel.
    pub(crate) fn mask(&mut self, at: (i32, i32), width: usize, mask: &[u8], colour: Colour) {
        for (row, line) in (at.1..).zip(mask.chunks_exact(width.max(1))) {
            for (column, cover) in (at.0..).zip(line) {
                if let (Ok(column), Ok(row)) = (usize::try_from(column), usize::try_from(row)) {
                    self.blend(column, row, colour, f32::from(*cover) / 255.0);
                }
            }
        }
    }

    /// Lays a coloured letter down: red, green, blue, cover.
    pub(crate) fn stamp(&mut self, at: (i32, i32), width: usize, pixels: &[u8]) {
        let lines = pixels.as_chunks::<4>().0.chunks_exact(width.max(1));
        for (row, line) in (at.1..).zip(lines) {
            for (column, [red, green, blue, cover]) in (at.0..).zip(line) {
                if let (Ok(column), Ok(row)) = (usize::try_from(column), usize::try_from(row)) {
                    self.blend(column, row, [*red, *green, *blue], f32::from(*cover) / 255.0);
                }
            }
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
    fn blend(&mut self, column: usize, row: usize, colour: Colour, cover: f32) {
        if column >= self.width || row >= self.height || cover <= 0.0 {
            return;
        }
        let at = (row * self.width + column) * 3;
        for (channel, ink) in self.pixels.iter_mut().skip(at).take(3).zip(colour) {
            let behind = f32::from(*channel);
            *channel = (behind + (f32::from(ink) - behind) * cover + 0.5) as u8;
        }
    }
}
