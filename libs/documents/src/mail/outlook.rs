//! Outlook's mails: properties in the streams of an OLE file.

use std::io::{Read, Seek, SeekFrom};

use cfb::CompoundFile;
use domain::limits::Limits;
use mail_parser::MessageParser;
use stills::{Error, Source};

use super::{Attachment, Body, Letter, MOST_ATTACHMENTS, MOST_PEOPLE, Person};
use crate::text::decode;

/// Longest property that is read.
const MOST_BYTES: u64 = 8 << 20;

/// A source with a place in it.
pub(crate) struct Cursor<'a> {
    source: &'a mut dyn Source,
    at: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(source: &'a mut dyn Source) -> Self {
        Self { source, at: 0 }
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read_at(self.at, buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.source.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

type File<'a> = CompoundFile<Cursor<'a>>;

/// Reads a mail.
pub(crate) fn read(source: &mut dyn Source, _limits: &Limits) -> Result<Letter, Error> {
    let mut file = CompoundFile::open(Cursor::new(source)).map_err(Error::corrupt)?;
    let sender = Person {
        name: text(&mut file, "", 0x0c1a),
        address: [0x5d01, 0x5d02, 0x0c1f]
            .into_iter()
            .map(|property| text(&mut file, "", property))
            .find(|address| address.contains('@'))
            .unwrap_or_default(),
    };
    let headers = text(&mut file, "", 0x007d);
    let parsed = MessageParser::default().parse_headers(headers.as_bytes());
    let sent = [0x0039, 0x0e06].into_iter().find_map(|property| ticks(&mut file, property));
    let date =
        parsed.as_ref().and_then(|parsed| parsed.date()).map(mail_parser::DateTime::to_rfc3339);
    let id = Some(text(&mut file, "", 0x1035)).filter(|id| !id.is_empty());
    let mut letter = Letter {
        subject: text(&mut file, "", 0x0037),
        from: if sender == Person::default() { Vec::new() } else { vec![sender] },
        to: Vec::new(),
        cc: Vec::new(),
        date: date.or(sent),
        message_id: id.map(|id| id.trim_matches(['<', '>']).to_owned()),
        body: body(&mut file),
        attachments: attachments(&mut file),
    };
    recipients(&mut file, &mut letter);
    Ok(letter)
}

/// The bytes of a property of one of the two kinds of text.
fn bytes(file: &mut File<'_>, folder: &str, property: u16, kind: u16) -> Option<Vec<u8>> {
    let path = format!("{folder}/__substg1.0_{property:04X}{kind:04X}");
    let stream = file.open_stream(path).ok()?;
    let mut bytes = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text(file: &mut File<'_>, folder: &str, property: u16) -> String {
    if let Some(wide) = bytes(file, folder, property, 0x001f) {
        return encoding_rs::UTF_16LE.decode(&wide).0.into_owned();
    }
    let narrow = bytes(file, folder, property, 0x001e).unwrap_or_default();
    decode::decode(&narrow, "unknown-8bit").0
}

/// A date out of the list of short properties.
fn ticks(file: &mut File<'_>, property: u16) -> Option<String> {
    const HEADER_BYTES: usize = 32;
    let mut list = Vec::new();
    file.open_stream("/__properties_version1.0")
        .ok()?
        .take(MOST_BYTES)
        .read_to_end(&mut list)
        .ok()?;
    let entries = list.get(HEADER_BYTES..)?.as_chunks::<16>().0;
    let tag = u32::from(property) << 16 | 0x0040;
    let entry = entries.iter().find(|entry| entry.first_chunk() == Some(&tag.to_le_bytes()))?;
    let ticks = u64::from_le_bytes(*entry.last_chunk()?);
    let seconds = i64::try_from(ticks / 10_000_000).ok()? - 11_644_473_600;
    Some(jiff::Timestamp::from_second(seconds).ok()?.to_string())
}

fn body(file: &mut File<'_>) -> Body {
    let html =
        bytes(file, "", 0x1013, 0x0102).map(|bytes| decode::decode(&bytes, "unknown-8bit").0);
    let html = html.unwrap_or_else(|| text(file, "", 0x1013));
    if !html.trim().is_empty() {
        return Body::Html(html);
    }
    let plain = text(file, "", 0x1000);
    if plain.trim().is_empty() { Body::None } else { Body::Plain(plain) }
}

/// The folders of the mail whose names begin so.
fn folders(file: &File<'_>, prefix: &str, most: usize) -> Vec<String> {
    let Ok(entries) = file.read_storage("/") else { return Vec::new() };
    entries
        .filter(|entry| entry.is_storage() && entry.name().starts_with(prefix))
        .take(most)
        .map(|entry| format!("/{}", entry.name()))
        .collect()
}

fn recipients(file: &mut File<'_>, letter: &mut Letter) {
    for folder in folders(file, "__recip_version1.0_", MOST_PEOPLE) {
        let address = [0x39fe, 0x3003]
            .into_iter()
            .map(|property| text(file, &folder, property))
            .find(|address| address.contains('@'));
        let person =
            Person { name: text(file, &folder, 0x3001), address: address.unwrap_or_default() };
        match recipient_kind(file, &folder) {
            Some(2) => letter.cc.push(person),
            Some(3) => {}
            _ => letter.to.push(person),
        }
    }
    if letter.to.is_empty() {
        let shown = text(file, "", 0x0e04);
        let people = shown.split(';').map(str::trim).filter(|name| !name.is_empty());
        letter.to = people
            .take(MOST_PEOPLE)
            .map(|name| Person { name: name.to_owned(), address: String::new() })
            .collect();
    }
}

/// 1: to, 2: cc, 3: bcc.
fn recipient_kind(file: &mut File<'_>, folder: &str) -> Option<u8> {
    const HEADER_BYTES: usize = 8;
    let mut list = Vec::new();
    let stream = file.open_stream(format!("{folder}/__properties_version1.0")).ok()?;
    stream.take(MOST_BYTES).read_to_end(&mut list).ok()?;
    let entries = list.get(HEADER_BYTES..)?.as_chunks::<16>().0;
    let entry =
        entries.iter().find(|entry| entry.first_chunk() == Some(&0x0c15_0003_u32.to_le_bytes()))?;
    entry.get(8).copied()
}

fn attachments(file: &mut File<'_>) -> Vec<Attachment> {
    let folders = folders(file, "__attach_version1.0_", MOST_ATTACHMENTS);
    folders
        .iter()
        .map(|folder| {
            let name = [0x3707, 0x3704, 0x3001]
                .into_iter()
                .map(|property| text(file, folder, property))
                .find(|name| !name.is_empty());
            let size =
                file.entry(format!("{folder}/__substg1.0_37010102")).map_or(0, |entry| entry.len());
            let inner = format!("{folder}/__substg1.0_3701000D");
            let media_type = if file.is_storage(inner) {
                "application/vnd.ms-outlook".to_owned()
            } else {
                text(file, folder, 0x370e)
            };
            Attachment { name: name.unwrap_or_default(), media_type, size }
        })
        .collect()
}
