//! Sound that lies about its rate, its channels, its length or what comes with it.

use super::Cases;
use super::bits::{be32, le16, le32, riff};

pub(super) fn add(cases: &mut Cases) {
    for (channels, rate, bits) in [
        (0u16, 0u32, 0u16),
        (65_535, u32::MAX, 65_535),
        (1, 1, 8),
        (2, 44_100, 16),
        (8, 768_000, 64),
    ] {
        for kind in [1u16, 2, 3, 0x11, 0x55, 0xfffe] {
            let align = channels.wrapping_mul(bits / 8);
            let format = [
                &le16(kind)[..],
                &le16(channels),
                &le32(rate),
                &le32(u32::MAX),
                &le16(align),
                &le16(bits),
            ]
            .concat();
            for length in [0u32, u32::MAX] {
                let data = [&b"data"[..], &le32(length), &[0x55; 400]].concat();
                let body =
                    [&b"RIFF"[..], &le32(length), b"WAVE", &riff(b"fmt ", &format), &data].concat();
                cases.of("wav").add(
                    format!(
                        "{channels} channels of {bits} bits at {rate} by {kind}, {length} bytes"
                    ),
                    body,
                );
            }
        }
    }
    let marker = |kind: u8, last: bool, length: u32| {
        [&[kind | u8::from(last) << 7][..], &be32(length)[1..]].concat()
    };
    for (what, body) in [
        ("a header of 16 MiB", marker(0, true, 0xff_ffff)),
        (
            "a cover that claims 4 GiB",
            [marker(6, true, 40), be32(3).to_vec(), be32(u32::MAX).to_vec(), vec![0; 32]].concat(),
        ),
        (
            "2^32 comments",
            [marker(4, true, 40), le32(0).to_vec(), le32(u32::MAX).to_vec(), vec![255; 32]]
                .concat(),
        ),
        ("a seek table of noise", [marker(3, true, 180), vec![255; 180]].concat()),
        ("100000 paddings", marker(1, false, 0).repeat(100_000)),
        (
            "655350 Hz, 8 channels",
            [marker(0, true, 34), vec![0xff; 34], vec![0xff, 0xf8, 0xff, 0xff]].concat(),
        ),
    ] {
        cases.of("flac").add(what, [&b"fLaC"[..], &body].concat());
    }
    let page = |flags: u8, serial: u32, sequence: u32, segments: &[u8], body: &[u8]| {
        let head =
            [&b"OggS\0"[..], &[flags], &[255; 8], &le32(serial), &le32(sequence), &[0; 4]].concat();
        [&head[..], &[segments.len() as u8], segments, body].concat()
    };
    for (what, body) in [
        (
            "10000 streams",
            (0..10_000)
                .flat_map(|serial| page(2, serial, 0, &[7], b"\x01vorbis"))
                .collect::<Vec<u8>>(),
        ),
        ("pages of nothing", page(0, 1, 0, &[], &[]).repeat(20_000)),
        ("a packet without end", page(1, 1, 0, &[255; 255], &[0; 65_025]).repeat(30)),
        (
            "opus of 255 channels",
            page(2, 1, 0, &[19], b"OpusHead\x01\xff\0\0\0\0\0\0\0\0\xff\xff\xff"),
        ),
        (
            "theora of 65535 blocks",
            page(2, 1, 0, &[42], &[b"\x80theora\x03\x02\x01", &[0xff; 32][..]].concat()),
        ),
        (
            "comments that claim 2^32",
            [
                page(2, 1, 0, &[30], &[b"\x01vorbis", &[1; 23][..]].concat()),
                page(0, 1, 1, &[40], &[b"\x03vorbis", &[255; 33][..]].concat()),
            ]
            .concat(),
        ),
    ] {
        cases.of("ogg").add(what, body);
    }
    let frame =
        |id: &[u8; 4], length: u32, body: &[u8]| [&id[..], &be32(length), &[0, 0], body].concat();
    for (what, body) in [
        ("a tag of 256 MiB", b"ID3\x04\0\0\x7f\x7f\x7f\x7f".to_vec()),
        (
            "a cover of 4 GiB",
            [&b"ID3\x03\0\0\0\0\x10\0"[..], &frame(b"APIC", u32::MAX, b"\0image/png\0\x03\0x")]
                .concat(),
        ),
        ("tags in tags", b"ID3\x04\0\0\0\0\0\x0a".repeat(5_000)),
        (
            "an unsynchronised nothing",
            [&b"ID3\x04\0\x80\0\0\x7f\x7f"[..], &[0xff, 0].repeat(10_000)].concat(),
        ),
        (
            "a cover that is a playlist",
            [
                &b"ID3\x03\0\0\0\0\x01\x40"[..],
                &frame(b"APIC", 160, b"\0image/jpeg\0\x03\0#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"),
            ]
            .concat(),
        ),
        ("frames of free bit rate", [0xff, 0xfb, 0x00, 0x00].repeat(20_000)),
        (
            "layers that change",
            [[0xff, 0xfb, 0x90, 0x64], [0xff, 0xfd, 0x14, 0xc4], [0xff, 0xf3, 0xe8, 0x04]]
                .concat()
                .repeat(3_000),
        ),
    ] {
        cases.of("mp3").add(what, body);
    }
    let common = |channels: u16, frames: u32, bits: u16, rate: &[u8; 10]| {
        let body = [&channels.to_be_bytes()[..], &be32(frames), &bits.to_be_bytes(), rate].concat();
        [&b"FORM\xff\xff\xff\xffAIFFCOMM"[..], &be32(18), &body, b"SSND", &be32(u32::MAX), &[0; 80]]
            .concat()
    };
    for rate in [[0xff; 10], [0; 10], *b"\x40\x0e\xac\x44\0\0\0\0\0\0"] {
        for channels in [0, 1, 65_535] {
            cases.of("aiff").add(
                format!("{channels} channels at {}", rate.escape_ascii()),
                common(channels, u32::MAX, 16, &rate),
            );
        }
    }
}
