//! Pictures with planes of their own: which format they have, and how large each plane is.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use ffmpeg_sys_next as sys;
use sys::AVPixelFormat as Format;

use super::Frame;
use super::scaler::pixel_format;

/// Bits of a picture's samples, and how its colours are subsampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planes {
    pub(crate) bits: u32,
    /// Halvings across and down; `None` for a picture without colours.
    pub(crate) chroma: Option<(u8, u8)>,
}

impl Planes {
    /// Width and height of a plane, in samples.
    pub(crate) fn size(&self, frame: &Frame, plane: usize) -> (u32, u32) {
        let (width, height) = (frame.width(), frame.height());
        match (plane, self.chroma) {
            (1 | 2, Some((across, down))) => {
                (width.div_ceil(1 << across), height.div_ceil(1 << down))
            }
            _ => (width, height),
        }
    }
}

/// The picture formats that hold one plane for each channel, by what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureFormat {
    pub(crate) bits: u32,
    /// Halvings across and down; `None` for a picture without colours.
    pub(crate) subsampling: Option<(u8, u8)>,
    pub(crate) is_rgb: bool,
    pub(crate) has_alpha: bool,
}

impl PictureFormat {
    /// FFmpeg's name for it, if it has one.
    pub(crate) const fn find(self) -> Option<Format> {
        Some(match (self.bits, self.subsampling, self.is_rgb, self.has_alpha) {
            (8, None, false, false) => Format::AV_PIX_FMT_GRAY8,
            (10, None, false, false) => Format::AV_PIX_FMT_GRAY10LE,
            (12, None, false, false) => Format::AV_PIX_FMT_GRAY12LE,
            (8, Some((1, 1)), false, false) => Format::AV_PIX_FMT_YUV420P,
            (8, Some((1, 0)), false, false) => Format::AV_PIX_FMT_YUV422P,
            (8, Some((0, 0)), false, false) => Format::AV_PIX_FMT_YUV444P,
            (10, Some((1, 1)), false, false) => Format::AV_PIX_FMT_YUV420P10LE,
            (10, Some((1, 0)), false, false) => Format::AV_PIX_FMT_YUV422P10LE,
            (10, Some((0, 0)), false, false) => Format::AV_PIX_FMT_YUV444P10LE,
            (12, Some((1, 1)), false, false) => Format::AV_PIX_FMT_YUV420P12LE,
            (12, Some((1, 0)), false, false) => Format::AV_PIX_FMT_YUV422P12LE,
            (12, Some((0, 0)), false, false) => Format::AV_PIX_FMT_YUV444P12LE,
            (8, Some((1, 1)), false, true) => Format::AV_PIX_FMT_YUVA420P,
            (8, Some((1, 0)), false, true) => Format::AV_PIX_FMT_YUVA422P,
            (8, Some((0, 0)), false, true) => Format::AV_PIX_FMT_YUVA444P,
            (10, Some((1, 1)), false, true) => Format::AV_PIX_FMT_YUVA420P10LE,
            (10, Some((1, 0)), false, true) => Format::AV_PIX_FMT_YUVA422P10LE,
            (10, Some((0, 0)), false, true) => Format::AV_PIX_FMT_YUVA444P10LE,
            (8, Some((0, 0)), true, false) => Format::AV_PIX_FMT_GBRP,
            (8, Some((0, 0)), true, true) => Format::AV_PIX_FMT_GBRAP,
            (10, Some((0, 0)), true, false) => Format::AV_PIX_FMT_GBRP10LE,
            (12, Some((0, 0)), true, false) => Format::AV_PIX_FMT_GBRP12LE,
            _ => return None,
        })
    }

    /// Red, green, blue and, if so, opacity, in one plane of 8 bits each.
    pub(crate) const fn packed(has_alpha: bool) -> Format {
        if has_alpha { Format::AV_PIX_FMT_RGBA } else { Format::AV_PIX_FMT_RGB24 }
    }
}

impl Frame {
    /// How its planes are, if it is a picture with a plane for each channel and no opacity.
    pub(crate) fn planes(&self) -> Option<Planes> {
        let format = pixel_format(self.format())?;
        if format.is_full_range {
            // The old names of full range: the same planes.
            let chroma = match format.format {
                Format::AV_PIX_FMT_YUVJ420P => (1, 1),
                Format::AV_PIX_FMT_YUVJ422P => (1, 0),
                Format::AV_PIX_FMT_YUVJ444P => (0, 0),
                _ => return None,
            };
            return Some(Planes { bits: 8, chroma: Some(chroma) });
        }
        for bits in [8, 10, 12] {
            for subsampling in [None, Some((1, 1)), Some((1, 0)), Some((0, 0))] {
                for is_rgb in [false, true] {
                    let of = PictureFormat { bits, subsampling, is_rgb, has_alpha: false };
                    if of.find() == Some(format.format) {
                        return Some(Planes { bits, chroma: subsampling });
                    }
                }
            }
        }
        None
    }

    /// Rows of a plane.
    pub(crate) fn plane_height(&self, plane: usize) -> u32 {
        let down = self.halvings().1;
        if matches!(plane, 1 | 2) { self.height().div_ceil(1 << down) } else { self.height() }
    }

    /// Bytes of a plane's row.
    pub(crate) fn plane_bytes(&self, plane: usize) -> usize {
        let Some(format) = pixel_format(self.format()) else { return 0 };
        let width = i32::try_from(self.width()).unwrap_or(0);
        let plane = i32::try_from(plane).unwrap_or(i32::MAX);
        // SAFETY: looks numbers up; a plane that is not there has none.
        let bytes = unsafe { sys::av_image_get_linesize(format.format, width, plane) };
        usize::try_from(bytes).unwrap_or(0)
    }

    fn halvings(&self) -> (u8, u8) {
        let Some(format) = pixel_format(self.format()) else { return (0, 0) };
        // SAFETY: descriptors are constants of the library; this one was found before.
        unsafe {
            let descriptor = sys::av_pix_fmt_desc_get(format.format);
            ((*descriptor).log2_chroma_w, (*descriptor).log2_chroma_h)
        }
    }
}
