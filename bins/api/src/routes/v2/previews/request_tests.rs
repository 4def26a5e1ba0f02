//! What callers send, and what is made of it.

use super::*;

const URL: &str = "https://example.com/a.jpg";

fn read(body: &Value) -> Result<Request, Problem> {
    Request::read(body.to_string().as_bytes())
}

fn field_of(body: &Value) -> (&'static str, String) {
    match read(body).map(|_| ()) {
        Err(Problem::FieldInvalid { field, message }) => (field, message),
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn absent_null_and_blank_are_the_same_but_for_the_url() {
    let plain = read(&json!({ "url": URL })).unwrap();
    assert_eq!(plain.wish, PreviewWish::default());
    for absent in [json!(null), json!("")] {
        let same = read(&json!({
            "url": URL, "sizes": absent, "format": absent, "metadata": absent, "pages": absent,
            "data": absent, "uploader": absent, "callback_url": absent, "size": 7, "public": true,
        }))
        .unwrap();
        assert_eq!(same.canonical(), plain.canonical());
    }
    let empty = json!({ "url": URL, "sizes": [null, ""], "metadata": [], "uploader": {} });
    assert_eq!(read(&empty).unwrap().canonical(), plain.canonical());

    let problem = |body: &str| Request::read(body.as_bytes()).err();
    for missing in ["", "  \n", "{}", r#"{"url": null}"#] {
        assert_eq!(problem(missing), Some(Problem::FieldMissing("url")), "{missing}");
    }
    for blank in [r#"{"url": ""}"#, r#"{"url": " "}"#] {
        assert_eq!(problem(blank), Some(Problem::FieldBlank("url")), "{blank}");
    }
}

#[test]
fn a_url_is_encoded_where_it_must_be_and_left_alone_elsewhere() {
    for (given, kept) in [
        ("http://h/a b.jpg", "http://h/a%20b.jpg"),
        (" https://h/ü.jpg?q=ä b ", "https://h/%C3%BC.jpg?q=%C3%A4%20b"),
        ("https://h/a%20b?X-Amz-Signature=a%2Fb", "https://h/a%20b?X-Amz-Signature=a%2Fb"),
        ("http://user:p%40ss@h:8080/x", "http://user:p%40ss@h:8080/x"),
    ] {
        assert_eq!(read(&json!({ "url": given })).unwrap().fields.source_url, kept, "{given}");
    }
}

#[test]
fn renditions_can_be_left_out_but_not_while_sizes_are_asked_for() {
    let sizes = |body: Value| read(&body).map(|request| request.wish.sizes);
    let none = json!({ "renditions": "none" });
    assert_eq!(sizes(json!({ "url": URL, "options": none })).unwrap(), []);
    assert_eq!(sizes(json!({ "url": URL, "sizes": [null], "options": none })).unwrap(), []);
    let both = json!({ "url": URL, "sizes": ["original"], "options": none });
    let (field, message) = field_of(&both);
    assert_eq!(field, "options.renditions");
    assert!(message.contains("sizes"), "{message}");
    // As clients send what they have nothing to say in.
    let all = json!({ "renditions": "all" });
    for absent in [json!({ "url": URL, "sizes": [] }), json!({ "url": URL, "options": all })] {
        assert_eq!(sizes(absent).unwrap(), [Size::original()]);
    }
}

#[test]
fn the_order_of_metadata_means_nothing() {
    let with = |kinds: Value| read(&json!({ "url": URL, "metadata": kinds })).unwrap().canonical();
    assert_eq!(with(json!(["exif", "checksum"])), with(json!(["checksum", "exif", "exif", null])));
    assert_ne!(with(json!(["exif"])), with(json!(["checksum"])));
    assert_eq!(with(json!(["all"])), with(json!(["all", "exif"])));
}

#[test]
fn every_wrong_field_is_named_with_what_it_takes() {
    for (field, wrong, hint) in [
        ("url", json!(7), "text"),
        ("url", json!("/a.jpg"), "not a usable URL"),
        ("url", json!("ftp://h/a"), "http://"),
        ("url", json!("file:///etc/passwd"), "http://"),
        ("url", json!("http://"), "not a usable URL"),
        ("url", json!("h".repeat(MAX_URL_BYTES + 1)), "longer"),
        ("sizes", json!("200x200"), "list"),
        ("sizes", json!({"w": 1}), "list"),
        ("sizes", json!(["10,10"]), "original"),
        ("sizes", json!([0]), "original"),
        ("sizes", json!([true]), "original"),
        ("sizes", json!(vec!["1x1"; MAX_SIZES + 1]), "at most"),
        ("sizes", json!(vec![Value::Null; MAX_ELEMENTS + 1]), "at most"),
        ("format", json!("tiff"), "webp"),
        ("format", json!(["jpg"]), "text"),
        ("metadata", json!("exif"), "list"),
        ("metadata", json!(["exiff"]), "multimedia"),
        ("metadata", json!([1]), "multimedia"),
        ("pages", json!("0"), "1-3"),
        ("pages", json!("2-1"), "1-3"),
        ("pages", json!(1.5), "1-3"),
        ("pages", json!([1]), "text"),
        ("data", json!([1]), "object"),
        ("data", json!("x"), "object"),
        ("data", json!({"x": "y".repeat(MAX_DATA_BYTES)}), "larger"),
        ("uploader", json!("s3"), "object"),
        ("callback_url", json!("gopher://h/"), "http://"),
        ("callback_url", json!({}), "text"),
        ("callback_url", json!("https://user:secret@example.com/hook"), "leave them out"),
    ] {
        let mut body = json!({ "url": URL });
        body[field] = wrong.clone();
        let (named, message) = field_of(&body);
        assert_eq!(named, field, "{wrong}");
        assert!(message.contains(hint), "{field}: {message}");
    }
    for (field, uploader, hint) in [
        ("uploader.destination", json!({"destination": "../up"}), "'..'"),
        ("uploader.destination", json!({"destination": 7}), "text"),
        ("uploader.public", json!({"public": "yes"}), "true or false"),
        ("uploader.headers", json!({"headers": ["a"]}), "Cache-Control"),
        ("uploader.headers", json!({"headers": {"Cache-Control": 7}}), "text"),
        ("uploader.headers", json!({"headers": {"Host": "evil"}}), "Cache-Control"),
        ("uploader.headers", json!({"headers": {"x-amz-acl": "mine"}}), "ACL"),
    ] {
        let (named, message) = field_of(&json!({ "url": URL, "uploader": uploader }));
        assert_eq!(named, field, "{uploader}");
        assert!(message.contains(hint), "{field}: {message}");
    }
}

#[test]
fn what_is_no_object_is_refused_whole() {
    let deep = format!(r#"{{"url": {}1{}}}"#, "[".repeat(200), "]".repeat(200));
    for body in ["[]", "7", "\"x\"", "{", "{\"url\": }", "\u{feff}{}", deep.as_str()] {
        assert!(
            matches!(Request::read(body.as_bytes()), Err(Problem::Malformed(_))),
            "{}",
            quote(body)
        );
    }
    assert!(matches!(Request::read(b"\xff\xfe{}"), Err(Problem::Malformed(_))));
}

#[test]
fn a_refused_url_is_not_quoted_from_where_secrets_are() {
    let (_, message) = field_of(&json!({ "url": "ftp://user:secret@h/a?sig=secret" }));
    assert!(!message.contains("secret"), "{message}");
}

#[test]
fn an_uploader_is_kept_as_it_was_given() {
    let given = json!({ "destination": "a/b", "headers": { "Cache-Control": "max-age=1", "x-amz-acl": null }, "public": true, "more": 1 });
    let uploader =
        read(&json!({ "url": URL, "uploader": given })).unwrap().fields.uploader.unwrap();
    assert_eq!(uploader.destination.as_deref(), Some("a/b"));
    assert_eq!(uploader.headers.len(), 1);
    assert_eq!(uploader.public, Some(true));
}
