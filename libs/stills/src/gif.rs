//! GIF out, still or moving: a palette for every frame, dithered, and only what has changed.

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use crate::animation::Motion;
use crate::error::Error;
use crate::raster::{Layout, Raster};

/// Colours of a palette beside the transparent one.
const COLOURS: usize = 255;
/// Index of the transparent colour.
const CLEAR: u8 = 255;
/// One in so many pixels is looked at for the palette.
const SAMPLING: i32 = 6;
/// From this opacity on a pixel is seen.
const SEEN: u8 = 128;
/// Bits of each channel by which the palette is looked up.
const LOOKUP_BITS: u32 = 5;

type Pixel = [u8; 4];

pub(crate) struct GifWriter {
    encoder: Encoder<Vec<u8>>,
    dimensions: (u16, u16),
    /// What is on the screen, by the source's own colours.
    shown: Vec<Pixel>,
    /// A frame is held back until it is known how it must leave the screen.
    held: Option<(Vec<Pixel>, u16)>,
    frames: u32,
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Encode { format: "GIF", what: error.to_string() }
}

impl GifWriter {
    pub(crate) fn new((width, height): (u32, u32), motion: Motion) -> Result<Self, Error> {
        let mut this = Self::still((width, height))?;
        let repeat = match motion.plays {
            None => Repeat::Infinite,
            Some(plays) => Repeat::Finite(plays.get() - 1),
        };
        if motion.plays.is_none_or(|plays| plays.get() > 1) {
            this.encoder.set_repeat(repeat).map_err(|error| failed(&error))?;
        }
        Ok(this)
    }

    fn still((width, height): (u32, u32)) -> Result<Self, Error> {
        let (Ok(wide), Ok(high)) = (u16::try_from(width), u16::try_from(height)) else {
            let what = format!("a gif has at most {} pixels along an edge", u16::MAX);
            return Err(Error::OutputTooLarge { what });
        };
        let encoder = Encoder::new(Vec::new(), wide, high, &[]).map_err(|error| failed(&error))?;
        let none = Vec::new();
        Ok(Self { encoder, dimensions: (wide, high), shown: none, held: None, frames: 0 })
    }

    pub(crate) fn add(&mut self, frame: &Raster, duration_ms: u32) -> Result<(), Error> {
        let pixels = pixels(frame);
        // What is to vanish again can do so only with the frame that shows it.
        if let Some((held, delay)) = self.held.take() {
            let vanishes = held.iter().zip(&pixels).any(|([.., was], [.., is])| is < was);
            self.write(held, delay, vanishes)?;
        }
        let delay = u16::try_from(duration_ms.div_ceil(10)).unwrap_or(u16::MAX);
        self.held = Some((pixels, delay));
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>, Error> {
        if let Some((held, delay)) = self.held.take() {
            let moves = self.frames > 0;
            let see_through = held.iter().any(|[.., alpha]| *alpha == 0);
            self.write(held, delay, moves && see_through)?;
        }
        if self.frames == 0 {
            return Err(failed(&"no frame"));
        }
        self.encoder.into_inner().map_err(|error| failed(&error))
    }

    fn write(&mut self, pixels: Vec<Pixel>, delay: u16, vanishes: bool) -> Result<(), Error> {
        let (width, height) = self.dimensions;
        let new: Vec<bool> = if self.shown.is_empty() {
            pixels.iter().map(|[.., alpha]| *alpha > 0).collect()
        } else {
            pixels.iter().zip(&self.shown).map(|(is, was)| is[3] > 0 && is != was).collect()
        };
        let (palette, indices) = indexed(&pixels, &new, width.into());
        let clear = indices.contains(&CLEAR);
        let frame = Frame {
            delay,
            dispose: if vanishes { DisposalMethod::Background } else { DisposalMethod::Keep },
            transparent: clear.then_some(CLEAR),
            width,
            height,
            palette: Some(palette),
            buffer: indices.into(),
            ..Frame::default()
        };
        self.encoder.write_frame(&frame).map_err(|error| failed(&error))?;
        self.frames += 1;
        self.shown = if vanishes { vec![[0; 4]; pixels.len()] } else { pixels };
        Ok(())
    }
}

/// Writes one picture.
pub(crate) fn encode(raster: &Raster) -> Result<Vec<u8>, Error> {
    let mut writer = GifWriter::still(raster.dimensions())?;
    writer.add(raster, 0)?;
    writer.finish()
}

/// Every pixel seen or not: nothing between.
fn pixels(raster: &Raster) -> Vec<Pixel> {
    let quad = |r: u8, g: u8, b: u8, a: u8| if a < SEEN { [0; 4] } else { [r, g, b, 255] };
    match raster.layout {
        Layout::Gray => raster.pixels.iter().map(|v| [*v, *v, *v, 255]).collect(),
        Layout::Rgb => {
            raster.pixels.as_chunks().0.iter().map(|[r, g, b]| quad(*r, *g, *b, 255)).collect()
        }
        Layout::Rgba => {
            raster.pixels.as_chunks().0.iter().map(|[r, g, b, a]| quad(*r, *g, *b, *a)).collect()
        }
    }
}

/// A palette for the pixels that are new, and an index for every one.
fn indexed(pixels: &[Pixel], new: &[bool], width: usize) -> (Vec<u8>, Vec<u8>) {
    let wanted = || pixels.iter().zip(new).filter(|(_, new)| **new).map(|(pixel, _)| *pixel);
    let mut few: Vec<Pixel> = Vec::new();
    for pixel in wanted() {
        if let Err(place) = few.binary_search(&pixel) {
            if few.len() == COLOURS {
                few.clear();
                break;
            }
            few.insert(place, pixel);
        }
    }
    if !few.is_empty() || !new.contains(&true) {
        let palette = few.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
        let find =
            |pixel: &Pixel| few.binary_search(pixel).ok().and_then(|at| u8::try_from(at).ok());
        let indices = pixels
            .iter()
            .zip(new)
            .map(|(pixel, new)| if *new { find(pixel).unwrap_or(CLEAR) } else { CLEAR });
        return (full(palette), indices.collect());
    }
    let samples: Vec<u8> = wanted().flatten().collect();
    let quantizer = NeuQuant::new(SAMPLING, COLOURS, &samples);
    let palette = quantizer.color_map_rgb();
    let indices = dithered(pixels, new, width, &quantizer, &palette);
    (full(palette), indices)
}

/// With room for the transparent colour.
fn full(mut palette: Vec<u8>) -> Vec<u8> {
    palette.resize((COLOURS + 1) * 3, 0);
    palette
}

/// Floyd's and Steinberg's way: what a colour lacks is given to its neighbours.
fn dithered(
    pixels: &[Pixel],
    new: &[bool],
    width: usize,
    quantizer: &NeuQuant,
    palette: &[u8],
) -> Vec<u8> {
    let mut known = vec![None; 1 << (3 * LOOKUP_BITS)];
    let (mut here, mut below) = (vec![[0_i16; 3]; width + 2], vec![[0_i16; 3]; width + 2]);
    let mut indices = Vec::with_capacity(pixels.len());
    for (row, new) in pixels.chunks(width).zip(new.chunks(width)) {
        for (x, (pixel, new)) in row.iter().zip(new).enumerate() {
            if !*new {
                indices.push(CLEAR);
                continue;
            }
            let owed = here.get(x + 1).copied().unwrap_or_default();
            let wanted = mend(*pixel, owed);
            let index = nearest(wanted, quantizer, &mut known);
            let at = usize::from(index) * 3;
            let lack: Vec<i16> = palette
                .get(at..at + 3)
                .unwrap_or_default()
                .iter()
                .zip(wanted)
                .map(|(found, wanted)| i16::from(wanted) - i16::from(*found))
                .collect();
            give(&mut here, x + 2, &lack, 7);
            give(&mut below, x, &lack, 3);
            give(&mut below, x + 1, &lack, 5);
            give(&mut below, x + 2, &lack, 1);
            indices.push(index);
        }
        std::mem::swap(&mut here, &mut below);
        below.fill([0; 3]);
    }
    indices
}

fn mend([r, g, b, _]: Pixel, owed: [i16; 3]) -> [u8; 3] {
    let mut mended = [r, g, b];
    for (channel, owed) in mended.iter_mut().zip(owed) {
        let value = (i16::from(*channel) + owed / 16).clamp(0, 255);
        *channel = u8::try_from(value).unwrap_or_default();
    }
    mended
}

fn give(row: &mut [[i16; 3]], at: usize, lack: &[i16], share: i16) {
    if let Some(place) = row.get_mut(at) {
        place.iter_mut().zip(lack).for_each(|(sum, lack)| *sum += lack * share);
    }
}

/// The nearest colour of the palette, looked up by the upper bits of the one wanted.
fn nearest([r, g, b]: [u8; 3], quantizer: &NeuQuant, known: &mut [Option<u8>]) -> u8 {
    let upper = |channel: u8| usize::from(channel >> (8 - LOOKUP_BITS));
    let key = upper(r) << (2 * LOOKUP_BITS) | upper(g) << LOOKUP_BITS | upper(b);
    let find = || u8::try_from(quantizer.index_of(&[r, g, b, 255])).unwrap_or_default();
    match known.get_mut(key) {
        Some(place) => *place.get_or_insert_with(find),
        None => find(),
    }
}
