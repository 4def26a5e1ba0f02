//! What others say over the network: callers of the API, servers that are asked, customers on NATS.

use bytes::Bytes;
use domain::Timestamp;
use domain::id::AccountId;
use domain::source::Source;
use egress::{RESPONSE_BYTES_KEPT, SourceUrl};
use eventlog::callout;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The longest that an endpoint may ask to be left alone, in seconds.
const LONGEST_S: u64 = 86_400;
/// A secret that an endpoint may have been told.
const SECRET: &str = "s3cret-token";
/// The longest name of a file, in bytes.
const NAME_BYTES: usize = 255;

/// The first line, the headers behind it, and what stands behind an empty line.
fn message(data: &[u8]) -> (String, HeaderMap, &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((data, &[][..]), |at| (&data[..at], &data[at + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(header) {
        headers.append(name, value);
    }
    (first, headers, body)
}

/// A request of the API, read by every endpoint: path, query, headers, body.
pub fn requests(data: &[u8]) {
    let (target, headers, body) = message(data);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let body = Bytes::copy_from_slice(body);
    if let Some(preview) = api::fuzzed::read(path, query, headers, body) {
        assert!(Source::parse(&preview.source).is_ok(), "{} is not read back", preview.source);
        assert!(preview.canonical.starts_with(b"{\"callback_url\":"), "{:?}", preview.canonical);
    }
}

pub(super) fn request_seeds() -> Vec<Vec<u8>> {
    [
        "/v1/events?types=job.*,upload.started&after=JOBS:1,UPLOADS:2&follow=true\n\
         last-event-id: JOBS:123,DELIVERIES:45\naccept: text/event-stream",
        "/v1/jobs?status=failed&limit=5&cursor=00&as_of=2026-11-22T12:00:00Z\n\
         cookie: a=b; __Host-darkroom_session=0123456789012345678901234567890123456789012\n\
         sec-fetch-site: same-origin\norigin: https://darkroom.example",
        "/v1/deliveries?endpoint=01890a5d-ac96-774b-bcce-b302099a8057&status=due&topic=job.failed&since=2026-11-22T12:00:00Z&format=csv\n\
         x-forwarded-for: 10.0.0.1, 192.0.2.1",
        "/v1/audit/events?stream=JOBS&event=completed&from_seq=1&to_seq=9&limit=2&after=JOBS:3",
        "/v1/usage?from=2026-11-01&to=2026-11-22&format=csv\nif-none-match: W/\"a\", \"b\"",
        "/v2/previews\nauthorization: Basic ZGtfdGVzdF9hOmRzX3Rlc3RfYg==\nidempotency-key: a-1\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n\n\
         {\"url\":\"https://a.example/b.pdf\",\"sizes\":[\"100x100\",200,{\"width\":5}],\"pages\":\"1-3\",\
         \"format\":\"webp\",\"metadata\":[\"exif\",\"all\"],\"options\":{\"quality\":80,\"at\":[\"0:05\",\"50%\"],\"crop\":\"fill\"},\
         \"data\":{\"a\":[1,null]},\"callback_url\":\"https://a.example/hook\",\"uploader\":{\"type\":\"s3\"}}",
        "/v1/destination\n\n{\"bucket\":\"films\",\"region\":\"eu-west-1\",\"access_key\":\"AKIAEXAMPLE7QXA\",\"secret_key\":\"s\",\
         \"prefix\":\"a/b\",\"encryption\":{\"type\":\"sse_kms\",\"key_id\":\"k\"},\"headers\":{\"cache-control\":\"max-age=1\"}}",
        "/v1/inputs\n\n{\"region\":\"eu-west-1\",\"bucket\":\"films\",\"prefix\":\"in\",\"access_key\":\"A\",\"secret_key\":\"s\"}",
        "/v1/endpoints\n\n{\"url\":\"https://a.example/hook\",\"topics\":[\"job.*\"],\"schedule\":[1,2],\"headers\":{\"a\":\"b\"}}",
        "/v1/endpoints/x/replays\n\n{\"from_seq\":1,\"to_seq\":9,\"since\":\"2026-11-22T12:00:00Z\",\"only\":\"exhausted\",\"stream\":\"JOBS\"}",
        "/v1/applications\n\n{\"label\":\"a\",\"scopes\":[\"jobs:read\"],\"origins\":[\"https://a.example\"],\"expires_at\":\"2027-11-22T12:00:00Z\"}",
        "/v1/uploads\n\n{\"file_name\":\"a.pdf\",\"size_bytes\":9,\"checksum\":{\"crc32c\":\"471627f4\"},\"part_bytes\":5242880}",
        "/v1/uploads/x/complete\n\n{\"parts\":[{\"number\":1,\"etag\":\"a\"}],\"checksum\":{\"crc32c\":\"471627f4\"}}",
        "/v1/uploads/x/parts\n\n{\"numbers\":[1,2]}",
        "/v1/sessions\n\n{\"email\":\"a@b.example\",\"password\":\"x\",\"totp\":\"123456\"}",
        "/v1/account\n\n{\"label\":\"a\",\"keep_media\":false,\"rotate_webhook_secret\":true}",
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .to_vec()
}

/// An answer of a server that a source is fetched from, or of an endpoint: the source's URL, headers,
/// body.
pub fn answers(data: &[u8]) {
    let (url, headers, body) = message(data);
    if let Ok(from) = SourceUrl::parse(&url) {
        let read = egress::fuzzed::answer(&from, &headers);
        let secure = |url: &SourceUrl| url.expose().starts_with("https://");
        if let Some(to) = read.redirected {
            assert!(secure(&to) || !secure(&from), "{} leads to {}", from.expose(), to.expose());
        }
        if let Some(name) = read.file_name {
            assert!((1..=NAME_BYTES).contains(&name.len()) && name != "..", "{name:?}");
            let unsafe_ones = |c: char| c.is_control() || matches!(c, '/' | '\\');
            assert!(!name.contains(unsafe_ones), "{name:?}");
        }
    }
    let field = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = Timestamp::UNIX_EPOCH;
    let not_before = dispatcher::fuzzed::not_before(field, now, LONGEST_S);
    let latest = now.as_second() + LONGEST_S as i64;
    assert!(not_before.is_none_or(|at| at.as_second() <= latest), "{field}");
    let excerpt = egress::fuzzed::excerpt(body);
    assert!(excerpt.len() <= RESPONSE_BYTES_KEPT && !excerpt.chars().any(char::is_control));
    let kept = dispatcher::fuzzed::redact(excerpt, &[SECRET]);
    assert!(kept.len() <= RESPONSE_BYTES_KEPT && !kept.contains(SECRET), "{kept}");
}

pub(super) fn answer_seeds() -> Vec<Vec<u8>> {
    [
        "https://a.example/b/c.png?d\ncontent-range: bytes 0-99/1000\netag: \"x\"\ncontent-length: 9\n\
         content-disposition: attachment; filename=\"a \\\"b\\\".png\"; filename*=UTF-8''na%C3%AFve.png",
        "https://a.example/%2e%2e/d%00e\nlocation: //user:pass@b.example/x#y\ncontent-encoding: gzip",
        "http://a.example/\nlocation: /../a?b\nlast-modified: Sun, 06 Nov 1994 08:00:00 GMT\n\
         date: Sun, 06 Nov 1994 08:01:00 GMT\ntransfer-encoding: chunked\ncontent-range: bytes 5-9/*",
        "x\nretry-after: 120\n\nmy token is s3cret-token\u{202e}",
        "x\nretry-after: Sun, 22 Nov 2026 00:10:00 GMT\n\ns3cret-to",
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .to_vec()
}

/// What a customer asks for on NATS: a stream, a subject, and the wish for a consumer, which never
/// reaches beyond the customer's own account.
pub fn subscribers(data: &[u8]) {
    let own: AccountId = OWN.parse().expect("an account");
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (stream, subject) = (String::from_utf8_lossy(line()), String::from_utf8_lossy(line()));
    if let Some(filter) = callout::fuzzed::consumer(own, &stream, line()) {
        assert_eq!(filter.split('.').nth(2), Some(OWN), "{filter:?} is of others, too");
        assert!(!filter.contains(char::is_whitespace) && filter.is_ascii(), "{filter:?}");
    }
    let _ = callout::fuzzed::is_answered(&subject);
    let _ = callout::fuzzed::owner(&subject);
    if callout::fuzzed::is_own(own, &subject) {
        assert!(subject.contains(OWN) && !subject.contains(['*', '>', ' ']), "{subject:?}");
    }
}

/// The account that asks.
const OWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

pub(super) fn subscriber_seeds() -> Vec<Vec<u8>> {
    let config = r#"{"stream_name":"JOBS","action":"create","config":{"durable_name":"1","ack_policy":"explicit","deliver_policy":"by_start_sequence","opt_start_seq":7,"ack_wait":30000000000,"max_batch":9,"description":"a","filter_subject":""#;
    let filtered = |rest: &str| format!(r#"{config}darkroom.job.{OWN}.{rest}"}}}}"#);
    vec![
        format!("JOBS\nCONSUMER.CREATE.JOBS.1\n{}", filtered("*.completed")).into_bytes(),
        format!("JOBS\nCONSUMER.MSG.NEXT.JOBS.1\n{}", filtered(">")).into_bytes(),
        format!("UPLOADS\n{OWN}-1\n{{\"config\":{{\"ack_policy\":\"none\"}}}}").into_bytes(),
        format!("DELIVERIES\n_INBOX.{OWN}.a.b\n{{\"config\":{{}}}}").into_bytes(),
        b"JOBS\nSTREAM.NAMES\n{}".to_vec(),
    ]
}
