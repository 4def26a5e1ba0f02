//! The public keys of an endpoint, while one takes the place of another.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::WebhookReceiver;

use crate::{
    endpoints::{Scene, signed, snippets, text, try_snippet},
    up::python,
};

/// The keys that an endpoint shows, each with the end of its use, held against their ids.
fn keys(endpoint: &Value) -> Vec<(String, Value)> {
    let keys = endpoint["public_keys"].as_array().unwrap().iter();
    keys.map(|key| {
        let public = text(key, "public_key").to_owned();
        let bytes = STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        assert_eq!(text(key, "id"), URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..8]));
        (public, key["until"].clone())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_key_pair_is_replaced_both_public_keys_are_shown_and_each_verifies_a_signature() {
    let hooks = WebhookReceiver::start().await;
    let scene = Scene::set(&[&hooks]).await;
    let added = scene.add(&json!({"url": hooks.url("/"), "scheme": "ed25519"})).await;
    let id = text(&added, "id");
    let first = text(&added, "public_key");
    assert_eq!(keys(&added), [(first.to_owned(), Value::Null)]);

    let path = format!("/v1/endpoints/{id}/secret");
    let wish = json!({"scheme": "ed25519", "overlap_s": 3600});
    let rotated = scene.caller.post(&path, &wish).await.json();
    let second = text(&rotated, "public_key");
    let until = rotated["previous_secrets_until"][0].clone();
    let both = [(second.to_owned(), Value::Null), (first.to_owned(), until.clone())];
    assert_ne!(second, first);
    assert_eq!(keys(&rotated), both);
    assert_eq!(keys(&scene.endpoint(id).await), both);
    let listed = scene.caller.get("/v1/endpoints").await.json();
    assert_eq!(keys(&listed["endpoints"][0]), both);

    let test = format!("/v1/endpoints/{id}/test");
    assert_eq!(scene.caller.post(&test, &Value::Null).await.json()["status"], "delivered");
    let [one] = &scene.wait_for(&hooks, "/", 1).await[..] else { panic!("told more than once") };
    let signatures: Vec<&str> = one.header("webhook-signature").split(' ').collect();
    assert_eq!(signatures.len(), 2, "{signatures:?}");
    let [_, _, snippet] = &snippets("python")[..] else { panic!("not three snippets") };
    for (signature, (public, _)) in signatures.iter().zip(&both) {
        let mut given = signed(one);
        given["headers"]["webhook-signature"] = json!(signature);
        given["public_key"] = json!(public);
        tokio::task::block_in_place(|| python("venv-moto", "verify_v1a.py", &[], &given));
        try_snippet("venv-moto", snippet, public, one).await;
    }

    // One whose overlap is over is shown no more, and a shared secret has no public half.
    let alone = json!({"scheme": "ed25519", "overlap_s": 0});
    let third = scene.caller.post(&path, &alone).await.json();
    let expected =
        [(text(&third, "public_key").to_owned(), Value::Null), (first.to_owned(), until)];
    assert_eq!(keys(&third), expected);
    let shared = scene.caller.post(&path, &json!({"overlap_s": 0})).await.json();
    assert_eq!((&shared["public_key"], keys(&shared)), (&Value::Null, expected[1..].to_vec()));
}
