//! Marked-up text made into blocks.

mod build;
pub(crate) mod html;
pub(crate) mod markdown;
