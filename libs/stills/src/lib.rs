//! Pictures: the pages of still pictures, and the easel on which any file's pages become
//! renditions.
//!
//! One decode serves all sizes. Renditions are upright, in sRGB and carry no metadata unless that
//! is wished for; the same input gives the same bytes. Nothing here opens a file, a socket or a
//! thread. Not a safe place for untrusted bytes by itself: it is linked by renderers only, which
//! stand behind walls.

mod colour;
mod draw;
mod easel;
mod encode;
mod engines;
mod error;
mod exif;
mod focus;
mod jpeg;
mod media;
mod page;
mod raster;
mod tiff;

pub use draw::{Drawn, draw, draws};
pub use easel::{AvifEncoder, Easel, Page, Picture};
pub use error::Error;
pub use image::metadata::Orientation;
pub use media::{Made, Sink, Source, read_all};
pub use page::within;
pub use raster::{Layout, Raster};
