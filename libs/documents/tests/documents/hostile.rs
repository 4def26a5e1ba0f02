//! Files made to hurt: each is drawn or refused, in little time, without a panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// Draws or refuses, quickly enough even without optimisation.
fn endures(what: &str, bytes: &[u8]) -> Result<(Shown, Drawn), Error> {
    let start = Instant::now();
    let done = Job::new().size("100").run(bytes);
    assert!(start.elapsed() < Duration::from_secs(20), "{what}: {:?}", start.elapsed());
    done
}

#[test]
fn lines_and_nests_without_end_are_cut() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(20_000), close.repeat(20_000));
    let long_word = "x".repeat(2_000_000);
    for (what, text) in [
        ("one line", long_word.clone()),
        ("one line of ideographs", "\u{4e2d}".repeat(300_000)),
        ("one line of marks", format!("a{}", "\u{301}".repeat(300_000))),
        ("many lines", "\n".repeat(1_000_000) + "end"),
        ("deep JSON", deep("[", "]")),
        ("half of deep JSON", "{\"a\":".repeat(50_000)),
        ("deep XML", format!("<?xml version='1.0'?>{}", "<a>".repeat(100_000))),
        ("open comments", format!("<?xml version='1.0'?><a>{}", "<!--".repeat(100_000))),
        (
            "quotes in quotes",
            format!("# t\n\n[a](b)\n\n{} words and words and more words\n", ">".repeat(50_000)),
        ),
        (
            "brackets of links",
            format!(
                "# t\n\n**a** [b](c) words and words and more words\n\n{}",
                "[".repeat(100_000)
            ),
        ),
        (
            "emphasis",
            format!("# t\n\n[b](c) words and words and more words\n\n{}", "*a_".repeat(50_000)),
        ),
        ("many columns", format!("{0}\n{0}\n{0}\n", "a,".repeat(300_000))),
        ("open quotes", format!("a,b\n1,2\n3,4\n{}", "\"".repeat(1_000_000))),
        ("ampersands", format!("<?xml version='1.0'?><a>{}", "&".repeat(500_000))),
        (
            "code comments",
            format!("#include <a.h>\nint main() {{ printf(\"\"); }}\n{}", "/*".repeat(500_000)),
        ),
        (
            "code quotes",
            format!("fn main() {{\n    let mut a = Some(1);\n}}\n{}", "'".repeat(500_000)),
        ),
        ("directions", "\u{202e}a\u{2066}b".repeat(100_000)),
    ] {
        let done = endures(what, text.as_bytes());
        let (shown, _) = done.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(shown.total <= Limits::default().pages, "{what}");
    }
}

#[test]
fn mails_in_mails_are_counted_before_they_are_read() {
    let header = "From: a@b.c\nTo: d@e.f\nSubject: s\n";
    let nested =
        format!("{header}{}", "Content-Type: message/rfc822\n\nFrom: a@b.c\n".repeat(50_000));
    assert!(matches!(endures("mails in mails", nested.as_bytes()), Err(Error::Expands { .. })));
    let mut parts =
        format!("{header}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b0\n\n");
    for at in 0..5_000 {
        parts
            .push_str(&format!("--b{at}\nContent-Type: multipart/mixed; boundary=b{}\n\n", at + 1));
    }
    let _drawn_or_refused = endures("parts in parts", parts.as_bytes());
    let markup = format!(
        "{header}Content-Type: text/html\n\n{}",
        "<table><tr><td><ul><li><blockquote>".repeat(20_000)
    );
    endures("tables in tables", markup.as_bytes()).expect("words without structure");
}

#[test]
fn a_zip_that_lies_about_itself_is_only_listed() {
    let mut archive =
        b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a".to_vec();
    let offset = u32::try_from(archive.len()).unwrap();
    let mut entry =
        b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\x0a\0\0\0\xfe\xff\xff\xff\x01\0"
            .to_vec();
    entry.extend([0; 16]);
    entry.push(b'a');
    for _ in 0..100 {
        archive.extend(&entry);
    }
    archive.extend(b"PK\x05\x06\0\0\0\0\xff\xfe\xff\xfe");
    archive.extend(u32::try_from(entry.len() * 100).unwrap().to_le_bytes());
    archive.extend(offset.to_le_bytes());
    archive.extend([0, 0]);
    let (_, drawn) = endures("a zip", &archive).unwrap();
    let about = &drawn.metadata["archive"];
    assert_eq!(about["expands_too_much"], true);
    assert_eq!(about["truncated"], true);
    assert_eq!(about["total"], 0xfeff);
}

#[test]
fn a_font_that_claims_every_letter_many_times_over_is_drawn_in_time() {
    // Its map of letters: one group after another from 0 to the largest number there is.
    let mut map = b"\0\0\0\x01\0\x03\0\x0a\0\0\0\x0c\0\x0c\0\0".to_vec();
    let groups = 2_000_u32;
    map.extend((16 + 12 * groups).to_be_bytes());
    map.extend(0_u32.to_be_bytes());
    map.extend(groups.to_be_bytes());
    for _ in 0..groups {
        map.extend(0_u32.to_be_bytes());
        map.extend(u32::MAX.to_be_bytes());
        map.extend(u32::MAX.to_be_bytes());
    }
    let mut font = fonts()[6].to_vec();
    let tables = u16::from_be_bytes([font[4], font[5]]);
    let place = u32::try_from(font.len()).unwrap();
    for table in 0..usize::from(tables) {
        let entry = 12 + 16 * table;
        if &font[entry..entry + 4] == b"cmap" {
            font[entry + 8..entry + 12].copy_from_slice(&place.to_be_bytes());
            let length = u32::try_from(map.len()).unwrap();
            font[entry + 12..entry + 16].copy_from_slice(&length.to_be_bytes());
        }
    }
    font.extend(map);
    endures("a font", &font).expect("a specimen");
}

#[test]
fn an_empty_source_is_refused() {
    assert!(matches!(Job::new().run(b""), Err(Error::Empty)));
}

/// Beginnings of every kind that is read here.
const BEGINNINGS: &[&[u8]] = &[
    b"Rar!\x1a\x07\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0\0",
    b"Rar!\x1a\x07\x01\0\x33\x92\xb5\xe5\x0a\x01\x05",
    b"7z\xbc\xaf\x27\x1c\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0\0\0\0\0",
    b"PK\x03\x04\x14\0\0\0\x08\0",
    b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    b"BZh91AY&SY",
    b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46",
    b"\x28\xb5\x2f\xfd\x04\x58",
    b"\0\x01\0\0\0\x0b\0\x80\0\x03\0\x30",
    b"wOFF\0\x01\0\0\0\0\x10\0\0\x02\0\0\0\0\x20\0",
    b"wOF2\0\x01\0\0\0\0\x10\0\0\x02\0\0\0\0\x20\0",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"From: a@b.c\nTo: b\nSubject: c\nContent-Type: multipart/mixed; boundary=x\n\n--x\n",
    b"# a\n\n**b** [c](d)\n\n| a | b |\n|---|---|\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_panics(beginning in prop::sample::select(BEGINNINGS), rest in prop::collection::vec(any::<u8>(), 0..1_500)) {
        let bytes = [beginning, &rest].concat();
        let _drawn_or_refused = Job::new().size("64").run(&bytes);
        let _told_or_refused = documents::office(&sniff(&bytes), &mut Bytes(&bytes), &Limits::default());
    }

    #[test]
    fn a_7z_header_of_any_bytes_is_refused_or_listed(header in prop::collection::vec(0_u8..40, 1..200)) {
        let mut bytes = b"7z\xbc\xaf\x27\x1c\0\x04\0\0\0\0".to_vec();
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(header);
        let _drawn_or_refused = Job::new().size("64").run(&bytes);
    }

    #[test]
    fn a_font_with_bytes_changed_is_drawn_or_refused(changes in prop::collection::vec((0_usize..4_000, any::<u8>()), 1..12)) {
        let mut font = fonts()[6].to_vec();
        for (at, to) in changes {
            font[at] = to;
        }
        let result = Job::new().size("64").run(&font);
        if let Err(error) = result {
            prop_assert!(["corrupt", "unsupported"].contains(&error.code().name()), "{error}");
        }
    }

    #[test]
    fn any_text_is_drawn(text in "\\PC{1,300}(\n\\PC{0,80}){0,8}") {
        let found = filetype::sniff(b"plain words");
        let (shown, _) = Job::new().size("64").run_as(&found, text.as_bytes()).unwrap();
        prop_assert!(shown.total >= 1);
    }
}
