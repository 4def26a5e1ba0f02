//! A whole job: sniff, read, decode each page once, make every size, hand it out.

use std::collections::BTreeMap;
use std::io;

use domain::limits::Limits;
use domain::wish::{Format, MetadataKind, PreviewWish};
use fast_image_resize::Resizer;
use serde_json::{Map, Value};

use crate::encode::encode;
use crate::error::Error;
use crate::exif;
use crate::page::{Page, Pixels, within};
use crate::raster::{Layout, Raster, upright};
use crate::sniff::{HEAD_BYTES, Kind, Sniffed, sniff};
use crate::tiff::Directories;

/// A picture is made from another one only if that is at least this many times as large along
/// each edge: from 2 on, the second resampling is not to be seen.
const CHAIN_FACTOR: u32 = 2;

/// Where the bytes come from.
pub trait Source {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `buffer` from `offset` on; fewer bytes only at the end.
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Where results go, in this order: the kind, the number of pages, renditions page by page.
pub trait Sink {
    /// What kind of file it is. Told for files that cannot be drawn, too.
    ///
    /// # Errors
    /// Whatever keeps it from being told; it ends the job.
    fn sniffed(&mut self, sniffed: &Sniffed) -> io::Result<()>;

    /// How many pages the file has.
    ///
    /// # Errors
    /// Whatever keeps it from being told; it ends the job.
    fn pages(&mut self, total: u32) -> io::Result<()>;

    /// One rendition.
    ///
    /// # Errors
    /// Whatever keeps it from being handed out; it ends the job.
    fn rendition(&mut self, rendition: &Rendition<'_>) -> io::Result<()>;
}

/// One picture made.
#[derive(Debug, Clone, Copy)]
pub struct Rendition<'a> {
    /// Page, from 1.
    pub page: u32,
    /// Index into the wish's `sizes`.
    pub size_index: u32,
    /// Width and height in pixels.
    pub dimensions: (u32, u32),
    /// Width and height of the page, upright.
    pub original: (u32, u32),
    /// File format.
    pub format: Format,
    /// The file.
    pub bytes: &'a [u8],
}

/// What is known at the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// EXIF tags, if they were asked for and there are any.
    pub exif: Option<Map<String, Value>>,
    /// Libraries that took part, with their versions.
    pub engines: BTreeMap<&'static str, &'static str>,
}

/// Draws a file.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub fn draw(
    source: &mut dyn Source,
    wish: &PreviewWish,
    limits: &Limits,
    sink: &mut dyn Sink,
) -> Result<Drawn, Error> {
    let (sniffed, mut bytes) = read(source, sink)?;
    let kind = sniffed.kind.ok_or(Error::Unsupported { what: sniffed.media_type.to_owned() })?;
    let directories = if kind == Kind::Tiff { Some(Directories::find(&bytes)?) } else { None };
    if directories.as_ref().is_some_and(|directories| directories.is_raw) {
        return Err(Error::Unsupported { what: "image/x-adobe-dng".to_owned() });
    }
    let total = directories.as_ref().map_or(1, Directories::total);
    let pages = wish.pages.of(total);
    if pages.is_empty() {
        return Err(Error::NoSuchPage { total });
    }
    if pages.len().saturating_mul(wish.sizes.len()) > limits.artifacts as usize {
        let what = format!("more than {} of them", limits.artifacts);
        return Err(Error::OutputTooLarge { what });
    }
    sink.pages(total).map_err(Error::Sink)?;
    let exif = wish.metadata.contains(&MetadataKind::Exif);
    let exif = if exif { exif::tags(&bytes, limits) } else { None };
    let mut job = Job { wish, limits, sink, output_bytes: 0, engines: engines(kind) };
    for number in pages {
        if let Some(directories) = &directories {
            within(directories.dimensions(&bytes, number), limits)?;
            directories.turn_to(&mut bytes, number)?;
        }
        job.page(number, Page::open(kind, &bytes, limits)?)?;
    }
    Ok(Drawn { exif, engines: job.engines })
}

/// Reads the head, tells the kind, and reads the rest of what can be drawn.
fn read(source: &mut dyn Source, sink: &mut dyn Sink) -> Result<(Sniffed, Vec<u8>), Error> {
    let length = usize::try_from(source.length()).unwrap_or(usize::MAX);
    if length == 0 {
        return Err(Error::Empty);
    }
    let mut bytes = vec![0; length.min(HEAD_BYTES)];
    let count = source.read_at(0, &mut bytes).map_err(Error::Source)?;
    bytes.truncate(count);
    let sniffed = sniff(&bytes);
    sink.sniffed(&sniffed).map_err(Error::Sink)?;
    if sniffed.kind.is_some() && length > bytes.len() {
        let head = bytes.len();
        bytes.try_reserve_exact(length - head).map_err(|_full| Error::Memory { what: "source" })?;
        bytes.resize(length, 0);
        let rest = bytes.get_mut(head..).unwrap_or_default();
        let count = source.read_at(head as u64, rest).map_err(Error::Source)?;
        bytes.truncate(head + count);
    }
    Ok((sniffed, bytes))
}

struct Job<'a> {
    wish: &'a PreviewWish,
    limits: &'a Limits,
    sink: &'a mut dyn Sink,
    output_bytes: u64,
    engines: BTreeMap<&'static str, &'static str>,
}

impl Job<'_> {
    fn page(&mut self, number: u32, page: Page<'_>) -> Result<(), Error> {
        let original = page.dimensions();
        let orientation = page.orientation;
        let targets = self.targets(original)?;
        let stored: Vec<_> = targets.iter().map(|size| upright(orientation, *size)).collect();
        let least = stored
            .iter()
            .fold((0, 0), |least: (u32, u32), size| (least.0.max(size.0), least.1.max(size.1)));
        let pixels = page.decode(least, self.limits)?;
        if pixels.to_srgb.is_some() {
            self.engines.insert("moxcms", MOXCMS);
        }
        let format = self.wish.format.unwrap_or(match pixels.raster.layout {
            Layout::Rgba => Format::Png,
            Layout::Gray | Layout::Rgb => Format::Jpg,
        });
        if let Some((name, version)) = encoder(format) {
            self.engines.insert(name, version);
        }
        let mut ladder = Ladder::new(pixels);
        let mut files: BTreeMap<(u32, u32), Vec<u8>> = BTreeMap::new();
        for size in largest_first(&stored) {
            let raster = ladder.step(size)?.upright(orientation);
            let file = encode(&raster, format)?;
            self.output_bytes = self.output_bytes.saturating_add(file.len() as u64);
            if self.output_bytes > self.limits.output_bytes {
                let what = format!("more than {} bytes", self.limits.output_bytes);
                return Err(Error::OutputTooLarge { what });
            }
            files.insert(upright(orientation, size), file);
        }
        for (size_index, dimensions) in (0..).zip(targets) {
            let bytes = files.get(&dimensions).map(Vec::as_slice).unwrap_or_default();
            let rendition =
                Rendition { page: number, size_index, dimensions, original, format, bytes };
            self.sink.rendition(&rendition).map_err(Error::Sink)?;
        }
        Ok(())
    }

    /// Width and height of every size asked for, upright.
    fn targets(&self, original: (u32, u32)) -> Result<Vec<(u32, u32)>, Error> {
        let sizes = self.wish.sizes.iter().map(|size| size.apply(original.0, original.1));
        let targets: Vec<(u32, u32)> = sizes.collect();
        let pixels = |size: &(u32, u32)| u64::from(size.0) * u64::from(size.1);
        match targets.iter().find(|size| pixels(size) > self.limits.pixels) {
            None => Ok(targets),
            Some((width, height)) => {
                let most = self.limits.pixels;
                let what = format!("{width} x {height} pixels, {most} at most");
                Err(Error::OutputTooLarge { what })
            }
        }
    }
}

fn largest_first(sizes: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable_by_key(|(width, height)| {
        (std::cmp::Reverse(u64::from(*width) * u64::from(*height)), *width)
    });
    sizes.dedup();
    sizes
}

/// The decoded picture and what has been made of it, from large to small.
struct Ladder {
    base: Pixels,
    made: Vec<Raster>,
    resizer: Resizer,
}

impl Ladder {
    fn new(base: Pixels) -> Self {
        Self { base, made: Vec::new(), resizer: Resizer::new() }
    }

    /// The picture in this size and in sRGB.
    fn step(&mut self, size: (u32, u32)) -> Result<&Raster, Error> {
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

const IMAGE: &str = "0.25.10";
const LIBJPEG_TURBO: &str = "3.1.0";
const MOXCMS: &str = "0.9.1";
const LIBWEBP: &str = "1.3.1";
const RESIZE: &str = "6.1.0";

fn engines(kind: Kind) -> BTreeMap<&'static str, &'static str> {
    let decoder = match kind {
        Kind::Jpeg => ("libjpeg-turbo", LIBJPEG_TURBO),
        Kind::Png | Kind::Gif | Kind::Webp | Kind::Tiff | Kind::Bmp => ("image", IMAGE),
    };
    BTreeMap::from([decoder, ("fast_image_resize", RESIZE)])
}

const fn encoder(format: Format) -> Option<(&'static str, &'static str)> {
    match format {
        Format::Jpg => Some(("libjpeg-turbo", LIBJPEG_TURBO)),
        Format::Webp => Some(("libwebp", LIBWEBP)),
        Format::Png => Some(("image", IMAGE)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_versions_told_are_those_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        for (name, version) in [
            ("image", super::IMAGE),
            ("fast_image_resize", super::RESIZE),
            ("moxcms", super::MOXCMS),
            // libjpeg-turbo 3.1.0 and libwebp 1.3.1 are inside these.
            ("turbojpeg-sys", "1.2.0"),
            ("libwebp-sys", "0.9.6"),
        ] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{name} is no longer {version}");
        }
    }
}
