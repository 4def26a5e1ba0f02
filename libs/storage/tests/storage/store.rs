//! Storing: whole and in parts, from memory and from files, with headers, and given up half-way.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Method;
use sha2::{Digest, Sha256};
use storage::{
    Body, Bucket, CustomerKey, Destination, Encryption, Error, InvalidKey, MULTIPART_ABOVE_BYTES,
    Network, ObjectHeaders, Patience, Reader,
};

use crate::world::{Canned, World, admin, destination, memory_file, noise, now, object, put, send};

#[tokio::test]
async fn bytes_and_memory_files_are_stored_as_they_are() {
    let world = World::start().await;
    let bucket = world.bucket(admin()).await;
    let reader = world.reader(admin()).await;
    let large = noise(3 << 20);
    for (key, body, expected) in [
        ("job/bytes.jpg", Body::from(Bytes::from_static(b"picture")), b"picture".to_vec()),
        ("job/empty", Body::from(Bytes::new()), Vec::new()),
        ("job/memory file ü?#+%.jpg", memory_file(&large), large.clone()),
        ("job/empty memory file", memory_file(b""), Vec::new()),
    ] {
        let stored = bucket.put(object(key, body)).await.unwrap();
        assert_eq!(stored.size_bytes, expected.len() as u64, "{key}");
        assert!(!stored.etag.is_empty() && !stored.etag.contains('"'), "{stored:?}");
        let found = reader.get(key, u64::MAX).await.unwrap();
        assert!(found.bytes == expected, "{key}");
        assert_eq!(found.content_type, "image/jpeg", "{key}");
    }
    put(&bucket, "job/bytes.jpg", b"another").await.unwrap();
    assert_eq!(reader.get("job/bytes.jpg", 99).await.unwrap().bytes, "another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_stored_in_parts() {
    let world = World::start().await;
    let large = noise(usize::try_from(MULTIPART_ABOVE_BYTES).unwrap() + 4_097);
    let headers = ObjectHeaders::parse([("Cache-Control", "max-age=9")]).unwrap();
    let bucket = world.bucket(crate::world::writer()).await;
    let given = object("job/large.bin", memory_file(&large));
    let stored = bucket.put(storage::Object { headers, ..given }).await.unwrap();
    assert!(stored.etag.ends_with("-5"), "{stored:?}");
    let url = world.bucket(admin()).await.presign_get("job/large.bin", now(), MINUTE).await;
    let reply = send(Method::GET, &url.unwrap(), &[], b"").await;
    assert!(reply.body == large, "{} bytes came back", reply.body.len());
    assert_eq!(reply.header("cache-control"), "max-age=9");
    assert_eq!(reply.header("content-type"), "image/jpeg");
    assert_eq!(leftovers(&world), 0);
}

const MINUTE: Duration = Duration::from_secs(60);

fn leftovers(world: &World) -> usize {
    let names = world.data.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().contains("upload")).count()
}

#[tokio::test]
async fn headers_come_back_with_the_object() {
    let world = World::start().await;
    let bucket = world.bucket(admin()).await;
    let headers = ObjectHeaders::parse([
        ("Cache-Control", "public, max-age=31536000"),
        ("Content-Disposition", "attachment; filename=\"a.jpg\""),
        ("Content-Language", "de"),
        ("Expires", "Thu, 01 Dec 2044 16:00:00 GMT"),
        ("x-amz-acl", "public-read"),
        ("x-amz-meta-Author", "A. B."),
    ])
    .unwrap();
    let given = object("a.jpg", Bytes::from_static(b"x"));
    bucket.put(storage::Object { headers, ..given }).await.unwrap();
    let url = bucket.presign_get("a.jpg", now(), MINUTE).await.unwrap();
    let reply = send(Method::GET, &url, &[], b"").await;
    for (name, expected) in [
        ("content-type", "image/jpeg"),
        ("cache-control", "public, max-age=31536000"),
        ("content-disposition", "attachment; filename=\"a.jpg\""),
        ("content-language", "de"),
        ("x-amz-meta-author", "A. B."),
    ] {
        assert_eq!(reply.header(name), expected, "{name}");
    }
}

#[tokio::test]
async fn every_request_carries_checksum_owner_encryption_and_the_tenants_own_key() {
    let canned = Canned::start(|_| (200, String::new())).await;
    let given = Destination {
        bucket_owner: Some("123456789012".to_owned()),
        encryption: Encryption::SseKms { key_id: "arn:aws:kms:eu-west-1:1:key/k".to_owned() },
        prefix: "tenant/".to_owned(),
        ..destination(&canned.endpoint, admin())
    };
    let network = Network::direct(Patience::default());
    let bucket = Bucket::open(given, &network).await.unwrap();
    put(&bucket, "a.jpg", b"picture").await.unwrap();
    let received = canned.received();
    let [request] = received.as_slice() else { panic!("{} requests", received.len()) };
    assert_eq!(request.head.uri.path(), "/pictures/tenant/a.jpg");
    assert_eq!(request.body, "picture");
    let sha256 = STANDARD.encode(Sha256::digest(b"picture"));
    for (name, expected) in [
        ("x-amz-checksum-sha256", sha256.as_str()),
        ("x-amz-expected-bucket-owner", "123456789012"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:eu-west-1:1:key/k"),
        ("content-length", "7"),
    ] {
        assert_eq!(request.header(name), expected, "{name}");
    }
    let authorization = request.header("authorization");
    assert!(authorization.contains("Credential=ADMINKEY/"), "{authorization}");
    assert!(authorization.contains("x-amz-checksum-sha256"), "{authorization}");
}

#[tokio::test]
async fn nothing_outside_the_prefix_can_be_named() {
    let world = World::start().await;
    let inside =
        Destination { prefix: "tenant/".to_owned(), ..destination(&world.endpoint, admin()) };
    let bucket = Bucket::open(inside.clone(), &world.network).await.unwrap();
    put(&bucket, "a", b"1").await.unwrap();
    for (key, expected) in [
        ("../a", InvalidKey::Dots),
        ("/a", InvalidKey::Empty),
        ("", InvalidKey::Empty),
        ("a\0", InvalidKey::Control),
    ] {
        let refused = put(&bucket, key, b"2").await;
        assert!(matches!(&refused, Err(Error::Key(why)) if *why == expected), "{refused:?}");
    }
    let all = world.reader(admin()).await;
    put(&world.bucket(admin()).await, "other", b"3").await.unwrap();
    let keys = |listed: Vec<storage::Listed>| listed.into_iter().map(|l| l.key).collect::<Vec<_>>();
    assert_eq!(keys(all.list("", 9).await.unwrap()), ["other", "tenant/a"]);
    assert_eq!(keys(all.list("", 1).await.unwrap()), ["other"]);
    let own = Reader::open(inside, &world.network).await.unwrap();
    assert_eq!(keys(own.list("", 9).await.unwrap()), ["a"]);
    own.delete("a").await.unwrap();
    own.delete("a").await.unwrap();
    assert!(matches!(own.get("a", 9).await, Err(Error::MissingObject(_))));
    assert!(matches!(all.get("other", 0).await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn a_failed_upload_in_parts_is_aborted_even_where_that_is_denied() {
    let canned = Canned::start(|request| {
        let query = request.head.uri.query().unwrap_or_default();
        match request.head.method {
            Method::POST if query.starts_with("uploads") => (
                200,
                "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>"
                    .to_owned(),
            ),
            Method::DELETE => (403, "<Error><Code>AccessDenied</Code></Error>".to_owned()),
            _ if query.contains("partNumber=2") => (507, String::new()),
            _ => (200, String::new()),
        }
    })
    .await;
    let bucket = canned.bucket().await;
    let len = usize::try_from(MULTIPART_ABOVE_BYTES).unwrap() + 1;
    let failed = bucket.put(object("large", Bytes::from(vec![7; len]))).await;
    // The failure is the one of the upload, and says what is left behind.
    let Err(Error::LeftBehind { error, abort }) = &failed else { panic!("{failed:?}") };
    assert!(matches!(&**error, Error::Full(answer) if answer.operation == "UploadPart"));
    assert!(
        matches!(&**abort, Error::Denied(answer) if answer.operation == "AbortMultipartUpload")
    );
    let said = failed.unwrap_err().to_string();
    assert!(
        said.starts_with("the bucket is full") && said.contains("stay in the bucket"),
        "{said}"
    );
    let lines: Vec<String> = canned.received().iter().map(|request| request.line()).collect();
    let aborts = lines.iter().filter(|line| line.starts_with("DELETE")).collect::<Vec<_>>();
    assert!(matches!(aborts.as_slice(), [line] if line.contains("uploadId=U1")), "{lines:?}");
}

#[tokio::test]
async fn an_upload_in_parts_that_is_given_up_is_aborted_in_the_background() {
    let canned = Canned::start(|request| {
        match request.head.method {
        Method::POST => (
            200,
            "<InitiateMultipartUploadResult><UploadId>U2</UploadId></InitiateMultipartUploadResult>"
                .to_owned(),
        ),
        Method::DELETE => (204, String::new()),
        // Tried again after a while, so that the upload is still going on when it is given up.
        _ => (500, String::new()),
    }
    })
    .await;
    let network = Network::direct(Patience { attempts: 9, ..Patience::default() });
    let bucket = Bucket::open(destination(&canned.endpoint, admin()), &network).await.unwrap();
    let len = usize::try_from(MULTIPART_ABOVE_BYTES).unwrap() + 1;
    tokio::select! {
        ended = bucket.put(object("large", Bytes::from(vec![7; len]))) => panic!("{ended:?}"),
        () = canned.until("PUT", "partNumber=1") => {}
    }
    canned.until("DELETE", "uploadId=U2").await;
}

#[tokio::test]
async fn a_customers_own_key_goes_with_every_request_that_needs_it() {
    let canned = Canned::start(|request| {
        let query = request.head.uri.query().unwrap_or_default();
        let created = query.starts_with("uploads");
        let body = if created {
            "<InitiateMultipartUploadResult><UploadId>U3</UploadId></InitiateMultipartUploadResult>"
        } else {
            "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
        };
        (200, body.to_owned())
    })
    .await;
    let key = STANDARD.encode([7; 32]);
    let given = Destination {
        encryption: Encryption::SseC { key: CustomerKey::parse(&key).unwrap() },
        ..destination(&canned.endpoint, admin())
    };
    let network = Network::direct(Patience::default());
    let bucket = Bucket::open(given.clone(), &network).await.unwrap();
    put(&bucket, "small", b"picture").await.unwrap();
    let len = usize::try_from(MULTIPART_ABOVE_BYTES).unwrap() + 1;
    bucket.put(object("large", Bytes::from(vec![7; len]))).await.unwrap();
    let reader = Reader::open(given, &network).await.unwrap();
    reader.head("small").await.unwrap();
    let received = canned.received();
    assert_eq!(received.len(), 9, "one, then create, five parts, complete, and a look");
    for request in received {
        for (name, expected) in [
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", key.as_str()),
            ("x-amz-server-side-encryption-customer-key-md5", "y4HAEFCYWuvAXWFTtA1Qpg=="),
        ] {
            assert_eq!(request.header(name), expected, "{name} of {}", request.line());
        }
    }
}

#[tokio::test]
async fn a_server_that_says_it_stored_other_bytes_is_not_believed() {
    const PICTURE: &str = "LOonTQvtw57Eq2up5Z7IiePtb7VqHPCIpk2bODN43Jc=";
    let honest = Canned::telling(|_| (200, vec![("x-amz-checksum-sha256", PICTURE.to_owned())]));
    put(&honest.await.bucket().await, "a", b"picture").await.unwrap();
    let damaging = Canned::telling(|_| (200, vec![("x-amz-checksum-sha256", PICTURE.to_owned())]));
    let stored = put(&damaging.await.bucket().await, "a", b"pictures").await;
    assert!(matches!(stored, Err(Error::Damaged { operation: "PutObject" })), "{stored:?}");
}
