//! Digits for times on a contact sheet: no font is at hand where films are drawn.

/// A label: how much of each pixel is ink, from 0 to 255.
pub(crate) struct Label {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) ink: Vec<u8>,
}

/// Width and height of a glyph, in dots.
const GLYPH: (u32, u32) = (5, 7);
/// Pixels of a dot.
const DOT_PX: u32 = 2;
/// Pixels around the text.
const MARGIN_PX: u32 = 4;

/// Rows from the top, a bit for each dot, the leftmost the highest.
const GLYPHS: [[u8; 7]; 12] = [
    [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
    [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
    [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
    [0b01110, 0b10001, 0b00001, 0b00110, 0b00001, 0b10001, 0b01110],
    [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
    [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
    [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
    [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
    [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
    [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
    [0b00000, 0b00100, 0b00100, 0b00000, 0b00100, 0b00100, 0b00000],
    [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100],
];
/// Where the colon and the point are.
const COLON: usize = 10;
const POINT: usize = 11;

/// A label of digits, colons and points; other letters are colons.
pub(crate) fn label(text: &str) -> Label {
    let count = u32::try_from(text.len()).unwrap_or(0);
    let width = (count * (GLYPH.0 + 1)).saturating_sub(1) * DOT_PX + 2 * MARGIN_PX;
    let height = GLYPH.1 * DOT_PX + 2 * MARGIN_PX;
    let glyphs: Vec<[u8; 7]> = text
        .bytes()
        .map(|byte| match byte {
            b'.' => POINT,
            _ => usize::from(byte.wrapping_sub(b'0')).min(COLON),
        })
        .filter_map(|index| GLYPHS.get(index).copied())
        .collect();
    let dot = |x: u32, y: u32| {
        let (x, y) = (x.checked_sub(MARGIN_PX)? / DOT_PX, y.checked_sub(MARGIN_PX)? / DOT_PX);
        let glyph = glyphs.get((x / (GLYPH.0 + 1)) as usize)?;
        let column = x % (GLYPH.0 + 1);
        let row = glyph.get(y as usize)?;
        (column < GLYPH.0 && row >> (GLYPH.0 - 1 - column) & 1 == 1).then_some(u8::MAX)
    };
    let ink = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| dot(x, y).unwrap_or(0))
        .collect();
    Label { width, height, ink }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_as_large_as_it_says_and_has_ink() {
        let label = label("1:07");
        assert_eq!(label.ink.len(), (label.width * label.height) as usize);
        let dots = label.ink.iter().filter(|ink| **ink > 0).count();
        assert_eq!(dots % (DOT_PX * DOT_PX) as usize, 0);
        assert!(dots > 100);
    }

    #[test]
    fn a_point_is_no_colon() {
        assert_ne!(label("1.0").ink, label("1:0").ink);
    }
}
