//! What the parts behind the walls say, and what they hand out.

use enclave::frame::{self, HEADER_BYTES};
use enclave::message;

use super::files::file_seeds;

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

pub(super) fn frame_seeds() -> Vec<Vec<u8>> {
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

pub(super) fn word_seeds() -> Vec<Vec<u8>> {
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

pub(super) fn artifact_seeds() -> Vec<Vec<u8>> {
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
