//! What is fuzzed: every reader of bytes or words that strangers send, as a function of bytes.
//!
//! Nothing is returned: a target is wrong when it panics, hangs, or breaks a promise that it
//! asserts.

use std::io;
use std::path::{Path, PathBuf};

use domain::limits::Limits;
use domain::wish::PreviewWish;
use enclave::frame::{self, HEADER_BYTES};
use enclave::message;

/// A target and what it takes.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, also that of its program.
    pub name: &'static str,
    /// Runs it once.
    pub run: fn(&[u8]),
    /// Well-formed inputs to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How often the short run tries it.
    pub rounds: u32,
}

/// Every target.
pub const ALL: &[Target] = &[
    Target { name: "frames", run: frames, seeds: frame_seeds, rounds: 30_000 },
    Target { name: "kinds", run: kinds, seeds: file_seeds, rounds: 20_000 },
    Target { name: "listings", run: listings, seeds: file_seeds, rounds: 20_000 },
    Target { name: "pictures", run: pictures, seeds: file_seeds, rounds: 2_000 },
    Target { name: "wishes", run: wishes, seeds: wish_seeds, rounds: 20_000 },
    Target { name: "addresses", run: addresses, seeds: address_seeds, rounds: 20_000 },
    Target { name: "envelopes", run: envelopes, seeds: envelope_seeds, rounds: 20_000 },
    Target { name: "events", run: events, seeds: event_seeds, rounds: 10_000 },
    Target { name: "objects", run: objects, seeds: object_seeds, rounds: 20_000 },
    Target { name: "drawings", run: drawings, seeds: drawing_seeds, rounds: 1_500 },
    Target { name: "documents", run: documents, seeds: document_seeds, rounds: 600 },
    Target { name: "artifacts", run: artifacts, seeds: artifact_seeds, rounds: 20_000 },
    Target { name: "words", run: words, seeds: word_seeds, rounds: 20_000 },
    Target { name: "films", run: films, seeds: film_seeds, rounds: 10_000 },
];

/// Lays what a target begins from into the folder that its program was started with: its seeds, and
/// for those that read files small ones of the corpus. For the fuzzer, which then changes them.
pub fn lay_seeds(name: &str) {
    const LARGEST: u64 = 32 << 10;
    const READ_FILES: [&str; 6] =
        ["kinds", "listings", "pictures", "drawings", "documents", "films"];
    let mut words = std::env::args().skip(1);
    let Some(folder) = words.find(|word| !word.starts_with('-')).map(PathBuf::from) else { return };
    let target = ALL.iter().find(|target| target.name == name);
    let mut seeds = target.map_or_else(Vec::new, |target| (target.seeds)());
    if READ_FILES.contains(&name) {
        let mut folders =
            vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/corpus/files")];
        while let Some(entries) = folders.pop().map(std::fs::read_dir) {
            for path in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
                match path.symlink_metadata() {
                    Ok(about) if about.is_dir() => folders.push(path),
                    Ok(about) if about.is_file() && about.len() <= LARGEST => {
                        seeds.extend(std::fs::read(path));
                    }
                    _ => {}
                }
            }
        }
    }
    for (nth, seed) in seeds.iter().enumerate() {
        // A folder that cannot be written is the fuzzer's to complain of.
        let _ = std::fs::write(folder.join(format!("seed-{nth}")), seed);
    }
}

/// The protocol between worker and renderer: headers, then the body of whichever kind.
pub fn frames(data: &[u8]) {
    use frame::{Kind, Vocabulary as _};
    let Some((header, body)) = data.split_first_chunk::<HEADER_BYTES>() else { return };
    if let Ok((kind, length)) = frame::parse_header::<Kind>(*header) {
        assert!(length <= kind.cap() as usize, "{kind:?} of {length}");
        assert_eq!(frame::header(kind, length).expect("within the cap"), *header);
    }
    let _ = frame::decode::<message::Order, _>(Kind::Order, body);
    let _ = frame::decode::<message::Ready, _>(Kind::Ready, body);
    let _ = frame::decode::<message::Read, _>(Kind::Read, body);
    let _ = frame::decode::<message::Sniffed, _>(Kind::Sniffed, body);
    let _ = frame::decode::<message::Pages, _>(Kind::Pages, body);
    let _ = frame::decode::<message::ArtifactMade, _>(Kind::Artifact, body);
    let _ = frame::decode::<message::Handover, _>(Kind::Handover, body);
    let _ = frame::decode::<message::Done, _>(Kind::Done, body);
    if let Ok(failed) = frame::decode::<message::Failed, _>(Kind::Failed, body) {
        let again = frame::encode(Kind::Failed, &failed);
        assert!(again.is_ok() || body.len() > Kind::Failed.cap() as usize / 6);
    }
}

fn frame_seeds() -> Vec<Vec<u8>> {
    let bodies: [(u8, &str); 7] = [
        (
            1,
            r#"{"wish":{"sizes":["100x100"],"pages":"1-3","metadata":["exif"]},"source_bytes":9,"limits":{}}"#,
        ),
        (16, r#"{"protocol":2,"walls":["seccomp"]}"#),
        (17, r#"{"offset":0,"len":65536}"#),
        (18, r#"{"media_type":"image/png","extension":"png","encoding":"binary"}"#),
        (
            20,
            r#"{"role":"rendition","page":1,"size_index":0,"width":9,"height":9,"original_width":9,"original_height":9,"format":"png"}"#,
        ),
        (21, r#"{"metadata":{"exif":{"a":[1]}},"engines":{"x":"1"},"cpu_ms":1,"peak_bytes":2}"#),
        (22, r#"{"code":"corrupt","detail":"x"}"#),
    ];
    let frame = |(kind, body): (u8, &str)| {
        [&[kind][..], &(body.len() as u32).to_le_bytes(), body.as_bytes()].concat()
    };
    bodies.into_iter().map(frame).collect()
}

/// The protocol between worker and the hosts of others' programs, and what Tesseract's table says.
pub fn words(data: &[u8]) {
    use enclave::HostedWord;
    use frame::Vocabulary as _;
    let Some((header, body)) = data.split_first_chunk::<HEADER_BYTES>() else { return };
    if let Ok((word, length)) = frame::parse_header::<HostedWord>(*header) {
        assert!(length <= word.cap() as usize, "{word:?} of {length}");
        assert_eq!(frame::header(word, length).expect("within the cap"), *header);
    }
    let read = HostedWord::ALL.iter().filter(|word| word.reads(body)).count();
    assert!(read < HostedWord::ALL.len(), "one body is every message");
    let (text, table) = body.split_at(body.len() / 2);
    let found = enclave::hosted::Recognised::read(text, table);
    assert!(found.text.chars().all(|letter| !letter.is_control() || "\n\t".contains(letter)));
    assert_eq!(found.confidence.is_some(), found.words > 0, "{found:?}");
    assert!(found.confidence.is_none_or(|sure| (0.0..=100.0).contains(&sure)), "{found:?}");
}

fn word_seeds() -> Vec<Vec<u8>> {
    let bodies: [(u8, &str); 10] = [
        (
            1,
            r#"{"memory_bytes":9,"cpu_s":1,"output_bytes":9,"task":{"office":{"extension":"docx","last_page":1}}}"#,
        ),
        (
            1,
            r#"{"memory_bytes":9,"cpu_s":1,"output_bytes":9,"task":{"ocr":{"languages":["eng"],"data":"/x"}}}"#,
        ),
        (2, r#"{"id":1,"status":200,"url":"https://a.example/","content_type":"text/html"}"#),
        (16, r#"{"protocol":1,"walls":["seccomp"]}"#),
        (17, r#"{"id":0,"url":"https://a.example/","document":true}"#),
        (18, r#"{"product":"pdf"}"#),
        (19, r#"{"page":{"url":"https://a.example/","height":9,"metadata":{"title":"x"}}}"#),
        (19, r#"{"page":null}"#),
        (20, r#"{"code":"corrupt","detail":"x"}"#),
        (
            20,
            "level\tpage_num\n5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t96.5\tword\n5\t1\t1\t1\t1\t2\t0\t0\t9\t9\t-1\t\n",
        ),
    ];
    let frame = |(word, body): (u8, &str)| {
        [&[word][..], &(body.len() as u32).to_le_bytes(), body.as_bytes()].concat()
    };
    bodies.into_iter().map(frame).collect()
}

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
    let around =
        filetype::identify(data.len() as u64, reader(data)).expect("bytes that can be read");
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

/// Pictures: directories of TIFF, EXIF, and what the decoders make of the rest.
pub fn pictures(data: &[u8]) {
    let wish: PreviewWish = serde_json::from_str(
        r#"{"sizes":["16x16"],"pages":"1-2","metadata":["exif","psd","raw"]}"#,
    )
    .unwrap_or_default();
    let filetype = filetype::sniff(data);
    if stills::draws(filetype.kind) {
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

/// PDF and SVG: their parsers, what they come to, and the drawing of small ones.
pub fn drawings(data: &[u8]) {
    let wish: PreviewWish =
        serde_json::from_str(r#"{"sizes":["16x16"],"pages":"1-2","metadata":["document","ocr"]}"#)
            .unwrap_or_default();
    let filetype = filetype::sniff(data);
    if vector::draws(filetype.kind) {
        draw(&wish, |easel| vector::draw(&filetype, &mut Bytes(data), easel, &[]));
    }
}

fn drawing_seeds() -> Vec<Vec<u8>> {
    let svg = |body: &str| {
        format!("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>{body}</svg>")
    };
    let pdf = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
        2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
        3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>endobj\n\
        4 0 obj<</Length 22>>stream\n1 0 0 rg 0 0 5 5 re f\nendstream endobj\n\
        trailer<</Root 1 0 R>>\n%%EOF";
    vec![
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
        serde_json::from_str(r#"{"sizes":["16x16"],"metadata":["multimedia","exif"]}"#)
            .unwrap_or_default();
    let filetype = filetype::sniff(data);
    if av::draws(filetype.kind) {
        draw(&wish, |easel| av::draw(&filetype, &mut Bytes(data), easel));
    }
}

fn film_seeds() -> Vec<Vec<u8>> {
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
    .unwrap_or_default();
    let found = filetype::identify(data.len() as u64, reader(data)).expect("bytes");
    if ::documents::draws(found.kind) {
        draw(&wish, |easel| ::documents::draw(&found, &mut Bytes(data), easel, &[]));
    }
    let _ = ::documents::office(&found, &mut Bytes(data), &tight());
    let _ = ::documents::office_thumbnail(&found, &mut Bytes(data), &tight());
}

fn document_seeds() -> Vec<Vec<u8>> {
    let mut seeds = file_seeds();
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

/// What a renderer hands out: is it of its kind, and as large as it says?
pub fn artifacts(data: &[u8]) {
    use domain::wish::Format;
    use std::io::Write as _;
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(data).expect("written");
    for format in [
        Format::Png,
        Format::Jpg,
        Format::Webp,
        Format::Gif,
        Format::Avif,
        Format::Mp4,
        Format::Vtt,
        Format::Json,
    ] {
        for dimensions in [(0, 0), (1, 1), (320, 180)] {
            let _ = enclave::looks_like(&file, format, dimensions);
        }
    }
}

fn artifact_seeds() -> Vec<Vec<u8>> {
    let mut seeds = file_seeds();
    seeds.extend(
        [
            &b"WEBVTT\n\n00:00.000 --> 00:06.000\nstoryboard.jpg#xywh=0,0,160,90\n"[..],
            b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf\0\0\0\x10meta\0\0\0\0\0\0\0\0",
            b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08moov\0\0\0\x08mdat",
            b"{\"peaks\":[0,1]}",
            b"\xff\xd8\xff\xc0\0\x11\x08\0\xb4\x01\x40\x03\x01\x22\0\x02\x11\x01\x03\x11\x01",
        ]
        .map(<[u8]>::to_vec),
    );
    seeds
}

/// Small files of the kinds that we can write by hand.
fn file_seeds() -> Vec<Vec<u8>> {
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

/// What callers write in requests: sizes, pages, options, wishes, limits.
pub fn wishes(data: &[u8]) {
    use domain::wish::{Background, Extra, Format, Language, MetadataKind, Moment, Pages};
    let text = String::from_utf8_lossy(data);
    if let Ok(pages) = Pages::parse(&text) {
        let again = Pages::parse(&String::from(pages.clone()));
        assert!(again.is_ok_and(|again| again == pages), "{text:?} is not read back");
    }
    if let Ok(size) = domain::size::Size::parse(&serde_json::Value::from(&*text)) {
        let spelled = serde_json::to_value(&size).expect("json");
        assert!(serde_json::from_value::<domain::size::Size>(spelled).is_ok(), "{text:?}");
    }
    let _ = (Format::parse(&text), MetadataKind::parse(&text), Moment::parse(&text));
    let _ = (Background::parse(&text), Language::parse(&text), Extra::parse(&text));
    if let Ok(wish) = serde_json::from_slice::<PreviewWish>(data) {
        let written = serde_json::to_vec(&wish).expect("json");
        let again: PreviewWish = serde_json::from_slice(&written).expect("what was written");
        assert_eq!(again, wish);
    }
    let _ = serde_json::from_slice::<Limits>(data);
}

fn wish_seeds() -> Vec<Vec<u8>> {
    [
        "1", "1-3", "1,3,5", "all", "100", "100x200", "x200", "100x", "640x480>", "original",
        "#ff8800", "50%", "1:02:03.5", "deu+eng", "jpeg", "exif",
        r##"{"sizes":["100x100",{"width":5}],"format":"webp","pages":"1-3","metadata":["exif","ocr"],"options":{"quality":80,"background":"#fff","crop":"fill"}}"##,
        r#"{"pixels":5,"renderer_memory_bytes":1}"#,
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .to_vec()
}

/// URLs of sources and webhooks, and the operator's list of networks.
pub fn addresses(data: &[u8]) {
    use egress::{AllowList, HookUrl, Plaintext, SourceUrl};
    let text = String::from_utf8_lossy(data);
    if let Ok(url) = SourceUrl::parse(&text) {
        let exposed = url.expose();
        assert!(exposed.starts_with("http://") || exposed.starts_with("https://"), "{exposed}");
        assert!(exposed.is_ascii() && !exposed.contains(['#', ' ', '\n', '\r', '\0']), "{exposed}");
        let host = exposed.split('/').nth(2).unwrap_or_default();
        assert!(!host.contains('@') && !host.is_empty(), "credentials or no host in {exposed}");
        assert!(SourceUrl::parse(exposed).is_ok(), "{exposed} is not read back");
    }
    if let Ok(url) = HookUrl::parse(&text, Plaintext::Refused) {
        assert!(url.expose().starts_with("https://"), "{}", url.expose());
    }
    let _ = text.parse::<AllowList>();
}

fn address_seeds() -> Vec<Vec<u8>> {
    [
        "https://example.org/a/b.jpg?x=1#y",
        "http://user:pass@example.org:8080/",
        "https://[::ffff:127.0.0.1]/",
        "http://0x7f.1/",
        "http://xn--bcher-kva.example/\u{fc}",
        "https://example.org./%2e%2e/a",
        "HTTPS:\\\\example.org\\a",
        "10.0.0.0/8, [fd00::]/8:443, 127.0.0.1:9000",
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .to_vec()
}

/// Sealed envelopes and wrapped keys: nothing but what was sealed ever opens.
pub fn envelopes(data: &[u8]) {
    use std::sync::OnceLock;
    /// A ring as an installation has one, made once.
    static RING: OnceLock<vault::MasterKeys> = OnceLock::new();
    let ring = RING.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        vault::MasterKeys::open_or_create(&folder.path().join("ring")).expect("a ring")
    });
    assert!(ring.unwrap("a", data).is_err(), "something opened that was never wrapped");
    let good = ring.wrap("a", &vault::DataKey::generate());
    assert!(ring.unwrap("b", &good).is_err(), "a key opened under another name");
    // One byte of a good one changed, wherever the input says.
    if let (Some(place), Some(change)) = (data.first(), data.get(1).filter(|change| **change != 0))
    {
        let mut bad = good;
        let at = usize::from(*place) % bad.len();
        bad[at] ^= change;
        assert!(ring.unwrap("a", &bad).is_err(), "opened with byte {at} changed");
    }
    let _ = serde_json::from_slice::<domain::Sealed>(data);
}

fn envelope_seeds() -> Vec<Vec<u8>> {
    let whole = [&[1][..], &[7; 8], &[0x5a; 48]].concat();
    vec![whole, vec![1; 40], vec![0, 1], br#"{"key":"a","text":"AAAA"}"#.to_vec()]
}

/// Events as a stream may hold them: headers and body, and the chain over them.
pub fn events(data: &[u8]) {
    let mut lines = data.splitn(6, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (subject, kind, id, time) = (line(), line(), line(), line());
    let mut headers = eventlog::Headers::default();
    for (name, value) in
        [("ce-specversion", "1.0"), ("ce-type", &kind), ("ce-id", &id), ("ce-time", &time)]
    {
        headers.push(name, value);
    }
    headers.push("darkroom-prev", line());
    let body = lines.next().unwrap_or_default().to_vec().into();
    let raw = eventlog::Raw { stream: "S".to_owned(), subject, seq: 1, headers, body };
    let _ = raw.decode::<domain::job::Jobs>();
    let _ = raw.decode::<domain::account::Accounts>();
    let _ = raw.decode::<domain::delivery::Deliveries>();
    assert_eq!(raw.hash(), raw.clone().hash());
    let _ = eventlog::verify_chain([&raw, &raw]);
    let _ = (raw.traceparent(), raw.event_name());
}

fn event_seeds() -> Vec<Vec<u8>> {
    let zeroes = "0".repeat(64);
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    [("job", "started"), ("account", "opened"), ("delivery", "owed")]
        .map(|(aggregate, name)| {
            format!(
                "darkroom.{aggregate}.{id}.{id}.{name}\ndarkroom.{aggregate}.{name}.v1\n{id}\n\
                 2026-01-01T00:00:00Z\n{zeroes}\n{{\"type\":\"{name}\",\"attempt\":1}}"
            )
            .into_bytes()
        })
        .to_vec()
}

/// What a caller says of the objects to be stored: their headers and their prefix.
pub fn objects(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let _ = storage::ObjectHeaders::parse(pairs);
    if let Ok(prefix) = storage::layout::Prefix::parse(&text) {
        let made = prefix.as_str();
        assert!(!made.starts_with('/') && (made.is_empty() || made.ends_with('/')), "{made:?}");
        assert!(!made.split('/').any(|part| part == ".."), "{made:?}");
    }
}

fn object_seeds() -> Vec<Vec<u8>> {
    [
        "a/b/c",
        "/a/",
        "",
        "../x",
        "a//b",
        "x-amz-acl: private\nx-amz-meta-a: b",
        "cache-control: max-age=1\nexpires: Thu, 01 Jan 1970 00:00:00 GMT\nx-amz-tagging: a=b&c=d",
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .to_vec()
}
