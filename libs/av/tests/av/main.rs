//! Films, sounds, HEIC and AVIF drawn from real files, which the `ffmpeg` and `heif-enc` programs
//! make once.

mod film;
mod heif;
mod hostile;
mod kit;
mod made;
mod sound;
