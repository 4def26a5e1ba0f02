//! How the pixels of a TIFF's first directory are laid out, by its tags.

use image::metadata::Orientation;

use crate::error::Error;
use crate::ifd::{Directory, Tiff};

mod tag {
    pub(super) const WIDTH: u16 = 256;
    pub(super) const HEIGHT: u16 = 257;
    pub(super) const BITS: u16 = 258;
    pub(super) const COMPRESSION: u16 = 259;
    pub(super) const PHOTOMETRIC: u16 = 262;
    pub(super) const FILL_ORDER: u16 = 266;
    pub(super) const OFFSETS: u16 = 273;
    pub(super) const ORIENTATION: u16 = 274;
    pub(super) const SAMPLES: u16 = 277;
    pub(super) const ROWS: u16 = 278;
    pub(super) const BYTES: u16 = 279;
    pub(super) const PLANAR: u16 = 284;
    pub(super) const FAX_OPTIONS: u16 = 292;
    pub(super) const PREDICTOR: u16 = 317;
    pub(super) const PALETTE: u16 = 320;
    pub(super) const TILE_WIDTH: u16 = 322;
    pub(super) const TILE_HEIGHT: u16 = 323;
    pub(super) const TILE_OFFSETS: u16 = 324;
    pub(super) const TILE_BYTES: u16 = 325;
    pub(super) const EXTRA: u16 = 338;
    pub(super) const SAMPLE_FORMAT: u16 = 339;
    pub(super) const JPEG_TABLES: u16 = 347;
    pub(super) const OLD_JPEG: u16 = 513;
    pub(super) const OLD_JPEG_BYTES: u16 = 514;
    pub(super) const ICC: u16 = 34_675;
}

/// The most channels of a pixel.
const MAX_SAMPLES: u64 = 64;
/// A tile that is larger than the picture is so by no more than this, in pixels.
const MAX_TILE_PIXELS: u64 = 1 << 22;

/// What the numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    /// 0 is white.
    Dark,
    /// 0 is black.
    Light,
    Rgb,
    Palette,
    Cmyk,
    /// Lightness and two colours, packed into bytes with a sign.
    Lab,
    /// The same as Photoshop has it, without.
    IccLab,
    /// As JPEG has it; only in JPEG.
    YCbCr,
}

impl Colours {
    /// Channels that make up a colour.
    pub(super) const fn channels(self) -> usize {
        match self {
            Self::Dark | Self::Light | Self::Palette => 1,
            Self::Rgb | Self::Lab | Self::IccLab | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }
}

/// How strips and tiles are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Lzw,
    Deflate,
    Runs,
    Jpeg,
    /// One whole JPEG file inside, the way of TIFF 6.0.
    OldJpeg {
        at: u64,
        length: Option<u64>,
    },
    /// One line after the other; at whole bytes or not.
    Fax1 {
        aligned: bool,
    },
    Fax2,
    Fax4,
}

/// What becomes of the channel behind the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpha {
    None,
    Straight,
    /// Colours are multiplied by it.
    Multiplied,
}

/// Where the pixels lie, and how.
#[derive(Debug)]
pub(crate) struct Shape<'a> {
    pub(super) tiff: Tiff<'a>,
    dimensions: (u32, u32),
    orientation: Orientation,
    icc: Option<&'a [u8]>,
    pub(super) colours: Colours,
    pub(super) alpha: Alpha,
    /// Channels of a pixel, and bits of each.
    pub(super) samples: usize,
    pub(super) bits: u32,
    pub(super) signed: bool,
    pub(super) packing: Packing,
    /// Bits of a byte in reverse.
    pub(super) reversed: bool,
    pub(super) differences: bool,
    /// Each channel by itself.
    pub(super) planar: bool,
    pub(super) tiled: bool,
    /// Width and height of a strip or tile.
    pub(super) chunk: (u32, u32),
    pub(super) offsets: Vec<u64>,
    pub(super) lengths: Vec<u64>,
    pub(super) palette: Vec<u64>,
    pub(super) tables: Option<&'a [u8]>,
}

struct Tags<'a> {
    tiff: Tiff<'a>,
    directory: Directory,
}

impl<'a> Tags<'a> {
    fn all(&self, tag: u16) -> Vec<u64> {
        let entry = self.directory.get(tag);
        entry.map(|entry| self.tiff.wholes(entry).collect()).unwrap_or_default()
    }

    fn one(&self, tag: u16, usual: u64) -> u64 {
        let entry = self.directory.get(tag);
        entry.and_then(|entry| self.tiff.whole(entry)).unwrap_or(usual)
    }

    fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.directory.get(tag).and_then(|entry| self.tiff.bytes(entry))
    }

    fn packing(&self) -> Option<Packing> {
        const TWO_DIMENSIONS: u64 = 1;
        Some(match self.one(tag::COMPRESSION, 1) {
            1 => Packing::Plain,
            2 => Packing::Fax1 { aligned: true },
            3 if self.one(tag::FAX_OPTIONS, 0) & TWO_DIMENSIONS != 0 => Packing::Fax2,
            3 => Packing::Fax1 { aligned: false },
            4 => Packing::Fax4,
            5 => Packing::Lzw,
            6 => {
                let at = self.directory.get(tag::OLD_JPEG)?;
                let length = self.directory.get(tag::OLD_JPEG_BYTES);
                Packing::OldJpeg {
                    at: self.tiff.whole(at)?,
                    length: length.and_then(|length| self.tiff.whole(length)),
                }
            }
            7 => Packing::Jpeg,
            8 | 32_946 => Packing::Deflate,
            32_773 => Packing::Runs,
            _ => return None,
        })
    }

    fn colours(&self) -> Option<Colours> {
        Some(match self.one(tag::PHOTOMETRIC, u64::MAX) {
            0 => Colours::Dark,
            1 => Colours::Light,
            2 => Colours::Rgb,
            3 => Colours::Palette,
            5 => Colours::Cmyk,
            6 => Colours::YCbCr,
            8 => Colours::Lab,
            9 => Colours::IccLab,
            _ => return None,
        })
    }
}

impl<'a> Shape<'a> {
    /// `None` where another decoder has to do: numbers with fractions, more than 16 bits, files of
    /// more than 4 GB.
    ///
    /// # Errors
    /// When a count says more than the file holds.
    pub(crate) fn find(file: &'a [u8]) -> Result<Option<Self>, Error> {
        let plain = matches!(file.get(2..4), Some(b"*\0" | b"\0*"));
        let Some(tiff) = Tiff::of(file).filter(|_| plain) else { return Ok(None) };
        let Some(directory) = tiff.directory(tiff.first()) else { return Ok(None) };
        if directory
            .reaches_beyond(&tiff, &[tag::OFFSETS, tag::BYTES, tag::TILE_OFFSETS, tag::TILE_BYTES])
        {
            return Err(Error::corrupt("TIFF: a count says more than the file holds"));
        }
        Ok(Self::of(&Tags { tiff, directory }))
    }

    fn of(tags: &Tags<'a>) -> Option<Self> {
        let edge = |tag| u32::try_from(tags.one(tag, 0)).ok().filter(|edge| *edge > 0);
        let dimensions = (edge(tag::WIDTH)?, edge(tag::HEIGHT)?);
        let (colours, packing) = (tags.colours()?, tags.packing()?);
        let samples = usize::try_from(tags.one(tag::SAMPLES, 1).min(MAX_SAMPLES + 1)).ok()?;
        let bits = tags.all(tag::BITS);
        let depth = bits.first().copied().unwrap_or(1);
        let formats = tags.all(tag::SAMPLE_FORMAT);
        let format = formats.first().copied().unwrap_or(1);
        let uniform =
            bits.iter().all(|bits| *bits == depth) && formats.iter().all(|found| *found == format);
        let tiled = tags.directory.get(tag::TILE_WIDTH).is_some();
        let chunk = if tiled {
            (edge(tag::TILE_WIDTH)?, edge(tag::TILE_HEIGHT)?)
        } else {
            let rows = u32::try_from(tags.one(tag::ROWS, u64::MAX)).unwrap_or(u32::MAX);
            (dimensions.0, rows.clamp(1, dimensions.1))
        };
        let jpeg = matches!(packing, Packing::Jpeg | Packing::OldJpeg { .. });
        let fax = matches!(packing, Packing::Fax1 { .. } | Packing::Fax2 | Packing::Fax4);
        let predictor = tags.one(tag::PREDICTOR, 1);
        let picture = u64::from(dimensions.0) * u64::from(dimensions.1);
        let fine = uniform
            && (colours.channels()..=64).contains(&samples)
            && matches!(depth, 1 | 2 | 4 | 8 | 12 | 16)
            && matches!(format, 1 | 2 | 4)
            && (jpeg || colours != Colours::YCbCr)
            && (!jpeg || depth == 8)
            && (colours != Colours::Palette || depth <= 8)
            && (!fax || (depth == 1 && samples == 1))
            && (predictor == 1 || (predictor == 2 && matches!(depth, 8 | 16)))
            && u64::from(chunk.0) * u64::from(chunk.1) <= picture.max(MAX_TILE_PIXELS);
        if !fine {
            return None;
        }
        let alpha = match tags.one(tag::EXTRA, 0) {
            _ if samples <= colours.channels() || jpeg => Alpha::None,
            1 => Alpha::Multiplied,
            2 => Alpha::Straight,
            _ => Alpha::None,
        };
        let shape = Self {
            tiff: tags.tiff,
            dimensions,
            orientation: u8::try_from(tags.one(tag::ORIENTATION, 1))
                .ok()
                .and_then(Orientation::from_exif)
                .unwrap_or(Orientation::NoTransforms),
            icc: tags.bytes(tag::ICC),
            colours,
            alpha,
            samples,
            bits: u32::try_from(depth).ok()?,
            // Of 8 bits many say so that are not.
            signed: format == 2 && depth > 8,
            packing,
            reversed: tags.one(tag::FILL_ORDER, 1) == 2,
            differences: predictor == 2,
            planar: tags.one(tag::PLANAR, 1) == 2 && samples > 1,
            tiled,
            chunk,
            offsets: tags.all(if tiled { tag::TILE_OFFSETS } else { tag::OFFSETS }),
            lengths: tags.all(if tiled { tag::TILE_BYTES } else { tag::BYTES }),
            palette: tags.all(tag::PALETTE),
            tables: tags.bytes(tag::JPEG_TABLES),
        };
        // What is plain in 16 bits keeps them for its colour profile elsewhere.
        let deep = shape.bits == 16
            && !shape.signed
            && !shape.planar
            && shape.alpha != Alpha::Multiplied
            && matches!(colours, Colours::Light | Colours::Rgb);
        let whole = matches!(packing, Packing::OldJpeg { .. });
        let there = shape.offsets.len() >= shape.chunks() && shape.lengths.len() >= shape.chunks();
        ((whole || there) && !deep).then_some(shape)
    }

    pub(crate) const fn dimensions(&self) -> (u32, u32) {
        self.dimensions
    }

    pub(crate) const fn orientation(&self) -> Orientation {
        self.orientation
    }

    pub(crate) const fn icc(&self) -> Option<&'a [u8]> {
        self.icc
    }

    /// How its colours are made, and bits of each channel.
    pub(crate) const fn facts(&self) -> (&'static str, u32) {
        let colours = match (self.colours, self.alpha) {
            (Colours::Dark | Colours::Light, Alpha::None) => "Gray",
            (Colours::Dark | Colours::Light, _) => "Gray with alpha",
            (Colours::Rgb | Colours::Palette, Alpha::None) => "RGB",
            (Colours::Rgb | Colours::Palette, _) => "RGBA",
            (Colours::Cmyk, _) => "CMYK",
            (Colours::Lab | Colours::IccLab, _) => "Lab",
            (Colours::YCbCr, _) => "YCbCr",
        };
        (colours, self.bits)
    }

    /// Strips or tiles in a row, and rows of them.
    pub(super) const fn grid(&self) -> (usize, usize) {
        let (width, height) = self.dimensions;
        (width.div_ceil(self.chunk.0) as usize, height.div_ceil(self.chunk.1) as usize)
    }

    fn chunks(&self) -> usize {
        let (across, down) = self.grid();
        across.saturating_mul(down).saturating_mul(if self.planar { self.samples } else { 1 })
    }
}
