//! How well a frame would stand for its film.

/// Edges of the small gray picture that is looked at, in pixels.
pub(crate) const WIDTH: u32 = 192;
/// See [`WIDTH`].
pub(crate) const HEIGHT: u32 = 108;
/// From here on a frame is lit, sharp and rich as few are, and nothing else is looked at.
pub(crate) const FINE: f64 = 0.8;
/// From here on a frame is good enough to look no further than others of its kind.
pub(crate) const GOOD: f64 = 0.6;
/// Below this a frame is black, white, blurred or all of one colour.
pub(crate) const POOR: f64 = 0.25;

/// From 0 to 1, of a gray picture of [`WIDTH`] x [`HEIGHT`].
///
/// How evenly the lightness is spread (entropy), how sharp it is (variance of the Laplacian), and
/// how far from black and white. What is nearly all of one lightness gets next to nothing.
#[allow(clippy::cast_precision_loss, reason = "counts of pixels, far below 2^52")]
pub(crate) fn of(gray: &[u8]) -> f64 {
    let count = gray.len().max(1) as f64;
    let mut histogram = [0_u32; 256];
    for pixel in gray {
        if let Some(bin) = histogram.get_mut(usize::from(*pixel)) {
            *bin += 1;
        }
    }
    let (mut mean, mut square, mut entropy) = (0.0, 0.0, 0.0);
    for (value, number) in (0_u32..).zip(histogram) {
        let share = f64::from(number) / count;
        mean += share * f64::from(value);
        square += share * f64::from(value * value);
        if share > 0.0 {
            entropy -= share * share.log2();
        }
    }
    let spread = (square - mean * mean).max(0.0).sqrt();
    // A letterboxed or a night scene is dark as well: what counts is that something is lit.
    let flat = (spread / 24.0).min(1.0);
    let sharp = ((1.0 + laplacian(gray)).ln() / 8.0).min(1.0);
    let exposed = 1.0 - ((mean - 118.0).abs() / 138.0).min(1.0);
    flat * (0.45 * (entropy / 7.6).min(1.0) + 0.35 * sharp + 0.2 * exposed)
}

/// The variance of the Laplacian: small where there are no edges.
#[allow(clippy::cast_precision_loss, reason = "counts of pixels, far below 2^52")]
fn laplacian(gray: &[u8]) -> f64 {
    let width = WIDTH as usize;
    let rows: Vec<&[u8]> = gray.chunks_exact(width).collect();
    let (mut sum, mut square, mut count) = (0_i64, 0_i64, 0_u32);
    for rows in rows.windows(3) {
        let [above, row, below] = rows else { continue };
        for ((three, up), down) in
            row.windows(3).zip(above.iter().skip(1)).zip(below.iter().skip(1))
        {
            let [left, centre, right] = three else { continue };
            let around = [left, right, up, down].map(|pixel| i64::from(*pixel)).iter().sum::<i64>();
            let value = around - 4 * i64::from(*centre);
            sum += value;
            square += value * value;
            count += 1;
        }
    }
    let count = f64::from(count.max(1));
    let mean = sum as f64 / count;
    square as f64 / count - mean * mean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(pixel: impl Fn(u32, u32) -> u8) -> Vec<u8> {
        (0..HEIGHT)
            .flat_map(|y| (0..WIDTH).map(move |x| (x, y)))
            .map(|(x, y)| pixel(x, y))
            .collect()
    }

    #[test]
    fn black_white_flat_and_blurred_are_poor_and_a_scene_is_good() {
        let noise = |x: u32, y: u32| {
            u8::try_from((x * 7 + y * 13 + (x * y) % 31 * 5 + (x / 16 + y / 16) % 2 * 60) % 256)
                .unwrap_or(0)
        };
        for (name, gray) in [
            ("black", picture(|_, _| 0)),
            ("white", picture(|_, _| 255)),
            ("gray", picture(|_, _| 120)),
            ("nearly black", picture(|x, y| noise(x, y) / 32)),
        ] {
            assert!(of(&gray) < POOR, "{name}: {}", of(&gray));
        }
        let blurred = picture(|x, _| u8::try_from(x * 255 / WIDTH).unwrap_or(0));
        let scene = picture(noise);
        assert!(of(&scene) > FINE, "{}", of(&scene));
        assert!(of(&blurred) < FINE, "{}", of(&blurred));
        assert!(of(&scene) > of(&blurred) + 0.1, "{} {}", of(&scene), of(&blurred));
    }
}
