//! Rings that are rotated while others work.

use std::fs;
use std::sync::Arc;

use vault::{
    Error, KeyId, KeysHeld, MemoryKeys, Replacement, RingError, RingName, Role, Rotated, Settings,
    Unretirable, Vault, WrappedKeys as _,
};

use crate::{open, settings};

const FIELD: &str = "source_url";
const NOW: i64 = 1_800_000_000;

async fn rotate(settings: &Settings, ring: RingName) -> KeyId {
    match settings.rotate(ring, NOW).await.unwrap() {
        Rotated::Written(id) => id,
        Rotated::ToAdd { .. } => panic!("the ring is a file"),
    }
}

async fn rewrap(vault: &Vault, ring: RingName) -> u64 {
    let report = vault.rewrap(ring, &mut |_| {}).await.unwrap();
    assert_eq!(report.failed, 0, "{:?}", report.failures);
    report.moved
}

#[tokio::test]
async fn processes_that_run_follow_a_rotation_without_a_restart() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let running = open(folder.path(), Role::Opens, &store).await;
    let sealing = open(folder.path(), Role::Seals, &store).await;
    let field = running.create_job_key("a", "1").await.unwrap().seal(FIELD, b"secret");
    let credential = sealing.seal_credential("a", FIELD, b"secret").await.unwrap();

    let settings = settings(folder.path());
    let mut news = Vec::new();
    for ring in RingName::ALL {
        news.push(rotate(&settings, ring).await);
    }
    let operator = open(folder.path(), Role::Operates, &store).await;
    // Each ring's mark, and one key under it.
    assert_eq!(rewrap(&operator, RingName::Fields).await, 2);
    assert_eq!(rewrap(&operator, RingName::Credentials).await, 2);
    assert_eq!(rewrap(&operator, RingName::Credentials).await, 0);
    for (ring, new) in RingName::ALL.into_iter().zip(news) {
        let census = operator.census(ring).await.unwrap();
        assert_eq!(census.into_iter().collect::<Vec<_>>(), [(new, 2)]);
    }
    // What it holds unwrapped it goes on using; what is new to it makes it look at the rings again.
    for (account, vault) in [("b", &operator), ("c", &running)] {
        vault.create_account_key(account).await.unwrap();
        for vault in [&running, &operator] {
            vault.account_key(account).await.unwrap();
        }
    }
    assert_eq!(*running.job_key("a", "1").await.unwrap().open(FIELD, &field).unwrap(), b"secret");
    assert_eq!(*running.open_credential("a", FIELD, &credential).await.unwrap(), "secret");
    let new = operator.seal_credential("a", FIELD, b"new").await.unwrap();
    assert_eq!(*running.open_credential("a", FIELD, &new).await.unwrap(), "new");
    let fresh = open(folder.path(), Role::Opens, &store).await;
    assert_eq!(*fresh.job_key("a", "1").await.unwrap().open(FIELD, &field).unwrap(), b"secret");
    assert_eq!(*fresh.open_credential("a", FIELD, &credential).await.unwrap(), "secret");
}

#[tokio::test]
async fn another_installations_ring_put_in_place_is_not_taken_for_a_rotation() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let running = open(folder.path(), Role::Opens, &store).await;
    let digest = running.master().digests("p").of(b"d");
    let other = tempfile::tempdir().unwrap();
    let stranger = open(other.path(), Role::Opens, &Arc::new(MemoryKeys::default())).await;
    for name in ["master.key", "credentials.key"] {
        fs::copy(other.path().join(name), folder.path().join(name)).unwrap();
    }
    // A key under the stranger's ring makes it look.
    let foreign = stranger.master().wrap("account.x", &vault::DataKey::generate());
    store.create("account.x", foreign).await.unwrap();
    assert!(matches!(running.account_key("x").await, Err(Error::UnknownMasterKey { .. })));
    assert_eq!(running.master().digests("p").of(b"d"), digest);
    running.create_account_key("a").await.unwrap();
}

#[tokio::test]
async fn a_key_is_retired_only_when_nothing_is_left_under_it_and_nobody_may_still_use_it() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let vault = open(folder.path(), Role::Opens, &store).await;
    vault.create_account_key("a").await.unwrap();
    let settings = settings(folder.path());
    for ring in RingName::ALL {
        let old = settings.keys(ring).await.unwrap()[0].id;
        let why = async |held, now| match settings.retire(ring, old, held, now).await {
            Err(RingError::Unretirable { why, .. }) => Some(why),
            Err(other) => panic!("{other}"),
            Ok(()) => None,
        };
        assert_eq!(why(0, NOW).await, Some(Unretirable::Current));
        rotate(&settings, ring).await;
        let operator = open(folder.path(), Role::Operates, &store).await;
        let held = operator.census(ring).await.unwrap()[&old];
        assert_eq!(why(held, NOW + 86_400).await, Some(Unretirable::Held(held)));
        rewrap(&operator, ring).await;
        assert!(!operator.census(ring).await.unwrap().contains_key(&old));
        let soon = Unretirable::TooSoon { age_s: 299, needed_s: 300 };
        assert_eq!(why(0, NOW + 299).await, Some(soon));
        assert_eq!(why(0, NOW + 300).await, None);
        assert_eq!(why(0, NOW + 300).await, Some(Unretirable::Unknown));
        assert_eq!(settings.keys(ring).await.unwrap().len(), 1);
        let report = open(folder.path(), Role::Operates, &store).await;
        let report = report.verify(ring, &mut |_| {}).await.unwrap();
        assert_eq!(report.failed, 0, "{:?}", report.failures);
    }
    // Whoever only seals is told of the new pair.
    open(folder.path(), Role::Seals, &store).await;
}

#[tokio::test]
async fn what_does_not_open_is_reported_and_left_alone() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let vault = open(folder.path(), Role::Opens, &store).await;
    vault.create_job_key("a", "1").await.unwrap();
    vault.create_job_key("b", "1").await.unwrap();
    // As somebody leaves it who is killed over an erasure.
    store.shred("account.b").await.unwrap();
    let sealed = vault.seal_credential("a", FIELD, b"secret").await.unwrap();
    store.create("account.rubbish", vec![1, 2, 3]).await.unwrap();
    let moved = store.get("account.a").await.unwrap().unwrap();
    store.create("account.moved", moved.clone()).await.unwrap();
    // The one that made the keys still holds account b's.
    let fresh = open(folder.path(), Role::Operates, &store).await;
    let report = fresh.verify(RingName::Fields, &mut |_| {}).await.unwrap();
    // The mark, account a, and its job.
    assert_eq!((report.well, report.orphaned, report.failed), (3, 1, 2));
    rotate(&settings(folder.path()), RingName::Fields).await;
    let operator = open(folder.path(), Role::Operates, &store).await;
    let report = operator.rewrap(RingName::Fields, &mut |_| {}).await.unwrap();
    assert_eq!((report.moved, report.failed), (2, 2));
    assert_eq!(store.get("account.moved").await.unwrap().unwrap(), moved);
    assert_eq!(store.get("account.rubbish").await.unwrap().unwrap(), [1, 2, 3]);
    vault.job_key("a", "1").await.unwrap();
    let report = vault.verify(RingName::Credentials, &mut |_| {}).await.unwrap();
    assert_eq!((report.well, report.failed), (2, 0));
    vault.open_credential("a", FIELD, &sealed).await.unwrap();
}

#[tokio::test]
async fn a_replacement_that_comes_too_late_changes_nothing() {
    let store = MemoryKeys::default();
    store.create("account.a", vec![1]).await.unwrap();
    assert_eq!(store.replace("account.a", &[1], vec![2]).await.unwrap(), Replacement::Replaced);
    assert_eq!(store.replace("account.a", &[1], vec![3]).await.unwrap(), Replacement::Changed);
    store.shred("account.a").await.unwrap();
    assert_eq!(store.replace("account.a", &[2], vec![3]).await.unwrap(), Replacement::Changed);
    assert_eq!(store.get("account.a").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_are_made_opened_and_shredded_while_rings_rotate() {
    const ACCOUNTS: u64 = 40;
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let vault = Arc::new(open(folder.path(), Role::Opens, &store).await);
    let mut work = tokio::task::JoinSet::new();
    for worker in 0..3 {
        let (vault, store) = (Arc::clone(&vault), store.clone());
        let folder = folder.path().to_owned();
        work.spawn(async move {
            let other = open(&folder, Role::Opens, &store).await;
            for number in 0..ACCOUNTS {
                let account = format!("{worker}-{number}");
                let field = vault.create_job_key(&account, "j").await.unwrap().seal(FIELD, b"x");
                let credential = vault.seal_credential(&account, FIELD, b"y").await.unwrap();
                let key = other.job_key(&account, "j").await.unwrap();
                assert_eq!(*key.open(FIELD, &field).unwrap(), b"x");
                let opened = other.open_credential(&account, FIELD, &credential).await.unwrap();
                assert_eq!(*opened, "y");
                if number.is_multiple_of(3) {
                    vault.shred_account(&account).await.unwrap();
                    assert_eq!(other.keys_of(&account).await.unwrap(), KeysHeld::default());
                }
                tokio::task::yield_now().await;
            }
        });
    }
    let settings = settings(folder.path());
    let mut rotations = 0;
    while !work.is_empty() && rotations < 30 {
        let ring = RingName::ALL[rotations % 2];
        rotate(&settings, ring).await;
        let operator = open(folder.path(), Role::Operates, &store).await;
        rewrap(&operator, ring).await;
        rotations += 1;
        while let Some(worker) = work.try_join_next() {
            worker.unwrap();
        }
    }
    while let Some(worker) = work.join_next().await {
        worker.unwrap();
    }
    assert!(rotations > 1);
    let operator = open(folder.path(), Role::Operates, &store).await;
    for ring in RingName::ALL {
        rewrap(&operator, ring).await;
        assert_eq!(operator.census(ring).await.unwrap().len(), 1);
        let report = operator.verify(ring, &mut |_| {}).await.unwrap();
        assert_eq!(report.failed, 0, "{:?}", report.failures);
    }
}

#[tokio::test]
async fn two_who_change_a_ring_at_once_do_not_lose_a_key() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    open(folder.path(), Role::Opens, &store).await;
    let settings = settings(folder.path());
    let many = (0..8).map(|_| {
        let settings = settings.clone();
        tokio::spawn(async move { settings.rotate(RingName::Fields, NOW).await })
    });
    let many: Vec<_> = many.collect();
    let mut written = Vec::new();
    for one in many {
        match one.await.unwrap() {
            Ok(Rotated::Written(id)) => written.push(id),
            Ok(Rotated::ToAdd { .. }) => panic!("the ring is a file"),
            Err(error) => assert!(matches!(error, RingError::Busy { .. }), "{error}"),
        }
    }
    let keys: Vec<KeyId> =
        settings.keys(RingName::Fields).await.unwrap().iter().map(|key| key.id).collect();
    assert_eq!(keys.len(), 1 + written.len());
    assert!(written.iter().all(|id| keys.contains(id)));
}
