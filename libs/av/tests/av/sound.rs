//! Sounds: covers, waveforms, peaks, metadata.

use domain::job::Role;
use domain::wish::Extra;

use crate::kit::{core, draw, extra, told, told_alone, wish};
use crate::made::media;

/// A tone that is there for a second of two.
const SOURCE: &str = "-f lavfi -i sine=d=2,volume='lt(t,1)':eval=frame";

const SOUNDS: &[(&str, &str)] = &[
    ("s.mp3", "-c:a libmp3lame"),
    ("s.flac", "-c:a flac"),
    ("s.wav", "-c:a pcm_s16le"),
    ("s24.wav", "-c:a pcm_s24le"),
    ("s8.wav", "-c:a pcm_u8"),
    ("sf.wav", "-c:a pcm_f64le"),
    ("s.aac", "-c:a aac"),
    ("s.m4a", "-c:a aac"),
    ("alac.m4a", "-c:a alac"),
    ("s.ogg", "-c:a libvorbis"),
    ("s.opus", "-c:a libopus"),
    ("s.aiff", "-c:a pcm_s16be"),
    ("s.wma", "-c:a wmav2"),
    ("s.ac3", "-c:a ac3"),
    ("s.mka", "-c:a libopus"),
    ("s.caf", "-c:a pcm_s16le"),
    ("s.wv", "-c:a wavpack"),
    ("s.tta", "-c:a tta"),
];

fn sound(name: &str) -> Vec<u8> {
    let codec = SOUNDS.iter().find(|(sound, _)| *sound == name).expect("in the table").1;
    media(name, &format!("{SOURCE} {codec} -metadata title=Song"))
}

#[test]
fn every_sound_yields_a_waveform_that_is_loud_where_it_is() {
    for (name, _) in SOUNDS {
        let outcome = draw(&sound(name), &told()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((outcome.pages, outcome.kept[0].original), (1, (1_600, 400)), "{name}");
        let wave = draw(&sound(name), &wish("original")).expect("drawn").pixels(0);
        assert_eq!((wave.width, wave.height), (1_600, 400));
        let [loud, ..] = wave.mean((0.2, 0.3), (0.3, 0.4));
        let [silent, ..] = wave.mean((0.7, 0.8), (0.3, 0.4));
        assert!(loud < 200.0 && silent > 250.0, "{name}: {loud} {silent}");
        let stream = &outcome.multimedia()["streams"][0];
        assert_eq!(stream["codec_type"], "audio", "{name}");
        assert!(stream["sample_fmt"].is_string(), "{name}: {stream}");
    }
    let title =
        |name: &str| draw(&sound(name), &told()).expect("drawn").metadata["multimedia"].clone();
    assert_eq!(title("s.mp3")["format"]["tags"]["title"], "Song");
    assert_eq!(title("s.flac")["format"]["tags"]["title"], "Song");
}

#[test]
fn metadata_alone_says_what_it_says_beside_a_waveform() {
    for (name, _) in SOUNDS {
        let beside = draw(&sound(name), &told()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let alone =
            draw(&sound(name), &told_alone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((alone.pages, alone.kept.len()), (1, 0), "{name}");
        assert_eq!(core(alone.multimedia()), core(beside.multimedia()), "{name}");
    }
}

#[test]
fn a_cover_stands_for_its_sound() {
    let _sounds = [sound("s.mp3"), sound("s.flac"), sound("s.m4a")];
    let cover = "-f lavfi -i color=green:s=300x200:d=0.04 -map 0:a -map 1:v -frames:v 1 -c:a copy";
    for (name, arguments) in [
        ("cover.mp3", format!("-i @s.mp3 {cover} -c:v mjpeg -disposition:v attached_pic")),
        ("cover.flac", format!("-i @s.flac {cover} -c:v png -disposition:v attached_pic")),
        ("cover.m4a", format!("-i @s.m4a {cover} -c:v mjpeg -disposition:v attached_pic")),
    ] {
        let outcome = draw(&media(name, &arguments), &wish("original")).expect(name);
        assert_eq!(outcome.kept[0].dimensions, (300, 200), "{name}");
        let [red, green, blue] = outcome.pixels(0).mean((0.0, 1.0), (0.0, 1.0));
        assert!(red < 20.0 && green > 110.0 && blue < 20.0, "{name}: {red} {green} {blue}");
    }
}

#[test]
fn silence_is_a_line() {
    let bytes = media("silent.wav", "-f lavfi -i anullsrc=r=8000:cl=mono:d=1 -c:a pcm_s16le");
    let wave = draw(&bytes, &wish("original")).expect("drawn").pixels(0);
    let [middle, ..] = wave.mean((0.0, 1.0), (0.4976, 0.5024));
    let [above, ..] = wave.mean((0.0, 1.0), (0.0, 0.49));
    assert!(middle < 220.0 && above > 254.0, "{middle} {above}");
}

#[test]
fn peaks_are_told_in_the_shape_that_players_read() {
    for name in ["s.mp3", "s.wav"] {
        let outcome = draw(&sound(name), &extra(Extra::Peaks)).expect("drawn");
        let peaks: serde_json::Value =
            serde_json::from_slice(&outcome.of(Role::Peaks).bytes).expect("JSON");
        assert_eq!(
            (&peaks["version"], &peaks["channels"], &peaks["bits"]),
            (&2.into(), &1.into(), &8.into())
        );
        let length = peaks["length"].as_u64().expect("length");
        let data = peaks["data"].as_array().expect("data");
        assert_eq!(data.len() as u64, 2 * length);
        let each = peaks["samples_per_pixel"].as_u64().expect("samples");
        let seconds = (length * each) as f64 / peaks["sample_rate"].as_f64().expect("rate");
        assert!((1.9..2.2).contains(&seconds), "{seconds}");
        assert!(data[data.len() / 4].as_i64().expect("a number").abs() >= 10);
        assert!(data[data.len() * 3 / 4].as_i64().expect("a number").abs() <= 1);
    }
}
