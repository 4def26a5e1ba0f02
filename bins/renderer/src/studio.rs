//! What a renderer draws with, and which files it leaves to others.

use domain::wish::{Format, MetadataKind, Pages, PreviewWish};
use enclave::Stage;
use filetype::{Filetype, Kind};
use serde_json::Value;
use stills::{Drawn, Easel, Error, Raster, Source};

/// Font files, one slice each.
pub type Fonts<'a> = &'a [&'static [u8]];

/// What came of drawing.
#[derive(Debug)]
pub enum Drawing {
    /// It is drawn.
    Drawn(Drawn),
    /// Somebody else has to draw it; this much is known of it. Nothing has been handed out.
    Elsewhere(Stage, Drawn),
}

/// The crates that a renderer links.
pub trait Studio {
    /// Loads what its libraries load once. Called before the walls stand.
    fn prepare(&self) {}

    /// Draws a file, or says who has to.
    ///
    /// # Errors
    /// [`Error`], with the failure code of the job.
    fn draw(
        &self,
        filetype: &Filetype,
        source: &mut dyn Source,
        easel: Easel<'_>,
        fonts: Fonts<'_>,
    ) -> Result<Drawing, Error>;
}

/// Pictures, drawings and documents: all that needs no large library.
#[derive(Debug, Clone, Copy, Default)]
pub struct Light;

impl Studio for Light {
    fn draw(
        &self,
        filetype: &Filetype,
        source: &mut dyn Source,
        easel: Easel<'_>,
        fonts: Fonts<'_>,
    ) -> Result<Drawing, Error> {
        match elsewhere(filetype.kind, easel.wish()) {
            Some(stage) => Ok(Drawing::Elsewhere(stage, Drawn::default())),
            None => draw_here(filetype, source, easel, fonts),
        }
    }
}

/// Who else draws files of a kind.
const fn elsewhere(kind: Kind, wish: &PreviewWish) -> Option<Stage> {
    match kind {
        Kind::Film | Kind::Sound | Kind::Heic | Kind::Avif => Some(Stage::Av),
        Kind::Office | Kind::Html => None,
        _ if matches!(wish.format, Some(Format::Avif)) => Some(Stage::Av),
        _ => None,
    }
}

/// Draws with the crates that every renderer links.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub fn draw_here(
    filetype: &Filetype,
    source: &mut dyn Source,
    easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawing, Error> {
    let kind = filetype.kind;
    if stills::draws(kind) {
        stills::draw(filetype, source, easel).map(Drawing::Drawn)
    } else if vector::draws(kind) {
        vector::draw(filetype, source, easel, fonts).map(Drawing::Drawn)
    } else if documents::draws(kind) {
        documents::draw(filetype, source, easel, fonts).map(Drawing::Drawn)
    } else {
        match kind {
            Kind::Office => office(filetype, source, easel),
            Kind::Html => Ok(Drawing::Elsewhere(Stage::Browser, Drawn::default())),
            _ => Err(Error::Unsupported { what: filetype.media_type.to_owned() }),
        }
    }
}

/// What an Office document says of itself, and its small picture where that is all that is asked
/// for; the rest is the office suite's.
fn office(
    filetype: &Filetype,
    source: &mut dyn Source,
    mut easel: Easel<'_>,
) -> Result<Drawing, Error> {
    // Tells one that is protected as well, before anybody takes pains with it.
    let properties = documents::office(filetype, source, easel.limits())?;
    let pages = ["pages", "slides"].iter().find_map(|name| properties.get(*name)?.as_u64());
    let mut so_far = Drawn::default();
    let kind = MetadataKind::Document;
    if easel.wish().metadata.contains(&kind) && !properties.is_empty() {
        so_far.metadata.insert(kind.name().to_owned(), Value::Object(properties));
    }
    let only_first = easel.wish().pages == Pages::first();
    let to_read = easel.wish().metadata.contains(&MetadataKind::Ocr);
    let pages = pages.and_then(|pages| u32::try_from(pages).ok()).filter(|pages| *pages > 0);
    if let (Some(pages), true, false) = (pages, only_first, to_read)
        && let Some(mut small) = thumbnail(filetype, source, &easel)?
    {
        for number in easel.open(pages)? {
            easel.page(number, &mut small)?;
        }
        return Ok(Drawing::Drawn(Drawn { engines: easel.done(), ..so_far }));
    }
    Ok(Drawing::Elsewhere(Stage::Office, so_far))
}

/// The picture of its first page that a document carries, if none of the sizes asked for needs more
/// pixels than it has.
fn thumbnail(
    filetype: &Filetype,
    source: &mut dyn Source,
    easel: &Easel<'_>,
) -> Result<Option<Raster>, Error> {
    /// A page is taken for so many times as large as its picture: whatever is asked for in the
    /// page's own size is then more than the picture has.
    const PAGE: u32 = 16;
    let (wish, limits) = (easel.wish(), easel.limits());
    let Some(bytes) = documents::office_thumbnail(filetype, source, limits)? else {
        return Ok(None);
    };
    // One that cannot be drawn is no reason to fail: the page can.
    let decoded = stills::decode(&filetype::sniff(&bytes), &bytes, limits);
    let suffices = |small: &Raster| {
        let (width, height) = small.dimensions();
        let (wide, high) = (width.saturating_mul(PAGE), height.saturating_mul(PAGE));
        let mut shapes = wish.sizes.iter().map(|size| size.shape(wide, high, wish.options.crop).to);
        shapes.all(|to| to.0 <= width && to.1 <= height)
    };
    Ok(decoded.ok().filter(suffices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_large_libraries_is_left_to_others() {
        let plain = PreviewWish::default();
        let avif = PreviewWish { format: Some(Format::Avif), ..PreviewWish::default() };
        for (kind, wish, expected) in [
            (Kind::Film, &plain, Some(Stage::Av)),
            (Kind::Heic, &plain, Some(Stage::Av)),
            (Kind::Jpeg, &plain, None),
            (Kind::Jpeg, &avif, Some(Stage::Av)),
            (Kind::Pdf, &avif, Some(Stage::Av)),
            // First a PDF is made of it, whatever is made of that.
            (Kind::Office, &avif, None),
        ] {
            assert_eq!(elsewhere(kind, wish), expected, "{kind:?}");
        }
    }
}
