//! Files of strangers.

use std::io;

use domain::limits::Limits;
use domain::wish::PreviewWish;

fn reader(data: &[u8]) -> impl FnMut(u64, &mut [u8]) -> Result<usize, io::Error> + '_ {
    |offset, buffer| {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let count = buffer.len().min(data.len() - from);
        buffer[..count].copy_from_slice(&data[from..from + count]);
        Ok(count)
    }
}

/// What kind of file some bytes are, by head and by a look around.
pub fn kinds(data: &[u8]) {
    let by_head = filetype::sniff(data);
    let around = identified(data);
    for found in [&by_head, &around] {
        assert!(found.media_type.split_once('/').is_some(), "{}", found.media_type);
        assert!(found.media_type.is_ascii() && found.extension.len() <= 8);
    }
    // A length that lies must not matter either.
    let _ = filetype::identify(u64::MAX, reader(data));
}

/// The directory of a zip archive, and where its entries lie.
pub fn listings(data: &[u8]) {
    let mut bytes = |offset: u64, count: usize| {
        assert!(count <= 4 << 20, "asks for {count} bytes");
        let from = usize::try_from(offset).ok()?.min(data.len());
        Some(data[from..from.saturating_add(count).min(data.len())].to_vec())
    };
    let length = data.len() as u64;
    if let Some(directory) = filetype::zip::Directory::read(length, 100, 1 << 20, &mut bytes) {
        assert!(directory.entries.len() <= 100);
        for entry in &directory.entries {
            let _ = filetype::zip::data_of(entry, &mut bytes);
            assert!(filetype::zip::start_of(entry, 64, &mut bytes).len() <= 64);
        }
    }
}

/// What a file is, as renderers find it out.
fn identified(data: &[u8]) -> filetype::Filetype {
    filetype::identify(data.len() as u64, reader(data)).expect("bytes that can be read")
}

struct Bytes<'a>(&'a [u8]);

impl stills::Source for Bytes<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        reader(self.0)(offset, buffer)
    }
}

/// Takes whatever is made and looks whether it may have been.
#[derive(Default)]
struct Tray {
    pages: Option<u32>,
}

impl stills::Sink for Tray {
    fn pages(&mut self, total: u32) -> io::Result<()> {
        assert!(self.pages.replace(total).is_none() && total > 0, "pages told twice, or none");
        Ok(())
    }

    fn artifact(&mut self, made: &stills::Made<'_>) -> io::Result<()> {
        assert!(self.pages.is_some(), "an artifact before the number of pages");
        assert!(!made.bytes.is_empty(), "an artifact without a byte");
        Ok(())
    }
}

/// Limits under which no input takes long.
fn tight() -> Limits {
    Limits {
        pixels: 250_000,
        output_bytes: 4 << 20,
        frames: 20,
        frame_pixels: 2_000_000,
        pages: 4,
        entries: 100,
        expanded_bytes: 4 << 20,
        nesting: 8,
        ..Limits::default()
    }
}

/// Pictures: directories of TIFF, EXIF, what the decoders make of the rest, and what is kept of what
/// they say of themselves.
pub fn pictures(data: &[u8]) {
    let filetype = identified(data);
    if !stills::draws(filetype.kind) {
        return;
    }
    for wish in [
        r#"{"sizes":["16x16"],"pages":"1-2","metadata":["exif","psd","raw"]}"#,
        r#"{"sizes":["16x16"],"pages":"1","format":"webp","options":{"embedded":"keep"}}"#,
    ] {
        let wish: PreviewWish = serde_json::from_str(wish).expect("a wish");
        draw(&wish, |easel| stills::draw(&filetype, &mut Bytes(data), easel));
    }
}

/// Draws, and looks whether what is told keeps to its limit.
fn draw(
    wish: &PreviewWish,
    work: impl FnOnce(stills::Easel<'_>) -> Result<stills::Drawn, stills::Error>,
) {
    let (limits, mut tray) = (tight(), Tray::default());
    let easel = stills::Easel::new(wish, &limits, &mut tray);
    if let Ok(drawn) = work(easel) {
        let metadata = serde_json::to_string(&drawn.metadata).expect("json");
        let most = limits.metadata_bytes as usize + 1_024;
        assert!(metadata.len() <= most, "{} bytes", metadata.len());
    }
}

/// PDF, SVG and Sketch: their parsers, what they come to, and the drawing of small ones.
pub fn drawings(data: &[u8]) {
    let wish: PreviewWish = serde_json::from_str(
        r#"{"sizes":["16x16"],"pages":"1-2","metadata":["document","sketch","ocr"]}"#,
    )
    .expect("a wish");
    let filetype = identified(data);
    if vector::draws(filetype.kind) {
        draw(&wish, |easel| vector::draw(&filetype, &mut Bytes(data), easel, &[]));
    }
}

pub(super) fn drawing_seeds() -> Vec<Vec<u8>> {
    let svg = |body: &str| {
        format!("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>{body}</svg>")
    };
    let pdf = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
        2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
        3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>endobj\n\
        4 0 obj<</Length 22>>stream\n1 0 0 rg 0 0 5 5 re f\nendstream endobj\n\
        trailer<</Root 1 0 R>>\n%%EOF";
    let meta = br#"{"app":"com.bohemiancoding.sketch3","appVersion":"50","version":100,"pagesAndArtboards":{"A":{"name":"one","artboards":{"B":{"name":"two"}}}}}"#;
    let sketch = zip(
        filetype::Kind::Sketch,
        &[
            ("document.json", br#"{"pages":[{"_ref":"pages/A"}]}"#),
            ("meta.json", meta),
            ("pages/A.json", br#"{"layers":[{"do_objectID":"B","frame":{"width":9,"height":5}}]}"#),
            ("previews/preview.png", &file_seeds()[1]),
        ],
    );
    // A picture in JPEG 2000 of four million tiles, whatever its dictionary says.
    let codestream = b"\xff\x4f\xff\x51\0\x2f\0\0\0\0\0\x78\x0b\0\0\x2c\0\0\0\0\0\0\0\0\0\0\0\x78\0\0\0\x2c\
        \0\0\0\0\0\0\0\0\0\x03\x0f\x01\x01\x0f\x01\x01\x0f\x01\x01\xff\x52\0\x0c\0\0\0\x01\x01\x05\x04\x04\0\x01\
        \xff\x5c\0\x13\x40\x80\x88\x88\x90\x88\x88\x90\x88\x88\x90\x88\x88\x90\x88\x88\x90\
        \xff\x90\0\x0a\0\0\0\0\0\0\0\x01\xff\x93\0\0\0\0\xff\xd9";
    let tiles = [
        &b"%PDF-1.5\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
            2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
            3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R\
            /Resources<</XObject<</I 5 0 R>>>>>>endobj\n\
            4 0 obj<</Length 19>>stream\n9 0 0 9 0 0 cm/I Do\nendstream endobj\n\
            5 0 obj<</Type/XObject/Subtype/Image/Width 9/Height 9/BitsPerComponent 8\
            /ColorSpace/DeviceRGB/Filter/JPXDecode/Length 106>>stream\n"[..],
        codestream,
        b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
    ];
    vec![
        sketch,
        tiles.concat(),
        pdf.to_vec(),
        svg("<path d='M0 0C1 2 3 4 5 6L9 9' stroke='#123' fill='none'/>").into_bytes(),
        svg("<style>.a{fill:red}</style><g id='g'><rect class='a' width='5' height='5'/></g>\
             <use href='#g' transform='rotate(9)'/>")
        .into_bytes(),
        svg("<defs><filter id='f'><feGaussianBlur stdDeviation='1'/></filter><mask id='m'>\
             <rect width='9' height='9'/></mask></defs>\
             <circle r='4' filter='url(#f)' mask='url(#m)'/>")
        .into_bytes(),
    ]
}

/// Film, sound, HEIC and AVIF: our own readers of their boxes, and what FFmpeg and libheif make of
/// the rest.
pub fn films(data: &[u8]) {
    let wish: PreviewWish =
        serde_json::from_str(r#"{"sizes":["16x16"],"pages":"1","metadata":["multimedia","exif"]}"#)
            .expect("a wish");
    let filetype = identified(data);
    if av::draws(filetype.kind) {
        draw(&wish, |easel| av::draw(&filetype, &mut Bytes(data), easel));
    }
}

pub(super) fn film_seeds() -> Vec<Vec<u8>> {
    let atom = |name: &[u8; 4], body: &[u8]| {
        [&(body.len() as u32 + 8).to_be_bytes(), &name[..], body].concat()
    };
    let around = |name: &[u8; 4], parts: &[Vec<u8>]| atom(name, &parts.concat());
    // A track with every table that is held against the file, of three samples.
    let numbers = |numbers: &[u32]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    };
    let table = around(
        b"stbl",
        &[
            atom(b"stts", &numbers(&[0, 1, 3, 40])),
            atom(b"stsc", &numbers(&[0, 1, 1, 3, 1])),
            atom(b"stsz", &numbers(&[0, 0, 3, 4, 4, 4])),
            atom(b"ctts", &numbers(&[0, 1, 3, 0])),
            atom(b"stss", &numbers(&[0, 1, 1])),
            atom(b"stco", &numbers(&[0, 1, 32])),
        ],
    );
    let handler = atom(b"hdlr", &[&[0; 8][..], b"vide", &[0; 13]].concat());
    let edits = around(b"edts", &[atom(b"elst", &numbers(&[0, 1, 120, 0, 0x1_0000]))]);
    let media = around(b"mdia", &[handler, around(b"minf", &[table])]);
    let film = [
        atom(b"ftyp", b"isom\0\0\0\0isommp42"),
        atom(b"mdat", &[7; 12]),
        around(b"moov", &[around(b"trak", &[edits, media])]),
    ];
    let fragment = [
        atom(b"ftyp", b"iso5\0\0\0\0iso5dash"),
        around(b"moof", &[around(b"traf", &[atom(b"trun", &numbers(&[0x301, 1, 8, 9, 9]))])]),
        atom(b"mdat", &[7; 12]),
    ];
    // A picture whose properties lie in boxes; the second of its two is the one to be shown.
    let properties = around(b"ipco", &[atom(b"pixi", b"\0\0\0\0\x03\x08\x08\x08")]);
    let links = atom(b"ipma", b"\0\0\0\0\0\0\0\x02\0\x01\x01\x81\0\x02\x01\x02");
    let inside =
        [vec![0; 4], atom(b"pitm", b"\0\0\0\0\0\x02"), around(b"iprp", &[properties, links])];
    let picture = [atom(b"ftyp", b"heic\0\0\0\0mif1heic"), around(b"meta", &inside)];
    let tone: Vec<u8> = (0..400_u32).flat_map(|step| (step as u16 * 97).to_le_bytes()).collect();
    let wave = [
        &b"RIFF\x44\x03\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0"[..],
        b"data\x20\x03\0\0",
        &tone,
    ];
    let avif = atom(b"ftyp", b"avif\0\0\0\0mif1miaf");
    let mut seeds = vec![film.concat(), fragment.concat(), picture.concat(), wave.concat()];
    seeds.push([avif, around(b"meta", &inside)].concat());
    seeds.extend(file_seeds());
    seeds
}

/// Text, mail, archives and what Office files say of themselves.
pub fn documents(data: &[u8]) {
    let wish: PreviewWish = serde_json::from_str(
        r#"{"sizes":["16x16"],"pages":"1-2","metadata":["document","mail","archive","font"]}"#,
    )
    .expect("a wish");
    let found = identified(data);
    if ::documents::draws(found.kind) {
        draw(&wish, |easel| ::documents::draw(&found, &mut Bytes(data), easel, &[]));
    }
    let _ = ::documents::office(&found, &mut Bytes(data), &tight());
    let _ = ::documents::office_thumbnail(&found, &mut Bytes(data), &tight());
}

pub(super) fn document_seeds() -> Vec<Vec<u8>> {
    let mut seeds = file_seeds();
    let types = br#"<Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    let core = b"<cp:coreProperties><dc:title>Words</dc:title><dcterms:created>2026-01-01T00:00:00Z</dcterms:created></cp:coreProperties>";
    let container =
        br#"<container><rootfiles><rootfile full-path="OEBPS/a.opf"/></rootfiles></container>"#;
    let package = br#"<package><metadata><dc:title>A book</dc:title></metadata><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>"#;
    seeds.push(zip(
        filetype::Kind::Office,
        &[
            ("[Content_Types].xml", types),
            ("word/document.xml", b"<w:document/>"),
            ("docProps/core.xml", core),
            ("docProps/thumbnail.jpeg", &seeds[0]),
        ],
    ));
    seeds.push(zip(filetype::Kind::Office, &[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("meta.xml", br#"<meta><dc:title>Words</dc:title><meta:document-statistic meta:page-count="3"/></meta>"#),
        ("Thumbnails/thumbnail.png", &seeds[1]),
    ]));
    seeds.push(zip(
        filetype::Kind::Epub,
        &[
            ("mimetype", b"application/epub+zip"),
            ("META-INF/container.xml", container),
            ("OEBPS/a.opf", package),
            ("OEBPS/a.xhtml", b"<html><body><h1>One</h1><p>two</p></body></html>"),
        ],
    ));
    seeds.extend(
        [
            &b"# Title\n\n- one\n- **two** [x](y)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"[..],
            b"a,b,c\n1,\"2\n3\",4\n",
            b"{\"a\":[1,2,{\"b\":null}]}",
            b"<?xml version='1.0'?><a b='c'><!-- d --><e>&amp;</e></a>",
            b"From: a@example.org\r\nSubject: =?utf-8?q?x?=\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\nContent-Type: text/html\r\n\r\n<p>z</p>\r\n--y--\r\n",
            b"Rar!\x1a\x07\x01\0\x33\x92\xb5\xe5\x0a\x01\x05\x06\0\x05\x01\x01\x80\x80\0",
            b"7z\xbc\xaf\x27\x1c\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0\0\0\0\0",
            b"{\\rtf1{\\info{\\title Words}{\\author Somebody}}text}",
        ]
        .map(<[u8]>::to_vec),
    );
    seeds
}

/// A zip archive of entries that are stored as they are, known as a file of this kind.
fn zip(kind: filetype::Kind, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let place = (file.len() as u32).to_le_bytes();
        let length = (bytes.len() as u32).to_le_bytes();
        let lengths = [crc32(bytes).to_le_bytes(), length, length].concat();
        let name_length = (name.len() as u16).to_le_bytes();
        // Version, flags, method, time and date; behind the lengths, that of nothing more.
        let about =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &lengths, &name_length, &[0, 0]].concat();
        file.extend([b"PK\x03\x04", &about[..], name.as_bytes(), bytes].concat());
        let made_by = b"PK\x01\x02\x14\0";
        directory.extend([made_by, &about[..], &[0; 10], &place, name.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let lies = [(directory.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes()].concat();
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &lies, &[0, 0]].concat();
    let archive = [file, directory, end].concat();
    assert_eq!(identified(&archive).kind, kind, "an archive to begin from");
    archive
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let take = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(u32::MAX, take)
}

/// Small files of the kinds that we can write by hand.
pub(super) fn file_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        &b"\xff\xd8\xff\xe1\0\x2aExif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0\xff\xdb\0\x43\0"[..],
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\x0aIDATx\x9cc`\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xaeB`\x82",
        b"GIF89a\x02\0\x02\0\x80\0\0\0\0\0\xff\xff\xff\x21\xf9\x04\0\x0a\0\0\0,\0\0\0\0\x02\0\x02\0\0\x02\x03\x44\x02\x05\0;",
        b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0\x2f\0\0\0\0\x07\x10\x11\x11\x88\x88\xfe\x07\0",
        b"II*\0\x08\0\0\0\x0a\0\0\x01\x03\0\x01\0\0\0\x02\0\0\0\x01\x01\x03\0\x01\0\0\0\x02\0\0\0\x02\x01\x03\0\x01\0\0\0\x08\0\0\0\x03\x01\x03\0\x01\0\0\0\x01\0\0\0\x06\x01\x03\0\x01\0\0\0\x01\0\0\0\x11\x01\x04\0\x01\0\0\0\x86\0\0\0\x15\x01\x03\0\x01\0\0\0\x01\0\0\0\x16\x01\x03\0\x01\0\0\0\x02\0\0\0\x17\x01\x04\0\x01\0\0\0\x04\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0\x10\x20\x30\x40",
        b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\x14\x1e\0",
        b"8BPS\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x01\0\0\0\x01\0\x08\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\x14\x1e",
        b"qoif\0\0\0\x01\0\0\0\x01\x03\0\xfe\x0a\x14\x1e\0\0\0\0\0\0\0\x01",
        b"P6 1 1 255\n\x0a\x14\x1e",
        b"\0\0\x01\0\x01\0\x01\x01\0\0\x01\0\x20\0\x30\0\0\0\x16\0\0\0\x28\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\x20\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\x14\x1e\xff\0\0\0\0",
        b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x80\x80\x80\x80",
        b"\0\0\x02\0\0\0\0\0\0\0\0\0\x01\0\x01\0\x18\0\x0a\x14\x1e",
        b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\x86\xa6\x10\x36\x05\0\0\0\x05\0\0\0\x05\0\0\0a.txthelloPK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0\0\0\x86\xa6\x10\x36\x05\0\0\0\x05\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\xa4\x81\0\0\0\0a.txtPK\x05\x06\0\0\0\0\x01\0\x01\0\x33\0\0\0\x28\0\0\0\0\0",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x10meta\0\0\0\0\0\0\0\0",
        b"\x1a\x45\xdf\xa3\x8b\x42\x82\x84webm\x42\x87\x81\x02",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x3e\0\x03\0\xfe\xff\x09\0\x06\0",
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/>",
        b"From: a@example.org\r\nSubject: x\r\n\r\nbody",
        b"ID3\x03\0\0\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0\xff\xfb\x90\x64",
    ]
    .iter()
    .map(|seed| seed.to_vec())
    .collect();
    seeds.push(vec![0; 600]);
    seeds
}
