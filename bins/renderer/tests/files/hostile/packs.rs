//! Archives that swell, escape or point outside.

mod office;

use super::bits::{be32, crc32, deflate_run, le16, le32};
use super::{Body, Cases, Lures};

pub(super) fn add(cases: &mut Cases, lures: &Lures) {
    zips(cases.of("zip"));
    office::add(cases, lures);
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
