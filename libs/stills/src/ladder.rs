//! From a decoded picture down to every size, each made from the smallest that suffices.

use std::borrow::Cow;

use domain::size::Shape;
use fast_image_resize::Resizer;

use crate::easel::Picture;
use crate::error::Error;
use crate::focus::{self, Attention};
use crate::planes::{Chroma, Pixels};
use crate::raster::upright;

/// A picture is made from another one only if that is at least this many times as large along
/// each edge: from 2 on, the second resampling is not to be seen.
const CHAIN_FACTOR: u32 = 2;

/// The smallest whole page from which every shape can be made without enlarging.
pub(crate) fn least(original: (u32, u32), shapes: &[Shape]) -> (u32, u32) {
    // The part shown comes out `to` wide, so the page as a whole must be that much wider.
    let scaled = |whole: u32, shown: u32, to: u32| {
        let edge = (u64::from(whole) * u64::from(to)).div_ceil(u64::from(shown.max(1)));
        u32::try_from(edge).unwrap_or(u32::MAX)
    };
    shapes.iter().fold((0, 0), |(width, height), Shape { to, shown }| {
        (
            width.max(scaled(original.0, shown.0, to.0)),
            height.max(scaled(original.1, shown.1, to.1)),
        )
    })
}

/// The decoded picture and what has been made of it, from large to small.
pub(crate) struct Ladder {
    base: Picture,
    original: (u32, u32),
    finely: Chroma,
    /// Whole pages, as stored, in sRGB.
    made: Vec<Pixels>,
    resizer: Resizer,
    attention: Option<Attention>,
}

/// Where a whole page is kept.
#[derive(Clone, Copy)]
enum Rung {
    /// As decoded.
    Base,
    /// Among those made.
    Made(usize),
}

impl Ladder {
    pub(crate) fn new(base: Picture, original: (u32, u32), finely: Chroma) -> Self {
        Self { base, original, finely, made: Vec::new(), resizer: Resizer::new(), attention: None }
    }

    /// The page in this shape: upright and in sRGB; lent where that is how it is kept.
    pub(crate) fn step(&mut self, shape: Shape) -> Result<Cow<'_, Pixels>, Error> {
        let whole = least(self.original, &[shape]);
        let orientation = self.base.orientation;
        let rung = self.whole(upright(orientation, whole))?;
        let page = match rung {
            Rung::Base => &self.base.pixels,
            Rung::Made(index) => self.made.get(index).ok_or(Error::Memory { what: "pixels" })?,
        };
        let page = page.upright(orientation);
        if page.dimensions() == shape.to {
            return Ok(page);
        }
        let page = page.raster(&mut self.resizer)?;
        let attention = match self.attention.take() {
            Some(attention) => attention,
            None => Attention::of(&page, &mut self.resizer)?,
        };
        let cropped = focus::crop(&page, shape.to, &attention);
        self.attention = Some(attention);
        cropped.map(|cropped| Cow::Owned(Pixels::Raster(cropped)))
    }

    /// Takes over what another ladder of a like picture found worth seeing.
    pub(crate) fn attend(&mut self, attention: Option<Attention>) {
        self.attention = attention;
    }

    /// What was found worth seeing, if a page had to be cropped.
    pub(crate) fn attention(self) -> Option<Attention> {
        self.attention
    }

    /// Where the whole page is in this size, as stored, in sRGB: made, unless it is there.
    fn whole(&mut self, size: (u32, u32)) -> Result<Rung, Error> {
        let suffices = |pixels: &&Pixels| {
            let (width, height) = pixels.dimensions();
            width / CHAIN_FACTOR >= size.0 && height / CHAIN_FACTOR >= size.1
        };
        let resizer = &mut self.resizer;
        let pixels = if let Some(step) = self.made.iter().rev().find(suffices) {
            step.resized(resizer, size, self.finely)?
        } else {
            let (base, reach) = (&self.base.pixels, self.base.reach);
            let as_is = base.dimensions() == size && reach.is_none();
            match &self.base.to_srgb {
                None if as_is && !matches!(base, Pixels::Planes(_)) => {
                    return Ok(Rung::Base);
                }
                None => base.part_resized(resizer, reach, size, self.finely)?,
                Some(to_srgb) => match base {
                    Pixels::Raster(raster) if as_is => Pixels::Raster(to_srgb.apply(raster)?),
                    other => {
                        let sized = other.part_resized(resizer, reach, size, Chroma::Full)?;
                        Pixels::Raster(to_srgb.apply(&sized.into_raster(resizer)?)?)
                    }
                },
            }
        };
        self.made.push(pixels);
        Ok(Rung::Made(self.made.len() - 1))
    }
}
