//! A notary that is killed over and over, wherever it happens to be.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
    time::Duration,
};

use testkit::processes;

use crate::support::{Scene, append};

/// How often it is killed.
const KILLS: u32 = 40;

fn spawn(scene: &Scene) -> Child {
    let nats = scene.nats.settings("notary");
    let log = File::options().create(true).append(true).open(scene.folder("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_darkroom-notary"))
        .env_clear()
        .env("DARKROOM__NATS__URL", &nats.url)
        .env("DARKROOM__NATS__USER", &nats.user)
        .env("DARKROOM__NATS__PASSWORD", nats.password.expose())
        .env("DARKROOM__NATS__SYSTEM_USER", &nats.system_user)
        .env("DARKROOM__NATS__SYSTEM_PASSWORD", nats.system_password.expose())
        .env("DARKROOM__NOTARY__DATA", scene.folder("a"))
        .env("DARKROOM__NOTARY__NAME", "here.example")
        .env("DARKROOM__NOTARY__EVERY_EVENTS", "1")
        .env("DARKROOM__NOTARY__EVERY_MS", "5")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_notary_that_is_killed_anywhere_signs_one_tree_of_each_size() {
    let scene = Scene::start().await;
    let log = scene.nats.log("operator").await;
    let (mut size, mut signed) = (0, 0);
    for kill in 0..KILLS {
        let mut notary = spawn(&scene);
        // Until it has signed again, and then into whatever it does next.
        append(&log, 3).await;
        size += 3;
        if kill % 4 == 0 {
            signed = scene.signed(size).await.size;
        }
        let moment = Duration::from_millis(u64::from(kill) * 7 % 190);
        let more = async {
            loop {
                append(&log, 1).await;
                size += 1;
            }
        };
        let _elapsed = tokio::time::timeout(moment, more).await;
        processes::kill(notary.id());
        notary.wait().unwrap();
    }
    // An append that was given up may have been stored.
    let size = log.last_sequence(crate::support::STREAM).await.unwrap().max(size);
    let mut notary = spawn(&scene);
    scene.signed(size).await;
    processes::kill(notary.id());
    notary.wait().unwrap();
    let sizes = scene.audit(&scene.key("a")).await;
    assert!(sizes.len() > 10 && signed < size && sizes.last() >= Some(&size), "{sizes:?}");
}

#[tokio::test]
async fn a_server_that_is_killed_delays_a_notary_and_no_more() {
    let scene = Scene::start().await;
    let notary = scene.run(&scene.settings("a"));
    // One that finds no server when it starts ends, and is started again by whoever runs it.
    let mut size = 1;
    scene.append(1).await;
    scene.signed(size).await;
    for _ in 0..4 {
        scene.append(130).await;
        size += 130;
        // Into whatever is claimed, stored or signed right now.
        scene.nats.kill().await;
        scene.signed(size).await;
    }
    notary.stop().await;
    assert_eq!(scene.audit(&scene.key("a")).await.last(), Some(&size));
}
