//! Files that are no pictures, or no longer, or claim to be far too large ones.

use testkit::pictures::{PHOTOGRAPH, png, png_bomb};

/// The side of the bombs, in pixels.
const BOMB: u32 = 30_000;
const BOMB_16: u16 = 30_000;

/// What must become of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// It fails with one of these codes.
    Fails(&'static [&'static str]),
    /// It is a picture all the same.
    Completes,
    /// The damage may or may not matter: a picture, or one of these codes.
    Either(&'static [&'static str]),
}

/// One file.
pub(crate) struct Case {
    /// Its name, which may lie.
    pub(crate) name: &'static str,
    /// What its server says it is, which may lie too.
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

const DAMAGED: End = End::Fails(&["corrupt", "unsupported"]);
const CORRUPT: End = End::Fails(&["corrupt"]);
/// It is no picture, and is drawn as what it is: a text, a page, or an icon for what nobody knows.
const OTHER: End = End::Completes;
const TOO_LARGE: End = End::Fails(&["too_many_pixels"]);
/// Whether the size or the missing data is found first is the format's affair.
const BOMBED: End = End::Fails(&["too_many_pixels", "corrupt"]);
const UNSURE: End = End::Either(&["corrupt", "unsupported"]);

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    [truncated(), flipped(), lying(), bombs()].into_iter().flatten().collect()
}

fn case(name: &'static str, bytes: impl Into<Vec<u8>>, end: End) -> Case {
    let media_type = match name.rsplit_once('.').unwrap().1 {
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "tif" => "image/tiff",
        _ => "image/jpeg",
    };
    Case { name, media_type, bytes: bytes.into(), end }
}

fn truncated() -> Vec<Case> {
    let (jpeg, png) = (PHOTOGRAPH, png(64, 48, [200, 30, 30]));
    vec![
        case("empty.jpg", [], End::Fails(&["source_empty"])),
        case("one-byte.jpg", &jpeg[..1], OTHER),
        case("signature-alone.jpg", &jpeg[..3], DAMAGED),
        case("within-jfif.jpg", &jpeg[..15], DAMAGED),
        case("within-exif.jpg", &jpeg[..100], DAMAGED),
        case("before-frame.jpg", &jpeg[..frame(jpeg)], DAMAGED),
        case("within-frame.jpg", &jpeg[..frame(jpeg) + 6], DAMAGED),
        case("half.jpg", &jpeg[..jpeg.len() / 2], CORRUPT),
        case("without-end-marker.jpg", &jpeg[..jpeg.len() - 2], UNSURE),
        case("signature-alone.png", &png[..8], DAMAGED),
        case("within-header.png", &png[..20], DAMAGED),
        case("header-alone.png", &png[..33], CORRUPT),
        case("half.png", &png[..png.len() / 2], CORRUPT),
        case("without-end-chunk.png", &png[..png.len() - 12], UNSURE),
        case("header-alone.gif", &gif(8, 8)[..13], CORRUPT),
        case("header-alone.bmp", &bmp(8, 8)[..26], DAMAGED),
        case("without-pixels.bmp", bmp(8, 8), CORRUPT),
        case("header-alone.webp", &webp(8, 8)[..16], DAMAGED),
        case("without-pixels.webp", webp(8, 8), CORRUPT),
        case("header-alone.tif", &tiff(8, 8, 8)[..8], DAMAGED),
    ]
}

fn flipped() -> Vec<Case> {
    let flip = |file: &[u8], at: usize, bits: u8| {
        let mut file = file.to_vec();
        file[at] ^= bits;
        file
    };
    let (jpeg, png) = (PHOTOGRAPH, png(64, 48, [30, 200, 30]));
    let frame = frame(jpeg);
    vec![
        case("flipped-signature.jpg", flip(jpeg, 0, 0x10), OTHER),
        case("flipped-precision.jpg", flip(jpeg, frame + 4, 0x40), DAMAGED),
        case("no-components.jpg", flip(jpeg, frame + 9, 0x03), DAMAGED),
        case("flipped-frame-length.jpg", flip(jpeg, frame + 3, 0x20), UNSURE),
        case("flipped-signature.png", flip(&png, 1, 0x01), OTHER),
        case("flipped-width.png", flip(&png, 19, 0x01), CORRUPT),
        case("flipped-depth.png", flip(&png, 24, 0x40), CORRUPT),
        case("flipped-colour-type.png", flip(&png, 25, 0x80), CORRUPT),
        case("flipped-pixel-length.png", flip(&png, 33, 0x80), CORRUPT),
        case("directory-beyond-the-end.tif", tiff(8, 8, 0x7fff_ff00), CORRUPT),
    ]
}

fn lying() -> Vec<Case> {
    let html = "<!doctype html><title>Not here</title><p>Sorry.";
    vec![
        case("a-png.jpg", png(64, 48, [30, 30, 200]), End::Completes),
        case("a-jpeg.png", PHOTOGRAPH, End::Completes),
        case("text.jpg", "Dear customer,\n\nthis is no picture.\n", OTHER),
        case("a-page.png", html, OTHER),
        case("an-archive.jpg", *b"PK\x03\x04\x14\x00\x00\x00\x08\x00", CORRUPT),
        case("a-program.jpg", *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", OTHER),
        case("zeros.jpg", [0; 4_096], OTHER),
        case("signature-and-text.jpg", *b"\xff\xd8\xff and then only text", DAMAGED),
        case("signature-and-text.webp", *b"RIFF\x20\0\0\0WEBPVP8 and then only text", DAMAGED),
    ]
}

fn bombs() -> Vec<Case> {
    let mut jpeg = PHOTOGRAPH.to_vec();
    let frame = frame(PHOTOGRAPH);
    jpeg[frame + 5..frame + 7].copy_from_slice(&BOMB_16.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&BOMB_16.to_be_bytes());
    vec![
        case("bomb.png", png_bomb(BOMB, BOMB), TOO_LARGE),
        case("bomb.jpg", jpeg, TOO_LARGE),
        case("bomb.gif", gif(BOMB_16, BOMB_16), TOO_LARGE),
        case("bomb.bmp", bmp(BOMB, BOMB), TOO_LARGE),
        case("bomb.tif", tiff(BOMB, BOMB, 8), TOO_LARGE),
        case("bomb.webp", webp(BOMB, BOMB), BOMBED),
        case("largest-bomb.png", png_bomb(0x7fff_ffff, 0x7fff_ffff), TOO_LARGE),
    ]
}

/// Where the frame header of a JPEG begins.
fn frame(jpeg: &[u8]) -> usize {
    jpeg.windows(3).position(|bytes| bytes == [0xff, 0xc0, 0x00]).unwrap()
}

fn gif(width: u16, height: u16) -> Vec<u8> {
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    // Two colours, one image as large as the screen, and one code that ends it at once.
    let head = [b"GIF89a".as_slice(), &size, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    [head.as_slice(), &[0x2c, 0, 0, 0, 0], &size, &[0, 2, 1, 0x2c, 0, 0x3b]].concat()
}

fn bmp(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    file.extend([54_u32, 0, 54, 40, width, height].map(u32::to_le_bytes).concat());
    file.extend([1, 0, 24, 0]);
    file.extend([0; 24]);
    file
}

fn webp(width: u32, height: u32) -> Vec<u8> {
    let side = |pixels: u32| (pixels - 1).to_le_bytes()[..3].to_vec();
    let canvas = [vec![0; 4], side(width), side(height)].concat();
    let picture = [0; 12];
    let chunk = |name: &[u8; 4], body: &[u8]| {
        [name.as_slice(), &u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
    };
    let body = [b"WEBP".to_vec(), chunk(b"VP8X", &canvas), chunk(b"VP8L", &picture)].concat();
    chunk(b"RIFF", &body)
}

/// One strip of which nothing is there; its directory begins at `at`.
fn tiff(width: u32, height: u32, at: u32) -> Vec<u8> {
    let mut file = b"II*\0".to_vec();
    file.extend(at.to_le_bytes());
    let entries: [(u16, u32); 9] = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 122),
        (277, 1),
        (278, height),
        (279, width.wrapping_mul(height)),
    ];
    file.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (tag, value) in entries {
        let one_long = [tag.to_le_bytes(), 4_u16.to_le_bytes()].concat();
        file.extend(
            [one_long, 1_u32.to_le_bytes().to_vec(), value.to_le_bytes().to_vec()].concat(),
        );
    }
    file.extend([0; 4]);
    file
}
