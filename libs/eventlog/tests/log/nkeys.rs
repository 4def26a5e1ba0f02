//! Roles that log in by a key of their own, of which the server knows the public half alone.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use eventlog::{ConnectError, Log, Secret, Settings, server::ROLES, topology};
use futures::future::join_all;
use nkeys::KeyPair;
use tempfile::TempDir;

use crate::support::until;

/// A server with `nats/users.conf`, its passwords replaced by keys as an operator would.
struct Keyed {
    child: Child,
    url: String,
    seeds: BTreeMap<String, String>,
    _folder: TempDir,
}

impl Keyed {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = include_str!("../../../../nats/users.conf");
        let (mut users, mut seeds) = (String::new(), BTreeMap::new());
        for line in text.lines() {
            let keyed = ROLES.into_iter().chain(["observer"]).find_map(|role| {
                let with =
                    format!("user: {role}, password: $DARKROOM_{}_PASSWORD", role.to_uppercase());
                let pair = line.contains(&with).then(KeyPair::new_user)?;
                seeds.insert(role.to_owned(), pair.seed().unwrap());
                Some(line.replace(&with, &format!("nkey: {}", pair.public_key())))
            });
            users += &format!("{}\n", keyed.unwrap_or_else(|| line.to_owned()));
        }
        let public = |role: &str| KeyPair::from_seed(&seeds[role]).unwrap().public_key();
        let listed = text.lines().find(|line| line.contains("auth_users:")).unwrap();
        let listed = listed.trim();
        let names = listed.trim_start_matches("auth_users: [").trim_end_matches(']').split(',');
        let keys: Vec<String> = names
            .map(|name| {
                seeds.get(name.trim()).map_or_else(|| name.to_owned(), |_| public(name.trim()))
            })
            .collect();
        users = users.replace(listed, &format!("auth_users: [ {} ]", keys.join(", ")));
        fs::write(folder.path().join("users.conf"), users).unwrap();
        let server = include_str!("../../../../nats/server.conf");
        fs::write(folder.path().join("server.conf"), server).unwrap();
        let child = start(folder.path(), port);
        let keyed = Self { child, url: format!("nats://127.0.0.1:{port}"), seeds, _folder: folder };
        until("the server answers", async || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        keyed
    }

    fn settings(&self, role: &str) -> Settings {
        Settings {
            url: self.url.clone(),
            user: role.to_owned(),
            password: Secret::new(self.seeds[role].as_str()),
            system_password: Secret::new(self.seeds["observer"].as_str()),
            ..Settings::default()
        }
    }
}

impl Drop for Keyed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(folder: &Path, port: u16) -> Child {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/bin/nats-server");
    let program = if tools.is_file() { tools } else { "nats-server".into() };
    let (issuer, xkey) = eventlog::callout::Keys::generate().public();
    let log = fs::File::create(folder.join("log")).unwrap();
    Command::new(program)
        .arg("-c")
        .arg(folder.join("server.conf"))
        .env("DARKROOM_NATS_NAME", "keyed")
        .env("DARKROOM_NATS_LISTEN", format!("\"127.0.0.1:{port}\""))
        .env("DARKROOM_NATS_STORE", format!("\"{}\"", folder.join("store").display()))
        .env("DARKROOM_NATS_SYNC", "always")
        .env("DARKROOM_OFFSITE_PASSWORD", "offsite")
        .env("DARKROOM_GATE_PASSWORD", "gate")
        .env("DARKROOM_CALLOUT_ISSUER", issuer)
        .env("DARKROOM_CALLOUT_XKEY", xkey)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Whether nothing is to be had this way. The server asks the gate about whoever it does not know, and
/// here that is not there; until the server gives that up, there is a connection that does nothing.
async fn is_kept_out(settings: &Settings, role: &str) -> bool {
    match Log::connect(settings, role).await {
        Ok(log) => log.last_sequence(topology::JOBS).await.is_err(),
        Err(error) => matches!(error, ConnectError::Forbidden { .. }),
    }
}

#[tokio::test]
async fn every_role_logs_in_by_its_own_key_and_by_nothing_else() {
    let server = Keyed::start().await;
    assert!(ROLES.iter().all(|role| server.seeds.contains_key(*role)), "{:?}", server.seeds.keys());
    let operator = server.settings("operator");
    Log::prove_durability(&operator).await.unwrap();
    topology::apply(&Log::connect(&operator, "operator").await.unwrap(), 1).await.unwrap();
    for role in ROLES {
        Log::connect(&server.settings(role), role).await.unwrap();
    }
    let other = KeyPair::new_user().seed().unwrap();
    let wrong = ["", "a password", "gate", other.as_str()];
    let tries = ROLES.iter().flat_map(|role| wrong.map(|wrong| (*role, wrong.to_owned())));
    let tries = tries.map(|(role, wrong)| {
        let settings = Settings { password: Secret::new(wrong), ..server.settings(role) };
        async move { (role, is_kept_out(&settings, role).await) }
    });
    for (role, out) in join_all(tries).await {
        assert!(out, "somebody is {role} without its key");
    }
    assert!(!is_kept_out(&operator, "operator").await);
    // A key stands for its role whatever name is said beside it.
    let named = Settings { user: "operator".to_owned(), ..server.settings("auditor") };
    let auditor = Log::connect(&named, "auditor").await.unwrap();
    assert!(topology::apply(&auditor, 1).await.is_err(), "an auditor changes no stream");
}
