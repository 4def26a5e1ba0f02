//! What to keep of a page that is larger than its box.

use crate::error::Error;
use crate::raster::Raster;

/// The part of `page` that matters most, as large as `to`.
pub(crate) fn crop(page: &Raster, to: (u32, u32)) -> Result<Raster, Error> {
    let left = page.width.saturating_sub(to.0) / 2;
    let top = page.height.saturating_sub(to.1) / 2;
    page.part((left, top), to)
}
