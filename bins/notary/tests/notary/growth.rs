//! Trees that grow: as events come, across restarts, from the middle of a stream, beyond its end.

use eventlog::{Checkpoints, Headers, Offered, Statement};
use evidence::{
    claim::Claim,
    proof,
    shelf::Shelf,
    tile::TileId,
    tree::{Edge, event_leaf},
};
use serde_json::{Value, json};

use crate::support::{STREAM, Scene, leaves, statements};

#[tokio::test]
async fn every_event_is_signed_for_and_can_be_proven_from_what_is_kept() {
    let scene = Scene::start().await;
    scene.append(300).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(300).await;
    scene.append(417).await;
    let checkpoint = scene.signed(717).await;
    notary.stop().await;
    let sizes = scene.audit(&scene.key("a")).await;
    assert_eq!(sizes.last(), Some(&717), "{sizes:?}");
    assert_eq!(checkpoint.origin, format!("here.example/{STREAM}"));

    let log = scene.nats.log("auditor").await;
    let (shelf, leaves) = (Shelf::new(&log), leaves(&log).await);
    let kept = shelf.kept(STREAM).await.unwrap().unwrap();
    assert_eq!((kept.claim.size, kept.tail.as_slice()), (717, &leaves[512..]));
    assert_eq!(shelf.leaves(STREAM, &kept, 1).await.unwrap(), leaves[256..512]);
    assert_eq!(shelf.leaves(STREAM, &kept, 2).await.unwrap(), leaves[512..]);
    for index in [0, 255, 256, 511, 600, 716] {
        let plan = proof::inclusion(index, 717).unwrap();
        let tiles = shelf.tiles(STREAM, &kept, plan.nodes()).await.unwrap();
        let hashes = plan.make(&tiles).unwrap();
        let leaf = leaves[usize::try_from(index).unwrap()];
        proof::verify_inclusion(&leaf, index, 717, &hashes, &checkpoint.root).unwrap();
    }
    let signed = statements(&log, Statement::Signed).await;
    assert_eq!(
        signed[0].headers.get(evidence::KEY_HEADER),
        Some(scene.key("a").to_string().as_str())
    );
}

#[tokio::test]
async fn a_notary_goes_on_where_it_stopped_with_the_same_key_and_tree() {
    let scene = Scene::start().await;
    let settings = scene.settings("a");
    let mut size = 0;
    for more in [1, 254, 1, 3, 300] {
        let notary = scene.run(&settings);
        scene.append(more).await;
        size += more as u64;
        scene.signed(size).await;
        notary.stop().await;
    }
    let sizes = scene.audit(&scene.key("a")).await;
    assert_eq!(sizes.last(), Some(&size));
    // Nothing new is signed of what has not changed.
    let notary = scene.run(&settings);
    scene.append(1).await;
    scene.signed(size + 1).await;
    notary.stop().await;
    assert_eq!(scene.audit(&scene.key("a")).await.len(), sizes.len() + 1);
}

#[tokio::test]
async fn a_notary_with_nothing_but_the_key_reads_everything_again_and_goes_on() {
    let scene = Scene::start().await;
    scene.append(270).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(270).await;
    notary.stop().await;
    scene.copy_key("a", "b");
    let notary = scene.run(&scene.settings("b"));
    scene.append(5).await;
    scene.signed(275).await;
    notary.stop().await;
    assert_eq!(scene.audit(&scene.key("a")).await.last(), Some(&275));
}

#[tokio::test]
async fn what_had_expired_before_anybody_looked_has_leaves_that_say_so() {
    let scene = Scene::start().await;
    scene.remake(STREAM, 301).await;
    scene.append(20).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(320).await;
    notary.stop().await;
    // The audit counts absent leaves by itself.
    assert_eq!(scene.audit(&scene.key("a")).await.last(), Some(&320));
}

#[tokio::test]
async fn events_that_expired_since_can_still_be_proven_and_followed() {
    let scene = Scene::start().await;
    scene.remake(STREAM, 1).await;
    scene.append(260).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(260).await;
    notary.stop().await;
    let log = scene.nats.log("auditor").await;
    let before = leaves(&log).await;
    scene.api(&format!("STREAM.PURGE.{STREAM}"), &Value::Null).await;
    let notary = scene.run(&scene.settings("a"));
    scene.append(10).await;
    let checkpoint = scene.signed(270).await;
    notary.stop().await;
    let shelf = Shelf::new(&log);
    let kept = shelf.kept(STREAM).await.unwrap().unwrap();
    for index in [0, 258, 259] {
        let plan = proof::inclusion(index, 270).unwrap();
        let tiles = shelf.tiles(STREAM, &kept, plan.nodes()).await.unwrap();
        let leaf = before[usize::try_from(index).unwrap()];
        let hashes = plan.make(&tiles).unwrap();
        proof::verify_inclusion(&leaf, index, 270, &hashes, &checkpoint.root).unwrap();
    }
    // And by a notary that never saw them.
    scene.copy_key("a", "b");
    let notary = scene.run(&scene.settings("b"));
    scene.append(1).await;
    scene.signed(271).await;
    notary.stop().await;
}

#[tokio::test]
async fn a_claim_that_nobody_signed_is_signed_by_the_next_who_finds_it_true() {
    let scene = Scene::start().await;
    scene.append(5).await;
    let log = scene.nats.log("notary").await;
    let mut edge = Edge::default();
    leaves(&log).await.into_iter().for_each(|leaf| drop(edge.append(leaf)));
    let claim = Claim {
        size: 5,
        root: edge.root(),
        time: "2026-01-02T03:04:05Z".to_owned(),
        leaves: edge.tail().to_vec(),
        since: None,
    };
    let body = serde_json::to_vec(&claim).unwrap();
    let books = Checkpoints::new(&log);
    let headers = Headers::default();
    let stated = books.state(STREAM, Statement::Claimed, 0, &headers, body.into()).await.unwrap();
    assert!(matches!(stated, Offered::Stored(_)));
    scene.append(2).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(7).await;
    notary.stop().await;
    assert_eq!(scene.audit(&scene.key("a")).await, [5, 7]);
    let first = &statements(&log, Statement::Signed).await[0];
    assert!(String::from_utf8_lossy(&first.body).contains("time 2026-01-02T03:04:05Z\n"));
}

#[tokio::test]
async fn tiles_are_stored_once_and_by_nobody_again() {
    let scene = Scene::start().await;
    scene.append(256).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(256).await;
    notary.stop().await;
    let log = scene.nats.log("notary").await;
    let books = Checkpoints::new(&log);
    let other = vec![7; 8_192].into();
    assert_eq!(books.offer_tile(STREAM, 0, 0, other).await.unwrap(), Offered::Lost);
    let tile = Shelf::new(&log).tile(STREAM, TileId { level: 0, index: 0 }).await.unwrap();
    assert_eq!(tile.hashes(), leaves(&log).await);
    let leaf = event_leaf(STREAM, 1, &[0; 32]);
    assert_ne!(tile.hashes()[0], leaf);
    let info = scene.api("STREAM.INFO.TILES", &Value::Null).await;
    assert_eq!(info["config"]["deny_delete"], json!(true));
}
