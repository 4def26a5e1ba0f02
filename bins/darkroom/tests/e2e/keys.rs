//! `darkroom key`: rings rotated while others work, by commands that are killed over it.

mod environment;
mod stolen;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eventlog::Keys;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;
use testkit::{Finish as _, Nats, executable};
use vault::{KeysHeld, RingName, Role, Settings, Vault};

const ACCOUNTS: usize = 12;
const KILLS: usize = 24;
/// The longest that a rotation may go on before it is killed: some come to their end.
const LONGEST_MS: u64 = 2_000;
const FIELD: &str = "source_url";

/// A log, and rings beside it.
struct World {
    nats: Nats,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        Self { nats: Nats::start().await, folder: tempfile::tempdir().unwrap() }
    }

    fn rings(&self) -> Settings {
        let path = |name: &str| self.folder.path().join(name);
        Settings {
            master_key_file: path("master.key"),
            credentials_key_file: path("credentials.key"),
            credentials_public_file: path("credentials.pub"),
            ..Settings::default()
        }
    }

    async fn vault(&self, user: &str, role: Role) -> Vault {
        let log = self.nats.log(user).await;
        Vault::open(&self.rings(), role, Arc::new(Keys::new(&log))).await.unwrap()
    }

    /// `darkroom key`, as an operator runs it.
    fn key(&self, arguments: &[&str]) -> Command {
        let mut command = self.operators("key");
        command.args(arguments);
        command
    }

    /// Any command of an operator's.
    fn operators(&self, verb: &str) -> Command {
        let (nats, rings) = (self.nats.settings("operator"), self.rings());
        let show = |path: &Path| path.display().to_string();
        let mut command = Command::new(executable("darkroom"));
        command
            .env_clear()
            .current_dir(self.folder.path())
            .arg(verb)
            .env("DARKROOM__NATS__URL", &nats.url)
            .env("DARKROOM__NATS__USER", &nats.user)
            .env("DARKROOM__NATS__PASSWORD", nats.password.expose())
            .env("DARKROOM__VAULT__MASTER_KEY_FILE", show(&rings.master_key_file))
            .env("DARKROOM__VAULT__CREDENTIALS_KEY_FILE", show(&rings.credentials_key_file))
            .env("DARKROOM__VAULT__CREDENTIALS_PUBLIC_FILE", show(&rings.credentials_public_file))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.key(arguments).finish()
    }

    /// What a command says that must go well.
    fn well(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}\n{errors}");
        text
    }

    /// What a command says that must be refused.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

/// What was sealed for an account, to be opened later.
struct Sealed {
    account: String,
    field: String,
    credential: String,
}

async fn seal(jobs: &Vault, api: &Vault, account: String) -> Sealed {
    let key = jobs.create_job_key(&account, "job").await.unwrap();
    let credential = api.seal_credential(&account, "secret", account.as_bytes()).await.unwrap();
    Sealed { field: key.seal(FIELD, account.as_bytes()), credential, account }
}

async fn check(vault: &Vault, sealed: &Sealed) {
    let Sealed { account, field, credential } = sealed;
    let key = vault.job_key(account, "job").await.unwrap();
    assert_eq!(*key.open_text(FIELD, field).unwrap(), *account);
    let opened = vault.open_credential(account, "secret", credential).await.unwrap();
    assert_eq!(*opened, *account);
}

/// Makes, opens and shreds keys until told that it is over; gives what it left.
async fn work(vault: Vault, api: Vault, over: Arc<AtomicBool>) -> (Vec<Sealed>, Vec<String>) {
    let (mut kept, mut shredded) = (Vec::new(), Vec::new());
    for number in 0_usize.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let sealed = seal(&vault, &api, format!("live-{number}")).await;
        check(&vault, &sealed).await;
        if number.is_multiple_of(3) {
            vault.shred_account(&sealed.account).await.unwrap();
            shredded.push(sealed.account);
        } else {
            kept.push(sealed);
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    (kept, shredded)
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_that_are_killed_at_random_points_lose_no_key_and_revive_none() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::start().await;
    let worker = world.vault("worker", Role::Opens).await;
    let api = world.vault("api", Role::Seals).await;
    let mut before = Vec::new();
    for number in 0..ACCOUNTS {
        before.push(seal(&worker, &api, format!("account-{number}")).await);
    }
    let over = Arc::new(AtomicBool::new(false));
    let busy = work(world.vault("worker", Role::Opens).await, api, Arc::clone(&over));
    let busy = tokio::spawn(busy);

    let mut killed = 0;
    for round in 0..KILLS {
        let arguments: &[&str] = match round % 4 {
            0 => &["rotate"],
            1 => &["rotate", "--ring", "fields"],
            2 => &["rotate", "--ring", "credentials"],
            _ => &["rotate", "--resume"],
        };
        let mut child = world.key(arguments).stdout(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.random_range(0..LONGEST_MS))).await;
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
        } else {
            killed += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        check(&worker, &before[random.random_range(0..ACCOUNTS)]).await;
    }
    println!("{killed} of {KILLS} rotations were killed");
    assert!(killed > 0);
    over.store(true, Ordering::SeqCst);
    let (kept, shredded) = busy.await.unwrap();
    println!("{} kept and {} shredded meanwhile", kept.len(), shredded.len());
    assert!(!kept.is_empty() && !shredded.is_empty());

    world.well(&["rotate", "--resume"]);
    let said = world.well(&["verify"]);
    assert!(said.contains("keys open, 0 do not"), "{said}");
    let fresh = world.vault("worker", Role::Opens).await;
    for sealed in before.iter().chain(&kept) {
        check(&worker, sealed).await;
        check(&fresh, sealed).await;
    }
    for account in &shredded {
        assert_eq!(fresh.keys_of(account).await.unwrap(), KeysHeld::default());
        assert!(fresh.create_account_key(account).await.is_err(), "{account} came back");
    }
    for ring in RingName::ALL {
        let census = fresh.census(ring).await.unwrap();
        let current = world.rings().keys(ring).await.unwrap();
        let current = current.iter().find(|key| key.current).unwrap().id;
        let accounts = before.len() + kept.len() + 1;
        assert_eq!(census.into_iter().collect::<Vec<_>>(), [(current, accounts as u64)]);
    }
    // Nothing half-written is left beside the rings.
    assert!(fs::read_dir(world.folder.path()).unwrap().count() <= 3 + killed);
    let open = world.vault("api", Role::Seals).await;
    check(&fresh, &seal(&fresh, &open, "afterwards".to_owned()).await).await;
}

/// Has the current key of a ring be an old one.
fn age(ring: &Path) {
    let text = fs::read_to_string(ring).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for key in value["keys"].as_array_mut().unwrap() {
        if key.get("made_at_unix_s").is_some() {
            key["made_at_unix_s"] = 1_700_000_000.into();
        }
    }
    // Written over, so that its mode stays.
    fs::write(ring, value.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_rotates_verifies_and_retires() {
    let world = World::start().await;
    let refused = world.refused(&["list"]);
    assert!(refused.contains("master.key"), "{refused}");
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 0, "a ring was made");
    let worker = world.vault("worker", Role::Opens).await;
    let api = world.vault("api", Role::Seals).await;
    let sealed = seal(&worker, &api, "a".to_owned()).await;
    let listed = world.well(&["list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let old: Vec<&str> =
        listed.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();

    for id in &old {
        let refused = world.refused(&["retire", id]);
        assert!(refused.contains("it is the current one"), "{refused}");
    }
    assert!(world.refused(&["retire", "00000000000000aa"]).contains("no ring holds"));
    assert!(world.refused(&["list", "--ring", "jobs"]).contains("`fields` and `credentials`"));
    // As if killed before the re-wrapping.
    for ring in RingName::ALL {
        world.rings().rotate(ring, 1_700_000_000).await.unwrap();
    }
    for id in &old {
        let refused = world.refused(&["retire", id]);
        assert!(refused.contains("2 keys are still wrapped under it"), "{refused}");
    }
    let said = world.well(&["rotate", "--resume"]);
    assert!(said.contains("2 keys re-wrapped, 2 are under the current key"), "{said}");
    for id in &old {
        world.well(&["retire", id]);
    }
    check(&worker, &sealed).await;
    check(&world.vault("worker", Role::Opens).await, &sealed).await;

    let listed = world.well(&["list", "--ring", "credentials"]);
    let id = listed.split_whitespace().nth(1).unwrap();
    world.well(&["rotate", "--ring", "credentials"]);
    let refused = world.refused(&["retire", id]);
    assert!(refused.contains("s old; processes may use the key until"), "{refused}");
    age(&world.rings().credentials_key_file);
    world.well(&["retire", id]);
    check(&world.vault("worker", Role::Opens).await, &sealed).await;
    let listed = world.well(&["list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");

    // A ring that lacks what the store needs is named, and nothing is done with it.
    let (private, kept) =
        (world.rings().credentials_key_file, world.folder.path().join("kept.key"));
    fs::rename(&private, &kept).unwrap();
    for arguments in [&["rotate"][..], &["verify"], &["list"]] {
        let refused = world.refused(arguments);
        assert!(refused.contains("credentials.key"), "{refused}");
    }
    assert!(!private.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_that_systemd_hands_in_are_used_and_guarded_as_it_guards_them() {
    let world = World::start().await;
    let (jobs, api) =
        (world.vault("worker", Role::Opens).await, world.vault("api", Role::Seals).await);
    let sealed = seal(&jobs, &api, "account".to_owned()).await;
    check(&jobs, &sealed).await;
    // As systemd leaves them for a service: in a folder of its own, for its owner and an access list.
    let handed = tempfile::tempdir().unwrap();
    let rights = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let names = ["master.key", "credentials.key"];
    for name in names {
        fs::rename(world.folder.path().join(name), handed.path().join(name)).unwrap();
        rights(&handed.path().join(name), 0o440);
    }
    let verify = || {
        let mut command = world.key(&["verify"]);
        command
            .env("CREDENTIALS_DIRECTORY", handed.path())
            .env("DARKROOM__VAULT__MASTER_KEY_CREDENTIAL", names[0])
            .env("DARKROOM__VAULT__CREDENTIALS_KEY_CREDENTIAL", names[1]);
        tokio::task::block_in_place(|| command.finish())
    };
    let said = verify();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
    assert!(text.lines().count() >= 2 && text.contains(" keys open, 0 do not"), "{text}");
    assert!(!world.folder.path().join(names[0]).exists(), "no ring is made beside it");

    rights(&handed.path().join(names[0]), 0o444);
    let said = verify();
    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success() && errors.contains("0444") | errors.contains("444"), "{errors}");
}
