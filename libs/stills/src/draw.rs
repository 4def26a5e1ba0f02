//! A whole job: read, decode each page once, make every size, hand it out.

use std::collections::BTreeMap;

use domain::limits::Limits;
use domain::wish::MetadataKind;
use filetype::{Filetype, Kind};
use serde_json::{Map, Value};

use crate::easel::{Easel, Picture};
use crate::engines;
use crate::error::Error;
use crate::exif;
use crate::media::{Source, read_all};
use crate::page::{Page, within};
use crate::raster::upright;
use crate::tiff::Directories;

/// What is known at the end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawn {
    /// What was found in the file, by the name of its metadata kind.
    pub metadata: Map<String, Value>,
    /// Libraries that took part, with their versions.
    pub engines: BTreeMap<String, String>,
}

/// Draws a file of a kind that [`draws`] knows.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    mut easel: Easel<'_>,
) -> Result<Drawn, Error> {
    let kind = filetype.kind;
    let mut bytes = read_all(source)?;
    let directories = if kind == Kind::Tiff { Some(Directories::find(&bytes)?) } else { None };
    if directories.as_ref().is_some_and(|directories| directories.is_raw) {
        return Err(Error::Unsupported { what: "image/x-adobe-dng".to_owned() });
    }
    let pages = easel.open(directories.as_ref().map_or(1, Directories::total))?;
    let mut metadata = Map::new();
    if easel.wish().metadata.contains(&MetadataKind::Exif)
        && let Some(tags) = exif::tags(&bytes, easel.limits())
    {
        metadata.insert(MetadataKind::Exif.name().to_owned(), Value::Object(tags));
    }
    easel.used(engines::decoder(kind));
    for number in pages {
        if let Some(directories) = &directories {
            within(directories.dimensions(&bytes, number), easel.limits())?;
            directories.turn_to(&mut bytes, number)?;
        }
        let mut page = Leaf(Some(Page::open(kind, &bytes, easel.limits())?));
        easel.page(number, &mut page)?;
    }
    Ok(Drawn { metadata, engines: easel.done() })
}

/// Whether [`draw`] knows the kind.
#[must_use]
pub const fn draws(kind: Kind) -> bool {
    matches!(kind, Kind::Jpeg | Kind::Png | Kind::Gif | Kind::Webp | Kind::Tiff | Kind::Bmp)
}

/// A page of a file in memory; decoded once.
struct Leaf<'a>(Option<Page<'a>>);

impl crate::easel::Page for Leaf<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.0.as_ref().map_or((0, 0), Page::dimensions)
    }

    fn decode(&mut self, least: (u32, u32), limits: &Limits) -> Result<Picture, Error> {
        let page = self.0.take().ok_or_else(|| Error::corrupt("a page drawn twice"))?;
        let orientation = page.orientation;
        page.decode(upright(orientation, least), limits)
    }
}
