//! Wrapped keys: created once, replaced by whoever knows them, and gone for good.

use std::sync::Arc;

use eventlog::{Keys, Log};
use futures::future::join_all;
use uuid::Uuid;
use vault::{Creation, Replacement, WrappedKeys as _};

use crate::support::{Server, until};

pub(super) async fn keys_are_created_once_and_shredded_for_good(log: &Log) {
    let keys = Arc::new(Keys::new(log));
    let name = format!("job.{}", Uuid::now_v7());
    assert_eq!(keys.get(&name).await.unwrap(), None);
    let creators = (0..4_u8).map(|number| {
        let (keys, name) = (Arc::clone(&keys), name.clone());
        async move { (vec![number], keys.create(&name, vec![number]).await.unwrap()) }
    });
    let outcomes = join_all(creators).await;
    let kept = keys.get(&name).await.unwrap().unwrap();
    for (own, outcome) in outcomes {
        let expected = if own == kept { Creation::Created } else { Creation::Exists(kept.clone()) };
        assert_eq!(outcome, expected);
    }
    keys.shred(&name).await.unwrap();
    assert_eq!(keys.get(&name).await.unwrap(), None);
    keys.shred(&name).await.unwrap();
    assert!(keys.create(&name, vec![9]).await.is_err());
    keys.shred("job.never-there").await.unwrap();
    assert!(keys.create("job.never-there", vec![9]).await.is_err());
}

pub(super) async fn keys_are_listed_and_replaced_by_whoever_knows_them(log: &Log) {
    let keys = Arc::new(Keys::new(log));
    let account = Uuid::now_v7();
    let prefix = format!("credential.{account}");
    let name = |number: u8| format!("{prefix}.{number}");
    for number in 0..6 {
        keys.create(&name(number), vec![number]).await.unwrap();
    }
    keys.create(&format!("{prefix}x.0"), vec![9]).await.unwrap();
    keys.shred(&name(5)).await.unwrap();
    let listed = async || {
        let (mut all, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            let page = keys.page(&prefix, at).await.unwrap();
            all.extend(page.entries);
            from = page.next;
        }
        all
    };
    let expected: Vec<_> = (0..5).map(|number| (name(number), vec![number])).collect();
    assert_eq!(listed().await, expected);

    let first = name(0);
    assert_eq!(keys.replace(&first, &[7], vec![8]).await.unwrap(), Replacement::Changed);
    let racers = (100..104_u8).map(|new| {
        let (keys, first) = (Arc::clone(&keys), first.clone());
        async move { (new, keys.replace(&first, &[0], vec![new]).await.unwrap()) }
    });
    let won = join_all(racers).await;
    let won: Vec<_> = won.iter().filter(|(_, end)| *end == Replacement::Replaced).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(keys.get(&first).await.unwrap(), Some(vec![won[0].0]));
    // Nothing of it is left but the last.
    let mut expected: Vec<_> = expected.into_iter().skip(1).collect();
    expected.push((first.clone(), vec![won[0].0]));
    assert_eq!(listed().await, expected);
    keys.shred(&first).await.unwrap();
    let late = keys.replace(&first, &[won[0].0], vec![1]).await.unwrap();
    assert_eq!(late, Replacement::Changed);
    assert_eq!(keys.get(&first).await.unwrap(), None);
    assert!(keys.create(&first, vec![1]).await.is_err());
}

pub(super) async fn a_key_that_is_shredded_while_it_is_replaced_stays_shredded(log: &Log) {
    let keys = Arc::new(Keys::new(log));
    for _ in 0..10 {
        let name = format!("account.{}", Uuid::now_v7());
        keys.create(&name, vec![0]).await.unwrap();
        let rewrap = async {
            for number in 0..4_u8 {
                keys.replace(&name, &[number], vec![number + 1]).await.unwrap();
            }
        };
        let shred = async { keys.shred(&name).await.unwrap() };
        tokio::join!(rewrap, shred);
        assert_eq!(keys.get(&name).await.unwrap(), None);
        assert!(keys.page("account", 0).await.unwrap().entries.iter().all(|(n, _)| *n != name));
        assert!(keys.create(&name, vec![9]).await.is_err());
    }
}

/// Each file below a folder.
fn files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[tokio::test]
async fn no_copy_of_a_replaced_or_shredded_key_is_left_on_the_disk() {
    let server = Server::start().await;
    let log = server.log("operator").await;
    let keys = Keys::new(&log);
    let on_disk = |needle: &[u8]| {
        let mut all = Vec::new();
        files(server.folder(), &mut all);
        let has = |path: &std::path::PathBuf| {
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle)
        };
        all.iter().any(has)
    };
    let values: Vec<Vec<u8>> =
        (0..4).map(|number| format!("negative-{number}-{}", Uuid::new_v4()).into_bytes()).collect();
    keys.create("account.a", values[0].clone()).await.unwrap();
    until("the value is on the disk", async || on_disk(&values[0])).await;
    assert_eq!(
        keys.replace("account.a", &values[0], values[1].clone()).await.unwrap(),
        Replacement::Replaced
    );
    until("the replaced value is overwritten", async || !on_disk(&values[0])).await;
    assert!(on_disk(&values[1]));

    // What somebody leaves who is killed between the successor and the overwriting.
    let bare = async_nats::jetstream::new(server.bare("operator").await);
    let left = bare.publish("$KV.keys.account.a", values[2].clone().into()).await.unwrap();
    left.await.unwrap();
    let listed = keys.page("account", 0).await.unwrap().entries;
    assert_eq!(listed.iter().map(|(_, value)| value).collect::<Vec<_>>(), [&values[1], &values[2]]);
    let swept = keys.replace("account.a", &values[1], values[3].clone()).await.unwrap();
    assert_eq!(swept, Replacement::Changed);
    assert_eq!(keys.get("account.a").await.unwrap().as_ref(), Some(&values[2]));
    until("what was left is overwritten", async || !on_disk(&values[1])).await;

    let left = bare.publish("$KV.keys.account.a", values[3].clone().into()).await.unwrap();
    left.await.unwrap();
    keys.shred("account.a").await.unwrap();
    until("both are overwritten", async || !on_disk(&values[2]) && !on_disk(&values[3])).await;
    server.embedded.stop().await;
}
