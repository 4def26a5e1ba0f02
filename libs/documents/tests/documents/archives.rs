//! Archives: what is listed, what is marked.

use std::io::Write as _;

use serde_json::json;

use super::*;

/// Eleven octal digits, as tar writes numbers.
fn tar_entry(name: &str, kind: u8, link: &str, data: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    header[136..147].copy_from_slice(format!("{:011o}", 1_700_000_000).as_bytes());
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[257..263].copy_from_slice(b"ustar\0");
    summed(&mut header, i64::from);
    let mut entry = header.to_vec();
    entry.extend(data);
    entry.resize(entry.len().div_ceil(512) * 512, 0);
    entry
}

/// Writes the checksum of a header, its bytes counted like that.
fn summed(header: &mut [u8], value: fn(u8) -> i64) {
    header[148..156].fill(b' ');
    let sum: i64 = header.iter().map(|byte| value(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

fn tar() -> Vec<u8> {
    let mut tar = tar_entry("docs/", b'5', "", b"");
    tar.extend(tar_entry("docs/a.txt", b'0', "", b"hello"));
    tar.extend(tar_entry(
        "././@LongLink",
        b'L',
        "",
        format!("{}f\0", "long/".repeat(40)).as_bytes(),
    ));
    tar.extend(tar_entry("cut", b'0', "", &[7; 700]));
    tar.extend(tar_entry("../../out", b'0', "", b"x"));
    tar.extend(tar_entry("link", b'2', "/etc/passwd", b""));
    tar.extend([0; 1_024]);
    tar
}

#[test]
fn a_tar_is_listed_and_what_leads_out_is_marked() {
    let (page, about) = first(&tar(), "archive");
    assert_eq!(about["format"], "TAR");
    assert_eq!(about["total"], 5);
    assert_eq!(about["directories"], 1);
    let entries = about["entries"].as_array().unwrap();
    assert_eq!(entries[1]["name"], "docs/a.txt");
    assert_eq!(entries[1]["size"], 5);
    assert_eq!(entries[1]["modified"], "2023-11-14 22:13");
    assert_eq!(entries[2]["name"].as_str().unwrap().len(), 201);
    assert_eq!(entries[3]["unsafe"], true);
    assert_eq!(entries[4]["link"], "/etc/passwd");
    assert_eq!(entries[4]["unsafe"], true);
    assert!(ink(&page, (6, 4, 60, 10)) > 300, "a title");
    assert!(ink(&page, (6, 12, 60, 25)) > 500, "rows");
}

#[test]
fn a_tar_goes_on_after_a_file_with_holes() {
    // GNU's own way: the size with holes at 483, and blocks that say more of them before the data.
    let mut tar = tar_entry("holes", b'S', "", b"data");
    tar[257..265].copy_from_slice(b"ustar  \0");
    tar[482] = 1;
    tar[483..494].copy_from_slice(format!("{:011o}", 86_016).as_bytes());
    summed(&mut tar[..512], i64::from);
    for goes_on in [1, 0] {
        let at = 512 * (2 - usize::from(goes_on));
        tar.splice(at..at, (0..512).map(|byte| if byte == 504 { goes_on } else { b'0' }));
    }
    // And that of POSIX: the name and the size are attributes.
    let attributes = b"27 GNU.sparse.name=holes-2\n29 GNU.sparse.realsize=86016\n";
    tar.extend(tar_entry("attributes", b'x', "", attributes));
    tar.extend(tar_entry("GNUSparseFile.0/holes-2", b'0', "", b"map and data"));
    tar.extend(tar_entry("after", b'0', "", b"x"));
    tar.extend([0; 1_024]);
    let (_, about) = first(&tar, "archive");
    assert_eq!(about.get("truncated"), None, "{about}");
    let entries = about["entries"].as_array().unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (&entry["name"], &entry["size"])).collect();
    let wanted = [json!("holes"), json!("holes-2"), json!("after")];
    assert_eq!(
        told,
        wanted.iter().zip(&[json!(86_016), json!(86_016), json!(1)]).collect::<Vec<_>>()
    );
}

#[test]
fn attributes_of_the_next_entry_are_none_of_their_own() {
    for kind in [b'x', b'X'] {
        let mut tar = tar_entry("attributes", kind, "", b"13 path=told\n");
        tar.extend(tar_entry("short", b'0', "", b"x"));
        tar.extend([0; 1_024]);
        let (_, about) = first(&tar, "archive");
        assert_eq!((&about["total"], &about["entries"][0]["name"]), (&json!(1), &json!("told")));
    }
}

#[test]
fn a_checksum_of_signed_bytes_is_one() {
    let mut tar = tar_entry("\u{e4}", b'0', "", b"x");
    summed(&mut tar[..512], |byte| i64::from(byte.cast_signed()));
    tar.extend([0; 1_024]);
    let (_, about) = first(&tar, "archive");
    assert_eq!(about["entries"][0]["name"], "\u{e4}");
}

#[test]
fn limits_cut_a_listing() {
    let mut job = Job::new();
    job.limits.entries = 3;
    let (_, drawn) = job.run(&tar()).unwrap();
    let about = &drawn.metadata["archive"];
    assert_eq!(about["entries"].as_array().unwrap().len(), 3);
    assert_eq!(about["truncated"], true);
}

#[test]
fn a_stream_without_a_directory_is_expanded_no_further_than_allowed() {
    // Stored blocks: a gzip stream made by hand.
    let mut gzip = b"\x1f\x8b\x08\x08\0\0\0\0\0\xffname.txt\0".to_vec();
    for last in [0, 1_u8] {
        gzip.push(last);
        gzip.extend(60_000_u16.to_le_bytes());
        gzip.extend((!60_000_u16).to_le_bytes());
        gzip.extend(vec![b'x'; 60_000]);
    }
    let mut checksum = flate2_crc(120_000);
    checksum.extend(120_000_u32.to_le_bytes());
    gzip.extend(checksum);
    let (_, about) = first(&gzip, "archive");
    assert_eq!(about["entries"][0]["name"], "name.txt");
    assert_eq!(about["entries"][0]["size"], 120_000);
    let mut job = Job::new();
    job.limits.expanded_bytes = 50_000;
    let (_, drawn) = job.run(&gzip).unwrap();
    assert_eq!(drawn.metadata["archive"]["truncated"], true);
}

#[test]
fn a_stream_of_nothing_is_expanded_a_thousandfold_at_most() {
    for (zeros, is_cut) in [(10 << 20, false), (20 << 20, true)] {
        let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        packed.write_all(&vec![0; zeros]).unwrap();
        let packed = packed.finish().unwrap();
        let (_, about) = first(&packed, "archive");
        let told = about.get("truncated").is_some();
        assert_eq!(told, is_cut, "{zeros} zeros of {} bytes: {about}", packed.len());
    }
}

/// The checksum of so many letters x.
fn flate2_crc(count: usize) -> Vec<u8> {
    let mut sum = u32::MAX;
    for _ in 0..count {
        sum ^= u32::from(b'x');
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    (!sum).to_le_bytes().to_vec()
}

#[test]
fn a_rar_is_listed_from_its_headers() {
    // Version 5: signature, main header, one file of 5 bytes stored, the end.
    let mut rar = b"Rar!\x1a\x07\x01\0".to_vec();
    let mut block = |body: &[u8], data: &[u8]| {
        rar.extend([0; 4]);
        rar.push(u8::try_from(body.len()).unwrap());
        rar.extend(body);
        rar.extend(data);
    };
    block(&[1, 0, 0], b"");
    let mut file = vec![2, 2, 5, 0, 5, 0x20, 0, 1, 5];
    file.extend(b"a.txt");
    block(&file, b"hello");
    block(&[5, 0, 0], b"");
    let (_, about) = first(&rar, "archive");
    assert_eq!(about["format"], "RAR");
    assert_eq!(about["entries"][0]["name"], "a.txt");
    assert_eq!(about["entries"][0]["size"], 5);
}
