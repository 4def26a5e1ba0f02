//! Damaged files and bombs: an error with a code each, or a picture, never a crash.

use domain::limits::Limits;
use image::ImageFormat;

use crate::{FORMATS, encoded, failure, photo, try_draw, wish};

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_truncated_file_is_corrupt_wherever_it_ends() {
    for format in FORMATS {
        let file = encoded(&photo(120, 90), format);
        for part in 1..40 {
            // The last bytes of some formats carry nothing of the picture.
            let length = (file.len() - 40) * part / 40;
            let found = failure(&file[..length], &wish(&["32"], None));
            let expected = if length < 30 {
                &["corrupt", "unsupported", "source_empty"][..]
            } else if format == ImageFormat::Jpeg && part > 34 {
                // Nearly complete is good enough.
                &["corrupt", "none"][..]
            } else {
                &["corrupt"]
            };
            assert!(expected.contains(&found), "{format:?} {length} of {}: {found}", file.len());
        }
    }
}

#[test]
fn oddities_beside_the_picture_do_not_keep_it_from_being_drawn() {
    let jpeg = encoded(&photo(160, 120), ImageFormat::Jpeg);
    let tables = jpeg.windows(2).position(|pair| pair == b"\xff\xdb").expect("tables");
    let between = [&jpeg[..tables], b"\0\0\0", &jpeg[tables..]].concat();
    let before_end = [&jpeg[..jpeg.len() - 2], b"\0\0\0\xff\xd9"].concat();
    let behind = [&jpeg[..], b"and more"].concat();
    for (name, odd) in [("between", between), ("before the end", before_end), ("behind", behind)] {
        assert_eq!(failure(&odd, &wish(&["40"], None)), "none", "{name}");
    }
}

#[test]
fn flipped_bits_give_a_picture_or_an_error_with_a_code() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let limits = Limits { pixels: 4_000_000, ..Limits::default() };
    for format in FORMATS {
        let file = encoded(&photo(60, 40), format);
        for _ in 0..150 {
            let mut broken = file.clone();
            for _ in 0..1 + random(8) {
                // Headers are where the harm is: every second flip goes there.
                let within = if random(2) == 0 { broken.len().min(64) } else { broken.len() };
                broken[random(within)] ^= 1 << random(8);
            }
            let (_, result) = try_draw(&broken, &wish(&["20"], None), &limits);
            if let Err(error) = result {
                let code = error.code().name();
                let known = ["corrupt", "unsupported", "too_many_pixels", "renderer_memory"];
                assert!(known.contains(&code), "{format:?}: {code}: {error}");
            }
        }
    }
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let edge = 30_000_u32;
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(edge.to_be_bytes().repeat(2));
    png.extend([8, 6, 0, 0, 0]);
    let sum = crc(&png[12..]);
    png.extend(sum.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    let mut jpeg = encoded(&photo(16, 16), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == b"\xff\xc0").expect("a frame");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    let mut gif = encoded(&photo(16, 16), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0x30, 0x75, 0x30, 0x75]);
    let mut bmp = encoded(&photo(16, 16), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&edge.to_le_bytes());
    bmp[22..26].copy_from_slice(&edge.to_le_bytes());
    let mut tiff = encoded(&photo(16, 16), ImageFormat::Tiff);
    let at = u32::from_le_bytes(tiff[4..8].try_into().expect("four")) as usize;
    for entry in 0..2 {
        let value = at + 2 + entry * 12 + 8;
        tiff[value..value + 4].copy_from_slice(&edge.to_le_bytes());
    }
    let mut webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f".to_vec();
    webp.extend((14_999_u32 | 14_999 << 14).to_le_bytes());
    webp.extend([0; 9]);
    vec![("png", png), ("jpeg", jpeg), ("gif", gif), ("bmp", bmp), ("tiff", tiff), ("webp", webp)]
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    for (name, bomb) in bombs() {
        let (_, result) = try_draw(&bomb, &wish(&["100"], None), &Limits::default());
        let error = result.expect_err("a bomb");
        assert_eq!(error.code().name(), "too_many_pixels", "{name}: {error}");
    }
}

#[test]
fn what_is_no_picture_is_unsupported() {
    for (bytes, media_type) in [
        (&b"%PDF-1.4 and so on"[..], "application/pdf"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\x01\x02", "application/octet-stream"),
    ] {
        assert_eq!(failure(bytes, &wish(&["10"], None)), "unsupported", "{media_type}");
    }
    assert_eq!(failure(b"", &wish(&["10"], None)), "source_empty");
}
