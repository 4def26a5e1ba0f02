//! Fonts for text whose own are not inside the file.
//!
//! A font lent that looks the same comes first, then the plain ones that are built in, which have
//! no letters but Latin ones.

use std::sync::Arc;

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_interpret::font::{FallbackFontQuery, FontQuery, StandardFont};
use hayro::hayro_interpret::hayro_cmap::CidFamily;

use crate::fonts::{Bytes, Look, Script, Shelf};

/// How pages are interpreted: with fonts from this shelf.
pub(super) fn settings(shelf: &Arc<Shelf>) -> InterpreterSettings {
    let shelf = Arc::clone(shelf);
    InterpreterSettings {
        font_resolver: Arc::new(move |query| match query {
            FontQuery::Standard(font) => Some(standard(&shelf, font)),
            FontQuery::Fallback(query) => Some(other(&shelf, query)),
        }),
        ..InterpreterSettings::default()
    }
}

/// For one of the fonts that every reader of PDFs has to have.
fn standard(shelf: &Shelf, font: &StandardFont) -> (Bytes, u32) {
    let name = font.postscript_name();
    let look = match name.split('-').next() {
        Some("Helvetica") => Some(Look::Sans),
        Some("Times") => Some(Look::Serif),
        Some("Courier") => Some(Look::Mono),
        _ => None,
    };
    let italic = name.contains("Italic") || name.contains("Oblique");
    look.and_then(|look| shelf.like(look, name.contains("Bold"), italic))
        .unwrap_or_else(|| font.get_font_data())
}

/// For any other font.
fn other(shelf: &Shelf, query: &FallbackFontQuery) -> (Bytes, u32) {
    let script = query.character_collection.as_ref().and_then(|letters| match letters.family {
        CidFamily::AdobeJapan1 => Some(Script::Japanese),
        CidFamily::AdobeGB1 => Some(Script::SimplifiedChinese),
        CidFamily::AdobeCNS1 => Some(Script::TraditionalChinese),
        CidFamily::AdobeKorea1 => Some(Script::Korean),
        CidFamily::AdobeIdentity | CidFamily::Custom { .. } => None,
    });
    let name = query.post_script_name.as_deref().unwrap_or_default();
    let look = if query.is_fixed_pitch {
        Look::Mono
    } else if query.is_serif {
        Look::Serif
    } else {
        Look::of(name).unwrap_or(Look::Sans)
    };
    let bold = query.is_bold || query.font_weight >= 600;
    shelf
        .named(name)
        .or_else(|| script.and_then(|script| shelf.writing(script)))
        .or_else(|| shelf.like(look, bold, query.is_italic))
        .unwrap_or_else(|| query.pick_standard_font().get_font_data())
}
