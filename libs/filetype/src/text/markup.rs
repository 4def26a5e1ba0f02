//! HTML, SVG and other XML, RTF: by the first element.

use crate::filetype::Filetype;
use crate::kind::Kind::{self, Html, Office, Svg};
use crate::text::Text;

const XML: Filetype = Filetype::of(Kind::Text, "text/xml", "xml");

/// XML by its root element's name without prefix: kind, media type, extension.
const ROOTS: &[(&str, Kind, &str, &str)] = &[
    ("svg", Svg, "image/svg+xml", "svg"),
    ("html", Html, "application/xhtml+xml", "xhtml"),
    ("rss", Kind::Text, "application/rss+xml", "rss"),
    ("feed", Kind::Text, "application/atom+xml", "atom"),
    ("plist", Kind::Text, "application/x-plist", "plist"),
    ("kml", Kind::Text, "application/vnd.google-earth.kml+xml", "kml"),
    ("gpx", Kind::Text, "application/gpx+xml", "gpx"),
    ("FictionBook", Kind::Text, "application/x-fictionbook+xml", "fb2"),
    ("COLLADA", Kind::Text, "model/vnd.collada+xml", "dae"),
    ("xspf", Kind::Text, "application/xspf+xml", "xspf"),
    ("xliff", Kind::Text, "application/xliff+xml", "xlf"),
];

/// What a flat OpenDocument says it is.
const FLAT: &[(&str, &str, &str)] = &[
    ("opendocument.text", "application/vnd.oasis.opendocument.text-flat-xml", "fodt"),
    ("opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet-flat-xml", "fods"),
    (
        "opendocument.presentation",
        "application/vnd.oasis.opendocument.presentation-flat-xml",
        "fodp",
    ),
    ("opendocument.graphics", "application/vnd.oasis.opendocument.graphics-flat-xml", "fodg"),
];

/// Elements that begin HTML, if nothing says that it is XML.
const HTML: &[&str] = &[
    "html", "head", "body", "title", "script", "style", "meta", "table", "div", "p", "h1",
    "iframe", "a", "br", "font", "center", "link", "ul",
];

/// Looks for markup.
pub(crate) fn look(text: &Text<'_>) -> Option<Filetype> {
    let start = text.text.trim_start();
    if start.starts_with("{\\rtf") {
        return Some(Filetype::of(Office, "text/rtf", "rtf"));
    }
    if !start.starts_with('<') || start.starts_with("<?php") || start.starts_with("<?=") {
        return None;
    }
    let is_xml = start.starts_with("<?xml");
    let beginning = start.get(..15).unwrap_or(start);
    if beginning.eq_ignore_ascii_case("<!doctype html ")
        || beginning.to_ascii_lowercase().starts_with("<!doctype html>")
    {
        let is_xhtml = start.get(..200).is_some_and(|start| start.contains("XHTML"));
        return Some(if is_xhtml {
            Filetype::of(Html, "application/xhtml+xml", "xhtml")
        } else {
            html()
        });
    }
    let Some(element) = root(start) else {
        return is_xml.then_some(XML);
    };
    let name_end = element
        .find(|letter: char| letter.is_whitespace() || matches!(letter, '>' | '/'))
        .unwrap_or(element.len());
    let name = element.get(..name_end)?;
    let local = name.rsplit(':').next().unwrap_or(name);
    if name == "office:document" {
        let found = FLAT.iter().find(|(said, ..)| element.contains(said));
        return Some(found.map_or(XML, |(_, media_type, extension)| {
            Filetype::of(Office, media_type, extension)
        }));
    }
    if matches!(name, "w:wordDocument" | "pkg:package") {
        return Some(Filetype::of(Office, "application/msword", "xml"));
    }
    if local == "Workbook" && element.contains("office:spreadsheet") {
        return Some(Filetype::of(Office, "application/vnd.ms-excel", "xml"));
    }
    let lower = name.to_ascii_lowercase();
    let closes = is_xml || element.contains("xmlns") || text.text.contains(&format!("</{name}>"));
    let known = ROOTS.iter().find(|(root, ..)| *root == local);
    if let Some((_, kind, media_type, extension)) = known
        && (is_xml || local == "svg" || element.contains("xmlns") || local != "html" && closes)
    {
        return Some(Filetype::of(*kind, media_type, extension));
    }
    if !is_xml && HTML.contains(&lower.as_str()) {
        return Some(html());
    }
    let is_name = name
        .chars()
        .all(|letter| letter.is_alphanumeric() || matches!(letter, ':' | '-' | '_' | '.'));
    (is_name && !name.is_empty() && closes).then_some(XML)
}

const fn html() -> Filetype {
    Filetype::of(Html, "text/html", "html")
}

/// What stands in the first element's tag and a little behind it; declarations, comments and
/// instructions before it are skipped.
fn root(text: &str) -> Option<&str> {
    const MOST_SKIPPED: usize = 64;
    let mut rest = text;
    for _ in 0..MOST_SKIPPED {
        rest = rest.trim_start();
        let end = if rest.starts_with("<!--") {
            rest.find("-->")? + 3
        } else if rest.starts_with("<?") {
            rest.find("?>")? + 2
        } else if rest.starts_with("<!") {
            declaration(rest)?
        } else {
            return rest.strip_prefix('<');
        };
        rest = rest.get(end..)?;
    }
    None
}

/// How long a declaration is, with its internal subset.
fn declaration(text: &str) -> Option<usize> {
    let end = text.find('>')?;
    match text.find('[') {
        Some(opened) if opened < end => {
            let closed = text.find(']')?;
            Some(closed + text.get(closed..)?.find('>')? + 1)
        }
        _ => Some(end + 1),
    }
}
