//! What a renderer draws with, and which files it leaves to others.

use domain::wish::{Format, MetadataKind, PreviewWish};
use enclave::Stage;
use filetype::{Filetype, Kind};
use serde_json::Value;
use stills::{Drawn, Easel, Error, Source};

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
            Kind::Office => office(filetype, source, &easel),
            Kind::Html => Ok(Drawing::Elsewhere(Stage::Browser, Drawn::default())),
            _ => Err(Error::Unsupported { what: filetype.media_type.to_owned() }),
        }
    }
}

/// What an Office document says of itself; the rest is the office suite's.
fn office(
    filetype: &Filetype,
    source: &mut dyn Source,
    easel: &Easel<'_>,
) -> Result<Drawing, Error> {
    // Tells one that is protected as well, before anybody takes pains with it.
    let properties = documents::office(filetype, source, easel.limits())?;
    let mut so_far = Drawn::default();
    let kind = MetadataKind::Document;
    if easel.wish().metadata.contains(&kind) && !properties.is_empty() {
        so_far.metadata.insert(kind.name().to_owned(), Value::Object(properties));
    }
    Ok(Drawing::Elsewhere(Stage::Office, so_far))
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
