//! Sound that says what it is: tags, magics.

use crate::bytes::File;
use crate::filetype::Filetype;
use crate::frames;
use crate::kind::Kind;

/// Magic, media type, extension.
const MAGICS: &[(&[u8], &str, &str)] = &[
    (b"fLaC", "audio/flac", "flac"),
    (b"caff\0\x01", "audio/x-caf", "caf"),
    (b"#!AMR\n", "audio/amr", "amr"),
    (b"#!AMR-WB\n", "audio/amr-wb", "awb"),
    (b".snd\0", "audio/basic", "au"),
    (b"wvpk", "audio/x-wavpack", "wv"),
    (b"MAC ", "audio/x-ape", "ape"),
    (b"MPCK", "audio/x-musepack", "mpc"),
    (b"MP+", "audio/x-musepack", "mpc"),
    (b"TTA1", "audio/x-tta", "tta"),
    (b"DSD \x1c\0\0\0", "audio/x-dsf", "dsf"),
    (b"FRM8\0\0", "audio/x-dff", "dff"),
    (b"riff\x2e\x91\xcf\x11", "audio/x-w64", "w64"),
    (b"\x7f\xfe\x80\x01", "audio/vnd.dts", "dts"),
    (b"Creative Voice File\x1a", "audio/x-voc", "voc"),
    (b".ra\xfd", "audio/x-realaudio", "ra"),
];

/// Looks for tags and magics.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    if file.has(0, b"ID3") {
        return Some(tagged(file));
    }
    marked(|magic| file.is_marked(0, magic))
}

fn marked(begins: impl Fn(&[u8]) -> bool) -> Option<Filetype> {
    let found = MAGICS.iter().find(|(magic, ..)| begins(magic));
    found.map(|(_, media_type, extension)| Filetype::of(Kind::Sound, media_type, extension))
}

/// ID3 stands before other sound than MP3, too.
fn tagged(file: &mut File<'_>) -> Filetype {
    let mpeg = Filetype::of(Kind::Sound, "audio/mpeg", "mp3");
    let Some([flags, lengths @ ..]) = file.head.get(5..).and_then(<[u8]>::first_chunk::<5>) else {
        return mpeg;
    };
    let length = lengths.iter().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    let behind = file.bytes(10 + length + footer, frames::ENOUGH_BYTES);
    marked(|magic| behind.starts_with(magic)).or_else(|| frames::of(&behind)).unwrap_or(mpeg)
}
