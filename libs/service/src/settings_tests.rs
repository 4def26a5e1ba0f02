//! Tests of the layers and of what their errors say.

use serde::Deserialize;

use super::*;
use crate::{Failure, LogSettings};

const DEFAULTS: &str = "[worker]\nslots = 2\n[nats]\nurl = \"nats://127.0.0.1\"\n";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    log: LogSettings,
    worker: Worker,
    nats: Nats,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Worker {
    slots: u16,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that `durability` is read is all it is for")]
struct Nats {
    url: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    durability: Durability,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Durability {
    #[default]
    Synced,
    Relaxed,
}

fn sources(set: &[&str], environment: &[(&str, &str)]) -> Sources {
    Sources {
        set: set.iter().map(|&flag| flag.to_owned()).collect(),
        environment: Environment::Given(
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ),
        ..Sources::default()
    }
}

fn with(set: &[&str], environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    load(DEFAULTS, &sources(set, environment))
}

/// The whole message that a person sees.
fn refusal(loaded: Result<Settings, SettingsError>) -> String {
    Failure::from(loaded.unwrap_err()).to_string()
}

fn file(text: &str) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("darkroom.toml");
    std::fs::write(&path, text).unwrap();
    (folder, Sources { config: Some(path), ..sources(&[], &[]) })
}

#[test]
fn each_layer_wins_over_the_one_before() {
    assert_eq!(with(&[], &[]).unwrap().worker.slots, 2);
    let (_folder, mut sources) = file("[worker]\nslots = 3\n");
    assert_eq!(load::<Settings>(DEFAULTS, &sources).unwrap().worker.slots, 3);
    sources.environment =
        Environment::Given(vec![("DARKROOM__WORKER__SLOTS".to_owned(), "4".to_owned())]);
    assert_eq!(load::<Settings>(DEFAULTS, &sources).unwrap().worker.slots, 4);
    sources.set = vec!["worker.slots=5".to_owned(), "worker.slots=6".to_owned()];
    let settings: Settings = load(DEFAULTS, &sources).unwrap();
    assert_eq!(settings.worker.slots, 6);
    assert_eq!(settings.nats.url, "nats://127.0.0.1");
}

#[test]
fn a_value_is_toml_where_the_key_takes_it_and_text_where_the_key_wants_text() {
    let settings = with(
        &["worker.paused=true", "worker.tags=[\"a\", \"b\"]", "nats.password=0123"],
        &[("DARKROOM__NATS__URL", "nats://[::1]:4222"), ("DARKROOM__WORKER__SLOTS", "8")],
    )
    .unwrap();
    assert!(settings.worker.paused);
    assert_eq!(settings.worker.tags, ["a", "b"]);
    assert_eq!(settings.nats.password, "0123");
    assert_eq!(settings.nats.url, "nats://[::1]:4222");
    for password in
        ["1234", "true", "1e5", "2026-01-01", "a=b", "[x]", "", "  ", "{}", "\"", "[1, 2]", "é"]
    {
        let settings =
            with(&[&format!("nats.password={password}")], &[("DARKROOM__NATS__URL", "77")])
                .unwrap();
        assert_eq!(settings.nats.password, password);
        assert_eq!(settings.nats.url, "77");
    }
}

#[test]
fn a_variable_of_another_executables_section_is_ignored() {
    let settings =
        with(&[], &[("DARKROOM__API__PORT", "80"), ("DARKROOM_KEY", "x"), ("PATH", "/bin")])
            .unwrap();
    assert_eq!(settings.worker.slots, 2);
}

#[test]
fn the_log_level_has_a_flag_of_its_own() {
    let sources = Sources { log: Some("debug".to_owned()), ..sources(&["log.level=warn"], &[]) };
    assert_eq!(load::<Settings>(DEFAULTS, &sources).unwrap().log.level, "debug");
}

#[test]
fn an_unknown_key_is_named_with_its_origin_and_the_nearest_known_one() {
    assert_eq!(
        refusal(with(&[], &[("DARKROOM__WORKER__SLOT", "4")])),
        "error: unknown setting `worker.slot` in environment variable DARKROOM__WORKER__SLOT\n\
         try: `slots`; known here: slots, paused, tags"
    );
    assert_eq!(
        refusal(with(&["wroker.slots=4"], &[])),
        "error: unknown setting `wroker` in flag --set wroker.slots\ntry: `worker`; known here: log, worker, nats"
    );
    let (folder, sources) = file("[nats]\nsecret = \"hunter2\"\n");
    assert_eq!(
        refusal(load(DEFAULTS, &sources)),
        format!(
            "error: unknown setting `nats.secret` in file {}/darkroom.toml\ntry: one of url, password, durability",
            folder.path().display()
        )
    );
    let (folder, sources) = file("[disptacher]\n");
    assert_eq!(
        refusal(load(DEFAULTS, &sources)),
        format!(
            "error: unknown setting `disptacher` in file {}/darkroom.toml\ntry: one of log, worker, nats",
            folder.path().display()
        )
    );
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_origin_but_not_shown() {
    assert_eq!(
        refusal(with(&["worker.slots=hunter2"], &[])),
        "error: setting `worker.slots` in flag --set worker.slots does not fit: found text, expected u16\n\
         try: another value; the defaults file explains `worker.slots`"
    );
    let cases = [
        ("DARKROOM__WORKER__SLOTS", "true", "found true or false, expected u16"),
        ("DARKROOM__WORKER__SLOTS", "70000", "expected u16"),
        ("DARKROOM__WORKER__SLOTS", "-1", "expected u16"),
        ("DARKROOM__WORKER__PAUSED", "hunter2", "found text, expected a boolean"),
        ("DARKROOM__NATS__DURABILITY", "hunter2", "expected one of synced, relaxed"),
    ];
    for (name, value, fault) in cases {
        let text = refusal(with(&[], &[(name, value)]));
        assert!(
            text.contains(&format!("environment variable {name} does not fit: {fault}\n")),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn the_section_itself_cannot_be_a_value() {
    let text = refusal(with(&[], &[("DARKROOM__WORKER", "4")]));
    assert!(text.contains("environment variable DARKROOM__WORKER is not of the form"), "{text}");
    let text = refusal(with(&["worker=4"], &[]));
    assert!(
        text.starts_with("error: `--set worker` is not of the form section.key=value\ntry: "),
        "{text}"
    );
    for flag in ["worker.slots", "=4", ".slots=4", "worker.=4", ""] {
        assert!(matches!(with(&[flag], &[]), Err(SettingsError::Flag { .. })), "{flag}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_by_line_without_quoting_it() {
    let (folder, sources) = file("[nats]\nurl = \"x\"\npassword = hunter2\n");
    let text = refusal(load(DEFAULTS, &sources));
    assert!(
        text.starts_with(&format!(
            "error: file {}/darkroom.toml, line 3: ",
            folder.path().display()
        )),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let sources = Sources { config: Some("/does/not/exist.toml".into()), ..sources(&[], &[]) };
    let text = refusal(load(DEFAULTS, &sources));
    assert!(
        text.starts_with(
            "error: cannot read the settings file /does/not/exist.toml\ncaused by: No such file"
        ),
        "{text}"
    );
}

#[test]
fn a_missing_key_says_how_to_set_it() {
    let loaded = load::<Settings>("[worker]\n[nats]\nurl = \"x\"\n", &sources(&[], &[]));
    assert_eq!(
        refusal(loaded),
        "error: setting `worker.slots` is missing\n\
         try: --set worker.slots=VALUE, or DARKROOM__WORKER__SLOTS=VALUE in the environment"
    );
}

#[test]
fn the_flags_parse_as_every_executable_flattens_them() {
    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        sources: Sources,
    }
    let arguments: Arguments =
        clap::Parser::try_parse_from(["x", "--set", "a.b=1", "--set", "a.c=2", "--log", "debug"])
            .unwrap();
    assert_eq!(arguments.sources.set, ["a.b=1", "a.c=2"]);
    assert_eq!(arguments.sources.log.as_deref(), Some("debug"));
}
