//! What a caller may wish for from a file: the plain, non-personal part of a request.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::options::{
    Background, Crop, Embedded, Extra, InvalidOption, Language, MAX_LANGUAGES, MAX_MOMENTS, Moment,
    Options, Quality,
};
use crate::size::Size;

/// The most sizes one request may ask for.
pub const MAX_SIZES: usize = 32;
/// The most pages one request may name.
pub const MAX_PAGES: u32 = 1_000;

/// File formats that Darkroom writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JPEG.
    Jpg,
    /// PNG.
    Png,
    /// WebP, lossy; may move.
    Webp,
    /// AVIF.
    Avif,
    /// GIF; may move.
    Gif,
    /// MPEG-4 video.
    Mp4,
    /// `WebVTT` cues.
    Vtt,
    /// JSON.
    Json,
}

impl Format {
    /// The picture formats, which alone a caller can ask for by name.
    pub const PICTURES: [Self; 5] = [Self::Jpg, Self::Png, Self::Webp, Self::Avif, Self::Gif];

    /// The picture format a caller's word means, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let word = if word == "jpeg" { "jpg" } else { word.as_str() };
        Self::PICTURES.into_iter().find(|format| format.extension() == word)
    }

    /// Whether it is a picture.
    #[must_use]
    pub fn is_picture(self) -> bool {
        Self::PICTURES.contains(&self)
    }

    /// File extension, without dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Gif => "gif",
            Self::Mp4 => "mp4",
            Self::Vtt => "vtt",
            Self::Json => "json",
        }
    }

    /// IANA media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Gif => "image/gif",
            Self::Mp4 => "video/mp4",
            Self::Vtt => "text/vtt",
            Self::Json => "application/json",
        }
    }
}

/// Kinds of metadata that a caller can ask for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MetadataKind {
    /// EXIF tags of a picture.
    Exif,
    /// Text found in pictures.
    Ocr,
    /// Layers of a Photoshop document.
    Psd,
    /// MD5 and SHA-256 of the source.
    Checksum,
    /// Container and streams of audio and video.
    Multimedia,
    /// Title, description and pictures of a page.
    Webpage,
    /// Camera RAW details.
    Raw,
    /// Pages of a Sketch document.
    Sketch,
    /// What a document says of itself: title, author, pages, sheets, encoding, language.
    Document,
    /// Headers and attachments of an e-mail.
    Mail,
    /// Entries of an archive.
    Archive,
    /// Names and coverage of a font.
    Font,
}

impl MetadataKind {
    /// Every kind, in the order they are answered.
    pub const ALL: [Self; 12] = [
        Self::Exif,
        Self::Ocr,
        Self::Psd,
        Self::Checksum,
        Self::Multimedia,
        Self::Webpage,
        Self::Raw,
        Self::Sketch,
        Self::Document,
        Self::Mail,
        Self::Archive,
        Self::Font,
    ];

    /// The kinds that every answer names, whether asked for or not: those of the v2 contract.
    pub const CONTRACT: [Self; 8] = [
        Self::Exif,
        Self::Ocr,
        Self::Psd,
        Self::Checksum,
        Self::Multimedia,
        Self::Webpage,
        Self::Raw,
        Self::Sketch,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exif => "exif",
            Self::Ocr => "ocr",
            Self::Psd => "psd",
            Self::Checksum => "checksum",
            Self::Multimedia => "multimedia",
            Self::Webpage => "webpage",
            Self::Raw => "raw",
            Self::Sketch => "sketch",
            Self::Document => "document",
            Self::Mail => "mail",
            Self::Archive => "archive",
            Self::Font => "font",
        }
    }

    /// The kinds that a caller's word means; `all` means each of them.
    #[must_use]
    pub fn parse(word: &str) -> Option<Vec<Self>> {
        let word = word.to_ascii_lowercase();
        if word == "all" {
            return Some(Self::ALL.to_vec());
        }
        Self::ALL.into_iter().find(|kind| kind.name() == word).map(|kind| vec![kind])
    }
}

/// Which pages to draw, as the caller spelled it: `"1-3"`, `"1,3,5"`, `"all"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Pages {
    spelling: String,
    ranges: Vec<(u32, u32)>,
}

/// The text names no pages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{spelling}\" names no pages: use \"1\", \"1-3\", \"1,3,5\" or \"all\", at most {MAX_PAGES} pages"
)]
pub struct InvalidPages {
    spelling: String,
}

impl Pages {
    /// The first page.
    #[must_use]
    pub fn first() -> Self {
        Self { spelling: "1".to_owned(), ranges: vec![(1, 1)] }
    }

    /// Every page, up to [`MAX_PAGES`].
    #[must_use]
    pub fn all() -> Self {
        Self { spelling: "all".to_owned(), ranges: vec![(1, MAX_PAGES)] }
    }

    /// Reads a caller's text.
    ///
    /// # Errors
    /// [`InvalidPages`] when a part is no number or range, a page is 0, or too many are named.
    pub fn parse(text: &str) -> Result<Self, InvalidPages> {
        let invalid = || InvalidPages { spelling: text.chars().take(80).collect() };
        let spelling = text.trim();
        if spelling.eq_ignore_ascii_case("all") {
            return Ok(Self { spelling: spelling.to_owned(), ranges: vec![(1, MAX_PAGES)] });
        }
        let mut ranges = Vec::new();
        let mut named = 0_u64;
        for part in spelling.split(',') {
            let (from, to) = match part.split_once('-') {
                Some((from, to)) => (page(from), page(to)),
                None => (page(part), page(part)),
            };
            let (Some(from), Some(to)) = (from, to) else { return Err(invalid()) };
            if from > to {
                return Err(invalid());
            }
            named += u64::from(to - from) + 1;
            if named > u64::from(MAX_PAGES) {
                return Err(invalid());
            }
            ranges.push((from, to));
        }
        Ok(Self { spelling: spelling.to_owned(), ranges })
    }

    /// The pages named that a file of `total` pages has, in order, each once, from 1.
    #[must_use]
    pub fn of(&self, total: u32) -> Vec<u32> {
        let pages: BTreeSet<u32> =
            self.ranges.iter().flat_map(|&(from, to)| from..=to.min(total)).collect();
        pages.into_iter().collect()
    }
}

fn page(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok().filter(|page| *page > 0) } else { None }
}

impl TryFrom<String> for Pages {
    type Error = InvalidPages;

    fn try_from(text: String) -> Result<Self, InvalidPages> {
        Self::parse(&text)
    }
}

impl From<Pages> for String {
    fn from(pages: Pages) -> Self {
        pages.spelling
    }
}

/// The wish of a preview job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewWish {
    /// In the order asked. None: no rendition is made, and what the file says is all that is told.
    pub sizes: Vec<Size>,
    /// `None`: JPEG, or PNG where the picture has transparency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Sorted, each once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub metadata: BTreeSet<MetadataKind>,
    /// Pages to draw.
    pub pages: Pages,
    /// How renditions look, and what is made beside them.
    #[serde(default, skip_serializing_if = "Options::is_default")]
    pub options: Options,
}

impl PreviewWish {
    /// Whether pages have to be drawn: for renditions, or to have their text read.
    #[must_use]
    pub fn draws_pages(&self) -> bool {
        !self.sizes.is_empty() || self.metadata.contains(&MetadataKind::Ocr)
    }
}

impl Default for PreviewWish {
    fn default() -> Self {
        Self {
            sizes: vec![Size::original()],
            format: None,
            metadata: BTreeSet::new(),
            pages: Pages::first(),
            options: Options::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_in_every_spelling() {
        for (text, total, expected) in [
            ("1", 9, vec![1]),
            ("1-3", 9, vec![1, 2, 3]),
            ("1,3,5", 9, vec![1, 3, 5]),
            ("5,1,1-2", 9, vec![1, 2, 5]),
            ("all", 3, vec![1, 2, 3]),
            ("ALL", 2, vec![1, 2]),
            (" 2 - 3 ", 9, vec![2, 3]),
            ("4", 3, vec![]),
        ] {
            assert_eq!(Pages::parse(text).expect(text).of(total), expected, "{text}");
        }
        for text in ["", "0", "a", "1-", "-1", "3-1", "1,,2", "1-5000", "1;2"] {
            assert!(Pages::parse(text).is_err(), "{text}");
        }
    }
}
