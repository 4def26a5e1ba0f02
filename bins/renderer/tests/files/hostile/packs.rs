//! Archives, and documents that are archives, that swell, escape or point outside.

use super::bits::{be32, crc32, deflate_run, le16, le32};
use super::films::targets;
use super::pages::markup_attacks;
use super::{Body, Cases, Lures};

pub(super) fn add(cases: &mut Cases, lures: &Lures) {
    zips(cases.of("zip"));
    office(cases, lures);
    tars(cases.of("tar"));
    others(cases);
}

/// One entry of a zip: name, what is stored, how, and what it claims to be.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) packed: Vec<u8>,
    pub(super) method: u16,
    pub(super) claims: u32,
    pub(super) crc: u32,
    pub(super) mode: u32,
    pub(super) flags: u16,
}

pub(super) fn stored(name: &str, body: &[u8]) -> Entry {
    Entry {
        name: name.as_bytes().to_vec(),
        packed: body.to_vec(),
        method: 0,
        claims: body.len() as u32,
        crc: crc32(body),
        mode: 0,
        flags: 0,
    }
}

fn swelling(name: &str, first: &[u8], repeats: u64) -> Entry {
    Entry {
        packed: deflate_run(first, repeats),
        method: 8,
        claims: (first.len() as u64 + repeats).min(u32::MAX.into()) as u32,
        ..stored(name, &[])
    }
}

pub(super) fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let sizes = [le32(entry.crc), le32(entry.packed.len() as u32), le32(entry.claims)].concat();
        let how = [&le16(20)[..], &le16(entry.flags), &le16(entry.method), &[0; 4]].concat();
        let name = le16(entry.name.len() as u16);
        let at = le32(out.len() as u32);
        directory.extend(
            [
                &b"PK\x01\x02\x14\x03"[..],
                &how,
                &sizes,
                &name,
                &[0; 8],
                &le32(entry.mode << 16),
                &at,
                &entry.name,
            ]
            .concat(),
        );
        out.extend(
            [&b"PK\x03\x04"[..], &how, &sizes, &name, &[0; 2], &entry.name, &entry.packed].concat(),
        );
    }
    let count = le16(entries.len() as u16);
    let end = [
        &b"PK\x05\x06"[..],
        &[0; 4],
        &count,
        &count,
        &le32(directory.len() as u32),
        &le32(out.len() as u32),
        &[0; 2],
    ]
    .concat();
    [out, directory, end].concat()
}

fn zips(cases: &mut Cases) {
    for megabytes in [1, 100, 1_000, 4_000] {
        cases.add(
            format!("{megabytes} MiB of zeroes"),
            zip(&[swelling("zeroes", &[0], megabytes << 20)]),
        );
        let honest = Entry { claims: 10, ..swelling("small", &[0], megabytes << 20) };
        cases.add(format!("{megabytes} MiB that claim 10 bytes"), zip(&[honest]));
    }
    let mut nested = zip(&[swelling("0", &[0], 100 << 20)]);
    for depth in 1..=40 {
        nested = zip(&[stored(&format!("{depth}.zip"), &nested)]);
        if [5, 20, 40].contains(&depth) {
            cases.add(format!("{depth} in each other"), nested.clone());
        }
    }
    let many = zip(&[swelling("a", &[0], 10 << 20), stored("b.zip", &nested)]);
    cases.add(
        "sixteen of sixteen",
        zip(&(0..16).map(|index| stored(&format!("{index}.zip"), &many)).collect::<Vec<_>>()),
    );
    // Every entry of the directory names the same body.
    let body = swelling("kernel", &[0], 20 << 20);
    let local = zip(std::slice::from_ref(&body));
    let directory = local.len() - 22 - 46 - 6;
    let record = local[directory..local.len() - 22].to_vec();
    for count in [1_000u16, 65_535] {
        let end = [
            &b"PK\x05\x06"[..],
            &[0; 4],
            &le16(count),
            &le16(count),
            &le32(record.len() as u32 * u32::from(count)),
            &le32(directory as u32),
            &[0; 2],
        ]
        .concat();
        let whole = [&local[..directory], &record.repeat(count.into()), &end].concat();
        cases.add(format!("{count} entries over the same bytes"), whole);
    }
    for (what, name) in [
        ("a parent", "../../../../etc/cron.d/evil"),
        ("an absolute", "/etc/passwd"),
        ("a drive", "C:\\windows\\system32\\evil"),
        ("a back slash", "..\\..\\evil"),
        ("an empty", ""),
        ("a dot", "."),
        ("a device", "/dev/stdin"),
        ("a folder", "folder/"),
    ] {
        cases.add(format!("{what} name"), zip(&[stored(name, b"x")]));
    }
    for name in [
        vec![0; 9],
        vec![0xff; 300],
        b"a\nb\x1b[2J".to_vec(),
        vec![b'n'; 65_535],
        "\u{202e}gpj.exe".into(),
    ] {
        let length = name.len();
        cases.add(
            format!("a name of {length} odd bytes"),
            zip(&[Entry { name, ..stored("", b"x") }]),
        );
    }
    let link = Entry { mode: 0o120_777, ..stored("link", b"/etc/passwd") };
    cases.add("a link outside", zip(&[link.clone(), stored("link/inside", b"x")]));
    cases.add("a link to itself", zip(&[Entry { packed: b"link".to_vec(), claims: 4, ..link }]));
    for (what, flags, method) in [
        ("encrypted", 1, 0),
        ("strongly encrypted", 0x41, 8),
        ("packed by 99", 0, 99),
        ("packed by lzma", 0, 14),
        ("packed by zstd", 0, 93),
    ] {
        cases.add(what, zip(&[Entry { flags, method, ..stored("a", &[0x5a; 90]) }]));
    }
    let fine = zip(&[stored("a.txt", b"hello")]);
    for (what, from_end, bytes) in [
        ("a directory beyond the end", 6, &le32(u32::MAX - 9)[..]),
        ("a directory of 4 GiB", 10, &le32(u32::MAX)),
        ("65535 entries of one", 12, &[255; 2]),
        ("a comment beyond the end", 2, &[255; 2]),
        ("another disk", 18, &[7, 7]),
    ] {
        let mut lying = fine.clone();
        let at = lying.len() - from_end;
        lying[at..at + bytes.len()].copy_from_slice(bytes);
        cases.add(what, lying);
    }
    let large = [
        &b"PK\x06\x06"[..],
        &44u64.to_le_bytes(),
        &[45, 0, 45, 0],
        &[0; 8],
        &u64::MAX.to_le_bytes().repeat(4),
        b"PK\x06\x07\0\0\0\0",
        &u64::MAX.to_le_bytes(),
        &le32(1),
    ]
    .concat();
    let mut end = fine[fine.len() - 22..].to_vec();
    end[8..20].fill(255);
    cases.add("zip64 of 2^64 entries", [&fine[..fine.len() - 22], &large, &end].concat());
    cases.add(
        "20000 small entries",
        zip(&(0..20_000).map(|index| stored(&format!("{index}"), b"")).collect::<Vec<_>>()),
    );
    cases.add("an end without a beginning", fine[fine.len() - 22..].to_vec());
    cases.add("a beginning without an end", fine[..35].to_vec());
    cases.add(
        "behind a gigabyte of zeroes",
        Body { head: Vec::new(), pattern: vec![0], middle_bytes: 1 << 30, tail: fine },
    );
}

const TYPES: &str = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/MAIN" ContentType="application/vnd.openxmlformats-officedocument.KIND.main+xml"/></Types>"#;

fn relations(list: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{list}</Relationships>"#
    )
}

/// An Office document: which of the three, its main part and that part's relations.
fn ooxml(which: usize, main: &[u8], outside: &str, more: &[Entry]) -> Vec<u8> {
    let (path, kind) = [
        ("word/document.xml", "wordprocessingml.document"),
        ("xl/workbook.xml", "spreadsheetml.sheet"),
        ("ppt/presentation.xml", "presentationml.presentation"),
    ][which];
    let root = relations(&format!(
        r#"<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="{path}"/>"#
    ));
    let (folder, file) = path.split_once('/').expect("a folder");
    let parts = [
        stored("[Content_Types].xml", TYPES.replace("MAIN", path).replace("KIND", kind).as_bytes()),
        stored("_rels/.rels", root.as_bytes()),
        stored(path, main),
        stored(&format!("{folder}/_rels/{file}.rels"), relations(outside).as_bytes()),
    ];
    zip(&[&parts[..], more].concat())
}

fn odf(kind: &str, content: &[u8], more: &[Entry]) -> Vec<u8> {
    let manifest = br#"<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>"#;
    let media_type = format!("application/vnd.oasis.opendocument.{kind}");
    let parts = [
        stored("mimetype", media_type.as_bytes()),
        stored("content.xml", content),
        stored("META-INF/manifest.xml", manifest),
    ];
    zip(&[&parts[..], more].concat())
}

fn office(cases: &mut Cases, lures: &Lures) {
    const DOCUMENT: &str = r#"<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><w:body><w:p><w:r><w:t>text</w:t></w:r></w:p></w:body></w:document>"#;
    for target in targets(lures) {
        for relation in
            ["image", "oleObject", "attachedTemplate", "frame", "hyperlink", "subDocument"]
        {
            let list = format!(
                r#"<Relationship Id="r9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{relation}" Target="{target}" TargetMode="External"/>"#
            );
            cases
                .of("docx")
                .add(format!("{relation} at {target}"), ooxml(0, DOCUMENT.as_bytes(), &list, &[]));
        }
        let content = format!(
            r#"<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink"><office:body><office:text><text:section><text:section-source xlink:href="{target}"/></text:section><draw:frame><draw:image xlink:href="{target}"/><draw:object xlink:href="{target}"/></draw:frame></office:text></office:body></office:document-content>"#
        );
        cases.of("odt").add(format!("image at {target}"), odf("text", content.as_bytes(), &[]));
        let book = [
            stored("mimetype", b"application/epub+zip"),
            stored("META-INF/container.xml", format!(r#"<container><rootfiles><rootfile full-path="{target}"/></rootfiles></container>"#).as_bytes()),
        ];
        cases.of("epub").add(format!("its book at {target}"), zip(&book));
    }
    for (what, attack) in markup_attacks(lures) {
        for which in 0..3 {
            let kind = ["docx", "xlsx", "pptx"][which];
            cases.of(kind).add(format!("holds {what}"), ooxml(which, attack.as_bytes(), "", &[]));
        }
        cases.of("ods").add(format!("holds {what}"), odf("spreadsheet", attack.as_bytes(), &[]));
        let book = [
            stored("mimetype", b"application/epub+zip"),
            stored("META-INF/container.xml", attack.as_bytes()),
        ];
        cases.of("epub").add(format!("holds {what}"), zip(&book));
    }
    for megabytes in [100, 2_000] {
        let swollen = swelling("word/document.xml", b"<w:document>", megabytes << 20);
        let parts = [
            stored(
                "[Content_Types].xml",
                TYPES
                    .replace("MAIN", "word/document.xml")
                    .replace("KIND", "wordprocessingml.document")
                    .as_bytes(),
            ),
            swollen,
        ];
        cases.of("docx").add(format!("a document of {megabytes} MiB"), zip(&parts));
        let media = swelling("word/media/image1.png", b"\x89PNG\r\n\x1a\n", megabytes << 20);
        cases.of("docx").add(
            format!("a picture of {megabytes} MiB"),
            ooxml(0, DOCUMENT.as_bytes(), "", &[media]),
        );
        let thumbnail = swelling("docProps/thumbnail.jpeg", b"\xff\xd8\xff", megabytes << 20);
        cases.of("docx").add(
            format!("a thumbnail of {megabytes} MiB"),
            ooxml(0, DOCUMENT.as_bytes(), "", &[thumbnail]),
        );
        let thumbnail = swelling("Thumbnails/thumbnail.png", b"\x89PNG\r\n\x1a\n", megabytes << 20);
        cases
            .of("odt")
            .add(format!("a thumbnail of {megabytes} MiB"), odf("text", b"<x/>", &[thumbnail]));
        let sheet =
            swelling("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row>", megabytes << 20);
        cases.of("xlsx").add(
            format!("a sheet of {megabytes} MiB"),
            ooxml(
                1,
                b"<workbook><sheets><sheet name='a' sheetId='1'/></sheets></workbook>",
                "",
                &[sheet],
            ),
        );
    }
    let cells = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData><row r="4294967295"><c r="ZZZZZZ99999999999"><v>1</v></c></row></sheetData></worksheet>"#;
    cases.of("xlsx").add(
        "a cell beyond every sheet",
        ooxml(1, b"<workbook/>", "", &[stored("xl/worksheets/sheet1.xml", cells.as_bytes())]),
    );
    let repeated = r#"<office:document-content><table:table-row table:number-rows-repeated="2000000000"><table:table-cell table:number-columns-repeated="2000000000"/></table:table-row></office:document-content>"#;
    cases.of("ods").add("a cell repeated 4e18 times", odf("spreadsheet", repeated.as_bytes(), &[]));
    cases.of("sketch").add(
        "pages at outside",
        zip(&[
            stored("document.json", br#"{"pages":[{"_ref":"../../../../etc/passwd"}]}"#),
            stored("meta.json", b"{}"),
        ]),
    );
    let nested = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    cases.of("sketch").add(
        "half a million brackets",
        zip(&[
            stored("document.json", nested.as_bytes()),
            stored("meta.json", nested.as_bytes()),
            stored("previews/preview.png", b""),
        ]),
    );
    cases.of("sketch").add(
        "a preview of 2 GiB",
        zip(&[
            stored("document.json", b"{}"),
            stored("meta.json", b"{}"),
            swelling("previews/preview.png", b"\x89PNG", 2 << 30),
        ]),
    );
    for (sector, mini, fat) in
        [(9u16, 6u16, 1u32), (0, 0, 0), (31, 31, u32::MAX), (9, 6, u32::MAX), (12, 6, 0x7fff_ffff)]
    {
        let head = [
            &b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..],
            &[0; 16],
            &le16(0x3e),
            &le16(3),
            &le16(0xfffe),
            &le16(sector),
            &le16(mini),
            &[0; 6],
            &le32(0),
            &le32(fat),
            &le32(1),
            &[0; 8],
            &le32(2),
            &le32(fat),
            &le32(3),
            &le32(fat),
        ]
        .concat();
        for table in [le32(0), le32(1), le32(2), le32(u32::MAX - 3)] {
            let body = [&head[..], &table.repeat(109), &table.repeat(1_024)].concat();
            let what = format!("sectors of 2^{sector}, {fat} tables, all {}", table.escape_ascii());
            cases.of("ole").add(what, body);
        }
    }
}

fn tar_entry(name: &[u8], kind: u8, size: &[u8], link: &[u8], body: &[u8]) -> Vec<u8> {
    let mut head = vec![0; 512];
    head[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    head[100..108].copy_from_slice(b"0000777\0");
    head[124..124 + size.len().min(12)].copy_from_slice(&size[..size.len().min(12)]);
    head[156] = kind;
    head[157..157 + link.len()].copy_from_slice(link);
    head[257..265].copy_from_slice(b"ustar\x0000");
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let pad = vec![0; (512 - body.len() % 512) % 512];
    [head, body.to_vec(), pad].concat()
}

fn tars(cases: &mut Cases) {
    for (what, name, kind, size, link) in [
        ("a parent name", &b"../../etc/passwd"[..], b'0', &b"1"[..], &b""[..]),
        ("an absolute name", b"/etc/passwd", b'0', b"1", b""),
        ("a link outside", b"a", b'2', b"0", b"/etc/passwd"),
        ("a hard link outside", b"a", b'1', b"0", b"../../etc/passwd"),
        ("a device", b"a", b'4', b"0", b""),
        ("a size of 8 GiB", b"a", b'0', b"77777777777", b""),
        ("a size in 96 bits", b"a", b'0', &[0xff; 12], b""),
        ("a size of no number", b"a", b'0', b"abc", b""),
        ("a long name of 8 GiB", b"a", b'L', b"77777777777", b""),
        ("a header of 8 GiB", b"a", b'x', b"77777777777", b""),
        ("a sparse file", b"a", b'S', b"10", b""),
    ] {
        cases.add(what, tar_entry(name, kind, size, link, b"x"));
    }
    let pax = b"99999999999999999999 path=x\n13 size=-1\n";
    cases.add("a header that lies", tar_entry(b"p", b'x', b"50", b"", pax));
    cases.add("50000 entries", tar_entry(b"a", b'0', b"0", b"", b"").repeat(50_000));
    cases.add(
        "long names for ever",
        tar_entry(b"././@LongLink", b'L', b"1", b"", b"n").repeat(9_000),
    );
    cases.add(
        "a file of four gigabytes",
        Body {
            head: tar_entry(b"large", b'0', b"40000000000", b"", b""),
            pattern: vec![0],
            middle_bytes: 4 << 30,
            tail: Vec::new(),
        },
    );
}

fn others(cases: &mut Cases) {
    for megabytes in [10, 1_000, 4_000] {
        let body =
            [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &deflate_run(&[0], megabytes << 20), &[0; 8]]
                .concat();
        cases.of("gz").add(format!("{megabytes} MiB"), body.clone());
        let tar = [
            &b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..],
            &deflate_run(&tar_entry(b"a", b'0', b"77777777777", b"", b""), megabytes << 20),
            &[0; 8],
        ]
        .concat();
        cases.of("gz").add(format!("a tar of {megabytes} MiB"), tar);
        let svg = [
            &b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..],
            &deflate_run(b"<svg xmlns='http://www.w3.org/2000/svg'> ", megabytes << 20),
            &[0; 8],
        ]
        .concat();
        cases.of("svgz").add(format!("{megabytes} MiB"), svg);
        let members = zip(&[stored("a.gz", &body)]);
        cases.of("zip").add(format!("a gz of {megabytes} MiB"), members);
    }
    cases.of("gz").add(
        "100000 members",
        [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0"[..], &[0; 8]].concat().repeat(100_000),
    );
    cases.of("gz").add(
        "a name without end",
        [&b"\x1f\x8b\x08\x08\0\0\0\0\0\xff"[..], &vec![b'n'; 1 << 20]].concat(),
    );
    for (offset, size) in
        [(0u64, u64::MAX), (u64::MAX, 1), (1 << 40, 1 << 40), (0, 1 << 31), (0, 0)]
    {
        for head in [&[1u8, 4, 6][..], &[0x17, 6], &[0xff; 8], &[1; 64]] {
            let next =
                [&offset.to_le_bytes()[..], &size.to_le_bytes(), &le32(crc32(head))].concat();
            let body =
                [&b"7z\xbc\xaf\x27\x1c\0\x04"[..], &le32(crc32(&next)), &next, head].concat();
            cases.of("7z").add(format!("header of {size} at {offset}, {}", head.len()), body);
        }
    }
    for (what, names) in [
        ("files that are 2^63", &[1u8, 5, 0xff, 255, 255, 255, 255, 255, 255, 255, 127, 0][..]),
        ("folders that are 2^31", &[1, 4, 6, 0, 1, 9, 0, 7, 11, 0xf0, 255, 255, 255, 127, 0]),
        ("a coder of 32 inputs", &[1, 4, 6, 0, 1, 9, 0, 7, 11, 1, 0, 1, 0x1f, 32, 32]),
    ] {
        let next =
            [&0u64.to_le_bytes()[..], &(names.len() as u64).to_le_bytes(), &le32(crc32(names))]
                .concat();
        let body = [&b"7z\xbc\xaf\x27\x1c\0\x04"[..], &le32(crc32(&next)), &next, names].concat();
        cases.of("7z").add(what, body);
    }
    for kind in [0x73u8, 0x74, 0x7a, 0x7b, 0] {
        for size in [0u16, 6, 7, 13, 0xffff] {
            let block =
                [&[kind][..], &[0xff, 0x80], &le16(size), &le32(u32::MAX), &[0xff; 40]].concat();
            let body = [&b"Rar!\x1a\x07\0"[..], &le16(0), &block.repeat(9)].concat();
            cases.of("rar").add(format!("block {kind:x} of {size}"), body);
        }
    }
    for number in [&[0x01u8][..], &[0xff; 10], &[0x80; 10], &[0xff, 0xff, 0x7f]] {
        let body =
            [&b"Rar!\x1a\x07\x01\0"[..], &[0; 4], number, number, number, &[0xff; 30]].concat();
        cases.of("rar").add(format!("numbers of {}", number.escape_ascii()), body);
    }
    for (kind, body) in [
        ("bz2", [&b"BZh9"[..], &b"1AY&SY"[..], &[0xff; 60]].concat()),
        ("bz2", b"BZh91AY&SY\0\0\0\0".repeat(9_000)),
        (
            "xz",
            [
                &b"\xfd7zXZ\0\0\x04"[..],
                &be32(0xe6d6_b446),
                &[2, 0, 0x21, 1, 0x3f, 0, 0, 0],
                &[0xff; 64],
            ]
            .concat(),
        ),
        ("zst", b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec()),
        ("zst", [&b"\x50\x2a\x4d\x18"[..], &le32(u32::MAX)].concat()),
        ("cab", [&b"MSCF\0\0\0\0"[..], &[0xff; 80]].concat()),
        ("lz4", [&b"\x04\x22\x4d\x18\x44\x70\x1d"[..], &[0xff; 80]].concat()),
    ] {
        cases.of(kind).add(format!("{} bytes of lies", body.len()), body);
    }
}
