//! TIFF in the shapes that scanners, printers and laboratories write, put together here.

use domain::limits::Limits;
use domain::wish::Format;

use crate::{drawn, failure, near, try_draw, wish};

const EDGE: u32 = 16;

/// A file of one page: its tags with their numbers, and its strips or tiles.
fn tiff(tags: &[(u16, &[u32])], chunks: &[Vec<u8>]) -> Vec<u8> {
    let is_tiled = tags.iter().any(|(tag, _)| *tag == 322);
    let (offsets, lengths) = if is_tiled { (324, 325) } else { (273, 279) };
    let mut at = 8;
    let places: Vec<u32> = chunks
        .iter()
        .map(|chunk| {
            at += chunk.len() as u32;
            at - chunk.len() as u32
        })
        .collect();
    let sizes: Vec<u32> = chunks.iter().map(|chunk| chunk.len() as u32).collect();
    let mut all: Vec<(u16, Vec<u32>)> =
        tags.iter().map(|(tag, numbers)| (*tag, numbers.to_vec())).collect();
    all.extend([(256, vec![EDGE]), (257, vec![EDGE]), (offsets, places), (lengths, sizes)]);
    all.sort();
    let body = chunks.concat();
    let directory = 8 + body.len() as u32;
    let mut extra = directory + 2 + 12 * all.len() as u32 + 4;
    let mut file = [b"II*\0".as_slice(), &directory.to_le_bytes(), &body].concat();
    file.extend((all.len() as u16).to_le_bytes());
    let mut behind = Vec::new();
    for (tag, numbers) in &all {
        file.extend(tag.to_le_bytes());
        file.extend(4_u16.to_le_bytes());
        file.extend((numbers.len() as u32).to_le_bytes());
        if let [number] = numbers.as_slice() {
            file.extend(number.to_le_bytes());
        } else {
            file.extend(extra.to_le_bytes());
            extra += 4 * numbers.len() as u32;
            behind.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
    }
    file.extend([0; 4]);
    file.extend(behind);
    file
}

/// Numbers of so many bits, rows at whole bytes.
fn packed(bits: u32, numbers: impl Fn(u32, u32) -> u32) -> Vec<u8> {
    (0..EDGE)
        .flat_map(|y| {
            let row: String =
                (0..EDGE).map(|x| format!("{:0w$b}", numbers(x, y), w = bits as usize)).collect();
            let bytes: Vec<u8> = row
                .as_bytes()
                .chunks(8)
                .map(|byte| byte.iter().fold(0, |bits, digit| (bits << 1) | (digit & 1)))
                .collect();
            bytes
        })
        .collect()
}

fn left_and_right(file: &[u8]) -> ([u8; 3], [u8; 3]) {
    let basket = drawn(file, &wish(&["original"], Some(Format::Png)));
    assert_eq!(basket.made[0].dimensions, (EDGE, EDGE));
    (basket.made[0].rgb(2, 8), basket.made[0].rgb(13, 8))
}

/// A picture whose left half is one number and whose right half is another.
fn halves(left: u32, right: u32) -> impl Fn(u32, u32) -> u32 {
    move |x, _| if x < EDGE / 2 { left } else { right }
}

#[test]
fn gray_of_every_depth_is_as_bright_as_it_was() {
    for (bits, left, right) in
        [(1, 0, 1), (2, 1, 3), (4, 5, 15), (8, 85, 255), (12, 1_365, 4_095), (16, 21_845, 65_535)]
    {
        for (photometric, flip) in [(1, false), (0, true)] {
            let mut body = packed(bits, halves(left, right));
            if bits == 16 {
                body.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
            }
            let file = tiff(
                &[(258, &[bits]), (259, &[1]), (262, &[photometric]), (277, &[1]), (278, &[EDGE])],
                &[body],
            );
            let dark = if bits == 1 { 0 } else { 85 };
            let expected = if flip { ([255 - dark; 3], [0; 3]) } else { ([dark; 3], [255; 3]) };
            assert_eq!(left_and_right(&file), expected, "{bits} bits, {photometric}");
        }
    }
}

#[test]
fn channels_by_themselves_come_together_from_strips_and_from_tiles() {
    let plane = |left: u32, right: u32| packed(8, halves(left, right));
    let planes = [plane(250, 10), plane(100, 20), plane(0, 30)];
    let common: &[(u16, &[u32])] =
        &[(258, &[8, 8, 8]), (259, &[1]), (262, &[2]), (277, &[3]), (284, &[2])];
    let expected = ([250, 100, 0], [10, 20, 30]);
    let in_strips = [common, &[(278, &[EDGE])]].concat();
    assert_eq!(left_and_right(&tiff(&in_strips, &planes)), expected);
    let in_tiles = [common, &[(322, &[16]), (323, &[16])]].concat();
    assert_eq!(left_and_right(&tiff(&in_tiles, &planes)), expected);
    // Tiles that reach beyond the picture.
    let padded = planes.map(|plane| {
        let rows = plane.chunks(16).flat_map(|row| [row, &[9; 16]].concat());
        rows.chain([9; 16 * 32]).collect::<Vec<u8>>()
    });
    let in_tiles = [common, &[(322, &[32]), (323, &[32])]].concat();
    assert_eq!(left_and_right(&tiff(&in_tiles, &padded)), expected);
}

#[test]
fn palettes_differences_and_opacity_are_undone() {
    let palette: Vec<u32> = [[0x1000, 0xff00], [0x2000, 0x8000], [0x3000, 0x0000]].concat();
    let file = tiff(
        &[(258, &[1]), (259, &[1]), (262, &[3]), (277, &[1]), (278, &[EDGE]), (320, &palette)],
        &[packed(1, halves(0, 1))],
    );
    assert_eq!(left_and_right(&file), ([0x10, 0x20, 0x30], [255, 128, 0]));
    // Runs of one byte, each the difference to the pixel before.
    let rows: Vec<u8> = (0..EDGE).flat_map(|_| [0, 100, 242, 0]).collect();
    let file = tiff(
        &[(258, &[8]), (259, &[32_773]), (262, &[1]), (277, &[1]), (278, &[EDGE]), (317, &[2])],
        &[rows],
    );
    assert_eq!(left_and_right(&file), ([100; 3], [100; 3]));
    // Colours that are half as strong for being half transparent.
    let pixels: Vec<u8> = (0..EDGE * EDGE).flat_map(|_| [64, 32, 0, 128]).collect();
    let file = tiff(
        &[(258, &[8, 8, 8, 8]), (259, &[1]), (262, &[2]), (277, &[4]), (278, &[EDGE]), (338, &[1])],
        &[pixels],
    );
    let found = drawn(&file, &wish(&["original"], Some(Format::Png))).made.remove(0).image();
    let [red, green, blue, alpha] = found.to_rgba8().get_pixel(5, 5).0;
    assert!(near([red, green, blue], [128, 64, 0], 1) && alpha == 128);
}

#[test]
fn counts_and_rectangles_that_lie_are_told_before_room_is_made() {
    let mut file = tiff(
        &[(258, &[8]), (259, &[1]), (262, &[1]), (277, &[1]), (278, &[1])],
        &vec![vec![7; 16]; 16],
    );
    assert_eq!(failure(&file, &wish(&["8"], None)), "none");
    let entry = file.windows(4).position(|bytes| bytes == [0x11, 0x01, 4, 0]).unwrap();
    file[entry + 4..entry + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(failure(&file, &wish(&["8"], None)), "corrupt");
    // A screen of one pixel, and a frame of four thousand million.
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;";
    let (_, result) = try_draw(gif, &wish(&["8"], None), &Limits::default());
    assert_eq!(result.expect_err("a lie").code().name(), "too_many_pixels");
}

/// Bytes that remember which of them were asked for, and how often.
struct Watched<'a>(&'a [u8], Vec<u8>);

impl stills::Source for Watched<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let from = offset as usize;
        let count = buffer.len().min(self.0.len() - from);
        buffer[..count].copy_from_slice(&self.0[from..from + count]);
        self.1[from..from + count].iter_mut().for_each(|times| *times += 1);
        Ok(count)
    }
}

#[test]
fn a_large_plain_file_is_read_once_and_looks_like_a_small_one() {
    let (width, height, strip_rows) = (2_403_usize, 1_301_usize, 100_usize);
    let pixel = |x: usize, y: usize| [(x * 255 / width) as u8, (y * 255 / height) as u8, 90];
    let rows: Vec<u8> =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
    let strips: Vec<&[u8]> = rows.chunks(strip_rows * width * 3).collect();
    for behind in [true, false] {
        let tags = 10_u32;
        let head = 8 + 2 + tags * 12 + 4 + 6 + strips.len() as u32 * 8;
        let directory = if behind { 8 + rows.len() as u32 } else { 8 };
        let first = if behind { 8 } else { head };
        let far = directory + 2 + tags * 12 + 4;
        let count = strips.len() as u32;
        let mut file = [b"II*\0".as_slice(), &directory.to_le_bytes()].concat();
        let mut table = (tags as u16).to_le_bytes().to_vec();
        for (tag, kind, count, value) in [
            (256_u16, 4_u16, 1, width as u32),
            (257, 4, 1, height as u32),
            (258, 3, 3, far),
            (259, 3, 1, 1),
            (262, 3, 1, 2),
            (273, 4, count, far + 6),
            (274, 3, 1, 1),
            (277, 3, 1, 3),
            (278, 4, 1, strip_rows as u32),
            (279, 4, count, far + 6 + count * 4),
        ] {
            table.extend(tag.to_le_bytes().into_iter().chain(kind.to_le_bytes()));
            table.extend(u32::to_le_bytes(count).into_iter().chain(value.to_le_bytes()));
        }
        table.extend([0; 4]);
        table.extend([8, 0, 8, 0, 8, 0]);
        let mut at = first;
        for strip in &strips {
            table.extend(at.to_le_bytes());
            at += strip.len() as u32;
        }
        strips.iter().for_each(|strip| table.extend((strip.len() as u32).to_le_bytes()));
        for part in if behind { [&rows, &table] } else { [&table, &rows] } {
            file.extend(part);
        }
        let mut source = Watched(&file, vec![0; file.len()]);
        let mut basket = crate::Basket::default();
        let (wish, limits) = (wish(&["300", "100"], Some(Format::Png)), Limits::default());
        let easel = stills::Easel::new(&wish, &limits, &mut basket);
        stills::draw(&filetype::sniff(&file), &mut source, easel).expect("drawn");
        assert_eq!(basket.made[0].original, (width as u32, height as u32));
        for made in &basket.made {
            let (wide, high) = made.dimensions;
            for (x, y) in [(0, 0), (wide / 2, high / 3), (wide - 1, high - 1)] {
                let scaled = |at: u32, edge: u32, whole: usize| {
                    ((f64::from(at) + 0.5) / f64::from(edge) * whole as f64) as usize
                };
                let expected = pixel(scaled(x, wide, width), scaled(y, high, height));
                let found = made.rgb(x, y);
                assert!(near(found, expected, 2), "{behind} {x} {y}: {found:?} {expected:?}");
            }
        }
        let pixels = first as usize + 70_000..first as usize + rows.len() - 70_000;
        assert!(source.1[pixels].iter().all(|times| *times == 1), "read more than once");
        // Without its end it is damaged, wherever that is.
        let cut = &file[..file.len() - 1_000];
        assert_eq!(failure(cut, &wish), "corrupt", "{behind}");
    }
}
