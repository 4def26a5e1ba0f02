//! One job: what the worker ordered, drawn by the studio, handed back through the visit.

use std::collections::BTreeMap;
use std::io;

use domain::FailureCode;
use enclave::inside::{Picture, Visit, VisitError};
use enclave::{Sniffed, Stage};
use filetype::{Filetype, HEAD_BYTES};
use serde_json::{Map, Value, json};
use stills::{Drawn, Easel, Error, Made, Source};

use crate::Panics;
use crate::studio::{Drawing, Studio};

/// Draws the job that the worker orders.
///
/// # Errors
/// When the worker cannot be spoken with.
pub(crate) fn run(visit: &Visit, studio: &dyn Studio, panics: &Panics) -> Result<(), VisitError> {
    let (order, fonts) = visit.order()?;
    let mut source = Ranges { visit, length: order.source_bytes, head: Vec::new() };
    let identified =
        filetype::identify(source.length, |offset, buffer| source.read_at(offset, buffer));
    let filetype = match identified {
        Ok(_) if source.head.is_empty() => {
            return visit.failed(FailureCode::SourceEmpty, "the source has no bytes");
        }
        Ok(filetype) => filetype,
        // The worker has hung up, and this fails as well.
        Err(error) => return visit.failed(FailureCode::Internal, &error.to_string()),
    };
    visit.sniffed(&sniffed(&filetype))?;
    let mut hatch = Hatch { visit, opened: false };
    let easel = Easel::new(&order.wish, &order.limits, &mut hatch);
    let drawing = studio.draw(&filetype, &mut source, easel, fonts.files());
    let most = order.limits.metadata_bytes;
    match drawing {
        Ok(Drawing::Drawn(Drawn { metadata, engines })) => {
            visit.done(within(metadata, most), engines)
        }
        Ok(Drawing::Elsewhere(stage, Drawn { metadata, engines })) => {
            visit.hand_over(stage, within(metadata, most), engines)
        }
        Err(Error::Missing { name }) if !hatch.opened && stage(name).is_some() => {
            let stage = stage(name).unwrap_or(Stage::Av);
            visit.hand_over(stage, Map::new(), BTreeMap::new())
        }
        // Where source or sink failed, the worker has hung up and this fails as well.
        Err(error) => {
            let place = panics.last().map(|place| format!(" (panicked at {place})"));
            visit.failed(error.code(), &format!("{error}{}", place.unwrap_or_default()))
        }
    }
}

fn stage(name: &str) -> Option<Stage> {
    [Stage::Av, Stage::Office, Stage::Browser].into_iter().find(|stage| stage.name() == name)
}

fn sniffed(filetype: &Filetype) -> Sniffed {
    Sniffed {
        media_type: filetype.media_type.to_owned(),
        extension: filetype.extension.to_owned(),
        encoding: filetype.encoding.to_owned(),
    }
}

/// Each kind keeps to the limit by itself; where they do not together, the largest give way.
fn within(mut metadata: Map<String, Value>, most: u32) -> Map<String, Value> {
    let size = |value: &Value| serde_json::to_vec(value).map_or(usize::MAX, |json| json.len());
    while size(&Value::Object(metadata.clone())) > most as usize {
        let largest = metadata.iter().max_by_key(|(_, value)| size(value));
        let Some(name) = largest.map(|(name, _)| name.clone()) else { break };
        let cut = json!({ "truncated": true });
        if metadata.insert(name.clone(), cut.clone()) == Some(cut) {
            metadata.remove(&name);
        }
    }
    metadata
}

/// The source, range by range. Its head, which whoever looks at a file reads first, is kept.
struct Ranges<'a> {
    visit: &'a Visit,
    length: u64,
    head: Vec<u8>,
}

impl Source for Ranges<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head.is_empty() && offset == 0 {
            let most = usize::try_from(self.length).unwrap_or(HEAD_BYTES).min(HEAD_BYTES);
            let mut head = vec![0; most.min(buffer.len())];
            let count = self.visit.read_at(0, &mut head)?;
            head.truncate(count);
            self.head = head;
        }
        let known = usize::try_from(offset).ok().and_then(|offset| self.head.get(offset..));
        let known = known.unwrap_or_default();
        let known = known.get(..buffer.len()).unwrap_or(known);
        let (first, rest) = buffer.split_at_mut(known.len());
        first.copy_from_slice(known);
        let from = offset.saturating_add(known.len() as u64);
        if rest.is_empty() || from >= self.length {
            return Ok(known.len());
        }
        Ok(known.len() + self.visit.read_at(from, rest)?)
    }
}

/// Where results are handed over.
struct Hatch<'a> {
    visit: &'a Visit,
    opened: bool,
}

impl stills::Sink for Hatch<'_> {
    fn pages(&mut self, total: u32) -> io::Result<()> {
        self.opened = true;
        self.visit.pages(total).map_err(io::Error::other)
    }

    fn artifact(&mut self, made: &Made<'_>) -> io::Result<()> {
        let picture = Picture {
            role: made.role,
            page: made.page,
            size_index: made.size_index,
            dimensions: made.dimensions,
            original: made.original,
            format: made.format,
            bytes: made.bytes,
        };
        self.visit.artifact(&picture).map_err(io::Error::other)
    }

    fn ocr_page(&mut self, page: u32, dimensions: (u32, u32), png: &[u8]) -> io::Result<()> {
        self.visit.page_to_read(page, dimensions, png).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_kinds_are_too_much_together_the_largest_gives_way() {
        let Value::Object(found) = json!({ "exif": { "a": 1 }, "psd": ["x".repeat(900)] }) else {
            unreachable!("a map")
        };
        assert_eq!(within(found.clone(), 2_000), found);
        let cut = within(found.clone(), 500);
        assert_eq!(Value::Object(cut), json!({ "exif": { "a": 1 }, "psd": { "truncated": true } }));
        assert_eq!(within(found, 10), Map::new());
    }
}
