//! Files sent in parts by links alone, from programs and from pages, and read by ranges.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use jiff::SignedDuration;
use storage::{Error, Part, Presigned, Ranges, Uploads};
use url::Url;

use crate::world::{World, admin, destination, noise, now, put, send, writer};

const MINUTE: Duration = Duration::from_secs(60);
const PART: usize = 5 << 20;
const KEY: &str = "uploads/a/b";

struct Begun {
    world: World,
    uploads: Uploads,
    name: String,
    file: Vec<u8>,
}

impl Begun {
    async fn new() -> Self {
        let world = World::start().await;
        let uploads =
            Uploads::open(destination(&world.endpoint, admin()), &world.network).await.unwrap();
        let name = uploads.begin(KEY).await.unwrap();
        Self { world, uploads, name, file: noise(2 * PART + 7) }
    }

    fn part(&self, number: u64) -> &[u8] {
        self.file.chunks(PART).nth(number as usize - 1).unwrap()
    }

    async fn link(&self, number: u64) -> Presigned {
        let part = (number, self.part(number).len() as u64);
        self.uploads.presign_part(KEY, &self.name, part, now(), MINUTE).await.unwrap()
    }

    async fn send(&self, number: u64) -> String {
        let link = self.link(number).await;
        let reply = send(Method::PUT, &link.url, &link.headers, self.part(number)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.header("etag").trim_matches('"').to_owned()
    }

    async fn parts(&self) -> BTreeMap<u64, Part> {
        self.uploads.parts(KEY, &self.name).await.unwrap().unwrap()
    }

    async fn ranges(&self) -> Ranges {
        let place = destination(&self.world.endpoint, admin());
        Ranges::open(place, &self.world.network).await.unwrap()
    }
}

async fn read(ranges: &Ranges, place: (u64, u64)) -> Vec<u8> {
    let mut range = ranges.read(KEY, place, None).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = range.chunk().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(bytes.len() as u64, range.length);
    bytes
}

#[tokio::test]
async fn parts_sent_with_links_make_the_file_in_whatever_order_they_came() {
    let begun = Begun::new().await;
    assert!(begun.parts().await.is_empty());
    for number in [3, 1, 2] {
        assert_eq!(begun.send(number).await.len(), 32);
    }
    // One that is sent again replaces the one before.
    begun.send(2).await;
    let parts = begun.parts().await;
    let sizes: Vec<u64> = parts.values().map(|part| part.size_bytes).collect();
    assert_eq!(sizes, [PART as u64, PART as u64, 7]);
    assert!(matches!(begun.ranges().await.describe(KEY).await, Err(Error::MissingObject(_))));
    begun.uploads.complete(KEY, &begun.name, &parts).await.unwrap();
    let ranges = begun.ranges().await;
    let described = ranges.describe(KEY).await.unwrap();
    assert_eq!(described.size_bytes, begun.file.len() as u64);
    assert!(read(&ranges, (0, 1 << 40)).await == begun.file);
    for (offset, length) in [(0, 10), (PART - 3, 6), (begun.file.len() - 2, 99)] {
        let end = (offset + length).min(begun.file.len());
        let found = read(&ranges, (offset as u64, length as u64)).await;
        assert!(found == begun.file[offset..end], "{offset}+{length}");
    }
    let range = ranges.read(KEY, (0, 10), None).await.unwrap();
    assert_eq!(range.of, described, "each range tells the version that it is of");
}

#[tokio::test]
async fn a_link_is_for_one_part_of_one_size_and_for_nothing_once_the_upload_is_over() {
    let begun = Begun::new().await;
    let link = begun.link(3).await;
    let signed = |name: &String| name != "content-length";
    let longer: Vec<_> = link.headers.iter().filter(|(name, _)| signed(name)).cloned().collect();
    assert_ne!(longer, link.headers, "the size is signed");
    assert_eq!(send(Method::PUT, &link.url, &longer, b"longer than seven").await.status, 403);
    let other = Url::parse(&link.url.as_str().replace("partNumber=3", "partNumber=2")).unwrap();
    assert_ne!(other, link.url);
    assert_eq!(send(Method::PUT, &other, &link.headers, b"1234567").await.status, 403);
    assert_eq!(send(Method::GET, &link.url, &[], b"").await.status, 403);
    let (part, old) = ((3, 7), now() - SignedDuration::from_secs(120));
    let old = begun.uploads.presign_part(KEY, &begun.name, part, old, MINUTE).await.unwrap();
    assert_eq!(send(Method::PUT, &old.url, &old.headers, b"1234567").await.status, 403);
    for number in 1..=3 {
        begun.send(number).await;
    }
    begun.uploads.complete(KEY, &begun.name, &begun.parts().await).await.unwrap();
    let late = send(Method::PUT, &link.url, &link.headers, b"1234567").await;
    assert!(late.status.is_client_error(), "{}", late.status);
    assert!(read(&begun.ranges().await, (0, 1 << 40)).await == begun.file);
}

#[tokio::test]
async fn what_is_aborted_leaves_nothing() {
    let begun = Begun::new().await;
    begun.send(1).await;
    begun.uploads.abort(KEY, &begun.name).await.unwrap();
    let link = begun.link(2).await;
    let late = send(Method::PUT, &link.url, &link.headers, begun.part(2)).await;
    assert!(late.status.is_client_error(), "{}", late.status);
    let left = std::fs::read_dir(begun.world.data.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("part-")), "{left:?}");
}

#[tokio::test]
async fn a_page_may_send_parts_and_read_their_tags() {
    let begun = Begun::new().await;
    let link = begun.link(3).await;
    let origin = ("origin".to_owned(), "https://shop.example".to_owned());
    let asks = |method: &str| {
        let method = ("access-control-request-method".to_owned(), method.to_owned());
        let headers = ("access-control-request-headers".to_owned(), "content-type".to_owned());
        [origin.clone(), method, headers]
    };
    let preflight = send(Method::OPTIONS, &link.url, &asks("PUT"), b"").await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(preflight.header("access-control-allow-methods").contains("PUT"));
    assert_eq!(preflight.header("access-control-allow-headers"), "content-type");
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    assert_eq!(send(Method::OPTIONS, &link.url, &asks("DELETE"), b"").await.status, 403);
    let mut headers = link.headers.clone();
    headers.push(origin.clone());
    let sent = send(Method::PUT, &link.url, &headers, begun.part(3)).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert_eq!(sent.header("access-control-allow-origin"), "*");
    assert!(sent.header("access-control-expose-headers").contains("ETag"));
    // A preflight opens nothing by itself.
    let mut unsigned = link.url.clone();
    unsigned.set_query(None);
    let refused = send(Method::PUT, &unsigned, &[origin], begun.part(3)).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn reading_tells_what_is_missing_empty_or_denied() {
    let world = World::start().await;
    put(&world.bucket(admin()).await, "empty", b"").await.unwrap();
    let ranges = |keys| Ranges::open(destination(&world.endpoint, keys), &world.network);
    let all = ranges(admin()).await.unwrap();
    let empty = all.read("empty", (0, 10), None).await.unwrap();
    assert_eq!((empty.of.size_bytes, empty.length), (0, 0));
    assert!(matches!(all.read("none", (0, 9), None).await, Err(Error::MissingObject(_))));
    assert!(matches!(all.describe("none").await, Err(Error::MissingObject(_))));
    assert!(matches!(all.read("../a", (0, 9), None).await, Err(Error::Key(_))));
    let none = ranges(writer()).await.unwrap();
    assert!(matches!(none.read("empty", (0, 9), None).await, Err(Error::Denied(_))));
}
