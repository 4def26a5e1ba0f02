//! Still pictures: bytes in, renditions and metadata out, within limits.
//!
//! One decode serves all sizes. Renditions are upright, in sRGB and carry no metadata; the same
//! input gives the same bytes. Nothing here opens a file, a socket or a thread. Not a safe place
//! for untrusted bytes by itself: it is linked by the renderer only, which stands behind walls.

mod colour;
mod draw;
mod encode;
mod error;
mod exif;
mod jpeg;
mod page;
mod raster;
mod sniff;
mod tiff;

pub use draw::{Drawn, Rendition, Sink, Source, draw};
pub use error::Error;
pub use sniff::{Kind, Sniffed, sniff};
