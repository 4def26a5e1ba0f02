//! Buckets that are not the platform's own server's: inputs of customers, and a server by others.

use std::fs;

use serde_json::{Value, json};
use testkit::{Moto, eventually, pictures};

use super::{MIB, PATIENCE, Place, begin, etag, put};
use crate::jobs;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_an_input_is_read_with_credentials_that_are_never_shown() {
    let place = Place::start(&[]).await;
    let (caller, s3) = (place.caller(), place.stack.s3.settings());
    let bucket = place.stack.s3.data().join("darkroom");
    fs::create_dir_all(bucket.join("originals/2026")).unwrap();
    fs::write(bucket.join("originals/2026/a b+ü.jpg"), pictures::PHOTOGRAPH).unwrap();
    fs::write(bucket.join("private.jpg"), pictures::PHOTOGRAPH).unwrap();
    let url = "s3://darkroom/originals/2026/a b+ü.jpg";

    let early = caller.post("/v2/previews", &json!({ "url": url })).await;
    assert_eq!((early.status, &early.json()["error"]["param"]), (400, &json!("url")));
    let secret = s3.secret_key.expose();
    let input = json!({
        "bucket": "darkroom", "region": "us-east-1", "endpoint": place.way.endpoint(),
        "prefix": "originals", "path_style": true,
        "access_key": s3.access_key, "secret_key": secret,
    });
    let put = |body: &Value| {
        let (caller, body) = (caller.clone(), body.to_string());
        let json = [("content-type", "application/json")];
        async move { caller.ask("PUT", "/v1/inputs", &json, body).await }
    };
    let answer = put(&input).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let id = jobs::id(&answer.json());
    let listed = caller.get("/v1/inputs").await;
    assert_eq!(listed.json()["inputs"][0]["prefix"], "originals/");
    for shown in [&answer, &listed] {
        assert!(!String::from_utf8_lossy(&shown.body).contains(secret));
    }
    let job = jobs::wish(&caller, &json!({ "url": url, "sizes": ["40"] })).await;
    let body = jobs::ended(&caller, &job).await;
    assert_eq!(body["status"], "success", "{body}");
    assert_eq!(body["original_file"]["name"], "a b+ü");
    assert!(bucket.join("originals/2026/a b+ü.jpg").exists(), "an input is only read");

    // Beyond its prefix an input is none, and what is not there is said to be so.
    let beyond = caller.post("/v2/previews", &json!({ "url": "s3://darkroom/private.jpg" })).await;
    assert_eq!(beyond.status, 400);
    for (key, expected) in [("originals/none.jpg", "source_not_found")] {
        let url = format!("s3://darkroom/{key}");
        let job = jobs::wish(&caller, &json!({ "url": url })).await;
        let body = jobs::ended(&caller, &job).await;
        assert_eq!(body["error"]["code"], expected, "{body}");
    }
    // Wrong credentials replace the right ones under the same id.
    let wrong = json!({ "secret_key": "guessed" });
    let mut changed = input.clone();
    changed["secret_key"] = wrong["secret_key"].clone();
    assert_eq!(jobs::id(&put(&changed).await.json()), id);
    let job = jobs::wish(&caller, &json!({ "url": url })).await;
    let body = jobs::ended(&caller, &job).await;
    assert_eq!(body["error"]["code"], "source_denied", "{body}");
    assert!(!body.to_string().contains("guessed"));
    // An address that nobody may name is refused by the gate, whatever it is called here.
    changed["endpoint"] = json!("http://127.0.0.1:9");
    changed["prefix"] = json!("elsewhere/");
    assert_eq!(put(&changed).await.status, 200);
    let job = jobs::wish(&caller, &json!({ "url": "s3://darkroom/elsewhere/a.jpg" })).await;
    let body = jobs::ended(&caller, &job).await;
    assert_eq!(body["error"]["code"], "source_forbidden", "{body}");

    let removed = caller.ask("DELETE", &format!("/v1/inputs/{id}"), &[], "").await;
    assert_eq!(removed.status, 200, "{}", removed.json());
    assert_eq!(caller.ask("DELETE", &format!("/v1/inputs/{id}"), &[], "").await.status, 404);
    assert_eq!(caller.post("/v2/previews", &json!({ "url": url })).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_s3_server_takes_uploads_as_well_and_is_asked_to_encrypt_them() {
    let moto = Moto::start().await;
    moto.let_everybody_in().await;
    let settings =
        [("DARKROOM__STORAGE__BUCKET", Moto::BUCKET), ("DARKROOM__STORAGE__ENCRYPTION", "sse-s3")];
    let place = Place::over(&settings, Some(moto.port())).await;
    let endpoint = moto.endpoint();
    // Its list of parts is called what S3 never called it, which clients that look refuse.
    place.way.pass_instead(b"ListPartsResponse", b"ListPartsResult  ");
    // In three parts: the picture, and what readers of JPEG do not look at.
    let photograph = [pictures::PHOTOGRAPH, &vec![0; 11 * MIB as usize]].concat();
    fs::write(place.file("dusk.jpg"), &photograph).unwrap();
    let id = place.run(&["upload", "dusk.jpg", "--part-mib", "5"]).upload();
    let (caller, key) = (place.caller(), format!("uploads/{}/{id}", place.stack.account));
    let object = caller.get(&format!("{endpoint}/{}/{key}", Moto::BUCKET)).await;
    assert_eq!(object.headers["x-amz-server-side-encryption"], "AES256");
    assert!(object.body == photograph, "{} bytes", object.body.len());
    let wish = json!({ "url": format!("upload:{id}"), "sizes": ["60x60"] });
    let body = jobs::ended(&caller, &jobs::wish(&caller, &wish).await).await;
    assert_eq!(body["status"], "success", "{body}");
    place.until(&id, "removed").await;
    eventually("its bytes are gone", PATIENCE, || async {
        caller.get(&format!("{endpoint}/{}/{key}", Moto::BUCKET)).await.status == 404
    })
    .await;

    // What was begun and given up leaves nothing either.
    let begun = begin(&caller, json!({ "size_bytes": 3 })).await;
    etag(&put(&caller, &begun["parts"][0], b"abc").await);
    let path = format!("/v1/uploads/{}", jobs::id(&begun));
    assert_eq!(caller.ask("DELETE", &path, &[], "").await.status, 202);
    let under_way = format!("{endpoint}/{}?uploads", Moto::BUCKET);
    eventually("its parts are gone", PATIENCE, || async {
        !String::from_utf8_lossy(&caller.get(&under_way).await.body).contains("<UploadId>")
    })
    .await;
}
