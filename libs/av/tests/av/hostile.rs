//! Playlists, scripts and descriptions that make FFmpeg open other things, under innocent names;
//! and films with bits turned over.

use std::net::TcpListener;

use domain::limits::Limits;
use filetype::{Filetype, Kind};
use stills::Error;

use crate::kit::{draw, draw_as, wish};
use crate::made::media;

#[test]
fn a_body_that_names_other_files_opens_none() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listener.set_nonblocking(true).expect("set");
    let port = listener.local_addr().expect("address").port();
    let folder = tempfile::tempdir().expect("a folder");
    let canary = folder.path().join("canary.mp4");
    let film =
        media("short.mp4", "-f lavfi -i testsrc2=s=320x180:d=1 -c:v libx264 -preset veryfast");
    std::fs::write(&canary, &film).expect("write");
    let path = canary.display();
    let bodies = [
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n"),
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n"),
        format!(
            "#EXTM3U\n#EXTINF:1,\nconcat:{path}|{path}\n#EXTINF:1,\nsubfile,,start,0,end,9,,:{path}\n"
        ),
        format!("ffconcat version 1.0\nfile '{path}'\nduration 1\n"),
        format!("ffconcat version 1.0\nfile http://127.0.0.1:{port}/a.mp4\n"),
        format!(
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
        ),
        format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period><BaseURL>file://{path}</BaseURL></Period></MPD>"
        ),
        format!("[playlist]\nFile1={path}\n"),
    ];
    for body in bodies {
        let outcome = draw(body.as_bytes(), &wish("64"));
        assert!(outcome.is_err(), "{body}");
        for media_type in [
            "video/mp4",
            "video/x-matroska",
            "video/mp2t",
            "video/x-msvideo",
            "video/mpeg",
            "audio/mpeg",
            "audio/x-wav",
            "application/ogg",
            "video/x-flv",
            "video/unheard-of",
        ] {
            let filetype =
                Filetype { media_type, extension: "mp4", encoding: "binary", kind: Kind::Film };
            let outcome = draw_as(&filetype, body.as_bytes(), &wish("64"), &Limits::default());
            assert!(outcome.is_err(), "{media_type}: {body}");
        }
    }
    assert!(listener.accept().is_err(), "something knocked");
}

#[test]
fn films_with_bytes_changed_end_one_way_or_the_other() {
    let limits = Limits { frames: 500, ..Limits::default() };
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let source = "-f lavfi -i testsrc2=s=160x90:d=1 -f lavfi -i sine=d=1";
    for (name, codecs) in [
        ("tiny.mp4", "-c:v libx264 -preset veryfast -g 10 -c:a aac"),
        ("tiny.mkv", "-c:v libx265 -preset ultrafast -x265-params log-level=0 -c:a libopus"),
        ("tiny.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libvorbis"),
        ("tiny.avi", "-c:v mpeg4 -c:a libmp3lame"),
        ("tiny.ts", "-c:v mpeg2video -c:a mp2"),
        ("tiny.ogv", "-c:v libtheora -c:a libvorbis"),
        ("tiny.flv", "-c:v flv -c:a libmp3lame -ar 44100"),
    ] {
        let whole = media(name, &format!("{source} {codecs}"));
        let filetype = filetype::sniff(&whole[..whole.len().min(filetype::HEAD_BYTES)]);
        for round in 0..25 {
            let mut bytes = whole.clone();
            let length = bytes.len() as u64;
            for _ in 0..1 << (round % 8) {
                // Half of them where headers are.
                let most = if round % 2 == 0 { length.min(2_000) } else { length };
                let at = usize::try_from(random() % most).expect("an index");
                bytes[at] = u8::try_from(random() % 256).expect("a byte");
            }
            if round % 5 == 4 {
                bytes.truncate(usize::try_from(random() % length).expect("an index").max(1));
            }
            // It comes back: with a picture, or with a reason.
            if let Err(error) = draw_as(&filetype, &bytes, &wish("64"), &limits) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).expect("a size");
    [&size.to_be_bytes()[..], kind, body].concat()
}

/// A table of an MP4: version and flags, then these numbers.
fn table(kind: &[u8; 4], flags: u32, numbers: &[u32]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
    atom(kind, &flags.to_be_bytes().into_iter().chain(numbers).collect::<Vec<u8>>())
}

/// An MP4 of one film track whose tables are these, with so many edits that each take all of it.
fn mp4(tables: &[Vec<u8>], edits: u32) -> Vec<u8> {
    fragmented(tables, edits, &[])
}

fn fragmented(tables: &[Vec<u8>], edits: u32, fragment: &[u8]) -> Vec<u8> {
    let sample = atom(b"avc1", &[&[0; 24][..], &[0, 64, 0, 64], &[0; 50]].concat());
    let sample = atom(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &sample].concat());
    let tables = atom(b"stbl", &[sample, tables.concat()].concat());
    let edit = [9_000, 0, 0x0001_0000].repeat(edits as usize);
    let track = [
        table(b"tkhd", 7, &[0; 20]),
        atom(b"edts", &table(b"elst", 0, &[&[edits][..], &edit].concat())),
        atom(
            b"mdia",
            &[
                table(b"mdhd", 0, &[0, 0, 1_000, 9_000, 0]),
                atom(b"hdlr", b"\0\0\0\0\0\0\0\0vide\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                atom(b"minf", &tables),
            ]
            .concat(),
        ),
    ];
    let movie = [
        table(b"mvhd", 0, &[&[0, 0, 1_000, 9_000][..], &[0; 20]].concat()),
        atom(b"trak", &track.concat()),
    ];
    let head = atom(b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41");
    [head, atom(b"moov", &movie.concat()), fragment.to_vec(), atom(b"mdat", &[0; 64 << 10])]
        .concat()
}

#[test]
fn an_index_that_claims_what_is_not_there_is_damaged_before_room_is_made_for_it() {
    let mut lying = Vec::new();
    for count in [u32::MAX, 0x7fff_ffff, 0x2000_0000, 100_000] {
        for kind in [b"stts", b"ctts", b"stsc", b"stco", b"co64", b"stss", b"stps"] {
            lying.push(mp4(&[table(kind, 0, &[count, 1, 1, 1, 1, 1])], 1));
        }
        lying.push(mp4(&[table(b"stsz", 0, &[0, count, 9, 9, 9])], 1));
        lying.push(mp4(&[table(b"stsz", 0, &[9, count])], 1));
        lying.push(mp4(&[table(b"stz2", 0, &[8, count, 0])], 1));
        lying.push(mp4(&[table(b"sbgp", 0, &[0x726f_6c6c, count, 1, 1])], 1));
        for flags in [0, 0xf05] {
            let run = table(b"trun", flags, &[count, 0, 0, 1, 1, 1, 1]);
            let track = [table(b"tfhd", 0, &[1]), run].concat();
            lying.push(fragmented(&[], 1, &atom(b"moof", &atom(b"traf", &track))));
        }
    }
    // Edits beyond their box: the count alone is changed.
    let mut edits = mp4(&[], 1);
    let at = edits.windows(4).position(|bytes| bytes == b"elst").expect("edits") + 8;
    edits[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    lying.push(edits);
    for (case, bytes) in lying.iter().enumerate() {
        let outcome = draw(bytes, &wish("64"));
        let Err(Error::Corrupt { what }) = outcome else { panic!("{case}: {outcome:?}") };
        assert!(what.contains("claims more"), "{case}: {what}");
    }
}

#[test]
fn an_index_that_would_not_fit_in_memory_is_too_long() {
    // Ten thousand samples of a byte each, which are there; and as many edits that take them all.
    let samples = [
        table(b"stts", 0, &[1, 10_000, 1]),
        table(b"stsc", 0, &[1, 1, 10_000, 1]),
        table(b"stsz", 0, &[1, 10_000]),
        table(b"stco", 0, &[1, 48]),
    ];
    let is_too_large = |edits| {
        let outcome = draw(&mp4(&samples, edits), &wish("64"));
        matches!(outcome, Err(Error::TooLong { what }) if what.contains("samples"))
    };
    assert!(is_too_large(5_000) && !is_too_large(1));
    let tracks = atom(b"moov", &atom(b"trak", &[]).repeat(129));
    let outcome = draw(&[atom(b"ftyp", b"isom\0\0\x02\0isom"), tracks].concat(), &wish("64"));
    assert!(matches!(outcome, Err(Error::TooLong { .. })), "{outcome:?}");
}

#[test]
fn sound_of_one_size_a_sample_is_looked_at_by_the_chunk_however_long() {
    let bytes = media("pcm.mov", "-f lavfi -i sine=d=30:r=48000 -c:a pcm_s16le");
    let limits = Limits { renderer_memory_bytes: 1 << 20, ..Limits::default() };
    let filetype = filetype::sniff(&bytes[..filetype::HEAD_BYTES]);
    draw_as(&filetype, &bytes, &wish("64"), &limits).expect("drawn");
}
