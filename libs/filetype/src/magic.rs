//! Files that a few bytes tell, PDF behind junk, and tar.

use crate::bytes::{File, find};
use crate::filetype::Filetype;
use crate::kind::Kind;
use crate::kind::Kind::{Archive, Film, Font, Unknown};

/// Offset, magic, kind, media type, extension; the first that fits counts.
const KNOWN: &[(usize, &[u8], Kind, &str, &str)] = &[
    (0, b"\0\x01\0\0\0", Font, "font/ttf", "ttf"),
    (0, b"true\0", Font, "font/ttf", "ttf"),
    (0, b"OTTO\0", Font, "font/otf", "otf"),
    (0, b"ttcf\0", Font, "font/collection", "ttc"),
    (0, b"wOFF", Font, "font/woff", "woff"),
    (0, b"wOF2", Font, "font/woff2", "woff2"),
    (0, b"7z\xbc\xaf\x27\x1c", Archive, "application/x-7z-compressed", "7z"),
    (0, b"Rar!\x1a\x07\0", Archive, "application/vnd.rar", "rar"),
    (0, b"Rar!\x1a\x07\x01\0", Archive, "application/vnd.rar", "rar"),
    (0, b"BZh", Archive, "application/x-bzip2", "bz2"),
    (0, b"\xfd7zXZ\0", Archive, "application/x-xz", "xz"),
    (0, b"\x28\xb5\x2f\xfd", Archive, "application/zstd", "zst"),
    (257, b"ustar", Archive, "application/x-tar", "tar"),
    (0, b"!<arch>\ndebian-binary", Unknown, "application/vnd.debian.binary-package", "deb"),
    (0, b"!<arch>\n", Unknown, "application/x-archive", "a"),
    (0, b"\xed\xab\xee\xdb", Unknown, "application/x-rpm", "rpm"),
    (0, b"MSCF\0\0\0\0", Unknown, "application/vnd.ms-cab-compressed", "cab"),
    (0, b"\x1f\x9d", Unknown, "application/x-compress", "Z"),
    (0, b"\x04\x22\x4d\x18", Unknown, "application/x-lz4", "lz4"),
    (0, b"LZIP\x01", Unknown, "application/x-lzip", "lz"),
    (0, b"070701", Unknown, "application/x-cpio", "cpio"),
    (0, b"hsqs", Unknown, "application/x-squashfs", "sqfs"),
    (0, b"xar!\0\x1c", Unknown, "application/x-xar", "pkg"),
    (32_769, b"CD001", Unknown, "application/x-iso9660-image", "iso"),
    (0, b"FLV\x01", Film, "video/x-flv", "flv"),
    (0, b".RMF\0\0", Film, "application/vnd.rn-realmedia", "rm"),
    (0, b"DKIF\0\0", Film, "video/x-ivf", "ivf"),
    (0, b"YUV4MPEG2 ", Film, "video/x-yuv4mpeg", "y4m"),
    (0, b"nut/multimedia container\0", Film, "video/x-nut", "nut"),
    (
        0,
        b"\xb7\xd8\0\x20\x37\x49\xda\x11\xa6\x4e\0\x07\xe9\x5e\xad\x8d",
        Film,
        "video/x-wtv",
        "wtv",
    ),
    (0, b"BIKi", Film, "video/x-bink", "bik"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Unknown, "application/x-ole-storage", ""),
    (0, b"%!PS-Adobe-3.0 EPSF", Unknown, "application/postscript", "eps"),
    (0, b"%!PS-AdobeFont", Unknown, "application/x-font-type1", "pfa"),
    (0, b"%!FontType1", Unknown, "application/x-font-type1", "pfa"),
    (6, b"%!PS-AdobeFont", Unknown, "application/x-font-type1", "pfb"),
    (6, b"%!FontType1", Unknown, "application/x-font-type1", "pfb"),
    (0, b"%!PS", Unknown, "application/postscript", "ps"),
    (0, b"\xc5\xd0\xd3\xc6", Unknown, "application/postscript", "eps"),
    (0, b"DDS |\0\0\0", Unknown, "image/vnd.ms-dds", "dds"),
    (0, b"icns\0", Unknown, "image/x-icns", "icns"),
    (0, b"\xff\x4f\xff\x51", Unknown, "image/x-jp2-codestream", "j2c"),
    (0, b"gimp xcf ", Unknown, "image/x-xcf", "xcf"),
    (0, b"AT&TFORM", Unknown, "image/vnd.djvu", "djvu"),
    (0, b"BPG\xfb", Unknown, "image/bpg", "bpg"),
    (0, b"SIMPLE  =  ", Unknown, "application/fits", "fits"),
    (0, b"\xd7\xcd\xc6\x9a", Unknown, "image/wmf", "wmf"),
    (40, b" EMF", Unknown, "image/emf", "emf"),
    (0, b"\x0a\x05\x01\x08", Unknown, "image/vnd.zbrush.pcx", "pcx"),
    (128, b"DICM", Unknown, "application/dicom", "dcm"),
    (0, b"MThd\0\0\0\x06", Unknown, "audio/midi", "mid"),
    (0, b"FWS", Unknown, "application/vnd.adobe.flash.movie", "swf"),
    (0, b"CWS", Unknown, "application/vnd.adobe.flash.movie", "swf"),
    (0, b"\x7fELF", Unknown, "application/x-executable", "elf"),
    (0, b"\0asm\x01\0\0\0", Unknown, "application/wasm", "wasm"),
    (0, b"\xca\xfe\xba\xbe\0", Unknown, "application/java-vm", "class"),
    (0, b"\xfe\xed\xfa", Unknown, "application/x-mach-binary", ""),
    (0, b"\xcf\xfa\xed\xfe", Unknown, "application/x-mach-binary", ""),
    (0, b"SQLite format 3\0", Unknown, "application/vnd.sqlite3", "sqlite"),
    (0, b"PAR1", Unknown, "application/vnd.apache.parquet", "parquet"),
    (0, b"\x89HDF\r\n\x1a\n", Unknown, "application/x-hdf5", "h5"),
    (0, b"bplist00", Unknown, "application/x-bplist", "plist"),
    (0, b"L\0\0\0\x01\x14\x02\0", Unknown, "application/x-ms-shortcut", "lnk"),
    (0, b"\xd4\xc3\xb2\xa1", Unknown, "application/vnd.tcpdump.pcap", "pcap"),
    (0, b"\x0a\x0d\x0d\x0a", Unknown, "application/x-pcapng", "pcapng"),
    (0, b"d8:announce", Unknown, "application/x-bittorrent", "torrent"),
    (0, b"AC10", Unknown, "image/vnd.dwg", "dwg"),
    (0, b"glTF\x02\0\0\0", Unknown, "model/gltf-binary", "glb"),
];

/// Looks for the magics, and for what lies in gzip, old executables and embedded fonts.
pub(crate) fn look(file: &mut File<'_>) -> Option<Filetype> {
    if file.has(0, b"%PDF-") {
        return Some(pdf_or_illustrator(file.head));
    }
    if file.has(0, b"\x1f\x8b\x08") {
        return Some(gzip(file.head));
    }
    let found = KNOWN.iter().find(|(offset, magic, ..)| file.is_marked(*offset, magic));
    if let Some((_, _, kind, media_type, extension)) = found {
        return Some(Filetype::of(*kind, media_type, extension));
    }
    if file.has(0, b"MZ") && !file.head.iter().take(64).all(u8::is_ascii) {
        let media_type = "application/vnd.microsoft.portable-executable";
        return Some(Filetype::of(Unknown, media_type, "exe"));
    }
    // An embedded font: its length, then its version, then "LP" within the header.
    let is_eot =
        file.has(34, b"LP") && (file.has(8, b"\x01\0\x02\0") || file.has(8, b"\x02\0\x02\0"));
    is_eot.then(|| Filetype::of(Font, "application/vnd.ms-fontobject", "eot"))
}

/// A PDF may begin a little later, behind a mail's header or a printer's commands.
pub(crate) fn pdf(file: &mut File<'_>) -> Option<Filetype> {
    const MOST_JUNK_BYTES: usize = 1_024;
    let near = file.head.get(..file.head.len().min(MOST_JUNK_BYTES))?;
    let at = find(near, b"%PDF-")?;
    let body = file.head.get(at..)?;
    // A text may speak of it; only a PDF goes on like one.
    let is_one = body.get(5).is_some_and(u8::is_ascii_digit) && find(body, b" obj").is_some();
    is_one.then(|| pdf_or_illustrator(body))
}

fn pdf_or_illustrator(body: &[u8]) -> Filetype {
    let is_illustrator =
        [&b"AIPrivateData"[..], b"/AIMetaData", b"%!PS-Adobe-3.0 %%Creator: Adobe Illustrator"]
            .iter()
            .any(|mark| find(body, mark).is_some());
    if is_illustrator {
        Filetype::of(Kind::Pdf, "application/illustrator", "ai")
    } else {
        Filetype::of(Kind::Pdf, "application/pdf", "pdf")
    }
}

/// A drawing may be compressed whole.
fn gzip(head: &[u8]) -> Filetype {
    const LOOK_BYTES: usize = 2_048;
    let inflated = gzip_body(head).map(|body| crate::zip::inflate(body, LOOK_BYTES));
    let is_svg = inflated.is_some_and(|start| {
        crate::text::of_bytes(&start, true).is_some_and(|found| found.kind == Kind::Svg)
    });
    if is_svg {
        Filetype::of(Kind::Svg, "image/svg+xml", "svgz")
    } else {
        Filetype::of(Archive, "application/gzip", "gz")
    }
}

/// What follows the header of a gzip stream.
fn gzip_body(head: &[u8]) -> Option<&[u8]> {
    let flags = *head.get(3)?;
    let mut rest = head.get(10..)?;
    if flags & 4 != 0 {
        let length = usize::from(crate::bytes::u16_le(rest, 0)?);
        rest = rest.get(2 + length..)?;
    }
    for named in [8, 16] {
        if flags & named != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    rest.get(if flags & 2 != 0 { 2 } else { 0 }..)
}

/// A tar from before there was a magic: its first header's checksum must be right.
pub(crate) fn tar(file: &mut File<'_>) -> Option<Filetype> {
    let header = file.head.first_chunk::<512>()?;
    let field = header.get(148..156)?;
    let digits: Vec<u8> = field
        .iter()
        .copied()
        .skip_while(|byte| *byte == b' ')
        .take_while(u8::is_ascii_digit)
        .collect();
    let claimed = u32::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?;
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    (claimed == sum && header.first() != Some(&0))
        .then(|| Filetype::of(Archive, "application/x-tar", "tar"))
}
