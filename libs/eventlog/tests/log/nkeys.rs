//! Roles that log in by a key of their own, of which the server knows the public half alone.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use eventlog::{
    ConnectError, Durability, Log, Secret, Settings, UserKey,
    callout::Gate,
    server::{Embedded, Options, ROLES, USERS},
    topology,
};
use futures::future::join_all;
use rand::seq::IndexedRandom as _;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{No, Server, Toy, binary, fresh_id, now, request, until};

/// What is asked about whoever the server does not know, and lets nobody in: refused is refused at once.
async fn strict(server: &Embedded) -> DropGuard {
    let gate = Gate::open(&server.settings("gate"), &server.callout()).await.unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move { gate.admit(|_claim| async { None }, &stopped).await });
    stop.drop_guard()
}

async fn is_kept_out(settings: &Settings, role: &str) -> bool {
    let tried = Log::connect(settings, role).await;
    matches!(tried.map(drop), Err(ConnectError::Forbidden { .. }))
}

fn with(settings: &Settings, user: &str, password: &str) -> Settings {
    let (user, password) = (user.to_owned(), Secret::new(password));
    Settings { user, password, ..settings.clone() }
}

#[tokio::test]
async fn every_role_logs_in_by_its_own_key_and_by_nothing_else() {
    let server = Server::start().await;
    let _gate = strict(&server.embedded).await;
    for role in ROLES {
        server.log(role).await;
    }
    let (other, hex) = (UserKey::generate().seed(), "0f".repeat(32));
    let auditors = server.embedded.auditor_by_password();
    let wrong = ["", "a password", "api", &hex, other.expose(), auditors.password.expose()];
    let tries = USERS.into_iter().flat_map(|user| wrong.map(|wrong| (user, wrong)));
    let tries =
        tries.filter(|(user, wrong)| (*user, *wrong) != ("auditor", auditors.password.expose()));
    let tries = tries.map(|(user, wrong)| {
        let settings = with(&auditors, user, wrong);
        async move { (user, wrong, is_kept_out(&settings, user).await) }
    });
    for (user, wrong, out) in join_all(tries).await {
        assert!(out, "somebody is {user} by {wrong:?}");
    }
    // Who takes the public half for a password has what everybody may know.
    let public = UserKey::of(&server.settings("api").password).unwrap().public();
    assert!(is_kept_out(&with(&auditors, &public, &public), "api").await);
    assert!(is_kept_out(&with(&auditors, "api", &public), "api").await);
    // A key stands for its role whatever name is said beside it.
    let named = Settings { user: "operator".to_owned(), ..server.settings("auditor") };
    let auditor = Log::connect(&named, "auditor").await.unwrap();
    assert!(topology::apply(&auditor, 1).await.is_err(), "an auditor changes no stream");
}

#[tokio::test]
async fn whoever_looks_at_the_log_may_do_so_by_password() {
    let server = Server::start().await;
    let id = fresh_id();
    let api = server.log("api").await;
    api.transact::<Toy, No>(&id, now(), request).await.unwrap();
    let by_password = server.embedded.auditor_by_password();
    assert!(UserKey::of(&by_password.password).is_none());
    let auditor = Log::connect(&by_password, "auditor").await.unwrap();
    assert!(auditor.load::<Toy>(&id).await.unwrap().state.requested);
    assert!(topology::apply(&auditor, 1).await.is_err());
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn the_server_is_told_nothing_that_opens_anything() {
    let server = Server::start().await;
    for role in ROLES {
        server.log(role).await;
    }
    let data = server.folder().join("nats");
    let kept = data.join("credentials.json");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let secrets: BTreeMap<String, String> =
        serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    // A seed for each user, two of the gate, and one password.
    assert_eq!(secrets.len(), USERS.len() + 3, "{:?}", secrets.keys());
    let process = Path::new("/proc").join(server.embedded.pid().unwrap().to_string());
    let mut told = vec![process.join("environ"), process.join("cmdline")];
    told.extend(files(&data).into_iter().filter(|path| *path != kept));
    assert!(told.len() > 10, "{told:?}");
    for path in &told {
        // A file that the server has meanwhile replaced is among those it has.
        let Ok(bytes) = fs::read(path) else { continue };
        for (name, secret) in &secrets {
            assert!(!holds(&bytes, secret), "{} holds the secret of {name}", path.display());
        }
    }
    let environment = fs::read(process.join("environ")).unwrap();
    for user in USERS {
        let public = UserKey::of(&Secret::new(secrets[user].as_str())).unwrap().public();
        assert!(holds(&environment, &public), "{user}");
    }
    assert!(holds(&environment, "DARKROOM_AUDITOR_PASSWORD=\"$2a$"));
}

#[tokio::test]
async fn passwords_that_an_earlier_version_kept_become_keys_and_open_nothing_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nats");
    let start = || {
        let durability = Durability::Synced;
        Embedded::start(Options { data: data.clone(), binary: binary(), port: None, durability })
    };
    let server = start().await.unwrap();
    let operator = server.settings("operator");
    topology::apply(&Log::connect(&operator, "operator").await.unwrap(), 1).await.unwrap();
    let id = fresh_id();
    let api = Log::connect(&server.settings("api"), "api").await.unwrap();
    api.transact::<Toy, No>(&id, now(), request).await.unwrap();
    let issuer = server.callout().issuer_seed;
    let xkey = server.callout().xkey_seed;
    drop(api);
    server.stop().await;

    let users = ROLES.into_iter().chain(["gate", "observer", "offsite"]);
    let password = |user: &str| format!("{:064x}", user.len());
    let mut earlier: BTreeMap<&str, String> = users.map(|user| (user, password(user))).collect();
    earlier.insert("callout_issuer", issuer.expose().to_owned());
    earlier.insert("callout_xkey", xkey.expose().to_owned());
    fs::write(data.join("credentials.json"), serde_json::to_vec(&earlier).unwrap()).unwrap();

    let server = start().await.unwrap();
    let _gate = strict(&server).await;
    for role in ROLES {
        let settings = server.settings(role);
        assert!(UserKey::of(&settings.password).is_some(), "{role}");
        Log::connect(&settings, role).await.unwrap();
        assert!(is_kept_out(&with(&settings, role, &password(role)), role).await, "{role}");
    }
    let auditor = Log::connect(&server.auditor_by_password(), "auditor").await.unwrap();
    assert!(auditor.load::<Toy>(&id).await.unwrap().state.requested);
    assert_eq!(server.callout().issuer_seed.expose(), issuer.expose());
    let made = server.settings("api").password;
    server.stop().await;
    // And are made once.
    let server = start().await.unwrap();
    assert_eq!(server.settings("api").password.expose(), made.expose());
    server.stop().await;
}

/// A server whose operator has roles log in by passwords: `nats/users.conf` changed as it says.
struct Open {
    child: Child,
    url: String,
    passwords: BTreeMap<&'static str, String>,
    _folder: tempfile::TempDir,
}

impl Open {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut users = include_str!("../../../../nats/users.conf").to_owned();
        let digits: Vec<char> = ('a'..='z').collect();
        let word = || (0..32).map(|_| digits.choose(&mut rand::rng()).unwrap()).collect();
        let passwords: BTreeMap<&str, String> = USERS.map(|user| (user, word())).into();
        for user in USERS {
            let variable = format!("$DARKROOM_{}_NKEY", user.to_uppercase());
            if user == "auditor" {
                users = users.replace(&format!("      {{ nkey: {variable} }}\n"), "");
                users = users.replace(&format!("{variable}, "), "");
                continue;
            }
            let by_password =
                format!("{{ user: {user}, password: $DARKROOM_{}_PASSWORD,", user.to_uppercase());
            users = users.replace(&format!("{{ nkey: {variable},"), &by_password);
            users = users.replace(&variable, user);
        }
        fs::write(folder.path().join("users.conf"), users).unwrap();
        let server = include_str!("../../../../nats/server.conf");
        fs::write(folder.path().join("server.conf"), server).unwrap();
        let child = start(folder.path(), port, &passwords);
        let url = format!("nats://127.0.0.1:{port}");
        let open = Self { child, url, passwords, _folder: folder };
        until("the server answers", async || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        open
    }

    fn settings(&self, role: &str) -> Settings {
        Settings {
            url: self.url.clone(),
            user: role.to_owned(),
            password: Secret::new(self.passwords[role].as_str()),
            system_password: Secret::new(self.passwords["observer"].as_str()),
            ..Settings::default()
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(folder: &Path, port: u16, passwords: &BTreeMap<&str, String>) -> Child {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin/nats-server");
    let program = if tools.is_file() { tools } else { "nats-server".into() };
    let (issuer, xkey) = eventlog::callout::Keys::generate().public();
    let log = fs::File::create(folder.join("log")).unwrap();
    let variables = passwords.iter().map(|(user, password)| {
        (format!("DARKROOM_{}_PASSWORD", user.to_uppercase()), password.as_str())
    });
    Command::new(program)
        .arg("-c")
        .arg(folder.join("server.conf"))
        .envs(variables)
        .env("DARKROOM_NATS_NAME", "open")
        .env("DARKROOM_NATS_LISTEN", format!("\"127.0.0.1:{port}\""))
        .env("DARKROOM_NATS_STORE", format!("\"{}\"", folder.join("store").display()))
        .env("DARKROOM_NATS_SYNC", "always")
        .env("DARKROOM_CALLOUT_ISSUER", issuer)
        .env("DARKROOM_CALLOUT_XKEY", xkey)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_server_of_an_operators_own_may_ask_for_passwords_instead() {
    let server = Open::start().await;
    let operator = server.settings("operator");
    Log::prove_durability(&operator).await.unwrap();
    topology::apply(&Log::connect(&operator, "operator").await.unwrap(), 1).await.unwrap();
    for role in ROLES {
        let settings = server.settings(role);
        Log::connect(&settings, role).await.unwrap();
        assert!(is_kept_out(&with(&settings, role, "another"), role).await, "{role}");
    }
}
