//! Photoshop's files: the composite, and the tree of layers.

mod channels;
mod layers;

use std::collections::BTreeMap;

use domain::job::Role;
use domain::limits::Limits;
use domain::wish::{Extra, Format, MetadataKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};
use serde_json::{Map, Value, json};

use crate::colour::{cmyk_to_srgb, deep_to_srgb, lab_to_srgb};
use crate::easel::{Easel, Page, Picture};
use crate::error::Error;
use crate::iptc;
use crate::light;
use crate::media::Made;
use crate::page::within;
use crate::raster::{Layout, Raster};

use channels::Planes;
use layers::{Layer, Layers};

/// The most channels a file may have.
const MAX_CHANNELS: u16 = 56;
/// Profile of colours, among the resources.
const ICC: u16 = 1039;
/// EXIF, among the resources.
const EXIF: u16 = 1058;
/// XMP, among the resources.
const XMP: u16 = 1060;
/// Whether the composite is one, among the resources.
const VERSION: u16 = 1057;

/// How the channels make a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Bitmap,
    Gray,
    Indexed,
    Rgb,
    Cmyk,
    Lab,
}

impl Mode {
    fn of(number: u16) -> Result<Self, Error> {
        Ok(match number {
            0 => Self::Bitmap,
            // Duotone and many channels are shown by their first one.
            1 | 7 | 8 => Self::Gray,
            2 => Self::Indexed,
            3 => Self::Rgb,
            4 => Self::Cmyk,
            9 => Self::Lab,
            other => {
                return Err(Error::Unsupported { what: format!("PSD of colour mode {other}") });
            }
        })
    }

    /// Channels that make the colour.
    const fn colours(self) -> usize {
        match self {
            Self::Bitmap | Self::Gray | Self::Indexed => 1,
            Self::Rgb | Self::Lab => 3,
            Self::Cmyk => 4,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bitmap => "bitmap",
            Self::Gray => "grayscale",
            Self::Indexed => "indexed",
            Self::Rgb => "rgb",
            Self::Cmyk => "cmyk",
            Self::Lab => "lab",
        }
    }
}

/// What is said before any pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// Whether lengths are wide: PSB.
    pub(crate) big: bool,
    channels: u16,
    dimensions: (u32, u32),
    pub(crate) depth: u16,
    pub(crate) mode: Mode,
}

/// A file whose sections are found.
pub(crate) struct Psd<'a> {
    header: Header,
    palette: &'a [u8],
    resources: BTreeMap<u16, &'a [u8]>,
    layers: Layers<'a>,
    composite: Cut<'a>,
    limits: Limits,
}

impl<'a> Psd<'a> {
    /// Finds the sections, and refuses what is larger than the limit.
    pub(crate) fn open(file: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let mut cut = Cut(file);
        if cut.take(4)? != b"8BPS" {
            return Err(Error::corrupt("PSD: no such file"));
        }
        let big = cut.short()? == 2;
        cut.take(6)?;
        let channels = cut.short()?;
        let (height, width) = (cut.int()?, cut.int()?);
        let (depth, mode) = (cut.short()?, Mode::of(cut.short()?)?);
        within((width, height), limits)?;
        if width == 0 || height == 0 || !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(Error::corrupt("PSD: odd dimensions"));
        }
        if !matches!((depth, mode), (1, Mode::Bitmap) | (8 | 16 | 32, _)) {
            return Err(Error::corrupt("PSD: odd depth"));
        }
        let header = Header { big, channels, dimensions: (width, height), depth, mode };
        let palette = cut.section()?;
        let resources = resources(Cut(cut.section()?));
        let length = cut.long(big)?;
        let layers = Layers::read(Cut(cut.take(length)?), &header, limits)?;
        let limits = *limits;
        Ok(Self { header, palette, resources, layers, composite: cut, limits })
    }

    pub(crate) fn exif(&self) -> Option<&'a [u8]> {
        self.resources.get(&EXIF).copied()
    }

    pub(crate) fn xmp(&self) -> Option<&'a [u8]> {
        self.resources.get(&XMP).copied()
    }

    pub(crate) fn iptc(&self) -> Option<&'a [u8]> {
        self.resources.get(&iptc::NUMBER).copied()
    }

    fn icc(&self) -> Option<&'a [u8]> {
        self.resources.get(&ICC).copied()
    }

    /// Whether the program that wrote the file left the composite out.
    fn lacks_composite(&self) -> bool {
        let version = self.resources.get(&VERSION);
        version.and_then(|version| version.get(4)).is_some_and(|real| *real == 0)
    }

    fn composite(&self) -> Result<Picture, Error> {
        if self.lacks_composite() && !self.layers.all.is_empty() {
            return self.layers.flattened(self).map(Picture::upright);
        }
        let Header { channels, dimensions, mode, .. } = self.header;
        // More channels than colours need are selections, unless the layers say otherwise.
        let wanted = mode.colours() + usize::from(self.layers.alpha);
        if usize::from(channels) < mode.colours() {
            return Err(Error::corrupt("PSD: too few channels"));
        }
        let planes =
            Planes::read(&mut self.composite.clone(), &self.header, wanted.min(channels.into()))?;
        self.picture(&planes, dimensions)
    }

    /// Channels as a picture in sRGB, or in the colours of the file's profile.
    fn picture(&self, planes: &Planes, size: (u32, u32)) -> Result<Picture, Error> {
        let Header { mode, depth, .. } = self.header;
        let alpha = planes.bytes.len() > mode.colours();
        if mode == Mode::Rgb && depth > 8 {
            return self.deep(planes, size, alpha);
        }
        let planes = planes.cut_to_bytes(depth, size.0);
        let colours = planes.get(..mode.colours()).unwrap_or_default();
        let opacity = planes.get(mode.colours());
        let (colour, icc) = match (mode, colours) {
            (Mode::Bitmap, [bits]) => (bits.iter().flat_map(|bit| [255 - *bit; 3]).collect(), None),
            (Mode::Gray, [gray]) if opacity.is_none() => {
                let raster = Raster::new(size.0, size.1, Layout::Gray, gray.clone())?;
                return Ok(Picture::of(raster, UPRIGHT, self.icc()));
            }
            (Mode::Gray, [gray]) => (gray.iter().flat_map(|gray| [*gray; 3]).collect(), None),
            (Mode::Indexed, [index]) => (self.coloured(index), self.icc()),
            (Mode::Rgb, [r, g, b]) => {
                (r.iter().zip(g).zip(b).flat_map(|((r, g), b)| [*r, *g, *b]).collect(), self.icc())
            }
            (Mode::Lab, [l, a, b]) => {
                let lab = l.iter().zip(a).zip(b);
                (lab.flat_map(|((l, a), b)| lab_to_srgb([*l, *a, *b])).collect(), None)
            }
            (Mode::Cmyk, [c, m, y, k]) => {
                let inks = c.iter().zip(m).zip(y.iter().zip(k));
                let inks: Vec<u8> = inks
                    .flat_map(|((c, m), (y, k))| [255 - *c, 255 - *m, 255 - *y, 255 - *k])
                    .collect();
                (cmyk_to_srgb(&inks, self.icc(), size)?.pixels, None)
            }
            _ => return Err(Error::corrupt("PSD: too few channels")),
        };
        let raster = match opacity {
            None => Raster::new(size.0, size.1, Layout::Rgb, colour)?,
            Some(opacity) => {
                let pixels = colour.as_chunks::<3>().0.iter().zip(opacity);
                let pixels = pixels.flat_map(|([r, g, b], a)| [*r, *g, *b, *a]).collect();
                Raster::new(size.0, size.1, Layout::Rgba, pixels)?.without_idle_alpha()
            }
        };
        Ok(Picture::of(raster, UPRIGHT, icc))
    }

    fn coloured(&self, index: &[u8]) -> Vec<u8> {
        let channel = |at: usize, of: u8| {
            self.palette.get(at * 256 + usize::from(of)).copied().unwrap_or_default()
        };
        index.iter().flat_map(|of| [channel(0, *of), channel(1, *of), channel(2, *of)]).collect()
    }

    /// Channels of 16 bits, or of light in 32.
    fn deep(&self, planes: &Planes, size: (u32, u32), alpha: bool) -> Result<Picture, Error> {
        let odd = || Error::corrupt("PSD: too few channels");
        let channels = if alpha { 4 } else { 3 };
        let image = if self.header.depth == 32 {
            let samples = planes.mixed::<4, f32>(channels, f32::from_be_bytes);
            if alpha {
                ImageBuffer::from_raw(size.0, size.1, samples).map(DynamicImage::ImageRgba32F)
            } else {
                ImageBuffer::from_raw(size.0, size.1, samples).map(DynamicImage::ImageRgb32F)
            }
        } else {
            let samples = planes.mixed::<2, u16>(channels, u16::from_be_bytes);
            if alpha {
                ImageBuffer::from_raw(size.0, size.1, samples).map(DynamicImage::ImageRgba16)
            } else {
                ImageBuffer::from_raw(size.0, size.1, samples).map(DynamicImage::ImageRgb16)
            }
        };
        let image = image.ok_or_else(odd)?;
        if self.header.depth == 32 {
            return light::raster(image).map(Picture::upright);
        }
        if let Some(raster) = self.icc().and_then(|icc| deep_to_srgb(&image, icc)) {
            return Ok(Picture::upright(raster));
        }
        let (layout, pixels) = if alpha {
            (Layout::Rgba, image.into_rgba8().into_raw())
        } else {
            (Layout::Rgb, image.into_rgb8().into_raw())
        };
        Raster::new(size.0, size.1, layout, pixels)
            .map(|raster| Picture::upright(raster.without_idle_alpha()))
    }

    /// What the file says of itself, with the tree of layers.
    pub(crate) fn metadata(&self, limits: &Limits) -> Map<String, Value> {
        let Header { channels, dimensions: (width, height), depth, mode, .. } = self.header;
        let head = json!({
            "width": width,
            "height": height,
            "depth": depth,
            "mode": mode.name(),
            "channels": channels,
        });
        let mut map = head.as_object().cloned().unwrap_or_default();
        // A quarter is kept for the other kinds of metadata.
        let room = limits.metadata_bytes as usize / 4 * 3;
        let (tree, truncated) = self.layers.tree(room);
        map.insert("layers".to_owned(), tree);
        if truncated || self.layers.truncated {
            map.insert("truncated".to_owned(), Value::Bool(true));
        }
        map
    }

    /// Draws the composite, and each layer by itself if that is wished for.
    pub(crate) fn draw(
        &self,
        easel: &mut Easel<'_>,
        metadata: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        let limits = easel.limits();
        if easel.wish().metadata.contains(&MetadataKind::Psd) {
            let found = Value::Object(self.metadata(limits));
            metadata.insert(MetadataKind::Psd.name().to_owned(), found);
        }
        for number in easel.open(1)? {
            easel.page(number, &mut Composite(self))?;
        }
        if easel.wish().options.extras.contains(&Extra::Layers) {
            for (number, layer) in (1..).zip(&self.layers.all) {
                self.hand_out(easel, number, layer)?;
            }
        }
        Ok(())
    }

    fn hand_out(&self, easel: &mut Easel<'_>, number: u32, layer: &Layer<'_>) -> Result<(), Error> {
        if !layer.has_pixels() {
            return Ok(());
        }
        let raster = layer.raster(self)?;
        let bytes = crate::encode::png(&raster)?;
        easel.extra(&Made {
            role: Role::Layer,
            page: number,
            size_index: 0,
            dimensions: raster.dimensions(),
            original: self.header.dimensions,
            format: Format::Png,
            bytes: &bytes,
        })
    }
}

const UPRIGHT: Orientation = Orientation::NoTransforms;

struct Composite<'a, 'b>(&'b Psd<'a>);

impl Page for Composite<'_, '_> {
    fn dimensions(&self) -> (u32, u32) {
        self.0.header.dimensions
    }

    fn decode(&mut self, _least: (u32, u32), _limits: &Limits) -> Result<Picture, Error> {
        self.0.composite()
    }
}

/// The resources by number; what is odd ends the list.
fn resources(mut cut: Cut<'_>) -> BTreeMap<u16, &[u8]> {
    let mut found = BTreeMap::new();
    let mut next = || -> Result<(u16, &[u8]), Error> {
        cut.take(4)?;
        let number = cut.short()?;
        let name = usize::from(cut.byte()?);
        cut.take(name + (name + 1) % 2)?;
        let length = cut.int()? as usize;
        let body = cut.take(length)?;
        cut.skip(length % 2);
        Ok((number, body))
    };
    while let Ok((number, body)) = next() {
        found.entry(number).or_insert(body);
    }
    found
}

/// Bytes still to be read, big end first.
#[derive(Debug, Clone)]
pub(crate) struct Cut<'a>(pub(crate) &'a [u8]);

impl<'a> Cut<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| Error::corrupt("PSD: ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// Passes over padding, which may be missing at the end.
    pub(crate) fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_odd| Error::corrupt("PSD: ends too early"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn short(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn int(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn signed(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    /// A length, which is wider in big files.
    pub(crate) fn long(&mut self, big: bool) -> Result<usize, Error> {
        let length = if big { self.array().map(u64::from_be_bytes)? } else { self.int()?.into() };
        usize::try_from(length).map_err(|_odd| Error::corrupt("PSD: odd length"))
    }

    /// A part that begins with its length.
    pub(crate) fn section(&mut self) -> Result<&'a [u8], Error> {
        let length = self.int()? as usize;
        self.take(length)
    }
}
