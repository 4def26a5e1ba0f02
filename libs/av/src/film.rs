//! A film that is open: its frames by time.

use domain::limits::Limits;
use stills::{Error, Orientation};

use crate::budget::Budget;
use crate::ff::{self, Care, Decoder, Frame, Input, Medium, Packet, Skip, Stream};
use crate::page::{Look, turned};

/// The most packets looked at to find a key frame.
const MAX_SEARCH_PACKETS: u32 = 4_096;
/// The most key frames tried at one place, where they cannot be decoded.
const MAX_TRIES: u32 = 4;
/// How far before a moment the search goes on where the container's own falls short, in
/// milliseconds.
const STEPS_BACK_MS: [u64; 4] = [0, 2_000, 10_000, 60_000];

/// Where the frames of a film come from.
pub(crate) struct Film<'i, 's> {
    pub(crate) input: &'i mut Input<'s>,
    pub(crate) look: Look,
    pub(crate) length_ms: u64,
    pub(crate) budget: Budget,
    decoder: Decoder,
    stream: usize,
    start: i64,
    packet: Packet,
    unit: ff::Rational,
    /// Pixels of a frame, as the header has them.
    size: (u32, u32),
    /// The frame handed out last, while the decoder goes on from there.
    shown: Option<Frame>,
    /// Until the first key frame: how many packets were passed over since the place was changed.
    passed: Option<u32>,
    /// A frame decoded beyond what was asked for.
    ahead: Option<Frame>,
}

/// The stream that is the film: of those marked as the default if there are such, and of those known
/// to begin, the largest.
pub(crate) fn stream<'a>(input: &'a Input<'_>) -> Option<Stream<'a>> {
    let is_film =
        |stream: &Stream<'_>| stream.medium() == Medium::Video && !stream.is_attached_picture();
    let size = |stream: &Stream<'_>| {
        let is_default = stream.disposition() & ff::DEFAULT != 0;
        let begins = stream.start().is_some();
        (is_default, begins, i64::from(stream.width()) * i64::from(stream.height()))
    };
    // The first of equals.
    input.streams().filter(is_film).fold(None, |best: Option<Stream<'_>>, next| match best {
        Some(best) if size(&best) >= size(&next) => Some(best),
        _ => Some(next),
    })
}

impl<'i, 's> Film<'i, 's> {
    /// Opens the decoder of a file's film.
    ///
    /// # Errors
    /// When there is none, or it is larger than the limits allow.
    pub(crate) fn open(input: &'i mut Input<'s>, limits: &Limits) -> Result<Self, Error> {
        Self::with(input, limits, Decoder::open)
    }

    /// The same, where no frame is wanted but what is said of frames.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn of_headers(input: &'i mut Input<'s>, limits: &Limits) -> Result<Self, Error> {
        Self::with(input, limits, Decoder::of_headers)
    }

    fn with(
        input: &'i mut Input<'s>,
        limits: &Limits,
        decoder: impl FnOnce(&Stream<'_>, &Limits) -> Result<Decoder, Error>,
    ) -> Result<Self, Error> {
        let Some(found) = stream(input) else {
            return Err(Error::corrupt("no stream of pictures"));
        };
        let size = [found.width(), found.height()].map(|edge| u32::try_from(edge).unwrap_or(0));
        let size: (u32, u32) = size.into();
        stills::within(size, limits)?;
        let decoder = decoder(&found, limits)?;
        let (stream, unit, start) = (found.index(), found.time_base(), found.start().unwrap_or(0));
        let look = Look { orientation: orientation(&found), aspect: found.container_aspect() };
        let length_ms = input.length_ms().unwrap_or(0);
        input.select(&[stream]);
        Ok(Self {
            input,
            look,
            length_ms,
            budget: Budget::new(limits),
            decoder,
            stream,
            start,
            packet: Packet::new()?,
            unit,
            size,
            shown: None,
            passed: None,
            ahead: None,
        })
    }

    /// Width and height of its frames as seen, as far as the header knows.
    pub(crate) const fn seen(&self) -> (u32, u32) {
        turned(self.look.orientation, self.size)
    }

    /// Takes less trouble over frames that are drawn at half their size or smaller.
    pub(crate) fn drawn_at(&mut self, least: (u32, u32)) {
        let least = turned(self.look.orientation, least);
        let small = least.0 > 0
            && least.0.saturating_mul(2) <= self.size.0
            && least.1.saturating_mul(2) <= self.size.1;
        self.decoder.take(if small { Care::Rough } else { Care::Full });
    }

    /// Reads the film's stream alone again, after another was read.
    pub(crate) fn select(&mut self) {
        self.input.select(&[self.stream]);
        self.forget();
    }

    /// Lets what decoding found out be known of the stream.
    pub(crate) fn teach(&self) {
        if let Ok(stream) = self.input.stream(self.stream) {
            self.decoder.teach(&stream);
        }
    }

    /// Reads on from the start until its decoder knows what its frames are; `false` where the
    /// headers do not say it.
    ///
    /// # Errors
    /// As [`Self::key_frame`].
    pub(crate) fn read_headers(&mut self) -> Result<bool, Error> {
        self.go(self.time(0))?;
        let mut searched = 0;
        for _ in 0..MAX_TRIES {
            if !self.next_key_packet(&mut searched)? {
                break;
            }
            self.decoder.send(&self.packet)?;
            if self.decoder.knows_frames() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Milliseconds from the film's start, of a time of its stream.
    pub(crate) fn ms(&self, time: i64) -> u64 {
        let ms = ff::to_ms(time.saturating_sub(self.start), self.unit);
        ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
    }

    fn time(&self, ms: u64) -> i64 {
        let above = i128::from(ms) * i128::from(self.unit.den);
        let below = i128::from(self.unit.num.max(1)) * 1_000;
        i64::try_from(above / below).unwrap_or(i64::MAX).saturating_add(self.start)
    }

    /// The key frame at or before a moment, or soon after it if there is none before.
    ///
    /// # Errors
    /// When the source cannot be read or a limit is reached.
    pub(crate) fn key_frame(&mut self, ms: u64) -> Result<Option<Frame>, Error> {
        self.go(self.time(ms))?;
        self.decoder.skip(Skip::NotKey);
        let found = self.next_key_frame();
        self.decoder.skip(Skip::Nothing);
        self.forget();
        found
    }

    fn next_key_frame(&mut self) -> Result<Option<Frame>, Error> {
        let mut searched = 0;
        for _ in 0..MAX_TRIES {
            if !self.next_key_packet(&mut searched)? {
                break;
            }
            if let Some(frame) = self.alone()? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Reads on to the film's next packet that can be decoded alone; `false` where none is found.
    /// `searched` counts what was read.
    fn next_key_packet(&mut self, searched: &mut u32) -> Result<bool, Error> {
        while *searched < MAX_SEARCH_PACKETS && self.input.read(&mut self.packet)? {
            *searched += 1;
            if self.packet.stream() == self.stream && self.packet.is_key() {
                self.budget.frame(self.size)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the packet alone decodes to.
    fn alone(&mut self) -> Result<Option<Frame>, Error> {
        let mut frame = Frame::new()?;
        let mut has_frame = false;
        if self.decoder.send(&self.packet)? {
            has_frame = self.decoder.receive(&mut frame)?;
            if !has_frame {
                self.decoder.end();
                has_frame = self.decoder.receive(&mut frame)?;
            }
        }
        self.decoder.flush();
        Ok(if has_frame && frame.width() > 0 { Some(frame) } else { None })
    }

    /// The frame that is on screen at a moment.
    ///
    /// # Errors
    /// When the source cannot be read or a limit is reached.
    pub(crate) fn frame_at(&mut self, ms: u64) -> Result<Option<Frame>, Error> {
        let target = self.time(ms);
        if self.is_ahead(target)
            && let Some(frame) = self.forward(target)?
        {
            return Ok(Some(frame));
        }
        for back in STEPS_BACK_MS {
            let from = ms.saturating_sub(back);
            self.go(self.time(from))?;
            let frame = self.forward(target)?;
            let fits = |frame: &Frame| frame.time().is_none_or(|time| time <= target);
            if frame.as_ref().is_some_and(fits) {
                return Ok(frame);
            }
            if from == 0 {
                break;
            }
        }
        // Nothing could be decoded from a key frame before: from the start, as a player does.
        self.begin_anew();
        self.passed = None;
        self.input.restart()?;
        self.forward(target)
    }

    /// Whether going on is shorter than going to the key frame before a time.
    fn is_ahead(&self, target: i64) -> bool {
        let Some(shown) = self.shown.as_ref().and_then(Frame::time) else { return false };
        let key = self.input.key_before(self.stream, target);
        shown <= target && key.is_some_and(|key| key <= shown)
    }

    /// The frame after the one handed out last.
    ///
    /// # Errors
    /// As [`Self::frame_at`].
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        let frame = self.pull(None)?;
        self.shown = frame.as_ref().map(Frame::share).transpose()?;
        Ok(frame)
    }

    /// Decodes on until the frame that is shown at the target.
    fn forward(&mut self, target: i64) -> Result<Option<Frame>, Error> {
        let mut last = self.shown.take();
        while let Some(frame) = self.pull(Some(target))? {
            let is_after = frame.time().is_some_and(|time| time > target);
            if is_after && last.is_some() {
                self.ahead = Some(frame);
                break;
            }
            let is_it = is_after || frame.time() == Some(target);
            last = Some(frame);
            if is_it {
                break;
            }
        }
        self.shown = last.as_ref().map(Frame::share).transpose()?;
        Ok(last)
    }

    /// The decoder's next frame.
    fn pull(&mut self, target: Option<i64>) -> Result<Option<Frame>, Error> {
        if let Some(frame) = self.ahead.take() {
            return Ok(Some(frame));
        }
        let mut frame = Frame::new()?;
        let mut is_open = true;
        loop {
            if self.decoder.receive(&mut frame)? {
                return Ok(Some(frame));
            }
            if !is_open {
                return Ok(None);
            }
            is_open = self.feed(target)?;
        }
    }

    /// Hands the decoder one more packet; `false` once there is none. What is over before the
    /// target is left out, if nothing else is made from it.
    fn feed(&mut self, target: Option<i64>) -> Result<bool, Error> {
        loop {
            if !self.input.read(&mut self.packet)? {
                self.decoder.end();
                return Ok(false);
            }
            if self.packet.stream() != self.stream {
                continue;
            }
            if let Some(passed) = self.passed {
                if !self.packet.is_key() && passed < MAX_SEARCH_PACKETS {
                    self.passed = Some(passed + 1);
                    continue;
                }
                self.passed = None;
            }
            let duration = self.packet.duration();
            let is_over = match (target, self.packet.time()) {
                (Some(target), Some(time)) if duration > 0 => {
                    time.saturating_add(duration.saturating_mul(2)) <= target
                }
                _ => false,
            };
            self.decoder.skip(if is_over { Skip::NotReferred } else { Skip::Nothing });
            self.budget.frame(self.size)?;
            // What cannot be decoded is passed over.
            self.decoder.send(&self.packet)?;
            return Ok(true);
        }
    }

    fn begin_anew(&mut self) {
        self.decoder.flush();
        self.forget();
        self.passed = Some(0);
    }

    fn forget(&mut self) {
        self.shown = None;
        self.ahead = None;
    }

    fn go(&mut self, time: i64) -> Result<(), Error> {
        self.begin_anew();
        match self.input.seek(self.stream, time) {
            // A file that cannot be searched is read from where it is.
            Ok(()) | Err(Error::Corrupt { .. } | Error::Unsupported { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// How to turn a film's frames upright, by its display matrix.
fn orientation(stream: &Stream<'_>) -> Orientation {
    let Some(matrix) = stream.display_matrix() else { return Orientation::NoTransforms };
    let [a, b, c, d] = matrix.map(|value| value.signum() * i32::from(value.abs() > 1 << 14));
    match (a, b, c, d) {
        (0, 1, -1, 0) => Orientation::Rotate90,
        (-1, 0, 0, -1) => Orientation::Rotate180,
        (0, -1, 1, 0) => Orientation::Rotate270,
        (-1, 0, 0, 1) => Orientation::FlipHorizontal,
        (1, 0, 0, -1) => Orientation::FlipVertical,
        (0, 1, 1, 0) => Orientation::Rotate90FlipH,
        (0, -1, -1, 0) => Orientation::Rotate270FlipH,
        _ => Orientation::NoTransforms,
    }
}
