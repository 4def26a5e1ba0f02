//! OpenEXR in: colours, gray or whatever a file has, with its windows, from linear light.

use std::io::Cursor;

use domain::limits::Limits;
use exr::block::lines::LineRef;
use exr::block::reader::{ChunksReader, Reader};
use exr::math::Vec2;
use exr::meta::attribute::{ChannelList, SampleType};
use exr::meta::header::Header;

use crate::error::Error;
use crate::light;
use crate::page::within;
use crate::raster::{Layout, Raster};

/// The largest block that is unpacked at once, in bytes.
const MAX_BLOCK_BYTES: usize = 256 << 20;
/// Where opacity goes in a pixel.
const ALPHA: usize = 3;

/// A file whose headers are read.
pub(crate) struct Open<'a> {
    reader: Reader<Cursor<&'a [u8]>>,
    layer: usize,
    wanted: Wanted,
}

/// Which channels become what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    /// Index of a channel, and the places of a pixel that it fills.
    channels: Vec<(usize, std::ops::Range<usize>)>,
    alpha: bool,
    gray: bool,
}

fn refusal(error: exr::error::Error) -> Error {
    match error {
        exr::error::Error::NotSupported(what) => {
            Error::Unsupported { what: format!("this kind of EXR ({what})") }
        }
        other => Error::corrupt(format!("EXR: {other}")),
    }
}

impl Wanted {
    /// Red, green and blue; else lightness; else those of the first layer that has some; else the
    /// first channel there is.
    fn of(list: &ChannelList) -> Option<Self> {
        let names: Vec<String> = list.list.iter().map(|channel| channel.name.to_string()).collect();
        let layers = names.iter().filter_map(|name| name.rsplit_once('.'));
        let mut prefixes = vec![String::new()];
        prefixes.extend(layers.map(|(layer, _)| format!("{layer}.")));
        let place = |prefix: &str, name: &str| {
            names.iter().position(|found| {
                found.strip_prefix(prefix).is_some_and(|rest| rest.eq_ignore_ascii_case(name))
            })
        };
        for prefix in &prefixes {
            let mut channels: Vec<_> = ["R", "G", "B"]
                .iter()
                .enumerate()
                .filter_map(|(at, name)| Some((place(prefix, name)?, at..at + 1)))
                .collect();
            let gray = channels.is_empty();
            if let (true, Some(lightness)) = (gray, place(prefix, "Y")) {
                channels.push((lightness, 0..ALPHA));
            }
            if channels.is_empty() {
                continue;
            }
            let alpha = place(prefix, "A");
            channels.extend(alpha.map(|alpha| (alpha, ALPHA..ALPHA + 1)));
            return Some(Self { channels, alpha: alpha.is_some(), gray });
        }
        let any = (!names.is_empty()).then(|| vec![(0, 0..ALPHA)])?;
        Some(Self { channels: any, alpha: false, gray: true })
    }

    const fn layout(&self) -> Layout {
        if self.alpha { Layout::Rgba } else { Layout::Rgb }
    }
}

impl<'a> Open<'a> {
    /// Reads the headers, and refuses what is larger than the limit.
    pub(crate) fn new(file: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let reader = exr::block::read(Cursor::new(file), false).map_err(refusal)?;
        let layers = || reader.headers().iter().enumerate().filter(|(_, header)| !header.deep);
        let coloured =
            |header: &Header| Wanted::of(&header.channels).is_some_and(|wanted| !wanted.gray);
        let found = layers().find(|(_, header)| coloured(header)).or_else(|| layers().next());
        let Some((layer, header)) = found else {
            return Err(Error::Unsupported { what: "an EXR of depths alone".to_owned() });
        };
        let size = header.layer_size;
        let edge = |edge: usize| u32::try_from(edge).unwrap_or(u32::MAX);
        within((edge(size.width()), edge(size.height())), limits)?;
        if header.max_block_byte_size() > MAX_BLOCK_BYTES {
            return Err(Error::corrupt("EXR: a block larger than any picture's"));
        }
        let wanted =
            Wanted::of(&header.channels).ok_or_else(|| Error::corrupt("EXR: no channel"))?;
        Ok(Self { layer, wanted, reader })
    }

    fn header(&self) -> Result<&Header, Error> {
        self.reader.headers().get(self.layer).ok_or_else(|| Error::corrupt("EXR: no layer"))
    }

    /// What is shown, which may be less or more than there is.
    pub(crate) fn dimensions(&self) -> (u32, u32) {
        let edge = |edge: usize| u32::try_from(edge).unwrap_or(u32::MAX);
        self.header().map_or((0, 0), |header| {
            let shown = header.shared_attributes.display_window.size;
            (edge(shown.width()), edge(shown.height()))
        })
    }

    /// How its colours are made, and bits of each channel.
    pub(crate) fn facts(&self) -> (&'static str, u32) {
        let first = self.wanted.channels.first().map(|(index, _)| *index);
        let header = self.header().ok();
        let channel = header.zip(first).and_then(|(header, at)| header.channels.list.get(at));
        let bits = match channel.map(|channel| channel.sample_type) {
            Some(SampleType::F16) => 16,
            _ => 32,
        };
        let colours = match (self.wanted.gray, self.wanted.alpha) {
            (true, false) => "Gray",
            (true, true) => "Gray with alpha",
            (false, false) => "RGB",
            (false, true) => "RGBA",
        };
        (colours, bits)
    }

    /// Every block of the picture's full size, in whatever order they lie.
    pub(crate) fn decode(self) -> Result<Raster, Error> {
        let (width, height) = self.dimensions();
        let layout = self.wanted.layout();
        let header = self.header()?.clone();
        let (from, shown) = (header.own_attributes.layer_position, header.shared_attributes);
        let offset = from - shown.display_window.position;
        let count = (width as usize)
            .checked_mul(height as usize)
            .and_then(|pixels| pixels.checked_mul(layout.bytes()))
            .ok_or(Error::Memory { what: "light" })?;
        let mut canvas = Canvas {
            light: vec![0.0; count],
            width: width as usize,
            channels: layout.bytes(),
            offset: (i64::from(offset.x()), i64::from(offset.y())),
        };
        let layer = self.layer;
        let full =
            |_: &_, tile: exr::block::chunk::TileCoordinates, block: exr::block::BlockIndex| {
                block.layer == layer && tile.level_index == Vec2(0, 0)
            };
        let chunks = self.reader.filter_chunks(false, full).map_err(refusal)?;
        let mut blocks = chunks.sequential_decompressor(false);
        while let Some(block) = blocks.decompress_next_block() {
            let block = block.map_err(refusal)?;
            for line in block.lines(&header.channels) {
                let channel = line.location.channel;
                let kind = header.channels.list.get(channel).map(|channel| channel.sample_type);
                let places = self.wanted.channels.iter().find(|(index, _)| *index == channel);
                if let (Some(kind), Some((_, places))) = (kind, places) {
                    canvas.lay(&line, kind, places.clone());
                }
            }
        }
        if self.wanted.alpha {
            canvas.light.chunks_exact_mut(layout.bytes()).for_each(unmultiply);
        }
        light::expose((width, height), layout, &canvas.light)
    }
}

/// Colours are stored as much weaker as they are transparent.
fn unmultiply(pixel: &mut [f32]) {
    if let [red, green, blue, alpha] = pixel
        && *alpha > 0.0
        && *alpha < 1.0
    {
        *red /= *alpha;
        *green /= *alpha;
        *blue /= *alpha;
    }
}

struct Canvas {
    light: Vec<f32>,
    width: usize,
    channels: usize,
    /// Where the data begins in what is shown.
    offset: (i64, i64),
}

impl Canvas {
    /// Lays a line of samples of one channel down, as far as it is shown.
    fn lay(&mut self, line: &LineRef<'_>, kind: SampleType, places: std::ops::Range<usize>) {
        let Vec2(x, y) = line.location.position;
        let place = |at: usize, offset: i64| {
            i64::try_from(at).ok().and_then(|at| usize::try_from(at.checked_add(offset)?).ok())
        };
        let Some(row) = place(y, self.offset.1) else { return };
        let stride = self.width * self.channels;
        let start = row.checked_mul(stride);
        let row = start.and_then(|start| self.light.get_mut(start..start.checked_add(stride)?));
        let Some(row) = row else { return };
        let mut put = |index: usize, value: f32| {
            let Some(x) = place(x + index, self.offset.0) else { return };
            let pixel = row.chunks_exact_mut(self.channels).nth(x);
            if let Some(places) = pixel.and_then(|pixel| pixel.get_mut(places.clone())) {
                places.fill(value);
            }
        };
        match kind {
            SampleType::F16 => {
                for (index, bytes) in line.value.as_chunks::<2>().0.iter().enumerate() {
                    put(index, exr::prelude::f16::from_ne_bytes(*bytes).to_f32());
                }
            }
            SampleType::F32 => {
                for (index, bytes) in line.value.as_chunks::<4>().0.iter().enumerate() {
                    put(index, f32::from_ne_bytes(*bytes));
                }
            }
            #[allow(clippy::cast_precision_loss, reason = "ends as a byte")]
            SampleType::U32 => {
                for (index, bytes) in line.value.as_chunks::<4>().0.iter().enumerate() {
                    put(index, u32::from_ne_bytes(*bytes) as f32);
                }
            }
        }
    }
}
