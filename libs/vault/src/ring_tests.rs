//! Tests of the key ring file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::cipher::KEY_BYTES;
use crate::document::KEYS_MAX;
use crate::ring_file::RING_MAX_BYTES;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn entry(id: &str, byte: u8) -> String {
    format!("{{\"id\":\"{id}\",\"secret\":\"{}\"}}", STANDARD.encode([byte; KEY_BYTES]))
}

fn ring(format: u32, current: &str, keys: &[String]) -> String {
    let digest = STANDARD.encode([9; 32]);
    let keys = keys.join(",");
    format!(
        "{{\"format\":{format},\"current\":\"{current}\",\"keys\":[{keys}],\"digest_secret\":\"{digest}\"}}"
    )
}

fn fault(text: &str) -> RingFault {
    let folder = folder();
    let path = folder.path().join("master.key");
    write(&path, text);
    let refused = MasterKeys::open_or_create(&path).err().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "the file was changed");
    match refused {
        RingError::Malformed { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

const A: &str = "00000000000000aa";
const B: &str = "00000000000000bb";

#[test]
fn a_new_ring_is_for_its_owner_alone_and_reads_the_same_again() {
    let folder = folder();
    let path = folder.path().join("master.key");
    let made = MasterKeys::open_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let read = MasterKeys::open_or_create(&path).unwrap();
    assert_eq!(made.current(), read.current());
    let key = DataKey::generate();
    assert_eq!(read.unwrap("n", &made.wrap("n", &key)).unwrap().id(), key.id());
    assert_eq!(made.digests("p").of(b"d"), read.digests("p").of(b"d"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a draft was left behind");
}

#[test]
fn processes_that_start_at_once_end_with_one_ring() {
    let folder = folder();
    let path = folder.path().join("master.key");
    let barrier = std::sync::Barrier::new(8);
    let rings: Vec<MasterKeys> = std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            MasterKeys::open_or_create(&path).unwrap()
        };
        let started: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let wrapped = rings[0].wrap("n", &DataKey::generate());
    for ring in &rings {
        assert_eq!(ring.current(), rings[0].current());
        assert!(ring.unwrap("n", &wrapped).is_ok());
        assert_eq!(ring.digests("p").of(b"d"), rings[0].digests("p").of(b"d"));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a draft was left behind");
}

#[test]
fn a_ring_that_others_may_use_is_refused_with_the_command_that_helps() {
    let folder = folder();
    let path = folder.path().join("master.key");
    MasterKeys::open_or_create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = MasterKeys::open_or_create(&path).err().unwrap().to_string();
        assert!(refused.ends_with(&format!("run: chmod 600 {}", path.display())), "{refused}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(MasterKeys::open_or_create(&path).is_ok());
    }
}

#[test]
fn a_malformed_ring_is_refused_by_its_fault_and_left_alone() {
    let good = [entry(A, 1), entry(B, 2)];
    assert!(matches!(fault(""), RingFault::Json { .. }));
    assert!(matches!(fault("{}"), RingFault::Json { .. }));
    assert!(matches!(fault(&ring(1, A, &good)[1..]), RingFault::Json { .. }));
    assert!(matches!(
        fault(&ring(1, A, &good).replace("format", "farmat")),
        RingFault::Json { .. }
    ));
    assert_eq!(fault(&ring(2, A, &good)), RingFault::Format(2));
    assert_eq!(fault(&ring(1, A, &[])), RingFault::Count(KEYS_MAX));
    assert_eq!(fault(&ring(1, A, &vec![entry(A, 1); KEYS_MAX + 1])), RingFault::Count(KEYS_MAX));
    assert_eq!(
        fault(&ring(1, A, &[entry(A, 1), entry(A, 2)])),
        RingFault::Twice(A.parse().unwrap())
    );
    assert_eq!(fault(&ring(1, B, &[entry(A, 1)])), RingFault::Current(B.parse().unwrap()));
    assert_eq!(fault(&ring(1, "main", &good)), RingFault::Id);
    assert_eq!(fault(&ring(1, "zz", &[entry("zz", 1)])), RingFault::Id);
    let short =
        format!("{{\"id\":\"{A}\",\"secret\":\"{}\"}}", STANDARD.encode([1; KEY_BYTES - 1]));
    assert_eq!(fault(&ring(1, A, &[short])), RingFault::Secret(KEY_BYTES));
    let digest = ring(1, A, &good).replace(&STANDARD.encode([9; 32]), "AAAA");
    assert_eq!(fault(&digest), RingFault::Secret(32));
    assert_eq!(fault(&" ".repeat(RING_MAX_BYTES + 1)), RingFault::TooLarge(RING_MAX_BYTES));
}

#[test]
fn a_refused_ring_does_not_show_its_secrets() {
    let planted = STANDARD.encode([1; KEY_BYTES]);
    let folder = folder();
    let path = folder.path().join("master.key");
    write(
        &path,
        &ring(1, A, &[entry(A, 1)]).replace("\"format\":1", &format!("\"format\":\"{planted}\"")),
    );
    let refused = MasterKeys::open(&path).err().unwrap();
    assert!(!format!("{refused} {refused:?}").contains(&planted), "{refused}");
}

#[test]
fn what_is_no_file_or_not_there_is_named() {
    let folder = folder();
    assert!(matches!(MasterKeys::open_or_create(folder.path()), Err(RingError::NotAFile { .. })));
    let missing = folder.path().join("none/master.key");
    assert!(matches!(MasterKeys::open(&missing), Err(RingError::Missing { .. })));
    assert!(matches!(
        MasterKeys::open_or_create(&missing),
        Err(RingError::File { operation: "create", .. })
    ));
}

#[test]
fn an_earlier_key_still_unwraps_and_digests_outlive_the_rotation() {
    let folder = folder();
    let path = folder.path().join("master.key");
    write(&path, &ring(1, A, &[entry(A, 1)]));
    let before = MasterKeys::open(&path).unwrap();
    let key = DataKey::generate();
    let wrapped = before.wrap("n", &key);
    write(&path, &ring(1, B, &[entry(A, 1), entry(B, 2)]));
    let after = MasterKeys::open(&path).unwrap();
    assert_eq!(after.current(), B.parse().unwrap());
    assert_eq!(after.unwrap("n", &wrapped).unwrap().id(), key.id());
    assert_eq!(before.digests("p").of(b"d"), after.digests("p").of(b"d"));
    let new = after.wrap("n", &key);
    assert!(matches!(before.unwrap("n", &new), Err(crate::Error::UnknownMasterKey { .. })));
}

#[test]
fn a_digest_belongs_to_its_purpose_and_data() {
    let folder = folder();
    let ring = MasterKeys::open_or_create(&folder.path().join("master.key")).unwrap();
    let digest = ring.digests("api_secret").of(b"data");
    assert!(ring.digests("api_secret").verify(b"data", &digest));
    assert!(!ring.digests("fingerprint").verify(b"data", &digest));
    assert!(!ring.digests("api_secret").verify(b"date", &digest));
    assert!(!ring.digests("api_secret").verify(b"data", &digest[..31]));
    assert!(!ring.digests("api_secret").verify(b"data", &[]));
}
