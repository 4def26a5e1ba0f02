//! Sketch: the composite that the program put into the file, and the names and sizes of its pages.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use domain::limits::Limits;
use domain::wish::MetadataKind;
use serde_json::{Map, Value, json};
use stills::{Drawn, Easel, Error, Source};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::text;

/// The composite's name.
const PREVIEW: &str = "previews/preview.png";
/// Most bytes of the composite.
const MOST_PREVIEW_BYTES: u64 = 256 << 20;
/// Most bytes of a part of JSON that is read.
const MOST_JSON_BYTES: u64 = 32 << 20;
/// Most pages that are told.
const MOST_PAGES: usize = 100;
/// Most artboards that are told, of all pages together.
const MOST_ARTBOARDS: usize = 500;
/// What an artboard takes in metadata, in bytes, at most.
const ARTBOARD_BYTES: usize = 256;
/// A part may unpack to this many times its bytes. Deflate can do 1,032; a picture or real JSON
/// does not come near.
const MOST_RATIO: u64 = 300;
/// Parts smaller than this may have any ratio.
const RATIO_FROM_BYTES: u64 = 1 << 20;

/// Draws the composite.
pub(crate) fn draw(source: &mut dyn Source, easel: Easel<'_>) -> Result<Drawn, Error> {
    let (wish, limits) = (easel.wish(), easel.limits());
    let mut file = File::open(source, limits)?;
    let picture = file.part(PREVIEW, MOST_PREVIEW_BYTES)?.ok_or_else(|| {
        // Files from before version 39 have none.
        Error::Unsupported { what: "a Sketch file without a preview".to_owned() }
    })?;
    let mut sketch = None;
    if wish.metadata.contains(&MetadataKind::Sketch) {
        sketch = Some(file.told()?);
    }
    drop(file);
    let filetype = filetype::sniff(picture.get(..filetype::HEAD_BYTES).unwrap_or(&picture));
    if !stills::draws(filetype.kind) {
        return Err(Error::corrupt("the preview of a Sketch file is no picture"));
    }
    let mut drawn = stills::draw(&filetype, &mut Bytes(&picture), easel)?;
    // That of the composite is none of the file's.
    drawn.metadata = Map::new();
    if let Some(sketch) = sketch {
        drawn.metadata.insert(MetadataKind::Sketch.name().to_owned(), Value::Object(sketch));
    }
    Ok(drawn)
}

struct File<'a> {
    parts: ZipArchive<Ranges<'a>>,
    /// Bytes that may yet be unpacked.
    left_bytes: u64,
    limits: &'a Limits,
}

impl<'a> File<'a> {
    fn open(source: &'a mut dyn Source, limits: &'a Limits) -> Result<Self, Error> {
        let parts = ZipArchive::new(Ranges { source, position: 0 }).map_err(zip)?;
        if parts.len() > limits.entries as usize {
            let what = format!("more than {} entries", limits.entries);
            return Err(Error::Expands { what });
        }
        Ok(Self { parts, left_bytes: limits.expanded_bytes, limits })
    }

    /// A part by its name, unpacked.
    fn part(&mut self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
        let most = most.min(self.left_bytes);
        let part = match self.parts.by_name(name) {
            Ok(part) => part,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(zip(error)),
        };
        let packed = part.compressed_size();
        let ratio = packed.saturating_mul(MOST_RATIO).max(RATIO_FROM_BYTES);
        let most = most.min(ratio);
        if part.size() > most {
            return Err(Error::Expands { what: format!("{name} of {} bytes", part.size()) });
        }
        let mut bytes = Vec::new();
        // What the directory says is not what must come out.
        part.take(most + 1).read_to_end(&mut bytes).map_err(unpack)?;
        let length = bytes.len() as u64;
        if length > most {
            return Err(Error::Expands { what: format!("{name} of more than {most} bytes") });
        }
        self.left_bytes = self.left_bytes.saturating_sub(length);
        Ok(Some(bytes))
    }

    /// The kind `sketch`.
    fn told(&mut self) -> Result<Map<String, Value>, Error> {
        let mut told = Map::new();
        let meta = self.json("meta.json")?.unwrap_or_default();
        for (name, key) in [("app", "app"), ("app_version", "appVersion"), ("variant", "variant")] {
            if let Some(text) = meta.get(key).and_then(Value::as_str).and_then(text::line) {
                told.insert(name.to_owned(), json!(text));
            }
        }
        if let Some(version) = meta.get("version").and_then(Value::as_u64) {
            told.insert("version".to_owned(), json!(version));
        }
        let mut room = MOST_ARTBOARDS.min(self.limits.metadata_bytes as usize / ARTBOARD_BYTES);
        let mut truncated = false;
        let mut pages = Vec::new();
        for (id, page) in self.listed(&meta)? {
            if pages.len() >= MOST_PAGES || room == 0 {
                truncated = true;
                break;
            }
            room -= 1;
            let sizes = self.json(&format!("pages/{id}.json"))?.map(|page| sizes(&page));
            let mut artboards = Vec::new();
            for (id, name) in &page.artboards {
                if room == 0 {
                    truncated = true;
                    break;
                }
                room -= 1;
                let mut artboard = json!({ "name": name });
                let size = sizes.as_ref().and_then(|sizes| sizes.get(id));
                if let (Some((width, height)), Value::Object(artboard)) = (size, &mut artboard) {
                    artboard.insert("width".to_owned(), json!(width));
                    artboard.insert("height".to_owned(), json!(height));
                }
                artboards.push(artboard);
            }
            pages.push(json!({ "name": page.name, "artboards": artboards }));
        }
        told.insert("pages".to_owned(), Value::Array(pages));
        if truncated {
            told.insert("truncated".to_owned(), json!(true));
        }
        Ok(told)
    }

    /// The pages in the order of the document, with the artboards that `meta.json` names.
    fn listed(&mut self, meta: &Value) -> Result<Vec<(String, Listed)>, Error> {
        let mut by_id = BTreeMap::new();
        let listed = meta.get("pagesAndArtboards").and_then(Value::as_object);
        for (id, page) in listed.into_iter().flatten() {
            let artboards = page.get("artboards").and_then(Value::as_object);
            let artboards = artboards
                .into_iter()
                .flatten()
                .map(|(id, artboard)| (id.clone(), name(artboard)))
                .collect();
            by_id.insert(id.clone(), Listed { name: name(page), artboards });
        }
        let document = self.json("document.json")?.unwrap_or_default();
        let order = document.get("pages").and_then(Value::as_array);
        let order = order
            .into_iter()
            .flatten()
            .filter_map(|page| page.get("_ref").and_then(Value::as_str)?.strip_prefix("pages/"));
        let mut pages: Vec<(String, Listed)> =
            order.filter_map(|id| by_id.remove_entry(id)).collect();
        pages.extend(by_id);
        Ok(pages)
    }

    /// A part of JSON; none if it is not there or damaged: the picture is worth more.
    fn json(&mut self, name: &str) -> Result<Option<Value>, Error> {
        let bytes = self.part(name, MOST_JSON_BYTES)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}

/// A page as `meta.json` has it, its artboards by id.
struct Listed {
    name: String,
    artboards: Vec<(String, String)>,
}

fn name(value: &Value) -> String {
    value.get("name").and_then(Value::as_str).and_then(text::line).unwrap_or_default()
}

/// Width and height of a page's layers, by id.
fn sizes(page: &Value) -> BTreeMap<String, (f64, f64)> {
    let layers = page.get("layers").and_then(Value::as_array);
    let size = |layer: &Value| {
        let frame = layer.get("frame")?;
        let edge = |key| frame.get(key).and_then(Value::as_f64);
        let id = layer.get("do_objectID").and_then(Value::as_str)?;
        Some((id.to_owned(), (edge("width")?, edge("height")?)))
    };
    layers.into_iter().flatten().filter_map(size).collect()
}

fn zip(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => unpack(error),
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Error::Encrypted,
        error => Error::corrupt(format!("zip: {error}")),
    }
}

fn unpack(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            Error::corrupt(format!("zip: {error}"))
        }
        _ => Error::Source(error),
    }
}

/// The source, read on from a place.
struct Ranges<'a> {
    source: &'a mut dyn Source,
    position: u64,
}

impl Read for Ranges<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_at(self.position, buffer)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

impl Seek for Ranges<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Bytes that are a source.
struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(into), Some(bytes)) = (buffer.get_mut(..count), rest.get(..count)) {
            into.copy_from_slice(bytes);
        }
        Ok(count)
    }
}
