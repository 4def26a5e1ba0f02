//! What is done to a bundle, and what is said of it.

use serde_json::Value;

use super::{Bundle, Checked, Covered, KIND, Proven, VERSION, check::summary, page};
use crate::{
    proof,
    verify::{
        Signed, Trust,
        sample::{self, Sample, time},
    },
};

const ACCOUNT: &str = "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a21";
const JOB: &str = "0190a5c4-9d2e-7c3b-8f1a-2b6d5e4f3a22";

/// Evidence of a job that was erased, among others; its last event is under no checkpoint.
fn bundle() -> Bundle {
    let mut sample = Sample::small();
    let jobs = sample.part("JOBS");
    jobs.events.clear();
    jobs.leaves.clear();
    let (ours, other) = (format!("darkroom.job.{ACCOUNT}.{JOB}"), "darkroom.job.b.c");
    for (history, name) in [
        (ours.as_str(), "requested"),
        (other, "requested"),
        (ours.as_str(), "started"),
        (ours.as_str(), "erased"),
        (other, "started"),
        (ours.as_str(), "a_later_event"),
    ] {
        jobs.append(history, name, "{\"attempt\":\"<script>\"}");
    }
    let size = 5;
    let note = sample::note("JOBS", &jobs.leaves, size, time(9), 1);
    let path = |seq: u64| {
        let plan = proof::inclusion(seq - 1, size as u64).ok()?;
        Some(plan.make(jobs.leaves.as_slice()).unwrap())
    };
    let events: Vec<Proven> = jobs
        .events
        .iter()
        .filter(|event| event.history() == ours)
        .map(|event| Proven { event: event.clone(), path: path(event.seq) })
        .collect();
    Bundle {
        kind: KIND.to_owned(),
        version: VERSION,
        made_at: time(20),
        about: serde_json::from_value(serde_json::json!({"account": ACCOUNT, "job": JOB})).unwrap(),
        summary: summary(&events),
        keys: sample::keys().iter().map(ToString::to_string).collect(),
        checkpoints: vec![Signed { stream: "JOBS".into(), note }],
        events,
    }
}

fn check(bundle: &Bundle) -> Checked {
    bundle.check(&Trust::given(sample::keys()))
}

#[test]
fn a_bundle_proves_what_is_signed_and_says_what_is_not_yet() {
    let checked = check(&bundle());
    assert!(checked.holds, "{:?}", checked.findings);
    let covered: Vec<Covered> = checked.steps.iter().map(|step| step.covered).collect();
    assert_eq!(covered, [Covered::Signed, Covered::Signed, Covered::Signed, Covered::Chained]);
    let itself = Trust::of_itself(&bundle().keys);
    let checked = bundle().check(&itself);
    assert!(checked.holds && checked.keys_taken_from_the_bundle);
}

#[test]
fn whatever_is_left_out_of_a_bundle_or_put_into_it_is_caught() {
    let alterations: [fn(&mut Bundle); 11] = [
        |it| drop(it.events.remove(0)),
        |it| drop(it.events.remove(1)),
        |it| it.events.swap(1, 2),
        |it| it.events[0].path = None,
        |it| it.events[1].path = it.events[0].path.clone(),
        |it| it.events[2].event.body = "{}".into(),
        |it| it.events.clear(),
        |it| it.checkpoints.clear(),
        |it| it.checkpoints.push(it.checkpoints[0].clone()),
        |it| it.summary[0].push('x'),
        |it| it.about.job = None,
    ];
    for (number, alter) in (1..).zip(alterations) {
        let mut altered = bundle();
        alter(&mut altered);
        if altered.events.len() < bundle().events.len() {
            altered.summary = summary(&altered.events);
        }
        assert!(!check(&altered).holds, "alteration {number}");
    }
    let stranger = Trust::given(vec![sample::signer("JOBS", 2).verifier()]);
    assert!(!bundle().check(&stranger).holds);
}

/// What of a bundle is covered. Not so are: when it was made, when the server says that it stored an
/// event, headers that the server added, the keys that it brings, where others are given, and the
/// last event while it is under no checkpoint, of which that is said.
fn covered(bundle: &Bundle) -> Value {
    let mut value = serde_json::to_value(bundle).unwrap();
    value["made_at"] = Value::Null;
    value["keys"] = Value::Null;
    let events = value["events"].as_array_mut().unwrap();
    if events.last().is_some_and(|last| last.get("path").is_none()) {
        events.pop();
        value["summary"].as_array_mut().unwrap().pop();
    }
    for proven in value["events"].as_array_mut().unwrap() {
        proven["event"]["stored_at"] = Value::Null;
        let ours = |pair: &Value| eventlog::COVERED.contains(&pair[0].as_str().unwrap());
        proven["event"]["headers"].as_array_mut().unwrap().retain(ours);
    }
    value
}

#[test]
fn any_single_byte_of_a_bundle_that_is_changed_is_caught_or_lies_outside_of_what_is_covered() {
    let genuine = bundle();
    let file = serde_json::to_vec(&genuine).unwrap();
    let (mut caught, mut outside) = (0, 0);
    for at in 0..file.len() {
        for flip in [0x01, 0x20] {
            let mut changed = file.clone();
            changed[at] ^= flip;
            match serde_json::from_slice::<Bundle>(&changed) {
                Ok(read) if check(&read).holds => {
                    assert_eq!(covered(&read), covered(&genuine), "byte {at} ^ {flip:#04x}");
                    outside += 1;
                }
                _ => caught += 1,
            }
        }
    }
    assert!(caught > outside && outside > 100, "{caught} caught, {outside} outside");
}

#[test]
fn the_page_says_what_happened_and_lets_nothing_of_the_log_become_markup() {
    let bundle = bundle();
    let html = page(&bundle, &check(&bundle), "case-7.json");
    for part in [
        JOB,
        "The job was requested",
        "case-7.json",
        "The job was erased",
        "What proves it",
        "a later event",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.contains("Attempt &lt;script&gt; was begun") && !html.contains("<script"));
    assert!(!html.contains("http:") && !html.contains("https:"), "it asks nobody for anything");
    let mut altered = bundle.clone();
    altered.events[2].event.body = "{}".into();
    assert!(page(&altered, &check(&altered), "x").contains("This evidence does not hold"));
}
