//! The drill of a stolen ring: what the chapter "When a ring was stolen" of OPERATIONS has an operator do, and what a
//! thief can and cannot read before and after.

use domain::{
    Sealed as Envelope,
    account::{self, Accounts, Destination, Encryption, Place, Refusal, State},
    id::{AccountId, DestinationId},
};
use service::{Clock as _, SystemClock};
use testkit::Finish as _;
use uuid::Uuid;
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

/// Two accounts, of which one has a bucket of its own.
async fn accounts(world: &World) -> (AccountId, AccountId) {
    let log = world.nats.log("operator").await;
    let [with, without] = [(); 2].map(|()| AccountId::from_uuid(Uuid::new_v4()));
    let now = SystemClock.now();
    for id in [with, without] {
        let open = |state: &State| account::open(state, None);
        log.transact::<Accounts, _>(&id, now, open).await.unwrap();
    }
    let own = Destination {
        destination: DestinationId::from_uuid(Uuid::new_v4()),
        place: Place {
            endpoint: None,
            region: "eu-west-1".to_owned(),
            bucket: "results".to_owned(),
            prefix: String::new(),
            path_style: false,
            bucket_owner: None,
            access_key_hint: String::new(),
        },
        credentials: Envelope::from_envelope(String::new()),
        role: None,
        encryption: Encryption::None,
        headers: None,
        fingerprint: String::new(),
    };
    let set =
        |state: &State| -> Result<_, Refusal> { account::set_destination(state, own.clone()) };
    log.transact::<Accounts, _>(&with, now, set).await.unwrap();
    (with, without)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_whose_bucket_credentials_are_to_be_replaced() {
    let world = World::start().await;
    let (with, without) = accounts(&world).await;
    let (nats, mut command) = (world.nats.settings("auditor"), world.operators("replay"));
    command
        .args(["--filter", "darkroom.account.*.destination_set"])
        .env("DARKROOM_NATS_URL", &nats.url)
        .env("DARKROOM_NATS_USER", &nats.user)
        .env("DARKROOM_NATS_PASSWORD", nats.password.expose());
    let said = tokio::task::block_in_place(|| command.finish());
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
    assert!(text.contains(&with.to_string()) && !text.contains(&without.to_string()), "{text}");
}
