//! A worker that starts: it proves every wall first, and takes no job where one is not proven.

use std::process::Command;

use testkit::executable;

/// What a worker alone on its machine comes to, and what it says: it proves walls before it looks
/// for the log, which is not there.
fn started(mut command: Command, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DARKROOM__NATS__URL", format!("nats://127.0.0.1:{}", testkit::free_port()))
        .envs(settings.iter().copied())
        .current_dir(folder.path());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn worker() -> Command {
    Command::new(executable("darkroom-worker"))
}

/// The names of the thing and of the remedy.
fn assert_refused((code, said): &(Option<i32>, String), thing: &str, cause: &str) {
    assert_eq!(*code, Some(1), "{said}");
    let told = format!("error: the walls that {thing} puts up are not proven");
    for part in [told.as_str(), cause, "user.max_user_namespaces", "darkroom doctor"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("event log"), "it went on: {said}");
}

#[test]
fn the_proof_of_every_wall_is_logged_before_anything_else_is_done() {
    let (code, said) = started(worker(), &[]);
    assert_eq!(code, Some(1), "{said}");
    let (before, after) = said.split_once("error: connect to the event log").expect(&said);
    assert_eq!(before.matches("the renderer's walls hold").count(), 2, "{said}");
    assert!(!after.contains("walls hold"), "{said}");
    for program in ["office", "ocr", "browser"] {
        let of_it = format!("capability=\"{program}\"");
        let of_it: Vec<&str> = before.lines().filter(|line| line.contains(&of_it)).collect();
        let proven = of_it.iter().any(|line| line.contains("the program's walls hold"));
        let missing = of_it.iter().any(|line| line.contains("missing"));
        assert!(proven != missing, "{program}: {said}");
    }
}

#[test]
fn a_worker_whose_renderer_or_host_has_no_walls_does_not_start() {
    let bare = "/bin/true";
    let answer = started(worker(), &[("DARKROOM__WORKER__RENDERER", bare)]);
    assert_refused(&answer, bare, "the renderer did not get its walls up");
    let answer = started(worker(), &[("DARKROOM__WORKER__AV_RENDERER", bare)]);
    assert_refused(&answer, bare, "the renderer did not get its walls up");
    let settings = [
        ("DARKROOM__WORKER__HOST", bare),
        // There on every machine, and proven before it is used.
        ("DARKROOM__WORKER__BROWSER", "/bin/sh"),
    ];
    assert_refused(&started(worker(), &settings), bare, "prove the walls around");
}

#[test]
fn a_worker_that_may_make_no_user_namespace_does_not_start() {
    let mut command = Command::new("unshare");
    let none = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\"";
    // Of a namespace of its own: what is written there holds for its children alone.
    let nobody = ["--user", "--map-user=65534", "--map-group=65534", "--keep-caps"];
    command.args(nobody).args(["sh", "-c", none]).arg(executable("darkroom-worker"));
    let renderer = executable("darkroom-renderer");
    let answer = started(command, &[]);
    assert_refused(&answer, renderer.to_str().unwrap(), "namespaces: unshare");
}
