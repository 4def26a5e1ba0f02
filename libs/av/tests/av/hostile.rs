//! Playlists, scripts and descriptions that make FFmpeg open other things, under innocent names;
//! and films with bits turned over.

use std::net::TcpListener;

use domain::limits::Limits;
use filetype::{Filetype, Kind};

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
