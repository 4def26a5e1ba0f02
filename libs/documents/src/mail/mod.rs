//! E-mails: header, body and what is attached.

mod outlook;
mod rfc;

pub(crate) use outlook::Cursor;

use domain::wish::MetadataKind;
use filetype::Filetype;
use serde_json::{Map, Value, json};
use stills::{Drawn, Easel, Error, Source};

use crate::archive::bytes_in_words;
use crate::facts;
use crate::markup::html;
use crate::page::flow::{Block, Flow, Place, Span};
use crate::page::letters::{Fonts, Letters};
use crate::page::{self, Pages};

/// People of a header, and attachments, that are kept.
const MOST_PEOPLE: usize = 200;
const MOST_ATTACHMENTS: usize = 500;
/// People and attachments that are shown.
const SHOWN_PEOPLE: usize = 12;
const SHOWN_ATTACHMENTS: usize = 20;
/// Lines of a plain body.
const MOST_LINES: usize = 20_000;

/// Somebody.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// A file in a mail.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) size: u64,
}

/// The words of a mail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    None,
    Plain(String),
    Html(String),
}

/// A mail, whatever it came as.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) from: Vec<Person>,
    pub(crate) to: Vec<Person>,
    pub(crate) cc: Vec<Person>,
    /// RFC 3339, in the sender's zone where it is known.
    pub(crate) date: Option<String>,
    pub(crate) message_id: Option<String>,
    pub(crate) body: Body,
    pub(crate) attachments: Vec<Attachment>,
}

/// Draws a mail.
pub(crate) fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    mut easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    let letter = if filetype.extension == "msg" {
        easel.used(("cfb", "0.16"));
        outlook::read(source, easel.limits())?
    } else {
        easel.used(("mail-parser", "0.11"));
        rfc::read(source, easel.limits())?
    };
    let mut letters = Letters::new(fonts);
    let mut flow = Flow::new(blocks(&letter), easel.limits().pages, &mut letters);
    let pages = flow.total();
    let mut metadata = Map::new();
    page::draw_told(&mut flow, &mut easel, &mut metadata)?;
    let mut told = facts_of(&letter, easel.limits().metadata_bytes as usize);
    told.insert("pages".to_owned(), json!(pages));
    facts::put(&mut metadata, MetadataKind::Mail, &easel, Value::Object(told));
    Ok(Drawn { metadata, engines: easel.done() })
}

fn facts_of(letter: &Letter, most_bytes: usize) -> Map<String, Value> {
    let mut told = Map::new();
    let people = |people: &[Person]| -> Value {
        let each = people.iter().take(MOST_PEOPLE).map(|person| {
            json!({ "name": facts::text(&person.name), "address": facts::text(&person.address) })
        });
        Value::Array(facts::cut(each.collect(), most_bytes / 8).0)
    };
    facts::put_text(&mut told, "subject", Some(&letter.subject));
    told.insert("from".to_owned(), people(&letter.from));
    told.insert("to".to_owned(), people(&letter.to));
    told.insert("cc".to_owned(), people(&letter.cc));
    facts::put_text(&mut told, "date", letter.date.as_deref());
    facts::put_text(&mut told, "message_id", letter.message_id.as_deref());
    let body = match letter.body {
        Body::None => "none",
        Body::Plain(_) => "plain",
        Body::Html(_) => "html",
    };
    told.insert("body".to_owned(), json!(body));
    let attachments = letter
        .attachments
        .iter()
        .map(|attachment| {
            json!({
                "name": facts::text(&attachment.name),
                "media_type": facts::text(&attachment.media_type),
                "size": attachment.size,
            })
        })
        .collect();
    let (attachments, is_cut) = facts::cut(attachments, most_bytes / 4);
    told.insert("attachments".to_owned(), Value::Array(attachments));
    if is_cut {
        told.insert("truncated".to_owned(), json!(true));
    }
    told
}

fn blocks(letter: &Letter) -> Vec<Block> {
    let subject = facts::clean(&letter.subject, 300);
    let subject = if subject.is_empty() { "(no subject)".to_owned() } else { subject };
    let mut blocks = vec![Block::Heading(2, vec![Span::plain(subject)])];
    let mut fields = Vec::new();
    let mut people = |name: &str, people: &[Person]| {
        if people.is_empty() {
            return;
        }
        let mut spans = Vec::new();
        for (at, person) in people.iter().take(SHOWN_PEOPLE).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            match (person.name.trim(), person.address.trim()) {
                ("", address) => {
                    spans.push(Span::plain(format!("{comma}{}", facts::clean(address, 200))));
                }
                (name, address) => {
                    spans.push(Span::plain(comma));
                    spans.push(Span::bold(facts::clean(name, 200)));
                    if !address.is_empty() && address != name {
                        spans.push(Span::muted(format!(" <{}>", facts::clean(address, 200))));
                    }
                }
            }
        }
        if people.len() > SHOWN_PEOPLE {
            spans.push(Span::muted(format!(" and {} more", people.len() - SHOWN_PEOPLE)));
        }
        fields.push((name.to_owned(), spans));
    };
    people("From", &letter.from);
    people("To", &letter.to);
    people("Cc", &letter.cc);
    if let Some(date) = &letter.date {
        fields.push(("Date".to_owned(), vec![Span::plain(shown_date(date))]));
    }
    if !letter.attachments.is_empty() {
        let mut spans = Vec::new();
        for (at, attachment) in letter.attachments.iter().take(SHOWN_ATTACHMENTS).enumerate() {
            let comma = if at > 0 { ",  " } else { "" };
            let name = facts::clean(&attachment.name, 120);
            let name =
                if name.is_empty() { facts::clean(&attachment.media_type, 80) } else { name };
            spans.push(Span::plain(format!("{comma}{name}")));
            // How large a mail in a mail is, Outlook does not say.
            if attachment.size > 0 {
                spans.push(Span::muted(format!(" ({})", bytes_in_words(attachment.size))));
            }
        }
        if letter.attachments.len() > SHOWN_ATTACHMENTS {
            let more = letter.attachments.len() - SHOWN_ATTACHMENTS;
            spans.push(Span::muted(format!(" and {more} more")));
        }
        fields.push(("Attached".to_owned(), spans));
    }
    blocks.push(Block::Fields(fields));
    blocks.push(Block::Rule);
    match &letter.body {
        Body::None => {}
        Body::Plain(text) => plain(text, &mut blocks),
        Body::Html(text) => blocks.extend(html::blocks(text)),
    }
    blocks
}

/// `2026-11-10 09:12 +01:00`
fn shown_date(date: &str) -> String {
    match (date.split_once('T'), date.get(19..)) {
        (Some((day, time)), Some(zone)) => {
            let zone = if zone == "Z" { "UTC" } else { zone };
            format!("{day} {} {zone}", time.get(..5).unwrap_or(time))
        }
        _ => date.to_owned(),
    }
}

/// Lines stay lines; quoted ones are set as quotes; what follows the dashes is a signature.
fn plain(text: &str, blocks: &mut Vec<Block>) {
    let mut lines: Vec<&str> = Vec::new();
    let mut depth = 0;
    let mut is_signature = false;
    let flush = |lines: &mut Vec<&str>, depth: u8, is_signature: bool, blocks: &mut Vec<Block>| {
        let text = std::mem::take(lines).join("\n");
        if !text.trim().is_empty() {
            let place = Place { depth: 0, quotes: depth };
            let span = Span { text, muted: is_signature || depth > 0, ..Span::default() };
            blocks.push(Block::Paragraph(place, None, vec![span]));
        }
    };
    for line in text.lines().take(MOST_LINES) {
        let mut rest = line;
        let mut quotes = 0_u8;
        while let Some(inner) = rest.strip_prefix('>') {
            quotes = quotes.saturating_add(1);
            rest = inner.strip_prefix(' ').unwrap_or(inner);
        }
        if quotes != depth || rest.trim().is_empty() || line == "-- " {
            flush(&mut lines, depth, is_signature, blocks);
            depth = quotes;
        }
        is_signature |= line == "-- ";
        if !rest.trim().is_empty() {
            lines.push(rest);
        }
    }
    flush(&mut lines, depth, is_signature, blocks);
}
