//! Personal fields and their keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use vault::{
    Creation, EnvelopeError, Error, FieldKey, MasterKeys, MemoryKeys, Page, Replacement,
    StoreError, StoreFuture, Vault, WrappedKeys,
};

const FIELD: &str = "source_url";

fn master() -> MasterKeys {
    let folder = tempfile::tempdir().unwrap();
    MasterKeys::open_or_create(&folder.path().join("master.key")).unwrap()
}

fn vault() -> Vault {
    Vault::new(master(), Arc::new(MemoryKeys::default()))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn job_key() -> FieldKey {
    block_on(vault().create_job_key("a", "j")).unwrap()
}

/// Bytes in base64, as an envelope is written.
fn written(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn what_was_sealed_opens_as_bytes_text_and_json() {
    let key = job_key();
    for plain in ["", "x", "https://example.org/a.jpg?x=1", &"ä".repeat(100_000)] {
        let envelope = key.seal(FIELD, plain.as_bytes());
        assert_eq!(*key.open(FIELD, &envelope).unwrap(), plain.as_bytes());
        assert_eq!(*key.open_text(FIELD, &envelope).unwrap(), plain);
        assert!(plain.len() < 2 || !envelope.contains(plain));
    }
    let json = serde_json::json!({ "bucket": "b", "n": [1, 2] });
    let envelope = key.seal_json(FIELD, &json).unwrap();
    assert_eq!(key.open_json::<serde_json::Value>(FIELD, &envelope).unwrap(), json);
    assert_ne!(key.seal(FIELD, b"same"), key.seal(FIELD, b"same"), "a nonce was used twice");
}

#[test]
fn what_opens_but_is_not_as_expected_is_refused_without_quoting_it() {
    let key = job_key();
    let bytes = key.seal(FIELD, &[0xFF, 0xFE]);
    assert!(matches!(key.open_text(FIELD, &bytes), Err(Error::NotText { .. })));
    let text = key.seal(FIELD, b"\"hunter2\"");
    let refused = key.open_json::<u32>(FIELD, &text).unwrap_err();
    assert!(matches!(refused, Error::NotJson { .. }));
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_sealed_field_opens_nowhere_but_where_it_was_sealed() {
    let vault = vault();
    let a1 = vault.create_job_key("a", "1").await.unwrap();
    let a2 = vault.create_job_key("a", "2").await.unwrap();
    let b1 = vault.create_job_key("b", "1").await.unwrap();
    let a = vault.create_account_key("a").await.unwrap();
    let b = vault.create_account_key("b").await.unwrap();
    // The last four share one data key, so that the associated data alone tells them apart.
    let keys = [
        a1.clone(),
        a2,
        b1,
        b,
        a.clone(),
        a.for_record("e1"),
        a.for_record("e2"),
        a.for_record(""),
    ];
    let places: Vec<_> = keys
        .iter()
        .flat_map(|key| ["source_url", "file_name", "", "source_ur"].map(|field| (key, field)))
        .collect();
    for (sealed_at, (key, field)) in places.iter().enumerate() {
        let envelope = key.seal(field, b"secret");
        for (opened_at, (key, field)) in places.iter().enumerate() {
            assert_eq!(
                key.open(field, &envelope).is_ok(),
                sealed_at == opened_at,
                "{sealed_at} {opened_at} {field}"
            );
        }
    }
}

#[test]
fn no_byte_of_an_envelope_can_change() {
    let key = job_key();
    let envelope = key.seal(FIELD, b"https://example.org/");
    let bytes = URL_SAFE_NO_PAD.decode(&envelope).unwrap();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            assert!(key.open(FIELD, &written(&changed)).is_err(), "byte {index}, bit {bit}");
        }
    }
    for length in 0..bytes.len() {
        assert!(key.open(FIELD, &written(&bytes[..length])).is_err(), "{length} bytes");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(key.open(FIELD, &written(&longer)).is_err());
    assert!(key.open(FIELD, &format!("{envelope}=")).is_err());
    assert!(key.open(FIELD, &format!(" {envelope}")).is_err());
}

#[test]
fn an_unknown_version_or_algorithm_is_refused_as_such() {
    let key = job_key();
    let bytes = URL_SAFE_NO_PAD.decode(key.seal(FIELD, b"x")).unwrap();
    for (index, expected) in [(0, EnvelopeError::Version(7)), (1, EnvelopeError::Algorithm(7))] {
        let mut changed = bytes.clone();
        changed[index] = 7;
        match key.open(FIELD, &written(&changed)) {
            Err(Error::Envelope { source, .. }) => assert_eq!(source, expected),
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_panics_and_never_opens(garbage in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
        let key = job_key();
        prop_assert!(key.open(FIELD, &written(&garbage)).is_err());
        prop_assert!(key.open(FIELD, &text).is_err());
        // Past the header, so that the cipher sees it too.
        let mut headed = URL_SAFE_NO_PAD.decode(key.seal(FIELD, b"")).unwrap();
        headed.truncate(10);
        headed.extend_from_slice(&garbage);
        prop_assert!(key.open(FIELD, &written(&headed)).is_err());
        prop_assert!(master().unwrap("n", &garbage).is_err());
    }

    #[test]
    fn every_plaintext_comes_back(plain in prop::collection::vec(any::<u8>(), 0..2000), field in ".{0,40}") {
        let key = job_key();
        prop_assert_eq!(&*key.open(&field, &key.seal(&field, &plain)).unwrap(), &plain);
    }
}

#[tokio::test]
async fn a_key_is_the_same_for_every_process_and_after_a_restart() {
    let (master, store) = (master(), Arc::new(MemoryKeys::default()));
    let vaults: Vec<Vault> = (0..3).map(|_| Vault::new(master.clone(), store.clone())).collect();
    let made = vaults[0].create_job_key("a", "j").await.unwrap();
    let envelope = made.seal(FIELD, b"secret");
    for vault in &vaults {
        for key in
            [vault.job_key("a", "j").await.unwrap(), vault.create_job_key("a", "j").await.unwrap()]
        {
            assert_eq!(key.id(), made.id());
            assert_eq!(*key.open(FIELD, &envelope).unwrap(), b"secret");
        }
        assert_eq!(
            vault.account_key("a").await.unwrap().id(),
            vaults[0].create_account_key("a").await.unwrap().id()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_make_the_same_key_at_once_agree_on_it() {
    let (master, store) = (master(), Arc::new(MemoryKeys::default()));
    for round in 0..20 {
        let job = format!("job-{round}");
        let account = format!("account-{round}");
        let makers: Vec<_> = (0..8)
            .map(|_| {
                let vault = Vault::new(master.clone(), store.clone());
                let (account, job) = (account.clone(), job.clone());
                tokio::spawn(
                    async move { vault.create_job_key(&account, &job).await.unwrap().id() },
                )
            })
            .collect();
        let mut ids = Vec::new();
        for maker in makers {
            ids.push(maker.await.unwrap());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }
}

#[tokio::test]
async fn a_shredded_job_is_gone_for_everyone_and_its_neighbour_is_not() {
    let (master, store) = (master(), Arc::new(MemoryKeys::default()));
    let vault = Vault::new(master.clone(), store.clone());
    let envelope = vault.create_job_key("a", "1").await.unwrap().seal(FIELD, b"secret");
    vault.create_job_key("a", "2").await.unwrap();
    vault.shred_job("a", "1").await.unwrap();
    vault.shred_job("a", "1").await.unwrap();
    for vault in [&vault, &Vault::new(master, store)] {
        let gone = vault.job_key("a", "1").await.err().unwrap();
        assert!(matches!(gone, Error::Shredded { .. }) && gone.is_shredded());
        assert!(vault.job_key("a", "2").await.is_ok());
    }
    let reborn = vault.create_job_key("a", "1").await.unwrap();
    let unreadable = reborn.open(FIELD, &envelope).unwrap_err();
    assert!(matches!(unreadable, Error::OtherKey { .. }) && unreadable.is_shredded());
}

#[tokio::test]
async fn a_shredded_account_takes_its_jobs_along() {
    let (master, store) = (master(), Arc::new(MemoryKeys::default()));
    let vault = Vault::new(master.clone(), store.clone());
    vault.create_job_key("a", "1").await.unwrap();
    vault.create_job_key("b", "1").await.unwrap();
    vault.shred_account("a").await.unwrap();
    for vault in [&vault, &Vault::new(master, store)] {
        assert!(matches!(vault.account_key("a").await, Err(Error::Shredded { .. })));
        assert!(matches!(vault.job_key("a", "1").await, Err(Error::Shredded { .. })));
        assert!(vault.job_key("b", "1").await.is_ok());
    }
    vault.create_account_key("a").await.unwrap();
    assert!(matches!(vault.job_key("a", "1").await, Err(Error::Shredded { .. })));
}

#[tokio::test]
async fn a_job_key_whose_account_was_shredded_opens_nothing_even_if_it_is_left() {
    let (master, store) = (master(), Arc::new(MemoryKeys::default()));
    Vault::new(master.clone(), store.clone()).create_job_key("a", "1").await.unwrap();
    // As somebody leaves it who is killed over an erasure.
    store.shred("account.a").await.unwrap();
    let vault = Vault::new(master, store);
    vault.create_account_key("a").await.unwrap();
    assert!(matches!(vault.job_key("a", "1").await, Err(Error::Shredded { .. })));
    assert!(matches!(vault.create_job_key("a", "1").await, Err(Error::Shredded { .. })));
}

#[tokio::test]
async fn another_key_ring_is_noticed_before_it_does_harm() {
    let store = Arc::new(MemoryKeys::default());
    let right = Vault::new(master(), store.clone());
    right.check().await.unwrap();
    right.check().await.unwrap();
    right.create_job_key("a", "1").await.unwrap();
    let wrong = Vault::new(master(), store);
    assert!(matches!(wrong.check().await, Err(Error::UnknownMasterKey { .. })));
    assert!(matches!(wrong.job_key("a", "1").await, Err(Error::UnknownMasterKey { .. })));
    assert!(matches!(wrong.create_job_key("a", "2").await, Err(Error::UnknownMasterKey { .. })));
}

#[tokio::test]
async fn a_wrapped_key_moved_to_another_name_does_not_unwrap() {
    let store = Arc::new(MemoryKeys::default());
    let master = master();
    let vault = Vault::new(master.clone(), store.clone());
    vault.create_job_key("a", "1").await.unwrap();
    vault.create_account_key("b").await.unwrap();
    for (from, to) in [("job.a.1", "job.a.2"), ("account.a", "account.c")] {
        let wrapped = store.get(from).await.unwrap().unwrap();
        assert_eq!(store.create(to, wrapped).await.unwrap(), Creation::Created);
    }
    assert!(matches!(vault.job_key("a", "2").await, Err(Error::Refused { .. })));
    assert!(matches!(vault.account_key("c").await, Err(Error::Refused { .. })));
}

/// A store that counts, and fails when told to.
#[derive(Default)]
struct CountedKeys {
    inner: MemoryKeys,
    reads: AtomicUsize,
    failing: std::sync::atomic::AtomicBool,
}

impl WrappedKeys for CountedKeys {
    fn get<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<Vec<u8>>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.failing.load(Ordering::SeqCst) {
            return Box::pin(async move { Err(StoreError::new("read", name, "connection lost")) });
        }
        self.inner.get(name)
    }

    fn create<'a>(&'a self, name: &'a str, wrapped: Vec<u8>) -> StoreFuture<'a, Creation> {
        self.inner.create(name, wrapped)
    }

    fn shred<'a>(&'a self, name: &'a str) -> StoreFuture<'a, ()> {
        self.inner.shred(name)
    }

    fn replace<'a>(
        &'a self,
        name: &'a str,
        old: &'a [u8],
        new: Vec<u8>,
    ) -> StoreFuture<'a, Replacement> {
        self.inner.replace(name, old, new)
    }

    fn page<'a>(&'a self, prefix: &'a str, from: u64) -> StoreFuture<'a, Page> {
        self.inner.page(prefix, from)
    }
}

#[tokio::test]
async fn keys_in_use_are_not_read_again_and_a_failing_store_is_no_shredded_key() {
    let store = Arc::new(CountedKeys::default());
    let vault = Vault::new(master(), store.clone());
    vault.create_job_key("a", "1").await.unwrap();
    let reads = store.reads.load(Ordering::SeqCst);
    for _ in 0..10 {
        vault.job_key("a", "1").await.unwrap();
        vault.account_key("a").await.unwrap();
        vault.create_job_key("a", "1").await.unwrap();
    }
    assert_eq!(store.reads.load(Ordering::SeqCst), reads);
    store.failing.store(true, Ordering::SeqCst);
    let failed = vault.job_key("a", "2").await.err().unwrap();
    assert_eq!(failed.to_string(), "cannot read the wrapped key `job.a.2`");
    assert!(!failed.is_shredded());
}

/// A store whose next read is answered only after something else was done.
struct SlowRead {
    inner: MemoryKeys,
    read: tokio::sync::Notify,
    go_on: tokio::sync::Semaphore,
}

impl SlowRead {
    async fn is_read(&self) {
        let read = tokio::time::timeout(Duration::from_secs(30), self.read.notified());
        read.await.expect("the store is read");
    }
}

impl WrappedKeys for SlowRead {
    fn get<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let found = self.inner.get(name).await?;
            self.read.notify_one();
            self.go_on.acquire().await.unwrap().forget();
            Ok(found)
        })
    }

    fn create<'a>(&'a self, name: &'a str, wrapped: Vec<u8>) -> StoreFuture<'a, Creation> {
        self.inner.create(name, wrapped)
    }

    fn shred<'a>(&'a self, name: &'a str) -> StoreFuture<'a, ()> {
        self.inner.shred(name)
    }

    fn replace<'a>(
        &'a self,
        name: &'a str,
        old: &'a [u8],
        new: Vec<u8>,
    ) -> StoreFuture<'a, Replacement> {
        self.inner.replace(name, old, new)
    }

    fn page<'a>(&'a self, prefix: &'a str, from: u64) -> StoreFuture<'a, Page> {
        self.inner.page(prefix, from)
    }
}

#[tokio::test]
async fn a_read_that_was_under_way_does_not_revive_a_shredded_key() {
    let (inner, read, go_on) =
        (MemoryKeys::default(), tokio::sync::Notify::new(), tokio::sync::Semaphore::new(1));
    let store = Arc::new(SlowRead { inner, read, go_on });
    let master = master();
    let elsewhere = Vault::new(master.clone(), store.clone());
    elsewhere.create_job_key("a", "1").await.unwrap();
    let vault = Arc::new(Vault::new(master, store.clone()));
    store.is_read().await;
    let reader = tokio::spawn({
        let vault = Arc::clone(&vault);
        async move { vault.job_key("a", "1").await.map(drop) }
    });
    store.is_read().await;
    vault.shred_job("a", "1").await.unwrap();
    store.go_on.add_permits(10);
    reader.await.unwrap().unwrap();
    assert!(matches!(vault.job_key("a", "1").await, Err(Error::Shredded { .. })));
}
