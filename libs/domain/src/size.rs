//! The `sizes` of a request, in every spelling that clients send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::options::Crop;

/// The largest edge that can be asked for, in pixels.
pub const MAX_EDGE_PX: u32 = 16_384;

/// How a rendition's edges follow from the page's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// As large as the page is.
    Original,
    /// The largest picture of the page's proportions inside the box. An absent edge is free.
    Inside {
        /// Width of the box, in pixels.
        width: Option<u32>,
        /// Height of the box, in pixels.
        height: Option<u32>,
        /// Whether a page smaller than the box stays as it is (`>`).
        shrink_only: bool,
    },
}

/// One requested size: what it means, and how the caller spelled it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Value", into = "Value")]
pub struct Size {
    spelling: Value,
    fit: Fit,
}

/// The spelling means no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{spelling} is not a size: use \"200x200\", \"300\", \"100x\", \"x200\", \"300x400>\" or \"original\", with edges from 1 to {MAX_EDGE_PX}"
)]
pub struct InvalidSize {
    spelling: String,
}

impl Size {
    /// The page as large as it is.
    #[must_use]
    pub fn original() -> Self {
        Self { spelling: Value::from("original"), fit: Fit::Original }
    }

    /// Reads one element of `sizes`: a text or a number (a width).
    ///
    /// # Errors
    /// [`InvalidSize`] when it is neither, or an edge is zero or above [`MAX_EDGE_PX`].
    pub fn parse(spelling: &Value) -> Result<Self, InvalidSize> {
        let fit = match spelling {
            Value::String(text) => parse_text(text.trim()),
            Value::Number(number) => number.as_u64().and_then(edge).map(|width| Fit::Inside {
                width: Some(width),
                height: None,
                shrink_only: false,
            }),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match fit {
            Some(fit) => Ok(Self { spelling: spelling.clone(), fit }),
            None => Err(InvalidSize { spelling: spelling.to_string().chars().take(80).collect() }),
        }
    }

    /// What it means.
    #[must_use]
    pub const fn fit(&self) -> Fit {
        self.fit
    }

    /// The caller's own spelling, verbatim.
    #[must_use]
    pub const fn spelling(&self) -> &Value {
        &self.spelling
    }

    /// The rendition's width and height for a page of `width` × `height` pixels; never zero.
    #[must_use]
    pub fn apply(&self, width: u32, height: u32) -> (u32, u32) {
        let Fit::Inside { width: to_width, height: to_height, shrink_only } = self.fit else {
            return (width, height);
        };
        let (w, h) = (f64::from(width.max(1)), f64::from(height.max(1)));
        let by_width = to_width.map(|edge| f64::from(edge) / w);
        let by_height = to_height.map(|edge| f64::from(edge) / h);
        let factor = match (by_width, by_height) {
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) | (None, Some(a)) => a,
            (None, None) => 1.0,
        };
        if shrink_only && factor >= 1.0 {
            return (width, height);
        }
        (scaled(w, factor), scaled(h, factor))
    }

    /// The rendition's width and height, and the part of a page of `width` × `height` pixels that it
    /// shows: the whole page, or for [`Crop::Fill`] and a size with two edges, as much as covers
    /// the box.
    #[must_use]
    pub fn shape(&self, width: u32, height: u32, crop: Crop) -> Shape {
        let whole = Shape { to: self.apply(width, height), shown: (width, height) };
        let (Crop::Fill, Fit::Inside { width: Some(w), height: Some(h), shrink_only }) =
            (crop, self.fit)
        else {
            return whole;
        };
        let (page_w, page_h) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let (w, h) = (u64::from(w), u64::from(h));
        // The largest part of the page that has the box's proportions.
        let narrow = |value: u64| u32::try_from(value.max(1)).unwrap_or(u32::MAX);
        let shown = if page_w * h > page_h * w {
            (narrow((page_h * w + h / 2) / h), height.max(1))
        } else {
            (width.max(1), narrow((page_w * h + w / 2) / w))
        };
        let to = if shrink_only && (u64::from(shown.0) < w || u64::from(shown.1) < h) {
            shown
        } else {
            (narrow(w), narrow(h))
        };
        Shape { to, shown }
    }
}

/// What a size makes of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width and height of the rendition, in pixels.
    pub to: (u32, u32),
    /// Width and height of the part of the page that it shows, in pixels.
    pub shown: (u32, u32),
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 1..=u32::MAX, which f64 holds exactly"
)]
fn scaled(edge: f64, factor: f64) -> u32 {
    (edge * factor).round().clamp(1.0, f64::from(u32::MAX)) as u32
}

fn edge(value: u64) -> Option<u32> {
    u32::try_from(value).ok().filter(|edge| (1..=MAX_EDGE_PX).contains(edge))
}

fn parse_text(text: &str) -> Option<Fit> {
    if text.eq_ignore_ascii_case("original") {
        return Some(Fit::Original);
    }
    let (body, shrink_only) = match text.strip_suffix('>') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let (width, height) = match body.split_once(['x', 'X']) {
        Some((width, height)) => (optional_edge(width)?, optional_edge(height)?),
        None => (Some(number(body)?), None),
    };
    (width.is_some() || height.is_some()).then_some(Fit::Inside { width, height, shrink_only })
}

#[allow(clippy::option_option, reason = "absent is fine, wrong is not")]
fn optional_edge(text: &str) -> Option<Option<u32>> {
    if text.is_empty() { Some(None) } else { number(text).map(Some) }
}

fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok().and_then(edge)
    } else {
        None
    }
}

impl TryFrom<Value> for Size {
    type Error = InvalidSize;

    fn try_from(spelling: Value) -> Result<Self, InvalidSize> {
        Self::parse(&spelling)
    }
}

impl From<Size> for Value {
    fn from(size: Size) -> Self {
        size.spelling
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(spelling: &Value) -> Option<(u32, u32)> {
        Size::parse(spelling).ok().map(|size| size.apply(400, 300))
    }

    #[test]
    fn every_spelling_means_what_the_contract_says() {
        for (spelling, expected) in [
            (json!("200x200"), (200, 150)),
            (json!("200X200"), (200, 150)),
            (json!("300"), (300, 225)),
            (json!(300), (300, 225)),
            (json!("100x"), (100, 75)),
            (json!("x150"), (200, 150)),
            (json!("800x"), (800, 600)),
            (json!("800x>"), (400, 300)),
            (json!("300x400>"), (300, 225)),
            (json!("42>"), (42, 32)),
            (json!("original"), (400, 300)),
            (json!("1x1"), (1, 1)),
        ] {
            assert_eq!(applied(&spelling), Some(expected), "{spelling}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for spelling in [
            json!(""),
            json!("x"),
            json!(">"),
            json!("0"),
            json!("0x10"),
            json!(0),
            json!(-3),
            json!(1.5),
            json!("1.5x2"),
            json!("abc"),
            json!("10x10x10"),
            json!("99999999999x1"),
            json!("16385"),
            json!(true),
            json!([]),
            json!({}),
            json!("+5"),
            json!("５"),
        ] {
            assert_eq!(applied(&spelling), None, "{spelling}");
        }
    }

    #[test]
    fn the_spelling_survives_a_round_trip() {
        for spelling in [json!("042>"), json!(300), json!("Original")] {
            let size = Size::parse(&spelling).expect("a size");
            assert_eq!(serde_json::to_value(&size).expect("json"), spelling);
        }
    }
}
