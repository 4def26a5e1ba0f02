//! Archives: what is in them, listed from their directories; never unpacked.
//!
//! Names are shown and marked, never followed. A compressed tar has no directory: it is expanded
//! and thrown away, up to the limit.

mod rar;
mod sevenz;
mod streams;
mod tar;
mod zips;

use domain::limits::Limits;
use domain::wish::MetadataKind;
use filetype::Filetype;
use serde_json::{Map, Value, json};
use stills::{Drawn, Easel, Error, Source};

use crate::facts;
use crate::page::grid::{Column, Grid, Row, Shape, Sign};
use crate::page::letters::{Fonts, Letters, Side};
use crate::page::{self};

/// What an archive says of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) size: Option<u64>,
    pub(crate) compressed: Option<u64>,
    /// `2026-01-31 12:00`
    pub(crate) modified: Option<String>,
    pub(crate) is_directory: bool,
    pub(crate) is_encrypted: bool,
    /// Where a link leads.
    pub(crate) link: Option<String>,
}

impl Entry {
    /// Whether whoever unpacks it must take care: out of the folder, or by way of a link.
    fn is_unsafe(&self) -> bool {
        let leads_out = |path: &str| {
            let path = path.replace('\\', "/");
            path.starts_with('/')
                || path.as_bytes().get(1) == Some(&b':')
                || path.split('/').any(|part| part == "..")
        };
        leads_out(&self.name) || self.link.as_deref().is_some_and(leads_out)
    }
}

/// What an archive says of itself.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Listing {
    pub(crate) format: &'static str,
    pub(crate) entries: Vec<Entry>,
    /// Files and folders altogether, also those not listed.
    pub(crate) total: u64,
    /// There are more than were looked at, or the rest cannot be read.
    pub(crate) is_cut: bool,
    /// Not even the names can be read.
    pub(crate) is_sealed: bool,
}

/// Draws a listing.
pub(crate) fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    mut easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    let length = source.length();
    let listing = list(filetype, source, easel.limits())?;
    let mut letters = Letters::new(fonts);
    let most = easel.limits().pages;
    let mut grid = grid(&listing, length, most, &mut letters);
    let mut metadata = Map::new();
    page::draw_told(&mut grid, &mut easel, &mut metadata)?;
    let told = facts_of(&listing, length, easel.limits());
    facts::put(&mut metadata, MetadataKind::Archive, &easel, told);
    Ok(Drawn { metadata, engines: easel.done() })
}

fn list(filetype: &Filetype, source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    match filetype.media_type {
        "application/x-tar" => tar::plain(source, limits),
        "application/x-7z-compressed" => sevenz::list(source, limits),
        "application/vnd.rar" => rar::list(source, limits),
        "application/gzip" => streams::gzip(source, limits),
        "application/x-bzip2" => streams::bzip2(source, limits),
        "application/x-xz" => streams::xz(source, limits),
        "application/zstd" => streams::zstd(source, limits),
        _ => zips::list(source, limits),
    }
}

fn facts_of(listing: &Listing, length: u64, limits: &Limits) -> Value {
    let sum = |what: fn(&Entry) -> Option<u64>| {
        listing.entries.iter().filter_map(what).fold(0_u64, u64::saturating_add)
    };
    let expanded = sum(|entry| entry.size);
    let entries = listing
        .entries
        .iter()
        .map(|entry| {
            let mut told = Map::new();
            told.insert("name".to_owned(), facts::text(&entry.name));
            let mut put = |name: &str, value: Value| told.insert(name.to_owned(), value);
            if let Some(size) = entry.size.filter(|_| !entry.is_directory) {
                put("size", json!(size));
            }
            if let Some(compressed) = entry.compressed.filter(|_| !entry.is_directory) {
                put("compressed", json!(compressed));
            }
            if let Some(modified) = &entry.modified {
                put("modified", json!(modified));
            }
            if entry.is_directory {
                put("directory", json!(true));
            }
            if entry.is_encrypted {
                put("encrypted", json!(true));
            }
            if let Some(link) = &entry.link {
                put("link", facts::text(link));
            }
            if entry.is_unsafe() {
                put("unsafe", json!(true));
            }
            Value::Object(told)
        })
        .collect();
    let (entries, is_cut) = facts::cut(entries, limits.metadata_bytes as usize / 2);
    let mut told = json!({
        "format": listing.format,
        "total": listing.total,
        "directories": listing.entries.iter().filter(|entry| entry.is_directory).count(),
        "expanded_bytes": expanded,
        "bytes": length,
        "encrypted": listing.is_sealed || listing.entries.iter().any(|entry| entry.is_encrypted),
        "entries": entries,
    });
    if let Value::Object(told) = &mut told {
        if is_cut || listing.is_cut {
            told.insert("truncated".to_owned(), json!(true));
        }
        if expanded > limits.expanded_bytes {
            told.insert("expands_too_much".to_owned(), json!(true));
        }
    }
    told
}

/// The listing as a table.
fn grid<'a>(listing: &Listing, length: u64, most_pages: u32, letters: &'a mut Letters) -> Grid<'a> {
    let is_known = |what: fn(&Entry) -> bool| listing.entries.iter().any(what);
    let packed = is_known(|entry| entry.compressed.is_some());
    let dated = is_known(|entry| entry.modified.is_some());
    let column = |name: &str, side| Column { name: name.to_owned(), side, ..Column::default() };
    let mut columns = vec![column("Name", Side::Start), column("Size", Side::End)];
    if packed {
        columns.push(column("Packed", Side::End));
    }
    if dated {
        columns.push(column("Modified", Side::Start));
    }
    let rows = listing
        .entries
        .iter()
        .map(|entry| {
            let size = |bytes: Option<u64>| {
                bytes.filter(|_| !entry.is_directory).map(bytes_in_words).unwrap_or_default()
            };
            let lock = if entry.is_encrypted { "  (encrypted)" } else { "" };
            let arrow =
                entry.link.as_deref().map(|link| format!(" \u{2192} {link}")).unwrap_or_default();
            let mut cells = vec![format!("{}{arrow}{lock}", entry.name), size(entry.size)];
            if packed {
                cells.push(size(entry.compressed));
            }
            if dated {
                cells.push(entry.modified.clone().unwrap_or_default());
            }
            let warning = entry.is_unsafe().then_some([0xb5, 0x1d, 0x3d]);
            Row { cells, sign: Some(sign(entry)), warning }
        })
        .collect();
    let title = Some((format!("{} archive", listing.format), summary(listing, length)));
    Grid::new(columns, rows, title, most_pages, letters)
}

fn summary(listing: &Listing, length: u64) -> String {
    let folders = listing.entries.iter().filter(|entry| entry.is_directory).count() as u64;
    let files = listing.total.saturating_sub(folders);
    let counted =
        |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut parts = vec![counted(files, "file")];
    if folders > 0 {
        parts.push(counted(folders, "folder"));
    }
    let sizes = || listing.entries.iter().filter_map(|entry| entry.size);
    if sizes().next().is_some() {
        parts.push(bytes_in_words(sizes().fold(0, u64::saturating_add)));
    }
    parts.push(format!("{} packed", bytes_in_words(length)));
    if listing.is_sealed {
        parts =
            vec![format!("{} packed", bytes_in_words(length)), "names are encrypted".to_owned()];
    } else if listing.is_cut {
        parts.push("not all of it is listed".to_owned());
    }
    parts.join("  \u{b7}  ")
}

fn sign(entry: &Entry) -> Sign {
    if entry.is_directory {
        return Sign { colour: [0xe0, 0xa4, 0x2b], shape: Shape::Folder };
    }
    if entry.link.is_some() {
        return Sign { colour: [0x8b, 0x96, 0xa3], shape: Shape::Link };
    }
    let extension = entry.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let colour = match extension.as_str() {
        "jpg" | "jpeg" | "png" | "gif" | "webp" | "svg" | "tif" | "tiff" | "bmp" | "heic"
        | "avif" => [0x2e, 0x8b, 0x57],
        "mp4" | "mov" | "mkv" | "avi" | "webm" => [0xa3, 0x3b, 0xc2],
        "mp3" | "wav" | "flac" | "ogg" | "m4a" => [0xd4, 0x5a, 0x9a],
        "pdf" => [0xc9, 0x37, 0x2c],
        "doc" | "docx" | "xls" | "xlsx" | "ppt" | "pptx" | "odt" | "ods" | "odp" | "rtf" => {
            [0x2b, 0x62, 0xc9]
        }
        "zip" | "gz" | "xz" | "bz2" | "7z" | "rar" | "tar" | "zst" | "jar" => [0xb0, 0x7d, 0x1c],
        "txt" | "md" | "html" | "css" | "js" | "json" | "xml" | "rs" | "py" | "c" | "h"
        | "java" | "go" | "yml" | "yaml" | "toml" => [0x3f, 0x6e, 0x8c],
        _ => [0x8b, 0x96, 0xa3],
    };
    Sign { colour, shape: Shape::Sheet }
}

/// `1.2 MB`
#[allow(clippy::cast_precision_loss, reason = "one digit is shown")]
pub(crate) fn bytes_in_words(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KB", "MB", "GB", "TB", "PB"] {
        if size < 1_000.0 || unit == "PB" {
            return if unit == "B" || size >= 100.0 {
                format!("{size:.0} {unit}")
            } else {
                format!("{size:.1} {unit}")
            };
        }
        size /= 1_000.0;
    }
    bytes.to_string()
}

/// Seconds since 1970 as a date and a time.
pub(crate) fn date_of_seconds(seconds: i64) -> Option<String> {
    let moment = jiff::Timestamp::from_second(seconds).ok()?;
    Some(moment.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string())
}

/// 100 nanoseconds since 1601.
pub(crate) fn date_of_ticks(ticks: u64) -> Option<String> {
    const SECONDS_TO_1970: i64 = 11_644_473_600;
    date_of_seconds(i64::try_from(ticks / 10_000_000).ok()? - SECONDS_TO_1970)
}

/// A date and a time as DOS keeps them.
pub(crate) fn date_of_dos((date, time): (u16, u16)) -> Option<String> {
    let (year, month, day) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
    let (hour, minute) = (time >> 11, time >> 5 & 63);
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    is_date.then(|| format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_out_of_the_folder_is_marked() {
        for (name, link, is_unsafe) in [
            ("a/b.txt", None, false),
            ("a..b/c", None, false),
            ("/etc/passwd", None, true),
            ("../../etc/passwd", None, true),
            ("a/../../b", None, true),
            ("..\\b", None, true),
            ("C:\\b", None, true),
            ("a", Some("b"), false),
            ("a", Some("../b"), true),
            ("a", Some("/etc"), true),
        ] {
            let link = link.map(str::to_owned);
            let entry = Entry { name: name.to_owned(), link, ..Entry::default() };
            assert_eq!(entry.is_unsafe(), is_unsafe, "{name}");
        }
    }

    #[test]
    fn sizes_and_dates_are_told_as_people_write_them() {
        assert_eq!(bytes_in_words(0), "0 B");
        assert_eq!(bytes_in_words(1_234), "1.2 KB");
        assert_eq!(bytes_in_words(123_456_789), "123 MB");
        assert_eq!(date_of_dos((0x5a21, 0x6000)).as_deref(), Some("2025-01-01 12:00"));
        assert_eq!(date_of_dos((0, 0)), None);
        assert_eq!(date_of_seconds(0).as_deref(), Some("1970-01-01 00:00"));
        assert_eq!(date_of_ticks(116_444_736_000_000_000).as_deref(), Some("1970-01-01 00:00"));
        assert_eq!(date_of_ticks(u64::MAX), None);
    }
}
