//! Texts, tables, code: what is seen where, how many pages, what is told.

use super::*;

#[test]
fn plain_text_stands_within_the_margins_and_is_counted() {
    let text = "Some words of a plain text that goes on.\n".repeat(100);
    let (shown, drawn) = Job::new().pages("all").run(text.as_bytes()).unwrap();
    assert_eq!(shown.total, 2);
    let (one, two) = (shown.page(1), shown.page(2));
    assert_eq!(one.dimensions(), (1_240, 1_754));
    assert!(ink(&one, (5, 5, 50, 95)) > 10_000, "words at the left");
    assert_eq!(ink(&one, (0, 0, 5, 100)), 0, "nothing in the margin");
    assert_eq!(ink(&one, (60, 0, 100, 100)), 0, "nothing behind the lines");
    assert!(
        ink(&two, (5, 5, 50, 50)) > ink(&two, (5, 60, 50, 95)),
        "the rest on top of the second"
    );
    let about = &drawn.metadata["document"];
    assert_eq!(about["lines"], 100);
    assert_eq!(about["words"], 900);
    assert_eq!(about["encoding"], "us-ascii");
    assert_eq!(about["language"], "en");
    assert_eq!(about["pages"], 2);
}

#[test]
fn only_the_pages_asked_for_are_drawn() {
    let text = "line\n".repeat(1_000);
    let (shown, _) = Job::new().pages("2,5").run(text.as_bytes()).unwrap();
    assert_eq!(shown.pages.iter().map(|(page, _)| *page).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(shown.total, 16);
    let none = Job::new().pages("99").run(text.as_bytes());
    assert!(matches!(none, Err(Error::NoSuchPage { total: 16 })));
}

#[test]
fn the_same_text_gives_the_same_bytes() {
    let run =
        || Job::new().size("400").run(b"# A title\n\nWords, **strong** ones, too.\n").unwrap();
    assert_eq!(run(), run());
}

#[test]
fn text_is_read_in_any_encoding() {
    for (bytes, encoding) in [
        (&b"\xff\xfeG\0r\0\xfc\0\xdf\0e\0"[..], "utf-16le"),
        ("Grüße".as_bytes(), "utf-8"),
        (b"Viele Gr\xfc\xdfe aus K\xf6ln und M\xfcnchen", "windows-1252"),
        (b"\x82\xb1\x82\xea\x82\xcd \x93\xfa\x96\x7b\x8c\xea \x82\xcc \x83\x65\x83\x4c\x83\x58\x83\x67 \x82\xc5\x82\xb7", "shift_jis"),
    ] {
        let (page, about) = first(bytes, "document");
        assert_eq!(about["encoding"], encoding);
        assert!(ink(&page, ALL) > 100, "{encoding}");
    }
}

#[test]
fn every_script_leaves_ink() {
    for text in [
        "السلام عليكم ورحمة الله وبركاته",
        "שלום עולם וכל השאר",
        "你好，世界，这是一段文字",
        "Привет, мир",
    ] {
        let (page, _) = first(text.as_bytes(), "document");
        assert!(ink(&page, (5, 3, 60, 10)) > 300, "{text}");
    }
}

#[test]
fn code_is_coloured_and_its_lines_are_numbered() {
    let code = b"use std::io;\n\n/// Adds.\nfn main() {\n    let mut a = 1; // one\n    println!(\"{a}\");\n}\n";
    let (page, about) = first(code, "document");
    assert_eq!(about["code"], "Rust");
    let is_coloured = |pixel: &image::Rgb<u8>| {
        let [red, green, blue] = pixel.0;
        red.max(green).max(blue) - red.min(green).min(blue) > 90
    };
    assert!(page.pixels().filter(|pixel| is_coloured(pixel)).count() > 500);
    assert_eq!(page.get_pixel(10, 900).0, [0xf3, 0xf5, 0xf8], "a strip for the numbers");
}

#[test]
fn json_without_line_breaks_is_drawn_with_them() {
    let items: Vec<String> = (0..40).map(|at| format!("{{\"id\":{at},\"on\":true}}")).collect();
    let json = format!("[{}]", items.join(","));
    let (shown, drawn) = Job::new().run(json.as_bytes()).unwrap();
    assert!(shown.total >= 2, "one line became many");
    assert_eq!(drawn.metadata["document"]["lines"], 1, "what is told is of the file as it is");
}

#[test]
fn a_table_has_a_head_and_numbers_at_the_right() {
    let mut csv = "name,count\n".to_owned();
    for at in 0..100 {
        csv.push_str(&format!("\"item, number {at}\",{at}\n"));
    }
    let (page, about) = first(csv.as_bytes(), "document");
    assert_eq!((about["rows"].as_u64(), about["columns"].as_u64()), (Some(101), Some(2)));
    assert_eq!(about["header"], true);
    assert_eq!(about["pages"], 2);
    assert!(ink(&page, (5, 4, 40, 8)) > 100, "the head");
}

#[test]
fn what_grows_wider_on_later_pages_is_not_cut_there() {
    let page = |first: u32| {
        let ids = (0..50).map(|at| first + at).chain((50..90).map(|at| 1_000_000 + at));
        let rows: String = ids.map(|id| format!("{id},word\n")).collect();
        let csv = format!("id,name\n{rows}");
        Job::new().pages("2").run(csv.as_bytes()).unwrap().0.page(2)
    };
    assert_eq!(page(1), page(1_000_000));
}

#[test]
fn a_wide_table_turns_the_page_and_leaves_columns_out() {
    let row = (0..60).map(|at| format!("column {at} of many")).collect::<Vec<_>>().join("\t");
    let (page, about) = first(format!("{row}\n{row}\n{row}\n").as_bytes(), "document");
    assert_eq!(page.dimensions(), (1_754, 1_240));
    assert_eq!(about["columns"], 60);
}

#[test]
fn markdown_is_laid_out() {
    let text = "# Title\n\nWords and **more** words.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n\n> quoted\n";
    assert_eq!(sniff(text.as_bytes()).media_type, "text/markdown");
    let (page, _) = first(text.as_bytes(), "document");
    assert!(ink(&page, (9, 6, 40, 11)) > 400, "a large title");
    assert!(ink(&page, (9, 11, 60, 45)) > 1_000, "what follows");
    assert_eq!(ink(&page, (9, 60, 90, 95)), 0, "and then nothing");
}

#[test]
fn what_is_written_on_a_page_is_told_and_not_read_off_it() {
    let long = "word ".repeat(40);
    for (source, expected) in [
        (
            "Привет, мир!\n\tЭто текст\n\nна русском языке.\n".to_owned(),
            "Привет, мир!\n        Это текст\n\nна русском языке.".to_owned(),
        ),
        (format!("{long}\nnext\n"), format!("{long}\nnext")),
        (
            "name,count\n\"apple, red\",3\npear,12\n".to_owned(),
            "name\tcount\napple, red\t3\npear\t12".to_owned(),
        ),
        (
            "# A *title*\n\nSome **words**.\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
                .to_owned(),
            "A title\nSome words.\n1. one\n2. two\na b\n1 2".to_owned(),
        ),
    ] {
        let (shown, drawn) = Job::new().run(source.as_bytes()).unwrap();
        let told = serde_json::json!([{ "page": 1, "text": expected, "source": "document" }]);
        assert_eq!(drawn.metadata["ocr"], told, "{source}");
        assert!(shown.to_read.is_empty(), "{source}");
    }
    let (_, drawn) = Job::new().pages("2-3").run("line\n".repeat(150).as_bytes()).unwrap();
    let told = &drawn.metadata["ocr"];
    assert_eq!((told[0]["page"].as_u64(), told[1]["page"].as_u64()), (Some(2), Some(3)));
    let mut job = Job::new();
    job.wish.metadata.clear();
    assert!(job.run(b"a text").unwrap().1.metadata.is_empty(), "not wished for");
}

#[test]
fn a_thumbnail_of_a_page_is_a_page() {
    let text = "Words that are small.\n".repeat(60);
    let (shown, _) = Job::new().size("128").run(text.as_bytes()).unwrap();
    let page = shown.page(1);
    assert_eq!(page.width(), 128);
    assert!(page.pixels().any(|pixel| pixel.0[0] < 235), "something is on it");
}

#[test]
fn without_fonts_pages_are_blank_but_drawn() {
    let job = Job { fonts: &[], ..Job::new() };
    for bytes in [&b"words"[..], b"a,b\n1,2\n3,4\n", b"\x01\x02"] {
        let (shown, _) = job.run(bytes).unwrap();
        assert_eq!(shown.total, 1);
    }
}

#[test]
fn anything_else_gets_an_icon_that_says_so() {
    for (bytes, media_type) in [
        (&b"\x7fELF\x02\x01\x01"[..], "application/x-executable"),
        (b"\x01\x02\x03", "application/octet-stream"),
    ] {
        let (page, about) = first(bytes, "document");
        assert_eq!(about["generic"], true);
        assert_eq!(about["media_type"], media_type);
        assert!(ink(&page, (20, 55, 70, 80)) > 10_000, "a badge");
    }
}

#[test]
fn a_font_shows_itself_and_says_who_it_is() {
    let (page, about) = first(fonts()[0], "font");
    assert_eq!(about["family"], "DejaVu Sans");
    assert_eq!(about["weight"], 400);
    assert_eq!(about["embedding"], "installable");
    assert!(about["scripts"].as_array().unwrap().iter().any(|script| script == "Greek"));
    assert!(ink(&page, (9, 15, 90, 25)) > 5_000, "large letters");
    let (serif, _) = first(fonts()[6], "font");
    assert_ne!(page, serif, "in its own letters");
}
