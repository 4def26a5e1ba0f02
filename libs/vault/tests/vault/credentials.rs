//! Customers' credentials: who may seal and who may open.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::{fs, path::Path};

use vault::{
    CredentialKeys, Error, KeysHeld, MasterKeys, MemoryKeys, RingError, RingFault, Role, Vault,
    WrappedKeys as _,
};

use crate::{open, settings};

const FIELD: &str = "destination_credentials";

/// The message of a vault that was not to be had.
async fn refusal(folder: &Path, role: Role, store: &Arc<MemoryKeys>) -> Error {
    Vault::open(&settings(folder), role, store.clone()).await.err().unwrap()
}

#[tokio::test]
async fn whoever_has_the_public_half_alone_seals_what_it_cannot_open() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let worker = open(folder.path(), Role::Opens, &store).await;
    fs::remove_file(folder.path().join("credentials.key")).unwrap();
    let api = open(folder.path(), Role::Seals, &store).await;
    let sealed = api.seal_credential("a", FIELD, b"hunter2").await.unwrap();
    let refused = api.open_credential("a", FIELD, &sealed).await.unwrap_err();
    assert!(matches!(refused, Error::SealsOnly), "{refused}");
    assert!(refused.to_string().contains("opens none"), "{refused}");
    assert_eq!(*worker.open_credential("a", FIELD, &sealed).await.unwrap(), "hunter2");
    // Whoever acts with credentials may also take them in.
    let own = worker.seal_credential("a", FIELD, b"hunter3").await.unwrap();
    assert_eq!(*worker.open_credential("a", FIELD, &own).await.unwrap(), "hunter3");
}

#[tokio::test]
async fn a_credential_opens_for_its_account_and_field_alone() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let vault = open(folder.path(), Role::Opens, &store).await;
    let mut sealed = Vec::new();
    for account in ["a", "b"] {
        vault.create_account_key(account).await.unwrap();
        for field in ["destination_credentials", "webhook_secret", ""] {
            let envelope = vault.seal_credential(account, field, b"hunter2").await.unwrap();
            sealed.push((account, field, envelope));
        }
    }
    for (at, (_, _, envelope)) in sealed.iter().enumerate() {
        for (wanted, (account, field, _)) in sealed.iter().enumerate() {
            let opened = vault.open_credential(account, field, envelope).await;
            assert_eq!(opened.is_ok(), at == wanted, "{at} {wanted}");
        }
        // The wrapped key under another account's name does not help either.
        let id: String = id(envelope);
        for (from, to) in [("a", "b"), ("b", "a")] {
            let from = store.get(&format!("credential.{from}.{id}")).await.unwrap();
            if let Some(wrapped) = from {
                let moved = format!("credential.{to}.{id}");
                store.create(&moved, wrapped).await.unwrap();
                for (_, field, _) in &sealed {
                    assert!(vault.open_credential(to, field, envelope).await.is_err());
                }
                store.shred(&moved).await.unwrap();
            }
        }
    }
}

/// The key that an envelope names.
fn id(envelope: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(envelope).unwrap();
    hex::encode(&bytes[2..10])
}

#[tokio::test]
async fn what_the_account_key_sealed_before_there_was_a_ring_still_opens() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let vault = open(folder.path(), Role::Opens, &store).await;
    let old = vault.create_account_key("a").await.unwrap().seal(FIELD, b"hunter2");
    assert_eq!(*vault.open_credential("a", FIELD, &old).await.unwrap(), "hunter2");
    vault.create_account_key("b").await.unwrap();
    assert!(vault.open_credential("b", FIELD, &old).await.unwrap_err().is_shredded());
    let api = open(folder.path(), Role::Seals, &store).await;
    assert!(matches!(api.open_credential("a", FIELD, &old).await, Err(Error::SealsOnly)));
    vault.shred_account("a").await.unwrap();
    assert!(vault.open_credential("a", FIELD, &old).await.unwrap_err().is_shredded());
}

#[tokio::test]
async fn a_shredded_account_takes_its_credentials_along_and_no_others() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let vault = open(folder.path(), Role::Opens, &store).await;
    vault.create_job_key("a", "1").await.unwrap();
    let mut sealed = Vec::new();
    for account in ["a", "a", "ab"] {
        sealed.push(vault.seal_credential(account, FIELD, b"hunter2").await.unwrap());
    }
    let held = vault.keys_of("a").await.unwrap();
    assert_eq!(held, KeysHeld { account: true, credentials: 2, jobs: 1 });
    vault.open_credential("a", FIELD, &sealed[0]).await.unwrap();
    assert_eq!(vault.shred_account("a").await.unwrap(), 4);
    assert_eq!(vault.shred_account("a").await.unwrap(), 0);
    for vault in [&vault, &open(folder.path(), Role::Opens, &store).await] {
        for envelope in &sealed[..2] {
            let gone = vault.open_credential("a", FIELD, envelope).await.unwrap_err();
            assert!(gone.is_shredded(), "{gone}");
        }
        assert_eq!(*vault.open_credential("ab", FIELD, &sealed[2]).await.unwrap(), "hunter2");
    }
    assert_eq!(vault.keys_of("a").await.unwrap(), KeysHeld::default());
    vault.shred_credential("ab", FIELD, &sealed[2]).await.unwrap();
    assert!(vault.open_credential("ab", FIELD, &sealed[2]).await.unwrap_err().is_shredded());
}

#[tokio::test]
async fn another_ring_or_a_lost_one_is_noticed_and_nothing_is_made() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let vault = open(folder.path(), Role::Opens, &store).await;
    let sealed = vault.seal_credential("a", FIELD, b"hunter2").await.unwrap();

    let other = tempfile::tempdir().unwrap();
    open(other.path(), Role::Opens, &Arc::new(MemoryKeys::default())).await;
    for name in ["credentials.key", "credentials.pub"] {
        let path = other.path().join(name);
        let mixed = tempfile::tempdir().unwrap();
        for name in ["master.key", "credentials.key", "credentials.pub"] {
            fs::copy(folder.path().join(name), mixed.path().join(name)).unwrap();
        }
        fs::copy(&path, mixed.path().join(name)).unwrap();
        let role = if name.ends_with("pub") { Role::Seals } else { Role::Opens };
        let refused = refusal(mixed.path(), role, &store).await;
        assert!(matches!(refused, Error::UnknownCredentialKey { .. }), "{refused}");
    }

    for name in ["master.key", "credentials.key"] {
        let (path, kept) = (folder.path().join(name), folder.path().join("kept"));
        fs::rename(&path, &kept).unwrap();
        let refused = refusal(folder.path(), Role::Opens, &store).await;
        assert!(matches!(&refused, Error::LostRing { path: lost } if *lost == path), "{refused}");
        let refused = refusal(folder.path(), Role::Operates, &store).await;
        assert!(matches!(refused, Error::Ring(RingError::Missing { .. })), "{refused}");
        assert!(!path.exists(), "a ring was made in the place of the lost one");
        fs::rename(&kept, &path).unwrap();
    }
    let vault = open(folder.path(), Role::Opens, &store).await;
    assert_eq!(*vault.open_credential("a", FIELD, &sealed).await.unwrap(), "hunter2");
}

#[tokio::test]
async fn nobody_makes_a_public_half_where_it_is_only_read() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let refused = refusal(folder.path(), Role::Seals, &store).await;
    assert!(matches!(refused, Error::Ring(RingError::Missing { .. })), "{refused}");
    MasterKeys::open_or_create(&folder.path().join("master.key")).unwrap();
    let refused = refusal(folder.path(), Role::Seals, &store).await.to_string();
    assert!(refused.contains("credentials.pub"), "{refused}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_private_file_is_for_its_owner_and_the_public_one_for_others_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = (folder.path().join("c.key"), folder.path().join("c.pub"));
    let made = CredentialKeys::open_or_create(&private, &public).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&private), mode(&public)), (0o600, 0o644));
    assert_eq!(CredentialKeys::sealing(&public).unwrap().current(), made.current());
    let allow = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601] {
        allow(&private, mode).unwrap();
        let refused = CredentialKeys::opening(&private).err().unwrap();
        assert!(matches!(refused, RingError::Exposed { .. }), "{refused}");
    }
    for mode in [0o664, 0o646, 0o666] {
        allow(&public, mode).unwrap();
        let refused = CredentialKeys::sealing(&public).err().unwrap();
        assert!(matches!(refused, RingError::Writable { .. }), "{refused}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a draft was left behind");
}

#[test]
fn a_ring_of_another_kind_or_with_a_forged_id_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    CredentialKeys::open_or_create(&path("c.key"), &path("c.pub")).unwrap();
    MasterKeys::open_or_create(&path("m.key")).unwrap();
    let fault = |refused: Option<RingError>| match refused.unwrap() {
        RingError::Malformed { fault, .. } => fault,
        other => panic!("{other}"),
    };
    let write = |name: &str, text: &str| {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), PermissionsExt::from_mode(0o600)).unwrap();
    };
    assert!(matches!(
        fault(CredentialKeys::opening(&path("m.key")).err()),
        RingFault::Secret(_) | RingFault::OtherKind
    ));
    assert!(matches!(
        fault(MasterKeys::open(&path("c.key")).err()),
        RingFault::Secret(_) | RingFault::OtherKind
    ));
    assert_eq!(fault(CredentialKeys::sealing(&path("c.key")).err()), RingFault::OtherKind);
    // Somebody else's public half under our id.
    CredentialKeys::open_or_create(&path("d.key"), &path("d.pub")).unwrap();
    let id = |text: &str| text.split('"').nth(9).unwrap().to_owned();
    for (name, reader) in [("pub", true), ("key", false)] {
        let ours = fs::read_to_string(path(&format!("c.{name}"))).unwrap();
        let theirs = fs::read_to_string(path(&format!("d.{name}"))).unwrap();
        write("forged", &theirs.replace(&id(&theirs), &id(&ours)));
        let refused = if reader {
            CredentialKeys::sealing(&path("forged")).err()
        } else {
            CredentialKeys::opening(&path("forged")).err()
        };
        assert!(matches!(fault(refused), RingFault::Mismatch(_)));
    }
}

#[tokio::test]
async fn whoever_opens_needs_no_public_file_and_writes_it_where_it_can() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    open(folder.path(), Role::Opens, &store).await;
    let public = folder.path().join("credentials.pub");
    let before = fs::read(&public).unwrap();
    fs::remove_file(&public).unwrap();
    let nowhere = vault::Settings {
        credentials_public_file: folder.path().join("none/credentials.pub"),
        ..settings(folder.path())
    };
    Vault::open(&nowhere, Role::Opens, store.clone()).await.unwrap();
    assert!(!public.exists());
    open(folder.path(), Role::Operates, &store).await;
    assert!(!public.exists());
    open(folder.path(), Role::Opens, &store).await;
    assert_eq!(fs::read(&public).unwrap(), before);
}
