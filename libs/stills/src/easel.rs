//! From pages to renditions: every size of a page from one decode, in the format asked for.
//!
//! Whatever a file is, its pages come here: as a [`Page`] that knows its dimensions before it is
//! decoded, and is then decoded no larger than the largest rendition needs.

use std::collections::BTreeMap;

use domain::limits::Limits;
use domain::size::Shape;
use domain::wish::{Background, Embedded, Format, MetadataKind, PreviewWish};
use fast_image_resize::Resizer;
use image::metadata::Orientation;

use crate::animation::{Animation, Motion};
use crate::colour::ToSrgb;
use crate::embed;
use crate::encode::{Style, encode};
use crate::engines;
use crate::error::Error;
use crate::frames::Frames;
use crate::kept::Kept;
use crate::ladder::{Ladder, least};
use crate::media::{Made, Sink};
use crate::memory::keep_freed;
use crate::planes::{Chroma, Pixels};
use crate::raster::{Layout, Raster};
use crate::reading;

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

    /// Whether its text is told by other means, so that none is to be read off its picture.
    fn tells_text(&self) -> bool {
        false
    }
}

/// Pixels as stored, and what is left to do to them.
pub struct Picture {
    pub(crate) pixels: Pixels,
    /// How to turn them upright.
    pub(crate) orientation: Orientation,
    /// The way to sRGB, if they are not there yet.
    pub(crate) to_srgb: Option<ToSrgb>,
    /// How much of their width and height is the page, if not all of it.
    pub(crate) reach: Option<(f64, f64)>,
}

impl Picture {
    /// Upright pixels in sRGB: nothing is left to do.
    #[must_use]
    pub const fn upright(raster: Raster) -> Self {
        Self {
            pixels: Pixels::Raster(raster),
            orientation: Orientation::NoTransforms,
            to_srgb: None,
            reach: None,
        }
    }

    /// Upright pixels in sRGB, of red, green, blue and an opacity that is full everywhere.
    ///
    /// # Errors
    /// When there are not as many bytes as the dimensions say.
    pub fn opaque(width: u32, height: u32, rgba: Vec<u8>) -> Result<Self, Error> {
        let raster = Raster::new(width, height, Layout::Rgba, rgba)?.without_idle_colours();
        let pixels = match raster.layout {
            Layout::Rgba => Pixels::Opaque(raster),
            Layout::Gray | Layout::Rgb => Pixels::Raster(raster),
        };
        let orientation = Orientation::NoTransforms;
        Ok(Self { pixels, orientation, to_srgb: None, reach: None })
    }

    /// Pixels in the colours of an ICC profile, if there is one that can be read.
    #[must_use]
    pub fn of(raster: Raster, orientation: Orientation, icc: Option<&[u8]>) -> Self {
        Self::decoded(Pixels::Raster(raster), orientation, icc)
    }

    pub(crate) fn decoded(pixels: Pixels, orientation: Orientation, icc: Option<&[u8]>) -> Self {
        let layout = match &pixels {
            Pixels::Raster(raster) => raster.layout,
            Pixels::Opaque(_) | Pixels::Planes(_) => Layout::Rgb,
        };
        Self { pixels, orientation, to_srgb: ToSrgb::of(icc, layout), reach: None }
    }

    /// The same, of whose pixels no more than this is the page.
    pub(crate) fn reaching(self, reach: Option<(f64, f64)>) -> Self {
        Self { reach, ..self }
    }

    /// All its pixels in sRGB, upright.
    pub(crate) fn into_srgb(self) -> Result<Raster, Error> {
        let raster = self.pixels.into_raster(&mut Resizer::new())?;
        let raster = match self.to_srgb {
            Some(to_srgb) => to_srgb.apply(&raster)?,
            None => raster,
        };
        Ok(raster.upright(self.orientation).into_owned())
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

/// Writes an AVIF of that quality that carries this metadata; lent by whoever links an encoder.
pub type AvifEncoder = fn(&Raster, u8, &Kept) -> Result<Vec<u8>, Error>;

/// Where a job's pages become renditions.
pub struct Easel<'a> {
    wish: &'a PreviewWish,
    limits: &'a Limits,
    sink: &'a mut dyn Sink,
    avif: Option<AvifEncoder>,
    output_bytes: u64,
    artifacts: usize,
    engines: BTreeMap<String, String>,
    /// Metadata that renditions are to carry.
    kept: Kept,
}

impl<'a> Easel<'a> {
    /// An easel for one job.
    #[must_use]
    pub fn new(wish: &'a PreviewWish, limits: &'a Limits, sink: &'a mut dyn Sink) -> Self {
        keep_freed();
        let engines = BTreeMap::new();
        let avif = None;
        Self {
            wish,
            limits,
            sink,
            avif,
            output_bytes: 0,
            artifacts: 0,
            engines,
            kept: Kept::default(),
        }
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

    /// Whether the source's metadata is to be [kept](Self::keep).
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.wish.options.embedded == Embedded::Keep
    }

    /// Metadata that every rendition is to carry as far as its format has a place for it: for a wish
    /// to keep it.
    pub fn keep(&mut self, kept: Kept) {
        self.kept = kept;
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

    /// Draws a page in every size. Where none is asked for and no text is to be read, it is not so
    /// much as decoded.
    ///
    /// # Errors
    /// [`Error`], with the failure code of the job.
    pub fn page(&mut self, number: u32, page: &mut dyn Page) -> Result<(), Error> {
        let to_read = self.wish.metadata.contains(&MetadataKind::Ocr) && !page.tells_text();
        if self.wish.sizes.is_empty() && !to_read {
            return Ok(());
        }
        let original = page.dimensions();
        crate::page::within(original, self.limits)?;
        let shapes = self.shapes(original)?;
        let to_read = to_read.then(|| reading::shape(original, self.limits)).flatten();
        let all: Vec<Shape> = shapes.iter().copied().chain(to_read).collect();
        if all.is_empty() {
            return Ok(());
        }
        let picture = page.decode(least(original, &all), self.limits)?;
        if picture.to_srgb.is_some() {
            self.used(engines::MOXCMS);
        }
        self.used(engines::RESIZE);
        let default = if picture.pixels.has_alpha() { Format::Png } else { Format::Jpg };
        let format = self.wish.format.unwrap_or(default);
        if let Some(engine) = engines::encoder(format) {
            self.used(engine);
        }
        let kept = self.kept.clone();
        let style = Style {
            format,
            quality: self.wish.options.quality.map(domain::wish::Quality::get),
            background: self.wish.options.background.unwrap_or(Background::WHITE),
            avif: self.avif,
            kept: &kept,
        };
        let mut ladder = Ladder::new(picture, original, style.chroma());
        let mut files: BTreeMap<(u32, u32), Vec<u8>> = BTreeMap::new();
        for shape in largest_first(&shapes) {
            let file = encode(&*ladder.step(shape)?, &style)?;
            let file = embed::kept(file, format, &kept);
            self.weigh(&file)?;
            files.insert(shape.to, file);
        }
        self.hand_out(number, original, format, shapes, &files)?;
        match to_read {
            Some(shape) => {
                let page = reading::write(&*ladder.step(shape)?)?;
                self.weigh(&page)?;
                self.sink.ocr_page(number, shape.to, &page).map_err(Error::Sink)
            }
            None => Ok(()),
        }
    }

    /// Draws a page that moves in every size, in a format that can move.
    pub(crate) fn moving(
        &mut self,
        number: u32,
        format: Format,
        frames: &mut Frames<'_>,
    ) -> Result<(), Error> {
        let original = frames.dimensions;
        let shapes = self.shapes(original)?;
        if shapes.is_empty() {
            return Ok(());
        }
        let quality = self.wish.options.quality.map(domain::wish::Quality::get);
        let mut motion = Motion { plays: frames.plays, ..Motion::default() };
        motion.quality = quality.unwrap_or(motion.quality);
        let distinct = largest_first(&shapes);
        let mut writers = Vec::new();
        for shape in &distinct {
            writers.push(Animation::new(format, shape.to, motion)?);
        }
        let (mut count, mut pixels, mut attention) = (0_u32, 0_u64, None);
        while let Some(frame) = frames.next() {
            let (raster, shown_ms) = frame?;
            count += 1;
            pixels += u64::from(original.0) * u64::from(original.1);
            if count > self.limits.frames || pixels > self.limits.frame_pixels {
                let what = format!("more than {} frames, or too large ones", self.limits.frames);
                return Err(Error::TooLong { what });
            }
            let mut ladder = Ladder::new(Picture::upright(raster), original, Chroma::Full);
            ladder.attend(attention);
            for (shape, writer) in distinct.iter().zip(&mut writers) {
                let step = ladder.step(*shape)?;
                writer.add(&*step.raster(&mut Resizer::new())?, shown_ms)?;
            }
            attention = ladder.attention();
        }
        self.used(engines::RESIZE);
        if let Some(engine) = engines::encoder(format) {
            self.used(engine);
        }
        let mut files = BTreeMap::new();
        for (shape, writer) in distinct.iter().zip(writers) {
            let file = embed::kept(writer.finish()?, format, &self.kept);
            self.weigh(&file)?;
            files.insert(shape.to, file);
        }
        self.hand_out(number, original, format, shapes, &files)
    }

    fn hand_out(
        &mut self,
        number: u32,
        original: (u32, u32),
        format: Format,
        shapes: Vec<Shape>,
        files: &BTreeMap<(u32, u32), Vec<u8>>,
    ) -> Result<(), Error> {
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

fn largest_first(shapes: &[Shape]) -> Vec<Shape> {
    let mut shapes = shapes.to_vec();
    shapes.sort_unstable_by_key(|Shape { to: (width, height), .. }| {
        (std::cmp::Reverse(u64::from(*width) * u64::from(*height)), *width)
    });
    shapes.dedup();
    shapes
}
