//! Mails as they travel: RFC 5322 and MIME; of a mailbox, the first one.

use domain::limits::Limits;
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};
use stills::{Error, Source};

use super::{Attachment, Body, Letter, MOST_ATTACHMENTS, MOST_PEOPLE, Person};
use crate::text::decode;

/// As much of a mail as is read: attachments that lie behind are not told of.
const MOST_BYTES: usize = 64 << 20;
/// Parts, and mails in mails, that are read.
const MOST_PARTS: usize = 10_000;
const MOST_INNER_MAILS: usize = 256;

/// Reads a mail.
pub(crate) fn read(source: &mut dyn Source, limits: &Limits) -> Result<Letter, Error> {
    let (bytes, _) = decode::start(source, MOST_BYTES)?;
    let bytes = first_of_mailbox(&bytes);
    let (parts, inner) = counted(bytes);
    if parts > MOST_PARTS || inner > MOST_INNER_MAILS {
        return Err(Error::Expands { what: format!("{parts} parts, {inner} mails in mails") });
    }
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or_else(|| Error::corrupt("a mail without a header"))?;
    let mut attachments = Vec::new();
    gather(&message, limits.nesting, &mut attachments);
    Ok(Letter {
        subject: message.subject().unwrap_or_default().to_owned(),
        from: people(message.from()),
        to: people(message.to()),
        cc: people(message.cc()),
        date: message.date().map(mail_parser::DateTime::to_rfc3339),
        message_id: message.message_id().map(str::to_owned),
        body: body(&message),
        attachments,
    })
}

/// From the second line of a mailbox up to its next mail.
fn first_of_mailbox(bytes: &[u8]) -> &[u8] {
    const MARK: &[u8] = b"\nFrom ";
    if !bytes.starts_with(b"From ") {
        return bytes;
    }
    let from = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let rest = bytes.get(from..).unwrap_or_default();
    let end = rest.windows(MARK.len()).position(|window| window == MARK);
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

/// How many parts and inner mails there seem to be, before anything is built of them.
fn counted(bytes: &[u8]) -> (usize, usize) {
    let (mut parts, mut inner) = (0, 0);
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.get(..13).is_some_and(|name| name.eq_ignore_ascii_case(b"content-type:")) {
            parts += 1;
            let value = line.get(13..).unwrap_or_default().trim_ascii_start();
            inner += usize::from(
                value.get(..8).is_some_and(|kind| kind.eq_ignore_ascii_case(b"message/")),
            );
        }
    }
    (parts, inner)
}

fn people(address: Option<&Address<'_>>) -> Vec<Person> {
    let Some(address) = address else { return Vec::new() };
    address
        .iter()
        .take(MOST_PEOPLE)
        .map(|person| Person {
            name: person.name().unwrap_or_default().to_owned(),
            address: person.address().unwrap_or_default().to_owned(),
        })
        .collect()
}

/// The richest of the bodies.
fn body(message: &Message<'_>) -> Body {
    let html = message.html_bodies().find_map(|part| match &part.body {
        PartType::Html(html) => Some(html.to_string()),
        _ => None,
    });
    if let Some(html) = html.filter(|html| !html.trim().is_empty()) {
        return Body::Html(html);
    }
    message.body_text(0).map_or(Body::None, |text| Body::Plain(text.into_owned()))
}

fn gather(message: &Message<'_>, nesting: u32, attachments: &mut Vec<Attachment>) {
    for part in message.attachments() {
        if attachments.len() >= MOST_ATTACHMENTS {
            return;
        }
        let media_type =
            part.content_type().map_or_else(String::new, |said| match said.subtype() {
                Some(subtype) => format!("{}/{subtype}", said.ctype()).to_ascii_lowercase(),
                None => said.ctype().to_ascii_lowercase(),
            });
        let name = part.attachment_name().unwrap_or_default().to_owned();
        let inner = part.message();
        let name = match inner.and_then(Message::subject) {
            Some(subject) if name.is_empty() => format!("{subject}.eml"),
            _ => name,
        };
        attachments.push(Attachment { name, media_type, size: part.len() as u64 });
        if let Some(inner) = inner.filter(|_| nesting > 1) {
            gather(inner, nesting - 1, attachments);
        }
    }
}
