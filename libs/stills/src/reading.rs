//! Pages as text is best read off them: whole, gray, and large enough for small print.

use domain::limits::Limits;
use domain::size::Shape;
use domain::wish::{Background, Format};
use fast_image_resize::Resizer;

use crate::encode::{Style, encode};
use crate::error::Error;
use crate::kept::Kept;
use crate::planes::Pixels;
use crate::raster::{Layout, Raster, room};

/// The longer edge, in pixels: a little more than 200 dots per inch of a page of paper.
const LONG_EDGE_PX: u32 = 2_500;
/// How many times a page is enlarged at most.
const MOST_ENLARGED: u32 = 3;

/// What is made of a page of these dimensions; nothing of one that it would take too many pixels
/// for.
pub(crate) fn shape(original: (u32, u32), limits: &Limits) -> Option<Shape> {
    let long = original.0.max(original.1).max(1);
    let to_long = LONG_EDGE_PX.min(long.saturating_mul(MOST_ENLARGED));
    let scaled = |edge: u32| {
        let edge = (u64::from(edge) * u64::from(to_long)).div_ceil(u64::from(long));
        u32::try_from(edge).unwrap_or(u32::MAX).max(1)
    };
    let to = (scaled(original.0), scaled(original.1));
    let fits = u64::from(to.0) * u64::from(to.1) <= limits.pixels;
    fits.then_some(Shape { to, shown: original })
}

/// A gray PNG of a page.
pub(crate) fn write(page: &Pixels) -> Result<Vec<u8>, Error> {
    let page = page.raster(&mut Resizer::new())?.into_owned().on(Background::WHITE);
    let gray = gray(&page)?;
    let style = Style {
        format: Format::Png,
        quality: None,
        background: Background::WHITE,
        avif: None,
        kept: &Kept::default(),
    };
    encode(&Pixels::Raster(gray), &style)
}

/// Luma by the weights of BT.601, in 256ths.
fn gray(page: &Raster) -> Result<Raster, Error> {
    let (width, height) = page.dimensions();
    let mut pixels = room(width, height, 1)?;
    let own = page.pixels().chunks_exact(page.layout.bytes());
    for (gray, pixel) in pixels.iter_mut().zip(own) {
        *gray = match pixel {
            [value] => *value,
            _ => {
                let weighted = pixel.iter().zip([77_u32, 150, 29]);
                let sum: u32 = weighted.map(|(value, weight)| u32::from(*value) * weight).sum();
                u8::try_from(sum >> 8).unwrap_or(u8::MAX)
            }
        };
    }
    Raster::new(width, height, Layout::Gray, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_made_large_enough_to_be_read_and_no_larger() {
        let limits = Limits::default();
        let to = |original| shape(original, &limits).map(|shape| shape.to);
        assert_eq!(to((595, 842)), Some((1_767, 2_500)));
        assert_eq!(to((5_000, 2_500)), Some((2_500, 1_250)));
        assert_eq!(to((100, 50)), Some((300, 150)));
        assert_eq!(to((0, 0)), Some((1, 1)));
        let few = Limits { pixels: 1_000, ..limits };
        assert_eq!(shape((100, 50), &few), None);
    }

    #[test]
    fn colours_become_as_bright_as_they_look() {
        let pixels = vec![255, 255, 255, 0, 0, 0, 0, 255, 0];
        let page = Raster::new(3, 1, Layout::Rgb, pixels).expect("a raster");
        assert_eq!(gray(&page).expect("gray").pixels(), [255, 0, 149]);
    }
}
