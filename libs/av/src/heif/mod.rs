//! HEIC and AVIF: libheif reads the container, FFmpeg decodes what is in it.

mod boxes;
mod codec;
mod encode;
mod open;
mod sys;

use std::ffi::CStr;

use domain::limits::Limits;
use domain::wish::MetadataKind;
use serde_json::{Map, Value};
use stills::{
    Drawn, Easel, Error, Kept, Layout, Orientation, Page, Picture, Raster, Source, profile_name,
    read_all,
};

pub(crate) use encode::encode;
use open::File;

use crate::ff::{self, Frame, Scaler};
use crate::metadata::names;
use crate::page;

/// Loads what libheif loads once, and lends it FFmpeg's decoders. Before the walls stand: it looks
/// for plug-ins in a folder.
pub(crate) fn prepare() {
    open::prepare();
}

/// The name and version that go on record.
pub(crate) fn engine() -> (&'static str, &'static str) {
    ("libheif", open::version())
}

/// Draws the pictures of a file: the primary one first.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub(crate) fn draw(source: &mut dyn Source, mut easel: Easel<'_>) -> Result<Drawn, Error> {
    prepare();
    let limits = *easel.limits();
    let bytes = read_all(source, &limits)?;
    let file = File::read(&bytes, &limits)?;
    let pages = easel.open(file.count())?;
    easel.used(engine());
    easel.used(ff::engine());
    let mut metadata = Map::new();
    let exif = file.picture(1)?.exif();
    let exif = exif.as_deref().unwrap_or(&bytes);
    if easel.wish().metadata.contains(&MetadataKind::Exif) {
        let tags = stills::exif_with_facts(exif, facts(&file, &bytes)?, &limits);
        metadata.insert(MetadataKind::Exif.name().to_owned(), Value::Object(tags));
    }
    if easel.keeps() {
        easel.keep(Kept::of(exif).with_xmp(file.picture(1)?.xmp().as_deref()));
    }
    let drawn = if easel.wish().draws_pages() { pages } else { Vec::new() };
    for number in drawn {
        let picture = file.picture(number)?;
        // The header may speak of it before it was turned: what was decoded is what there is.
        let frame = picture.decode()?;
        easel.page(number, &mut Still { picture, frame })?;
    }
    Ok(Drawn { metadata, engines: easel.done() })
}

/// What the headers say of the primary picture, under the names that EXIF or ExifTool has for it.
fn facts(file: &File<'_>, bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    let picture = file.picture(1)?;
    let (width, height) = picture.dimensions();
    let told = picture.told();
    let is_rgb = told.is_some_and(|colours| colours.matrix == open::GREEN_BLUE_RED);
    let colours = match (boxes::is_gray(bytes), is_rgb, picture.has_alpha()) {
        (Some(true), _, false) => "Gray",
        (Some(true), _, true) => "Gray with alpha",
        (_, true, false) => "RGB",
        (_, true, true) => "RGBA",
        (_, false, false) => "YCbCr",
        (_, false, true) => "YCbCr with alpha",
    };
    let mut facts = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("ImageWidth", Some(width.into()));
    put("ImageHeight", Some(height.into()));
    put("BitDepth", picture.bits().map(Value::from));
    put("ColorModel", Some(colours.into()));
    put("ProfileDescription", picture.icc()?.and_then(|icc| profile_name(&icc)).map(Value::from));
    if let Some(told) = told {
        put("ColorPrimaries", names::primaries(told.primaries).map(Value::from));
        put("TransferCharacteristics", names::transfer(told.transfer).map(Value::from));
        put("MatrixCoefficients", names::space(told.matrix).map(Value::from));
        put("VideoFullRangeFlag", Some(u8::from(told.is_full_range).into()));
    }
    let count = |count: u32| (count > 1).then(|| Value::from(count));
    put("PageCount", count(file.count()));
    put("FrameCount", count(boxes::frames(bytes)));
    Ok(facts)
}

/// One picture of a file.
struct Still<'a> {
    picture: open::Picture<'a>,
    frame: Frame,
}

impl Page for Still<'_> {
    fn dimensions(&self) -> (u32, u32) {
        (self.frame.width(), self.frame.height())
    }

    fn decode(&mut self, least: (u32, u32), _limits: &Limits) -> Result<Picture, Error> {
        let frame = &self.frame;
        let size = (least.0.clamp(1, frame.width()), least.1.clamp(1, frame.height()));
        let icc = self.picture.icc()?;
        let raster = if icc.is_some() {
            // The profile says what the colours are, not the numbers beside it.
            page::plain_raster(&mut Scaler::new(), frame, size)?
        } else {
            page::raster(&mut Scaler::new(), frame, size)?
        };
        let raster = if self.picture.is_premultiplied() { divided(raster)? } else { raster };
        Ok(Picture::of(raster, Orientation::NoTransforms, icc.as_deref()))
    }
}

/// The colours as they were before they were multiplied by their opacity.
fn divided(raster: Raster) -> Result<Raster, Error> {
    if raster.layout() != Layout::Rgba {
        return Ok(raster);
    }
    let (width, height) = raster.dimensions();
    let divide = |colour: u8, alpha: u8| {
        let alpha = u16::from(alpha.max(1));
        u8::try_from((u16::from(colour) * 255 + alpha / 2) / alpha).unwrap_or(u8::MAX)
    };
    let quads = raster.pixels().as_chunks::<4>().0.iter();
    let pixels =
        quads.flat_map(|[r, g, b, a]| [divide(*r, *a), divide(*g, *a), divide(*b, *a), *a]);
    Raster::new(width, height, Layout::Rgba, pixels.collect())
}

/// What a call that failed means for the job.
fn checked(outcome: sys::Outcome) -> Result<(), Error> {
    let text = || {
        if outcome.message.is_null() {
            return String::new();
        }
        // SAFETY: libheif's texts end with a zero and are constants.
        #[allow(unsafe_code, reason = "a text of a C library")]
        let text = unsafe { CStr::from_ptr(outcome.message) };
        text.to_string_lossy().into_owned()
    };
    match outcome.code {
        sys::OK => Ok(()),
        sys::MEMORY if outcome.detail == sys::BEYOND_LIMITS => Err(Error::corrupt(text())),
        sys::MEMORY => Err(Error::Memory { what: "picture" }),
        sys::UNSUPPORTED_FILETYPE | sys::UNSUPPORTED_FEATURE => {
            Err(Error::Unsupported { what: text() })
        }
        _ => Err(Error::corrupt(text())),
    }
}
