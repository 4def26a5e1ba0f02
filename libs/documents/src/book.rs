//! EPUB: its cover, or else its first pages.

use std::borrow::Cow;

use domain::wish::MetadataKind;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use filetype::Filetype;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value, json};
use stills::{Drawn, Easel, Error, Source};

use crate::facts;
use crate::markup::html;
use crate::page::flow::{Block, Flow, Place, Span};
use crate::page::letters::{Face, Fonts, Letters};
use crate::page::{self, Pages};
use crate::unzip::Archive;

/// Longest package file, chapter and cover that are read.
const MOST_PACKAGE_BYTES: usize = 4 << 20;
const MOST_CHAPTER_BYTES: usize = 2 << 20;
const MOST_COVER_BYTES: usize = 64 << 20;
/// Chapters that are set where there is no cover.
const SHOWN_CHAPTERS: usize = 4;
/// Within so many bytes an XML declaration ends.
const MOST_DECLARATION_BYTES: usize = 256;
/// Files of a package.
const MOST_ITEMS: usize = 10_000;

/// Draws a book.
pub(crate) fn draw(
    _filetype: &Filetype,
    source: &mut dyn Source,
    mut easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    easel.used(("quick-xml", "0.42"));
    let limits = easel.limits();
    let mut archive = Archive::open(source, limits)?;
    let container = archive.read("META-INF/container.xml", MOST_PACKAGE_BYTES)?.unwrap_or_default();
    let path = rootfile(&container).ok_or_else(|| Error::corrupt("a book without a package"))?;
    let package = archive.read(&path, MOST_PACKAGE_BYTES)?;
    let package =
        Package::parse(&package.ok_or_else(|| Error::corrupt("a book without a package"))?);
    let told = package.facts();
    let mut metadata = Map::new();
    facts::put(&mut metadata, MetadataKind::Document, &easel, told);
    if let Some(cover) = cover(&mut archive, &package, &path) {
        let found = filetype::sniff(&cover);
        let mut drawn = crate::draw::still(&found, cover, easel)?;
        // What the cover's own metadata say is not what the book does.
        drawn.metadata = metadata;
        return Ok(drawn);
    }
    let mut blocks = package.title_page();
    for chapter in package.spine().take(SHOWN_CHAPTERS) {
        if let Some(bytes) = archive.read(&resolved(&path, chapter), MOST_CHAPTER_BYTES)? {
            blocks.extend(html::blocks(&decoded(&bytes)));
        }
    }
    let mut letters = Letters::new(fonts);
    let mut flow = Flow::in_face(blocks, Face::Serif, limits.pages, &mut letters);
    let pages = flow.total();
    page::draw(&mut flow, &mut easel)?;
    if let Some(Value::Object(told)) = metadata.get_mut(MetadataKind::Document.name()) {
        told.insert("pages".to_owned(), json!(pages));
    }
    Ok(Drawn { metadata, engines: easel.done() })
}

/// The cover, if it is a picture that can be drawn.
fn cover(archive: &mut Archive<'_>, package: &Package, path: &str) -> Option<Vec<u8>> {
    let item = package.cover()?;
    let bytes = archive.read(&resolved(path, &item.href), MOST_COVER_BYTES).ok()??;
    stills::draws(filetype::sniff(&bytes).kind).then_some(bytes)
}

/// A path as seen from the package file.
fn resolved(package: &str, href: &str) -> String {
    let href = href.split('#').next().unwrap_or_default();
    let href = unescaped(href);
    let mut parts: Vec<&str> = package.split('/').collect();
    parts.pop();
    for part in href.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "" | "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// `%20` and the like.
fn unescaped(href: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = href.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%')
        {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An attribute by its name without prefix.
pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().flatten().find(|found| found.key.local_name().as_ref() == name)?;
    let value = found.value.to_string();
    Some(quick_xml::escape::unescape(&value).map_or(value.clone(), Cow::into_owned))
}

/// XML as text: by the mark it begins with, else by how wide its first letter is, else by what it
/// declares, else as UTF-8.
fn decoded(xml: &[u8]) -> Cow<'_, str> {
    let encoding = match xml {
        [b'<', 0, ..] => UTF_16LE,
        [0, b'<', ..] => UTF_16BE,
        _ => declared(xml).unwrap_or(UTF_8),
    };
    encoding.decode(xml).0
}

/// The encoding that an XML declaration in letters of one byte names. One of wider letters cannot be
/// it.
fn declared(xml: &[u8]) -> Option<&'static Encoding> {
    let start = xml.get(..xml.len().min(MOST_DECLARATION_BYTES))?;
    let declaration = start.strip_prefix(b"<?xml")?.split(|byte| *byte == b'>').next()?;
    let text = std::str::from_utf8(declaration).ok()?;
    let value = text.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let name = value.split(['"', '\'']).nth(1)?;
    let encoding = Encoding::for_label(name.as_bytes())?;
    (encoding != UTF_16LE && encoding != UTF_16BE).then_some(encoding)
}

fn rootfile(container: &[u8]) -> Option<String> {
    let text = decoded(container);
    let mut reader = Reader::from_str(&text);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == "rootfile" => {
                return attribute(&tag, "full-path");
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Item {
    id: String,
    href: String,
    media_type: String,
    properties: String,
}

/// What the package file says.
#[derive(Debug, Default)]
struct Package {
    /// Name without prefix, and what it says, in order.
    said: Vec<(String, String)>,
    cover_id: Option<String>,
    items: Vec<Item>,
    chapters: Vec<String>,
}

impl Package {
    /// Reads as far as it is well-formed.
    fn parse(bytes: &[u8]) -> Self {
        let text = decoded(bytes);
        let mut reader = Reader::from_str(&text);
        let mut package = Self::default();
        let mut inside: Option<String> = None;
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Eof => break,
                Event::Start(tag) => {
                    package.tag(&tag);
                    let name = tag.local_name().as_ref().to_owned();
                    inside = is_told(&name).then_some(name);
                    if let Some(name) = &inside
                        && package.said.len() < MOST_ITEMS
                    {
                        package.said.push((name.clone(), String::new()));
                    }
                }
                Event::Empty(tag) => package.tag(&tag),
                Event::Text(text) if inside.is_some() => {
                    if let Some((_, said)) = package.said.last_mut() {
                        said.push_str(&text);
                    }
                }
                Event::GeneralRef(name) if inside.is_some() => {
                    let name = format!("&{};", &*name);
                    let letters = quick_xml::escape::unescape(&name)
                        .map_or_else(|_| String::new(), Cow::into_owned);
                    if let Some((_, said)) = package.said.last_mut() {
                        said.push_str(&letters);
                    }
                }
                Event::End(_) => inside = None,
                _ => {}
            }
        }
        package
    }

    fn tag(&mut self, tag: &BytesStart<'_>) {
        let of = |name: &str| attribute(tag, name).unwrap_or_default();
        match tag.local_name().as_ref() {
            "meta" if of("name") == "cover" => self.cover_id = attribute(tag, "content"),
            "item" if self.items.len() < MOST_ITEMS => self.items.push(Item {
                id: of("id"),
                href: of("href"),
                media_type: of("media-type"),
                properties: of("properties"),
            }),
            "itemref" if self.chapters.len() < MOST_ITEMS => self.chapters.push(of("idref")),
            _ => {}
        }
    }

    fn cover(&self) -> Option<&Item> {
        let is_picture = |item: &&Item| item.media_type.starts_with("image/");
        let mut pictures = self.items.iter().filter(is_picture);
        let marked = self
            .items
            .iter()
            .filter(is_picture)
            .find(|item| item.properties.contains("cover-image"));
        let named = self
            .cover_id
            .as_ref()
            .and_then(|id| self.items.iter().filter(is_picture).find(|item| item.id == *id));
        marked.or(named).or_else(|| {
            pictures.find(|item| {
                item.id.to_ascii_lowercase().contains("cover")
                    || item.href.to_ascii_lowercase().contains("cover")
            })
        })
    }

    fn spine(&self) -> impl Iterator<Item = &str> {
        self.chapters.iter().filter_map(|id| {
            self.items.iter().find(|item| item.id == *id).map(|item| item.href.as_str())
        })
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.said.iter().find(|(said, _)| said == name).map(|(_, value)| value.trim())
    }

    fn facts(&self) -> Value {
        let mut told = Map::new();
        for name in
            ["title", "language", "publisher", "identifier", "date", "description", "rights"]
        {
            facts::put_text(&mut told, name, self.first(name));
        }
        let all = |name: &str| {
            let each =
                self.said.iter().filter(|(said, value)| said == name && !value.trim().is_empty());
            each.take(50).map(|(_, value)| facts::text(value)).collect::<Vec<_>>()
        };
        told.insert("creator".to_owned(), Value::Array(all("creator")));
        let subjects = all("subject");
        if !subjects.is_empty() {
            told.insert("subject".to_owned(), Value::Array(subjects));
        }
        told.insert("chapters".to_owned(), json!(self.chapters.len()));
        Value::Object(told)
    }

    fn title_page(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        if let Some(title) = self.first("title") {
            blocks.push(Block::Heading(1, vec![Span::plain(facts::clean(title, 300))]));
        }
        let creators: Vec<&str> = self
            .said
            .iter()
            .filter(|(name, _)| name == "creator")
            .map(|(_, value)| value.trim())
            .take(10)
            .collect();
        if !creators.is_empty() {
            let span = Span::muted(facts::clean(&creators.join(", "), 500));
            blocks.push(Block::Paragraph(Place::default(), None, vec![span]));
        }
        blocks
    }
}

fn is_told(name: &str) -> bool {
    matches!(
        name,
        "title"
            | "creator"
            | "language"
            | "publisher"
            | "identifier"
            | "date"
            | "description"
            | "subject"
            | "rights"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_in_any_encoding_tells_its_title() {
        let text = |encoding: &str| {
            format!(
                "<?xml version=\"1.0\" encoding='{encoding}'?><package><title>Zürich</title></package>"
            )
        };
        let wide = |text: String, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(bytes).collect()
        };
        let latin: Vec<u8> = text("iso-8859-1").chars().map(|letter| letter as u8).collect();
        let packages = [
            text("utf-8").into_bytes(),
            format!("\u{feff}{}", text("UTF-8")).into_bytes(),
            latin,
            // By their mark, though they declare another.
            wide(format!("\u{feff}{}", text("UTF-8")), u16::to_le_bytes),
            wide(format!("\u{feff}{}", text("UTF-8")), u16::to_be_bytes),
            // Without a mark.
            wide(text("UTF-16"), u16::to_le_bytes),
            wide(text("UTF-16"), u16::to_be_bytes),
            // Declared, but not so.
            text("UTF-16").into_bytes(),
        ];
        for package in packages {
            assert_eq!(Package::parse(&package).first("title"), Some("Zürich"), "{package:?}");
        }
    }
}
