//! An open file.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use std::ffi::{CString, c_char, c_int};
use std::ptr;

use domain::limits::Limits;
use ffmpeg_sys_next as sys;
use stills::{Error, Source};

use super::demuxer::CODECS;
use super::reader::Reader;
use super::{Demuxer, NO_TIME, Packet, Rational, Stream, Words, failed, text, there, words};

/// How much of a file without a full header is looked at, in bytes.
const PROBE_BYTES: &str = "1000000";
/// How much of such a file is looked at, in microseconds of its time.
const PROBE_US: &str = "3000000";
/// The most streams of a file.
const MAX_STREAMS: &str = "128";
/// The most tags of a file that are read.
const MAX_TAGS: usize = 256;
/// The most chapters of a file that are read.
const MAX_CHAPTERS: usize = 1_000;
/// The most packets that cannot be read in a row before the file is given up.
const MAX_BAD_PACKETS: u32 = 64;

/// A part of a film with a name.
pub(crate) struct Chapter {
    pub(crate) id: i64,
    pub(crate) time_base: Rational,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) tags: Vec<(String, String)>,
}

/// A file, read from a source.
pub(crate) struct Input<'a> {
    context: *mut sys::AVFormatContext,
    reader: Reader<'a>,
    bytes: u64,
}

impl<'a> Input<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is none that the demuxer reads, or what it holds is too long.
    pub(crate) fn open(
        source: &'a mut dyn Source,
        demuxer: Demuxer,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let bytes = source.length();
        if bytes == 0 {
            return Err(Error::Empty);
        }
        let reader = Reader::new(source)?;
        let mut input = Self { context: ptr::null_mut(), reader, bytes };
        let code = begin(&mut input.context, &input.reader, demuxer)?;
        input.checked("open", code)?;
        input.not_too_long(limits)?;
        Ok(input)
    }

    fn not_too_long(&self, limits: &Limits) -> Result<(), Error> {
        if self.length_ms().is_some_and(|ms| ms > limits.duration_ms) {
            return Err(Error::TooLong { what: format!("at most {} ms", limits.duration_ms) });
        }
        Ok(())
    }

    /// Looks at the first packets where the header does not say enough to decode, or to tell what
    /// is asked for.
    ///
    /// # Errors
    /// When there is nothing that can be read, or it is too long.
    pub(crate) fn look(&mut self, is_told: bool, limits: &Limits) -> Result<(), Error> {
        // SAFETY: ours.
        let headless = unsafe { (*self.context).ctx_flags } & sys::AVFMTCTX_NOHEADER != 0;
        if !headless && self.streams().all(|stream| suffices(&stream, is_told)) {
            return Ok(());
        }
        // SAFETY: ours; without options for the decoders, which are held to one thread by
        // FFmpeg itself here.
        let code = unsafe { sys::avformat_find_stream_info(self.context, ptr::null_mut()) };
        self.checked("look", code)?;
        self.not_too_long(limits)
    }

    /// Its streams.
    pub(crate) fn streams(&self) -> impl Iterator<Item = Stream<'_>> {
        // SAFETY: the streams live as long as the context, which is borrowed.
        let streams = unsafe {
            let count = (*self.context).nb_streams as usize;
            if (*self.context).streams.is_null() || count == 0 {
                &[]
            } else {
                std::slice::from_raw_parts((*self.context).streams, count)
            }
        };
        // SAFETY: as above.
        streams.iter().map(|stream| unsafe { Stream::new(*stream) })
    }

    /// The stream at that place.
    pub(crate) fn stream(&self, index: usize) -> Result<Stream<'_>, Error> {
        self.streams().nth(index).ok_or_else(|| Error::corrupt("a stream is missing"))
    }

    /// Reads these streams alone from now on.
    pub(crate) fn select(&mut self, wanted: &[usize]) {
        for stream in self.streams() {
            let discard = if wanted.contains(&stream.index()) {
                sys::AVDiscard::AVDISCARD_DEFAULT
            } else {
                sys::AVDiscard::AVDISCARD_ALL
            };
            // SAFETY: sets a number of a stream that lives.
            unsafe { (*stream.as_ptr()).discard = discard };
        }
    }

    /// The next packet; `false` at the end.
    ///
    /// # Errors
    /// When the source cannot be read, the packet is encrypted, or there is no memory. Where a file
    /// is damaged it ends.
    pub(crate) fn read(&mut self, packet: &mut Packet) -> Result<bool, Error> {
        packet.clear();
        for _ in 0..MAX_BAD_PACKETS {
            // SAFETY: both are ours.
            let code = unsafe { sys::av_read_frame(self.context, packet.as_ptr()) };
            if code >= 0 {
                return if packet.is_encrypted() { Err(Error::Encrypted) } else { Ok(true) };
            }
            if let Some(error) = self.reader.failure() {
                return Err(Error::Source(error));
            }
            if code == sys::AVERROR(libc::ENOMEM) {
                return Err(Error::Memory { what: "packet" });
            }
            if code != sys::AVERROR_INVALIDDATA && code != sys::AVERROR(libc::EAGAIN) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Goes to the last key frame at or before a time of a stream, in its units; to the start of
    /// the file, if that cannot be searched.
    ///
    /// # Errors
    /// When the source cannot be read, or there is no way back to the start.
    pub(crate) fn seek(&mut self, stream: usize, time: i64) -> Result<(), Error> {
        self.reader.rewind();
        let index = c_int::try_from(stream).unwrap_or(c_int::MAX);
        // SAFETY: ours.
        let code =
            unsafe { sys::av_seek_frame(self.context, index, time, sys::AVSEEK_FLAG_BACKWARD) };
        if code >= 0 {
            return Ok(());
        }
        if let Some(error) = self.reader.failure() {
            return Err(Error::Source(error));
        }
        self.restart()
    }

    /// Goes to the start of the file.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        self.reader.rewind();
        // SAFETY: ours.
        let place = unsafe {
            sys::avformat_flush(self.context);
            sys::avio_seek(self.reader.as_ptr(), 0, libc::SEEK_SET)
        };
        self.checked("seek", if place < 0 { sys::AVERROR(libc::EIO) } else { 0 })
    }

    /// The time of the key frame at or before a time, as the container's own index has it.
    pub(crate) fn key_before(&self, stream: usize, time: i64) -> Option<i64> {
        let stream = self.stream(stream).ok()?;
        // SAFETY: the entry is read before anything else is done to the stream.
        unsafe {
            let entry = sys::avformat_index_get_entry_from_timestamp(
                stream.as_ptr(),
                time,
                sys::AVSEEK_FLAG_BACKWARD,
            );
            if entry.is_null() { None } else { Some((*entry).timestamp) }
        }
    }

    /// Its length in milliseconds, if it is known.
    pub(crate) fn length_ms(&self) -> Option<u64> {
        let whole = self.duration_us().map(|us| us / 1_000);
        let longest = || {
            self.streams().filter_map(|stream| to_ms(stream.duration()?, stream.time_base())).max()
        };
        whole.or_else(longest).and_then(|ms| u64::try_from(ms).ok())
    }

    /// Its length in microseconds, if the header says.
    pub(crate) fn duration_us(&self) -> Option<i64> {
        // SAFETY: ours.
        Some(unsafe { (*self.context).duration }).filter(|us| *us != NO_TIME && *us > 0)
    }

    /// When it starts, in microseconds.
    pub(crate) fn start_us(&self) -> Option<i64> {
        // SAFETY: ours.
        Some(unsafe { (*self.context).start_time }).filter(|us| *us != NO_TIME)
    }

    /// Bits a second.
    pub(crate) fn bit_rate(&self) -> i64 {
        // SAFETY: ours.
        unsafe { (*self.context).bit_rate }
    }

    /// How many bytes of it were read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.reader.read()
    }

    /// Bytes of the file.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many programs it has.
    pub(crate) fn programs(&self) -> u32 {
        // SAFETY: ours.
        unsafe { (*self.context).nb_programs }
    }

    /// How sure the demuxer is, of 100.
    pub(crate) fn score(&self) -> i32 {
        // SAFETY: ours.
        unsafe { (*self.context).probe_score }
    }

    /// Short and long name of the demuxer.
    pub(crate) fn format_names(&self) -> (&'static str, Option<&'static str>) {
        // SAFETY: demuxers are constants of the library; an open file has one.
        unsafe {
            let format = (*self.context).iformat;
            (text((*format).name).unwrap_or_default(), text((*format).long_name))
        }
    }

    /// Its tags.
    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        // SAFETY: the dictionary belongs to the context.
        unsafe { words::tags((*self.context).metadata, MAX_TAGS) }
    }

    /// Its chapters.
    pub(crate) fn chapters(&self) -> Vec<Chapter> {
        // SAFETY: chapters belong to the context, which is borrowed.
        let chapters = unsafe {
            let count = (*self.context).nb_chapters as usize;
            if (*self.context).chapters.is_null() || count == 0 {
                &[]
            } else {
                std::slice::from_raw_parts((*self.context).chapters, count)
            }
        };
        let read = |chapter: &*mut sys::AVChapter| {
            // SAFETY: as above.
            unsafe {
                Chapter {
                    id: (**chapter).id,
                    time_base: (**chapter).time_base,
                    start: (**chapter).start,
                    end: (**chapter).end,
                    tags: words::tags((**chapter).metadata, MAX_TAGS),
                }
            }
        };
        chapters.iter().take(MAX_CHAPTERS).map(read).collect()
    }

    fn checked(&mut self, what: &'static str, code: c_int) -> Result<(), Error> {
        if code >= 0 {
            return Ok(());
        }
        if let Some(error) = self.reader.failure() {
            return Err(Error::Source(error));
        }
        if code == sys::AVERROR(libc::EINVAL) && what == "open" {
            // What the bytes look like is none of the demuxers allowed.
            return Err(Error::corrupt("not what its first bytes say"));
        }
        Err(failed(what, code))
    }
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone, before the reader that it reads from.
        unsafe { sys::avformat_close_input(&raw mut self.context) };
    }
}

/// Times of a stream in milliseconds, rounded down.
pub(crate) fn to_ms(time: i64, unit: Rational) -> Option<i64> {
    let below = i128::from(unit.den);
    if below == 0 {
        return None;
    }
    i64::try_from((i128::from(time) * i128::from(unit.num) * 1_000).div_euclid(below)).ok()
}

/// Opens what the reader reads, with that demuxer and nothing else; FFmpeg's code.
fn begin(
    context: &mut *mut sys::AVFormatContext,
    reader: &Reader<'_>,
    demuxer: Demuxer,
) -> Result<c_int, Error> {
    let name = CString::new(demuxer.name()).unwrap_or_default();
    // SAFETY: looks a name up in a constant list.
    let format = unsafe { sys::av_find_input_format(name.as_ptr()) };
    if format.is_null() {
        return Err(Error::Unsupported { what: format!("{} by this FFmpeg", demuxer.name()) });
    }
    let mut options = Words::new(&[
        ("format_whitelist", demuxer.name()),
        ("protocol_whitelist", ""),
        ("codec_whitelist", CODECS),
        ("probesize", PROBE_BYTES),
        ("analyzeduration", PROBE_US),
        ("max_streams", MAX_STREAMS),
    ]);
    // SAFETY: allocates; on failure `avformat_open_input` frees it, else whoever gets it does. No
    // name is given: nothing can be told from one.
    unsafe {
        *context = there("file", sys::avformat_alloc_context())?;
        (**context).pb = reader.as_ptr();
        (**context).io_open = Some(refuse);
        Ok(sys::avformat_open_input(context, c"".as_ptr(), format, options.as_mut()))
    }
}

/// Whether the header says what decoders need, and what is told.
fn suffices(stream: &Stream<'_>, is_told: bool) -> bool {
    use super::Medium;
    let known = stream.codec_names().is_some() && stream.codec_number() != 0;
    match stream.medium() {
        Medium::Video => {
            let has_rate = stream.average_frame_rate().num > 0 || stream.is_attached_picture();
            known && stream.width() > 0 && stream.height() > 0 && (has_rate || !is_told)
        }
        Medium::Audio => known && stream.sample_rate() > 0 && stream.channels() > 0,
        _ => true,
    }
}

/// A file may not name another one.
unsafe extern "C" fn refuse(
    _context: *mut sys::AVFormatContext,
    _io: *mut *mut sys::AVIOContext,
    _address: *const c_char,
    _flags: c_int,
    _options: *mut *mut sys::AVDictionary,
) -> c_int {
    sys::AVERROR(libc::EPERM)
}
