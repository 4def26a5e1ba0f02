//! Numbers of ITU-T H.273 and of FFmpeg by the names that ffprobe has for them.

use serde_json::{Map, Value};

fn named(names: &[(i32, &'static str)], number: i32) -> Option<&'static str> {
    names.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

pub(super) fn range(number: i32) -> Option<&'static str> {
    named(&[(1, "tv"), (2, "pc")], number)
}

pub(crate) fn space(number: i32) -> Option<&'static str> {
    const NAMES: &[(i32, &str)] = &[
        (0, "gbr"),
        (1, "bt709"),
        (4, "fcc"),
        (5, "bt470bg"),
        (6, "smpte170m"),
        (7, "smpte240m"),
        (8, "ycgco"),
        (9, "bt2020nc"),
        (10, "bt2020c"),
        (11, "smpte2085"),
        (12, "chroma-derived-nc"),
        (13, "chroma-derived-c"),
        (14, "ictcp"),
    ];
    named(NAMES, number)
}

pub(crate) fn transfer(number: i32) -> Option<&'static str> {
    const NAMES: &[(i32, &str)] = &[
        (1, "bt709"),
        (4, "bt470m"),
        (5, "bt470bg"),
        (6, "smpte170m"),
        (7, "smpte240m"),
        (8, "linear"),
        (9, "log100"),
        (10, "log316"),
        (11, "iec61966-2-4"),
        (12, "bt1361e"),
        (13, "iec61966-2-1"),
        (14, "bt2020-10"),
        (15, "bt2020-12"),
        (16, "smpte2084"),
        (17, "smpte428"),
        (18, "arib-std-b67"),
    ];
    named(NAMES, number)
}

pub(crate) fn primaries(number: i32) -> Option<&'static str> {
    const NAMES: &[(i32, &str)] = &[
        (1, "bt709"),
        (4, "bt470m"),
        (5, "bt470bg"),
        (6, "smpte170m"),
        (7, "smpte240m"),
        (8, "film"),
        (9, "bt2020"),
        (10, "smpte428"),
        (11, "smpte431"),
        (12, "smpte432"),
        (22, "ebu3213"),
    ];
    named(NAMES, number)
}

pub(super) fn chroma_location(number: i32) -> Option<&'static str> {
    const NAMES: &[(i32, &str)] =
        &[(1, "left"), (2, "center"), (3, "topleft"), (4, "top"), (5, "bottomleft"), (6, "bottom")];
    named(NAMES, number)
}

pub(super) fn field_order(number: i32) -> Option<&'static str> {
    named(&[(1, "progressive"), (2, "tt"), (3, "bb"), (4, "tb"), (5, "bt")], number)
}

/// What a stream is to its file: every part, 0 or 1.
pub(super) fn disposition(bits: i32) -> Map<String, Value> {
    const NAMES: &[(u32, &str)] = &[
        (0, "default"),
        (1, "dub"),
        (2, "original"),
        (3, "comment"),
        (4, "lyrics"),
        (5, "karaoke"),
        (6, "forced"),
        (7, "hearing_impaired"),
        (8, "visual_impaired"),
        (9, "clean_effects"),
        (10, "attached_pic"),
        (11, "timed_thumbnails"),
        (16, "captions"),
        (17, "descriptions"),
        (18, "metadata"),
        (19, "dependent"),
        (20, "still_image"),
    ];
    NAMES.iter().map(|(bit, name)| ((*name).to_owned(), Value::from(bits >> bit & 1))).collect()
}

/// A tag of four letters; other bytes as numbers in brackets.
pub(super) fn fourcc(tag: u32) -> String {
    tag.to_le_bytes()
        .iter()
        .map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b' ' | b'.' | b'-' | b'_' => {
                char::from(*byte).to_string()
            }
            byte => format!("[{byte}]"),
        })
        .collect()
}
