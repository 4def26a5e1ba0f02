//! Whose uploads are whose, and where what a job made can be downloaded.

use std::{collections::BTreeMap, sync::Arc};

use custody::Custody;
use domain::{
    id::{UploadId, WorkerId},
    job::{self, Artifact, Completed, Event, Fetched, StoredIn},
    upload::{self, Checksum, Started, Uploads},
};
use eventlog::Keys;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use storage::{CdnSettings, Network, Patience};
use uuid::Uuid;
use vault::{CredentialKeys, MasterKeys, Vault};

use crate::stage::{Running, Tenant, World};

/// An upload that is there, as far as the log knows.
async fn uploaded(world: &World, owner: &Tenant) -> upload::Id {
    let id = upload::Id { account: owner.account, upload: UploadId::from_uuid(Uuid::new_v4()) };
    let now = SystemClock.now();
    let checksum = Checksum::crc32c("e3069283").unwrap();
    let started = Started {
        application: Some(owner.application),
        file_name: Some(world.custody.seal_upload_name(&id, "a.jpg").await.unwrap()),
        size_bytes: 9,
        part_bytes: 5 << 20,
        multipart: world.custody.seal_multipart(&id, "m").await.unwrap(),
        key: id.object_key(),
        checksum: None,
        expires_at: now,
    };
    let events = [
        upload::Event::Started(started),
        upload::Event::CompletionRequested { checksum: checksum.clone() },
        upload::Event::SourceUploaded { size_bytes: 9, checksum },
    ];
    for event in events {
        let decide = |_: &upload::State| Ok::<_, upload::Refusal>(vec![event.clone()]);
        world.as_worker().await.transact::<Uploads, _>(&id, now, decide).await.unwrap();
    }
    id
}

async fn hand_in(api: &Running, tenant: &Tenant, upload: &upload::Id) -> (StatusCode, Value) {
    let body = json!({ "url": format!("upload:{}", upload.upload) }).to_string();
    let answer = api.post(tenant, body).send().await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn an_upload_is_its_accounts_alone_and_that_of_a_page_its_keys_alone() {
    let world = World::memory().await;
    let api = world.api("a").await;
    let origin = "https://shop.example";
    let owner =
        world.tenant_with(|application| application.terms.origins = vec![origin.into()]).await;
    let other = world.tenant().await;
    let id = uploaded(&world, &owner).await;
    let path = format!("/v1/uploads/{}", id.upload);
    let seen = api.get(&path).by(&owner).send().await;
    assert_eq!((seen.status, &seen.body["state"]), (StatusCode::OK, &json!("uploaded")));
    assert_eq!(seen.body["file_name"], "a.jpg");
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/parts")),
        (Method::POST, format!("{path}/complete")),
    ] {
        let ask = api.request(method.clone(), &path).by(&other).body("{}");
        assert_eq!(ask.send().await.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
    let page = api.get(&path).header("authorization", &owner.bare()).header("origin", origin);
    assert_eq!(page.send().await.status, StatusCode::OK);

    // The same words for an upload of somebody else as for one that never was.
    let (status, foreign) = hand_in(&api, &other, &id).await;
    let never = upload::Id { upload: UploadId::from_uuid(Uuid::new_v4()), ..id };
    let (_, unknown) = hand_in(&api, &other, &never).await;
    assert_eq!((status, &foreign["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("url")));
    let message = |body: &Value, id: &upload::Id| {
        body["error"]["message"].as_str().unwrap().replace(&id.upload.to_string(), "ID")
    };
    assert_eq!(message(&foreign, &id), message(&unknown, &never));

    let (status, job) = hand_in(&api, &owner, &id).await;
    assert_eq!(status, StatusCode::CREATED, "{job}");
    let loaded = world.log.load::<Uploads>(&id).await.unwrap();
    let claims: Vec<_> = loaded.state.upload().unwrap().claims.keys().copied().collect();
    assert_eq!(claims, [owner.id(&job).job]);
    let listed = api.get("/v1/uploads").by(&owner).send().await.body;
    assert_eq!(listed["uploads"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["uploads"][0].get("file_name"), None);
    let none = api.get("/v1/uploads").by(&other).send().await.body;
    assert_eq!(none["uploads"], json!([]));
}

/// Custody over the same keys, with a CDN for what is smaller than 100 bytes.
async fn with_cdn(world: &World) -> Custody {
    let file = |name: &str| world.folder.path().join(name);
    let private_key_file = file("cdn.pem");
    let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(&private_key_file, pem).unwrap();
    let master = MasterKeys::open_or_create(&file("master.key")).unwrap();
    let sealing = CredentialKeys::sealing(&file("credentials.pub")).unwrap();
    let vault = Vault::new(master, Arc::new(Keys::new(&world.log))).with_credentials(sealing);
    let storage = storage::Settings {
        endpoint: Some("http://127.0.0.1:1".to_owned()),
        access_key: "AKTEST".to_owned(),
        secret_key: storage::Secret::from("secret"),
        cdn: Some(CdnSettings {
            url: "https://d1.cloudfront.net".to_owned(),
            key_pair_id: "K1".to_owned(),
            private_key_file,
            below_bytes: 100,
        }),
        ..storage::Settings::default()
    };
    let network = Network::direct(Patience::default());
    Custody::new(Arc::new(vault), &storage, &network).await.unwrap()
}

async fn made(
    world: &World,
    id: &job::Id,
    (name, size_bytes): (&str, u64),
    stored_in: StoredIn,
) -> Event {
    let location = json!({ "key": format!("results/{}/{name}", id.job), "url": "https://own/x" });
    let field = custody::artifact_field(name);
    let location = world.custody.seal_json(id, &field, &location).await.unwrap();
    let artifact: Artifact = serde_json::from_value(json!({
        "name": name, "location": location, "stored_in": stored_in, "page": 1, "size_index": 0,
        "requested_size": "40", "width": 40, "height": 30, "original_width": 400,
        "original_height": 300, "resized": true, "media_type": "image/jpeg",
        "size_bytes": size_bytes, "sha256": "cc",
    }))
    .unwrap();
    Event::Stored { artifact: Box::new(artifact) }
}

#[tokio::test]
async fn an_artifact_is_downloaded_through_the_cdn_below_a_size_and_from_the_bucket_above() {
    let mut world = World::memory().await;
    world.custody = with_cdn(&world).await;
    let (api, owner, other) = (world.api("a").await, world.tenant().await, world.tenant().await);
    let id = owner.id(&api.submit(&owner).await);
    let worker = WorkerId::from_uuid(Uuid::new_v4());
    let fetched: Fetched =
        serde_json::from_value(json!({ "size_bytes": 9, "media_type": "a/b", "encoding": "b" }))
            .unwrap();
    let (ours, theirs) = (StoredIn::Development, StoredIn::Destination);
    for event in [
        Event::Started { attempt: 1, worker },
        Event::Fetched(fetched),
        made(&world, &id, ("small.jpg", 99), ours).await,
        made(&world, &id, ("large.jpg", 100), ours).await,
        made(&world, &id, ("own.jpg", 9), theirs).await,
        Event::Wiped { bytes: 5 },
    ] {
        world.happen(id, event).await;
    }
    let ask = |name: &str| api.get(&format!("/v1/artifacts/{}/{name}", id.job));
    let early = ask("small.jpg").by(&owner).send().await;
    assert_eq!(early.status, StatusCode::NOT_FOUND, "nothing is shown of a job under way");
    let completed = Completed {
        total_pages: 1,
        metadata: None,
        engines: BTreeMap::new(),
        durations: job::Durations::default(),
        receipt: None,
    };
    world.happen(id, Event::Completed(completed)).await;

    let small = ask("small.jpg").by(&owner).send().await;
    assert_eq!(small.status, StatusCode::FOUND, "{}", small.body);
    let link = small.headers["location"].to_str().unwrap();
    assert_eq!(small.body["url"], link);
    let start = format!("https://d1.cloudfront.net/results/{}/small.jpg?Expires=", id.job);
    assert!(link.starts_with(&start), "{link}");
    assert!(link.contains("&Key-Pair-Id=K1&Hash-Algorithm=SHA256"), "{link}");
    let expires: i64 = link[start.len()..].split('&').next().unwrap().parse().unwrap();
    let left = expires - SystemClock.now().as_second();
    assert!((200..=300).contains(&left), "{left} s");

    let large = ask("large.jpg").by(&owner).send().await;
    let link = large.headers["location"].to_str().unwrap();
    assert!(link.starts_with("http://127.0.0.1:1/darkroom/results/"), "{link}");
    assert!(link.contains("X-Amz-Expires=300"), "{link}");

    let own = ask("own.jpg").by(&owner).send().await;
    assert_eq!((own.status, &own.body["code"]), (StatusCode::CONFLICT, &json!("in_own_bucket")));
    assert!(own.body["detail"].as_str().unwrap().contains("https://own/x"), "{}", own.body);
    for name in ["none.jpg", "..%2fsmall.jpg", "SMALL.JPG"] {
        assert_eq!(ask(name).by(&owner).send().await.status, StatusCode::NOT_FOUND, "{name}");
    }
    assert_eq!(ask("small.jpg").by(&other).send().await.status, StatusCode::NOT_FOUND);

    world.happen(id, Event::Expired {}).await;
    assert_eq!(ask("small.jpg").by(&owner).send().await.status, StatusCode::NOT_FOUND);
}
