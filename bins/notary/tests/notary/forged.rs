//! Streams that were changed, and notaries that were misled: what must never be signed.

use std::{fs, time::Duration};

use eventlog::{Checkpoints, Headers, Statement};
use evidence::{Hash, claim::Claim};
use serde_json::json;
use testkit::{Nats, eventually};

use crate::support::{PATIENCE, STREAM, Scene, append, promised, statements};

#[tokio::test]
async fn two_notaries_with_one_key_never_sign_two_trees_of_one_size() {
    let scene = Scene::start().await;
    scene.copy_key("a", "b");
    let both = [scene.run(&scene.settings("a")), scene.run(&scene.settings("b"))];
    let log = scene.nats.log("operator").await;
    let mut size = 0;
    for round in 0..60 {
        let more = 1 + round % 9;
        append(&log, more).await;
        size += more as u64;
        if round % 3 == 0 {
            scene.signed(size).await;
        }
    }
    scene.signed(size).await;
    for notary in both {
        notary.stop().await;
    }
    let sizes = scene.audit(&scene.key("a")).await;
    assert!(sizes.len() > 10 && sizes.last() == Some(&size), "{sizes:?}");
    // What either signed, published or not, is one of those trees.
    let claims = statements(&log, Statement::Claimed).await;
    let claims = claims.iter().map(|raw| serde_json::from_slice::<Claim>(&raw.body).unwrap());
    let claims: Vec<_> =
        claims.map(|claim| json!({ "size": claim.size, "root": claim.root })).collect();
    for folder in ["a", "b"] {
        let promise = promised(&scene.folder(folder));
        assert!(promise.is_none_or(|promise| claims.contains(&promise)), "{folder}");
    }
}

#[tokio::test]
async fn a_notary_that_is_handed_a_forged_stream_signs_nothing() {
    let (scene, elsewhere) = (Scene::start().await, Nats::start().await);
    scene.copy_key("a", "b");
    append(&elsewhere.log("operator").await, 20).await;
    scene.append(5).await;
    let honest = scene.run(&scene.settings("a"));
    scene.signed(5).await;
    let misled = scene.run_misled(&scene.settings("b"), &elsewhere).await;
    let halted = scene.halted().await;
    assert_eq!(halted.sequence, Some(1), "{halted:?}");
    assert!(halted.reason.unwrap().contains("event 1 is another"));
    scene.append(5).await;
    scene.signed(10).await;
    misled.stop().await;
    honest.stop().await;
    assert_eq!(promised(&scene.folder("b")), None);
    assert_eq!(scene.audit(&scene.key("a")).await.last(), Some(&10));
}

#[tokio::test]
async fn of_two_who_read_different_streams_at_once_one_alone_is_heard() {
    for _ in 0..3 {
        let (scene, elsewhere) = (Scene::start().await, Nats::start().await);
        scene.copy_key("a", "b");
        let misled = scene.run_misled(&scene.settings("b"), &elsewhere).await;
        let honest = scene.run(&scene.settings("a"));
        eventually("both follow streams that are empty", PATIENCE, || async {
            ["a", "b"].iter().all(|folder| scene.folder(folder).join("lock").exists())
        })
        .await;
        let operator = elsewhere.log("operator").await;
        tokio::join!(scene.append(20), append(&operator, 20));
        let halted = scene.halted().await;
        assert_eq!(halted.sequence, Some(1), "{halted:?}");
        misled.stop().await;
        honest.stop().await;
        let promises = ["a", "b"].map(|folder| promised(&scene.folder(folder)));
        assert_eq!(promises.iter().flatten().count(), 1, "{promises:?}");
        let log = scene.nats.log("auditor").await;
        let signed = statements(&log, Statement::Signed).await;
        assert!(signed.is_sorted_by_key(|raw| crate::support::parse(raw).size));
    }
}

#[tokio::test]
async fn a_claim_that_the_events_do_not_make_stops_the_log() {
    let scene = Scene::start().await;
    scene.append(3).await;
    let log = scene.nats.log("notary").await;
    let forged = Hash::from_bytes([9; 32]);
    let claim = Claim {
        size: 3,
        root: forged,
        time: "2026-01-02T03:04:05Z".to_owned(),
        leaves: crate::support::leaves(&log).await,
        since: None,
    };
    let (books, headers) = (Checkpoints::new(&log), Headers::default());
    let body = serde_json::to_vec(&claim).unwrap().into();
    books.state(STREAM, Statement::Claimed, 0, &headers, body).await.unwrap();
    let notary = scene.run(&scene.settings("a"));
    let reason = scene.halted().await.reason.unwrap();
    notary.stop().await;
    assert!(reason.contains("a tree of 3 was claimed"), "{reason}");
    assert!(statements(&log, Statement::Signed).await.is_empty());
    assert_eq!(promised(&scene.folder("a")), None);
}

#[tokio::test]
async fn a_tile_that_the_events_do_not_make_stops_the_log() {
    let scene = Scene::start().await;
    let books = Checkpoints::new(&scene.nats.log("notary").await);
    books.offer_tile(STREAM, 0, 0, vec![7; 8_192].into()).await.unwrap();
    scene.append(300).await;
    let notary = scene.run(&scene.settings("a"));
    let reason = scene.halted().await.reason.unwrap();
    notary.stop().await;
    assert!(reason.contains("tile/0/000 of the stored tree is another"), "{reason}");
}

#[tokio::test]
async fn a_stream_that_was_rolled_back_is_signed_no_more_until_it_is_whole_again() {
    let scene = Scene::start().await;
    let operator = scene.nats.log("operator").await;
    scene.append(5).await;
    let (mut short, mut whole) = (Vec::new(), Vec::new());
    let outline = operator.snapshot(STREAM, &mut short).await.unwrap();
    scene.append(5).await;
    let full = operator.snapshot(STREAM, &mut whole).await.unwrap();
    let notary = scene.run(&scene.settings("a"));
    scene.signed(10).await;
    let replace = async |outline, bytes: &Vec<u8>| {
        scene.api(&format!("STREAM.DELETE.{STREAM}"), &serde_json::Value::Null).await;
        operator.restore(STREAM, outline, &mut bytes.as_slice()).await.unwrap();
    };
    replace(&outline, &short).await;
    let log = scene.nats.log("auditor").await;
    let said = async |what: &str| {
        eventually(what, PATIENCE, || async {
            let halted = statements(&log, Statement::Halted).await;
            halted.last().is_some_and(|raw| String::from_utf8_lossy(&raw.body).contains(what))
        })
        .await;
    };
    said("the stream ends at 5, but 10 events were signed for").await;
    // Others took the place of what is gone: it is as long as it was, and still not the same.
    append(&operator, 7).await;
    said("event 10 is another than the one that was signed for").await;
    replace(&full, &whole).await;
    append(&operator, 2).await;
    scene.signed(12).await;
    notary.stop().await;
    assert_eq!(scene.audit(&scene.key("a")).await.last(), Some(&12));
    let last = statements(&log, Statement::Halted).await.pop().unwrap();
    assert!(String::from_utf8_lossy(&last.body).contains("\"reason\":null"));
}

#[tokio::test]
async fn a_gap_stops_the_log_and_is_named_until_somebody_owns_up_to_it() {
    let scene = Scene::start().await;
    scene.remake(STREAM, 1).await;
    scene.append(9).await;
    scene.api(&format!("STREAM.MSG.DELETE.{STREAM}"), &json!({ "seq": 4 })).await;
    let notary = scene.run(&scene.settings("a"));
    let halted = scene.halted().await;
    notary.stop().await;
    assert_eq!(halted.sequence, Some(4), "{halted:?}");
    assert!(halted.reason.unwrap().contains("event 4 is missing"));
    let log = scene.nats.log("auditor").await;
    assert!(statements(&log, Statement::Signed).await.is_empty());
    let mut settings = scene.settings("a");
    settings.notary.absent.insert(STREAM.to_owned(), 4);
    let notary = scene.run(&settings);
    scene.signed(9).await;
    notary.stop().await;
    // The audit counts an absent leaf there.
    assert_eq!(scene.audit(&scene.key("a")).await.last(), Some(&9));
}

#[tokio::test]
async fn an_event_that_was_signed_for_and_removed_since_stops_the_log() {
    let scene = Scene::start().await;
    scene.remake(STREAM, 1).await;
    scene.append(6).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(6).await;
    notary.stop().await;
    scene.api(&format!("STREAM.MSG.DELETE.{STREAM}"), &json!({ "seq": 6 })).await;
    scene.append(1).await;
    let notary = scene.run(&scene.settings("a"));
    let halted = scene.halted().await;
    notary.stop().await;
    assert_eq!(halted.sequence, Some(6), "{halted:?}");
    assert!(halted.reason.unwrap().contains("was signed for and is missing"));
}

#[tokio::test]
async fn a_log_that_forgot_what_was_signed_is_not_signed_anew() {
    let scene = Scene::start().await;
    scene.append(5).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(5).await;
    notary.stop().await;
    // Everything is rolled back to the beginning: events, tiles and checkpoints.
    let other = Scene::start().await;
    other.append(5).await;
    other.copy_key("unused", "a");
    for file in ["key", &format!("signed/{STREAM}.json")] {
        fs::create_dir_all(other.folder("a").join("signed")).unwrap();
        fs::copy(scene.folder("a").join(file), other.folder("a").join(file)).unwrap();
    }
    let notary = other.run(&other.settings("a"));
    let halted = other.halted().await;
    notary.stop().await;
    assert!(halted.reason.unwrap().contains("a tree of 5 was signed"));
    let log = other.nats.log("auditor").await;
    assert!(statements(&log, Statement::Signed).await.is_empty());
}

#[tokio::test]
async fn checkpoints_of_another_key_are_gone_on_from_only_when_that_is_named() {
    let scene = Scene::start().await;
    scene.append(5).await;
    let notary = scene.run(&scene.settings("a"));
    scene.signed(5).await;
    notary.stop().await;
    let mut settings = scene.settings("b");
    let notary = scene.run(&settings);
    let halted = scene.halted().await;
    notary.stop().await;
    assert!(halted.reason.unwrap().contains("notary.succeeds"));
    settings.notary.succeeds = vec![scene.key("a").to_string()];
    let notary = scene.run(&settings);
    scene.append(1).await;
    scene.signed(6).await;
    notary.stop().await;
    let log = scene.nats.log("auditor").await;
    let last = statements(&log, Statement::Signed).await.pop().unwrap();
    assert_eq!(last.headers.get(evidence::KEY_HEADER), Some(scene.key("b").to_string().as_str()));
}

#[tokio::test]
async fn settings_that_cannot_be_met_stop_the_notary_before_it_signs() {
    let scene = Scene::start().await;
    let mut settings = scene.settings("a");
    settings.notary.every_events = 0;
    let refused = |error: notary::Error| error.to_string();
    let run = |settings: &notary::Settings| {
        let stop = tokio_util::sync::CancellationToken::new();
        let run = notary::run(settings.clone(), std::sync::Arc::new(service::SystemClock), stop);
        Box::pin(async {
            tokio::time::timeout(Duration::from_secs(30), run).await.unwrap().unwrap_err()
        })
    };
    assert!(refused(run(&settings).await).contains("notary.every_events"));
    settings.notary.every_events = 1;
    settings.notary.succeeds = vec!["nonsense".to_owned()];
    assert!(refused(run(&settings).await).contains("notary.succeeds holds `nonsense`"));
    settings.notary.succeeds.clear();
    settings.notary.witnesses = vec![notary::settings::Witness {
        url: "http://witness.example".to_owned(),
        key: scene.key("a").to_string(),
    }];
    assert!(refused(run(&settings).await).contains("notary.witnesses"));
    settings.notary.witnesses.clear();
    let running = scene.run(&settings);
    scene.append(1).await;
    scene.signed(1).await;
    assert!(refused(run(&settings).await).contains("another notary runs"));
    running.stop().await;
}
