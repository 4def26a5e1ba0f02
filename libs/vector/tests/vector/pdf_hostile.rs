//! PDFs made to harm: loops and bombs.

use std::time::{Duration, Instant};

use domain::limits::Limits;
use domain::wish::MetadataKind::{Document, Ocr};

use crate::Job;
use crate::paper::{flate, object, one_page, pdf, stream};

/// What a hostile file may take in a build with checks.
const PATIENCE: Duration = Duration::from_secs(10);

/// The code that a file ends with, in time.
fn ends(name: &str, file: &[u8]) -> String {
    let begin = Instant::now();
    let code = Job::pdf().metadata(&[Document, Ocr]).failure(file);
    assert!(begin.elapsed() < PATIENCE, "{name} took {:?}", begin.elapsed());
    code
}

fn form(resources: &str, content: &str) -> Vec<u8> {
    let entries = format!("/Type /XObject /Subtype /Form /BBox [0 0 72 72] {resources}");
    stream(&entries, content.as_bytes())
}

#[test]
fn trees_of_pages_that_lead_to_themselves_end() {
    let catalog = || object("<< /Type /Catalog /Pages 2 0 R >>");
    let page = || object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] >>");
    let tree = |kids: &str| object(&format!("<< /Type /Pages /Kids [{kids}] /Count 9 >>"));
    let own = pdf(&[catalog(), tree("2 0 R 3 0 R"), page()]);
    assert_eq!(ends("a tree in itself", &own), "none");
    let each_other = pdf(&[catalog(), tree("3 0 R"), tree("2 0 R 4 0 R 4 0 R"), page()]);
    assert_eq!(ends("trees in each other", &each_other), "none");
    assert_eq!(ends("nothing but itself", &pdf(&[catalog(), tree("2 0 R")])), "corrupt");
    let deep: Vec<Vec<u8>> = [catalog()]
        .into_iter()
        .chain((3..5_000).map(|next| tree(&format!("{next} 0 R"))))
        .chain([page()])
        .collect();
    assert_eq!(ends("a deep tree", &pdf(&deep)), "none");
}

#[test]
fn references_that_lead_to_themselves_end() {
    let cases = [
        ("a length", object("<< /Length 4 0 R >>\nstream\n\nendstream")),
        ("a reference", object("4 0 R")),
        ("an array", object("[4 0 R 4 0 R]")),
    ];
    for (name, contents) in cases {
        let file = pdf(&[
            object("<< /Type /Catalog /Pages 2 0 R >>"),
            object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
            object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents 4 0 R >>"),
            contents,
        ]);
        assert_eq!(ends(name, &file), "none");
    }
    let file = String::from_utf8(crate::paper::many_pages(1).split_off(15)).unwrap();
    let looped = file.replace("/Root 1 0 R", "/Root 1 0 R /Prev 0 /XRefStm 9");
    assert_eq!(ends("tables in a loop", format!("%PDF-1.7\n{looped}").as_bytes()), "none");
}

#[test]
fn deep_arrays_and_dictionaries_end() {
    for (open, close) in [("[", "]"), ("<< /A ", ">>")] {
        let deep = format!("{}{}", open.repeat(20_000), close.repeat(20_000));
        let file = one_page("/MediaBox [0 0 72 72] /Contents 5 0 R", &deep, &[object(&deep)]);
        assert_eq!(ends(open, &file), "none");
    }
}

#[test]
fn forms_that_call_forms_are_counted_before_they_are_drawn() {
    // Twelve forms, each of which calls the next ten times.
    let calls = "/N Do ".repeat(10);
    let resources = |next: usize| format!("/Resources << /XObject << /N {next} 0 R >> >>");
    let mut forms: Vec<Vec<u8>> = (6..17).map(|next| form(&resources(next), &calls)).collect();
    forms.push(form("", "0 0 1 1 re f"));
    let page = format!("/MediaBox [0 0 72 72] {}", resources(5));
    assert_eq!(ends("forms", &one_page(&page, &calls, &forms)), "expands_too_much");
    // A round of references is never closed; by the page's resources a form can call itself.
    let round =
        one_page(&page, "/N Do", &[form(&resources(6), &calls), form(&resources(5), &calls)]);
    assert_eq!(ends("forms in each other", &round), "none");
    let inherited = one_page(&page, "/N Do", &[form("", &calls)]);
    assert_eq!(ends("a form in itself by the page", &inherited), "expands_too_much");
    // A long form that is called often.
    let long = form("", &"0 0 1 1 re f ".repeat(50_000));
    let often = one_page(&page, &"/N Do ".repeat(1_000), &[long]);
    assert_eq!(ends("a long form", &often), "expands_too_much");
    // As often as real files call theirs.
    let modest = one_page(&page, &"/N Do ".repeat(500), &[form("", "0 0 1 1 re f")]);
    assert_eq!(ends("a form called often", &modest), "none");
}

#[test]
fn patterns_in_patterns_are_counted_before_they_are_drawn() {
    let paint = format!("/Pattern cs /N scn {}", "0 0 9 9 re f ".repeat(20));
    let resources = |next: usize| format!("/Resources << /Pattern << /N {next} 0 R >> >>");
    let pattern = |next: usize| {
        let entries = format!(
            "/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 9 9] /XStep 9 \
             /YStep 9 {}",
            resources(next)
        );
        stream(&entries, paint.as_bytes())
    };
    let patterns: Vec<Vec<u8>> = (6..14).map(pattern).chain([pattern(13)]).collect();
    let file = one_page(&format!("/MediaBox [0 0 72 72] {}", resources(5)), &paint, &patterns);
    assert_eq!(ends("patterns", &file), "expands_too_much");
}

#[test]
fn pictures_that_are_not_what_they_say_are_left_out() {
    for (name, entries, bytes) in [
        (
            "JBIG2",
            "/Width 9 /Height 9 /Filter /JBIG2Decode",
            &b"\0\0\0\0\x30\0\x01\0\0\0\x13\xff\xff\xff\xff"[..],
        ),
        (
            "JPX",
            "/Width 9 /Height 9 /Filter /JPXDecode",
            b"\xff\x4f\xff\x51\0\x2f\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        (
            "DCT",
            "/Width 9 /Height 9 /Filter /DCTDecode",
            b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03",
        ),
        ("CCITT", "/Width 9 /Height 9 /Filter /CCITTFaxDecode", b"\xff\xff\xff"),
        ("no filter", "/Width 9 /Height 9 /Filter /Nonsense", b"x"),
        ("too few bytes", "/Width 2000 /Height 2000 /ColorSpace /DeviceRGB", b"x"),
        (
            "filters upon filters",
            "/Width 9 /Height 9 /Filter [/FlateDecode /FlateDecode /FlateDecode]",
            b"x",
        ),
    ] {
        let picture =
            stream(&format!("/Type /XObject /Subtype /Image /BitsPerComponent 8 {entries}"), bytes);
        let file = one_page(
            "/MediaBox [0 0 72 72] /Resources << /XObject << /P 5 0 R >> >>",
            "q 72 0 0 72 0 0 cm /P Do Q",
            &[picture],
        );
        assert_eq!(ends(name, &file), "none", "{name}");
    }
}

#[test]
fn compressed_zeros_in_place_of_instructions_end() {
    let zeros = vec![b' '; 64 << 20];
    let file = pdf(&[
        object("<< /Type /Catalog /Pages 2 0 R >>"),
        object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
        object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents 4 0 R >>"),
        flate("", &zeros),
    ]);
    assert!(file.len() < 100_000);
    assert_eq!(ends("zeros", &file), "none");
}

/// Small files that come to more than may be expanded.
#[test]
fn streams_that_are_bombs_are_refused_before_they_are_unpacked() {
    let limits = Limits { expanded_bytes: 8 << 20, ..Limits::default() };
    let code = |file: &[u8]| Job::pdf().limits(limits).failure(file);
    let page = |contents: &str, others: &[Vec<u8>]| {
        let mut objects = vec![
            object("<< /Type /Catalog /Pages 2 0 R >>"),
            object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
            object(&format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents {contents} \
                 /Resources << /XObject << /P 5 0 R >> >> >>"
            )),
        ];
        objects.extend_from_slice(others);
        pdf(&objects)
    };
    let spaces = |megabytes: usize| vec![b' '; megabytes << 20];
    let picture = |entries: &str, bytes: &[u8]| {
        let all = "/Type /XObject /Subtype /Image /BitsPerComponent 8 /ColorSpace /DeviceGray";
        flate(&format!("{all} {entries}"), bytes)
    };
    let shown = stream("", b"q 72 0 0 72 0 0 cm /P Do Q");
    let small = picture("/Width 9 /Height 9", &[0; 81]);
    for (name, file, expected) in [
        ("as much", page("4 0 R", &[flate("", &spaces(8)), small.clone()]), "none"),
        ("more", page("4 0 R", &[flate("", &spaces(9)), small.clone()]), "expands_too_much"),
        (
            "in parts",
            page("[6 0 R 4 0 R]", &[flate("", &spaces(9)), small.clone(), stream("", b"q Q")]),
            "expands_too_much",
        ),
        ("a picture", page("4 0 R", &[shown.clone(), small.clone()]), "none"),
        (
            "a picture's data",
            page("4 0 R", &[shown.clone(), picture("/Width 9 /Height 9", &spaces(9))]),
            "expands_too_much",
        ),
        (
            "a picture's pixels",
            page("4 0 R", &[shown, picture("/Width 60000 /Height 60000", &[0; 9])]),
            "too_many_pixels",
        ),
        // Nobody shows it.
        (
            "not called",
            page("4 0 R", &[stream("", b"q Q"), picture("/Width 60000 /Height 60000", &[0; 9])]),
            "none",
        ),
    ] {
        assert_eq!(code(&file), expected, "{name}");
    }
    // Twice packed, so that little is left of it.
    let once = flate("", &spaces(64));
    let at = once.windows(7).position(|word| word == b"stream\n").expect("a stream") + 7;
    let twice = flate("", &once[at..once.len() - 10]);
    assert!(twice.len() < 8_000, "{}", twice.len());
    let both = b"/Filter [/FlateDecode /FlateDecode]";
    let at = twice.windows(20).position(|word| word == b"/Filter /FlateDecode").expect("a filter");
    let twice = [&twice[..at], both, &twice[at + 20..]].concat();
    assert_eq!(code(&page("4 0 R", &[twice, small])), "expands_too_much");
}

#[test]
fn a_table_of_objects_that_is_a_bomb_is_refused() {
    let limits = Limits { expanded_bytes: 8 << 20, ..Limits::default() };
    for (megabytes, expected) in [(1, "none"), (9, "expands_too_much")] {
        let mut file = one_page("/MediaBox [0 0 72 72]", "q Q", &[]);
        let place = file.len();
        let table = flate("/Type /XRef /Size 9 /W [1 2 1] /Root 1 0 R", &vec![0; megabytes << 20]);
        file.extend(b"9 0 obj\n".iter().chain(&table).chain(b"\nendobj\n"));
        file.extend(format!("startxref\n{place}\n%%EOF\n").bytes());
        assert_eq!(Job::pdf().limits(limits).failure(&file), expected, "{megabytes}");
    }
}

#[test]
fn a_file_larger_than_memory_is_not_even_read() {
    let limits = Limits { renderer_memory_bytes: 400, ..Limits::default() };
    let file = one_page("/MediaBox [0 0 72 72]", "q Q", &[]);
    assert_eq!(Job::pdf().limits(limits).failure(&file), "source_too_large");
}

#[test]
fn a_file_cut_or_changed_anywhere_ends() {
    let whole = one_page(
        &format!("/MediaBox [0 0 72 72] {}", crate::paper::HELVETICA),
        "1 0 0 rg 0 0 9 9 re f BT /F 9 Tf 9 9 Td (text) Tj ET",
        &[],
    );
    let small = Limits { pixels: 10_000, ..Limits::default() };
    let job = Job::pdf().metadata(&[Document, Ocr]).limits(small);
    let expected = ["none", "corrupt", "encrypted", "unsupported", "expands_too_much"];
    for end in 1..whole.len() {
        let code = job.failure(&whole[..end]);
        assert!(expected.contains(&code.as_str()), "cut at {end}: {code}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] = changed[at].wrapping_mul(31).wrapping_add(at as u8);
        let code = job.failure(&changed);
        assert!(expected.contains(&code.as_str()), "changed at {at}: {code}");
    }
}
