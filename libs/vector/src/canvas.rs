//! How many pixels a drawing gets.

use domain::limits::Limits;

/// Most pixels of a drawing in the size that is called its original one, in which it has none:
/// more of them are only drawn where a size asks for more.
const MOST_ORIGINAL_PIXELS: u64 = 40_000_000;
/// Longest edge, in pixels: what a JPEG can have, and the renderer of PDF pages.
pub(crate) const MOST_EDGE: u16 = 65_535;
/// What stands for an edge beyond all measure.
const ENDLESS: f64 = 1e12;

/// The dimensions, in pixels, of a drawing that is this large by its own word: scaled down where
/// that is more than may be drawn.
pub(crate) fn original(width: f64, height: f64, limits: &Limits) -> (u32, u32) {
    fit(width, height, limits.pixels.min(MOST_ORIGINAL_PIXELS))
}

/// The dimensions nearest to `least` in which a drawing may be drawn.
pub(crate) fn drawn(least: (u32, u32), limits: &Limits) -> (u16, u16) {
    let (width, height) = fit(f64::from(least.0), f64::from(least.1), limits.pixels);
    let edge = |edge: u32| u16::try_from(edge).unwrap_or(MOST_EDGE);
    (edge(width), edge(height))
}

fn fit(width: f64, height: f64, most_pixels: u64) -> (u32, u32) {
    let sane = |edge: f64| if edge.is_nan() { 1.0 } else { edge.clamp(1.0, ENDLESS) };
    let (width, height) = (sane(width), sane(height));
    #[allow(clippy::cast_precision_loss, reason = "a limit need not be exact to the pixel")]
    let by_pixels = (most_pixels as f64 / (width * height)).sqrt();
    let most_edge = f64::from(MOST_EDGE);
    let scale = by_pixels.min(most_edge / width).min(most_edge / height).min(1.0);
    // Rounding up could step over the limit again.
    let round = if scale < 1.0 { f64::floor } else { f64::round };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits"
    )]
    let edge = |edge: f64| round(edge * scale).clamp(1.0, most_edge) as u32;
    (edge(width), edge(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_beyond_the_limits_is_scaled_down_in_its_proportions() {
        let limits = Limits { pixels: 1_000_000, ..Limits::default() };
        for (size, expected) in [
            ((100.0, 50.0), (100, 50)),
            ((99.6, 0.2), (100, 1)),
            ((4_000.0, 1_000.0), (2_000, 500)),
            ((1e300, 1e300), (1_000, 1_000)),
            ((f64::INFINITY, 1.0), (65_535, 1)),
            ((f64::NAN, -5.0), (1, 1)),
        ] {
            assert_eq!(original(size.0, size.1, &limits), expected, "{size:?}");
        }
        assert_eq!(drawn((0, 9), &limits), (1, 9));
        assert_eq!(drawn((u32::MAX, 1), &limits), (65_535, 1));
    }

    #[test]
    fn an_original_is_smaller_than_what_may_be_asked_for() {
        let limits = Limits::default();
        let (width, height) = original(20_000.0, 20_000.0, &limits);
        assert!(u64::from(width) * u64::from(height) <= MOST_ORIGINAL_PIXELS);
        assert_eq!(drawn((9_000, 9_000), &limits), (9_000, 9_000));
    }
}
