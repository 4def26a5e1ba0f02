//! What to keep of a page that is larger than its box: where there is most to see.

use fast_image_resize::{FilterType, Resizer};

use crate::error::Error;
use crate::raster::{Layout, Raster};

/// The longest edge of the small copy that is looked at, in pixels.
const SMALL_EDGE_PX: u32 = 96;
/// What edges, strong colours and skin count beside each other.
const EDGE: u32 = 4;
const COLOUR: u32 = 1;
const SKIN: u32 = 6;
/// How much less, in hundredths, a window at the border counts than one in the middle.
const OFF_MIDDLE: u64 = 15;

/// How much there is to see in each column and row of a page.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    columns: Vec<u64>,
    rows: Vec<u64>,
}

impl Attention {
    /// Looks at a page.
    pub(crate) fn of(page: &Raster, resizer: &mut Resizer) -> Result<Self, Error> {
        let (width, height) = page.dimensions();
        let long = width.max(height).max(1);
        let small = |edge: u32| {
            if long > SMALL_EDGE_PX { (edge * SMALL_EDGE_PX / long).max(1) } else { edge }
        };
        let to = (small(width), small(height));
        let page = page.resampled(resizer, None, to, FilterType::Box)?;
        let pixels: Vec<[i32; 3]> = page
            .pixels
            .chunks_exact(page.layout.bytes())
            .map(|pixel| match (page.layout, pixel) {
                (Layout::Gray, [v]) => [i32::from(*v); 3],
                (_, [r, g, b]) => [r, g, b].map(|v| i32::from(*v)),
                // What cannot be seen is not looked at.
                (_, [r, g, b, a]) => [r, g, b].map(|v| i32::from(*v) * i32::from(*a) / 255),
                _ => [0; 3],
            })
            .collect();
        let wide = to.0 as usize;
        let mut this = Self { columns: vec![0; wide], rows: vec![0; to.1 as usize] };
        for (y, (row, sum)) in pixels.chunks_exact(wide).zip(&mut this.rows).enumerate() {
            for (x, (pixel, column)) in row.iter().zip(&mut this.columns).enumerate() {
                let near = |dx: usize, dy: usize| {
                    let (x, y) = ((x + dx).checked_sub(1)?, (y + dy).checked_sub(1)?);
                    pixels.get(y * wide + x).filter(|_| x < wide).map(luma)
                };
                let here = luma(pixel);
                let edge: u32 = [near(0, 1), near(2, 1), near(1, 0), near(1, 2)]
                    .into_iter()
                    .flatten()
                    .map(|there| there.abs_diff(here))
                    .sum();
                let seen = u64::from(edge * EDGE + colour(pixel) * COLOUR + skin(pixel) * SKIN);
                *sum += seen;
                *column += seen;
            }
        }
        Ok(this)
    }

    /// Left and top of the window of these dimensions that shows most of a page of those.
    pub(crate) fn window(&self, page: (u32, u32), to: (u32, u32)) -> (u32, u32) {
        (best(&self.columns, page.0, to.0), best(&self.rows, page.1, to.1))
    }
}

/// The part of `page` that matters most, as large as `to`.
pub(crate) fn crop(page: &Raster, to: (u32, u32), attention: &Attention) -> Result<Raster, Error> {
    page.part(attention.window(page.dimensions(), to), to)
}

/// Where a window along one edge is best put.
fn best(sums: &[u64], whole: u32, window: u32) -> u32 {
    let free = whole.saturating_sub(window);
    if free == 0 {
        return 0;
    }
    let count = u64::try_from(sums.len()).unwrap_or(u64::MAX).max(1);
    let in_small =
        |pixels: u32| usize::try_from(u64::from(pixels) * count / u64::from(whole)).unwrap_or(0);
    let small_window = in_small(window).max(1);
    let last = sums.len().saturating_sub(small_window);
    let middle = last / 2;
    let score = |from: usize| {
        let sum: u64 = sums.iter().skip(from).take(small_window).sum();
        let off = u64::try_from(from.abs_diff(middle)).unwrap_or_default();
        sum * (100 - (OFF_MIDDLE * off).checked_div(middle as u64).unwrap_or_default().min(100))
    };
    // Of equals the one nearest to the middle.
    let found = (0..=last)
        .max_by_key(|from| (score(*from), std::cmp::Reverse(from.abs_diff(middle))))
        .unwrap_or(middle);
    if last == 0 {
        return free / 2;
    }
    let place = u64::from(free) * u64::try_from(found).unwrap_or_default() / last as u64;
    u32::try_from(place).unwrap_or(free).min(free)
}

fn luma([r, g, b]: &[i32; 3]) -> u32 {
    u32::try_from((r * 54 + g * 183 + b * 19) / 256).unwrap_or_default()
}

/// How far from gray, in tenths of what is possible.
fn colour(pixel: &[i32; 3]) -> u32 {
    let (least, most) = (pixel.iter().min(), pixel.iter().max());
    least.zip(most).map_or(0, |(least, most)| most.abs_diff(*least)) / 4
}

/// How much like skin, of any tone: red above green above blue, by much but not too much.
fn skin([r, g, b]: &[i32; 3]) -> u32 {
    let by_red = (r - g, g - b);
    let is_skin =
        *r > 60 && (8..110).contains(&by_red.0) && (4..90).contains(&by_red.1) && *r < 250;
    if is_skin { 32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gray with a busy spot around there.
    fn page(width: u32, height: u32, spot: (u32, u32)) -> Raster {
        let mut pixels = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let inside = x.abs_diff(spot.0) < 20 && y.abs_diff(spot.1) < 20;
                pixels.push(if inside && (x / 3 + y / 3) % 2 == 0 { 250 } else { 90 });
            }
        }
        Raster::new(width, height, Layout::Gray, pixels).expect("a page")
    }

    #[test]
    fn the_window_goes_where_there_is_most_to_see() {
        for (size, spot, to) in [
            ((400, 100), (340, 50), (100, 100)),
            ((400, 100), (60, 50), (100, 100)),
            ((400, 100), (200, 50), (100, 100)),
            ((90, 300), (45, 260), (90, 90)),
        ] {
            let page = page(size.0, size.1, spot);
            let attention = Attention::of(&page, &mut Resizer::new()).expect("looked at");
            let (left, top) = attention.window(size, to);
            assert!((left..left + to.0).contains(&spot.0), "{spot:?} {left}");
            assert!((top..top + to.1).contains(&spot.1), "{spot:?} {top}");
        }
    }

    #[test]
    fn where_all_is_alike_the_middle_is_kept() {
        let flat = Raster::new(300, 100, Layout::Gray, vec![7; 30_000]).expect("a page");
        let attention = Attention::of(&flat, &mut Resizer::new()).expect("looked at");
        let (left, top) = attention.window((300, 100), (100, 100));
        assert!(left.abs_diff(100) <= 2 && top == 0, "{left}");
    }
}
