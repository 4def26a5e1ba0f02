//! Kinds are told by bytes alone, however short, damaged or misleading they are.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that slips fails, as it should"
)]

use filetype::{Filetype, HEAD_BYTES, Kind, identify, sniff};
use proptest::prelude::*;

/// What the bytes are, with all of them at hand.
fn of(bytes: &[u8]) -> Filetype {
    let read = |offset: u64, buffer: &mut [u8]| {
        let rest = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok::<_, std::convert::Infallible>(count)
    };
    let Ok(found) = identify(bytes.len() as u64, read);
    found
}

fn each(table: &[(&[u8], &str)]) {
    for (bytes, media_type) in table {
        assert_eq!(of(bytes).media_type, *media_type, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(sniff(bytes).media_type, *media_type, "by its head");
    }
}

/// A zip archive of stored files.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let offset = u32::try_from(archive.len()).unwrap();
        let length = u32::try_from(bytes.len()).unwrap();
        let name_bytes = u16::try_from(name.len()).unwrap();
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend(length.to_le_bytes());
        common.extend(length.to_le_bytes());
        common.extend(name_bytes.to_le_bytes());
        common.extend([0, 0]);
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (offset, count) = (archive.len(), u16::try_from(files.len()).unwrap());
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    archive.extend(u32::try_from(offset).unwrap().to_le_bytes());
    archive.extend([0, 0]);
    archive
}

#[test]
fn pictures_and_films_are_told_by_their_magic() {
    each(&[
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/x-wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "audio/x-wav"),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
        (b"FORM\0\0\0\0AIFCFVER", "audio/x-aiff"),
        (b"FORM\0\0\0\0ILBMBMHD", "image/x-ilbm"),
        (b"II*\0\x08\0\0\0", "image/tiff"),
        (b"II*\0\x10\0\0\0CR\x02\0", "image/x-canon-cr2"),
        (b"IIRO\x08\0\0\0", "image/x-olympus-orf"),
        (b"FUJIFILMCCD-RAW 0201", "image/x-fuji-raf"),
        (b"IIU\0\x08\0\0\0", "image/x-panasonic-rw2"),
        (b"P6\n# made\n2 2\n255\n", "image/x-portable-pixmap"),
        (b"P7\nWIDTH 2\n", "image/x-portable-arbitrarymap"),
        (b"#?RADIANCE\n", "image/vnd.radiance"),
        (b"\xff\x0a\x10\x20", "image/jxl"),
        (
            b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0",
            "image/vnd.microsoft.icon",
        ),
        (b"8BPS\0\x02\0\0", "image/vnd.adobe.photoshop"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "image/avif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "image/heic"),
        (b"\0\0\0\x14ftypcrx \0\0\0\x01crx ", "image/x-canon-cr3"),
        (b"\0\0\0\x14ftypM4A \0\0\0\0M4A ", "audio/mp4"),
        (b"\0\0\0\x14ftyp3gp5\0\0\0\x003gp5", "video/3gpp"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", "video/x-matroska"),
        (b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead", "audio/ogg"),
        (b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13\x80theora", "video/ogg"),
        (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\0", "application/mxf"),
        (b"caff\0\x01\0\0", "audio/x-caf"),
        (b"#!AMR\n\x3c", "audio/amr"),
    ]);
}

#[test]
fn sound_without_a_header_is_told_by_several_frames_in_a_row() {
    let mut mp3 = Vec::new();
    let mut aac = Vec::new();
    let mut ac3 = Vec::new();
    for _ in 0..5 {
        mp3.extend(b"\xff\xfb\x90\x64");
        mp3.resize(mp3.len() + 413, 0);
        aac.extend(b"\xff\xf1\x50\x80\x02\x1f\xfc");
        aac.resize(aac.len() + 9, 7);
        ac3.extend(b"\x0b\x77\0\0\0\x40");
        ac3.resize(ac3.len() + 122, 3);
    }
    assert_eq!(of(&mp3).media_type, "audio/mpeg");
    assert_eq!(of(&aac).media_type, "audio/aac");
    assert_eq!(of(&ac3).media_type, "audio/ac3");
    assert_eq!(of(&mp3[..500]).kind, Kind::Unknown, "one frame is an accident");
    let mut tagged = b"ID3\x04\0\0\0\0\0\x04abcd".to_vec();
    tagged.extend(&aac);
    assert_eq!(of(&tagged).media_type, "audio/aac", "behind a tag");
    for (magic, media_type) in [
        (b"fLaC", "audio/flac"),
        (b"TTA1", "audio/x-tta"),
        (b"MAC ", "audio/x-ape"),
        (b"wvpk", "audio/x-wavpack"),
        (b"MPCK", "audio/x-musepack"),
        (b"\0\0\0\0", "audio/mpeg"),
    ] {
        let tagged = [b"ID3\x04\0\0\0\0\0\x04abcd", &magic[..], &[9; 64]].concat();
        assert_eq!(of(&tagged).media_type, media_type, "behind a tag");
    }
    let mut packets = Vec::new();
    for _ in 0..4 {
        packets.extend(b"\x47\x40\0\x10");
        packets.resize(packets.len() + 184, 0xff);
    }
    assert_eq!(of(&packets).media_type, "video/mp2t");
}

#[test]
fn zip_archives_are_told_by_what_is_in_them() {
    let docx = b"<Types><Override ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let dotm = b"<Types><Override ContentType=\"application/vnd.ms-word.template.macroEnabledTemplate.main+xml\"/></Types>";
    let ods = b"application/vnd.oasis.opendocument.spreadsheet";
    // Longer than a head, so that only the directory tells.
    let long = vec![b'x'; HEAD_BYTES * 2];
    for (files, extension, kind) in [
        (vec![("a.txt", &b"a"[..])], "zip", Kind::Archive),
        (vec![("[Content_Types].xml", &docx[..])], "docx", Kind::Office),
        (vec![("[Content_Types].xml", &dotm[..])], "dotm", Kind::Office),
        (vec![("long", &long[..]), ("[Content_Types].xml", &docx[..])], "docx", Kind::Office),
        (vec![("long", &long[..]), ("xl/workbook.xml", b"")], "xlsx", Kind::Office),
        (vec![("mimetype", &ods[..]), ("content.xml", b"")], "ods", Kind::Office),
        (vec![("mimetype", b"application/epub+zip")], "epub", Kind::Epub),
        (
            vec![("document.json", b""), ("meta.json", b""), ("pages/1.json", b"")],
            "sketch",
            Kind::Sketch,
        ),
        (vec![("META-INF/MANIFEST.MF", b"")], "jar", Kind::Archive),
        (vec![("AndroidManifest.xml", b""), ("META-INF/MANIFEST.MF", b"")], "apk", Kind::Archive),
    ] {
        let found = of(&zip(&files));
        assert_eq!((found.extension, found.kind), (extension, kind));
    }
}

#[test]
fn texts_are_told_by_encoding() {
    for (bytes, encoding) in [
        (&b"plain words"[..], "us-ascii"),
        ("Gr\u{fc}\u{df}e".as_bytes(), "utf-8"),
        (b"\xef\xbb\xbfwords", "utf-8"),
        (b"\xff\xfeh\0i\0", "utf-16le"),
        (b"\xfe\xff\0h\0i", "utf-16be"),
        (b"h\0e\0l\0l\0o\0 \0", "utf-16le"),
        (b"Gr\xfc\xdfe aus Wien", "iso-8859-1"),
        (b"\x93quoted\x94 by Windows", "unknown-8bit"),
        (b"\x01\x02\x03", "binary"),
        (b"", "binary"),
    ] {
        assert_eq!(of(bytes).encoding, encoding, "{bytes:?}");
    }
}

#[test]
fn texts_are_told_by_what_they_are_about() {
    each(&[
        (b"BMW is a maker of cars, this is text", "text/plain"),
        (b"MAC addresses are six bytes long.", "text/plain"),
        (b"#EXTM3U\n/etc/passwd", "audio/x-mpegurl"),
        (b"<?xml version='1.0'?><svg/>", "image/svg+xml"),
        (b"<?xml version='1.0'?>\n<!-- c --><!DOCTYPE svg [ <!ENTITY a \"b\"> ]>\n<svg:svg xmlns:svg='s'/>", "image/svg+xml"),
        (b"<!DOCTYPE html><title>t</title>", "text/html"),
        (b"<html><body>", "text/html"),
        (b"<?xml version='1.0'?><note/>", "text/xml"),
        (b"<?xml version='1.0'?><rss version='2.0'/>", "application/rss+xml"),
        (b"{\\rtf1 a}", "text/rtf"),
        (b"{\"a\": [1, 2, {\"b\": null}]}", "application/json"),
        (b"{\"a\": 1}\n{\"a\": 2}\n", "application/x-ndjson"),
        (b"{not json}", "text/plain"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "text/csv"),
        (b"name;town\n\"Li, Bo\";Wien\nAda;London\n", "text/csv"),
        (b"a\tb\n1\t2\n3\t4\n", "text/tab-separated-values"),
        (b"First, this.\nThen, that.\nWell, no, never.\n", "text/plain"),
        (b"# Title\n\nSome words and some more of them here.\n\n- one\n- two\n\n```sh\nls\n```\n", "text/markdown"),
        (b"From: a@b.c\r\nTo: d@e.f\r\nSubject: hello\r\nDate: now\r\n\r\nbody", "message/rfc822"),
        (b"Received: by x\n\twith y\nFrom: a\nSubject: b\n\nbody", "message/rfc822"),
        (b"Note: this\nTo: be or not\n\nis no mail", "text/plain"),
        (b"#!/usr/bin/env python3\nprint(1)\n", "text/x-python"),
        (b"#!/bin/sh -e\nls\n", "text/x-shellscript"),
        (b"use std::io;\n\nfn main() {\n    let mut a = 1;\n    println!(\"{a}\");\n}\n", "text/x-rust"),
        (b"#include <stdio.h>\n\nint main(void) {\n    printf(\"hi\");\n    return 0;\n}\n", "text/x-c"),
        (b"[package]\nname = \"a\"\nversion = \"1\"\n", "application/toml"),
        (b"diff --git a/x b/x\n", "text/x-diff"),
    ]);
}

#[test]
fn junk_before_a_pdf_does_not_hide_it_and_words_about_one_make_none() {
    each(&[
        (b"%PDF-1.7\n1 0 obj", "application/pdf"),
        (b"\x1b%-12345X@PJL\n%PDF-1.4\n1 0 obj", "application/pdf"),
        (b"A file that begins with %PDF-1 is a PDF.", "text/plain"),
    ]);
}

#[test]
fn a_failing_source_is_an_error() {
    let mut archive = zip(&[("a", &vec![0; HEAD_BYTES * 2])]);
    archive.truncate(HEAD_BYTES + 10);
    let read = |offset: u64, buffer: &mut [u8]| {
        if offset > 0 {
            return Err("broken");
        }
        buffer.copy_from_slice(&archive[..buffer.len()]);
        Ok(buffer.len())
    };
    assert_eq!(identify(1 << 40, read), Err("broken"));
}

#[test]
fn a_directory_that_lies_costs_little() {
    // A gigabyte of directory, by its own account, and a chain of sectors that bites its tail.
    let mut archive = zip(&[("a", b"a")]);
    let end = archive.len() - 22;
    archive[end + 12..end + 16].copy_from_slice(&0x4000_0000_u32.to_le_bytes());
    assert_eq!(of(&archive).media_type, "application/zip");
    let mut ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    ole.resize(1_536, 0);
    ole[30] = 9;
    assert_eq!(of(&ole).media_type, "application/x-ole-storage");
}

const MAGICS: &[&[u8]] = &[
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"II*\0",
    b"MM\0*",
    b"OggS\0\x02",
    b"\x1a\x45\xdf\xa3",
    b"ID3",
    b"\xff\xfb\x90",
    b"\x0b\x77",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\x1f\x8b\x08\x04",
    b"{[\"",
    b"<?xml <!DOCTYPE [",
    b"#!",
    b"P6\n",
    b"\0\0\0\x18ftyp",
    b"RIFF1234",
    b"\xff\xfe",
    b"%PDF-",
    b"\"a\",\"",
    b"From: a\n",
];

proptest! {
    #[test]
    fn nothing_panics(magic in prop::sample::select(MAGICS), rest in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let bytes = [magic, &rest].concat();
        of(&bytes);
        let _by_head = sniff(&bytes);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}(\n\\PC{0,80}){0,5}") {
        of(text.as_bytes());
    }

    #[test]
    fn a_zip_with_any_byte_changed_is_looked_at(at in 0_usize..200, to in any::<u8>()) {
        let mut archive = zip(&[("mimetype", b"application/epub+zip"), ("[Content_Types].xml", b"x")]);
        let at = at % archive.len();
        archive[at] = to;
        of(&archive);
    }
}
