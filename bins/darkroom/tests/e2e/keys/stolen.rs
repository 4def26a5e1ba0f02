//! The drill of a stolen ring: what the chapter "When a ring was stolen" of OPERATIONS has an operator do, and what a
//! thief can and cannot read before and after.

use vault::{CredentialKeys, Error, KeyId, MasterKeys, MemoryKeys, WrappedKeys};

use super::*;

/// Every wrapped key that is there now: what a backup of keys holds.
async fn copied(keys: &dyn WrappedKeys) -> Arc<MemoryKeys> {
    let copy = MemoryKeys::default();
    for prefix in ["account", "job", "credential", "master", "credentials"] {
        let mut from = Some(0);
        while let Some(at) = from {
            let page = keys.page(prefix, at).await.unwrap();
            for (name, wrapped) in page.entries {
                copy.create(&name, wrapped).await.unwrap();
            }
            from = page.next;
        }
    }
    Arc::new(copy)
}

/// The files of rings, as somebody else copied them.
struct Loot(TempDir);

impl Loot {
    fn of(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["master.key", "credentials.key", "credentials.pub"] {
            fs::copy(world.folder.path().join(name), folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    /// A vault over these rings and wrapped keys, without the check that honest processes begin with.
    fn vault(&self, keys: &Arc<MemoryKeys>) -> Vault {
        let path = |name: &str| self.0.path().join(name);
        let master = MasterKeys::open(&path("master.key")).unwrap();
        let credentials = CredentialKeys::opening(&path("credentials.key")).unwrap();
        Vault::new(master, Arc::<MemoryKeys>::clone(keys)).with_credentials(credentials)
    }
}

/// Neither a field nor a credential of it opens, because no key does.
async fn closed(vault: &Vault, sealed: &Sealed) {
    let Sealed { account, credential, .. } = sealed;
    let field = vault.job_key(account, "job").await.map(|_| ()).unwrap_err();
    assert!(matches!(field, Error::UnknownMasterKey { .. }), "{account}: {field}");
    let opened = vault.open_credential(account, "secret", credential).await.map(|_| ());
    let refused = opened.unwrap_err();
    assert!(matches!(refused, Error::UnknownCredentialKey { .. }), "{account}: {refused}");
}

/// Both rings rotated, everything verified, the stolen keys retired.
async fn answered(world: &World) {
    let listed = world.well(&["list"]);
    let stolen: Vec<KeyId> = listed
        .lines()
        .map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap())
        .collect();
    world.well(&["rotate"]);
    let said = world.well(&["verify"]);
    assert_eq!(said.matches("keys open, 0 do not").count(), 2, "{said}");
    // Five minutes later.
    age(&world.rings().master_key_file);
    age(&world.rings().credentials_key_file);
    for id in &stolen {
        world.well(&["retire", &id.to_string()]);
    }
    let listed = world.well(&["list"]);
    for id in stolen {
        assert!(!listed.contains(&id.to_string()), "{listed}");
    }
    assert_eq!(listed.matches(" current ").count(), 2, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_drill_a_stolen_ring_opens_copies_from_before_it_and_nothing_from_after() {
    let world = World::start().await;
    let worker = world.vault("worker", Role::Opens).await;
    let api = world.vault("api", Role::Seals).await;
    let old = seal(&worker, &api, "long-standing".to_owned()).await;
    let store = Keys::new(&world.nats.log("operator").await);
    let (loot, before) = (Loot::of(&world), copied(&store).await);
    check(&loot.vault(&before), &old).await;

    answered(&world).await;
    check(&worker, &old).await;
    let fresh = world.vault("worker", Role::Opens).await;
    check(&fresh, &old).await;
    // Whoever seals has read the ring again by then.
    let api = world.vault("api", Role::Seals).await;
    let new = seal(&fresh, &api, "newcomer".to_owned()).await;
    let later = fresh.create_job_key(&old.account, "later").await.unwrap().seal(FIELD, b"later");
    let after = copied(&store).await;

    // The ring alone, over whatever is stolen from now on.
    let thief = loot.vault(&after);
    closed(&thief, &old).await;
    closed(&thief, &new).await;
    // The ring and a copy of the keys from before: what was sealed until then, and nothing else.
    let thief = loot.vault(&before);
    check(&thief, &old).await;
    assert!(thief.account_key(&new.account).await.is_err());
    // All three: the keys of accounts outlive a rotation, so what such an account has sealed since opens too.
    let both = copied(&*before).await;
    for (name, wrapped) in after.page("job", 0).await.unwrap().entries {
        both.create(&name, wrapped).await.unwrap();
    }
    let thief = loot.vault(&both);
    let key = thief.job_key(&old.account, "later").await.unwrap();
    assert_eq!(*key.open_text(FIELD, &later).unwrap(), "later");
    assert!(thief.job_key(&new.account, "job").await.is_err());

    // Our own backups from before need the ring from before: with today's they are refused as they stand.
    let today =
        Vault::open(&world.rings(), Role::Operates, Arc::<MemoryKeys>::clone(&before)).await;
    let refused = today.map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::UnknownMasterKey { .. }), "{refused}");
    let today = Vault::open(&world.rings(), Role::Operates, Arc::<MemoryKeys>::clone(&after)).await;
    check(&today.unwrap(), &old).await;
}
