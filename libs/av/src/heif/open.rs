//! A HEIF file that is open, and its pictures.

#![allow(unsafe_code, reason = "libheif is a C library")]

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Once;

use domain::limits::Limits;
use stills::Error;

use super::{checked, codec, sys};
use crate::ff::{Colours, Frame, PictureFormat};

/// The most pictures of one file.
const MAX_PICTURES: c_int = 1_000;
/// The longest edge of a picture, in pixels.
const MAX_EDGE_PX: c_int = 1 << 16;
/// The largest colour profile, in bytes.
const MAX_PROFILE_BYTES: usize = 16 << 20;

/// The most blocks of metadata of a picture that are looked at.
const MAX_METADATA: usize = 16;
/// How much room XMP may take in a file, in bytes.
const MAX_XMP_BYTES: usize = 4 * stills::MAX_XMP_BYTES;
/// The longest EXIF that is looked at: makers' notes may be much longer than in a JPEG.
const MAX_EXIF_BYTES: usize = 4 << 20;
/// The media type of XMP.
const XMP_TYPE: &CStr = c"application/rdf+xml";

/// The type of an item that lays others over one another.
const OVERLAY: &[u8] = b"iovl";

/// The matrix (ITU-T H.273) by which planes are green, blue and red.
pub(super) const GREEN_BLUE_RED: i32 = 0;

/// libheif keeps a list of decoders for the whole process.
static PREPARED: Once = Once::new();

pub(super) fn prepare() {
    PREPARED.call_once(|| {
        // SAFETY: no parameters are needed.
        unsafe { sys::heif_init(ptr::null_mut()) };
        codec::lend();
    });
}

pub(super) fn version() -> &'static str {
    // SAFETY: a constant of the library.
    unsafe { CStr::from_ptr(sys::heif_get_version()) }.to_str().unwrap_or("unknown")
}

/// A file in memory.
pub(super) struct File<'a> {
    context: *mut sys::Context,
    ids: Vec<u32>,
    limits: Limits,
    /// Whether it may lay pictures over a ground of red, green and blue.
    has_overlays: bool,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> File<'a> {
    pub(super) fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        // SAFETY: allocates; freed in `drop`.
        let context = unsafe { sys::heif_context_alloc() };
        if context.is_null() {
            return Err(Error::Memory { what: "picture" });
        }
        let has_overlays = bytes.windows(OVERLAY.len()).any(|bytes| bytes == OVERLAY);
        let (ids, limits) = (Vec::new(), *limits);
        let mut file = Self { context, ids, limits, has_overlays, bytes: PhantomData };
        // SAFETY: the bytes live as long as the file; no options.
        unsafe {
            sys::heif_context_set_max_decoding_threads(context, 0);
            sys::heif_context_set_maximum_image_size_limit(context, MAX_EDGE_PX);
            checked(sys::heif_context_read_from_memory_without_copy(
                context,
                bytes.as_ptr().cast(),
                bytes.len(),
                ptr::null(),
            ))?;
            let count = sys::heif_context_get_number_of_top_level_images(context);
            let count = count.clamp(0, MAX_PICTURES);
            file.ids.resize(usize::try_from(count).unwrap_or(0), 0);
            let ids = file.ids.as_mut_ptr();
            let filled = sys::heif_context_get_list_of_top_level_image_IDs(context, ids, count);
            file.ids.truncate(usize::try_from(filled).unwrap_or(0));
            let mut primary = 0;
            checked(sys::heif_context_get_primary_image_ID(context, &raw mut primary))?;
            file.ids.retain(|id| *id != primary);
            file.ids.insert(0, primary);
        }
        Ok(file)
    }

    /// How many pictures it has.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or(u32::MAX)
    }

    /// The picture of that number, from 1.
    pub(super) fn picture(&self, number: u32) -> Result<Picture<'_>, Error> {
        let id = self.ids.get((number as usize).saturating_sub(1)).copied().unwrap_or_default();
        let mut handle = ptr::null_mut();
        // SAFETY: the handle is released with the picture, before the file.
        let picture = unsafe {
            let got = sys::heif_context_get_image_handle(self.context, id, &raw mut handle);
            checked(got)?;
            Picture { handle, has_overlays: self.has_overlays, file: PhantomData }
        };
        stills::within(picture.dimensions(), &self.limits)?;
        Ok(picture)
    }
}

impl Drop for File<'_> {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::heif_context_free(self.context) };
    }
}

/// A picture of a file.
pub(super) struct Picture<'a> {
    handle: *mut sys::Handle,
    has_overlays: bool,
    file: PhantomData<&'a ()>,
}

impl Drop for Picture<'_> {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::heif_image_handle_release(self.handle) };
    }
}

impl Picture<'_> {
    /// Width and height, upright.
    pub(super) fn dimensions(&self) -> (u32, u32) {
        // SAFETY: the handle lives.
        let edges = unsafe {
            [
                sys::heif_image_handle_get_width(self.handle),
                sys::heif_image_handle_get_height(self.handle),
            ]
        };
        edges.map(|edge| u32::try_from(edge).unwrap_or(0)).into()
    }

    /// Its ICC profile.
    pub(super) fn icc(&self) -> Result<Option<Vec<u8>>, Error> {
        // SAFETY: the buffer is as long as the library asks for.
        unsafe {
            let length = sys::heif_image_handle_get_raw_color_profile_size(self.handle);
            if length == 0 || length > MAX_PROFILE_BYTES {
                return Ok(None);
            }
            let mut profile = vec![0_u8; length];
            let out = profile.as_mut_ptr().cast();
            checked(sys::heif_image_handle_get_raw_color_profile(self.handle, out))?;
            Ok(Some(profile))
        }
    }

    /// Its XMP, as it stands in the file.
    pub(super) fn xmp(&self) -> Option<Vec<u8>> {
        self.metadata(c"mime", XMP_TYPE, MAX_XMP_BYTES)
    }

    /// Its EXIF, from its own order of bytes on.
    pub(super) fn exif(&self) -> Option<Vec<u8>> {
        let block = self.metadata(c"Exif", c"", MAX_EXIF_BYTES)?;
        // How far behind itself that begins.
        let (offset, rest) = block.split_first_chunk()?;
        let offset = usize::try_from(u32::from_be_bytes(*offset)).ok()?;
        let exif = rest.get(offset..)?;
        (exif.starts_with(b"II") || exif.starts_with(b"MM")).then(|| exif.to_vec())
    }

    /// The first metadata of its own of these types, if it has no more bytes than `most`.
    fn metadata(&self, item: &CStr, content: &CStr, most: usize) -> Option<Vec<u8>> {
        let mut ids = [0_u32; MAX_METADATA];
        let room = c_int::try_from(ids.len()).unwrap_or(0);
        // SAFETY: there is room for so many ids; texts end with a zero, and live with the handle; the
        // buffer is as long as the library asks for.
        unsafe {
            let count = sys::heif_image_handle_get_list_of_metadata_block_IDs(
                self.handle,
                item.as_ptr(),
                ids.as_mut_ptr(),
                room,
            );
            let id = ids.iter().take(usize::try_from(count).unwrap_or(0)).find(|id| {
                let kind = sys::heif_image_handle_get_metadata_content_type(self.handle, **id);
                !kind.is_null() && CStr::from_ptr(kind) == content
            })?;
            let length = sys::heif_image_handle_get_metadata_size(self.handle, *id);
            if length == 0 || length > most {
                return None;
            }
            let mut block = vec![0_u8; length];
            let out = block.as_mut_ptr().cast();
            checked(sys::heif_image_handle_get_metadata(self.handle, *id, out)).ok()?;
            Some(block)
        }
    }

    /// Bits of each channel, where its header says.
    pub(super) fn bits(&self) -> Option<u32> {
        // SAFETY: the handle lives.
        let bits = unsafe { sys::heif_image_handle_get_luma_bits_per_pixel(self.handle) };
        u32::try_from(bits).ok().filter(|bits| *bits > 0)
    }

    /// Whether it has opacity.
    pub(super) fn has_alpha(&self) -> bool {
        // SAFETY: the handle lives.
        unsafe { sys::heif_image_handle_has_alpha_channel(self.handle) != 0 }
    }

    /// Whether its colours are multiplied by their opacity.
    pub(super) fn is_premultiplied(&self) -> bool {
        // SAFETY: the handle lives.
        unsafe { sys::heif_image_handle_is_premultiplied_alpha(self.handle) != 0 }
    }

    /// Its pixels, upright.
    pub(super) fn decode(&self) -> Result<Frame, Error> {
        let told = self.told();
        let plain = || self.image(sys::COLORSPACE_UNDEFINED, sys::CHROMA_UNDEFINED);
        let usual = told.is_none_or(|colours| codec::is_usual(colours.matrix));
        let (native, renamed) = if usual && !self.has_overlays {
            codec::under_other_names(plain)
        } else {
            (plain(), None)
        };
        let native = native?;
        // As MIAF has it: sRGB by the matrix of BT.601, full range.
        let default = Colours { primaries: 1, transfer: 13, matrix: 6, is_full_range: true };
        let colours = told.or(renamed).or_else(|| native.told()).unwrap_or(default);
        // The default of the standard where the matrix is left open.
        let matrix = if colours.matrix == 2 { 6 } else { colours.matrix };
        let colours = Colours { matrix, ..colours };
        if let Some(mut frame) = native.planar(renamed.map(|_| matrix))? {
            frame.set_colours(colours);
            return Ok(frame);
        }
        drop(native);
        let has_alpha = self.has_alpha();
        let chroma = if has_alpha { sys::CHROMA_RGBA } else { sys::CHROMA_RGB };
        self.image(sys::COLORSPACE_RGB, chroma)?.interleaved(has_alpha)
    }

    fn image(&self, colorspace: c_int, chroma: c_int) -> Result<Image, Error> {
        let mut image = ptr::null_mut();
        // SAFETY: options are made and freed here; the image is released with what is given back.
        let outcome = unsafe {
            let options = sys::heif_decoding_options_alloc();
            if !options.is_null() && (*options).version >= 2 && colorspace == sys::COLORSPACE_RGB {
                (*options).to_8_bits = 1;
            }
            let outcome =
                sys::heif_decode_image(self.handle, &raw mut image, colorspace, chroma, options);
            sys::heif_decoding_options_free(options);
            outcome
        };
        checked(outcome)?;
        if image.is_null() { Err(Error::corrupt("no picture")) } else { Ok(Image(image)) }
    }

    /// What the container says of the colours.
    pub(super) fn told(&self) -> Option<Colours> {
        let mut profile = ptr::null_mut();
        // SAFETY: the handle lives; a profile is read and freed once.
        unsafe {
            sys::heif_image_handle_get_nclx_color_profile(self.handle, &raw mut profile);
            colours(profile)
        }
    }
}

/// # Safety
/// libheif's, which is freed here, or null.
unsafe fn colours(profile: *mut sys::Nclx) -> Option<Colours> {
    // SAFETY: by the contract.
    unsafe {
        let told = profile.as_ref().map(|profile| Colours {
            primaries: profile.primaries,
            transfer: profile.transfer,
            matrix: profile.matrix,
            is_full_range: profile.is_full_range != 0,
        });
        if told.is_some() {
            sys::heif_nclx_color_profile_free(profile);
        }
        told
    }
}

/// A decoded image of libheif's.
struct Image(*mut sys::Image);

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::heif_image_release(self.0) };
    }
}

impl Image {
    /// What the codec says of the colours.
    fn told(&self) -> Option<Colours> {
        let mut profile = ptr::null_mut();
        // SAFETY: the image lives; a profile is read and freed once.
        unsafe {
            sys::heif_image_get_nclx_color_profile(self.0, &raw mut profile);
            colours(profile)
        }
    }

    /// As a frame with the planes it has, if FFmpeg knows such frames. Where they go under other names,
    /// the matrix says what they are.
    fn planar(&self, renamed: Option<i32>) -> Result<Option<Frame>, Error> {
        // SAFETY: looks numbers up.
        let (colorspace, chroma) = unsafe {
            (sys::heif_image_get_colorspace(self.0), sys::heif_image_get_chroma_format(self.0))
        };
        let (subsampling, is_rgb) = match (colorspace, chroma) {
            (sys::COLORSPACE_MONOCHROME, _) | (_, sys::CHROMA_MONOCHROME) => (None, false),
            (sys::COLORSPACE_YCBCR, sys::CHROMA_420) => (Some((1, 1)), false),
            (sys::COLORSPACE_YCBCR, sys::CHROMA_422) => (Some((1, 0)), false),
            (sys::COLORSPACE_YCBCR, sys::CHROMA_444) => (Some((0, 0)), false),
            (sys::COLORSPACE_RGB, sys::CHROMA_444) => {
                (Some((0, 0)), renamed.is_none_or(|matrix| matrix == GREEN_BLUE_RED))
            }
            _ => return Ok(None),
        };
        let channels: &[c_int] = match (is_rgb, subsampling) {
            _ if renamed.is_some() => &[sys::CHANNEL_R, sys::CHANNEL_G, sys::CHANNEL_B],
            (true, _) => &[sys::CHANNEL_G, sys::CHANNEL_B, sys::CHANNEL_R],
            (false, Some(_)) => &[sys::CHANNEL_Y, sys::CHANNEL_CB, sys::CHANNEL_CR],
            (false, None) => &[sys::CHANNEL_Y],
        };
        let first = channels.first().copied().unwrap_or_default();
        let bits = |channel| {
            // SAFETY: looks a number up.
            unsafe { sys::heif_image_get_bits_per_pixel_range(self.0, channel) }
        };
        let has_alpha = self.plane(sys::CHANNEL_ALPHA).is_some();
        let depth = bits(first);
        let even = channels.iter().all(|channel| bits(*channel) == depth)
            && (!has_alpha || bits(sys::CHANNEL_ALPHA) == depth);
        let wanted = PictureFormat {
            bits: u32::try_from(depth).unwrap_or(0),
            subsampling,
            is_rgb,
            has_alpha,
        };
        let Some(format) = wanted.find().filter(|_| even) else { return Ok(None) };
        let (width, height) = self.size(first);
        let mut frame = Frame::picture(format, width, height)?;
        let alpha = has_alpha.then_some(sys::CHANNEL_ALPHA);
        for (plane, channel) in channels.iter().copied().chain(alpha).enumerate() {
            self.copy(channel, &mut frame, plane, if depth > 8 { 2 } else { 1 })?;
        }
        Ok(Some(frame))
    }

    /// As a frame of 8-bit RGB or RGBA.
    fn interleaved(&self, has_alpha: bool) -> Result<Frame, Error> {
        let (width, height) = self.size(sys::CHANNEL_INTERLEAVED);
        let format = PictureFormat::packed(has_alpha);
        let mut frame = Frame::picture(format, width, height)?;
        self.copy(sys::CHANNEL_INTERLEAVED, &mut frame, 0, if has_alpha { 4 } else { 3 })?;
        Ok(frame)
    }

    fn copy(
        &self,
        channel: c_int,
        frame: &mut Frame,
        plane: usize,
        pixel_bytes: usize,
    ) -> Result<(), Error> {
        let (width, height) = self.size(channel);
        let row_bytes = width as usize * pixel_bytes;
        let missing = || Error::corrupt("a plane is missing");
        let (data, stride) = self.plane(channel).ok_or_else(missing)?;
        if stride < row_bytes {
            return Err(missing());
        }
        for y in 0..height.min(frame.plane_height(plane)) {
            let row_bytes = row_bytes.min(frame.plane_bytes(plane));
            let row = frame.row_mut(plane, y, row_bytes).ok_or_else(missing)?;
            // SAFETY: libheif's plane has that many rows, `stride` bytes apart.
            let from =
                unsafe { std::slice::from_raw_parts(data.add(y as usize * stride), row_bytes) };
            row.copy_from_slice(from);
        }
        Ok(())
    }

    fn plane(&self, channel: c_int) -> Option<(*const u8, usize)> {
        let mut stride = 0;
        // SAFETY: looks a plane up; it lives as long as the image.
        let data = unsafe { sys::heif_image_get_plane_readonly(self.0, channel, &raw mut stride) };
        let stride = usize::try_from(stride).ok()?;
        if data.is_null() { None } else { Some((data, stride)) }
    }

    fn size(&self, channel: c_int) -> (u32, u32) {
        // SAFETY: looks numbers up.
        let edges = unsafe {
            [
                sys::heif_image_get_width(self.0, channel),
                sys::heif_image_get_height(self.0, channel),
            ]
        };
        edges.map(|edge| u32::try_from(edge).unwrap_or(0)).into()
    }
}
