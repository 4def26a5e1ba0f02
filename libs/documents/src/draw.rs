//! Which file is drawn by which part.

use filetype::{Filetype, Kind};
use stills::{Drawn, Easel, Error, Source};

use crate::page::letters::Fonts;

/// Whether [`draw`] knows the kind.
#[must_use]
pub const fn draws(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Text | Kind::Mail | Kind::Epub | Kind::Font | Kind::Archive | Kind::Unknown
    )
}

/// Draws a file of a kind that [`draws`] knows; an icon for any other.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    if source.length() == 0 {
        return Err(Error::Empty);
    }
    // Those who shape letters take it for granted that a font is whole.
    stills::guarded(|| match filetype.kind {
        Kind::Text | Kind::Html => crate::text::draw(filetype, source, easel, fonts),
        Kind::Mail => crate::mail::draw(filetype, source, easel, fonts),
        Kind::Epub => crate::book::draw(filetype, source, easel, fonts),
        Kind::Font => crate::font::draw(filetype, source, easel, fonts),
        Kind::Archive => crate::archive::draw(filetype, source, easel, fonts),
        _ => crate::icon::icon(filetype, easel, fonts),
    })
}

/// Draws a picture that was found in a file.
pub(crate) fn still(filetype: &Filetype, bytes: Vec<u8>, easel: Easel<'_>) -> Result<Drawn, Error> {
    stills::draw(filetype, &mut Memory(bytes), easel)
}

/// Bytes in memory as a source.
struct Memory(Vec<u8>);

impl Source for Memory {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}
