//! What a template draws before there is a job: pictures of its own making, so that what libraries
//! find out once, about the processor above all, is known to all that is forked.

use std::io;

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, PreviewWish};
use serde_json::json;
use stills::{Easel, Error, Layout, Made, Raster, Sink, Source};

use crate::Studio;

/// Draws a picture as a JPEG, that as a smaller one, one of many opacities as WebP, and what else the
/// studio has for practice. libwebp sorts the opacities with glibc's `qsort`, which asks once how much
/// memory the machine has: a call that is not on the renderers' list.
///
/// # Errors
/// [`Error`], which keeps no job from being drawn.
pub(crate) fn practise(studio: &dyn Studio) -> Result<(), Error> {
    const EDGE: u32 = 64;
    let pixels: Vec<u8> = (0..EDGE * EDGE * 3).map(|at| (at % 251) as u8).collect();
    let mut raster = Raster::new(EDGE, EDGE, Layout::Rgb, pixels)?;
    let drawn = on_easel(EDGE / 2, Format::Jpg, |easel| page(easel, &mut raster))?;
    let noise = |at: u32| at.wrapping_mul(0x9e37_79b1).to_be_bytes();
    let mut soft =
        Raster::new(EDGE, EDGE, Layout::Rgba, (0..EDGE * EDGE).flat_map(noise).collect())?;
    on_easel(EDGE, Format::Webp, |easel| page(easel, &mut soft))?;
    for file in drawn.into_iter().chain(studio.for_practice()) {
        let filetype = filetype::sniff(&file);
        on_easel(EDGE / 4, Format::Jpg, |easel| {
            studio.draw(&filetype, &mut Bytes(&file), easel, &[]).map(drop)
        })?;
    }
    Ok(())
}

fn page(mut easel: Easel<'_>, raster: &mut Raster) -> Result<(), Error> {
    for number in easel.open(1)? {
        easel.page(number, raster)?;
    }
    Ok(())
}

/// What was drawn in that format, of that width.
fn on_easel(
    width: u32,
    format: Format,
    draw: impl FnOnce(Easel<'_>) -> Result<(), Error>,
) -> Result<Option<Vec<u8>>, Error> {
    let wish = PreviewWish {
        sizes: Size::parse(&json!(width)).into_iter().collect(),
        format: Some(format),
        ..PreviewWish::default()
    };
    let mut last = Last(None);
    draw(Easel::new(&wish, &Limits::default(), &mut last))?;
    Ok(last.0)
}

struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..));
        io::Read::read(&mut rest.unwrap_or_default(), buffer)
    }
}

/// Keeps what was drawn last.
struct Last(Option<Vec<u8>>);

impl Sink for Last {
    fn pages(&mut self, _total: u32) -> io::Result<()> {
        Ok(())
    }

    fn artifact(&mut self, made: &Made<'_>) -> io::Result<()> {
        self.0 = Some(made.bytes.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn practice_succeeds() {
        practise(&crate::Light).expect("drawn");
    }
}
