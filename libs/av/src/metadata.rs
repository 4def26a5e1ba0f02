//! What is told of a film or a sound, in ffprobe's words.

use domain::limits::Limits;
use serde_json::{Map, Value, json};

use crate::ff::{Input, Medium, Rational, Stream, pixel_format_name};

pub(crate) mod names;

/// The longest text, in characters.
const TEXT_CHARS: usize = 1_024;
/// The most streams told of.
const MAX_STREAMS: usize = 64;

/// `{format, streams, chapters}`, within the limit of metadata.
pub(crate) fn multimedia(input: &Input<'_>, limits: &Limits) -> Value {
    let mut streams: Vec<Value> =
        input.streams().take(MAX_STREAMS).map(|found| Value::Object(stream(&found))).collect();
    let mut chapters: Vec<Value> = input.chapters().iter().map(chapter).collect();
    let mut truncated = input.streams().count() > MAX_STREAMS;
    loop {
        let mut all = json!({
            "format": format(input),
            "streams": &streams,
            "chapters": &chapters,
        });
        if truncated && let Some(all) = all.as_object_mut() {
            all.insert("truncated".to_owned(), Value::Bool(true));
        }
        let fits = all.to_string().len() <= limits.metadata_bytes as usize;
        if fits {
            return all;
        }
        truncated = true;
        if !chapters.is_empty() {
            chapters.truncate(chapters.len() / 2);
        } else if streams.is_empty() {
            return json!({ "truncated": true });
        } else {
            streams.truncate(streams.len() / 2);
        }
    }
}

fn format(input: &Input<'_>) -> Map<String, Value> {
    let (name, long_name) = input.format_names();
    let mut told = Map::new();
    put(&mut told, "nb_streams", input.streams().count());
    put(&mut told, "nb_programs", input.programs());
    put(&mut told, "format_name", name);
    put(&mut told, "format_long_name", long_name);
    let start_us = input.start_us().or_else(|| {
        let start = |found: Stream<'_>| seconds(found.start()?, found.time_base());
        input.streams().filter_map(start).reduce(f64::min).map(microseconds)
    });
    put(&mut told, "start_time", start_us.map(|us| decimal(us, MICROSECONDS)));
    let duration_us = input
        .duration_us()
        .or_else(|| input.length_ms().and_then(|ms| i64::try_from(ms.saturating_mul(1_000)).ok()));
    put(&mut told, "duration", duration_us.map(|us| decimal(us, MICROSECONDS)));
    put(&mut told, "size", input.bytes().to_string());
    let told_rate = Some(input.bit_rate()).filter(|rate| *rate > 0);
    let rate = told_rate.or_else(|| {
        let us = i128::from(duration_us.filter(|us| *us > 0)?);
        i64::try_from(i128::from(input.bytes()) * 8_000_000 / us).ok()
    });
    put(&mut told, "bit_rate", rate.map(|rate| rate.to_string()));
    put(&mut told, "probe_score", Some(input.score()).filter(|score| *score > 0));
    put_tags(&mut told, &input.tags());
    told
}

fn stream(found: &Stream<'_>) -> Map<String, Value> {
    let mut told = Map::new();
    put(&mut told, "index", found.index());
    if let Some((name, long_name)) = found.codec_names() {
        put(&mut told, "codec_name", name);
        put(&mut told, "codec_long_name", long_name);
    }
    put(&mut told, "profile", found.profile_name());
    put(&mut told, "codec_type", found.medium().name());
    put(&mut told, "codec_tag_string", names::fourcc(found.codec_tag()));
    put(&mut told, "codec_tag", format!("{:#06x}", found.codec_tag()));
    match found.medium() {
        Medium::Video => video(found, &mut told),
        Medium::Audio => audio(found, &mut told),
        _ => {}
    }
    if found.id() != 0 {
        put(&mut told, "id", format!("{:#x}", found.id()));
    }
    let average = found.average_frame_rate();
    let rate = Some(found.frame_rate()).filter(|rate| rate.num > 0).unwrap_or(average);
    put(&mut told, "r_frame_rate", ratio(rate, '/'));
    put(&mut told, "avg_frame_rate", ratio(average, '/'));
    put(&mut told, "time_base", ratio(found.time_base(), '/'));
    put(&mut told, "start_pts", found.start());
    put(&mut told, "start_time", found.start().map(|time| decimal(time, found.time_base())));
    put(&mut told, "duration_ts", found.duration());
    put(&mut told, "duration", found.duration().map(|time| decimal(time, found.time_base())));
    put(&mut told, "bit_rate", positive(found.bit_rate()).map(|rate| rate.to_string()));
    put(
        &mut told,
        "bits_per_raw_sample",
        positive(found.bits_per_raw_sample().into()).map(|bits| bits.to_string()),
    );
    put(&mut told, "nb_frames", positive(found.frames()).map(|frames| frames.to_string()));
    put(&mut told, "extradata_size", positive(found.extradata_size().into()));
    put(&mut told, "disposition", names::disposition(found.disposition()));
    put_tags(&mut told, &found.tags());
    let beside = side_data(found);
    if !beside.is_empty() {
        put(&mut told, "side_data_list", beside);
    }
    told
}

fn video(found: &Stream<'_>, told: &mut Map<String, Value>) {
    put(told, "width", found.width());
    put(told, "height", found.height());
    put(told, "has_b_frames", found.video_delay());
    let aspect = [found.container_aspect(), found.aspect()]
        .into_iter()
        .find(|aspect| aspect.num > 0 && aspect.den > 0);
    if let Some(aspect) = aspect {
        put(told, "sample_aspect_ratio", ratio(aspect, ':'));
        let (width, height) = (i64::from(found.width()), i64::from(found.height()));
        let (wide, high) = (width * i64::from(aspect.num), height * i64::from(aspect.den));
        let common = divisor(wide, high).max(1);
        put(told, "display_aspect_ratio", format!("{}:{}", wide / common, high / common));
    }
    put(told, "pix_fmt", pixel_format_name(found.pixel_format()));
    put(told, "level", found.level());
    put(told, "color_range", names::range(found.color_range()));
    put(told, "color_space", names::space(found.color_space()));
    put(told, "color_transfer", names::transfer(found.color_transfer()));
    put(told, "color_primaries", names::primaries(found.color_primaries()));
    put(told, "chroma_location", names::chroma_location(found.chroma_location()));
    put(told, "field_order", names::field_order(found.field_order()));
}

fn audio(found: &Stream<'_>, told: &mut Map<String, Value>) {
    put(told, "sample_fmt", found.sample_format_name());
    put(told, "sample_rate", found.sample_rate().to_string());
    put(told, "channels", found.channels());
    put(told, "channel_layout", found.channel_layout());
    put(told, "bits_per_sample", found.bits_per_sample());
    put(told, "initial_padding", positive(found.initial_padding().into()));
}

fn side_data(found: &Stream<'_>) -> Vec<Value> {
    let mut list = Vec::new();
    if let Some(degrees) = found.rotation() {
        list.push(json!({ "side_data_type": "Display Matrix", "rotation": degrees }));
    }
    if let Some(mastering) = found.mastering() {
        let mut told = Map::new();
        put(&mut told, "side_data_type", "Mastering display metadata");
        for (name, value) in mastering {
            put(&mut told, name, ratio(value, '/'));
        }
        list.push(Value::Object(told));
    }
    if let Some((most, average)) = found.content_light() {
        list.push(json!({
            "side_data_type": "Content light level metadata",
            "max_content": most,
            "max_average": average,
        }));
    }
    list
}

fn chapter(found: &crate::ff::Chapter) -> Value {
    let mut told = Map::new();
    put(&mut told, "id", found.id);
    put(&mut told, "time_base", ratio(found.time_base, '/'));
    put(&mut told, "start", found.start);
    put(&mut told, "start_time", decimal(found.start, found.time_base));
    put(&mut told, "end", found.end);
    put(&mut told, "end_time", decimal(found.end, found.time_base));
    put_tags(&mut told, &found.tags);
    Value::Object(told)
}

/// Puts what is known.
fn put(told: &mut Map<String, Value>, name: &str, value: impl Into<Known>) {
    if let Known(Some(value)) = value.into() {
        told.insert(name.to_owned(), value);
    }
}

/// A value, if it is known.
struct Known(Option<Value>);

macro_rules! known {
    ($($type:ty),*) => {
        $(impl From<$type> for Known {
            fn from(value: $type) -> Self {
                Self(Some(Value::from(value)))
            }
        }
        impl From<Option<$type>> for Known {
            fn from(value: Option<$type>) -> Self {
                Self(value.map(Value::from))
            }
        })*
    };
}
known!(&str, String, i32, i64, u32, usize, Vec<Value>, Map<String, Value>);

fn put_tags(told: &mut Map<String, Value>, tags: &[(String, String)]) {
    if tags.is_empty() {
        return;
    }
    let clean = |text: &str| -> String {
        text.chars().filter(|letter| !letter.is_control()).take(TEXT_CHARS).collect()
    };
    let tags: Map<String, Value> =
        tags.iter().map(|(name, value)| (clean(name), Value::String(clean(value)))).collect();
    told.insert("tags".to_owned(), Value::Object(tags));
}

const MICROSECONDS: Rational = Rational { num: 1, den: 1_000_000 };

fn positive(value: i64) -> Option<i64> {
    Some(value).filter(|value| *value > 0)
}

fn ratio(value: Rational, between: char) -> String {
    format!("{}{between}{}", value.num, value.den)
}

#[allow(clippy::cast_precision_loss, reason = "as ffprobe does")]
fn seconds(time: i64, unit: Rational) -> Option<f64> {
    if unit.den == 0 { None } else { Some(time as f64 * f64::from(unit.num) / f64::from(unit.den)) }
}

#[allow(clippy::cast_possible_truncation, reason = "a start far below 2^63")]
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

/// Seconds with six places.
fn decimal(time: i64, unit: Rational) -> String {
    seconds(time, unit).map_or_else(|| "N/A".to_owned(), |seconds| format!("{seconds:.6}"))
}

const fn divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}
