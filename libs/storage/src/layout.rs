//! What a job's objects are called: the same job always writes the same keys.
//!
//! `<prefix><job id>/<name>`, where the name says page, size as the caller spelled it, and format.

use domain::{id::JobId, job::Role, size::Size, wish::Format};

use crate::key::{self, InvalidKey};

/// The longest prefix a caller may ask for, in bytes, its last slash not counted.
pub const MAX_PREFIX_BYTES: usize = 512;
/// The most characters of a size's spelling that go into a name.
const MAX_SPELLING_CHARS: usize = 32;
/// The name of the object that repeats the answer to the caller.
pub const METADATA_NAME: &str = "metadata.json";
/// The name of the object that says, signed, how the others came about.
pub const RECEIPT_NAME: &str = "receipt.json";

/// Where in a bucket a caller wants results: nothing, or a path that ends in `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(String);

/// Why a caller's prefix is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the destination cannot be a prefix of keys: {0}")]
pub struct InvalidPrefix(#[from] InvalidKey);

impl Prefix {
    /// Reads the caller's `uploader.destination`: slashes before it are dropped, one after it is
    /// added; nothing and `/` mean the bucket itself.
    ///
    /// # Errors
    /// [`InvalidPrefix`] when it has an empty, `.` or `..` part or a control character, or is too
    /// long.
    pub fn parse(destination: &str) -> Result<Self, InvalidPrefix> {
        let path = destination.trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(Self::default());
        }
        if path.len() > MAX_PREFIX_BYTES {
            return Err(InvalidPrefix(InvalidKey::TooLong(MAX_PREFIX_BYTES)));
        }
        key::check(path)?;
        Ok(Self(format!("{path}/")))
    }

    /// The text that goes before a job's keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of what `job` calls `name`.
#[must_use]
pub fn key(prefix: &Prefix, job: JobId, name: &str) -> String {
    format!("{}{job}/{name}", prefix.0)
}

/// The name of a page drawn in a size, e.g. `page-1_200x200.jpg` or `page-12_300x400gt.webp`.
#[must_use]
pub fn rendition(page: u32, size: &Size, format: Format) -> String {
    let spelling = match size.spelling().as_str() {
        Some(text) => safe(text),
        None => safe(&size.spelling().to_string()),
    };
    format!("page-{page}_{spelling}.{}", format.extension())
}

/// The name of what is made beside the renditions, e.g. `storyboard.jpg`, whose cues lie beside it
/// as `storyboard.vtt` and name it, or `layer-3.png`.
#[must_use]
pub fn extra(role: Role, number: u32, format: Format) -> String {
    let name = match role {
        Role::Rendition => "rendition",
        Role::ContactSheet => "contact-sheet",
        Role::Storyboard | Role::StoryboardCues => "storyboard",
        Role::Animation => "animation",
        Role::Clip => "clip",
        Role::Peaks => "peaks",
        Role::Layer => "layer",
    };
    let extension = format.extension();
    match role {
        Role::Rendition | Role::Layer => format!("{name}-{number}.{extension}"),
        _ => format!("{name}.{extension}"),
    }
}

/// The spelling in letters and digits alone; `>` becomes `gt`.
fn safe(spelling: &str) -> String {
    let mut name = String::new();
    for character in spelling.trim().chars().take(MAX_SPELLING_CHARS) {
        match character {
            '>' => name.push_str("gt"),
            c if c.is_ascii_alphanumeric() => name.push(c.to_ascii_lowercase()),
            _ => name.push('_'),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_say_page_size_and_format() {
        for (spelling, expected) in [
            (json!("200x200"), "page-3_200x200.jpg"),
            (json!("200X200"), "page-3_200x200.jpg"),
            (json!("300x400>"), "page-3_300x400gt.jpg"),
            (json!("42>"), "page-3_42gt.jpg"),
            (json!("100x"), "page-3_100x.jpg"),
            (json!("x100"), "page-3_x100.jpg"),
            (json!(300), "page-3_300.jpg"),
            (json!(" Original "), "page-3_original.jpg"),
        ] {
            let size = Size::parse(&spelling).unwrap();
            assert_eq!(rendition(3, &size, Format::Jpg), expected, "{spelling}");
        }
    }

    #[test]
    fn what_is_made_beside_renditions_has_a_name_of_its_own() {
        for (role, format, expected) in [
            (Role::ContactSheet, Format::Jpg, "contact-sheet.jpg"),
            (Role::Storyboard, Format::Jpg, "storyboard.jpg"),
            (Role::StoryboardCues, Format::Vtt, "storyboard.vtt"),
            (Role::Animation, Format::Webp, "animation.webp"),
            (Role::Clip, Format::Mp4, "clip.mp4"),
            (Role::Peaks, Format::Json, "peaks.json"),
            (Role::Layer, Format::Png, "layer-3.png"),
        ] {
            assert_eq!(extra(role, 3, format), expected);
        }
    }

    #[test]
    fn any_spelling_is_safe_in_a_name() {
        assert_eq!(safe("../../etc/passwd\n\u{202e}ü%2f"), "______etc_passwd____2f");
        assert_eq!(safe(&">".repeat(99)).len(), 2 * MAX_SPELLING_CHARS);
    }

    #[test]
    fn a_callers_prefix_stays_inside_the_bucket() {
        for (given, expected) in [
            ("", ""),
            ("/", ""),
            ("///", ""),
            ("a", "a/"),
            ("a/", "a/"),
            ("/a/b", "a/b/"),
            ("größe/2024", "größe/2024/"),
        ] {
            assert_eq!(Prefix::parse(given).unwrap().as_str(), expected, "{given}");
        }
        for (given, why) in [
            ("..", InvalidKey::Dots),
            ("a/../b", InvalidKey::Dots),
            ("a/./b", InvalidKey::Dots),
            ("a//b", InvalidKey::Empty),
            ("a//", InvalidKey::Empty),
            ("a\nb", InvalidKey::Control),
            ("a\0", InvalidKey::Control),
        ] {
            assert_eq!(Prefix::parse(given), Err(InvalidPrefix(why)), "{given:?}");
        }
        assert!(Prefix::parse(&"a".repeat(512)).is_ok());
        assert_eq!(Prefix::parse(&"a".repeat(513)), Err(InvalidPrefix(InvalidKey::TooLong(512))));
    }

    #[test]
    fn a_job_always_has_the_same_keys() {
        let job: JobId = "0192f0c1-2345-7678-89ab-cdef01234567".parse().unwrap();
        let prefix = Prefix::parse("out").unwrap();
        assert_eq!(
            key(&prefix, job, METADATA_NAME),
            "out/0192f0c1-2345-7678-89ab-cdef01234567/metadata.json"
        );
    }
}
