//! Files of several pages.

use domain::wish::Pages;

use crate::{drawn, failure, try_draw, wish};

/// Uncompressed gray pages of 8 × 8 pixels; those with a mark are thumbnails.
fn tiff(grays: &[(u8, bool)], big_endian: bool) -> Vec<u8> {
    let short = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let long = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut file = if big_endian { b"MM\0\x2a".to_vec() } else { b"II\x2a\0".to_vec() };
    file.extend(long(8));
    for (index, (gray, thumbnail)) in grays.iter().enumerate() {
        let at = u32::try_from(file.len()).expect("small");
        let directory_bytes = 2 + 10 * 12 + 4;
        let entries: [(u16, u16, u32); 10] = [
            (254, 4, u32::from(*thumbnail)),
            (256, 4, 8),
            (257, 4, 8),
            (258, 3, 8),
            (259, 3, 1),
            (262, 3, 1),
            (273, 4, at + directory_bytes),
            (277, 3, 1),
            (278, 4, 8),
            (279, 4, 64),
        ];
        file.extend(short(10));
        for (tag, kind, value) in entries {
            file.extend([short(tag), short(kind)].concat());
            file.extend(long(1));
            if kind == 3 {
                file.extend(short(u16::try_from(value).expect("short")));
                file.extend([0, 0]);
            } else {
                file.extend(long(value));
            }
        }
        let last = index + 1 == grays.len();
        file.extend(long(if last { 0 } else { at + directory_bytes + 64 }));
        file.extend([*gray; 64]);
    }
    file
}

#[test]
fn the_pages_asked_for_are_drawn_in_order() {
    for big_endian in [false, true] {
        let file = tiff(&[(10, false), (99, true), (90, false), (200, false)], big_endian);
        for (asked, expected) in [
            ("1", vec![(1, 10)]),
            ("all", vec![(1, 10), (2, 90), (3, 200)]),
            ("3,1", vec![(1, 10), (3, 200)]),
            ("2-9", vec![(2, 90), (3, 200)]),
        ] {
            let mut wish = wish(&["original", "4"], None);
            wish.pages = Pages::parse(asked).expect("pages");
            let basket = drawn(&file, &wish);
            assert_eq!(basket.total, Some(3));
            let order: Vec<_> = basket.made.iter().map(|m| (m.page, m.size_index)).collect();
            let wanted: Vec<_> =
                expected.iter().flat_map(|(page, _)| [(*page, 0), (*page, 1)]).collect();
            assert_eq!(order, wanted);
            for (made, (_, gray)) in basket.made.iter().step_by(2).zip(&expected) {
                assert!(made.rgb(4, 4)[0].abs_diff(*gray) < 3);
            }
        }
    }
}

#[test]
fn pages_that_are_not_there_are_no_such_page() {
    let mut wish = wish(&["original"], None);
    wish.pages = Pages::parse("4-5").expect("pages");
    assert_eq!(failure(&tiff(&[(1, false)], false), &wish), "no_such_page");
    let png = crate::encoded(&crate::photo(9, 9), image::ImageFormat::Png);
    assert_eq!(failure(&png, &wish), "no_such_page");
}

#[test]
fn a_chain_of_pages_that_bites_its_tail_is_corrupt() {
    let mut file = tiff(&[(1, false), (2, false)], false);
    let end = file.len() - 64 - 4;
    file[end..end + 4].copy_from_slice(&8_u32.to_le_bytes());
    assert_eq!(failure(&file, &wish(&["original"], None)), "corrupt");
    let (basket, _) = try_draw(&file, &wish(&["4"], None), &domain::limits::Limits::default());
    assert!(basket.made.is_empty());
}
