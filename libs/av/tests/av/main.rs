//! Films, sounds, HEIC and AVIF drawn from real files, which the `ffmpeg` and `heif-enc` programs
//! make once.
#![allow(clippy::indexing_slicing, reason = "a test that slips fails, as it should")]

mod film;
mod heif;
mod hostile;
mod kit;
mod made;
mod sound;
