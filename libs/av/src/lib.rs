//! Film, sound, HEIC and AVIF: frames of moving pictures and what is made of them, waveforms, and
//! the pictures that need a film's codecs.
//!
//! FFmpeg and libheif are C libraries with a long list of past holes: nothing but a renderer links
//! this crate, it stands behind walls, and FFmpeg is given one demuxer, no protocol, no name, no
//! thread and no way to open anything.

mod budget;
mod digits;
mod ff;
mod film;
mod heif;
mod index;
mod jpeg;
mod media;
mod metadata;
mod moving;
mod page;
mod poster;
mod score;
mod sheet;
mod sound;
mod tone;
mod wave;

use filetype::{Filetype, Kind};
use stills::{Drawn, Easel, Error, Kept, Raster, Source};

/// Loads what the libraries load once. To be called, once, before the walls stand: libheif looks
/// into a folder for plug-ins, and the C library opens files for character sets and the time zone.
pub fn prepare() {
    ff::quiet();
    ff::settle_time_zone();
    ff::load_charsets();
    heif::prepare();
    ff::make_tables();
}

/// Writes an AVIF of that quality, from 1 to 100, that carries this metadata; its transparency is kept.
///
/// # Errors
/// When there is not the memory for it, or the encoder fails.
pub fn encode_avif(raster: &Raster, quality: u8, kept: &Kept) -> Result<Vec<u8>, Error> {
    heif::encode(raster, quality, kept)
}

/// Whether [`draw`] knows the kind.
#[must_use]
pub const fn draws(kind: Kind) -> bool {
    matches!(kind, Kind::Film | Kind::Sound | Kind::Heic | Kind::Avif)
}

/// Draws a file of a kind that [`draws`] knows.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    easel: Easel<'_>,
) -> Result<Drawn, Error> {
    ff::quiet();
    match filetype.kind {
        Kind::Heic | Kind::Avif => heif::draw(source, easel),
        Kind::Film | Kind::Sound => media::draw(filetype, source, easel),
        _ => Err(Error::Unsupported { what: filetype.media_type.to_owned() }),
    }
}
