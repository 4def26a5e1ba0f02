//! Films: posters, moments, metadata, extras.

use domain::job::Role;
use domain::wish::{Extra, Format, PreviewWish};
use domain::{FailureCode, limits::Limits};
use serde_json::Value;

use crate::kit::{Pixels, at, core, draw, draw_within, extra, told, told_alone, wish};
use crate::made::{media, path, pixels, probed};

/// Four seconds of a test picture with a tone.
const SOURCE: &str = "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i sine=d=4";

/// Container and codecs: name of the file, and how its streams are encoded.
const FILMS: &[(&str, &str)] = &[
    ("h264.mp4", "-c:v libx264 -preset veryfast -g 25 -c:a aac"),
    ("hevc.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=0 -tag:v hvc1 -c:a aac"),
    (
        "ten-bits.mp4",
        "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params log-level=0 -tag:v hvc1",
    ),
    ("interlaced.mp4", "-c:v libx264 -preset veryfast -flags +ilme+ildct -c:a aac"),
    ("av1.mp4", "-c:v libsvtav1 -preset 12 -c:a aac"),
    ("h264.mov", "-c:v libx264 -preset veryfast -c:a pcm_s16le"),
    ("prores.mov", "-c:v prores_ks -c:a pcm_s16le"),
    ("h264.mkv", "-c:v libx264 -preset veryfast -g 25 -c:a flac"),
    ("ffv1.mkv", "-c:v ffv1 -c:a libmp3lame"),
    ("vp8.webm", "-c:v libvpx -b:v 500k -c:a libvorbis"),
    ("vp9.webm", "-c:v libvpx-vp9 -b:v 500k -deadline realtime -cpu-used 8 -c:a libopus"),
    ("mpeg4.avi", "-c:v mpeg4 -q:v 3 -c:a libmp3lame"),
    ("mjpeg.avi", "-c:v mjpeg -q:v 3 -c:a pcm_s16le"),
    ("mpeg2.mxf", "-c:v mpeg2video -q:v 3 -c:a pcm_s16le -ar 48000"),
    ("h264.ts", "-c:v libx264 -preset veryfast -g 25 -c:a aac"),
    ("mpeg2.mpg", "-c:v mpeg2video -q:v 3 -c:a mp2 -f vob"),
    ("wmv2.wmv", "-c:v wmv2 -q:v 3 -c:a wmav2"),
    ("h264.flv", "-c:v libx264 -preset veryfast -c:a aac"),
    ("flv1.flv", "-c:v flv -q:v 3 -c:a libmp3lame"),
    ("theora.ogv", "-c:v libtheora -q:v 7 -c:a libvorbis"),
    ("h263.3gp", "-c:v h263 -s 352x288 -q:v 3 -c:a aac"),
];

fn film(name: &str) -> Vec<u8> {
    let codecs = FILMS.iter().find(|(film, _)| *film == name).expect("in the table").1;
    media(name, &format!("{SOURCE} {codecs}"))
}

#[test]
fn every_container_and_codec_yields_a_poster_and_what_ffprobe_says() {
    for (name, codecs) in FILMS {
        let bytes = film(name);
        let outcome = draw(&bytes, &told()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(outcome.pages, 1, "{name}");
        let poster = outcome.pixels(0);
        // Red bars on the left, blue ones right of the middle.
        let [red, green, blue] = poster.mean((0.02, 0.14), (0.3, 0.9));
        assert!(red > 180.0 && green < 80.0 && blue < 80.0, "{name}: {red} {green} {blue}");
        let probed = probed(&path(name, &format!("{SOURCE} {codecs}")));
        let ours = outcome.multimedia();
        let theirs = probed["format"]["format_name"].as_str().expect("a name");
        assert_eq!(ours["format"]["format_name"], theirs, "{name}");
        let seconds = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
        let length = seconds(&ours["format"]["duration"]).expect("a length");
        let expected = seconds(&probed["format"]["duration"]).expect("a length");
        assert!((length - expected).abs() < 0.1, "{name}: {length} {expected}");
        let streams = ours["streams"].as_array().expect("streams");
        let expected = probed["streams"].as_array().expect("streams");
        assert_eq!(streams.len(), expected.len(), "{name}");
        for (ours, theirs) in streams.iter().zip(expected) {
            for key in [
                "index",
                "codec_name",
                "codec_type",
                "codec_tag_string",
                "width",
                "height",
                "pix_fmt",
                "sample_rate",
                "channels",
                "time_base",
                "color_range",
                "color_space",
                "color_transfer",
                "color_primaries",
                "profile",
            ] {
                // A decoder may know more than what is probed.
                let untold = key == "profile" && ours[key].is_null();
                if !theirs[key].is_null() && !untold {
                    assert_eq!(ours[key], theirs[key], "{name}: {key}");
                }
            }
            if theirs["codec_type"] == "video" {
                assert_eq!(ours["avg_frame_rate"], theirs["avg_frame_rate"], "{name}");
                assert_eq!(ours["r_frame_rate"], theirs["r_frame_rate"], "{name}");
            }
        }
    }
}

#[test]
fn metadata_alone_says_what_it_says_beside_a_poster_and_takes_less() {
    for (name, _) in FILMS {
        let bytes = film(name);
        let beside = draw(&bytes, &told()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let alone = draw(&bytes, &told_alone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((alone.pages, alone.kept.len()), (1, 0), "{name}");
        assert_eq!(core(alone.multimedia()), core(beside.multimedia()), "{name}");
        assert!(alone.read <= beside.read, "{name}: {} {}", alone.read, beside.read);
    }
}

#[test]
fn extras_are_made_where_no_picture_is_wished_for() {
    let wish = PreviewWish { sizes: Vec::new(), ..extra(Extra::ContactSheet) };
    let outcome = draw(&film("h264.mp4"), &wish).expect("drawn");
    let roles: Vec<Role> = outcome.kept.iter().map(|kept| kept.role).collect();
    assert_eq!(roles, [Role::ContactSheet]);
}

#[test]
fn a_moment_is_the_frame_that_is_on_screen_then() {
    let source = "-f lavfi -i nullsrc=s=64x64:r=25:d=4,geq=lum='16+2*N':cb=128:cr=128";
    for (name, codecs) in [
        ("count.mp4", "-c:v libx264 -preset veryfast -crf 4 -g 50 -pix_fmt yuv420p"),
        (
            "count.mkv",
            "-c:v libx265 -preset ultrafast -x265-params log-level=0:crf=4 -pix_fmt yuv420p",
        ),
        (
            "count.webm",
            "-c:v libvpx-vp9 -crf 4 -b:v 0 -deadline realtime -cpu-used 8 -pix_fmt yuv420p",
        ),
        ("count.avi", "-c:v mpeg4 -q:v 1 -pix_fmt yuv420p"),
        ("count.ts", "-c:v libx264 -preset veryfast -crf 4 -g 50 -pix_fmt yuv420p"),
        ("count.mpg", "-c:v mpeg2video -q:v 1 -g 50 -pix_fmt yuv420p -f vob"),
    ] {
        let bytes = media(name, &format!("{source} {codecs}"));
        let outcome = draw(&bytes, &at(&["0", "1", "1.01", "2.5", "0.5", "2", "3.95"]))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(outcome.pages, 7);
        // Of an MPEG programme stream the length is known but roughly.
        let sure = if name == "count.mpg" { 6 } else { 7 };
        for (index, frame) in [0, 25, 25, 62, 12, 50, 98].into_iter().take(sure).enumerate() {
            let [gray, ..] = outcome.pixels(index).mean((0.2, 0.8), (0.2, 0.8));
            let found = gray * 219.0 / 255.0 / 2.0;
            assert!(
                (found - f64::from(frame)).abs() < 0.7,
                "{name}: page {}: {found}, not {frame}",
                index + 1
            );
        }
    }
}

#[test]
fn frames_look_as_another_program_sees_them() {
    for name in ["h264.mp4", "hevc.mp4", "vp9.webm", "av1.mp4", "prores.mov", "mpeg4.avi"] {
        let bytes = film(name);
        let ours = draw(&bytes, &at(&["2.01"])).expect("drawn").pixels(0);
        let theirs = pixels(&bytes, Some(2.0));
        assert!(ours.difference(&theirs) < 4.0, "{name}: {}", ours.difference(&theirs));
    }
}

#[test]
fn a_poster_is_not_black_where_the_film_begins_and_ends_black() {
    let bytes = media(
        "fades.mp4",
        "-f lavfi -i testsrc2=s=320x180:r=25:d=10,fade=in:0:60,fade=out:190:60 -c:v libx264 \
         -preset veryfast -g 250",
    );
    let [red, ..] =
        draw(&bytes, &wish("320")).expect("drawn").pixels(0).mean((0.02, 0.14), (0.3, 0.9));
    assert!(red > 150.0, "{red}");
}

#[test]
fn a_film_is_upright_and_its_pixels_are_square() {
    let _plain = film("h264.mp4");
    for (degrees, original, rotation) in
        [(90, (180, 320), 90), (180, (320, 180), -180), (270, (180, 320), -90)]
    {
        let arguments =
            format!("-i @h264.mp4 -c copy -metadata:s:v rotate={degrees} -map_metadata -1");
        let turned = media(&format!("turned-{degrees}.mp4"), &arguments);
        let outcome = draw(&turned, &told()).expect("drawn");
        assert_eq!(outcome.kept[0].original, original);
        let beside = &outcome.multimedia()["streams"][0]["side_data_list"][0];
        assert_eq!(beside["side_data_type"], "Display Matrix");
        assert_eq!(beside["rotation"], rotation);
        let upright = draw(&turned, &at(&["0"])).expect("drawn").pixels(0);
        assert!(upright.difference(&pixels(&turned, None)) < 4.0, "{degrees}");
        let clip = draw(&turned, &extra(Extra::Clip)).expect("drawn");
        assert_eq!(clip.of(Role::Clip).dimensions, original);
    }

    let wide = media("wide.mp4", "-i @h264.mp4 -c:v libx264 -preset veryfast -vf setsar=4/3 -an");
    let outcome = draw(&wide, &told()).expect("drawn");
    assert_eq!(outcome.kept[0].original, (427, 180));
    assert_eq!(outcome.multimedia()["streams"][0]["sample_aspect_ratio"], "4:3");
}

#[test]
fn colours_are_right_whatever_matrix_and_range_a_film_has() {
    let bars = "-f lavfi -i smptebars=s=320x180:d=1";
    for (name, arguments) in [
        ("601.mp4", "-vf scale=out_color_matrix=bt601 -colorspace smpte170m"),
        ("709.mp4", "-vf scale=out_color_matrix=bt709 -colorspace bt709"),
        ("2020.mp4", "-vf scale=out_color_matrix=bt2020 -colorspace bt2020nc"),
        (
            "full.mp4",
            "-vf scale=out_color_matrix=bt709:out_range=full -colorspace bt709 -color_range pc",
        ),
    ] {
        let bytes = media(
            name,
            &format!("{bars} {arguments} -pix_fmt yuv420p -c:v libx264 -preset veryfast -crf 8"),
        );
        let poster = draw(&bytes, &wish("original")).expect("drawn").pixels(0);
        // The third bar is cyan at 75 %, the fifth magenta.
        for (bar, expected) in [(2.0, [0.0, 191.0, 191.0]), (4.0, [191.0, 0.0, 191.0])] {
            let place = ((bar + 0.3) / 7.0, (bar + 0.7) / 7.0);
            let found = poster.mean(place, (0.1, 0.5));
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() < 9.0, "{name}: {found} {expected}");
            }
        }
    }
}

#[test]
fn a_bright_film_becomes_one_that_a_screen_can_show() {
    for (name, transfer) in [("pq.mp4", "smpte2084"), ("hlg.mp4", "arib-std-b67")] {
        let bytes = media(
            name,
            &format!(
                "-f lavfi -i gradients=s=320x180:c0=black:c1=white:x0=0:y0=0:x1=319:y1=0:d=1:speed=0.00001 \
                 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -color_primaries bt2020 \
                 -color_trc {transfer} -colorspace bt2020nc -x265-params \
                 log-level=0:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:hdr10=1:max-cll=1000,400:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
            ),
        );
        let outcome = draw(&bytes, &told()).expect("drawn");
        let stream = &outcome.multimedia()["streams"][0];
        assert_eq!(stream["color_transfer"], transfer);
        assert_eq!(stream["color_primaries"], "bt2020");
        let poster = outcome.pixels(0);
        let [dark, ..] = poster.mean((0.0, 0.05), (0.4, 0.6));
        let [bright, ..] = poster.mean((0.9, 1.0), (0.4, 0.6));
        assert!(dark < 20.0 && bright > 235.0, "{name}: {dark} {bright}");
    }
}

#[test]
fn a_poster_reads_little_wherever_the_index_is() {
    let source = "-f lavfi -i testsrc2=s=1280x720:r=25:d=30 -f lavfi -i sine=d=30";
    let at_end =
        media("long.mp4", &format!("{source} -c:v libx264 -preset ultrafast -g 50 -c:a aac"));
    let at_start = media("long-start.mp4", "-i @long.mp4 -c copy -movflags faststart");
    for bytes in [at_end, at_start] {
        assert!(bytes.len() > 8_000_000, "{}", bytes.len());
        let read = draw(&bytes, &wish("320")).expect("drawn").read;
        assert!(read < 1_000_000, "{read} of {}", bytes.len());
        let told = draw(&bytes, &told()).expect("drawn").read;
        assert!(told < 1_000_000, "{told} of {}", bytes.len());
    }
}

#[test]
fn frames_of_uneven_length_and_odd_edges_are_drawn() {
    let uneven = media(
        "uneven.mkv",
        "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -vf select='not(mod(n,3))+lt(n,20)' -vsync vfr \
         -c:v libx264 -preset veryfast",
    );
    assert_eq!(draw(&uneven, &at(&["3.5"])).expect("drawn").kept[0].dimensions, (320, 180));
    let odd = media(
        "odd.mkv",
        "-f lavfi -i testsrc=s=321x179:d=1 -pix_fmt yuv444p -c:v libx264 -preset veryfast",
    );
    assert_eq!(draw(&odd, &wish("original")).expect("drawn").kept[0].dimensions, (321, 179));
    let seen_through =
        media("through.mov", "-f lavfi -i color=red@0.5:s=64x64:d=1,format=argb -c:v qtrle");
    let outcome = draw(&seen_through, &wish("original")).expect("drawn");
    assert_eq!(outcome.kept[0].bytes[25], 6, "a PNG with opacity");
}

#[test]
fn a_truncated_film_yields_what_it_still_has() {
    for name in ["h264.mkv", "h264.ts", "mpeg4.avi", "h264.flv", "vp9.webm", "mpeg2.mpg"] {
        let bytes = film(name);
        let cut = &bytes[..bytes.len() * 6 / 10];
        let outcome = draw(cut, &wish("64")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let [red, ..] = outcome.pixels(0).mean((0.02, 0.14), (0.3, 0.9));
        assert!(red > 150.0, "{name}");
    }
    // Without its index an MP4 has no frames.
    let bytes = film("h264.mp4");
    let error = draw(&bytes[..bytes.len() / 2], &wish("64")).expect_err("no index");
    assert_eq!(error.code(), FailureCode::Corrupt);
}

#[test]
fn limits_hold() {
    let bytes = film("h264.mp4");
    for (limits, code) in [
        (Limits { duration_ms: 3_000, ..Limits::default() }, FailureCode::TooLong),
        (Limits { frames: 0, ..Limits::default() }, FailureCode::TooLong),
        (Limits { frame_pixels: 1_000, ..Limits::default() }, FailureCode::TooLong),
        (Limits { pixels: 1_000, ..Limits::default() }, FailureCode::TooManyPixels),
    ] {
        let error = draw_within(&bytes, &wish("64"), &limits).expect_err("over a limit");
        assert_eq!(error.code(), code, "{error}");
    }
    let limits = Limits { metadata_bytes: 2_000, ..Limits::default() };
    let outcome = draw_within(&bytes, &told(), &limits).expect("drawn");
    assert!(outcome.multimedia().to_string().len() <= 2_000);
    assert_eq!(outcome.multimedia()["truncated"], true);
}

#[test]
fn an_encrypted_film_says_so() {
    let _plain = film("h264.mp4");
    let bytes = media(
        "encrypted.mp4",
        "-i @h264.mp4 -c copy -encryption_scheme cenc-aes-ctr -encryption_key \
         76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8",
    );
    let error = draw(&bytes, &wish("64")).expect_err("encrypted");
    assert_eq!(error.code(), FailureCode::Encrypted, "{error}");
}

#[test]
fn a_storyboard_has_a_cue_for_every_part_of_its_sprite() {
    let outcome = draw(&film("h264.mp4"), &extra(Extra::Storyboard)).expect("drawn");
    let sprite = outcome.of(Role::Storyboard);
    assert_eq!((sprite.format, sprite.dimensions), (Format::Jpg, (1_600, 90)));
    let cues = String::from_utf8(outcome.of(Role::StoryboardCues).bytes.clone()).expect("text");
    assert!(cues.starts_with("WEBVTT\n\n00:00:00.000 --> "), "{cues}");
    assert!(cues.contains("storyboard.jpg#xywh=1440,0,160,90"), "{cues}");
    assert!(cues.contains("--> 00:00:04.0"), "{cues}");
    assert_eq!(cues.matches(" --> ").count(), 10);
    let [red, ..] = Pixels::of(&sprite.bytes).mean((0.01, 0.012), (0.4, 0.6));
    assert!(red > 180.0);
}

#[test]
fn a_contact_sheet_shows_frames_side_by_side() {
    let outcome = draw(&film("h264.mp4"), &extra(Extra::ContactSheet)).expect("drawn");
    let sheet = outcome.of(Role::ContactSheet);
    assert_eq!((sheet.format, sheet.dimensions), (Format::Jpg, (4 * 332 + 12, 3 * 192 + 12)));
}

#[test]
fn a_few_seconds_move_as_webp_or_gif() {
    let bytes = film("vp9.webm");
    let mut wish = extra(Extra::Animation);
    let moving = draw(&bytes, &wish).expect("drawn");
    let webp = moving.of(Role::Animation);
    assert_eq!((webp.format, webp.dimensions), (Format::Webp, (320, 180)));
    assert!(webp.bytes.windows(4).any(|word| word == b"ANIM"));
    assert!(webp.bytes.windows(4).filter(|word| *word == b"ANMF").count() >= 25);
    wish.format = Some(Format::Gif);
    let moving = draw(&bytes, &wish).expect("drawn");
    let gif = moving.of(Role::Animation);
    assert_eq!(gif.format, Format::Gif);
    assert!(gif.bytes.starts_with(b"GIF89a"));
}

#[test]
fn a_clip_plays_pictures_and_sound() {
    for name in ["h264.mp4", "theora.ogv", "mpeg2.mxf"] {
        let outcome = draw(&film(name), &extra(Extra::Clip)).expect("drawn");
        let clip = outcome.of(Role::Clip);
        assert_eq!((clip.format, clip.dimensions), (Format::Mp4, (320, 180)));
        let probed = path_of(&clip.bytes);
        let kinds: Vec<&str> = probed["streams"]
            .as_array()
            .expect("streams")
            .iter()
            .map(|stream| stream["codec_name"].as_str().expect("a codec"))
            .collect();
        assert_eq!(kinds, ["h264", "aac"], "{name}");
        assert_eq!(probed["streams"][0]["pix_fmt"], "yuv420p");
        let [red, green, _] = Pixels::of(&clip.bytes).mean((0.02, 0.14), (0.3, 0.9));
        assert!(red > 180.0 && green < 80.0, "{name}: {red} {green}");
    }
}

fn path_of(bytes: &[u8]) -> Value {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("write");
    probed(file.path())
}

#[test]
fn the_same_film_gives_the_same_bytes() {
    let bytes = film("h264.mp4");
    let mut wish = told();
    wish.format = None;
    wish.options.extras = Extra::ALL.into();
    let (first, second) =
        (draw(&bytes, &wish).expect("drawn"), draw(&bytes, &wish).expect("drawn"));
    assert_eq!(first.kept, second.kept);
    assert_eq!(first.metadata, second.metadata);
    assert_eq!(first.kept.len(), 7);
    assert!(first.engines.contains_key("FFmpeg"));
}

#[test]
fn chapters_and_tags_are_told() {
    let _plain = film("h264.mp4");
    let notes = path("notes.txt", "-i @h264.mp4 -f ffmetadata");
    std::fs::write(
        &notes,
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=First\n",
    )
    .expect("write");
    let bytes =
        media("chapters.mkv", "-i @h264.mp4 -i @notes.txt -map_metadata 1 -map_chapters 1 -c copy");
    let outcome = draw(&bytes, &told()).expect("drawn");
    let told = outcome.multimedia();
    assert_eq!(told["format"]["tags"]["title"], "A film");
    assert_eq!(told["chapters"][0]["tags"]["title"], "First");
    assert_eq!(told["chapters"][0]["end_time"], "2.000000");
}
