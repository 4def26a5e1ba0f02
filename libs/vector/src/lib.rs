//! Drawings without pixels of their own: PDF, SVG, Illustrator, Sketch.
//!
//! Every size asked for is drawn at exactly that size, from one parse. Nothing here opens a file,
//! a socket or a thread, and nothing that a drawing names is looked for anywhere but in itself:
//! fonts are lent as bytes, pictures are taken from `data:` URLs alone. What a drawing may cost is
//! estimated before it is drawn, wherever that can be told from the file; walls and limits of the
//! process, which this is not, end the rest.

mod canvas;
mod engines;
mod fonts;
mod pdf;
mod sketch;
mod svg;
mod text;

use filetype::{Filetype, Kind};
use stills::{Drawn, Easel, Error, Source};

pub use fonts::Fonts;
pub use svg::Drawing;

/// Whether [`draw`] knows the kind.
#[must_use]
pub const fn draws(kind: Kind) -> bool {
    matches!(kind, Kind::Pdf | Kind::Svg | Kind::Sketch)
}

/// Draws a file of a kind that [`draws`] knows, with `fonts` for text whose own are not inside.
///
/// Metadata, where wished for: `document` and `ocr` of a PDF, `sketch` of a Sketch file. `ocr` is
/// a list of `{page, text, source: "document"}` for those of the drawn pages that carry their text
/// as text; of other pages it says nothing, their text is yet to be read from their picture.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    stills::guarded(|| match filetype.kind {
        Kind::Pdf => pdf::draw(source, easel, fonts),
        Kind::Svg => svg::draw(source, easel, fonts),
        Kind::Sketch => sketch::draw(source, easel),
        _ => Err(Error::Unsupported { what: filetype.media_type.to_owned() }),
    })
}
