//! The layers of a Photoshop file, and the tree that they form.

use domain::limits::Limits;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::page::within;
use crate::raster::{Layout, Raster, room};

use super::channels::{Planes, layer_channel};
use super::{Cut, Header, Psd};

/// Groups deeper than this show their layers at this depth: the answer's nesting is limited.
const MAX_DEPTH: usize = 2;
/// The most channels of a layer.
const MAX_CHANNELS: u16 = 56;
/// The longest name, in characters.
const NAME_CHARS: usize = 255;
/// The channel that says how opaque a pixel is.
const OPACITY: i16 = -1;

/// What a layer is to the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Layer,
    /// Stands above the layers of its group.
    Group,
    /// Stands below the layers of a group.
    End,
}

/// One layer.
#[derive(Debug)]
pub(crate) struct Layer<'a> {
    name: String,
    kind: Kind,
    left: i32,
    top: i32,
    width: u32,
    height: u32,
    visible: bool,
    opacity: u8,
    blending: String,
    channels: Vec<(i16, &'a [u8])>,
}

/// All layers, from the lowest up.
#[derive(Debug, Default)]
pub(crate) struct Layers<'a> {
    pub(crate) all: Vec<Layer<'a>>,
    /// Whether the composite's first channel beyond its colours is its transparency.
    pub(crate) alpha: bool,
    /// Whether there are more than the limit.
    pub(crate) truncated: bool,
}

impl<'a> Layers<'a> {
    pub(crate) fn read(
        mut section: Cut<'a>,
        header: &Header,
        limits: &Limits,
    ) -> Result<Self, Error> {
        if section.0.is_empty() {
            return Ok(Self::default());
        }
        let length = section.long(header.big)?;
        let info = section.take(length)?;
        if !info.is_empty() {
            return Self::records(Cut(info), header, limits);
        }
        // Files of deep colour keep their layers behind the mask that is for all of them.
        section.section()?;
        match blocks(section, header.big)
            .find(|(key, _)| matches!(*key, b"Lr16" | b"Lr32" | b"Layr"))
        {
            Some((_, body)) => Self::records(Cut(body), header, limits),
            None => Ok(Self::default()),
        }
    }

    fn records(mut cut: Cut<'a>, header: &Header, limits: &Limits) -> Result<Self, Error> {
        let count = i16::from_be_bytes(cut.short()?.to_be_bytes());
        let (alpha, count) = (count < 0, u32::from(count.unsigned_abs()));
        let truncated = count > limits.entries;
        let mut records = Vec::new();
        for _ in 0..count {
            records.push(record(&mut cut, header)?);
        }
        let mut all = Vec::new();
        for (mut layer, lengths) in records {
            for (id, length) in lengths {
                layer.channels.push((id, cut.take(length)?));
            }
            all.push(layer);
        }
        all.truncate(limits.entries as usize);
        Ok(Self { all, alpha, truncated })
    }

    /// The tree from the top down, and whether something was left out for want of room.
    pub(crate) fn tree(&self, room_bytes: usize) -> (Value, bool) {
        let (mut levels, mut bytes, mut truncated) = (vec![Vec::new()], 0, false);
        for (number, layer) in (1_u32..).zip(&self.all) {
            if layer.kind == Kind::End {
                levels.push(Vec::new());
                continue;
            }
            let mut node = layer.node(number);
            bytes += Value::Object(node.clone()).to_string().len() + 16;
            if bytes > room_bytes {
                truncated = true;
                break;
            }
            if layer.kind == Kind::Group && levels.len() > 1 {
                let mut inside: Vec<Value> = levels.pop().unwrap_or_default();
                inside.reverse();
                // As deep as this group will stand itself.
                if levels.len() > MAX_DEPTH {
                    if let Some(level) = levels.last_mut() {
                        level.extend(inside.into_iter().rev());
                    }
                } else {
                    node.insert("layers".to_owned(), Value::Array(inside));
                }
            }
            if let Some(level) = levels.last_mut() {
                level.push(Value::Object(node));
            }
        }
        // Groups without an upper end.
        let mut top: Vec<Value> = levels.into_iter().flatten().collect();
        top.reverse();
        (Value::Array(top), truncated)
    }

    /// What is visible, one above the other, for files without a composite.
    pub(crate) fn flattened(&self, psd: &Psd<'_>) -> Result<Raster, Error> {
        let (width, height) = psd.header.dimensions;
        let mut canvas = room(width, height, Layout::Rgba.bytes())?;
        for layer in self.all.iter().filter(|layer| layer.visible && layer.has_pixels()) {
            let raster = layer.raster(psd)?;
            let rows = raster.pixels.chunks_exact(layer.width as usize * 4);
            for (y, row) in (i64::from(layer.top)..).zip(rows) {
                for (x, [r, g, b, a]) in (i64::from(layer.left)..).zip(row.as_chunks::<4>().0) {
                    if !(0..i64::from(width)).contains(&x) || !(0..i64::from(height)).contains(&y) {
                        continue;
                    }
                    let at = usize::try_from((y * i64::from(width) + x) * 4).unwrap_or(usize::MAX);
                    let above = u32::from(*a) * u32::from(layer.opacity) / 255;
                    if let Some(below) = canvas.get_mut(at..at.saturating_add(4)) {
                        over(below, [*r, *g, *b], above);
                    }
                }
            }
        }
        Ok(Raster::new(width, height, Layout::Rgba, canvas)?.without_idle_alpha())
    }
}

/// Puts a colour of that opacity above a pixel.
fn over(below: &mut [u8], colour: [u8; 3], above: u32) {
    let [red, green, blue, alpha] = below else { return };
    let under = u32::from(*alpha) * (255 - above) / 255;
    let sum = above + under;
    for (channel, new) in [red, green, blue].into_iter().zip(colour) {
        let mixed = u32::from(new) * above + u32::from(*channel) * under;
        *channel = u8::try_from(mixed.checked_div(sum).unwrap_or_default()).unwrap_or(u8::MAX);
    }
    *alpha = u8::try_from(sum).unwrap_or(u8::MAX);
}

/// A layer, and the numbers and lengths of its channels.
type Record<'a> = (Layer<'a>, Vec<(i16, usize)>);

fn record<'a>(cut: &mut Cut<'a>, header: &Header) -> Result<Record<'a>, Error> {
    let (top, left) = (cut.signed()?, cut.signed()?);
    let (bottom, right) = (cut.signed()?, cut.signed()?);
    let edge = |from: i32, to: i32| {
        u32::try_from(i64::from(to) - i64::from(from))
            .map_err(|_odd| Error::corrupt("PSD: odd layer"))
    };
    let (width, height) = (edge(left, right)?, edge(top, bottom)?);
    let count = cut.short()?;
    if count > MAX_CHANNELS {
        return Err(Error::corrupt("PSD: a layer of too many channels"));
    }
    let mut channels = Vec::new();
    for _ in 0..count {
        let id = i16::from_be_bytes(cut.short()?.to_be_bytes());
        channels.push((id, cut.long(header.big)?));
    }
    cut.take(4)?;
    let blending = text(cut.take(4)?.iter().map(|byte| char::from(*byte)));
    let (opacity, _clipping, flags) = (cut.byte()?, cut.byte()?, cut.byte()?);
    cut.take(1)?;
    let mut extra = Cut(cut.section()?);
    extra.section()?;
    extra.section()?;
    let length = usize::from(extra.byte()?);
    let mut name = text(extra.take(length)?.iter().map(|byte| char::from(*byte)));
    extra.skip((4 - (length + 1) % 4) % 4);
    let mut kind = Kind::Layer;
    for (key, body) in blocks(extra, header.big) {
        match key {
            b"luni" => {
                let units = body.get(4..).unwrap_or_default().as_chunks::<2>().0;
                let units = units.iter().copied().map(u16::from_be_bytes);
                name = text(char::decode_utf16(units).map(|letter| letter.unwrap_or('\u{fffd}')));
            }
            b"lsct" | b"lsdk" => {
                kind = match Cut(body).int() {
                    Ok(1 | 2) => Kind::Group,
                    Ok(3) => Kind::End,
                    _ => Kind::Layer,
                };
            }
            _ => {}
        }
    }
    let visible = flags & 2 == 0;
    let none = Vec::new();
    let layer =
        Layer { name, kind, left, top, width, height, visible, opacity, blending, channels: none };
    Ok((layer, channels))
}

fn text(letters: impl Iterator<Item = char>) -> String {
    letters.filter(|letter| !letter.is_control()).take(NAME_CHARS).collect()
}

/// Further blocks by name; what is odd ends the list.
fn blocks(mut cut: Cut<'_>, big: bool) -> impl Iterator<Item = (&[u8], &[u8])> {
    const WIDE: [&[u8]; 13] = [
        b"LMsk", b"Lr16", b"Lr32", b"Layr", b"Mt16", b"Mt32", b"Mtrn", b"Alph", b"FMsk", b"lnk2",
        b"FEid", b"FXid", b"PxSD",
    ];
    std::iter::from_fn(move || {
        let signature = cut.take(4).ok()?;
        if !matches!(signature, b"8BIM" | b"8B64") {
            return None;
        }
        let key = cut.take(4).ok()?;
        let length = cut.long(big && WIDE.contains(&key)).ok()?;
        let body = cut.take(length).ok()?;
        // Lengths are even, though some writers count without the last byte; some pad to four.
        cut.skip(length % 2);
        while cut.0.first() == Some(&0) {
            cut.skip(1);
        }
        Some((key, body))
    })
}

impl Layer<'_> {
    pub(crate) const fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(crate) fn has_pixels(&self) -> bool {
        self.kind == Kind::Layer && self.width > 0 && self.height > 0
    }

    /// The layer's own pixels with their opacity.
    pub(crate) fn raster(&self, psd: &Psd<'_>) -> Result<Raster, Error> {
        let size = self.dimensions();
        within(size, &psd.limits)?;
        let mut bytes = Vec::new();
        let opacity = (OPACITY, None);
        let colours = (0_i16..).take(psd.header.mode.colours()).map(|id| (id, Some(())));
        for (id, needed) in colours.chain([opacity]) {
            match self.channels.iter().find(|(found, _)| *found == id) {
                Some((_, packed)) => bytes.push(layer_channel(packed, size, &psd.header)?),
                None if needed.is_some() => {
                    return Err(Error::corrupt("PSD: a layer lacks a channel"));
                }
                None => {}
            }
        }
        let raster = psd.layer_picture(&Planes { bytes }, size)?;
        // All layers alike, also those that cover everything.
        if raster.layout == Layout::Rgba {
            return Ok(raster);
        }
        let pixels = match raster.layout {
            Layout::Gray => raster.pixels.iter().flat_map(|v| [*v, *v, *v, 255]).collect(),
            _ => raster
                .pixels
                .as_chunks::<3>()
                .0
                .iter()
                .flat_map(|[r, g, b]| [*r, *g, *b, 255])
                .collect(),
        };
        Raster::new(size.0, size.1, Layout::Rgba, pixels)
    }

    fn node(&self, number: u32) -> Map<String, Value> {
        let node = json!({
            "id": number,
            "name": self.name,
            "type": if self.kind == Kind::Group { "group" } else { "layer" },
            "visible": self.visible,
            "opacity": (f64::from(self.opacity) / 255.0 * 1_000.0).round() / 1_000.0,
            "blending": self.blending.trim(),
            "left": self.left,
            "top": self.top,
            "width": self.width,
            "height": self.height,
        });
        node.as_object().cloned().unwrap_or_default()
    }
}

impl Psd<'_> {
    /// Channels of a layer, in sRGB.
    fn layer_picture(&self, planes: &Planes, size: (u32, u32)) -> Result<Raster, Error> {
        let picture = self.picture(planes, size)?;
        picture.into_srgb()
    }
}
