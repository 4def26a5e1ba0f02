//! Pictures that lie about their size, their parts or their number.

mod modern;

use super::Cases;
use super::bits::{be32, chunk, le16, le32, riff, zlib_run, zlib_stored};

/// Edges that are worth claiming: small truths, huge lies, and where arithmetic wraps.
const EDGES: [(u32, u32); 12] = [
    (0, 0),
    (0, 7),
    (7, 0),
    (1, u32::MAX),
    (u32::MAX, 1),
    (u32::MAX, u32::MAX),
    (0x7fff_ffff, 0x7fff_ffff),
    (0x8000_0000, 2),
    (65_535, 65_535),
    (65_536, 65_536),
    (30_000, 30_000),
    (9_999, 10_001),
];

pub(super) fn add(cases: &mut Cases) {
    png_family(cases.of("png"));
    jpeg(cases.of("jpeg"));
    gif(cases.of("gif"));
    webp(cases.of("webp"));
    tiff(cases.of("tiff"));
    bitmaps(cases);
    plain(cases);
    modern::add(cases);
}

/// A PNG of one colour type, with chunks of the caller's before the pixels.
pub(super) fn png(width: u32, height: u32, colour: u8, idat: &[u8], before: &[u8]) -> Vec<u8> {
    let header = [&be32(width)[..], &be32(height), &[8, colour, 0, 0, 0]].concat();
    let end = [chunk(b"IDAT", idat), chunk(b"IEND", &[])].concat();
    [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &header)[..], before, &end].concat()
}

fn png_family(cases: &mut Cases) {
    let pixels = zlib_stored(&[0, 9, 9, 9, 9, 0, 9, 9, 9, 9]);
    for (width, height) in EDGES {
        for colour in [0, 2, 3, 6, 7] {
            cases.add(
                format!("claims {width}x{height} of type {colour}"),
                png(width, height, colour, &pixels, &[]),
            );
        }
    }
    for megabytes in [8, 64, 256, 2_048] {
        let run = zlib_run(&[0], megabytes << 20);
        cases.add(format!("{megabytes} MiB of pixels in a row"), png(4, 2, 0, &run, &[]));
        cases.add(
            format!("{megabytes} MiB for 12000x8000"),
            png(12_000, 8_000, 2, &zlib_run(&[0], (megabytes << 20) - 1), &[]),
        );
        for (kind, head) in [
            (b"iCCP", &b"profile\0\0"[..]),
            (b"zTXt", b"Comment\0\0"),
            (b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0"),
        ] {
            let text = [head, &zlib_run(b"A", (megabytes << 20).min(256 << 20))].concat();
            cases.add(
                format!("{} of {megabytes} MiB", kind.escape_ascii()),
                png(4, 2, 0, &pixels, &chunk(kind, &text)),
            );
        }
    }
    let many = chunk(b"tEXt", b"k\0v").repeat(60_000);
    cases.add("60000 text chunks", png(4, 2, 0, &pixels, &many));
    for (what, before) in [
        ("a second header", chunk(b"IHDR", &[0; 13])),
        ("an empty palette", chunk(b"PLTE", &[])),
        ("a palette of a third of a colour", chunk(b"PLTE", &[1])),
        ("transparency without palette", chunk(b"tRNS", &[1; 256])),
        ("a chunk longer than the file", [&be32(0x7fff_fff0)[..], b"tEXt"].concat()),
        ("a chunk of 4 GiB", [&be32(u32::MAX)[..], b"tEXt"].concat()),
        ("gamma of nothing", chunk(b"gAMA", &be32(0))),
        ("an EXIF block that points at itself", chunk(b"eXIf", &looping_ifd())),
    ] {
        cases.add(what, png(4, 2, 3, &pixels, &before));
    }
    for frames in [0, 1_000, u32::MAX] {
        let control = chunk(b"acTL", &[be32(frames), be32(0)].concat());
        let frame = |sequence: u32, edge: u32| {
            let at = [be32(sequence), be32(edge), be32(edge), be32(3), be32(3)].concat();
            chunk(b"fcTL", &[&at[..], &[0, 1, 0, 0, 1, 0]].concat())
        };
        let before = [control, frame(0, 4), frame(7, u32::MAX)].concat();
        cases.add(format!("claims {frames} frames"), png(4, 2, 0, &pixels, &before));
    }
}

fn looping_ifd() -> Vec<u8> {
    let entry = [&le16(0x8769)[..], &le16(4), &le32(1), &le32(8)].concat();
    [b"II*\0", &le32(8)[..], &le16(1), &entry, &le32(8)].concat()
}

fn segment(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff, kind][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
}

/// A JPEG that is all header, with `scans` scans of nothing.
fn jpeg_of(width: u16, height: u16, sof: u8, scans: usize, before: &[u8]) -> Vec<u8> {
    let table = segment(0xdb, &[&[0][..], &[1; 64]].concat());
    let codes = [&[0, 1][..], &[0; 15], &[0]].concat();
    let huffman = [segment(0xc4, &codes), segment(0xc4, &[&[0x10][..], &codes[1..]].concat())];
    let (high, low) = (height.to_be_bytes(), width.to_be_bytes());
    let frame = [&[8][..], &high, &low, &[1, 1, 0x11, 0]].concat();
    let scan = [segment(0xda, &[1, 1, 0, 0, 63, 0]), vec![0; 8]].concat();
    let parts =
        [&[0xff, 0xd8][..], before, &table, &segment(sof, &frame), &huffman.concat()].concat();
    [parts, scan.repeat(scans), vec![0xff, 0xd9]].concat()
}

fn jpeg(cases: &mut Cases) {
    for (width, height) in [(0, 0), (1, 0), (0, 1), (65_535, 65_535), (65_535, 1), (20_000, 5_001)]
    {
        for sof in [0xc0, 0xc1, 0xc2, 0xc3, 0xc9, 0xcf] {
            cases.add(
                format!("claims {width}x{height} by {sof:x}"),
                jpeg_of(width, height, sof, 1, &[]),
            );
        }
    }
    for scans in [500, 5_000, 20_000] {
        cases.add(format!("{scans} scans of 4000x4000"), jpeg_of(4_000, 4_000, 0xc2, scans, &[]));
        cases.add(format!("{scans} scans of 64x64"), jpeg_of(64, 64, 0xc2, scans, &[]));
    }
    let icc = |number: u8, of: u8, body: &[u8]| {
        segment(0xe2, &[&b"ICC_PROFILE\0"[..], &[number, of], body].concat())
    };
    let exif = |body: &[u8]| segment(0xe1, &[b"Exif\0\0", body].concat());
    let large: Vec<u8> = (1..=255).flat_map(|number| icc(number, 255, &[7; 60_000])).collect();
    for (what, before) in [
        ("a profile in 255 parts", large),
        ("a profile of which one part is there", icc(200, 255, &[1; 100])),
        ("profile part 0 of 0", icc(0, 0, &[1; 100])),
        ("the same profile part 500 times", icc(1, 2, &[1; 100]).repeat(500)),
        ("a profile that claims 4 GiB", icc(1, 1, &[&[255; 4][..], &[0; 124]].concat())),
        ("profile with a million tags", icc(1, 1, &[&[0; 128][..], &be32(1_000_000)].concat())),
        ("EXIF that points at itself", exif(&looping_ifd())),
        ("EXIF beyond its end", exif(b"MM\0*\x7f\xff\xff\xff")),
        ("EXIF with 65535 entries", exif(b"II*\0\x08\0\0\0\xff\xff")),
        ("EXIF orientation 900", exif(&orientation(900))),
        ("EXIF orientation 0", exif(&orientation(0))),
        ("a thousand EXIF blocks", exif(&looping_ifd()).repeat(1_000)),
        ("a segment of no length", vec![0xff, 0xe1, 0, 0]),
        ("a segment beyond the end", vec![0xff, 0xe1, 0xff, 0xff]),
        ("a megabyte of fill bytes", vec![0xff; 1 << 20]),
        ("thumbnail in JFIF of 255x255", segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\xff\xff")),
        ("an Adobe segment of transform 9", segment(0xee, b"Adobe\0\x64\0\0\0\0\x09")),
        ("restart every line", segment(0xdd, &[0, 1])),
    ] {
        cases.add(what, jpeg_of(32, 32, 0xc0, 1, &before));
    }
    for components in [0u8, 2, 4, 5, 255] {
        let parts: Vec<u8> = (0..components).flat_map(|id| [id, 0x44, id]).collect();
        let frame = [&[8, 0, 32, 0, 32, components][..], &parts].concat();
        let body =
            [&[0xff, 0xd8][..], &segment(0xc0, &frame), &segment(0xda, &[1, 1, 0, 0, 63, 0])];
        cases.add(format!("{components} components"), body.concat());
    }
}

fn orientation(value: u16) -> Vec<u8> {
    let entry = [&le16(0x0112)[..], &le16(3), &le32(1), &le16(value), &[0; 2]].concat();
    [b"II*\0", &le32(8)[..], &le16(1), &entry, &le32(0)].concat()
}

fn gif(cases: &mut Cases) {
    let screen = |width: u16, height: u16| {
        [&b"GIF89a"[..], &le16(width), &le16(height), &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]]
            .concat()
    };
    let frame = |width: u16, height: u16| {
        let place = [&[0x2c, 0, 0, 0, 0][..], &le16(width), &le16(height), &[0]].concat();
        [&place[..], &[2, 2, 0x4c, 0x01, 0]].concat()
    };
    for (width, height) in [(0, 0), (65_535, 65_535), (65_535, 1), (10_001, 10_001)] {
        let whole = [screen(width, height), frame(width, height), vec![0x3b]].concat();
        cases.add(format!("claims {width}x{height}"), whole);
        let lies = [screen(8, 8), frame(width, height), vec![0x3b]].concat();
        cases.add(format!("a frame of {width}x{height} on 8x8"), lies);
    }
    for frames in [1_000, 20_000, 60_000] {
        for edge in [16, 4_000] {
            let body = [screen(edge, edge), frame(4, 4).repeat(frames), vec![0x3b]].concat();
            cases.add(format!("{frames} frames of {edge}"), body);
        }
    }
    let comment = [&[0x21, 0xfe][..], &[&[255][..], &[b'x'; 255]].concat().repeat(4_000)].concat();
    cases.add("a comment of a megabyte", [screen(8, 8), comment, vec![0, 0x3b]].concat());
    for size in [0u8, 1, 9, 12, 13, 255] {
        let place = [&[0x2c, 0, 0, 0, 0][..], &le16(8), &le16(8), &[0, size, 2, 0x4c, 0x01, 0]];
        cases.add(format!("codes of {size} bits"), [screen(8, 8), place.concat()].concat());
    }
    cases.add("no trailer, no frame", screen(8, 8));
    cases.add("a palette cut off", b"GIF89a\x08\0\x08\0\xf7\0\0\x01".to_vec());
}

fn webp(cases: &mut Cases) {
    let file = |chunks: &[u8]| {
        let body = [&b"WEBP"[..], chunks].concat();
        riff(b"RIFF", &body)
    };
    let extended = |flags: u8, width: u32, height: u32| {
        let edges = [&le32(width)[..3], &le32(height)[..3]].concat();
        riff(b"VP8X", &[&[flags, 0, 0, 0][..], &edges].concat())
    };
    for (width, height) in [(0xff_ffff, 0xff_ffff), (0xff_ffff, 0), (9_999, 10_001)] {
        for flags in [0, 2, 0x10, 0x12, 0x3e] {
            let body = extended(flags, width, height);
            cases.add(format!("claims {width}x{height}, flags {flags:x}"), file(&body));
        }
    }
    for (what, lossless) in [
        ("lossless of 16384x16384", le32(0x3fff | 0x3fff << 14)),
        ("lossless of version 7", le32(7 << 29)),
        ("lossless of one pixel without data", le32(0)),
    ] {
        cases.add(what, file(&riff(b"VP8L", &[&[0x2f][..], &lossless].concat())));
    }
    let lossy = |edge: u16| [&[0x10, 0, 0, 0x9d, 1, 0x2a][..], &le16(edge), &le16(edge)].concat();
    for edge in [0, 1, 16_383, 65_535] {
        cases.add(format!("lossy of {edge}"), file(&riff(b"VP8 ", &lossy(edge))));
    }
    let frame = |edge: u32| {
        let place = [&[0; 6][..], &le32(edge)[..3], &le32(edge)[..3], &[1, 0, 0, 0]].concat();
        riff(b"ANMF", &[place, riff(b"VP8L", &[0x2f, 0, 0, 0, 0, 0x88, 8])].concat())
    };
    for (frames, edge) in [(1_000, 0), (30_000, 0), (2_000, 0x3fff)] {
        let start = [extended(2, edge, edge), riff(b"ANIM", &[0; 6])].concat();
        let body = [start, frame(edge).repeat(frames)].concat();
        cases.add(format!("{frames} frames of {edge}"), file(&body));
    }
    for kind in [b"ICCP", b"EXIF", b"XMP ", b"ALPH"] {
        let start = extended(0x3c, 15, 15);
        let named = format!("{} that claims 4 GiB", kind.escape_ascii());
        cases.add(named, file(&[&start[..], kind, &[255; 4]].concat()));
        let large = riff(kind, &vec![b'<'; 2 << 20]);
        cases.add(format!("{} of 2 MiB", kind.escape_ascii()), file(&[start, large].concat()));
    }
    cases.add("a RIFF of 4 GiB", b"RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff".to_vec());
}

/// A little-endian TIFF of one directory: tag, type, count, value.
fn tiff_of(entries: &[(u16, u16, u32, u32)], next: u32, data: &[u8]) -> Vec<u8> {
    let listed = entries.iter().flat_map(|(tag, kind, count, value)| {
        [&le16(*tag)[..], &le16(*kind), &le32(*count), &le32(*value)].concat()
    });
    let listed: Vec<u8> = listed.collect();
    [b"II*\0", &le32(8)[..], &le16(entries.len() as u16), &listed, &le32(next), data].concat()
}

fn tiff(cases: &mut Cases) {
    let plain = |width: u32, height: u32, compression: u32| {
        [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, 8),
            (259, 3, 1, compression),
            (262, 3, 1, 1),
            (273, 4, 1, 0x80),
            (277, 3, 1, 1),
            (278, 4, 1, height),
            (279, 4, 1, 64),
        ]
    };
    for (width, height) in EDGES {
        for compression in [1, 5, 7, 8, 32_773] {
            let body = tiff_of(&plain(width, height, compression), 0, &[0; 64]);
            cases.add(format!("claims {width}x{height}, packed by {compression}"), body);
        }
    }
    for (what, next) in [("itself", 8), ("its middle", 10), ("beyond", u32::MAX), ("its header", 0)]
    {
        cases.add(
            format!("directories that follow {what}"),
            tiff_of(&plain(4, 4, 1), next, &[0; 64]),
        );
    }
    let chain: Vec<u8> = (0..20_000u32)
        .flat_map(|index| [&le16(0)[..], &le32(8 + (index + 1) * 6)].concat())
        .collect();
    cases.add("20000 empty directories", [b"II*\0", &le32(8)[..], &chain].concat());
    for (tag, kind, count, value) in [
        (330u16, 4, 1, 8),
        (330, 4, u32::MAX, 8),
        (34_665, 4, 1, 8),
        (273, 4, u32::MAX, 0),
        (279, 4, 1, u32::MAX),
        (322, 4, 1, 0),
        (322, 4, 1, u32::MAX),
        (278, 4, 1, 0),
        (258, 3, u32::MAX, 0),
        (258, 3, 1, 65_535),
        (277, 3, 1, 65_535),
        (277, 3, 1, 0),
        (339, 3, 1, 9),
        (320, 3, u32::MAX, 0),
        (34_675, 7, u32::MAX, 8),
        (700, 1, 0x7fff_ffff, 8),
        (317, 3, 1, 900),
        (347, 7, u32::MAX, 8),
        (0, 0, u32::MAX, u32::MAX),
        (256, 200, 1, 4),
    ] {
        let mut entries = plain(16, 16, 1).to_vec();
        entries.retain(|entry| entry.0 != tag);
        entries.push((tag, kind, count, value));
        cases.add(
            format!("tag {tag} of type {kind} has {count} values at {value}"),
            tiff_of(&entries, 0, &[0; 256]),
        );
    }
    let many: Vec<_> = (0..60_000u32).map(|tag| (tag as u16, 4, u32::MAX, tag)).collect();
    cases.add("60000 entries", tiff_of(&many, 0, &[]));
    let big = [b"II+\0\x08\0\0\0", &[8, 0, 0, 0, 0, 0, 0, 0][..], &[255; 64]].concat();
    cases.add("BigTIFF of 2^64 entries", big);
    let bomb = tiff_of(&plain(10_000, 9_999, 8), 0, &zlib_run(&[0], 512 << 20));
    cases.add("512 MiB deflated", bomb);
}

fn bitmaps(cases: &mut Cases) {
    for (width, height) in EDGES {
        for (bits, compression) in [(1, 0), (4, 2), (8, 1), (24, 0), (32, 3), (77, 9)] {
            let info = [
                &le32(40)[..],
                &le32(width),
                &le32(height),
                &le16(1),
                &le16(bits),
                &le32(compression),
                &[0; 20],
            ];
            let body =
                [&b"BM"[..], &le32(200), &[0; 4], &le32(54), &info.concat(), &[0; 100]].concat();
            cases
                .of("bmp")
                .add(format!("{width}x{height} of {bits} bits, packed {compression}"), body);
        }
        let edges = [width as u8, height as u8];
        let entry = [&edges[..], &[0, 0, 1, 0, 32, 0], &le32(u32::MAX), &le32(22)].concat();
        let inside = png(width, height, 6, &zlib_stored(&[0; 5]), &[]);
        let body = [&[0, 0, 1, 0, 1, 0][..], &entry, &inside].concat();
        cases.of("ico").add(format!("holds a PNG of {width}x{height}"), body);
    }
    let rle = [&[0, 2, 255, 255][..], &[255, 7, 0, 2, 0, 0]].concat().repeat(10_000);
    let info =
        [&le32(40)[..], &le32(64), &le32(64), &le16(1), &le16(8), &le32(1), &[0; 20]].concat();
    let body = [&b"BM"[..], &le32(0), &[0; 4], &le32(1_078), &info, &[0; 1_024], &rle].concat();
    cases.of("bmp").add("steps beyond its edges", body);
    for count in [0u16, 1_000, u16::MAX] {
        let entry = [&[16, 16, 0, 0, 1, 0, 32, 0][..], &le32(40), &le32(6)].concat();
        let body =
            [&[0, 0, 1, 0][..], &le16(count), &entry.repeat(count.min(1_000).into())].concat();
        cases.of("ico").add(format!("{count} pictures at its own header"), body);
    }
}

fn plain(cases: &mut Cases) {
    for (width, height) in EDGES {
        for magic in ["P1", "P2", "P3", "P4", "P5", "P6", "PF"] {
            let body = format!("{magic}\n{width} {height}\n255\n0 0 0").into_bytes();
            cases.of("pnm").add(format!("{magic} {width}x{height}"), body);
        }
        let qoi = [b"qoif", &be32(width)[..], &be32(height), &[4, 0, 0xfd, 0xfd]].concat();
        cases.of("qoi").add(format!("claims {width}x{height}"), qoi);
        let radiance = format!("#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n");
        let body = [radiance.as_bytes(), &[2, 2, 0, 0, 255, 255]].concat();
        cases.of("hdr").add(format!("claims {width}x{height}"), body);
        let (w, h) = (le16(width as u16), le16(height as u16));
        for kind in [1, 2, 3, 9, 10, 11] {
            let header =
                [&[0, u8::from(kind % 8 == 1), kind, 0, 0, 255, 255, 32][..], &[0; 4], &w, &h];
            let body = [&header.concat()[..], &[32, 8], &[255; 64]].concat();
            cases.of("tga").add(format!("type {kind} of {width}x{height}"), body);
        }
    }
    for digits in [20, 400, 100_000] {
        let body = format!("P6\n{} 1\n255\n", "9".repeat(digits)).into_bytes();
        cases.of("pnm").add(format!("a width of {digits} digits"), body);
    }
    cases.of("pnm").add("a comment of a megabyte", [b"P5\n#", &vec![b'c'; 1 << 20][..]].concat());
    cases.of("pnm").add(
        "PAM of depth 2^32",
        b"P7\nWIDTH 9\nHEIGHT 9\nDEPTH 4294967295\nMAXVAL 65536\nENDHDR\n".to_vec(),
    );
    cases.of("hdr").add(
        "a header without end",
        [b"#?RADIANCE\n", &b"EXPOSURE=1\n".repeat(90_000)[..]].concat(),
    );
    cases.of("qoi").add(
        "62 times run after run",
        [&b"qoif\0\0\x27\x10\0\0\x27\x0f\x03\0"[..], &[0xfd; 4_000]].concat(),
    );
}
