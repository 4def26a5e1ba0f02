//! A whole job: read, decode each page once, make every size, hand it out.

use std::collections::BTreeMap;

use domain::limits::Limits;
use domain::wish::MetadataKind;
use filetype::{Filetype, Kind};
use serde_json::{Map, Value};

use crate::animation::Animation;
use crate::easel::{Easel, Picture};
use crate::engines;
use crate::error::{Error, guarded};
use crate::frames::{self, Frames};
use crate::kept::Kept;
use crate::media::{Source, read_all};
use crate::page::{Page, within};
use crate::psd::Psd;
use crate::raster::{Raster, upright};
use crate::raw::{self, Raw};
use crate::tiff::{Directories, sparse};
use crate::{exif, ico, jpeg, png};

/// The last bytes of a QOI.
const QOI_END: &[u8] = b"\0\0\0\0\0\0\0\x01";

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
    easel: Easel<'_>,
) -> Result<Drawn, Error> {
    guarded(|| {
        if filetype.kind == Kind::Tiff
            && let Some(file) = sparse::read(source)?
            && !raw::is_raw(&file)
            && Directories::find(&file)?.total() == 1
        {
            return rows(&file, source, easel);
        }
        let head = match filetype.kind {
            Kind::Jpeg if !easel.wish().draws_pages() => jpeg::head(source)?,
            _ => None,
        };
        let file = match head {
            Some(head) => head,
            None => read_all(source, easel.limits())?,
        };
        kinds(filetype, file, easel)
    })
}

/// A TIFF of one page, without the rows of its pixels, which the source has.
fn rows(file: &[u8], source: &mut dyn Source, mut easel: Easel<'_>) -> Result<Drawn, Error> {
    let mut metadata = Map::new();
    let mut page = Page::open(Kind::Tiff, file, easel.limits())?;
    tell(&mut easel, file, page.facts(), &mut metadata);
    let mut leaf = Leaf(Some(page.from(source)));
    for number in easel.open(1)? {
        easel.page(number, &mut leaf)?;
    }
    Ok(Drawn { metadata, engines: easel.done() })
}

/// Each kind in its own way.
fn kinds(filetype: &Filetype, mut file: Vec<u8>, mut easel: Easel<'_>) -> Result<Drawn, Error> {
    let mut metadata = Map::new();
    let kind = match filetype.kind {
        Kind::Tiff if raw::is_raw(&file) => Kind::Raw,
        kind => kind,
    };
    if let Some(engine) = engines::decoder(kind) {
        easel.used(engine);
    }
    match kind {
        Kind::Raw => Raw::open(&file).draw(&mut easel, &mut metadata)?,
        Kind::Psd => {
            let psd = Psd::open(&file, easel.limits())?;
            if let Some(exif) = psd.exif() {
                tell(&mut easel, exif, Map::new(), &mut metadata);
            }
            if easel.keeps() {
                let exif = psd.exif().unwrap_or_default();
                easel.keep(Kept::of(exif).with_xmp(psd.xmp()).with_iptc(psd.iptc()));
            }
            psd.draw(&mut easel, &mut metadata)?;
        }
        Kind::Ico => {
            let pictures = ico::pictures(&file)?;
            let total = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
            for number in easel.open(total)? {
                let index = (number as usize).wrapping_sub(1);
                let picture = pictures.get(index).ok_or(Error::NoSuchPage { total })?;
                // Those that are PNGs may be of kinds that an icon's decoder does not expect.
                let (kind, picture) = match picture.get(ico::HEADERS_BYTES..) {
                    Some(png) if png.starts_with(b"\x89PNG") => (Kind::Png, png),
                    _ => (kind, picture.as_slice()),
                };
                let mut page = Page::open(kind, picture, easel.limits())?;
                if metadata.is_empty() {
                    let mut facts = page.facts();
                    if total > 1 {
                        facts.insert("PageCount".to_owned(), Value::from(total));
                    }
                    tell(&mut easel, picture, facts, &mut metadata);
                }
                easel.page(number, &mut Leaf(Some(page)))?;
            }
        }
        Kind::Tiff => tiff(&mut file, &mut easel, &mut metadata)?,
        Kind::Png => {
            png::drop_large_profile(&mut file);
            single(kind, &file, &mut easel, &mut metadata)?;
        }
        // Some writers leave out what ends every file, and it says nothing.
        Kind::Qoi => {
            file.extend_from_slice(QOI_END);
            single(kind, &file, &mut easel, &mut metadata)?;
        }
        _ => single(kind, &file, &mut easel, &mut metadata)?,
    }
    Ok(Drawn { metadata, engines: easel.done() })
}

/// A file of one page, which may move.
fn single(
    kind: Kind,
    file: &[u8],
    easel: &mut Easel<'_>,
    metadata: &mut Map<String, Value>,
) -> Result<(), Error> {
    let mut page = Page::open(kind, file, easel.limits())?;
    let frames = frames::count(kind, file);
    let mut facts = page.facts();
    if frames > 1 {
        facts.insert("FrameCount".to_owned(), Value::from(frames));
    }
    tell(easel, file, facts, metadata);
    let mut leaf = Leaf(Some(page));
    for number in easel.open(1)? {
        match easel.wish().format {
            Some(format) if frames > 1 && Animation::can(format) => {
                easel.moving(number, format, &mut Frames::open(kind, file, easel.limits())?)?;
            }
            _ => easel.page(number, &mut leaf)?,
        }
    }
    Ok(())
}

/// Pages one after the other, each turned to the front of the file.
fn tiff(
    file: &mut [u8],
    easel: &mut Easel<'_>,
    metadata: &mut Map<String, Value>,
) -> Result<(), Error> {
    let directories = Directories::find(file)?;
    for (index, number) in (0..).zip(easel.open(directories.total())?) {
        within(directories.dimensions(file, number), easel.limits())?;
        directories.turn_to(file, number)?;
        let mut page = Page::open(Kind::Tiff, file, easel.limits())?;
        if index == 0 {
            let mut facts = page.facts();
            if directories.total() > 1 {
                facts.insert("PageCount".to_owned(), Value::from(directories.total()));
            }
            tell(easel, file, facts, metadata);
        }
        easel.page(number, &mut Leaf(Some(page)))?;
    }
    Ok(())
}

/// Tells what the file says of itself, and keeps it for the renditions, if that is wished for.
fn tell(
    easel: &mut Easel<'_>,
    file: &[u8],
    facts: Map<String, Value>,
    metadata: &mut Map<String, Value>,
) {
    if easel.wish().metadata.contains(&MetadataKind::Exif) {
        let tags = exif::with_facts(file, facts, easel.limits());
        metadata.insert(MetadataKind::Exif.name().to_owned(), Value::Object(tags));
    }
    if easel.keeps() {
        easel.keep(Kept::of(file));
    }
}

/// The first page of a picture in memory: upright, in sRGB, all its pixels.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub fn decode(filetype: &Filetype, file: &[u8], limits: &Limits) -> Result<Raster, Error> {
    guarded(|| {
        let page = Page::open(filetype.kind, file, limits)?;
        let all = page.dimensions();
        page.decode(all, limits)?.into_srgb()
    })
}

/// Whether [`draw`] knows the kind.
#[must_use]
pub const fn draws(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Jpeg
            | Kind::Png
            | Kind::Gif
            | Kind::Webp
            | Kind::Tiff
            | Kind::Bmp
            | Kind::Ico
            | Kind::Pnm
            | Kind::Qoi
            | Kind::Tga
            | Kind::Hdr
            | Kind::Exr
            | Kind::Jxl
            | Kind::Raw
            | Kind::Psd
    )
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
