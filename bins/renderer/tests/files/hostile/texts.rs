//! Text without end, mail within mail, RTF that includes, fonts that lie.

use super::bits::{be32, zlib_run};
use super::films::targets;
use super::{Body, Cases, Lures};

pub(super) fn add(cases: &mut Cases, lures: &Lures) {
    text(cases.of("text"));
    mail(cases.of("eml"), lures);
    rtf(cases.of("rtf"), lures);
    fonts(cases);
}

fn text(cases: &mut Cases) {
    for (what, pattern, tail) in [
        ("a line of a gigabyte", &b"a"[..], &b"\n"[..]),
        ("a gigabyte of empty lines", b"\n", b""),
        ("a gigabyte of tabs", b"\t", b""),
        ("a gigabyte of commas", b",", b"\n"),
        ("a gigabyte of quotes", b"\"", b"\n"),
        ("a gigabyte of brackets", b"[", b""),
        ("a gigabyte of stars", b"*_", b"\n"),
        ("a gigabyte of quotations", b"> ", b"\n"),
        ("a gigabyte of accents", "\u{301}".as_bytes(), b"\n"),
        ("a gigabyte of directions", "\u{202e}\u{2066}".as_bytes(), b"\n"),
        ("a gigabyte of emoji", "\u{1f468}\u{200d}".as_bytes(), b"\n"),
    ] {
        cases.add(
            what,
            Body {
                head: b"text\n".to_vec(),
                pattern: pattern.to_vec(),
                middle_bytes: 1 << 30,
                tail: tail.to_vec(),
            },
        );
        let short = [b"text\n", &pattern.repeat(300_000 / pattern.len())[..], tail].concat();
        cases.add(format!("{what}, cut"), short);
    }
    for (what, piece, times) in [
        ("brackets of JSON", "{\"a\":[", 100_000),
        ("links in links", "[a](", 50_000),
        ("images in links", "![", 50_000),
        ("emphasis", "*a_b*_", 30_000),
        ("backticks", "` `` ``` ", 20_000),
        ("lists in lists", "- ", 20_000),
        ("footnotes", "[^1]: [^1]\n", 20_000),
        ("references", "[a]: /b\n[a]\n", 20_000),
        ("a table of columns", "|a", 50_000),
        ("comments of C", "/*", 100_000),
        ("strings of Python", "'''\\", 50_000),
        ("regular expressions", "/(((((a+)+)+)+)+)+$/;\n", 5_000),
        ("letters of escape", "\x1b[31m", 50_000),
        ("html in markdown", "<div><a href='x'>", 20_000),
    ] {
        cases.add(what, piece.repeat(times).into_bytes());
        cases.add(
            format!("{what} behind JSON"),
            format!("{{\"k\":\"v\"}}\n{}", piece.repeat(times / 10)).into_bytes(),
        );
    }
    for (what, body) in [
        ("UTF-16 of half a pair", [&b"\xff\xfe"[..], &[0x00, 0xd8].repeat(9_000)].concat()),
        ("UTF-32", [&b"\xff\xfe\0\0"[..], &[0xff, 0xff, 0x10, 0].repeat(9_000)].concat()),
        ("overlong UTF-8", [0xc0, 0x80, 0xe0, 0x80, 0xaf].repeat(9_000)),
        ("UTF-7", b"+ADw-script+AD4-".repeat(2_000)),
        ("escapes of ISO 2022", b"\x1b$B\x1b(B".repeat(9_000)),
        ("every byte", (0..=255).cycle().take(90_000).collect()),
        ("a number of a million digits", [&b"["[..], &vec![b'9'; 1 << 20], b"]"].concat()),
        ("a million columns", [vec![b','; 1 << 20], b"\na,b\n".to_vec()].concat()),
    ] {
        cases.add(what, body);
    }
}

fn mail(cases: &mut Cases, lures: &Lures) {
    let head = "From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMIME-Version: 1.0\r\n";
    for depth in [10, 100, 1_000, 20_000] {
        let parts: String = (0..depth)
            .map(|level| {
                format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n")
            })
            .collect();
        cases.add(format!("{depth} parts in each other"), format!("{head}{parts}").into_bytes());
        let messages = format!("Content-Type: message/rfc822\r\n\r\n{head}").repeat(depth);
        cases.add(
            format!("{depth} messages in each other"),
            format!("{head}{messages}").into_bytes(),
        );
    }
    for target in targets(lures) {
        let body = format!(
            "{head}Content-Type: text/html\r\n\r\n<html><base href=\"{target}\"><img src=\"{target}\"><style>@import \"{target}\"</style><iframe src=\"{target}\"></iframe></html>"
        );
        cases.add(format!("a body that loads {target}"), body.into_bytes());
        let outside = format!(
            "{head}Content-Type: message/external-body; access-type=URL; URL=\"{target}\"\r\n\r\nContent-Type: text/html\r\n\r\n"
        );
        cases.add(format!("a body at {target}"), outside.into_bytes());
    }
    for (what, body) in [
        ("100000 headers", format!("{head}{}", "X-A: b\r\n".repeat(100_000))),
        ("a header of 2 MiB", format!("{head}X: {}\r\n", "a".repeat(2 << 20))),
        ("a header folded 100000 times", format!("{head}X:{}\r\n", "\r\n a".repeat(100_000))),
        ("100000 recipients", format!("{head}Cc: {}\r\n", "a@b,".repeat(100_000))),
        ("comments in comments", format!("{head}Cc: {}\r\n", "(".repeat(100_000))),
        ("encoded words", format!("{head}X: {}\r\n", "=?utf-8?Q?=41?= ".repeat(50_000))),
        (
            "an unknown charset",
            format!("{head}Content-Type: text/plain; charset=\"x-{}\"\r\n\r\nx", "y".repeat(9_000)),
        ),
        (
            "100000 parts",
            format!(
                "{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
                "--b\r\n\r\n".repeat(100_000)
            ),
        ),
        (
            "an empty boundary",
            format!("{head}Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n--\r\n"),
        ),
        (
            "an attachment with a path",
            format!(
                "{head}Content-Type: image/png; name=\"../../../etc/passwd\"\r\nContent-Disposition: attachment; filename=\"/etc/passwd\"\r\nContent-Transfer-Encoding: base64\r\n\r\n////\r\n"
            ),
        ),
        ("uuencode without end", format!("{head}\r\nbegin 644 ../../x\r\n{}", "M".repeat(90_000))),
        ("a date of no calendar", head.replace("1 Jan 1970", "99 Jan 99999999999999")),
    ] {
        cases.add(what, body.into_bytes());
    }
}

fn rtf(cases: &mut Cases, lures: &Lures) {
    for target in targets(lures) {
        let body = format!(
            r#"{{\rtf1{{\field{{\*\fldinst INCLUDEPICTURE "{target}" \\d}}{{\fldrslt x}}}}{{\*\template {target}}}{{\object\objautlink\objupdate{{\*\objclass x}}{{\*\objdata 00}}}}}}"#
        );
        cases.add(format!("includes {target}"), body.into_bytes());
    }
    for (what, body) in [
        ("100000 groups deep", format!(r"{{\rtf1{}", "{".repeat(100_000))),
        (
            "a picture of 4 GiB",
            r"{\rtf1{\pict\picw2147483647\pich2147483647\bin4294967295 x}}".to_owned(),
        ),
        ("a row of 100000 cells", format!(r"{{\rtf1\trowd{}\row}}", r"\cellx1".repeat(100_000))),
        ("a number of 9000 digits", format!(r"{{\rtf1\fs{}}}", "9".repeat(9_000))),
        ("skips beyond the end", r"{\rtf1\uc2147483647\u65x}".to_owned()),
    ] {
        cases.add(what, body.into_bytes());
    }
}

fn fonts(cases: &mut Cases) {
    let font = |magic: &[u8], tables: &[(&[u8; 4], u32, u32)], body: &[u8]| {
        let count = (tables.len() as u16).to_be_bytes();
        let list: Vec<u8> = tables
            .iter()
            .flat_map(|(tag, at, length)| [&tag[..], &[0; 4], &be32(*at), &be32(*length)].concat())
            .collect();
        [magic, &count, &[0; 6], &list, body].concat()
    };
    for magic in [&b"\0\x01\0\0"[..], b"OTTO", b"true"] {
        for tag in [
            b"glyf", b"loca", b"cmap", b"head", b"name", b"CFF ", b"GSUB", b"GPOS", b"kern",
            b"hmtx", b"SVG ", b"CBDT", b"COLR", b"fvar",
        ] {
            for (at, length) in [(0, u32::MAX), (u32::MAX, 4), (12, 0), (12, 400)] {
                let body = font(
                    magic,
                    &[(tag, at, length), (b"maxp", 12, 32), (b"head", 12, 54)],
                    &[0xff; 400],
                );
                cases.of("font").add(
                    format!(
                        "{} {} at {at}, {length} bytes",
                        magic.escape_ascii(),
                        tag.escape_ascii()
                    ),
                    body,
                );
            }
        }
    }
    let same: Vec<(&[u8; 4], u32, u32)> = vec![(b"name", 12, 4_000); 4_000];
    cases.of("font").add("4000 times the same table", font(b"\0\x01\0\0", &same, &[0; 90]));
    for count in [0u32, 1, 100_000, u32::MAX] {
        let body = [&b"ttcf\0\x02\0\0"[..], &be32(count), &be32(0).repeat(64)].concat();
        cases.of("font").add(format!("a collection of {count} of itself"), body);
    }
    for flavour in [b"wOFF", b"wOF2"] {
        for size in [0u32, 44, u32::MAX] {
            let head = [
                &flavour[..],
                b"\0\x01\0\0",
                &be32(size),
                &[255, 255, 0, 0],
                &be32(size),
                &[0; 24],
                &[0xff; 200],
            ]
            .concat();
            cases.of("font").add(format!("{} of {size} bytes", flavour.escape_ascii()), head);
        }
        let name = zlib_run(&[0], 1 << 30);
        let table =
            [&b"name"[..], &be32(64), &be32(name.len() as u32), &be32(1 << 30), &[0; 4]].concat();
        let head = [
            &flavour[..],
            b"\0\x01\0\0",
            &be32(90_000),
            &[0, 1, 0, 0],
            &be32(1 << 30),
            &[0; 24],
            &table,
            &name,
        ]
        .concat();
        cases.of("font").add(format!("{} that swells to a gigabyte", flavour.escape_ascii()), head);
    }
}
