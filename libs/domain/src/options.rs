//! How renditions look and what is made beside them: what Darkroom adds to the v2 wish.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most moments of a film that one request may name.
pub const MAX_MOMENTS: usize = 100;
/// The most languages that text may be looked for in.
pub const MAX_LANGUAGES: usize = 8;

/// What can be set beyond sizes, format, metadata and pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PreviewOptions")]
#[serde(default)]
pub struct Options {
    /// How good JPEG, WebP and AVIF renditions are; each format has a default of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// What shows through where a rendition has no transparency. White unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// How a size with two edges is filled.
    #[serde(skip_serializing_if = "Crop::is_default")]
    pub crop: Crop,
    /// Whether renditions carry the source's own metadata.
    #[serde(skip_serializing_if = "Embedded::is_default")]
    pub embedded: Embedded,
    /// Moments of a film to draw, each a page, in this order. Empty: one, chosen well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<Moment>,
    /// What is made beside the renditions.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub extras: BTreeSet<Extra>,
    /// Languages that `ocr` looks for. Empty: English.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<Language>,
}

impl Options {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A value that an option cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOption {
    /// Not a quality.
    #[error("quality is a whole number from 1 to 100")]
    Quality,
    /// Not a colour.
    #[error("background is a colour such as \"#ffffff\" or \"#fff\"")]
    Background,
    /// Not a moment.
    #[error(
        "a moment of a film is seconds (12.5), a clock time (\"1:02:03.5\") or a share (\"50%\")"
    )]
    Moment,
    /// Not a language.
    #[error("a language is named as Tesseract names it, such as \"eng\", \"deu\" or \"chi_sim\"")]
    Language,
}

/// How good a lossy picture is, from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
pub struct Quality(u8);

impl Quality {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Quality {
    type Error = InvalidOption;

    fn try_from(value: u8) -> Result<Self, InvalidOption> {
        if (1..=100).contains(&value) { Ok(Self(value)) } else { Err(InvalidOption::Quality) }
    }
}

impl From<Quality> for u8 {
    fn from(quality: Quality) -> Self {
        quality.0
    }
}

/// An opaque sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Background(pub [u8; 3]);

impl Background {
    /// White.
    pub const WHITE: Self = Self([255; 3]);

    /// Reads `#rrggbb` or `#rgb`, with or without the sign.
    ///
    /// # Errors
    /// [`InvalidOption::Background`].
    pub fn parse(text: &str) -> Result<Self, InvalidOption> {
        let text = text.trim();
        let digits = text.strip_prefix('#').unwrap_or(text);
        let nibbles: Option<Vec<u8>> = digits
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok()))
            .collect();
        match nibbles.as_deref() {
            Some(&[r, g, b]) => Ok(Self([r * 17, g * 17, b * 17])),
            Some(&[r, rr, g, gg, b, bb]) => Ok(Self([r * 16 + rr, g * 16 + gg, b * 16 + bb])),
            _ => Err(InvalidOption::Background),
        }
    }
}

impl TryFrom<String> for Background {
    type Error = InvalidOption;

    fn try_from(text: String) -> Result<Self, InvalidOption> {
        Self::parse(&text)
    }
}

impl From<Background> for String {
    fn from(Background([r, g, b]): Background) -> Self {
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

/// How a size with two edges is filled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// The whole picture inside the box.
    #[default]
    Fit,
    /// The box covered entirely; what is cut off is what matters least.
    Fill,
}

impl Crop {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of the metadata inside a source (camera, place, time).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Embedded {
    /// Renditions carry none of it.
    #[default]
    Strip,
    /// Renditions carry the source's EXIF, XMP and IPTC, upright, where their format has a place.
    Keep,
}

impl Embedded {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A moment of a film.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Milliseconds from its start.
    Ms(u64),
    /// Thousandths of its length, from 0 to 1,000.
    Permille(u16),
}

impl Moment {
    /// Reads `12.5`, `1:02`, `1:02:03.5` or `50%`.
    ///
    /// # Errors
    /// [`InvalidOption::Moment`].
    pub fn parse(text: &str) -> Result<Self, InvalidOption> {
        let text = text.trim();
        if let Some(share) = text.strip_suffix('%') {
            let share = decimal(share).filter(|share| *share <= 100_000);
            let permille = share.and_then(|share| u16::try_from(share / 100).ok());
            return permille.map(Self::Permille).ok_or(InvalidOption::Moment);
        }
        let mut parts = text.rsplit(':');
        let seconds = parts.next().and_then(decimal).ok_or(InvalidOption::Moment)?;
        let mut ms = seconds;
        for unit_ms in [60_000, 3_600_000] {
            let Some(part) = parts.next() else { break };
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let value = if digits { part.parse::<u32>().ok() } else { None };
            ms += u64::from(value.ok_or(InvalidOption::Moment)?) * unit_ms;
        }
        if parts.next().is_some() { Err(InvalidOption::Moment) } else { Ok(Self::Ms(ms)) }
    }

    /// Milliseconds from the start of a film of `length_ms`; never beyond its end.
    #[must_use]
    pub fn of(self, length_ms: u64) -> u64 {
        match self {
            Self::Ms(ms) => ms.min(length_ms),
            Self::Permille(share) => {
                length_ms / 1_000 * u64::from(share.min(1_000))
                    + length_ms % 1_000 * u64::from(share.min(1_000)) / 1_000
            }
        }
    }
}

/// A decimal number of at most three places, in thousandths.
fn decimal(text: &str) -> Option<u64> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let fine = |part: &str| part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !fine(whole) || !fine(places) {
        return None;
    }
    let thousandths: u64 =
        places.chars().chain("000".chars()).take(3).collect::<String>().parse().ok()?;
    Some(whole.parse::<u64>().ok()? * 1_000 + thousandths)
}

/// What can be made beside the renditions.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Extra {
    /// A film's frames side by side on one sheet, with their times.
    ContactSheet,
    /// A film's frames as one sprite, and the `WebVTT` that says which is when.
    Storyboard,
    /// A few seconds of a film as a moving WebP (or GIF, where that is the format asked for).
    Animation,
    /// A few seconds of a film as a small MP4.
    Clip,
    /// Peaks of a sound's waveform, as JSON.
    Peaks,
    /// A picture of each layer of a Photoshop document.
    Layers,
}

impl Extra {
    /// Every extra.
    pub const ALL: [Self; 6] = [
        Self::ContactSheet,
        Self::Storyboard,
        Self::Animation,
        Self::Clip,
        Self::Peaks,
        Self::Layers,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContactSheet => "contact_sheet",
            Self::Storyboard => "storyboard",
            Self::Animation => "animation",
            Self::Clip => "clip",
            Self::Peaks => "peaks",
            Self::Layers => "layers",
        }
    }

    /// The extra of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        Self::ALL.into_iter().find(|extra| extra.name() == word)
    }
}

/// A language by the name Tesseract has for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Language(String);

impl Language {
    /// Reads a name: lower-case letters, digits and underscores.
    ///
    /// # Errors
    /// [`InvalidOption::Language`].
    pub fn parse(name: &str) -> Result<Self, InvalidOption> {
        const MAX_CHARS: usize = 20;
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let fine = !name.is_empty() && name.len() <= MAX_CHARS && name.bytes().all(word);
        if fine { Ok(Self(name.to_owned())) } else { Err(InvalidOption::Language) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Language {
    type Error = InvalidOption;

    fn try_from(name: String) -> Result<Self, InvalidOption> {
        Self::parse(&name)
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_spelling() {
        for (text, expected) in [
            ("0", Moment::Ms(0)),
            ("12.5", Moment::Ms(12_500)),
            ("1:02", Moment::Ms(62_000)),
            ("1:02:03.25", Moment::Ms(3_723_250)),
            ("50%", Moment::Permille(500)),
            ("33.3%", Moment::Permille(333)),
        ] {
            assert_eq!(Moment::parse(text), Ok(expected), "{text}");
        }
        for text in ["", "a", "-1", "101%", "1:2:3:4", "1:", ":5", "1.2.3", "1e3"] {
            assert_eq!(Moment::parse(text), Err(InvalidOption::Moment), "{text}");
        }
        assert_eq!(Moment::Permille(500).of(9_001), 4_500);
        assert_eq!(Moment::Ms(9_999).of(5_000), 5_000);
    }

    #[test]
    fn colours_and_qualities_are_read() {
        assert_eq!(Background::parse("#fff"), Ok(Background::WHITE));
        assert_eq!(Background::parse("102030"), Ok(Background([16, 32, 48])));
        for text in ["", "#ff", "#gggggg", "red", "#12345678"] {
            assert_eq!(Background::parse(text), Err(InvalidOption::Background), "{text}");
        }
        assert!(Quality::try_from(0).is_err() && Quality::try_from(101).is_err());
    }

    #[test]
    fn what_is_not_set_is_not_written() {
        assert_eq!(serde_json::to_string(&Options::default()).expect("json"), "{}");
        let set = Options {
            quality: Quality::try_from(80).ok(),
            background: Some(Background::WHITE),
            crop: Crop::Fill,
            embedded: Embedded::Keep,
            at: vec![Moment::Ms(5), Moment::Permille(500)],
            extras: BTreeSet::from([Extra::Clip, Extra::Storyboard]),
            languages: vec![Language("eng".to_owned())],
        };
        let json = serde_json::to_string(&set).expect("json");
        assert_eq!(serde_json::from_str::<Options>(&json).expect("read"), set);
    }
}
