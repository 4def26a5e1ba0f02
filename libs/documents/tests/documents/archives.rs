//! Archives: what is listed, what is marked.

use std::io::Write as _;

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
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut entry = header.to_vec();
    entry.extend(data);
    entry.resize(entry.len().div_ceil(512) * 512, 0);
    entry
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
