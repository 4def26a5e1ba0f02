//! What kind of file some bytes are: by the bytes alone, never by name or by what anyone says.

mod kind;
mod sniff;

pub use kind::Kind;
pub use sniff::{Filetype, HEAD_BYTES, sniff};
