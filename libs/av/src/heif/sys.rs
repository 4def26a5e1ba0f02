//! What is used of libheif's C interface (1.15 and later).

#![allow(unsafe_code, reason = "libheif is a C library")]

use std::ffi::{c_char, c_int, c_void};

/// Something that libheif alone looks into.
macro_rules! opaque {
    ($($name:ident),*) => { $(#[repr(C)] pub(super) struct $name { _private: [u8; 0] })* };
}
opaque!(Context, Handle, Image, Encoder);

/// How a call went. The text is the library's own.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    pub(super) code: c_int,
    pub(super) detail: c_int,
    pub(super) message: *const c_char,
}

// SAFETY: the text is a constant.
unsafe impl Sync for Outcome {}

pub(super) const OK: c_int = 0;
pub(super) const UNSUPPORTED_FILETYPE: c_int = 3;
pub(super) const UNSUPPORTED_FEATURE: c_int = 4;
pub(super) const MEMORY: c_int = 6;
pub(super) const DECODER: c_int = 7;
/// In detail: a number in the file is beyond all reason.
pub(super) const BEYOND_LIMITS: c_int = 1_000;

pub(super) const HEVC: c_int = 1;
pub(super) const AV1: c_int = 4;

pub(super) const COLORSPACE_UNDEFINED: c_int = 99;
pub(super) const COLORSPACE_YCBCR: c_int = 0;
pub(super) const COLORSPACE_RGB: c_int = 1;
pub(super) const COLORSPACE_MONOCHROME: c_int = 2;

pub(super) const CHROMA_UNDEFINED: c_int = 99;
pub(super) const CHROMA_MONOCHROME: c_int = 0;
pub(super) const CHROMA_420: c_int = 1;
pub(super) const CHROMA_422: c_int = 2;
pub(super) const CHROMA_444: c_int = 3;
pub(super) const CHROMA_RGB: c_int = 10;
pub(super) const CHROMA_RGBA: c_int = 11;

pub(super) const CHANNEL_Y: c_int = 0;
pub(super) const CHANNEL_CB: c_int = 1;
pub(super) const CHANNEL_CR: c_int = 2;
pub(super) const CHANNEL_R: c_int = 3;
pub(super) const CHANNEL_G: c_int = 4;
pub(super) const CHANNEL_B: c_int = 5;
pub(super) const CHANNEL_ALPHA: c_int = 6;
pub(super) const CHANNEL_INTERLEAVED: c_int = 10;

/// Colours by ITU-T H.273; more fields follow that are not looked at.
#[repr(C)]
pub(super) struct Nclx {
    pub(super) version: u8,
    pub(super) primaries: c_int,
    pub(super) transfer: c_int,
    pub(super) matrix: c_int,
    pub(super) is_full_range: u8,
}

/// How to decode; more fields follow that are not looked at.
#[repr(C)]
pub(super) struct DecodingOptions {
    pub(super) version: u8,
    pub(super) ignore_transformations: u8,
    pub(super) progress: [*const c_void; 3],
    pub(super) user: *mut c_void,
    /// From version 2 on.
    pub(super) to_8_bits: u8,
}

/// A decoder of ours, version 1 of the interface.
#[repr(C)]
pub(super) struct DecoderPlugin {
    pub(super) version: c_int,
    pub(super) name: unsafe extern "C" fn() -> *const c_char,
    pub(super) init: Option<unsafe extern "C" fn()>,
    pub(super) deinit: Option<unsafe extern "C" fn()>,
    pub(super) supports: unsafe extern "C" fn(c_int) -> c_int,
    pub(super) make: unsafe extern "C" fn(*mut *mut c_void) -> Outcome,
    pub(super) free: unsafe extern "C" fn(*mut c_void),
    pub(super) push: unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> Outcome,
    pub(super) decode: unsafe extern "C" fn(*mut c_void, *mut *mut Image) -> Outcome,
    /// From version 2 on.
    pub(super) set_strict: Option<unsafe extern "C" fn(*mut c_void, c_int)>,
    /// From version 3 on.
    pub(super) id: *const c_char,
}

// SAFETY: functions and constants.
unsafe impl Sync for DecoderPlugin {}

/// Takes what is written.
#[repr(C)]
pub(super) struct Writer {
    pub(super) version: c_int,
    pub(super) write:
        unsafe extern "C" fn(*mut Context, *const c_void, usize, *mut c_void) -> Outcome,
}

#[link(name = "heif")]
unsafe extern "C" {
    pub(super) fn heif_get_version() -> *const c_char;
    /// Major, minor and patch, a byte each, from the highest.
    pub(super) fn heif_get_version_number() -> u32;
    pub(super) fn heif_init(parameters: *mut c_void) -> Outcome;
    pub(super) fn heif_register_decoder_plugin(plugin: *const DecoderPlugin) -> Outcome;
    pub(super) fn heif_context_alloc() -> *mut Context;
    pub(super) fn heif_context_free(context: *mut Context);
    pub(super) fn heif_context_read_from_memory_without_copy(
        context: *mut Context,
        bytes: *const c_void,
        length: usize,
        options: *const c_void,
    ) -> Outcome;
    pub(super) fn heif_context_set_maximum_image_size_limit(context: *mut Context, edge: c_int);
    pub(super) fn heif_context_set_max_decoding_threads(context: *mut Context, threads: c_int);
    pub(super) fn heif_context_get_number_of_top_level_images(context: *mut Context) -> c_int;
    pub(super) fn heif_context_get_list_of_top_level_image_IDs(
        context: *mut Context,
        ids: *mut u32,
        count: c_int,
    ) -> c_int;
    pub(super) fn heif_context_get_primary_image_ID(context: *mut Context, id: *mut u32)
    -> Outcome;
    pub(super) fn heif_context_get_image_handle(
        context: *mut Context,
        id: u32,
        handle: *mut *mut Handle,
    ) -> Outcome;
    pub(super) fn heif_image_handle_release(handle: *const Handle);
    pub(super) fn heif_image_handle_get_width(handle: *const Handle) -> c_int;
    pub(super) fn heif_image_handle_get_height(handle: *const Handle) -> c_int;
    pub(super) fn heif_image_handle_get_list_of_metadata_block_IDs(
        handle: *const Handle,
        kind: *const c_char,
        ids: *mut u32,
        count: c_int,
    ) -> c_int;
    pub(super) fn heif_image_handle_get_metadata_content_type(
        handle: *const Handle,
        id: u32,
    ) -> *const c_char;
    pub(super) fn heif_image_handle_get_metadata_size(handle: *const Handle, id: u32) -> usize;
    pub(super) fn heif_image_handle_get_metadata(
        handle: *const Handle,
        id: u32,
        out: *mut c_void,
    ) -> Outcome;
    /// Negative where it is not known.
    pub(super) fn heif_image_handle_get_luma_bits_per_pixel(handle: *const Handle) -> c_int;
    pub(super) fn heif_image_handle_has_alpha_channel(handle: *const Handle) -> c_int;
    pub(super) fn heif_image_handle_is_premultiplied_alpha(handle: *const Handle) -> c_int;
    pub(super) fn heif_image_handle_get_raw_color_profile_size(handle: *const Handle) -> usize;
    pub(super) fn heif_image_handle_get_raw_color_profile(
        handle: *const Handle,
        out: *mut c_void,
    ) -> Outcome;
    pub(super) fn heif_image_handle_get_nclx_color_profile(
        handle: *const Handle,
        out: *mut *mut Nclx,
    ) -> Outcome;
    pub(super) fn heif_nclx_color_profile_alloc() -> *mut Nclx;
    pub(super) fn heif_nclx_color_profile_free(profile: *mut Nclx);
    pub(super) fn heif_decoding_options_alloc() -> *mut DecodingOptions;
    pub(super) fn heif_decoding_options_free(options: *mut DecodingOptions);
    pub(super) fn heif_decode_image(
        handle: *const Handle,
        out: *mut *mut Image,
        colorspace: c_int,
        chroma: c_int,
        options: *const DecodingOptions,
    ) -> Outcome;
    pub(super) fn heif_image_create(
        width: c_int,
        height: c_int,
        colorspace: c_int,
        chroma: c_int,
        out: *mut *mut Image,
    ) -> Outcome;
    pub(super) fn heif_image_add_plane(
        image: *mut Image,
        channel: c_int,
        width: c_int,
        height: c_int,
        bits: c_int,
    ) -> Outcome;
    pub(super) fn heif_image_get_plane(
        image: *mut Image,
        channel: c_int,
        stride: *mut c_int,
    ) -> *mut u8;
    pub(super) fn heif_image_get_plane_readonly(
        image: *const Image,
        channel: c_int,
        stride: *mut c_int,
    ) -> *const u8;
    pub(super) fn heif_image_get_colorspace(image: *const Image) -> c_int;
    pub(super) fn heif_image_get_chroma_format(image: *const Image) -> c_int;
    pub(super) fn heif_image_get_width(image: *const Image, channel: c_int) -> c_int;
    pub(super) fn heif_image_get_height(image: *const Image, channel: c_int) -> c_int;
    pub(super) fn heif_image_get_bits_per_pixel_range(image: *const Image, channel: c_int)
    -> c_int;
    pub(super) fn heif_image_get_nclx_color_profile(
        image: *const Image,
        out: *mut *mut Nclx,
    ) -> Outcome;
    pub(super) fn heif_image_set_nclx_color_profile(
        image: *mut Image,
        profile: *const Nclx,
    ) -> Outcome;
    pub(super) fn heif_image_release(image: *const Image);
    pub(super) fn heif_context_get_encoder_for_format(
        context: *mut Context,
        format: c_int,
        out: *mut *mut Encoder,
    ) -> Outcome;
    pub(super) fn heif_encoder_release(encoder: *mut Encoder);
    pub(super) fn heif_encoder_set_lossy_quality(encoder: *mut Encoder, quality: c_int) -> Outcome;
    pub(super) fn heif_encoder_set_parameter(
        encoder: *mut Encoder,
        name: *const c_char,
        value: *const c_char,
    ) -> Outcome;
    pub(super) fn heif_context_encode_image(
        context: *mut Context,
        image: *const Image,
        encoder: *mut Encoder,
        options: *const c_void,
        handle: *mut *mut Handle,
    ) -> Outcome;
    pub(super) fn heif_context_add_exif_metadata(
        context: *mut Context,
        handle: *const Handle,
        data: *const c_void,
        length: c_int,
    ) -> Outcome;
    pub(super) fn heif_context_add_XMP_metadata(
        context: *mut Context,
        handle: *const Handle,
        data: *const c_void,
        length: c_int,
    ) -> Outcome;
    pub(super) fn heif_context_write(
        context: *mut Context,
        writer: *const Writer,
        user: *mut c_void,
    ) -> Outcome;
}
