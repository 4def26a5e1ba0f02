//! Pictures of deep colour, of layers and of newer containers that lie about the same.

use super::EDGES;
use crate::hostile::Cases;
use crate::hostile::bits::{atom, be32, le32};

pub(super) fn add(cases: &mut Cases) {
    deep(cases);
    containers(cases);
}

fn deep(cases: &mut Cases) {
    let attribute = |name: &str, kind: &str, value: &[u8]| {
        [name.as_bytes(), b"\0", kind.as_bytes(), b"\0", &le32(value.len() as u32), value].concat()
    };
    for (width, height) in EDGES {
        let window =
            [le32(0), le32(0), le32(width.wrapping_sub(1)), le32(height.wrapping_sub(1))].concat();
        let channel = [&b"R\0"[..], &le32(1), &[0; 4], &le32(1), &le32(1), &[0]].concat();
        for packing in [0, 1, 4, 9, 200] {
            let body = [
                b"\x76\x2f\x31\x01\x02\0\0\0".to_vec(),
                attribute("channels", "chlist", &channel),
                attribute("compression", "compression", &[packing]),
                attribute("dataWindow", "box2i", &window),
                attribute("displayWindow", "box2i", &window),
                attribute("lineOrder", "lineOrder", &[0]),
                vec![0, 255, 255, 255],
            ];
            cases.of("exr").add(format!("{width}x{height} packed by {packing}"), body.concat());
        }
        for (version, channels, depth) in [(1u8, 3u8, 8u8), (2, 4, 16), (1, 56, 8), (1, 0, 32)] {
            let header = [
                &[0, version, 0, 0, 0, 0, 0, 0, 0, channels][..],
                &be32(height),
                &be32(width),
                &[0, depth, 0, 3],
            ];
            let body = [&b"8BPS"[..], &header.concat(), &[0; 12], &[0, 1, 255, 255]].concat();
            cases.of("psd").add(format!("{width}x{height}, {channels} channels of {depth}"), body);
        }
    }
    cases.of("exr").add(
        "an attribute of 2 GiB",
        [&b"\x76\x2f\x31\x01\x02\0\0\0channels\0chlist\0"[..], &[255, 255, 255, 127]].concat(),
    );
    cases.of("exr").add(
        "a name without end",
        [&b"\x76\x2f\x31\x01\x02\0\0\0"[..], &vec![b'n'; 1 << 20]].concat(),
    );
    let header =
        [&b"8BPS\0\x01\0\0\0\0\0\0\0\x03"[..], &be32(64), &be32(64), &[0, 8, 0, 3]].concat();
    for (what, sections) in [
        ("colour data of 4 GiB", be32(u32::MAX).to_vec()),
        ("resources of 4 GiB", [be32(0), be32(u32::MAX)].concat()),
        ("layers of 4 GiB", [be32(0), be32(0), be32(u32::MAX)].concat()),
        (
            "32767 layers",
            [&be32(0)[..], &be32(0), &be32(90), &be32(80), &[0x7f, 0xff], &[255; 80]].concat(),
        ),
        (
            "-32768 layers",
            [&be32(0)[..], &be32(0), &be32(90), &be32(80), &[0x80, 0], &[1; 80]].concat(),
        ),
        (
            "a resource of odd sizes",
            [&be32(0)[..], &be32(40), b"8BIM\x04\x0c\xff", &[255; 33], &be32(0)].concat(),
        ),
    ] {
        cases.of("psd").add(what, [&header[..], &sections].concat());
    }
}

fn containers(cases: &mut Cases) {
    for edge in
        [&[0xff, 0x0a][..], &[0xff, 0x0a, 0xfe, 0xff, 0xff, 0xff, 0xff], &[0xff, 0x0a, 0, 0, 0, 0]]
    {
        cases.of("jxl").add(format!("bare {}", edge.escape_ascii()), edge.to_vec());
        cases
            .of("jxl")
            .add(format!("bare {} and noise", edge.escape_ascii()), [edge, &[0xa5; 400]].concat());
    }
    let signature = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl ";
    for (what, boxes) in [
        ("a codestream of 2^64 bytes", [&be32(1)[..], b"jxlc", &[255; 8]].concat()),
        ("10000 empty parts", atom(b"jxlp", &be32(0)).repeat(10_000)),
        (
            "parts out of order",
            [atom(b"jxlp", &be32(9)), atom(b"jxlp", &be32(0x8000_0000))].concat(),
        ),
        ("a packed box of noise", atom(b"brob", &[&b"Exif"[..], &[0xff; 64]].concat())),
        ("an index box of noise", atom(b"jxli", &[0xff; 64])),
        ("JPEG data of noise", atom(b"jbrd", &[0xff; 64])),
    ] {
        cases.of("jxl").add(what, [&signature[..], &boxes].concat());
    }
    for (brand, kind) in [(b"avif", "avif"), (b"heic", "heic"), (b"mif1", "heif")] {
        let file_type = atom(b"ftyp", &[&brand[..], &[0; 4], brand].concat());
        let full = |kind: &[u8; 4], body: &[u8]| atom(kind, &[&[0; 4][..], body].concat());
        for (width, height) in EDGES {
            let extents = full(b"ispe", &[be32(width), be32(height)].concat());
            let property = atom(
                b"iprp",
                &[atom(b"ipco", &extents), full(b"ipma", &[0, 0, 0, 1, 0, 1, 1, 0x81])].concat(),
            );
            let handler = full(b"hdlr", b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0");
            let primary = full(b"pitm", &[0, 1]);
            let locations = full(
                b"iloc",
                &[0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf0, 0x7f, 0xff, 0xff, 0xff],
            );
            let infos = full(
                b"iinf",
                &[&[0, 1][..], &atom(b"infe", b"\x02\0\0\0\0\x01\0\0av01\0")].concat(),
            );
            let meta = full(b"meta", &[handler, primary, locations, infos, property].concat());
            cases
                .of("heif")
                .add(format!("{kind} of {width}x{height}"), [&file_type[..], &meta].concat());
        }
        for (what, locations) in [
            ("65535 items", full(b"iloc", &[0x44, 0, 0xff, 0xff])),
            (
                "an item in itself",
                full(b"iref", &[&be32(14)[..], b"dimg", &[0, 1, 0, 1, 0, 1]].concat()),
            ),
            (
                "a grid of 256x256",
                full(
                    b"iloc",
                    b"\x44\0\0\x01\0\x01\0\0\0\x01\0\0\0\0\0\0\0\x08\0\0\xff\xff\xff\xff\xff\xff",
                ),
            ),
        ] {
            let meta = full(b"meta", &locations);
            cases.of("heif").add(format!("{kind} with {what}"), [&file_type[..], &meta].concat());
        }
        let nested = (0..300).fold(Vec::new(), |inner, _| full(b"meta", &inner));
        cases.of("heif").add(format!("{kind} of 300 metas"), [file_type, nested].concat());
    }
}
