//! JPEGs beside the renditions, written as renditions are.

use std::io;

use domain::size::Size;
use domain::wish::{Format, Options, PreviewWish};
use stills::{Easel, Error, Made, Raster, Sink};

/// Takes the one file that is made.
struct Catch(Vec<u8>);

impl Sink for Catch {
    fn pages(&mut self, _total: u32) -> io::Result<()> {
        Ok(())
    }

    fn artifact(&mut self, made: &Made<'_>) -> io::Result<()> {
        self.0 = made.bytes.to_vec();
        Ok(())
    }
}

/// A raster as a JPEG of the quality that the wish has.
pub(crate) fn write(raster: &Raster, easel: &Easel<'_>) -> Result<Vec<u8>, Error> {
    let quality = easel.wish().options.quality;
    let wish = PreviewWish {
        sizes: vec![Size::original()],
        format: Some(Format::Jpg),
        options: Options { quality, ..Options::default() },
        ..PreviewWish::default()
    };
    let mut catch = Catch(Vec::new());
    let mut own = Easel::new(&wish, easel.limits(), &mut catch);
    own.open(1)?;
    own.page(1, &mut raster.clone())?;
    drop(own);
    Ok(catch.0)
}
