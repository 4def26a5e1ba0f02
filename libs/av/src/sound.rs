//! Sound: its cover or its waveform, and its peaks.

use domain::job::Role;
use domain::limits::Limits;
use domain::wish::{Extra, Format};
use stills::{Easel, Error, Made};

use crate::ff::{
    Decoder, Encoder, Frame, Input, Medium, Packet, Rational, Resampler, SoundShape, Stream,
};
use crate::page::{FramePage, Look};
use crate::wave::{Envelope, WavePage};

/// Longer sounds are heard at places only, in milliseconds.
const WHOLE_MS: u64 = 2 * 3_600_000;
/// At how many places.
const PLACES: u64 = 800;
/// How many packets are decoded at each.
const PACKETS_A_PLACE: u32 = 6;

/// Draws the cover of a sound, or else its waveform.
///
/// # Errors
/// When nothing of it can be decoded, or a limit is reached.
pub(crate) fn draw(
    input: &mut Input<'_>,
    easel: &mut Easel<'_>,
    limits: &Limits,
) -> Result<(), Error> {
    let pages = easel.open(1)?;
    let wants_peaks = easel.wish().options.extras.contains(&Extra::Peaks);
    let draws = easel.wish().draws_pages();
    let cover = if draws { cover(input, limits)? } else { None };
    let hears = wants_peaks || draws && cover.is_none();
    let envelope = if hears { Some(hear(input, limits)?) } else { None };
    let background = easel.wish().options.background;
    for number in pages {
        match (&cover, &envelope) {
            (Some((frame, look)), _) => {
                easel.page(number, &mut FramePage { frame, look: *look })?;
            }
            (None, Some(envelope)) => {
                easel.page(number, &mut WavePage { envelope, background })?;
            }
            (None, None) => {}
        }
    }
    match envelope {
        Some(envelope) if wants_peaks => hand_out(&envelope, easel),
        _ => Ok(()),
    }
}

/// Hands out the peaks of a film's sound.
///
/// # Errors
/// As [`draw`].
pub(crate) fn peaks(
    input: &mut Input<'_>,
    easel: &mut Easel<'_>,
    limits: &Limits,
) -> Result<(), Error> {
    hand_out(&hear(input, limits)?, easel)
}

fn hand_out(envelope: &Envelope, easel: &mut Easel<'_>) -> Result<(), Error> {
    let json = envelope.peaks().to_string();
    easel.extra(&Made {
        role: Role::Peaks,
        page: 1,
        size_index: 0,
        dimensions: (0, 0),
        original: (0, 0),
        format: Format::Json,
        bytes: json.as_bytes(),
    })
}

/// Lets what decoders say of the streams of sound be known: their sample formats and profiles.
///
/// # Errors
/// When the source cannot be read.
pub(crate) fn learn(input: &mut Input<'_>, limits: &Limits) -> Result<(), Error> {
    const PACKETS: u32 = 64;
    let streams = input.streams().filter(|stream| stream.medium() == Medium::Audio);
    // What cannot be decoded is told as the header has it.
    let mut unknown: Vec<(usize, Decoder)> = streams
        .filter_map(|stream| Some((stream.index(), Decoder::open(&stream, limits).ok()?)))
        .collect();
    let wanted: Vec<usize> = unknown.iter().map(|(index, _)| *index).collect();
    input.select(&wanted);
    if let Some(first) = wanted.first() {
        // A file that cannot be searched is told of from where it is.
        let _at_start = input.seek(*first, 0);
    }
    let (mut packet, mut frame) = (Packet::new()?, Frame::new()?);
    for _ in 0..PACKETS {
        if unknown.is_empty() || !input.read(&mut packet)? {
            break;
        }
        let Some(place) = unknown.iter().position(|(index, _)| *index == packet.stream()) else {
            continue;
        };
        let (index, mut decoder) = unknown.swap_remove(place);
        if decoder.send(&packet)? && decoder.receive(&mut frame)? {
            decoder.teach(&input.stream(index)?);
        } else {
            unknown.push((index, decoder));
        }
    }
    Ok(())
}

/// The picture that comes with a sound, if there is one that can be decoded.
fn cover(input: &Input<'_>, limits: &Limits) -> Result<Option<(Frame, Look)>, Error> {
    for stream in input.streams().filter(Stream::is_attached_picture) {
        let Ok(mut decoder) = Decoder::open(&stream, limits) else { continue };
        let Some(packet) = stream.attached_packet()? else { continue };
        let mut frame = Frame::new()?;
        if !matches!(decoder.send(&packet), Ok(true)) {
            continue;
        }
        decoder.end();
        if matches!(decoder.receive(&mut frame), Ok(true)) && frame.width() > 0 {
            stills::within((frame.width(), frame.height()), limits)?;
            return Ok(Some((frame, Look::plain())));
        }
    }
    Ok(None)
}

/// Decodes the sound, whole or at places.
fn hear(input: &mut Input<'_>, limits: &Limits) -> Result<Envelope, Error> {
    let mut ear = Ear::open(input, limits)?;
    match input.length_ms() {
        Some(length_ms) if length_ms > WHOLE_MS => ear.places(input, length_ms)?,
        _ => ear.whole(input)?,
    }
    if ear.envelope.is_empty() {
        return Err(Error::corrupt("no sound can be decoded"));
    }
    Ok(ear.envelope)
}

struct Ear {
    decoder: Decoder,
    stream: usize,
    start: i64,
    unit: Rational,
    packet: Packet,
    frame: Frame,
    mono: Vec<f32>,
    envelope: Envelope,
    most_samples: u64,
    limits: Limits,
}

impl Ear {
    fn open(input: &mut Input<'_>, limits: &Limits) -> Result<Self, Error> {
        let rank = |stream: &Stream<'_>| {
            (stream.disposition() & crate::ff::DEFAULT != 0, stream.channels())
        };
        let found = input
            .streams()
            .filter(|stream| stream.medium() == Medium::Audio)
            .fold(None, |best: Option<Stream<'_>>, next| match best {
                Some(best) if rank(&best) >= rank(&next) => Some(best),
                _ => Some(next),
            })
            .ok_or_else(|| Error::corrupt("no stream of sound"))?;
        let decoder = Decoder::open(&found, limits)?;
        let rate = u32::try_from(found.sample_rate()).unwrap_or(0);
        let (stream, start, unit) = (found.index(), found.start().unwrap_or(0), found.time_base());
        input.select(&[stream]);
        Ok(Self {
            decoder,
            stream,
            start,
            unit,
            packet: Packet::new()?,
            frame: Frame::new()?,
            mono: Vec::new(),
            envelope: Envelope::new(rate),
            most_samples: limits.duration_ms / 1_000 * u64::from(rate.max(1)),
            limits: *limits,
        })
    }

    fn whole(&mut self, input: &mut Input<'_>) -> Result<(), Error> {
        // A file that cannot be searched is at its start, or nearly so.
        let _at_start = input.seek(self.stream, self.start);
        while input.read(&mut self.packet)? {
            if self.packet.stream() == self.stream {
                self.decoder.send(&self.packet)?;
                self.take()?;
            }
            if self.envelope.samples() > self.most_samples {
                return Err(Error::TooLong {
                    what: format!("at most {} ms", self.limits.duration_ms),
                });
            }
        }
        self.decoder.end();
        self.take()
    }

    fn take(&mut self) -> Result<(), Error> {
        while self.decoder.receive(&mut self.frame)? {
            self.mono.clear();
            self.frame.mono(&mut self.mono);
            self.envelope.hear(&self.mono, self.frame.sample_rate());
        }
        Ok(())
    }

    fn places(&mut self, input: &mut Input<'_>, length_ms: u64) -> Result<(), Error> {
        let rate = u64::from(self.envelope.rate().max(1));
        self.envelope =
            Envelope::at_places(self.envelope.rate(), length_ms * rate / 1_000 / PLACES);
        let unit_ms = |ms: u64| {
            let above = i128::from(ms) * i128::from(self.unit.den);
            i64::try_from(above / (i128::from(self.unit.num.max(1)) * 1_000)).unwrap_or(i64::MAX)
        };
        let times: Vec<i64> =
            (0..PLACES).map(|place| unit_ms(length_ms * place / PLACES) + self.start).collect();
        for time in times {
            self.decoder.flush();
            if input.seek(self.stream, time).is_err() {
                break;
            }
            self.mono.clear();
            for _ in 0..PACKETS_A_PLACE {
                if !input.read(&mut self.packet)? {
                    break;
                }
                let skipped = self.packet.stream() != self.stream;
                if skipped || !self.decoder.send(&self.packet)? {
                    continue;
                }
                while self.decoder.receive(&mut self.frame)? {
                    self.frame.mono(&mut self.mono);
                }
            }
            self.envelope.place(&self.mono);
        }
        Ok(())
    }
}

/// A few seconds of sound, encoded.
pub(crate) struct Excerpt {
    pub(crate) encoder: Encoder,
    pub(crate) packets: Vec<Packet>,
}

/// Encodes a few seconds of a film's sound, if it has any.
///
/// # Errors
/// When it cannot be decoded or encoded.
pub(crate) fn excerpt(
    input: &mut Input<'_>,
    from_ms: u64,
    length_ms: u64,
    limits: &Limits,
) -> Result<Option<Excerpt>, Error> {
    const KEPT_RATE: u32 = 48_000;
    const RATE: u32 = 44_100;
    if !input.streams().any(|stream| stream.medium() == Medium::Audio) {
        return Ok(None);
    }
    let mut ear = Ear::open(input, limits)?;
    let rate = if ear.envelope.rate() == KEPT_RATE { KEPT_RATE } else { RATE };
    let shape = SoundShape { rate, channels: 2 };
    let most = usize::try_from(length_ms * u64::from(rate) / 1_000).unwrap_or(0);
    let mut channels = vec![Vec::new(); 2];
    ear.shaped(input, from_ms, Resampler::to(shape), &mut channels, most)?;
    let mut encoder = Encoder::aac(shape)?;
    let mut packets = Vec::new();
    let count = channels.iter().map(Vec::len).min().unwrap_or(0).min(most);
    if count == 0 {
        return Ok(None);
    }
    for from in (0..count).step_by(encoder.samples()) {
        let to = (from + encoder.samples()).min(count);
        let parts: Vec<&[f32]> =
            channels.iter().map(|channel| channel.get(from..to).unwrap_or_default()).collect();
        let mut frame = Frame::sound(rate, &parts)?;
        frame.set_time(i64::try_from(from).unwrap_or(i64::MAX));
        encoder.send(Some(&frame))?;
        gather(&mut encoder, &mut packets)?;
    }
    encoder.send(None)?;
    gather(&mut encoder, &mut packets)?;
    Ok(Some(Excerpt { encoder, packets }))
}

fn gather(encoder: &mut Encoder, packets: &mut Vec<Packet>) -> Result<(), Error> {
    loop {
        let mut packet = Packet::new()?;
        if !encoder.receive(&mut packet)? {
            return Ok(());
        }
        packets.push(packet);
    }
}

impl Ear {
    /// Decodes from a moment on, in the shape that an encoder takes, until there is enough.
    fn shaped(
        &mut self,
        input: &mut Input<'_>,
        from_ms: u64,
        mut resampler: Resampler,
        channels: &mut [Vec<f32>],
        most: usize,
    ) -> Result<(), Error> {
        let above = i128::from(from_ms) * i128::from(self.unit.den);
        let offset = above / (i128::from(self.unit.num.max(1)) * 1_000);
        let time = i64::try_from(offset).unwrap_or(i64::MAX).saturating_add(self.start);
        input.seek(self.stream, time)?;
        while channels.first().is_some_and(|channel| channel.len() < most)
            && input.read(&mut self.packet)?
        {
            if self.packet.stream() != self.stream || !self.decoder.send(&self.packet)? {
                continue;
            }
            while self.decoder.receive(&mut self.frame)? {
                if self.frame.time().is_none_or(|at| at >= time) {
                    resampler.take(&self.frame, channels)?;
                }
            }
        }
        Ok(())
    }
}
