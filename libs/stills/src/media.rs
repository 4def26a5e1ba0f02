//! What every media crate speaks with: where bytes come from, and where what is made goes.

use std::io;

use domain::job::Role;
use domain::limits::Limits;
use domain::wish::Format;

use crate::memory::zeroed;

/// Where the bytes come from.
pub trait Source {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `buffer` from `offset` on; fewer bytes only at the end.
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Where results go: the number of pages first, then artifacts, renditions page by page.
pub trait Sink {
    /// How many pages the file has.
    ///
    /// # Errors
    /// Whatever keeps it from being told; it ends the job.
    fn pages(&mut self, total: u32) -> io::Result<()>;

    /// One artifact.
    ///
    /// # Errors
    /// Whatever keeps it from being handed out; it ends the job.
    fn artifact(&mut self, made: &Made<'_>) -> io::Result<()>;

    /// A page to have its text read: a gray PNG of these dimensions. Only where `ocr` is wished for.
    ///
    /// # Errors
    /// Whatever keeps it from being handed out; it ends the job.
    fn ocr_page(&mut self, _page: u32, _dimensions: (u32, u32), _png: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// One artifact made.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// What it is to the wish.
    pub role: Role,
    /// Page, or which of its role, from 1.
    pub page: u32,
    /// Index into the wish's `sizes` for renditions; else 0.
    pub size_index: u32,
    /// Width and height in pixels; zeros for what has none.
    pub dimensions: (u32, u32),
    /// Width and height of the page it was made from, upright; zeros for what has none.
    pub original: (u32, u32),
    /// File format.
    pub format: Format,
    /// The file.
    pub bytes: &'a [u8],
}

/// The whole source in memory.
///
/// # Errors
/// When it is empty, cannot be read, or there is not the memory for it.
pub fn read_all(source: &mut dyn Source, limits: &Limits) -> Result<Vec<u8>, crate::Error> {
    let memory = crate::Error::Memory { what: "source" };
    let most = limits.renderer_memory_bytes;
    if source.length() > most {
        return Err(crate::Error::TooLarge { bytes: source.length(), most });
    }
    let Ok(length) = usize::try_from(source.length()) else { return Err(memory) };
    if length == 0 {
        return Err(crate::Error::Empty);
    }
    // Whether there is room is asked first: the zeros then cost nothing.
    Vec::<u8>::new().try_reserve_exact(length).map_err(|_full| memory)?;
    let mut bytes = zeroed(length);
    let count = source.read_at(0, &mut bytes).map_err(crate::Error::Source)?;
    bytes.truncate(count);
    Ok(bytes)
}
