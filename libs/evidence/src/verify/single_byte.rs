//! Every single byte of an export, changed: caught, or outside of what is covered.

use super::{
    Line, Trust, Verifier,
    sample::{self, Sample, time},
};

/// What of a line is covered by hashes and signatures, or counted. Not covered are: when the server
/// says that it stored a message, headers that the server added, when the file was written, and the
/// keys that it brings, where others are given.
fn covered(line: &Line) -> String {
    match line {
        Line::Export(opening) => format!("export {} {:?}", opening.version, opening.streams),
        Line::Event(event) => {
            let headers: Vec<_> = event
                .headers
                .iter()
                .filter(|(name, _)| eventlog::COVERED.contains(&name.as_str()))
                .collect();
            format!("{} {} {} {headers:?} {:?}", event.stream, event.seq, event.subject, event.body)
        }
        other => format!("{other:?}"),
    }
}

/// What is read of a file, and whether it holds.
fn read(file: &[u8]) -> (Vec<String>, bool) {
    let mut verifier = Verifier::new(Some(Trust::given(sample::keys())), vec![], time(100_000));
    let mut told = Vec::new();
    for (number, line) in (1..).zip(file.split_inclusive(|byte| *byte == b'\n')) {
        match serde_json::from_slice::<Line>(line) {
            Ok(line) => {
                verifier.take(&line);
                told.push(covered(&line));
            }
            Err(error) => verifier.unreadable(number, &error),
        }
    }
    (told, verifier.finish().holds)
}

#[test]
fn any_single_byte_that_is_changed_is_caught_or_lies_outside_of_what_is_covered() {
    let lines = Sample::tiny().lines();
    let file: Vec<u8> = lines
        .iter()
        .flat_map(|line| {
            let mut text = serde_json::to_vec(line).unwrap();
            text.push(b'\n');
            text
        })
        .collect();
    let (genuine, holds) = read(&file);
    assert!(holds);
    let (mut caught, mut outside) = (0, 0);
    for at in 0..file.len() {
        for flip in [0x01, 0x20] {
            let mut changed = file.clone();
            changed[at] ^= flip;
            let (told, holds) = read(&changed);
            if holds {
                let near = &changed[at.saturating_sub(40)..(at + 20).min(file.len())];
                let text = String::from_utf8_lossy(near).into_owned();
                assert_eq!(told, genuine, "byte {at} ^ {flip:#04x}: …{text}…");
                outside += 1;
            } else {
                caught += 1;
            }
        }
    }
    // Most of a file is covered; a test that catches nothing, or everything, is none.
    assert!(caught > outside && outside > 100, "{caught} caught, {outside} outside");
}
