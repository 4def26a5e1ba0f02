//! PDF: pages drawn one by one from one parse, what the document says of itself, and its text.
//!
//! Illustrator's files are PDFs as well, with their own format beside it that is not looked at.

mod bomb;
mod metadata;
mod page;
mod substitute;
mod text;
mod tiles;
mod weigh;

use domain::limits::Limits;
use domain::wish::MetadataKind;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use serde_json::{Map, Value};
use stills::{Drawn, Easel, Error, Source, read_all};

use crate::engines;
use crate::fonts::{Fonts, Shelf};
use page::{Leaf, Studio};
use text::Texts;

/// Pages drawn before the caches of fonts and glyphs are thrown away, which only grow.
const PAGES_PER_STUDIO: usize = 32;

/// Draws the pages asked for.
pub(crate) fn draw(
    source: &mut dyn Source,
    mut easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    let pdf = open(read_all(source, easel.limits())?, easel.limits())?;
    let pages = pdf.pages();
    let total = u32::try_from(pages.len()).unwrap_or(u32::MAX);
    if total == 0 {
        return Err(Error::corrupt("a PDF without pages"));
    }
    let wanted = easel.open(total)?;
    easel.used(engines::HAYRO);
    let (wish, limits) = (easel.wish(), easel.limits());
    let wanted = if wish.draws_pages() { wanted } else { Vec::new() };
    let settings = substitute::settings(&Shelf::new(fonts));
    let mut texts = Texts::new(limits);
    for numbers in wanted.chunks(PAGES_PER_STUDIO) {
        let studio = Studio::new(settings.clone());
        for &number in numbers {
            let page = usize::try_from(number - 1).ok().and_then(|index| pages.get(index));
            let page = page.ok_or_else(|| Error::corrupt("a page that is not there"))?;
            bomb::check_content(page, limits)?;
            weigh::check(page, limits)?;
            let is_asked = wish.metadata.contains(&MetadataKind::Ocr);
            let told = is_asked && texts.read(number, page, &settings);
            easel.page(number, &mut Leaf::new(page, &studio, limits, told))?;
        }
    }
    let mut found = Map::new();
    if wish.metadata.contains(&MetadataKind::Document) {
        let document = metadata::document(&pdf, limits);
        found.insert(MetadataKind::Document.name().to_owned(), Value::Object(document));
    }
    if wish.metadata.contains(&MetadataKind::Ocr) {
        found.insert(MetadataKind::Ocr.name().to_owned(), texts.done());
    }
    Ok(Drawn { metadata: found, engines: easel.done() })
}

fn open(bytes: Vec<u8>, limits: &Limits) -> Result<Pdf, Error> {
    bomb::check_table(&bytes, limits)?;
    Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Error::Encrypted,
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => {
            Error::Unsupported { what: "a PDF with this way of encryption".to_owned() }
        }
        LoadPdfError::Decryption(
            DecryptionError::MissingIDEntry | DecryptionError::InvalidEncryption,
        ) => Error::corrupt("the encryption of a PDF"),
        LoadPdfError::Invalid => Error::corrupt("a PDF without a page tree"),
    })
}
