//! What kind of file some bytes are: by the bytes alone, never by name or by what anyone says.
//!
//! [`sniff`] looks at a head, [`identify`] also further on where a head is not enough: into the
//! directory of a zip archive, the streams of an OLE file, the end of a TGA. Whatever the bytes,
//! nothing here recurses, allocates more than a mebibyte or two, or panics.

mod boxes;
mod bytes;
mod filetype;
mod frames;
mod kind;
mod magic;
mod ole;
mod raw;
mod sniff;
mod sound;
mod stills;
mod streams;
mod text;
pub mod zip;
mod zipped;

pub use bytes::HEAD_BYTES;
pub use filetype::Filetype;
pub use kind::Kind;
pub use sniff::{identify, sniff};
