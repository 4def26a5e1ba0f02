//! One job: what the worker ordered, drawn by `stills`, handed back through the visit.

use std::io;

use domain::FailureCode;
use enclave::Encoding;
use enclave::inside::{Picture, Visit, VisitError};
use filetype::Filetype;
use serde_json::Value;
use stills::{Drawn, Easel, Made, Source};

/// Draws the job that the worker orders.
///
/// # Errors
/// When the worker cannot be spoken with.
pub(crate) fn run(visit: &Visit) -> Result<(), VisitError> {
    let order = visit.order()?;
    let mut source = Ranges { visit, length: order.source_bytes };
    let mut head = vec![0; filetype::HEAD_BYTES];
    let read = source.read_at(0, &mut head).unwrap_or_default();
    head.truncate(read);
    if head.is_empty() {
        return visit.failed(FailureCode::SourceEmpty, "the source has no bytes");
    }
    let filetype = filetype::sniff(&head);
    visit.sniffed(&sniffed(&filetype))?;
    if !stills::draws(filetype.kind) {
        return visit.failed(FailureCode::Unsupported, filetype.media_type);
    }
    let mut sink = Hatch { visit };
    let easel = Easel::new(&order.wish, &order.limits, &mut sink);
    match stills::draw(filetype.kind, &mut source, easel) {
        Ok(Drawn { mut metadata, engines }) => {
            let exif = metadata.remove("exif").and_then(|exif| match exif {
                Value::Object(exif) => Some(exif),
                _ => None,
            });
            visit.done(exif, engines)
        }
        // Where source or sink failed, the worker has hung up and this fails as well.
        Err(error) => visit.failed(error.code(), &error.to_string()),
    }
}

fn sniffed(filetype: &Filetype) -> enclave::Sniffed {
    enclave::Sniffed {
        media_type: filetype.media_type.to_owned(),
        extension: filetype.extension.to_owned(),
        encoding: match filetype.encoding {
            "us-ascii" => Encoding::UsAscii,
            "utf-8" => Encoding::Utf8,
            _ => Encoding::Binary,
        },
    }
}

struct Ranges<'a> {
    visit: &'a Visit,
    length: u64,
}

impl Source for Ranges<'_> {
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
    fn pages(&mut self, total: u32) -> io::Result<()> {
        self.visit.pages(total).map_err(io::Error::other)
    }

    fn artifact(&mut self, made: &Made<'_>) -> io::Result<()> {
        let picture = Picture {
            page: made.page,
            size_index: made.size_index,
            dimensions: made.dimensions,
            original: made.original,
            format: made.format,
            bytes: made.bytes,
        };
        self.visit.artifact(&picture).map_err(io::Error::other)
    }
}
