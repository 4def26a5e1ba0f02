//! What a raw file says of the shot, under names of our own.

use serde_json::{Map, Value, json};

/// Our name, and the tags it may be under.
const NAMES: [(&str, &[&str]); 13] = [
    ("make", &["Make"]),
    ("model", &["Model", "UniqueCameraModel"]),
    ("lens", &["LensModel", "LensSpecification"]),
    ("serial_number", &["BodySerialNumber"]),
    ("taken_at", &["DateTimeOriginal", "DateTime"]),
    ("iso", &["PhotographicSensitivity", "ISOSpeed", "RecommendedExposureIndex"]),
    ("exposure_s", &["ExposureTime"]),
    ("aperture", &["FNumber"]),
    ("focal_length_mm", &["FocalLength"]),
    ("focal_length_35mm", &["FocalLengthIn35mmFilm"]),
    ("orientation", &["Orientation"]),
    ("latitude", &["GPSLatitude"]),
    ("longitude", &["GPSLongitude"]),
];

/// The facts, as far as they are known.
pub(super) fn of(
    tags: &Map<String, Value>,
    sensor: Option<(u32, u32)>,
    preview: Option<(u32, u32)>,
) -> Map<String, Value> {
    let mut facts = Map::new();
    for (name, sources) in NAMES {
        if let Some(value) = sources.iter().find_map(|tag| tags.get(*tag)) {
            facts.insert(name.to_owned(), value.clone());
        }
    }
    for (name, dimensions) in [("sensor", sensor), ("preview", preview)] {
        if let Some((width, height)) = dimensions {
            facts.insert(name.to_owned(), json!({ "width": width, "height": height }));
        }
    }
    facts
}
