//! What to call a fetched file: `Content-Disposition` (RFC 6266, RFC 8187), else the URL's last segment.

use http::HeaderMap;
use http::header::CONTENT_DISPOSITION;

use crate::url::percent_decoded;

/// Longest file name, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest extension that survives shortening, in bytes with its dot.
const EXTENSION_BYTES_MAX: usize = 17;

/// The name given by the answer's `headers`, else by the URL's last path segment.
pub(crate) fn of(headers: &HeaderMap, last_segment: Option<&str>) -> Option<String> {
    let disposition = headers.get(CONTENT_DISPOSITION).map(|value| lossy(value.as_bytes()));
    disposition
        .as_deref()
        .and_then(from_disposition)
        .and_then(|name| clean(&name))
        .or_else(|| clean(&String::from_utf8_lossy(&percent_decoded(last_segment?))))
}

/// Header bytes are UTF-8 in practice, Latin-1 by the book.
fn lossy(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => latin1(bytes),
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// `filename*` before `filename`, whichever comes first.
fn from_disposition(text: &str) -> Option<String> {
    let mut plain = None;
    let mut rest = text.split_once(';')?.1;
    while let Some((name, value, after)) = next_parameter(rest) {
        rest = after;
        if name.eq_ignore_ascii_case("filename*") {
            if let Some(decoded) = extended(&value) {
                return Some(decoded);
            }
        } else if name.eq_ignore_ascii_case("filename") && plain.is_none() {
            plain = Some(value);
        }
    }
    plain
}

/// One `name=value` or `name="value"`, and what follows it.
fn next_parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, text) = text.split_once('=')?;
    let name = name.rsplit(';').next().unwrap_or(name).trim();
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, after) = text.split_once(';').unwrap_or((text, ""));
        return Some((name, value.trim().to_owned(), after));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((name, value, quoted.get(at + 1..).unwrap_or_default())),
            // Browsers of old sent Windows paths unescaped; a backslash escapes only what needs it.
            '\\' if chars.as_str().starts_with(['"', '\\']) => {
                value.extend(chars.next().map(|(_, escaped)| escaped));
            }
            other => value.push(other),
        }
    }
    Some((name, value, ""))
}

/// `UTF-8'en'na%C3%AFve.txt`.
fn extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let bytes = percent_decoded(rest.split_once('\'')?.1);
    if charset.eq_ignore_ascii_case("utf-8") {
        String::from_utf8(bytes).ok()
    } else if charset.eq_ignore_ascii_case("iso-8859-1") {
        Some(latin1(&bytes))
    } else {
        None
    }
}

/// One path segment without anything that a file system or a terminal would act on.
fn clean(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|char| !is_unsafe(*char)).collect();
    let kept = kept.trim();
    if kept.is_empty() || kept.bytes().all(|byte| byte == b'.') {
        return None;
    }
    Some(shorten(kept))
}

/// Controls, and the invisible characters that change how a name reads.
pub(crate) fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn shorten(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let (stem, extension) = match name.rfind('.').and_then(|dot| name.split_at_checked(dot)) {
        Some((stem, extension)) if extension.len() <= EXTENSION_BYTES_MAX => (stem, extension),
        _ => (name, ""),
    };
    let room = stem.floor_char_boundary(NAME_BYTES_MAX - extension.len());
    format!("{}{extension}", stem.get(..room).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn named(disposition: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_bytes(disposition).unwrap());
        of(&headers, Some("from%20url.png"))
    }

    #[test]
    fn the_disposition_names_the_file() {
        let table: &[(&[u8], &str)] = &[
            (b"attachment; filename=plain.png", "plain.png"),
            (b"attachment;filename=\"with space.png\"", "with space.png"),
            (
                b"attachment; filename=\"a \\\"quoted\\\" name.png\"; size=3",
                "a \"quoted\" name.png",
            ),
            (b"attachment; filename=\"C:\\photos\\cat.png\"", "cat.png"),
            (
                b"attachment; filename=fallback.png; filename*=UTF-8''na%C3%AFve.png",
                "na\u{ef}ve.png",
            ),
            (b"attachment; filename*=utf-8'en'%e2%82%ac.png; filename=x.png", "\u{20ac}.png"),
            (b"attachment; filename*=ISO-8859-1''%a3.png", "\u{a3}.png"),
            (b"attachment; filename*=utf-16''%ff; filename=x.png", "x.png"),
            (b"attachment; filename*=UTF-8''%ff; filename=x.png", "x.png"),
            (b"inline; FILENAME=\"UP.PNG\"", "UP.PNG"),
            ("attachment; filename=\"snö.png\"".as_bytes(), "snö.png"),
            (b"attachment; filename=\"sn\xf6.png\"", "snö.png"),
            (b"attachment; filename=\"semi;colon.png\"", "semi;colon.png"),
            (b"attachment; filename=\"unclosed.png", "unclosed.png"),
        ];
        for (disposition, expected) in table {
            assert_eq!(named(disposition).as_deref(), Some(*expected), "{}", latin1(disposition));
        }
    }

    #[test]
    fn a_useless_disposition_leaves_the_urls_name() {
        let table: &[&[u8]] = &[
            b"inline",
            b"attachment; filename=",
            b"attachment; filename=\"..\"",
            b"attachment; filename=\"a/\"",
            b";=;=",
        ];
        for disposition in table {
            assert_eq!(
                named(disposition).as_deref(),
                Some("from url.png"),
                "{}",
                latin1(disposition)
            );
        }
    }

    #[test]
    fn a_name_is_one_clean_segment() {
        let table: &[(&str, Option<&str>)] = &[
            ("..%2f..%2fetc%2fpasswd", Some("passwd")),
            ("..", None),
            ("%2e%2e", None),
            ("a%00b%0d%0a.png", Some("ab.png")),
            ("gpj%E2%80%AE.exe", Some("gpj.exe")),
            ("100%.png", Some("100%.png")),
            ("%zz.png", Some("%zz.png")),
            ("%+1.png", Some("%+1.png")),
            ("%ff.png", Some("\u{fffd}.png")),
            ("", None),
            ("%20", None),
        ];
        for (segment, expected) in table {
            assert_eq!(of(&HeaderMap::new(), Some(segment)).as_deref(), *expected, "{segment}");
        }
        assert_eq!(of(&HeaderMap::new(), None), None);
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = of(&HeaderMap::new(), Some(&format!("{}.jpeg", "ä".repeat(400)))).unwrap();
        assert!(name.len() <= NAME_BYTES_MAX && name.ends_with("ä.jpeg"));
        let name = of(&HeaderMap::new(), Some(&"x".repeat(400))).unwrap();
        assert_eq!(name.len(), NAME_BYTES_MAX);
    }
}
