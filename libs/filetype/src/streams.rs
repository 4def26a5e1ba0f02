//! Containers of moving pictures and sound that say what they are: RIFF, Matroska, Ogg, ASF,
//! MPEG's own.

use crate::bytes::{File, array, find, has};
use crate::filetype::Filetype;
use crate::kind::Kind;

const WAV: Filetype = Filetype::of(Kind::Sound, "audio/x-wav", "wav");

/// Looks for containers.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    let head = file.head;
    match head.first_chunk()? {
        b"RIFF" | b"RIFX" => riff(head),
        b"RF64" | b"BW64" if file.has(8, b"WAVE") => Some(WAV),
        b"FORM" => form(head),
        b"\x1a\x45\xdf\xa3" => Some(matroska(head)),
        b"OggS" => Some(ogg(head)),
        b"\x30\x26\xb2\x75" if file.has(4, b"\x8e\x66\xcf\x11") => Some(windows_media(head)),
        b"\0\0\x01\xba" | b"\0\0\x01\xb3" => Some(Filetype::of(Kind::Film, "video/mpeg", "mpg")),
        b"\0\0\0\x01" => elementary(head),
        [0x1f, 0x07, 0x00, _] if head.get(80).is_some_and(|byte| byte & 0xe0 == 0x20) => {
            Some(Filetype::of(Kind::Film, "video/dv", "dv"))
        }
        _ if is_transport(head) => Some(Filetype::of(Kind::Film, "video/mp2t", "ts")),
        _ if is_mxf(head) => Some(Filetype::of(Kind::Film, "application/mxf", "mxf")),
        _ => None,
    }
}

fn riff(head: &[u8]) -> Option<Filetype> {
    match &array(head, 8)? {
        b"WEBP" => Some(Filetype::of(Kind::Webp, "image/webp", "webp")),
        b"AVI " | b"AVIX" => Some(Filetype::of(Kind::Film, "video/x-msvideo", "avi")),
        b"WAVE" => Some(WAV),
        b"RMID" => Some(Filetype::of(Kind::Unknown, "audio/midi", "rmi")),
        b"ACON" => Some(Filetype::of(Kind::Unknown, "application/x-navi-animation", "ani")),
        _ => None,
    }
}

fn form(head: &[u8]) -> Option<Filetype> {
    match &array(head, 8)? {
        b"AIFF" | b"AIFC" => Some(Filetype::of(Kind::Sound, "audio/x-aiff", "aiff")),
        b"8SVX" | b"16SV" => Some(Filetype::of(Kind::Sound, "audio/x-8svx", "8svx")),
        b"ILBM" | b"PBM " => Some(Filetype::of(Kind::Unknown, "image/x-ilbm", "iff")),
        _ => None,
    }
}

/// The header names the kind of document; the tracks, if they are near, say whether one is to be
/// seen.
fn matroska(head: &[u8]) -> Filetype {
    const TRACKS: &[u8] = b"\x16\x54\xae\x6b";
    /// Track type, one byte long: video.
    const VIDEO: &[u8] = b"\x83\x81\x01";
    const AUDIO: &[u8] = b"\x83\x81\x02";
    let start = head.get(..head.len().min(256)).unwrap_or_default();
    let is_webm = find(start, b"\x42\x82").is_some_and(|at| has(start, at + 3, b"webm"));
    let tracks = find(head, TRACKS).and_then(|at| head.get(at..)).unwrap_or_default();
    let tracks = tracks.get(..tracks.len().min(4_096)).unwrap_or_default();
    let is_sound = find(tracks, AUDIO).is_some() && find(tracks, VIDEO).is_none();
    match (is_webm, is_sound) {
        (true, false) => Filetype::of(Kind::Film, "video/webm", "webm"),
        (true, true) => Filetype::of(Kind::Sound, "audio/webm", "weba"),
        (false, false) => Filetype::of(Kind::Film, "video/x-matroska", "mkv"),
        (false, true) => Filetype::of(Kind::Sound, "audio/x-matroska", "mka"),
    }
}

/// Every stream has a first page of its own, and all of them come first.
fn ogg(head: &[u8]) -> Filetype {
    const MOST_STREAMS: usize = 16;
    let mut rest = head;
    let mut sound = None;
    for _ in 0..MOST_STREAMS {
        let segments = usize::from(rest.get(26).copied().unwrap_or(0));
        let table = rest.get(27..27 + segments).unwrap_or_default();
        let is_first = rest.get(5).is_some_and(|flags| flags & 2 == 2);
        if !has(rest, 0, b"OggS") || !is_first {
            break;
        }
        let body = rest.get(27 + segments..).unwrap_or_default();
        let begins = |magic: &[u8]| body.starts_with(magic);
        if begins(b"\x80theora") || begins(b"BBCD") || begins(b"\x01video") || begins(b"OVP80") {
            return Filetype::of(Kind::Film, "video/ogg", "ogv");
        } else if begins(b"OpusHead") {
            sound = Some("opus");
        } else if begins(b"Speex   ") {
            sound = Some("spx");
        } else if begins(b"\x7fFLAC") {
            sound = Some("oga");
        }
        let length: usize = table.iter().map(|segment| usize::from(*segment)).sum();
        rest = body.get(length..).unwrap_or_default();
    }
    Filetype::of(Kind::Sound, "audio/ogg", sound.unwrap_or("ogg"))
}

fn windows_media(head: &[u8]) -> Filetype {
    const VIDEO: &[u8] = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";
    const AUDIO: &[u8] = b"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";
    if find(head, VIDEO).is_none() && find(head, AUDIO).is_some() {
        Filetype::of(Kind::Sound, "audio/x-ms-wma", "wma")
    } else {
        Filetype::of(Kind::Film, "video/x-ms-asf", "asf")
    }
}

/// A bare H.264 or HEVC stream begins with its parameters.
fn elementary(head: &[u8]) -> Option<Filetype> {
    match array::<2>(head, 4)? {
        [0x67 | 0x27, _] => Some(Filetype::of(Kind::Film, "video/h264", "h264")),
        [0x40, 0x01] => Some(Filetype::of(Kind::Film, "video/h265", "h265")),
        _ => None,
    }
}

/// Packets of 188 bytes, or of 192 with a time stamp before each.
fn is_transport(head: &[u8]) -> bool {
    const LEAST_PACKETS: usize = 3;
    const MOST_PACKETS: usize = 8;
    [(0, 188), (4, 192), (0, 204)].into_iter().any(|(first, length)| {
        let marks: Vec<u8> =
            head.iter().skip(first).step_by(length).take(MOST_PACKETS).copied().collect();
        marks.len() >= LEAST_PACKETS && marks.iter().all(|mark| *mark == 0x47)
            // Text may have a capital G wherever it likes, but is no packet header.
            && head.get(first + 3).is_some_and(|control| control & 0x30 != 0)
            && !head.iter().take(length).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
    })
}

/// A header partition, perhaps behind a run-in of at most 64 KiB.
fn is_mxf(head: &[u8]) -> bool {
    const PARTITION: &[u8] = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02";
    head.starts_with(PARTITION) || head.first() != Some(&b'%') && find(head, PARTITION).is_some()
}
