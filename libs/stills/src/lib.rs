//! Pictures: the pages of still pictures, and the easel on which any file's pages become
//! renditions.
//!
//! One decode serves all sizes. Renditions are upright, in sRGB and carry no metadata unless that
//! is wished for; the same input gives the same bytes. Nothing here opens a file, a socket or a
//! thread. Not a safe place for untrusted bytes by itself: it is linked by renderers only, which
//! stand behind walls.

mod animation;
mod colour;
mod draw;
mod easel;
mod eighth;
mod embed;
mod encode;
mod engines;
mod error;
mod exif;
mod exr;
mod focus;
mod frames;
mod gif;
mod ico;
mod ifd;
mod iptc;
mod jpeg;
mod jxl;
mod kept;
mod ladder;
mod light;
mod media;
mod memory;
mod notes;
mod page;
mod planes;
mod png;
mod psd;
mod raster;
mod raw;
mod reading;
mod shrink;
mod tga;
mod tiff;
mod webp;
mod xmp;

pub use animation::{Animation, Motion, animate};
pub use colour::profile_name;
pub use draw::{Drawn, decode, draw, draws};
pub use easel::{AvifEncoder, Easel, Page, Picture};
pub use error::{Error, guarded};
pub use exif::with_facts as exif_with_facts;
pub use image::metadata::Orientation;
pub use kept::Kept;
pub use media::{Made, Sink, Source, read_all};
pub use memory::zeroed;
pub use page::within;
pub use raster::{Layout, Raster};
pub use xmp::MAX_BYTES as MAX_XMP_BYTES;
