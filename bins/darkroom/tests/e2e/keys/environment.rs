//! Rings in variables: taken out of the environment before anybody can look there.

use testkit::{Finish as _, S3, eventually, processes};

use super::*;

const RINGS: [(&str, &str); 2] = [
    ("DARKROOM__VAULT__MASTER_KEY", "DARKROOM__VAULT__MASTER_KEY_FILE"),
    ("DARKROOM__VAULT__CREDENTIALS_KEY", "DARKROOM__VAULT__CREDENTIALS_KEY_FILE"),
];

/// The rings as text; no file has them any more.
fn taken_away(world: &World) -> [String; 2] {
    let rings = world.rings();
    [rings.master_key_file, rings.credentials_key_file].map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_file(file).unwrap();
        text
    })
}

/// The command with rings in its environment instead of files.
fn given(mut command: Command, rings: &[String; 2]) -> Command {
    for ((variable, file), ring) in RINGS.iter().zip(rings) {
        command.env_remove(file).env(variable, ring);
    }
    command
}

/// The secrets in a ring.
fn secrets(ring: &str) -> Vec<String> {
    let ring: serde_json::Value = serde_json::from_str(ring).unwrap();
    let keys = ring["keys"].as_array().unwrap().iter().map(|key| &key["secret"]);
    let all = keys.chain(ring.get("digest_secret"));
    all.map(|secret| secret.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_in_the_environment_are_used_and_found_there_no_more() {
    let world = World::start().await;
    let (jobs, api) =
        (world.vault("worker", Role::Opens).await, world.vault("api", Role::Seals).await);
    let sealed = seal(&jobs, &api, "account".to_owned()).await;
    let rings = taken_away(&world);
    let run = |arguments: &[&str]| {
        let mut command = given(world.key(arguments), &rings);
        tokio::task::block_in_place(|| command.finish())
    };
    let said = run(&["verify"]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && text.contains(" keys open, 0 do not"), "{text}{errors}");
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 1, "the public half alone");
    // What cannot be written is said, to be added where the ring is kept.
    let said = run(&["rotate", "--ring", "credentials"]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(text.contains("\"secret\""), "{text}{}", String::from_utf8_lossy(&said.stderr));
    check(&jobs, &sealed).await;

    // One ring comes from one place.
    let file = world.folder.path().join("master.key");
    let mut both = given(world.key(&["verify"]), &rings);
    both.env(RINGS[0].1, &file);
    let refused = both.finish();
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && errors.contains("keep one"), "{errors}");
    let mut both = given(world.key(&["verify"]), &rings);
    both.env("DARKROOM__VAULT__MASTER_KEY_COMMAND", "[\"cat\", \"ring\"]");
    let refused = both.finish();
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && errors.contains("keep one"), "{errors}");
    let odd = ["x".repeat(70_000), "not a ring".to_owned()];
    let mut command = given(world.key(&["verify"]), &odd);
    let refused = command.finish();
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && errors.contains("MASTER_KEY"), "{errors}");
    assert!(!errors.contains("xxx") && !errors.contains("not a ring"), "{errors}");
    nothing_is_left(&world, &rings).await;
}

/// A process that goes on, its children, and what it says.
async fn nothing_is_left(world: &World, rings: &[String; 2]) {
    let (nats, s3) = (world.nats.settings("worker"), S3::start().await.settings());
    let log = world.folder.path().join("worker.log");
    let output = fs::File::create(&log).unwrap();
    let mut worker = given(Command::new(executable("darkroom-worker")), rings);
    worker
        .current_dir(world.folder.path())
        .env("DARKROOM__NATS__URL", &nats.url)
        .env("DARKROOM__NATS__USER", &nats.user)
        .env("DARKROOM__NATS__PASSWORD", nats.password.expose())
        .env("DARKROOM__NATS__SYSTEM_USER", &nats.system_user)
        .env("DARKROOM__NATS__SYSTEM_PASSWORD", nats.system_password.expose())
        .env("DARKROOM__STORAGE__ENDPOINT", s3.endpoint.unwrap())
        .env("DARKROOM__STORAGE__ACCESS_KEY", s3.access_key)
        .env("DARKROOM__STORAGE__SECRET_KEY", s3.secret_key.expose())
        .env("DARKROOM__WORKER__SPOOL", world.folder.path().join("spool"))
        .env("DARKROOM__LOG__LEVEL", "debug")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output);
    let mut worker = worker.spawn().unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    let ready = || async { said().contains("ready for jobs") };
    eventually("the worker is ready", Duration::from_secs(60), ready).await;
    let secrets: Vec<String> = rings.iter().flat_map(|ring| secrets(ring)).collect();
    assert_eq!(secrets.len(), 3);
    let mut looked = 0;
    let children = processes::descendants(worker.id()).into_iter().map(|child| child.pid);
    for pid in std::iter::once(worker.id()).chain(children) {
        for name in ["environ", "cmdline"] {
            let Ok(bytes) = fs::read(format!("/proc/{pid}/{name}")) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            for secret in &secrets {
                assert!(!text.contains(secret), "a secret in {name} of {pid}");
            }
            looked += usize::from(!bytes.is_empty());
        }
        let holds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let rings = holds.filter(|fd| {
            fs::read_link(fd.path()).is_ok_and(|link| link.to_string_lossy().contains("memfd:ring"))
        });
        assert_eq!(rings.count(), if pid == worker.id() { 2 } else { 0 }, "open in {pid}");
    }
    // Where the system shows no environment of such a process, it is not shown to others either.
    assert!(looked >= 2, "{looked}");
    worker.kill().unwrap();
    worker.wait().unwrap();
    for secret in &secrets {
        assert!(!said().contains(secret), "in the log");
    }
    assert!(said().contains("came from the environment"));
}
