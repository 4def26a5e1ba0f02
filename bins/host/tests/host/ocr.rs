//! Text of pictures.

use crate::{limits, nameless, workshop};

/// The letters of the word, seven by five points each, drawn large.
const LETTERS: [(char, [&str; 7]); 8] = [
    ('D', ["1111 ", "1   1", "1   1", "1   1", "1   1", "1   1", "1111 "]),
    ('A', [" 111 ", "1   1", "1   1", "11111", "1   1", "1   1", "1   1"]),
    ('R', ["1111 ", "1   1", "1   1", "1111 ", "1 1  ", "1  1 ", "1   1"]),
    ('K', ["1   1", "1  1 ", "1 1  ", "11   ", "1 1  ", "1  1 ", "1   1"]),
    ('O', [" 111 ", "1   1", "1   1", "1   1", "1   1", "1   1", " 111 "]),
    ('M', ["1   1", "11 11", "1 1 1", "1   1", "1   1", "1   1", "1   1"]),
    ('T', ["11111", "  1  ", "  1  ", "  1  ", "  1  ", "  1  ", "  1  "]),
    ('E', ["11111", "1    ", "1    ", "1111 ", "1    ", "1    ", "11111"]),
];

/// A word as a grey picture.
fn picture(word: &str) -> Vec<u8> {
    const POINT: usize = 6;
    let (width, height) = ((word.len() * 6 + 4) * POINT, 11 * POINT);
    let mut pixels = vec![255_u8; width * height];
    for (place, letter) in word.chars().enumerate() {
        let (_, rows) = LETTERS.iter().find(|(known, _)| *known == letter).expect("a letter");
        for (row, line) in rows.iter().enumerate() {
            for (column, _) in line.bytes().enumerate().filter(|(_, point)| *point == b'1') {
                let (left, top) = ((2 + place * 6 + column) * POINT, (2 + row) * POINT);
                for y in top..top + POINT {
                    let row = y * width + left;
                    pixels.get_mut(row..row + POINT).expect("inside").fill(0);
                }
            }
        }
    }
    let mut file = format!("P5 {width} {height} 255\n").into_bytes();
    file.extend(pixels);
    file
}

#[tokio::test]
async fn a_drawn_word_is_read() {
    let read = workshop().ocr(nameless(&picture("DARKROOM")), &[], &limits()).await;
    let read = read.expect("text");
    assert_eq!((read.text.as_str(), read.words), ("DARKROOM", 1));
    assert!(read.confidence.expect("one word") > 10.0, "{read:?}");
}

#[tokio::test]
async fn an_empty_page_has_no_text() {
    let mut blank = b"P5 400 200 255\n".to_vec();
    blank.extend(vec![255; 400 * 200]);
    let read = workshop().ocr(nameless(&blank), &["eng".to_owned()], &limits()).await;
    let read = read.expect("read");
    assert_eq!((read.text.as_str(), read.words, read.confidence), ("", 0, None));
}

#[tokio::test]
async fn a_list_of_files_under_the_name_of_a_picture_reads_none() {
    let list = b"/etc/passwd\n/tmp/picture\n/usr/share/pixmaps/debian-logo.png\n";
    let error = workshop().ocr(nameless(list), &[], &limits()).await.expect_err("no picture");
    assert_eq!(error.code().name(), "corrupt", "{error}");
}

#[tokio::test]
async fn a_language_that_is_not_installed_is_named() {
    let languages = ["eng".to_owned(), "xyz".to_owned()];
    let error = workshop().ocr(nameless(&picture("TEA")), &languages, &limits()).await;
    let error = error.expect_err("no such language");
    assert_eq!(error.code().name(), "language_missing");
    assert!(error.to_string().contains("xyz"), "{error}");
}
