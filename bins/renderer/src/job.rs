//! One job: what the worker ordered, drawn by `stills`, handed back through the visit.

use std::io;

use enclave::Encoding;
use enclave::inside::{Picture, Visit, VisitError};
use stills::{Drawn, Rendition, Sniffed};

/// Draws the job that the worker orders.
///
/// # Errors
/// When the worker cannot be spoken with.
pub(crate) fn run(visit: &Visit) -> Result<(), VisitError> {
    let order = visit.order()?;
    let mut source = Ranges { visit, length: order.source_bytes };
    let mut sink = Hatch { visit };
    match stills::draw(&mut source, &order.wish, &order.limits, &mut sink) {
        Ok(Drawn { exif, engines }) => {
            let owned = |(name, version): (&str, &str)| (name.to_owned(), version.to_owned());
            visit.done(exif, engines.into_iter().map(owned).collect())
        }
        // Where source or sink failed, the worker has hung up and this fails as well.
        Err(error) => visit.failed(error.code(), &error.to_string()),
    }
}

struct Ranges<'a> {
    visit: &'a Visit,
    length: u64,
}

impl stills::Source for Ranges<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.visit.read_at(offset, buffer)
    }
}

/// Where results are handed over.
struct Hatch<'a> {
    visit: &'a Visit,
}

impl stills::Sink for Hatch<'_> {
    fn sniffed(&mut self, sniffed: &Sniffed) -> io::Result<()> {
        let sniffed = enclave::Sniffed {
            media_type: sniffed.media_type.to_owned(),
            extension: sniffed.extension.to_owned(),
            encoding: match sniffed.encoding {
                "us-ascii" => Encoding::UsAscii,
                "utf-8" => Encoding::Utf8,
                _ => Encoding::Binary,
            },
        };
        self.visit.sniffed(&sniffed).map_err(io::Error::other)
    }

    fn pages(&mut self, total: u32) -> io::Result<()> {
        self.visit.pages(total).map_err(io::Error::other)
    }

    fn rendition(&mut self, rendition: &Rendition<'_>) -> io::Result<()> {
        let picture = Picture {
            page: rendition.page,
            size_index: rendition.size_index,
            dimensions: rendition.dimensions,
            original: rendition.original,
            format: rendition.format,
            bytes: rendition.bytes,
        };
        self.visit.artifact(&picture).map_err(io::Error::other)
    }
}
