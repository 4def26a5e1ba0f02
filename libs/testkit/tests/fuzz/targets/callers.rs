//! What callers and operators write.

use domain::endpoint::TopicFilter;
use domain::limits::Limits;
use domain::source::Source;
use domain::wish::PreviewWish;
use vault::webhook::SigningSecret;

/// What callers write in requests: sizes, pages, options, wishes, limits, sources, topics, secrets.
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
    let _ = (Source::parse(&text), domain::scope::parse_all(text.split(' ')));
    let _ = (SigningSecret::read(&text), storage::CustomerKey::parse(&text));
    let topics = [text.parse(), TopicFilter::of_history(&text)];
    for topic in topics.into_iter().flatten() {
        let spelled = String::from(topic.clone());
        assert_eq!(TopicFilter::of_history(&spelled).ok(), Some(topic), "{spelled}");
    }
}

pub(super) fn wish_seeds() -> Vec<Vec<u8>> {
    [
        "1", "1-3", "1,3,5", "all", "100", "100x200", "x200", "100x", "640x480>", "original",
        "#ff8800", "50%", "1:02:03.5", "deu+eng", "jpeg", "exif",
        r##"{"sizes":["100x100",{"width":5}],"format":"webp","pages":"1-3","metadata":["exif","ocr"],"options":{"quality":80,"background":"#fff","crop":"fill"}}"##,
        r#"{"pixels":5,"renderer_memory_bytes":1}"#,
        "upload:01890a5d-ac96-774b-bcce-b302099a8057", "s3://pictures/a/b.jpg",
        "jobs:read jobs:write", "job.completed", "member.*",
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
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

pub(super) fn address_seeds() -> Vec<Vec<u8>> {
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

pub(super) fn object_seeds() -> Vec<Vec<u8>> {
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
