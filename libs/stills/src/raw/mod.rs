//! Cameras' raw files: the full preview that cameras put into them, and what they say.
//!
//! Where there is none, sensors' values are developed simply: plain, or packed as DNG has them.

mod blocks;
mod boxes;
mod develop;
mod facts;
mod lossless;
mod walk;

use domain::limits::Limits;
use domain::wish::MetadataKind;
use image::metadata::Orientation;
use serde_json::{Map, Value};

use crate::easel::{Easel, Page, Picture};
use crate::error::Error;
use crate::kept::Kept;
use crate::raster::upright;
use crate::{exif, jpeg};

pub(crate) use walk::is_raw;

/// Previews with a shorter long edge than this are passed over for the sensor's own values.
const SMALL_EDGE_PX: u32 = 640;

/// A file whose parts are found.
pub(crate) struct Raw<'a> {
    preview: Option<Preview<'a>>,
    sensor: Option<develop::Sensor<'a>>,
    orientation: Orientation,
    /// EXIF by itself: the file, or parts of it.
    tags: Vec<std::borrow::Cow<'a, [u8]>>,
}

struct Preview<'a> {
    jpeg: &'a [u8],
    /// Width and height as stored.
    dimensions: (u32, u32),
}

/// Parts of a file that may be of use.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    jpegs: Vec<&'a [u8]>,
    orientation: Option<Orientation>,
    sensor: Option<develop::Sensor<'a>>,
    tags: Vec<std::borrow::Cow<'a, [u8]>>,
}

impl<'a> Raw<'a> {
    /// Finds previews, tags and the sensor's values.
    pub(crate) fn open(file: &'a [u8]) -> Self {
        let mut parts = if file.get(4..8) == Some(b"ftyp") {
            boxes::parts(file)
        } else if file.starts_with(b"FUJIFILMCCD-RAW") {
            walk::fuji(file)
        } else {
            walk::parts(file)
        };
        let mut preview = largest(&parts.jpegs);
        let can_develop = parts.sensor.as_ref().is_some_and(develop::Sensor::can_be_developed);
        if preview.as_ref().is_none_or(|preview| is_small(preview.dimensions)) && !can_develop {
            // Nothing where it should be: wherever a JPEG begins.
            preview = largest(&walk::anywhere(file)).or(preview);
        }
        if parts.tags.is_empty() {
            parts.tags.extend(preview.as_ref().map(|preview| preview.jpeg.into()));
        }
        Self {
            preview,
            sensor: parts.sensor,
            orientation: parts.orientation.unwrap_or(Orientation::NoTransforms),
            tags: parts.tags,
        }
    }

    /// Draws it.
    pub(crate) fn draw(
        &self,
        easel: &mut Easel<'_>,
        metadata: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        let wanted = &easel.wish().metadata;
        if wanted.contains(&MetadataKind::Raw) || wanted.contains(&MetadataKind::Exif) {
            let mut tags = Map::new();
            for part in &self.tags {
                for (name, value) in exif::tags(part, easel.limits()).unwrap_or_default() {
                    tags.entry(name).or_insert(value);
                }
            }
            if wanted.contains(&MetadataKind::Raw) {
                let sensor = self.sensor.as_ref().map(develop::Sensor::dimensions);
                let preview = self.preview.as_ref().map(|preview| preview.dimensions);
                let facts = facts::of(&tags, sensor, preview);
                metadata.insert(MetadataKind::Raw.name().to_owned(), Value::Object(facts));
            }
            if wanted.contains(&MetadataKind::Exif) && !tags.is_empty() {
                metadata.insert(MetadataKind::Exif.name().to_owned(), Value::Object(tags));
            }
        }
        if easel.keeps() {
            let mut parts = self.tags.iter().map(|part| Kept::of(part));
            easel.keep(parts.find(|kept| !kept.is_empty()).unwrap_or_default());
        }
        for number in easel.open(1)? {
            let sensor = self.sensor.as_ref();
            let sensor = sensor.and_then(|sensor| develop::Leaf::of(sensor, self.orientation));
            match (&self.preview, sensor) {
                (Some(preview), sensor) if sensor.is_none() || !is_small(preview.dimensions) => {
                    easel.page(number, &mut preview.leaf(self.orientation))?;
                }
                (_, Some(mut page)) => easel.page(number, &mut page)?,
                (_, None) => {
                    let what = "a camera's raw file without a preview".to_owned();
                    return Err(Error::Unsupported { what });
                }
            }
        }
        Ok(())
    }
}

fn is_small((width, height): (u32, u32)) -> bool {
    width.max(height) < SMALL_EDGE_PX
}

/// The largest that can be read.
fn largest<'a>(jpegs: &[&'a [u8]]) -> Option<Preview<'a>> {
    let readable = jpegs.iter().filter_map(|jpeg| {
        let dimensions = jpeg::dimensions_if_lossy(jpeg)?;
        Some(Preview { jpeg, dimensions })
    });
    readable.max_by_key(|preview| u64::from(preview.dimensions.0) * u64::from(preview.dimensions.1))
}

impl Preview<'_> {
    fn leaf(&self, of_file: Orientation) -> Leaf<'_> {
        let segments = jpeg::segments(self.jpeg);
        let orientation = segments.orientation.unwrap_or(of_file);
        Leaf { preview: self, orientation, segments }
    }
}

struct Leaf<'a> {
    preview: &'a Preview<'a>,
    orientation: Orientation,
    segments: jpeg::Segments,
}

impl Page for Leaf<'_> {
    fn dimensions(&self) -> (u32, u32) {
        upright(self.orientation, self.preview.dimensions)
    }

    fn decode(&mut self, least: (u32, u32), _limits: &Limits) -> Result<Picture, Error> {
        let least = upright(self.orientation, least);
        let pixels = jpeg::decode(self.preview.jpeg, &self.segments, least)?;
        Ok(Picture::decoded(pixels, self.orientation, self.segments.icc.as_deref()))
    }
}
