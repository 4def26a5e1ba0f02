//! What the parts behind the walls say over a whole job, word after word, and what they were told by
//! strangers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use domain::limits::Limits;
use domain::wish::{Extra, PreviewWish};
use enclave::frame::{Kind, Vocabulary as _};
use enclave::hosted::HostedError;
use enclave::socket::Socket;
use enclave::tally::{Said, Tally};
use enclave::{RenderEvent, RenderJob, fuzzed};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use serde_json::Value;

/// The most words of one conversation: as many as a socket holds that nobody reads yet.
const MOST_WORDS: usize = 64;
/// How long one takes at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of what is made.
const MADE_BYTES: u64 = 4_096;
/// With this begins a file that is left unsealed.
const UNSEALED: u8 = b'!';

/// A word, and what lies in the file beside it.
struct Spoken<'a> {
    kind: u8,
    body: &'a [u8],
    file: Option<&'a [u8]>,
}

impl Spoken<'_> {
    fn frame(&self) -> Vec<u8> {
        [&[self.kind][..], &(self.body.len() as u32).to_le_bytes(), self.body].concat()
    }
}

/// Frames, one behind the other, and what is none any more. Behind a zero byte of a body, which JSON
/// never has, lies the file that comes beside it.
fn spoken(mut data: &[u8]) -> (Vec<Spoken<'_>>, &[u8]) {
    let mut words = Vec::new();
    while let Some(([kind, length @ ..], rest)) = data.split_first_chunk::<5>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((body, rest)) = rest.split_at_checked(length) else { break };
        let file = body.iter().position(|byte| *byte == 0);
        let (body, file) = file.map_or((body, None), |at| (&body[..at], Some(&body[at + 1..])));
        words.push(Spoken { kind: *kind, body, file });
        data = rest;
        if words.len() == MOST_WORDS {
            break;
        }
    }
    (words, data)
}

fn speak(words: &[(u8, &str, Option<&[u8]>)]) -> Vec<u8> {
    let word = |(kind, body, file): &(u8, &str, Option<&[u8]>)| {
        let file = file.map(|file| [&[0], file].concat()).unwrap_or_default();
        Spoken { kind: *kind, body: &[body.as_bytes(), &file].concat(), file: None }.frame()
    };
    words.iter().flat_map(word).collect()
}

fn memory_file(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create("x", MemfdFlags::ALLOW_SEALING).expect("a file"));
    file.write_all(bytes).expect("written");
    file.rewind().expect("rewound");
    file
}

fn sealed(bytes: &[u8]) -> OwnedFd {
    let file = memory_file(bytes);
    if bytes.first() != Some(&UNSEALED) {
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
        fcntl_add_seals(&file, seals).expect("sealed");
    }
    file.into()
}

/// What a renderer says over its job: nothing passes that was not asked for, or is larger than it may
/// be.
pub fn renderers(data: &[u8]) {
    let mut wish: PreviewWish =
        serde_json::from_str(r#"{"sizes":["20x10"],"pages":"1-2","metadata":["exif","ocr"]}"#)
            .expect("a wish");
    wish.options.extras = [Extra::Storyboard, Extra::Layers, Extra::Peaks].into();
    let limits = Limits { artifacts: 6, pixels: 10_000, ..tight() };
    let mut tally = Tally::new(RenderJob { wish, source_bytes: 9, limits });
    let (mut bytes, mut artifacts) = (0, 0);
    for word in spoken(data).0 {
        let known = Kind::ALL.iter().find(|kind| kind.byte() == word.kind);
        let Some(kind) = known else { break };
        match tally.take(*kind, word.body, word.file.map(sealed)) {
            Ok(Said::Event(RenderEvent::Artifact(made))) => {
                assert!(u64::from(made.width) * u64::from(made.height) <= limits.pixels);
                assert_eq!(made.file.metadata().expect("known").len(), made.bytes);
                (bytes, artifacts) = (bytes + made.bytes, artifacts + 1);
            }
            Ok(Said::Event(RenderEvent::PageToRead(page))) => bytes += page.bytes,
            Ok(Said::Event(RenderEvent::Sniffed(kind))) => {
                assert!(kind.media_type.is_ascii() && !kind.media_type.contains('\n'));
            }
            Ok(Said::Event(RenderEvent::Pages { total })) => assert!(total > 0),
            Ok(Said::Done(done)) => {
                let most = limits.metadata_bytes as usize + 1_024;
                assert!(serde_json::to_vec(&done.metadata).expect("json").len() <= most);
                break;
            }
            Ok(Said::Handover(_)) | Err(_) => break,
        }
        assert!(bytes <= MADE_BYTES && artifacts <= limits.artifacts, "{bytes} of {artifacts}");
    }
}

fn tight() -> Limits {
    Limits { metadata_bytes: 4_096, output_bytes: MADE_BYTES, ..Limits::default() }
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    [&head[..], &width.to_be_bytes(), &height.to_be_bytes()].concat()
}

pub(super) fn renderer_seeds() -> Vec<Vec<u8>> {
    let sniffed = r#"{"media_type":"image/png","extension":"png","encoding":"binary"}"#;
    let made = r#"{"role":"rendition","page":1,"size_index":0,"format":"png","width":20,"height":10,"original_width":40,"original_height":20}"#;
    let done = r#"{"metadata":{"exif":{"a":[1]}},"engines":{"x":"1"},"cpu_ms":1,"peak_bytes":2}"#;
    let handover = format!(r#"{{"to":"av","so_far":{done}}}"#);
    let layer = r#"{"role":"layer","page":3,"size_index":0,"format":"png","width":6,"height":3,"original_width":40,"original_height":20}"#;
    let cues = r#"{"role":"storyboard_cues","page":1,"size_index":0,"format":"vtt","width":0,"height":0,"original_width":0,"original_height":0}"#;
    let peaks = r#"{"role":"peaks","page":1,"size_index":0,"format":"json","width":0,"height":0,"original_width":0,"original_height":0}"#;
    let table = b"WEBVTT\n\n00:00.000 --> 00:01.000\nstoryboard.png#xywh=0,0,1,1\n";
    let (picture, small) = (png(20, 10), png(6, 3));
    let pages = (19, r#"{"total":1}"#, None);
    let begun = [(18, sniffed, None), pages];
    let whole = [
        &begun[..],
        &[
            (20, made, Some(&picture[..])),
            (20, layer, Some(&small[..])),
            (20, cues, Some(&table[..])),
            (20, peaks, Some(br#"{"peaks":[0,1]}"#)),
            (24, r#"{"page":1,"width":20,"height":10}"#, Some(&picture[..])),
            (21, done, None),
        ],
    ];
    vec![
        speak(&whole.concat()),
        speak(&[(18, sniffed, None), (23, &handover, None)]),
        speak(&[(22, r#"{"code":"corrupt","detail":"x\u0007"}"#, None)]),
        speak(&[&begun[..], &[(20, made, Some(b"!unsealed"))]].concat()),
    ]
}

/// What a host says over its job, through a socket, with whatever lies behind its last word.
pub fn hosts(data: &[u8]) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (ours, theirs) = (Socket(OwnedFd::from(ours)), Socket(OwnedFd::from(theirs)));
    let until = Instant::now() + PATIENCE;
    let (words, rest) = spoken(data);
    for word in words {
        let file = word.file.map(sealed);
        let beside = file.as_ref().map(|file| file.as_fd());
        theirs.send(&word.frame(), beside, Some(until)).expect("sent");
    }
    theirs.send(rest, None, Some(until)).expect("sent");
    drop(theirs);
    let limits = tight();
    match fuzzed::hear_out(&ours, &limits, until) {
        Ok((files, said)) => {
            assert!(files <= 3, "{files} files");
            let bytes = serde_json::to_vec(&said).expect("json").len();
            assert!(bytes <= limits.metadata_bytes as usize, "{bytes} bytes");
            assert!(said.values().all(is_without_controls), "{said:?}");
        }
        Err(HostedError::Failed { detail, .. }) => {
            assert!(!detail.chars().any(char::is_control), "{detail:?}");
        }
        Err(_) => {}
    }
}

fn is_without_controls(value: &Value) -> bool {
    let is_fine = |text: &str| !text.chars().any(char::is_control);
    match value {
        Value::String(text) => is_fine(text),
        Value::Array(values) => values.iter().all(is_without_controls),
        Value::Object(fields) => {
            fields.iter().all(|(key, value)| is_fine(key) && is_without_controls(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

pub(super) fn host_seeds() -> Vec<Vec<u8>> {
    let ask = r#"{"id":0,"url":"https://a.example/","document":true}"#;
    let done = r#"{"page":{"url":"https://a.example/","height":9,"metadata":{"title":"x\u0007","open_graph":{"og:\u0007":["a",{}]}}}}"#;
    let made = |product: &str| format!(r#"{{"product":"{product}"}}"#);
    let (viewport, full, text) = (made("viewport"), made("full"), made("text"));
    let picture = png(20, 10);
    let whole = [
        (17, ask, None),
        (18, &viewport, Some(&picture[..])),
        (18, &full, Some(&picture[..])),
        (18, &text, Some(&b""[..])),
        (19, done, None),
    ];
    vec![
        speak(&whole),
        speak(&[(18, &full, None)]),
        speak(&[(18, &full, Some(&picture)), (18, &full, Some(&picture))]),
        speak(&[(18, &text, Some(b"!unsealed"))]),
        speak(&[(20, r#"{"code":"corrupt","detail":"a\u0007b"}"#, None)]),
        speak(&[(16, r#"{"protocol":1,"walls":[]}"#, None)]),
        [&speak(&[(17, ask, None)])[..], b"\x13\xff\xff\xff\xff{"].concat(),
    ]
}

/// What is read behind the walls of a host: answers of oEmbed, what a browser says of a page, and the
/// fonts that are lent.
pub fn pages(data: &[u8]) {
    if let Some(told) = fuzzed::oembed(memory_file(data).into()) {
        assert!(!told.contains_key("html"), "markup of a stranger's");
        assert!(told.values().all(|value| !value.is_object() && !value.is_array()), "{told:?}");
    }
    if let Ok(said) = serde_json::from_slice(data)
        && let Some((_, link)) = fuzzed::oembed_link(&said)
    {
        assert!(link.starts_with("https://") || link.starts_with("http://"), "{link}");
    }
    let ends = data.iter().filter(|byte| **byte == 0).count();
    assert!(fuzzed::devtools(memory_file(data).into()) <= ends);
    let (fonts, whole_bytes) = fuzzed::fonts(data);
    let bytes: usize = fonts.iter().map(|font| font.len()).sum();
    assert!(bytes <= data.len().min(whole_bytes), "{bytes} bytes of fonts");
}

pub(super) fn page_seeds() -> Vec<Vec<u8>> {
    const TABLE: usize = 65;
    let lengths = BTreeMap::from([(0, 2_u64), (1, 5), (2, 8)]);
    let slot = |at| lengths.get(&at).copied().unwrap_or_default().to_le_bytes();
    let fonts: Vec<u8> = (0..TABLE).flat_map(slot).chain([7; 16]).collect();
    vec![
        br#"{"version":"1.0","type":"video","title":" A film ","width":"640","height":360,"provider_url":"https://films.example/","html":"<iframe>"}"#.to_vec(),
        br#"{"oembed":[{"type":"text/xml+oembed","href":"https://a.example/xml"},{"type":"application/json+oembed","href":"https://a.example/json"}]}"#.to_vec(),
        b"{\"id\":1,\"result\":{}}\0{\"method\":\"Page.loadEventFired\",\"params\":{\"a\":1}}\0{".to_vec(),
        fonts,
    ]
}
