//! From pages to renditions: every size of a page from one decode, in the format asked for.
//!
//! Whatever a file is, its pages come here: as a [`Page`] that knows its dimensions before it is
//! decoded, and is then decoded no larger than the largest rendition needs.

use std::collections::BTreeMap;

use domain::limits::Limits;
use domain::size::Shape;
use domain::wish::{Background, Format, PreviewWish};
use fast_image_resize::Resizer;
use image::metadata::Orientation;

use crate::colour::ToSrgb;
use crate::encode::{Style, encode};
use crate::engines;
use crate::error::Error;
use crate::media::{Made, Sink};
use crate::raster::{Layout, Raster, upright};

/// A picture is made from another one only if that is at least this many times as large along
/// each edge: from 2 on, the second resampling is not to be seen.
const CHAIN_FACTOR: u32 = 2;

/// A page that can be drawn.
pub trait Page {
    /// Width and height, upright, in pixels: what "original" means.
    fn dimensions(&self) -> (u32, u32);

    /// Its pixels: as few as it pleases, but in neither direction (upright) fewer than `least`,
    /// unless the page itself has fewer. A page without pixels of its own is drawn this large.
    ///
    /// # Errors
    /// [`Error`], with the failure code of the job.
    fn decode(&mut self, least: (u32, u32), limits: &Limits) -> Result<Picture, Error>;
}

/// Pixels as stored, and what is left to do to them.
pub struct Picture {
    /// The pixels.
    pub raster: Raster,
    /// How to turn them upright.
    pub orientation: Orientation,
    /// The way to sRGB, if they are not there yet.
    pub(crate) to_srgb: Option<ToSrgb>,
}

impl Picture {
    /// Upright pixels in sRGB: nothing is left to do.
    #[must_use]
    pub const fn upright(raster: Raster) -> Self {
        Self { raster, orientation: Orientation::NoTransforms, to_srgb: None }
    }

    /// Pixels in the colours of an ICC profile, if there is one that can be read.
    #[must_use]
    pub fn of(raster: Raster, orientation: Orientation, icc: Option<&[u8]>) -> Self {
        let to_srgb = ToSrgb::of(icc, raster.layout);
        Self { raster, orientation, to_srgb }
    }
}

/// A raster that is a page by itself: a film's frame, a drawn waveform.
impl Page for Raster {
    fn dimensions(&self) -> (u32, u32) {
        Self::dimensions(self)
    }

    fn decode(&mut self, _least: (u32, u32), _limits: &Limits) -> Result<Picture, Error> {
        Ok(Picture::upright(self.clone()))
    }
}

/// Writes an AVIF of that quality; lent by whoever links an encoder.
pub type AvifEncoder = fn(&Raster, u8) -> Result<Vec<u8>, Error>;

/// Where a job's pages become renditions.
pub struct Easel<'a> {
    wish: &'a PreviewWish,
    limits: &'a Limits,
    sink: &'a mut dyn Sink,
    avif: Option<AvifEncoder>,
    output_bytes: u64,
    artifacts: usize,
    engines: BTreeMap<String, String>,
}

impl<'a> Easel<'a> {
    /// An easel for one job.
    #[must_use]
    pub fn new(wish: &'a PreviewWish, limits: &'a Limits, sink: &'a mut dyn Sink) -> Self {
        let engines = BTreeMap::new();
        Self { wish, limits, sink, avif: None, output_bytes: 0, artifacts: 0, engines }
    }

    /// Lends an encoder for AVIF.
    #[must_use]
    pub fn with_avif(mut self, encoder: AvifEncoder) -> Self {
        self.avif = Some(encoder);
        self
    }

    /// What is wished for.
    #[must_use]
    pub const fn wish(&self) -> &'a PreviewWish {
        self.wish
    }

    /// What the job may use.
    #[must_use]
    pub const fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Notes a library that took part, and its version.
    pub fn used(&mut self, (name, version): (&str, &str)) {
        self.engines.insert(name.to_owned(), version.to_owned());
    }

    /// Tells how many pages the file has; gives those asked for.
    ///
    /// # Errors
    /// When none of them is there, or there are more than the limits allow.
    pub fn open(&mut self, total: u32) -> Result<Vec<u32>, Error> {
        let pages = self.wish.pages.of(total);
        if pages.is_empty() {
            return Err(Error::NoSuchPage { total });
        }
        let most = self.limits.pages as usize;
        if pages.len() > most {
            return Err(Error::OutputTooLarge { what: format!("more than {most} pages") });
        }
        self.count(pages.len().saturating_mul(self.wish.sizes.len()))?;
        self.sink.pages(total).map_err(Error::Sink)?;
        Ok(pages)
    }

    /// Draws a page in every size.
    ///
    /// # Errors
    /// [`Error`], with the failure code of the job.
    pub fn page(&mut self, number: u32, page: &mut dyn Page) -> Result<(), Error> {
        let original = page.dimensions();
        crate::page::within(original, self.limits)?;
        let shapes = self.shapes(original)?;
        let picture = page.decode(least(original, &shapes), self.limits)?;
        if picture.to_srgb.is_some() {
            self.used(engines::MOXCMS);
        }
        self.used(engines::RESIZE);
        let format = self.wish.format.unwrap_or(match picture.raster.layout {
            Layout::Rgba => Format::Png,
            Layout::Gray | Layout::Rgb => Format::Jpg,
        });
        if let Some(engine) = engines::encoder(format) {
            self.used(engine);
        }
        let style = Style {
            format,
            quality: self.wish.options.quality.map(domain::wish::Quality::get),
            background: self.wish.options.background.unwrap_or(Background::WHITE),
            avif: self.avif,
        };
        let mut ladder = Ladder::new(picture, original);
        let mut files: BTreeMap<(u32, u32), Vec<u8>> = BTreeMap::new();
        for shape in largest_first(&shapes) {
            let file = encode(&ladder.step(shape)?, &style)?;
            self.weigh(&file)?;
            files.insert(shape.to, file);
        }
        for (size_index, shape) in (0..).zip(shapes) {
            let bytes = files.get(&shape.to).map(Vec::as_slice).unwrap_or_default();
            let (role, dimensions) = (domain::job::Role::Rendition, shape.to);
            let made = Made { role, page: number, size_index, dimensions, original, format, bytes };
            self.sink.artifact(&made).map_err(Error::Sink)?;
        }
        Ok(())
    }

    /// Hands out what was made beside the renditions.
    ///
    /// # Errors
    /// When a limit of output is reached, or it cannot be handed out.
    pub fn extra(&mut self, made: &Made<'_>) -> Result<(), Error> {
        self.count(1)?;
        self.weigh(made.bytes)?;
        self.sink.artifact(made).map_err(Error::Sink)
    }

    /// The libraries that took part, with their versions.
    #[must_use]
    pub fn done(self) -> BTreeMap<String, String> {
        self.engines
    }

    fn count(&mut self, more: usize) -> Result<(), Error> {
        self.artifacts = self.artifacts.saturating_add(more);
        let most = self.limits.artifacts;
        if self.artifacts > most as usize {
            return Err(Error::OutputTooLarge { what: format!("more than {most} of them") });
        }
        Ok(())
    }

    fn weigh(&mut self, file: &[u8]) -> Result<(), Error> {
        self.output_bytes = self.output_bytes.saturating_add(file.len() as u64);
        let most = self.limits.output_bytes;
        if self.output_bytes > most {
            return Err(Error::OutputTooLarge { what: format!("more than {most} bytes") });
        }
        Ok(())
    }

    /// What every size asked for makes of the page.
    fn shapes(&self, original: (u32, u32)) -> Result<Vec<Shape>, Error> {
        let crop = self.wish.options.crop;
        let shapes: Vec<Shape> =
            self.wish.sizes.iter().map(|size| size.shape(original.0, original.1, crop)).collect();
        let most = self.limits.pixels;
        let pixels = |shape: &&Shape| u64::from(shape.to.0) * u64::from(shape.to.1);
        match shapes.iter().find(|shape| pixels(shape) > most) {
            None => Ok(shapes),
            Some(Shape { to: (width, height), .. }) => {
                let what = format!("{width} x {height} pixels, {most} at most");
                Err(Error::OutputTooLarge { what })
            }
        }
    }
}

/// The smallest whole page from which every shape can be made without enlarging.
fn least(original: (u32, u32), shapes: &[Shape]) -> (u32, u32) {
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

fn largest_first(shapes: &[Shape]) -> Vec<Shape> {
    let mut shapes = shapes.to_vec();
    shapes.sort_unstable_by_key(|Shape { to: (width, height), .. }| {
        (std::cmp::Reverse(u64::from(*width) * u64::from(*height)), *width)
    });
    shapes.dedup();
    shapes
}

/// The decoded picture and what has been made of it, from large to small.
struct Ladder {
    base: Picture,
    original: (u32, u32),
    /// Whole pages, as stored, in sRGB.
    made: Vec<Raster>,
    resizer: Resizer,
}

impl Ladder {
    fn new(base: Picture, original: (u32, u32)) -> Self {
        Self { base, original, made: Vec::new(), resizer: Resizer::new() }
    }

    /// The page in this shape: upright and in sRGB.
    fn step(&mut self, shape: Shape) -> Result<Raster, Error> {
        let whole = least(self.original, &[shape]);
        let orientation = self.base.orientation;
        let page = self.whole(upright(orientation, whole))?.upright(orientation);
        if page.dimensions() == shape.to {
            return Ok(page.into_owned());
        }
        crate::focus::crop(&page, shape.to)
    }

    /// The whole page in this size, as stored, in sRGB.
    fn whole(&mut self, size: (u32, u32)) -> Result<&Raster, Error> {
        let suffices = |raster: &&Raster| {
            raster.width / CHAIN_FACTOR >= size.0 && raster.height / CHAIN_FACTOR >= size.1
        };
        let base = &self.base.raster;
        let raster = if let Some(step) = self.made.iter().rev().find(suffices) {
            step.resized(&mut self.resizer, size)?
        } else {
            let as_large = base.dimensions() == size;
            match &self.base.to_srgb {
                None if as_large => return Ok(base),
                Some(to_srgb) if as_large => to_srgb.apply(base)?,
                None => base.resized(&mut self.resizer, size)?,
                Some(to_srgb) => to_srgb.apply(&base.resized(&mut self.resizer, size)?)?,
            }
        };
        self.made.push(raster);
        self.made.last().ok_or(Error::Memory { what: "pixels" })
    }
}
