//! Magic numbers and a look at text.

use crate::Kind;

/// How much of a file is looked at, in bytes.
pub const HEAD_BYTES: usize = 64 << 10;

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filetype {
    /// IANA media type.
    pub media_type: &'static str,
    /// The usual extension, without dot; empty if there is none.
    pub extension: &'static str,
    /// Encoding in libmagic's words: `binary`, `us-ascii`, `utf-8`.
    pub encoding: &'static str,
    /// How it is drawn.
    pub kind: Kind,
}

/// Looks at a file's first 64 KiB or fewer.
#[must_use]
pub fn sniff(head: &[u8]) -> Filetype {
    let (media_type, extension, kind) = match picture(head) {
        Some((kind, media_type, extension)) => (media_type, extension, kind),
        None => match other(head) {
            Some((media_type, extension)) => (media_type, extension, kind_of(media_type)),
            None => return text(head),
        },
    };
    Filetype { media_type, extension, encoding: "binary", kind }
}

fn picture(head: &[u8]) -> Option<(Kind, &'static str, &'static str)> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    if starts(b"\xff\xd8\xff") {
        Some((Kind::Jpeg, "image/jpeg", "jpg"))
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        Some((Kind::Png, "image/png", "png"))
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Some((Kind::Gif, "image/gif", "gif"))
    } else if starts(b"RIFF") && at(head, 8, b"WEBP") {
        Some((Kind::Webp, "image/webp", "webp"))
    } else if is_tiff(head) && !at(head, 8, b"CR") {
        Some((Kind::Tiff, "image/tiff", "tiff"))
    } else if starts(b"BM") && is_bitmap(head) {
        Some((Kind::Bmp, "image/bmp", "bmp"))
    } else {
        None
    }
}

fn is_tiff(head: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| head.starts_with(*magic))
}

/// `BM` alone begins many a text; the length of the second header must be one that exists.
fn is_bitmap(head: &[u8]) -> bool {
    let length = head.get(14..18).and_then(|bytes| bytes.first_chunk().copied());
    length.is_some_and(|bytes| {
        [12, 16, 40, 52, 56, 64, 108, 124].contains(&u32::from_le_bytes(bytes))
    })
}

fn at(head: &[u8], offset: usize, magic: &[u8]) -> bool {
    head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
}

/// Kinds that are known but not drawn: offset, magic, media type, extension.
const KNOWN: &[(usize, &[u8], &str, &str)] = &[
    (0, b"%PDF-", "application/pdf", "pdf"),
    (0, b"8BPS", "image/vnd.adobe.photoshop", "psd"),
    (8, b"CR", "image/x-canon-cr2", "cr2"),
    (0, b"\0\0\x01\0", "image/vnd.microsoft.icon", "ico"),
    (0, b"\xff\x0a", "image/jxl", "jxl"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl", "jxl"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2", "jp2"),
    (0, b"qoif", "image/qoi", "qoi"),
    (0, b"\x76\x2f\x31\x01", "image/x-exr", "exr"),
    (0, b"#?RADIANCE", "image/vnd.radiance", "hdr"),
    (4, b"ftypavi", "image/avif", "avif"),
    (4, b"ftyphei", "image/heic", "heic"),
    (4, b"ftyphev", "image/heic", "heic"),
    (4, b"ftypmif1", "image/heif", "heif"),
    (4, b"ftypmsf1", "image/heif", "heif"),
    (4, b"ftypcrx", "image/x-canon-cr3", "cr3"),
    (4, b"ftypqt", "video/quicktime", "mov"),
    (4, b"ftypM4A", "audio/mp4", "m4a"),
    (4, b"ftyp3g", "video/3gpp", "3gp"),
    (4, b"ftyp", "video/mp4", "mp4"),
    (4, b"moov", "video/quicktime", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "video/x-matroska", "mkv"),
    (8, b"AVI ", "video/x-msvideo", "avi"),
    (8, b"WAVE", "audio/x-wav", "wav"),
    (0, b"FLV\x01", "video/x-flv", "flv"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf", "asf"),
    (0, b"\0\0\x01\xba", "video/mpeg", "mpg"),
    (0, b"ID3", "audio/mpeg", "mp3"),
    (0, b"\xff\xfb", "audio/mpeg", "mp3"),
    (0, b"fLaC", "audio/flac", "flac"),
    (0, b"OggS", "application/ogg", "ogg"),
    (0, b"FORM", "audio/x-aiff", "aiff"),
    (
        30,
        b"mimetypeapplication/vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.text",
        "odt",
    ),
    (30, b"mimetypeapplication/epub+zip", "application/epub+zip", "epub"),
    (0, b"PK\x03\x04", "application/zip", "zip"),
    (0, b"PK\x05\x06", "application/zip", "zip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage", "doc"),
    (0, b"{\\rtf", "text/rtf", "rtf"),
    (0, b"\x1f\x8b", "application/gzip", "gz"),
    (0, b"BZh", "application/x-bzip2", "bz2"),
    (0, b"\xfd7zXZ\0", "application/x-xz", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd", "zst"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed", "7z"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar", "rar"),
    (257, b"ustar", "application/x-tar", "tar"),
    (0, b"\x7fELF", "application/x-executable", ""),
    (0, b"wOFF", "font/woff", "woff"),
    (0, b"wOF2", "font/woff2", "woff2"),
    (0, b"OTTO\0", "font/otf", "otf"),
    (0, b"\0\x01\0\0\0", "font/ttf", "ttf"),
];

/// How files of a media type are drawn.
fn kind_of(media_type: &str) -> Kind {
    match media_type {
        "application/pdf" => Kind::Pdf,
        "image/vnd.adobe.photoshop" => Kind::Psd,
        "image/x-canon-cr2" | "image/x-canon-cr3" => Kind::Raw,
        "image/vnd.microsoft.icon" => Kind::Ico,
        "image/jxl" => Kind::Jxl,
        "image/qoi" => Kind::Qoi,
        "image/x-exr" => Kind::Exr,
        "image/vnd.radiance" => Kind::Hdr,
        "image/avif" => Kind::Avif,
        "image/heic" | "image/heif" => Kind::Heic,
        "image/svg+xml" => Kind::Svg,
        "application/epub+zip" => Kind::Epub,
        "application/x-ole-storage" | "text/rtf" | "application/vnd.oasis.opendocument.text" => {
            Kind::Office
        }
        "application/ogg" => Kind::Sound,
        "application/zip"
        | "application/gzip"
        | "application/x-bzip2"
        | "application/x-xz"
        | "application/zstd"
        | "application/x-7z-compressed"
        | "application/vnd.rar"
        | "application/x-tar" => Kind::Archive,
        "text/html" => Kind::Html,
        _ => match media_type.split_once('/') {
            Some(("video", _)) => Kind::Film,
            Some(("audio", _)) => Kind::Sound,
            Some(("font", _)) => Kind::Font,
            Some(("text", _)) => Kind::Text,
            _ => Kind::Unknown,
        },
    }
}

fn other(head: &[u8]) -> Option<(&'static str, &'static str)> {
    KNOWN
        .iter()
        .find(|(offset, magic, ..)| at(head, *offset, magic))
        .map(|(_, _, media_type, extension)| (*media_type, *extension))
}

/// Text if there is no control character in it that text does not have.
fn text(head: &[u8]) -> Filetype {
    let head = head.get(..HEAD_BYTES).unwrap_or(head);
    let valid = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        // Cut in the middle of a character by us, not by the file.
        Err(error) if error.error_len().is_none() && head.len() == HEAD_BYTES => {
            head.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
        }
        Err(_) => None,
    };
    let printable = |letter: char| {
        !letter.is_control() || matches!(letter, '\t' | '\n' | '\r' | '\x0c' | '\x1b')
    };
    match valid.filter(|text| !text.is_empty() && text.chars().all(printable)) {
        Some(text) => {
            let encoding = if text.is_ascii() { "us-ascii" } else { "utf-8" };
            let (media_type, extension) = markup(text);
            Filetype { media_type, extension, encoding, kind: kind_of(media_type) }
        }
        None => Filetype {
            media_type: "application/octet-stream",
            extension: "",
            encoding: "binary",
            kind: Kind::Unknown,
        },
    }
}

fn markup(text: &str) -> (&'static str, &'static str) {
    const BEGINNING_CHARS: usize = 1_024;
    let beginning: String = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .chars()
        .take(BEGINNING_CHARS)
        .collect::<String>()
        .to_ascii_lowercase();
    if beginning.starts_with("<svg") || beginning.starts_with("<?xml") && beginning.contains("<svg")
    {
        ("image/svg+xml", "svg")
    } else if beginning.starts_with("<!doctype html") || beginning.starts_with("<html") {
        ("text/html", "html")
    } else if beginning.starts_with("<?xml") {
        ("text/xml", "xml")
    } else {
        ("text/plain", "txt")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_bytes() {
        for (head, media_type, encoding) in [
            (&b"\xff\xd8\xff\xe0"[..], "image/jpeg", "binary"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp", "binary"),
            (b"II*\0\x08\0\0\0", "image/tiff", "binary"),
            (b"II*\0\x10\0\0\0CR\x02\0", "image/x-canon-cr2", "binary"),
            (b"%PDF-1.7", "application/pdf", "binary"),
            (b"\0\0\0\x18ftypmp42", "video/mp4", "binary"),
            (b"\0\0\0\x18ftypheic", "image/heic", "binary"),
            (b"PK\x03\x04", "application/zip", "binary"),
            (b"BMW is a maker of cars, this is text", "text/plain", "us-ascii"),
            ("Gr\u{fc}\u{df}e".as_bytes(), "text/plain", "utf-8"),
            (b"<?xml version='1.0'?><svg/>", "image/svg+xml", "us-ascii"),
            (b"#EXTM3U\n/etc/passwd", "text/plain", "us-ascii"),
            (b"\x01\x02\x03", "application/octet-stream", "binary"),
            (b"", "application/octet-stream", "binary"),
        ] {
            let sniffed = sniff(head);
            assert_eq!((sniffed.media_type, sniffed.encoding), (media_type, encoding));
        }
    }
}
