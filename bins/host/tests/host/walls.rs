//! What the walls hold.

use enclave::hosted::{Name, Settings, State, Workshop};

use crate::{limits, nameless, settings, workshop};

#[tokio::test]
async fn every_program_is_there_and_tells_its_version() {
    let workshop = workshop();
    let names: Vec<Name> = workshop.capabilities().iter().map(|found| found.name).collect();
    assert_eq!(names, Name::ALL);
    for found in workshop.capabilities() {
        let State::Ready { version } = &found.state else {
            panic!("{}: {:?}; `./justw --need full` installs it", found.name, found.state)
        };
        assert!(version.bytes().any(|byte| byte.is_ascii_digit()), "{version}");
    }
    assert!(workshop.ocr_languages().contains(&"eng".to_owned()));
}

#[tokio::test]
async fn every_way_out_is_closed_for_every_program() {
    let proven = workshop().prove().await.expect("the walls hold");
    assert_eq!(proven.len(), Name::ALL.len());
    for (name, proof) in proven {
        for wall in ["namespaces", "root", "privileges", "limits", "landlock", "seccomp"] {
            assert!(proof.walls.iter().any(|built| built.starts_with(wall)), "{name}: {wall}");
        }
        assert!(proof.walls.iter().any(|built| built.contains("cgroup")), "{:?}", proof.walls);
        assert!(proof.attempts.len() > 40, "{name}: {:?}", proof.attempts);
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_with_a_remedy() {
    let nowhere = std::path::PathBuf::from("/nowhere/program");
    let settings =
        Settings { office: nowhere.clone(), ocr: nowhere.clone(), browser: nowhere, ..settings() };
    let workshop = Workshop::find(settings).expect("a workshop");
    for found in workshop.capabilities() {
        let State::Missing { remedy } = &found.state else { panic!("{found:?}") };
        assert!(remedy.contains("install"), "{remedy}");
    }
    let document = workshop.office_to_pdf(nameless(b"x"), "txt", None, &limits()).await;
    let error = document.expect_err("no office");
    assert_eq!(error.code().name(), "capability_missing");
    assert!(error.to_string().contains("office"), "{error}");
    assert!(workshop.prove().await.expect("nothing to prove").is_empty());
}
