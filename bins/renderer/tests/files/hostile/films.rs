//! Films that lie, and playlists that ask a player to open something else.

use super::bits::{atom, be32, ebml, le16, le32, riff};
use super::{Body, Cases, Lures};

pub(super) fn add(cases: &mut Cases, lures: &Lures) {
    playlists(cases, lures);
    boxes(cases.of("mp4"));
    matroska(cases.of("mkv"));
    streams(cases);
}

/// What a list may point at: the lures by every scheme a player knows.
pub(super) fn targets(lures: &Lures) -> Vec<String> {
    let Lures { folder, address } = lures;
    vec![
        format!("{folder}/lure.txt"),
        format!("file://{folder}/lure.ts"),
        format!("file:{folder}/lure.png"),
        format!("http://{address}/lure.ts"),
        format!("https://{address}/lure.ts"),
        format!("tcp://{address}"),
        format!("udp://{address}"),
        format!("rtp://{address}"),
        format!("rtmp://{address}/live"),
        format!("ftp://{address}/lure"),
        format!("gopher://{address}/_lure"),
        format!("concat:{folder}/lure.txt|{folder}/lure.ts"),
        format!("subfile,,start,0,end,9,,:{folder}/lure.txt"),
        format!("crypto:file://{folder}/lure.ts"),
        format!("async:cache:file:{folder}/lure.ts"),
        "data:video/mp2t;base64,R0AAEA==".to_owned(),
        "pipe:0".to_owned(),
        "/dev/stdin".to_owned(),
        "/proc/self/environ".to_owned(),
        "../../../../etc/passwd".to_owned(),
    ]
}

fn playlists(cases: &mut Cases, lures: &Lures) {
    for target in targets(lures) {
        for (kind, body) in [
            (
                "hls",
                format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n"),
            ),
            (
                "hls key",
                format!(
                    "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"{target}\"\n#EXTINF:5,\n{target}\n"
                ),
            ),
            (
                "hls map",
                format!(
                    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MAP:URI=\"{target}\"\n#EXTINF:5,\n{target}\n"
                ),
            ),
            ("hls of hls", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n")),
            ("ffconcat", format!("ffconcat version 1.0\nfile '{target}'\nduration 5\n")),
            (
                "dash",
                format!(
                    "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
                 mediaPresentationDuration=\"PT5S\"><BaseURL>{target}</BaseURL><Period><AdaptationSet \
                 mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>{target}</BaseURL>\
                 <SegmentList><Initialization sourceURL=\"{target}\"/><SegmentURL media=\"{target}\"/>\
                 </SegmentList></Representation></AdaptationSet></Period></MPD>"
                ),
            ),
            (
                "sdp",
                format!(
                    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{target}\n\
                 m=video 5004 RTP/AVP 33\n"
                ),
            ),
            ("pls", format!("[playlist]\nFile1={target}\nNumberOfEntries=1\nVersion=2\n")),
            ("asx", format!("<asx version=\"3\"><entry><ref href=\"{target}\"/></entry></asx>")),
            ("smil", format!("<smil><body><video src=\"{target}\"/></body></smil>")),
            (
                "xspf",
                format!(
                    "<?xml version=\"1.0\"?><playlist xmlns=\"http://xspf.org/ns/0/\"><trackList><track>\
                 <location>{target}</location></track></trackList></playlist>"
                ),
            ),
            (
                "mvg",
                format!(
                    "push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 0,0 '{target}'\npop graphic-context\n"
                ),
            ),
            (
                "msl",
                format!(
                    "<?xml version=\"1.0\"?><image><read filename=\"{target}\"/><write filename=\"x.png\"/></image>"
                ),
            ),
            ("avisynth", format!("AviSource(\"{target}\")\n")),
        ] {
            cases.of(kind).add(&target, body.clone().into_bytes());
            // The same behind bytes that make it look like a film or a picture.
            if matches!(kind, "hls" | "ffconcat" | "sdp") {
                for (disguise, front) in [
                    ("an mp4", atom(b"ftyp", b"isom\0\0\0\0isom")),
                    ("a gif", b"GIF89a\x01\0\x01\0\0\0\0\n".to_vec()),
                    ("an mp3", b"ID3\x04\0\0\0\0\0\0\n".to_vec()),
                ] {
                    cases.add(
                        format!("{target} as {disguise}"),
                        [&front[..], body.as_bytes()].concat(),
                    );
                }
            }
        }
    }
    let Lures { folder, address } = lures;
    for name in ["%d", "%03d.png", "*.png", "lure%02d.jpg", "../%d"] {
        cases.of("image2").add(name, format!("{folder}/{name}\n").into_bytes());
    }
    for port in [5_004, 0, 65_535] {
        let body = format!(
            "SDP\nv=0\nc=IN IP4 0.0.0.0\nm=audio {port} RTP/AVP 0\nm=video {port} RTP/AVP 96\n"
        );
        cases.of("sdp").add(format!("port {port}"), body.into_bytes());
    }
    let reference = |kind: &[u8; 4], target: &str| {
        let alias =
            [&[0, 0, 0, 0][..], kind, &be32(target.len() as u32), target.as_bytes()].concat();
        let rdrf = atom(b"rmra", &atom(b"rmda", &atom(b"rdrf", &alias)));
        [atom(b"ftyp", b"qt  \0\0\0\0qt  "), atom(b"moov", &rdrf)].concat()
    };
    for target in targets(lures) {
        cases.of("mov").add(format!("refers to {target}"), reference(b"url ", &target));
        let entry = atom(b"url ", &[&[0, 0, 0, 0][..], target.as_bytes(), &[0]].concat());
        let data = atom(b"dref", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
        let media = atom(b"mdia", &atom(b"minf", &atom(b"dinf", &data)));
        let whole =
            [atom(b"ftyp", b"isom\0\0\0\0isom"), atom(b"moov", &atom(b"trak", &media))].concat();
        cases.of("mp4").add(format!("keeps its data at {target}"), whole);
    }
    let endless = format!("#EXTM3U\n#EXTINF:5,\nhttp://{address}/");
    cases.of("hls").add(
        "a line of a gigabyte",
        Body {
            head: endless.into_bytes(),
            pattern: b"a".to_vec(),
            middle_bytes: 1 << 30,
            tail: b"\n".to_vec(),
        },
    );
}

fn full(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    atom(kind, &[&[0; 4][..], body].concat())
}

fn boxes(cases: &mut Cases) {
    let file_type = atom(b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41");
    for depth in [10, 100, 1_000, 20_000] {
        for kind in [b"moov", b"trak", b"udta", b"meta"] {
            let mut nested = Vec::new();
            // From outside in, by size alone, so that it is made in one pass.
            for left in (1..=depth).rev() {
                nested.extend(be32(left * 8));
                nested.extend(if left == depth { b"moov" } else { kind });
            }
            cases.add(
                format!("{depth} times {} in itself", kind.escape_ascii()),
                [&file_type[..], &nested].concat(),
            );
        }
    }
    for kind in [b"moov", b"mdat", b"free", b"ftyp", b"moof", b"sidx", b"uuid", b"wide", b"skip"] {
        for size in [0u32, 1, 2, 7, 8, 9, 0x7fff_ffff, u32::MAX] {
            let lying = [&be32(size)[..], kind, &[0xff; 24]].concat();
            let named = format!("{} of size {size}", kind.escape_ascii());
            cases.add(named, [&file_type[..], &lying].concat());
        }
    }
    let tracks = |table: Vec<u8>| {
        let header = full(b"tkhd", &[&[0; 16][..], &[0; 60]].concat());
        let sample = full(
            b"stsd",
            &[be32(1).to_vec(), atom(b"avc1", &[&[0; 24][..], &[255; 4], &[0; 50]].concat())]
                .concat(),
        );
        let samples = atom(b"stbl", &[sample, table].concat());
        let media = [
            full(b"mdhd", &[&[0; 8][..], &be32(1_000), &be32(9_000), &[0; 4]].concat()),
            full(b"hdlr", b"\0\0\0\0vide\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            atom(b"minf", &samples),
        ];
        let track = atom(b"trak", &[header, atom(b"mdia", &media.concat())].concat());
        let movie = full(b"mvhd", &[&[0; 8][..], &be32(1_000), &be32(u32::MAX), &[0; 80]].concat());
        [file_type.clone(), atom(b"moov", &[movie, track].concat()), atom(b"mdat", &[0; 64])]
            .concat()
    };
    for kind in
        [b"stts", b"stsc", b"stco", b"co64", b"stss", b"ctts", b"stsz", b"sbgp", b"elst", b"saiz"]
    {
        for count in [u32::MAX, 0x7fff_ffff, 0x1000_0000, 100_000] {
            let table = full(kind, &[&be32(count)[..], &be32(count), &[255; 48]].concat());
            cases.add(format!("{} of {count} entries", kind.escape_ascii()), tracks(table));
        }
    }
    for count in [100, 5_000, 50_000] {
        let track = atom(b"trak", &atom(b"mdia", &[]));
        let whole = [&file_type[..], &atom(b"moov", &track.repeat(count))].concat();
        cases.add(format!("{count} tracks"), whole);
    }
    let text = atom(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0][..], &vec![b'T'; 4 << 20]].concat());
    let tags = atom(b"udta", &full(b"meta", &atom(b"ilst", &atom(b"\xa9nam", &text))));
    cases.add("a title of 4 MiB", [&file_type[..], &atom(b"moov", &tags)].concat());
    let fragment =
        atom(b"moof", &atom(b"traf", &full(b"trun", &[&be32(u32::MAX)[..], &[255; 16]].concat())));
    cases.add("fragments without end", [&file_type[..], &fragment.repeat(4_000)].concat());
    cases.add(
        "four gigabytes of nothing before its index",
        Body {
            head: [&file_type[..], &be32(1), b"mdat", &(1u64 << 32).to_be_bytes()].concat(),
            pattern: vec![0],
            middle_bytes: (1 << 32) - 16,
            tail: tracks(Vec::new()),
        },
    );
}

fn matroska(cases: &mut Cases) {
    let header = |kind: &[u8]| {
        ebml(b"\x1a\x45\xdf\xa3", &[ebml(b"\x42\x82", kind), ebml(b"\x42\x87", &[4])].concat())
    };
    let segment = |body: &[u8]| [header(b"matroska"), ebml(b"\x18\x53\x80\x67", body)].concat();
    for depth in [5, 50, 500, 5_000] {
        for (what, id) in [
            ("tags", b"\x12\x54\xc3\x67"),
            ("chapters", b"\x10\x43\xa7\x70"),
            ("segments", b"\x18\x53\x80\x67"),
        ] {
            let mut nested = Vec::new();
            for left in (1..=depth as u64).rev() {
                nested.extend(id);
                nested.extend(((1u64 << 56) | ((left - 1) * 12)).to_be_bytes());
            }
            cases.add(format!("{depth} {what} in each other"), segment(&nested));
        }
    }
    for (what, length) in [
        ("unknown", &[0xff][..]),
        ("of 2^56", &[0x01, 255, 255, 255, 255, 255, 255, 254]),
        ("without a width", &[0]),
        ("of 2 GiB", &[0x08, 0x7f, 255, 255, 255]),
    ] {
        for id in [
            &b"\x18\x53\x80\x67"[..],
            b"\x16\x54\xae\x6b",
            b"\x1f\x43\xb6\x75",
            b"\x19\x41\xa4\x69",
            b"\xec",
            b"\x1c\x53\xbb\x6b",
        ] {
            let body = [id, length, &[0x80; 40]].concat();
            cases.add(format!("{} {what}", id.escape_ascii()), segment(&body));
        }
    }
    let video = |width: u32, height: u32, codec: &[u8]| {
        let edges = [ebml(b"\xb0", &be32(width)), ebml(b"\xba", &be32(height))].concat();
        let track =
            [ebml(b"\xd7", &[1]), ebml(b"\x83", &[1]), ebml(b"\x86", codec), ebml(b"\xe0", &edges)];
        let tracks = ebml(b"\x16\x54\xae\x6b", &ebml(b"\xae", &track.concat()));
        let block = ebml(b"\xa3", &[&[0x81, 0, 0, 0x80][..], &[0x5a; 300]].concat());
        let cluster = ebml(b"\x1f\x43\xb6\x75", &[ebml(b"\xe7", &[0]), block.repeat(20)].concat());
        segment(&[tracks, cluster].concat())
    };
    for (width, height) in [(0, 0), (1, u32::MAX), (65_535, 65_535), (100_000, 100_000), (320, 200)]
    {
        for codec in [
            "V_VP8",
            "V_VP9",
            "V_AV1",
            "V_MPEG4/ISO/AVC",
            "V_MPEGH/ISO/HEVC",
            "V_UNCOMPRESSED",
            "V_MS/VFW/FOURCC",
        ] {
            cases.add(
                format!("{codec} of {width}x{height}"),
                video(width, height, codec.as_bytes()),
            );
        }
    }
    for name in ["webm", "", "\u{0}", "hls", "concat"] {
        cases.add(format!("of kind {name:?}"), [header(name.as_bytes()), vec![0; 50]].concat());
    }
    let attachment = [
        ebml(b"\x46\x6e", b"../../../../etc/cron.d/x"),
        ebml(b"\x46\x60", b"font/ttf"),
        ebml(b"\x46\x5c", &[0; 50]),
    ];
    cases.add(
        "an attachment with a path",
        segment(&ebml(b"\x19\x41\xa4\x69", &ebml(b"\x61\xa7", &attachment.concat()))),
    );
    cases.add(
        "a thousand tracks",
        segment(&ebml(b"\x16\x54\xae\x6b", &ebml(b"\xae", &ebml(b"\xd7", &[1])).repeat(1_000))),
    );
}

fn streams(cases: &mut Cases) {
    let list = |kind: &[u8; 4], body: &[u8]| riff(b"LIST", &[kind, body].concat());
    for (width, height) in [(0, 0), (u32::MAX, 1), (65_536, 65_536), (0x8000_0000, 0x8000_0000)] {
        for codec in [b"MJPG", b"H264", b"CRAM", b"DIB ", b"FFV1"] {
            let main = [
                le32(1),
                le32(0),
                le32(0),
                le32(0),
                le32(u32::MAX),
                le32(0),
                le32(1),
                le32(0),
                le32(width),
                le32(height),
            ]
            .concat();
            let stream = [&b"vids"[..], codec, &[0; 12], &le32(0), &le32(0), &[255; 24]].concat();
            let format = [
                &le32(40)[..],
                &le32(width),
                &le32(height),
                &le16(1),
                &le16(24),
                codec,
                &[255; 20],
            ]
            .concat();
            let streams = list(b"strl", &[riff(b"strh", &stream), riff(b"strf", &format)].concat());
            let head = list(b"hdrl", &[riff(b"avih", &main), streams].concat());
            let data = list(b"movi", &riff(b"00dc", &[0; 40]).repeat(10));
            let body = riff(b"RIFF", &[&b"AVI "[..], &head, &data].concat());
            cases.of("avi").add(format!("{} of {width}x{height}", codec.escape_ascii()), body);
        }
    }
    let nested = (0..2_000).fold(Vec::new(), |inner: Vec<u8>, _| {
        if inner.len() > 60_000 { inner } else { list(b"hdrl", &inner) }
    });
    cases.of("avi").add("lists in lists", riff(b"RIFF", &[&b"AVI "[..], &nested].concat()));
    let index = riff(b"idx1", &[&b"00dc"[..], &[255; 12]].concat().repeat(9_000));
    cases.of("avi").add(
        "an index of 2^32 places",
        riff(b"RIFF", &[&b"AVI "[..], &list(b"movi", &[]), &index].concat()),
    );
    for (what, tag) in [("script", 18u8), ("sound", 8), ("film", 9), ("nothing", 77)] {
        for size in [0u32, 0xff_ffff] {
            let lying =
                [&[tag][..], &be32(size)[1..], &[0; 7], &[2, 0, 10, b'o', b'n', 255, 255, 255]]
                    .concat();
            let body = [&b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..], &lying.repeat(50)].concat();
            cases.of("flv").add(format!("{what} of {size} bytes"), body);
        }
    }
    let mut amf =
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x12\x00\xff\xff\0\0\0\0\0\0\0\x02\0\x0aonMetaData".to_vec();
    amf.extend(b"\x03\0\x01a".repeat(12_000));
    cases.of("flv").add("objects in objects", amf);
    let packet = |pid: u16, body: &[u8]| {
        let mut packet = vec![0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x10];
        packet.extend(body);
        packet.resize(188, 0xff);
        packet
    };
    let table = packet(0, &[0, 0, 0xb0, 0xff, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0, 0x10]);
    for (what, body) in [
        (
            "a map that names itself",
            [
                table.clone(),
                packet(16, &[0, 2, 0xb3, 0xff, 0, 1, 0xc1, 0, 0, 0xe0, 0x10, 0xff, 0xff]),
            ]
            .concat(),
        ),
        (
            "5000 programmes",
            (0..5_000u16)
                .flat_map(|index| packet(index, &[0, 2, 0xb0, 0x20, index as u8, 1, 0xc1, 0, 0]))
                .collect(),
        ),
        ("sync bytes alone", vec![0x47; 200_000]),
        ("packets of 192 bytes", [&[0; 4][..], &table].concat().repeat(100)),
    ] {
        cases.of("mpegts").add(what, body);
    }
    for size in [0u16, 1, 7, 0xffff] {
        let pack = [
            &b"\0\0\x01\xba\x44\0\x04\0\x04\x01\0\0\x03\xf8"[..],
            b"\0\0\x01\xe0",
            &size.to_be_bytes(),
            &[0xff; 40],
        ]
        .concat();
        cases.of("mpegps").add(format!("packets of {size}"), pack.repeat(300));
    }
    let guid = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
    for size in [0u64, 24, 1 << 40, u64::MAX] {
        for count in [0, u32::MAX] {
            let body =
                [&guid[..], &size.to_le_bytes(), &le32(count), &[1, 2], &[0xa1; 400]].concat();
            cases.of("asf").add(format!("{count} objects in {size}"), body);
        }
    }
    let key = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\0";
    for length in [
        &[0x83, 0xff, 0xff, 0xff][..],
        &[0x88, 255, 255, 255, 255, 255, 255, 255, 255],
        &[0x80],
        &[0],
    ] {
        let body = [&key[..], length, &[0; 90]].concat();
        cases.of("mxf").add(format!("a partition of {}", length.escape_ascii()), body.repeat(30));
    }
}
