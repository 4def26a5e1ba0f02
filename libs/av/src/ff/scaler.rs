//! Decoded planes to pixels of another size and layout, in one step.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use std::ffi::c_int;
use std::ptr;

use ffmpeg_sys_next as sys;
use stills::Error;

use super::frame::Colours;
use super::{Frame, there};

/// What comes out: channels of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    /// Lightness, 8 bits, full range.
    Gray,
    /// Red, green, blue, 8 bits each.
    Rgb,
    /// Red, green, blue, opacity, 8 bits each.
    Rgba,
    /// Red, green, blue, 16 bits each, in the byte order of the machine.
    Rgb16,
}

impl Channels {
    const fn format(self) -> sys::AVPixelFormat {
        match self {
            Self::Gray => sys::AVPixelFormat::AV_PIX_FMT_GRAY8,
            Self::Rgb => sys::AVPixelFormat::AV_PIX_FMT_RGB24,
            Self::Rgba => sys::AVPixelFormat::AV_PIX_FMT_RGBA,
            Self::Rgb16 if cfg!(target_endian = "big") => sys::AVPixelFormat::AV_PIX_FMT_RGB48BE,
            Self::Rgb16 => sys::AVPixelFormat::AV_PIX_FMT_RGB48LE,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
            Self::Rgb16 => 6,
        }
    }
}

/// What a scaler was made for.
type Shape = (i32, (u32, u32), i32, (u32, u32), Colours, bool);

/// Scales and converts; keeps what it made for the last shape.
pub(crate) struct Scaler {
    context: *mut sys::SwsContext,
    shape: Option<Shape>,
}

/// Rows of what comes out begin at multiples of this, and end with as much room.
const ROOM_BYTES: usize = 64;

impl Scaler {
    pub(crate) const fn new() -> Self {
        Self { context: ptr::null_mut(), shape: None }
    }

    /// The picture in that size: rows from the top, without padding.
    ///
    /// # Errors
    /// When it has a format or dimensions that cannot be scaled, or there is no memory.
    pub(crate) fn pixels(
        &mut self,
        frame: &Frame,
        to: (u32, u32),
        channels: Channels,
    ) -> Result<Vec<u8>, Error> {
        let row_bytes = to.0 as usize * channels.bytes();
        let stride = row_bytes.next_multiple_of(ROOM_BYTES) + ROOM_BYTES;
        let mut padded = vec![0_u8; stride * to.1 as usize];
        let strides = [c_int::try_from(stride).unwrap_or(c_int::MAX), 0, 0, 0];
        let targets = [padded.as_mut_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut()];
        self.scale(frame, channels.format() as i32, to, targets, strides)?;
        if stride == row_bytes {
            return Ok(padded);
        }
        let mut pixels = Vec::with_capacity(row_bytes * to.1 as usize);
        for row in padded.chunks_exact(stride) {
            pixels.extend_from_slice(row.get(..row_bytes).unwrap_or_default());
        }
        Ok(pixels)
    }

    /// Fills a frame of another size or format.
    ///
    /// # Errors
    /// As [`Self::pixels`].
    pub(crate) fn fill(&mut self, from: &Frame, to: &mut Frame) -> Result<(), Error> {
        let size = (to.width(), to.height());
        // SAFETY: the frame is ours and has room for its dimensions.
        let ([a, b, c, d, ..], [i, j, k, l, ..]) =
            unsafe { ((*to.as_ptr()).data, (*to.as_ptr()).linesize) };
        self.scale(from, to.format(), size, [a, b, c, d], [i, j, k, l])
    }

    fn scale(
        &mut self,
        frame: &Frame,
        format: i32,
        to: (u32, u32),
        targets: [*mut u8; 4],
        strides: [c_int; 4],
    ) -> Result<(), Error> {
        let memory = Error::Memory { what: "pixels" };
        let from = (frame.width(), frame.height());
        // Of an interlaced picture one field is taken: two moments in one picture show combs.
        let one_field = frame.is_interlaced() && from.1 >= 4 && to.1 > from.1 / 2;
        let from = if one_field { (from.0, from.1 / 2) } else { from };
        self.prepare(frame, from, (format, to), one_field)?;
        // SAFETY: the frame's planes hold as many rows as it is high; every other row of them, if
        // a field is taken. The targets have room for the size that the context was made for.
        let rows = unsafe {
            let source = frame.as_ptr();
            let mut source_strides = (*source).linesize;
            if one_field {
                for stride in &mut source_strides {
                    *stride = stride.saturating_mul(2);
                }
            }
            let format = pixel_format((*source).format);
            if format.is_some_and(|format| format.is_palette) {
                // The second plane is the palette: no rows.
                if let (Some(scaled), Some(told)) =
                    (source_strides.get_mut(1), (*source).linesize.get(1))
                {
                    *scaled = *told;
                }
            }
            sys::sws_scale(
                self.context,
                (*source).data.as_ptr().cast(),
                source_strides.as_ptr(),
                0,
                c_int::try_from(from.1).unwrap_or(0),
                targets.as_ptr(),
                strides.as_ptr(),
            )
        };
        if rows <= 0 { Err(memory) } else { Ok(()) }
    }

    fn prepare(
        &mut self,
        frame: &Frame,
        from: (u32, u32),
        (format, to): (i32, (u32, u32)),
        one_field: bool,
    ) -> Result<(), Error> {
        let odd = || Error::Unsupported { what: "its pixels".to_owned() };
        let mut colours = frame.colours();
        let source = pixel_format(frame.format()).ok_or_else(odd)?;
        colours.is_full_range |= source.is_full_range;
        let shape = (frame.format(), from, format, to, colours, one_field);
        if self.shape == Some(shape) {
            return Ok(());
        }
        self.shape = None;
        let edge = |edge: u32| c_int::try_from(edge).unwrap_or(c_int::MAX);
        let shrinks = u64::from(from.0) * u64::from(from.1) > 4 * u64::from(to.0) * u64::from(to.1);
        let kernel = if shrinks { sys::SWS_AREA } else { sys::SWS_BICUBIC };
        let flags = kernel
            | sys::SWS_ACCURATE_RND
            | sys::SWS_BITEXACT
            | if shrinks { 0 } else { sys::SWS_FULL_CHR_H_INT };
        // SAFETY: a context of ours, freed in `drop` or here; formats are those of the list, as
        // `pixel_format` found them in it.
        unsafe {
            sys::sws_freeContext(self.context);
            self.context = sys::sws_getContext(
                edge(from.0),
                edge(from.1),
                source.format,
                edge(to.0),
                edge(to.1),
                pixel_format(format).ok_or_else(odd)?.format,
                flags,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null(),
            );
            let context = there("scaler", self.context)?;
            let table = sys::sws_getCoefficients(matrix(colours.matrix, frame));
            let narrow = c_int::from(colours.is_full_range);
            // Pictures keep their matrix; what comes out of this as RGB has none.
            let out = table;
            let wide = pixel_format(format).is_none_or(|format| !format.is_yuv || format.is_gray);
            // Fails for formats without such details, which then need none.
            sys::sws_setColorspaceDetails(
                context,
                table,
                narrow,
                out,
                c_int::from(wide),
                0,
                1 << 16,
                1 << 16,
            );
        }
        self.shape = Some(shape);
        Ok(())
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: ours or null.
        unsafe { sys::sws_freeContext(self.context) };
    }
}

/// swscale's name for a matrix of ITU-T H.273.
fn matrix(number: i32, frame: &Frame) -> c_int {
    match number {
        1 => sys::SWS_CS_ITU709,
        4 => sys::SWS_CS_FCC,
        5 | 6 => sys::SWS_CS_ITU601,
        7 => sys::SWS_CS_SMPTE240M,
        9 | 10 => sys::SWS_CS_BT2020,
        // Nothing said: as players guess, by size.
        _ if frame.width() >= 1_280 || frame.height() > 576 => sys::SWS_CS_ITU709,
        _ => sys::SWS_CS_ITU601,
    }
}

/// What a pixel format is like.
#[derive(Clone, Copy)]
pub(super) struct PixelFormat {
    pub(super) format: sys::AVPixelFormat,
    pub(super) has_alpha: bool,
    pub(super) is_full_range: bool,
    is_palette: bool,
    is_yuv: bool,
    is_gray: bool,
}

/// The pixel format of that number, if there is one that is in memory.
pub(super) fn pixel_format(number: i32) -> Option<PixelFormat> {
    use sys::AVPixelFormat::{
        AV_PIX_FMT_NB, AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P,
        AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUVJ444P,
    };
    if number < 0 || number >= AV_PIX_FMT_NB as i32 {
        return None;
    }
    // SAFETY: every number below the count is a format; the list was made from the same headers.
    let format: sys::AVPixelFormat = unsafe { std::mem::transmute(number) };
    // SAFETY: descriptors are constants of the library.
    let flags = unsafe {
        let descriptor = sys::av_pix_fmt_desc_get(format);
        if descriptor.is_null() {
            return None;
        }
        (*descriptor).flags
    };
    let has = |flag: c_int| flags & u64::from(flag.unsigned_abs()) != 0;
    if has(sys::AV_PIX_FMT_FLAG_HWACCEL) {
        return None;
    }
    let full = [
        AV_PIX_FMT_YUVJ411P,
        AV_PIX_FMT_YUVJ420P,
        AV_PIX_FMT_YUVJ422P,
        AV_PIX_FMT_YUVJ440P,
        AV_PIX_FMT_YUVJ444P,
    ];
    Some(PixelFormat {
        format,
        has_alpha: has(sys::AV_PIX_FMT_FLAG_ALPHA),
        is_full_range: full.contains(&format),
        is_palette: has(sys::AV_PIX_FMT_FLAG_PAL),
        is_gray: format == sys::AVPixelFormat::AV_PIX_FMT_GRAY8,
        is_yuv: !has(sys::AV_PIX_FMT_FLAG_RGB) && !has(sys::AV_PIX_FMT_FLAG_PAL),
    })
}

/// Whether the picture's pixels have an opacity.
pub(crate) fn has_alpha(frame: &Frame) -> bool {
    pixel_format(frame.format()).is_some_and(|format| format.has_alpha)
}

/// The name of a pixel format.
pub(crate) fn pixel_format_name(number: i32) -> Option<&'static str> {
    // SAFETY: names are constants of the library.
    super::text(unsafe { sys::av_get_pix_fmt_name(pixel_format(number)?.format) })
}
