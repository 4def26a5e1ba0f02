//! A few seconds of a film: as a moving picture, and as a small film with sound.

use domain::job::Role;
use domain::limits::Limits;
use domain::wish::Format;
use stills::{Animation, Easel, Error, Made, Motion, Orientation, Raster};

use crate::ff::{
    Colours, Encoder, Frame, Muxer, Packet, PictureFormat, Rational, Scaler, VideoShape,
};
use crate::film::Film;
use crate::page::{self, within_box};
use crate::sound;

/// How long an animation is, in milliseconds, and how far apart its frames are.
const ANIMATION_MS: u64 = 3_000;
const ANIMATION_FRAME_MS: u64 = 100;
/// The longest edge of an animation, in pixels.
const ANIMATION_PX: u32 = 320;
/// Quality of an animation as WebP.
const ANIMATION_QUALITY: u8 = 60;
/// How long a clip is, in milliseconds; the least that lies between its frames.
const CLIP_MS: u64 = 5_000;
const CLIP_FRAME_MS: u64 = 32;
/// The longest and the shorter edge of a clip, in pixels, at most.
const CLIP_PX: (u32, u32) = (854, 480);
/// Where in the film they begin, in thousandths of its length.
const PLACE: u64 = 250;
/// The unit of a clip's times.
const UNIT: Rational = Rational { num: 1, den: 1_000 };
/// Colours of a clip: BT.709.
const BT709: Colours = Colours { primaries: 1, transfer: 1, matrix: 1, is_full_range: false };

/// Hands out a few seconds as a moving WebP, or GIF where that is asked for.
///
/// # Errors
/// When no frame can be decoded, or a limit is reached.
pub(crate) fn animation(film: &mut Film<'_, '_>, easel: &mut Easel<'_>) -> Result<(), Error> {
    let format = match easel.wish().format {
        Some(Format::Gif) => Format::Gif,
        _ => Format::Webp,
    };
    let mut shots = Shots::new(film, ANIMATION_MS, ANIMATION_FRAME_MS);
    let quality =
        easel.wish().options.quality.map_or(ANIMATION_QUALITY, domain::wish::Quality::get);
    let mut writer: Option<(Animation, (u32, u32))> = None;
    while let Some((raster, _)) = shots.next(|seen| within_box(seen, ANIMATION_PX))? {
        let size = raster.dimensions();
        let (writer, expected) = match &mut writer {
            Some((writer, expected)) => (writer, *expected),
            none => {
                let motion = Motion { quality, plays: None };
                let (writer, expected) = none.insert((Animation::new(format, size, motion)?, size));
                (writer, *expected)
            }
        };
        if size == expected {
            writer.add(&raster, u32::try_from(ANIMATION_FRAME_MS).unwrap_or(u32::MAX))?;
        }
    }
    let Some((writer, dimensions)) = writer else {
        return Err(Error::corrupt("no frame can be decoded"));
    };
    let bytes = writer.finish()?;
    easel.extra(&made(Role::Animation, dimensions, format, &bytes))
}

/// Hands out a few seconds as an MP4 with H.264 and AAC.
///
/// # Errors
/// As [`animation`]; [`Error::Missing`] where FFmpeg has no encoder.
pub(crate) fn clip(
    film: &mut Film<'_, '_>,
    easel: &mut Easel<'_>,
    limits: &Limits,
) -> Result<(), Error> {
    let from_ms = from_ms(film, CLIP_MS);
    let mut shots = Shots::new(film, CLIP_MS, CLIP_FRAME_MS);
    let mut muxer = Muxer::mp4()?;
    let mut pictures: Option<Pictures> = None;
    while let Some((raster, ms)) = shots.next(within_clip)? {
        match &mut pictures {
            Some(pictures) => pictures.add(&raster, ms)?,
            none => none.insert(Pictures::new(raster.dimensions())?).add(&raster, ms)?,
        }
    }
    let Some(mut pictures) = pictures else {
        return Err(Error::corrupt("no frame can be decoded"));
    };
    pictures.encoder.send(None)?;
    pictures.take()?;
    // A film whose sound cannot be decoded is shown silent.
    let voice = sound::excerpt(film.input, from_ms, CLIP_MS, limits).ok().flatten();
    film.select();
    let stream = muxer.stream(&pictures.encoder)?;
    let second = match &voice {
        Some(voice) => Some((muxer.stream(&voice.encoder)?, voice.encoder.unit())),
        None => None,
    };
    muxer.begin()?;
    let unit = pictures.encoder.unit();
    for mut packet in pictures.packets {
        muxer.write(&mut packet, stream, unit)?;
    }
    if let (Some(voice), Some((stream, unit))) = (voice, second) {
        for mut packet in voice.packets {
            muxer.write(&mut packet, stream, unit)?;
        }
    }
    let bytes = muxer.finish()?;
    easel.extra(&made(Role::Clip, pictures.size, Format::Mp4, &bytes))
}

/// Pictures on their way into a clip.
struct Pictures {
    encoder: Encoder,
    size: (u32, u32),
    scaler: Scaler,
    packets: Vec<Packet>,
    last_ms: Option<u64>,
}

impl Pictures {
    fn new(size: (u32, u32)) -> Result<Self, Error> {
        let encoder = Encoder::h264(VideoShape { size, unit: UNIT, colours: BT709 })?;
        Ok(Self { encoder, size, scaler: Scaler::new(), packets: Vec::new(), last_ms: None })
    }

    fn add(&mut self, raster: &Raster, ms: u64) -> Result<(), Error> {
        if raster.dimensions() != self.size || self.last_ms.is_some_and(|last| ms <= last) {
            return Ok(());
        }
        self.last_ms = Some(ms);
        let (width, height) = self.size;
        let mut packed = Frame::picture(PictureFormat::packed(false), width, height)?;
        let row_bytes = width as usize * 3;
        for (row, y) in raster.pixels().chunks_exact(row_bytes).zip(0..) {
            if let Some(target) = packed.row_mut(0, y, row_bytes) {
                target.copy_from_slice(row);
            }
        }
        packed.set_colours(Colours { is_full_range: true, ..BT709 });
        let planes =
            PictureFormat { bits: 8, subsampling: Some((1, 1)), is_rgb: false, has_alpha: false };
        let format = planes.find().ok_or(Error::Memory { what: "clip" })?;
        let mut frame = Frame::picture(format, width, height)?;
        self.scaler.fill(&packed, &mut frame)?;
        frame.set_colours(BT709);
        frame.set_time(i64::try_from(ms).unwrap_or(i64::MAX));
        self.encoder.send(Some(&frame))?;
        self.take()
    }

    fn take(&mut self) -> Result<(), Error> {
        loop {
            let mut packet = Packet::new()?;
            if !self.encoder.receive(&mut packet)? {
                return Ok(());
            }
            self.packets.push(packet);
        }
    }
}

/// Where an excerpt of that length begins.
fn from_ms(film: &Film<'_, '_>, length_ms: u64) -> u64 {
    (film.length_ms / 1_000 * PLACE).min(film.length_ms.saturating_sub(length_ms))
}

/// Frames of an excerpt, one after the other, not closer than asked for.
struct Shots<'f, 'i, 's> {
    film: &'f mut Film<'i, 's>,
    scaler: Scaler,
    from_ms: u64,
    length_ms: u64,
    apart_ms: u64,
    due_ms: u64,
    is_begun: bool,
}

impl<'f, 'i, 's> Shots<'f, 'i, 's> {
    fn new(film: &'f mut Film<'i, 's>, length_ms: u64, apart_ms: u64) -> Self {
        let from_ms = from_ms(film, length_ms);
        let scaler = Scaler::new();
        Self { film, scaler, from_ms, length_ms, apart_ms, due_ms: 0, is_begun: false }
    }

    /// The next frame, upright and opaque, and when it is shown, in milliseconds from the start.
    fn next(
        &mut self,
        size: impl Fn((u32, u32)) -> (u32, u32),
    ) -> Result<Option<(Raster, u64)>, Error> {
        loop {
            let frame = if self.is_begun {
                self.film.next_frame()?
            } else {
                self.film.frame_at(self.from_ms)?
            };
            let Some(frame) = frame else { return Ok(None) };
            let at_ms = frame
                .time()
                .map_or(self.due_ms, |time| self.film.ms(time).saturating_sub(self.from_ms));
            let is_first = !std::mem::replace(&mut self.is_begun, true);
            if at_ms >= self.length_ms {
                return Ok(None);
            }
            if !is_first && at_ms < self.due_ms {
                continue;
            }
            self.due_ms = (self.due_ms + self.apart_ms).max(at_ms + self.apart_ms / 2);
            let Orientation::NoTransforms = self.film.look.orientation else {
                let stored =
                    page::turned(self.film.look.orientation, size(self.film.look.seen(&frame)));
                let raster = page::opaque(page::raster(&mut self.scaler, &frame, stored)?)?;
                return Ok(Some((page::upright(raster, self.film.look.orientation)?, at_ms)));
            };
            let raster = page::raster(&mut self.scaler, &frame, size(self.film.look.seen(&frame)))?;
            return Ok(Some((page::opaque(raster)?, at_ms)));
        }
    }
}

/// The largest even dimensions that a clip may have.
fn within_clip((width, height): (u32, u32)) -> (u32, u32) {
    let (long, short) = CLIP_PX;
    let most = if width >= height { (long, short) } else { (short, long) };
    let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let (across, down) = (u64::from(most.0), u64::from(most.1));
    let (wide, high) = if width <= across && height <= down {
        (width, height)
    } else if width * down >= height * across {
        (across, height * across / width)
    } else {
        (width * down / height, down)
    };
    let even = |edge: u64| u32::try_from((edge / 2 * 2).max(2)).unwrap_or(2);
    (even(wide), even(high))
}

const fn made(role: Role, dimensions: (u32, u32), format: Format, bytes: &[u8]) -> Made<'_> {
    Made { role, page: 1, size_index: 0, dimensions, original: dimensions, format, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_are_even_and_small() {
        for (seen, expected) in [
            ((1920, 1080), (852, 480)),
            ((1080, 1920), (480, 852)),
            ((321, 201), (320, 200)),
            ((4096, 1716), (854, 356)),
            ((1, 1), (2, 2)),
        ] {
            assert_eq!(within_clip(seen), expected);
        }
    }
}
