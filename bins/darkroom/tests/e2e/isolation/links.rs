//! Pre-signed links: each does the one thing that it was signed for, to the one object, for its time.

use std::time::Duration;

use serde_json::json;
use service::{Clock as _, SystemClock};
use storage::{Bucket, Network, Patience, Secret};
use testkit::{Answer, Caller};
use url::Url;

use super::{Tenant, Two, never, text};
use crate::jobs;

const BYTES: &[u8] = b"what the owner hands in";
const OTHER: &[u8] = b"what a stranger brings.";

/// An upload that has begun, and the link to its only part.
struct Begun {
    id: String,
    link: Url,
    headers: Vec<(String, String)>,
}

async fn begin(of: &Tenant) -> Begun {
    let wish = json!({ "file_name": "a.bin", "size_bytes": BYTES.len() });
    let begun = of.ask("POST", "/v1/uploads", &wish).await;
    assert_eq!(begun.status, 201, "{}", begun.json());
    let begun = begun.json();
    let part = &begun["parts"][0];
    let headers = part["headers"].as_object().unwrap().iter();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    Begun {
        id: text(&begun, "id"),
        link: text(part, "url").parse().unwrap(),
        headers: headers.collect(),
    }
}

async fn send(
    caller: &Caller,
    method: &str,
    link: &Url,
    headers: &[(String, String)],
    bytes: &[u8],
) -> Answer {
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    caller.ask(method, link.as_str(), &headers, bytes.to_vec()).await
}

/// The link with one parameter said otherwise; `None`: not at all.
fn with(link: &Url, name: &str, value: Option<&str>) -> Url {
    let pairs: Vec<(String, String)> = link.query_pairs().into_owned().collect();
    assert!(pairs.iter().any(|(known, _)| known == name), "{name} in {link}");
    let mut changed = link.clone();
    let mut query = changed.query_pairs_mut();
    query.clear();
    for (known, old) in pairs {
        match (known == name, value) {
            (true, None) => {}
            (true, Some(value)) => drop(query.append_pair(&known, value)),
            (false, _) => drop(query.append_pair(&known, &old)),
        }
    }
    drop(query);
    changed
}

fn more(link: &Url, name: &str, value: &str) -> Url {
    let mut changed = link.clone();
    changed.query_pairs_mut().append_pair(name, value);
    changed
}

fn path(link: &Url, path: &str) -> Url {
    let mut changed = link.clone();
    changed.set_path(path);
    changed
}

fn parameter(link: &Url, name: &str) -> String {
    let found = link.query_pairs().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("{name} in {link}")).1.into_owned()
}

/// What a link can be turned into by whoever holds it and one of another: every part of it said
/// otherwise, one at a time.
fn forged(link: &Url, others: &Url) -> Vec<(String, Url)> {
    let own = link.path();
    let folder = own.rsplit_once('/').unwrap().0;
    let mut forged = vec![
        ("the other's object".to_owned(), path(link, others.path())),
        ("the other's link to this object".to_owned(), path(others, own)),
        ("the bucket".to_owned(), path(link, &format!("/{}", own.split('/').nth(1).unwrap()))),
        ("all buckets".to_owned(), path(link, "/")),
        ("its folder".to_owned(), path(link, &format!("{folder}/"))),
        ("one beside it".to_owned(), path(link, &format!("{own}x"))),
        ("one below it".to_owned(), path(link, &format!("{own}/x"))),
        ("two slashes".to_owned(), path(link, &own.replacen('/', "//", 1))),
    ];
    for (name, value) in [
        ("X-Amz-Expires", "604800"),
        ("X-Amz-Date", "29990101T000000Z"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Credential", "AKOTHER/20990101/us-east-1/s3/aws4_request"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1"),
        ("X-Amz-Signature", &"0".repeat(64)),
        ("X-Amz-Signature", &parameter(others, "X-Amz-Signature")),
    ] {
        if parameter(link, name) != value {
            forged.push((format!("{name} {value}"), with(link, name, Some(value))));
        }
        forged.push((format!("no {name}"), with(link, name, None)));
    }
    for (name, value) in [("acl", ""), ("versionId", "x"), ("partNumber", "2"), ("uploads", "")] {
        forged.push((format!("{name} besides"), more(link, name, value)));
    }
    forged
}

/// Whether that is a no, whether or not the server knows what it says no to.
fn is_no(answer: &Answer) -> bool {
    (400..500).contains(&answer.status) || answer.status == 501
}

/// Sends what was forged with every method; none of it is done.
async fn refused(
    caller: &Caller,
    what: &str,
    link: &Url,
    headers: &[(String, String)],
    own_method: &str,
) {
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
        let bytes = if ["PUT", "POST"].contains(&method) { OTHER } else { b"" };
        let answer = send(caller, method, link, headers, bytes).await;
        let said = String::from_utf8_lossy(&answer.body);
        assert!(
            is_no(&answer),
            "{what} by {method} instead of {own_method}: {} {said}",
            answer.status
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_send_a_part_sends_that_part_to_that_upload_and_does_nothing_else() {
    let two = Two::start().await;
    let (owner, stranger) = (&two.owner, &two.stranger);
    let (own, theirs) = (begin(owner).await, begin(stranger).await);
    assert!(own.link.path().contains(&owner.account) && own.link.path().contains(&own.id));
    assert!(theirs.link.path().contains(&stranger.account));
    let caller = &stranger.caller;

    let mut tried = forged(&own.link, &theirs.link);
    tried.extend(forged(&theirs.link, &own.link));
    for (link, other) in [(&own.link, &theirs.link), (&theirs.link, &own.link)] {
        let foreign = parameter(other, "uploadId");
        tried.push(("another upload".to_owned(), with(link, "uploadId", Some(&foreign))));
        tried.push(("no upload".to_owned(), with(link, "uploadId", None)));
        tried.push(("another part".to_owned(), with(link, "partNumber", Some("2"))));
        tried.push(("no part".to_owned(), with(link, "partNumber", None)));
        let whole = with(&with(link, "uploadId", None), "partNumber", None);
        tried.push(("the whole object".to_owned(), whole));
    }
    assert!(tried.len() > 40, "{}", tried.len());
    for (what, link) in &tried {
        refused(caller, what, link, &own.headers, "PUT").await;
    }
    // As it is, for anything but sending: reading, listing parts, completing, aborting.
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        let answer = send(caller, method, &own.link, &own.headers, b"").await;
        assert!(is_no(&answer), "{method} {}", answer.status);
    }
    // More, or less, than was announced.
    for bytes in [&OTHER[1..], b"", &OTHER.repeat(2)] {
        let answer = send(caller, "PUT", &own.link, &own.headers, bytes).await;
        assert_eq!(answer.status, 403, "{} bytes", bytes.len());
    }

    // Nothing has come of it: what was meant arrives, whole, where it was meant to.
    for (of, begun, bytes) in [(owner, &own, BYTES), (stranger, &theirs, OTHER)] {
        let seen = of.caller.get(&format!("/v1/uploads/{}", begun.id)).await.json();
        assert_eq!(seen["received"]["size_bytes"], 0, "{seen}");
        let sent = send(&of.caller, "PUT", &begun.link, &begun.headers, bytes).await;
        assert_eq!(sent.status, 200, "{:?}", sent.body);
        let etag = sent.headers["etag"].to_str().unwrap();
        let checksum = json!({ "crc32c": format!("{:08x}", crc32c::crc32c(bytes)) });
        let parts = json!([{ "number": 1, "etag": etag }]);
        let complete = json!({ "parts": parts, "checksum": checksum });
        let path = format!("/v1/uploads/{}/complete", begun.id);
        // With all of it in hand, another account completes nothing.
        let other = if of.account == owner.account { stranger } else { owner };
        for (method, path) in [
            ("POST", path.clone()),
            ("POST", format!("/v1/uploads/{}/parts", begun.id)),
            ("DELETE", format!("/v1/uploads/{}", begun.id)),
            ("GET", format!("/v1/uploads/{}", begun.id)),
        ] {
            assert_eq!(other.ask(method, &path, &complete).await.status, 404, "{method} {path}");
        }
        let answer = of.ask("POST", &path, &complete).await;
        assert_eq!(answer.status, 202, "{}", answer.json());
        uploaded(of, &begun.id).await;
    }
    a_job_reads_uploads_of_its_own_account_alone(&two, &own.id).await;
    // What is complete takes nothing more.
    let late = send(caller, "PUT", &own.link, &own.headers, OTHER).await;
    assert!(is_no(&late), "{}", late.status);
}

async fn uploaded(of: &Tenant, id: &str) {
    testkit::eventually("the upload is there", jobs::PATIENCE, || async {
        of.caller.get(&format!("/v1/uploads/{id}")).await.json()["state"] == "uploaded"
    })
    .await;
}

async fn a_job_reads_uploads_of_its_own_account_alone(two: &Two, upload: &str) {
    let ask = async |id: &str| {
        let wish = json!({ "url": format!("upload:{id}"), "sizes": ["40"] });
        let answer = two.stranger.ask("POST", "/v2/previews", &wish).await;
        (answer.status, answer.json().to_string().replace(id, "ID"))
    };
    let (foreign, unknown) = (ask(upload).await, ask(&never()).await);
    assert_eq!((foreign.0, &foreign.1), (400, &unknown.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_an_artifact_reads_that_artifact_and_does_nothing_else() {
    let two = Two::start().await;
    let (owner, stranger) = (&two.owner, &two.stranger);
    let (own, theirs) =
        (two.job(owner, "owners", None).await, two.job(stranger, "strangers", None).await);
    let link = async |of: &Tenant, job: &str| -> (String, Url, Url) {
        let body = jobs::body(&of.caller, job).await;
        let long: Url = text(&body["preview"], "url").parse().unwrap();
        let name = long.path().rsplit('/').next().unwrap().to_owned();
        let answer = of.caller.get(&format!("/v1/artifacts/{job}/{name}")).await;
        assert_eq!(answer.status, 302, "{}", answer.json());
        (name, long, answer.headers["location"].to_str().unwrap().parse().unwrap())
    };
    let (name, long, short) = link(owner, &own).await;
    let (_, others_long, others_short) = link(stranger, &theirs).await;
    let caller = &stranger.caller;

    // A stranger is led nowhere, in the words of what never was.
    let path = |job: &str| format!("/v1/artifacts/{job}/{name}");
    let foreign = caller.get(&path(&own)).await;
    let unknown = caller.get(&path(&never())).await;
    assert_eq!((foreign.status, unknown.status), (404, 404));
    assert!(!foreign.json().to_string().contains(&owner.account));

    for (link, other) in [(&short, &others_short), (&long, &others_long), (&others_short, &short)] {
        for (what, forged) in forged(link, other) {
            refused(caller, &what, &forged, &[], "GET").await;
        }
        for method in ["PUT", "POST", "DELETE"] {
            let answer = send(caller, method, link, &[], OTHER).await;
            assert!(is_no(&answer), "{method} {}", answer.status);
        }
    }
    // Both are still what they were.
    for (link, other) in [(&short, &long), (&others_short, &others_long)] {
        let (one, two) = (caller.get(link.as_str()).await, caller.get(other.as_str()).await);
        assert_eq!((one.status, two.status), (200, 200));
        assert_eq!(one.body, two.body);
        assert!(one.body.starts_with(b"\xff\xd8") || one.body.starts_with(b"\x89PNG"));
    }
    it_works_for_its_time_and_no_longer(&two, &short).await;
}

/// The same object by a link like it, signed in the past.
async fn it_works_for_its_time_and_no_longer(two: &Two, link: &Url) {
    let env = |name: &str| two.up.env[name].clone();
    let settings = storage::Settings {
        endpoint: Some(env("DARKROOM_S3_ENDPOINT")),
        bucket: env("DARKROOM_S3_BUCKET"),
        access_key: env("DARKROOM_S3_ACCESS_KEY"),
        secret_key: Secret::from(env("DARKROOM_S3_SECRET_KEY").as_str()),
        ..storage::Settings::default()
    };
    let network = Network::direct(Patience::default());
    let bucket = Bucket::open(settings.destination().unwrap(), &network).await.unwrap();
    let key = link.path().trim_start_matches('/').split_once('/').unwrap().1.to_owned();
    let lasts = Duration::from_secs(parameter(link, "X-Amz-Expires").parse().unwrap());
    assert_eq!(lasts, Duration::from_secs(300));
    for (ago, works) in [(0, true), (240, true), (360, false), (86_400, false)] {
        let start = SystemClock.now() - Duration::from_secs(ago);
        let signed = bucket.presign_get(&key, start, lasts).await.unwrap();
        let status = two.stranger.caller.get(signed.as_str()).await.status;
        assert_eq!(status == 200, works, "signed {ago} s ago: {status}");
        assert!(works || status == 403, "{status}");
    }
}
