//! Rings that come from elsewhere than a file of ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use vault::{Error, MemoryKeys, RingError, RingFault, RingName, Role, Rotated, Settings, Vault};

use crate::{open, settings};

/// Settings under which a shell prints both rings.
fn printed(folder: &Path, script: &str) -> Settings {
    let command = |ring: &str| {
        let script = script.replace("RING", &folder.join(ring).display().to_string());
        vec!["/bin/sh".to_owned(), "-c".to_owned(), script]
    };
    Settings {
        master_key_file: folder.join("none"),
        master_key_command: command("master.key"),
        credentials_key_file: folder.join("none"),
        credentials_key_command: command("credentials.key"),
        ..settings(folder)
    }
}

async fn refusal(settings: &Settings) -> RingError {
    match Vault::open(settings, Role::Opens, Arc::new(MemoryKeys::default())).await {
        Err(Error::Ring(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opened"),
    }
}

#[tokio::test]
async fn a_command_prints_the_rings_and_a_rotation_says_what_to_add() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeys::default()));
    let vault = open(folder.path(), Role::Opens, &store).await;
    let sealed = vault.seal_credential("a", "f", b"hunter2").await.unwrap();
    let settings = printed(folder.path(), "cat RING");
    let vault = Vault::open(&settings, Role::Opens, store.clone()).await.unwrap();
    assert_eq!(*vault.open_credential("a", "f", &sealed).await.unwrap(), "hunter2");

    let path = folder.path().join("credentials.key");
    let before = fs::read_to_string(&path).unwrap();
    let rotated = settings.rotate(RingName::Credentials, 1_800_000_000).await.unwrap();
    let Rotated::ToAdd { id, entry } = rotated else { panic!("it was written") };
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    // As a person would: the entry beside the others, its id as the current one.
    let old = settings.keys(RingName::Credentials).await.unwrap()[0].id;
    let after = before
        .replace(&format!("\"current\": \"{old}\""), &format!("\"current\": \"{id}\""))
        .replace("\"keys\": [\n", &format!("\"keys\": [\n    {},\n", *entry));
    fs::write(&path, after).unwrap();
    settings.publish_credentials().await.unwrap();
    let vault = Vault::open(&settings, Role::Operates, store.clone()).await.unwrap();
    assert_eq!(vault.rewrap(RingName::Credentials, &mut |_| {}).await.unwrap().moved, 2);
    let api = open(folder.path(), Role::Seals, &store).await;
    let new = api.seal_credential("a", "f", b"hunter3").await.unwrap();
    assert_eq!(*vault.open_credential("a", "f", &sealed).await.unwrap(), "hunter2");
    assert_eq!(*vault.open_credential("a", "f", &new).await.unwrap(), "hunter3");
}

#[tokio::test]
async fn a_command_that_fails_hangs_over_or_prints_too_much_is_told_apart_without_its_arguments() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), Role::Opens, &Arc::new(MemoryKeys::default())).await;
    let refused = refusal(&printed(folder.path(), "cat RING; exit 3 # hunter2")).await;
    assert!(matches!(refused, RingError::CommandFailed { .. }), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    let refused = refusal(&printed(folder.path(), "yes hunter2")).await;
    let too_large = matches!(
        refused,
        RingError::Malformed { fault: RingFault::TooLarge(_), .. }
            | RingError::CommandFailed { .. }
    );
    assert!(too_large, "{refused}");
    let refused = refusal(&printed(folder.path(), "echo hunter2")).await;
    assert!(matches!(refused, RingError::Malformed { .. }), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    let none = Settings {
        master_key_command: vec!["/no/such/program".to_owned()],
        ..settings(folder.path())
    };
    assert!(matches!(refusal(&none).await, RingError::Command { .. }));
}

#[tokio::test]
async fn one_ring_comes_from_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let both = Settings {
        master_key_credential: Some("master.key".to_owned()),
        ..printed(folder.path(), "cat RING")
    };
    assert!(matches!(refusal(&both).await, RingError::TwoSources { .. }));
    for name in ["", "../master.key", "/etc/shadow"] {
        let odd =
            Settings { master_key_credential: Some(name.to_owned()), ..settings(folder.path()) };
        assert!(matches!(refusal(&odd).await, RingError::CredentialName { .. }));
    }
    let absent =
        Settings { master_key_credential: Some("m".to_owned()), ..settings(folder.path()) };
    let refused = refusal(&absent).await;
    assert!(matches!(refused, RingError::NoCredentials { .. }), "{refused}");
    assert!(refused.to_string().contains("LoadCredential="));
}

#[tokio::test]
async fn owner_and_mode_of_a_ring_outlive_its_rotation() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), Role::Opens, &Arc::new(MemoryKeys::default())).await;
    let path = folder.path().join("master.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    settings(folder.path()).rotate(RingName::Fields, 0).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o400);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "a draft was left behind");
}
