//! What is done to a log, and what is said of it.

use super::{
    Finding, Kind, Line, Report, Stored, Trust, Verifier,
    sample::{self, Sample, time},
};
use crate::note::Signer;

fn verify(lines: &[Line], kept: &[(&str, &str)]) -> Report {
    let kept = kept.iter().map(|(name, note)| ((*name).to_owned(), (*note).to_owned())).collect();
    let mut verifier = Verifier::new(Some(Trust::given(sample::keys())), kept, time(100_000));
    for line in lines {
        verifier.take(line);
    }
    verifier.finish()
}

fn first_bad(sample: &Sample) -> (Kind, u64) {
    let report = verify(&sample.lines(), &[]);
    assert!(!report.holds, "{report}");
    let bad = report.first_bad.unwrap();
    (bad.kind, bad.seq.unwrap())
}

fn altered(alter: impl FnOnce(&mut Vec<Stored>)) -> Sample {
    let mut sample = Sample::small();
    alter(&mut sample.part("JOBS").events);
    sample
}

fn header<'a>(event: &'a mut Stored, name: &str) -> &'a mut String {
    &mut event.headers.iter_mut().find(|(given, _)| given == name).unwrap().1
}

#[test]
fn a_log_as_it_was_written_holds() {
    for (sample, covered, uncovered) in [(Sample::small(), 10, 0), (Sample::long(), 650, 10)] {
        let report = verify(&sample.lines(), &[]);
        assert!(report.holds && report.first_bad.is_none(), "{report}");
        let jobs = &report.streams[0];
        assert_eq!((jobs.covered, jobs.uncovered, jobs.purged), (covered, uncovered, 0));
        assert!(report.to_string().contains("the log holds"), "{report}");
    }
    let report = verify(&Sample::small().lines(), &[]);
    let jobs = &report.streams[0];
    assert_eq!((jobs.histories, jobs.erased_histories, jobs.erased_events), (3, 1, 6));
}

#[test]
fn a_changed_event_is_caught_and_named() {
    let body = |at: usize| altered(move |events| events[at].body = "{\"n\":9}".into());
    let time = |at: usize| {
        altered(move |events| *header(&mut events[at], "ce-time") = "2026-01-01T00:00:00Z".into())
    };
    let kind = |at: usize| {
        altered(move |events| *header(&mut events[at], "ce-type") = "darkroom.job.failed.v1".into())
    };
    let subject = |at: usize| altered(move |events| events[at].subject += "x");
    for at in 0..10 {
        for sample in [body(at), time(at), kind(at), subject(at)] {
            assert_eq!(first_bad(&sample), (Kind::Altered, at as u64 + 1), "event {}", at + 1);
        }
    }
    let report = verify(&body(4).lines(), &[]);
    let bad = report.first_bad.clone().unwrap();
    assert_eq!((bad.job.as_deref(), bad.stream.as_deref()), (Some("j1"), Some("JOBS")));
    let told = report.to_string();
    assert!(told.contains("First bad event: JOBS 5 (darkroom.job.a.j1.fetched), job j1"), "{told}");
}

#[test]
fn a_changed_link_is_caught_where_it_is() {
    for at in 0..10 {
        let sample = altered(|events| *header(&mut events[at], "darkroom-prev") = "0".repeat(64));
        if !sample.lines().eq(&Sample::small().lines()) {
            assert!(first_bad(&sample).1 <= at as u64 + 1);
        }
    }
}

#[test]
fn a_removed_event_is_caught_wherever_it_was() {
    for at in 1..9 {
        let sample = altered(|events| drop(events.remove(at)));
        assert_eq!(first_bad(&sample), (Kind::Missing, at as u64 + 1), "event {}", at + 1);
    }
    // From the front events go by the stream's own rule; what is kept for good has none.
    let mut sample = Sample::small();
    sample.part("ACCOUNTS").events.remove(0);
    assert_eq!(first_bad(&sample), (Kind::RemovedEarly, 1));
    let sample = altered(|events| drop(events.drain(..4)));
    assert_eq!(first_bad(&sample), (Kind::RemovedEarly, 4));
    // The stream that would close the gap has other sequences.
    let closed = altered(|events| {
        events.remove(4);
        for (seq, event) in (1..).zip(events) {
            event.seq = seq;
        }
    });
    assert_eq!(first_bad(&closed), (Kind::Altered, 5));
}

#[test]
fn a_cut_off_end_is_caught() {
    for left in 1..10 {
        let sample = altered(|events| events.truncate(left));
        assert_eq!(first_bad(&sample), (Kind::CutOff, left as u64 + 1), "{left} left");
    }
    // With its leaves, too.
    let mut sample = altered(|events| events.truncate(6));
    sample.part("JOBS").leaves.truncate(6);
    assert_eq!(first_bad(&sample), (Kind::CutOff, 7));
    let emptied = {
        let mut sample = altered(Vec::clear);
        sample.part("JOBS").leaves.clear();
        sample
    };
    assert_eq!(first_bad(&emptied), (Kind::RemovedEarly, 4));
}

#[test]
fn swapped_and_inserted_events_are_caught() {
    let swapped = altered(|events| {
        events.swap(2, 4);
        (events[2].seq, events[4].seq) = (3, 5);
    });
    assert_eq!(first_bad(&swapped), (Kind::Altered, 3));
    let unordered = altered(|events| events.swap(2, 3));
    assert_eq!(first_bad(&unordered).1, 3);
    let inserted = altered(|events| {
        let copy = events[1].clone();
        events.insert(5, copy);
        for (seq, event) in (1..).zip(events) {
            event.seq = seq;
        }
    });
    assert_eq!(first_bad(&inserted), (Kind::Altered, 6));
    let twice = altered(|events| {
        let copy = events[9].clone();
        events.push(copy);
    });
    assert_eq!(first_bad(&twice), (Kind::OutOfOrder, 10));
}

#[test]
fn a_covered_header_that_is_there_twice_is_caught_though_no_hash_changes() {
    let sample = altered(|events| {
        let second = ("ce-time".to_owned(), "2027-01-01T00:00:00Z".to_owned());
        events[3].headers.push(second);
    });
    assert_eq!(first_bad(&sample), (Kind::RepeatedHeader, 4));
}

#[test]
fn an_altered_event_under_no_checkpoint_is_caught_by_the_one_that_follows_it() {
    let mut sample = Sample::small();
    let jobs = sample.part("JOBS");
    (jobs.notes, jobs.leaves) = (vec![], vec![]);
    jobs.events[4].body = "{}".into();
    let report = verify(&sample.lines(), &[]);
    let found = report.streams[0].findings.iter().find(|it| it.kind == Kind::ChainBroken).unwrap();
    assert_eq!((found.seq, found.to_seq), (Some(5), Some(7)));
}

#[test]
fn a_log_without_checkpoints_is_told_once_they_are_overdue() {
    let mut sample = Sample::small();
    let jobs = sample.part("JOBS");
    (jobs.notes, jobs.leaves) = (vec![], vec![]);
    sample.exported_at = time(20);
    let report = verify(&sample.lines(), &[]);
    assert!(report.holds && report.streams[0].uncovered == 10, "{report}");
    assert!(report.to_string().contains("10 chained, not yet under a checkpoint"), "{report}");
    sample.exported_at = time(120);
    assert_eq!(first_bad(&sample), (Kind::Unsigned, 1));
}

#[test]
fn leaves_and_checkpoints_of_another_key_count_for_nothing() {
    let mut sample = Sample::small();
    let jobs = sample.part("JOBS");
    jobs.events[4].body = "{}".into();
    jobs.forge(2);
    let report = verify(&sample.lines(), &[]);
    let kinds: Vec<Kind> = report.streams[0].findings.iter().map(|it| it.kind).collect();
    assert!(!report.holds && kinds.contains(&Kind::NotSigned), "{report}");
    assert_eq!(report.first_bad.unwrap().seq, Some(5), "the chain names it");
}

#[test]
fn a_history_written_anew_with_the_right_key_is_caught_by_what_was_kept_elsewhere() {
    let genuine = Sample::small().part("JOBS").clone();
    let mut sample = Sample::small();
    let jobs = sample.part("JOBS");
    for at in [5, 7] {
        jobs.events[at].body = "{}".into();
    }
    // Chained anew, so that nothing in it is amiss.
    let prev = jobs.events[5].raw().hash().to_string();
    *header(&mut jobs.events[7], "darkroom-prev") = prev;
    jobs.forge(1);
    assert!(verify(&sample.lines(), &[]).holds, "by itself it cannot be told");
    for (kept, since) in [(7, 1), (10, 1)] {
        let note = genuine.notes.iter().find(|note| sample::size_of(note) == kept).unwrap();
        let report = verify(&sample.lines(), &[("kept.txt", note)]);
        let bad = report.first_bad.clone().unwrap();
        let found = (bad.kind, bad.seq, bad.to_seq);
        assert_eq!(found, (Kind::Contradicted, Some(since), Some(kept as u64)), "{report}");
        assert!(report.to_string().contains("kept.txt"), "{report}");
    }
    // What was kept from before the change bounds where it begins.
    let kept: Vec<(&str, &str)> =
        genuine.notes.iter().map(|note| ("kept.txt", note.as_str())).collect();
    let bad = verify(&sample.lines(), &kept).first_bad.unwrap();
    assert_eq!((bad.kind, bad.seq, bad.to_seq), (Kind::Contradicted, Some(4), Some(7)));
}

#[test]
fn a_log_that_was_set_back_with_its_checkpoints_is_caught_by_what_was_kept_elsewhere() {
    let genuine = Sample::small().part("JOBS").clone();
    let mut sample = altered(|events| events.truncate(7));
    let jobs = sample.part("JOBS");
    jobs.leaves.truncate(7);
    jobs.notes.truncate(2);
    assert!(verify(&sample.lines(), &[]).holds, "by itself it cannot be told");
    let report = verify(&sample.lines(), &[("kept.txt", &genuine.notes[2])]);
    let bad = report.first_bad.clone().unwrap();
    assert_eq!((bad.kind, bad.seq), (Kind::CutOff, Some(8)), "{report}");
    assert!(bad.says.contains("kept.txt") && bad.says.contains("set back"), "{}", bad.says);
}

#[test]
fn two_signed_checkpoints_that_cannot_both_be_true_are_told() {
    let mut sample = Sample::small();
    let jobs = sample.part("JOBS");
    let mut forged = jobs.clone();
    forged.events[1].body = "{}".into();
    forged.forge(1);
    jobs.notes.push(forged.notes[1].clone());
    assert_eq!(first_bad(&sample), (Kind::Contradicted, 4));
}

#[test]
fn damaged_leaves_are_told_from_altered_events() {
    let mut sample = Sample::long();
    sample.part("JOBS").leaves[300] = sample::leaf(&Sample::small().part("JOBS").events[0]);
    assert_eq!(first_bad(&sample), (Kind::LeavesDamaged, 301));
    let mut both = Sample::long();
    both.part("JOBS").leaves[20] = sample::leaf(&Sample::small().part("JOBS").events[0]);
    both.part("JOBS").events[300].body = "{\"n\":1}".into();
    let report = verify(&both.lines(), &[]);
    let found: Vec<(Kind, Option<u64>)> =
        report.streams[0].findings.iter().map(|it| (it.kind, it.seq)).collect();
    assert!(found.contains(&(Kind::LeavesDamaged, Some(21))), "{report}");
    assert!(found.contains(&(Kind::Altered, Some(301))), "{report}");
}

#[test]
fn an_event_and_its_leaf_changed_together_leave_a_tree_that_nobody_signed() {
    let mut sample = Sample::long();
    let jobs = sample.part("JOBS");
    jobs.events[300].body = "{\"n\":1}".into();
    jobs.leaves[300] = sample::leaf(&jobs.events[300]);
    let report = verify(&sample.lines(), &[]);
    let found = |kind| report.streams[0].findings.iter().find(|it| it.kind == kind);
    let tree: &Finding = found(Kind::TreeDiffers).unwrap();
    assert_eq!((tree.seq, tree.to_seq), (Some(257), Some(400)), "{report}");
    let chain = found(Kind::ChainBroken).unwrap();
    assert_eq!((chain.seq, chain.to_seq), (Some(301), Some(411)), "the chain names it");
}

#[test]
fn what_the_streams_own_rule_let_go_of_is_told_from_what_was_removed() {
    let year = 400 * 24 * 60;
    for (purged, now, expected) in [
        (300, year + 400, None),
        (300, year + 100, Some(Kind::RemovedEarly)),
        (660, year + 900, None),
        (660, year + 300, Some(Kind::RemovedEarly)),
    ] {
        let mut sample = Sample::long();
        sample.exported_at = time(now);
        sample.part("JOBS").events.drain(..purged);
        let mut lines = sample.lines();
        let mut verifier =
            Verifier::new(Some(Trust::given(sample::keys())), vec![], time(year * 2));
        for line in &mut lines {
            verifier.take(line);
        }
        let report = verifier.finish();
        let jobs = &report.streams[0];
        let found = jobs.findings.iter().find(|it| it.kind == Kind::RemovedEarly);
        assert_eq!(found.map(|it| it.kind), expected, "{purged} by {now}: {report}");
        if expected.is_none() {
            assert_eq!(jobs.purged, (purged as u64).min(650), "{report}");
            assert_eq!(jobs.covered, 650);
        }
    }
}

#[test]
fn a_stream_that_is_gone_with_all_that_was_said_of_it_is_told_by_what_was_kept() {
    let genuine = Sample::small().part("JOBS").clone();
    let mut sample = Sample::small();
    let jobs = sample.part("JOBS");
    (jobs.events, jobs.leaves, jobs.notes) = (vec![], vec![], vec![]);
    assert!(verify(&sample.lines(), &[]).holds);
    let report = verify(&sample.lines(), &[("kept.txt", &genuine.notes[0])]);
    assert_eq!(report.first_bad.unwrap().seq, Some(1));
}

#[test]
fn an_export_that_was_cut_off_or_is_out_of_order_is_told() {
    let lines = Sample::small().lines();
    for cut in 0..lines.len() {
        assert!(!verify(&lines[..cut], &[]).holds, "{cut} lines");
    }
    for at in 1..lines.len() {
        let mut swapped = lines.clone();
        swapped.swap(at - 1, at);
        let both = [&lines[at - 1], &lines[at]];
        // Checkpoints of one stream may come in any order.
        if !both.iter().all(|line| matches!(line, Line::Checkpoint(_))) {
            let streams_apart = verify(&swapped, &[]).holds;
            assert!(!streams_apart || of(both[0]) != of(both[1]), "{both:?}");
        }
    }
}

fn of(line: &Line) -> Option<&str> {
    match line {
        Line::Checkpoint(signed) => Some(&signed.stream),
        Line::Tile(leaves) => Some(&leaves.stream),
        Line::Event(event) => Some(&event.stream),
        Line::Halted(halt) => Some(&halt.stream),
        Line::Export(_) | Line::End(_) => None,
    }
}

#[test]
fn a_witness_that_was_named_must_have_signed() {
    let witness = Signer::new("witness.test", crate::note::Kind::Cosignature, &[9; 32]).unwrap();
    let mut keys = sample::keys();
    keys.push(witness.verifier());
    let look = |sample: &Sample| {
        let mut verifier = Verifier::new(Some(Trust::given(keys.clone())), vec![], time(100_000));
        sample.lines().iter().for_each(|line| verifier.take(line));
        verifier.finish()
    };
    let mut sample = Sample::small();
    let report = look(&sample);
    assert!(report.streams[0].findings.iter().any(|it| it.kind == Kind::NotSigned), "{report}");
    for stream in ["JOBS", "ACCOUNTS"] {
        let note = sample.part(stream).notes.last_mut().unwrap();
        let text = format!("{}\n", note.split_once("\n\n").unwrap().0);
        *note += &witness.sign(&text, 1_800_000_000).to_string();
    }
    let report = look(&sample);
    assert!(report.holds, "{report}");
    assert_eq!((report.streams[0].witnesses, report.streams[0].witnessed), (1, 10));
}
