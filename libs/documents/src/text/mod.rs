//! Text files: which way each is drawn, and what is told of it.

pub(crate) mod code;
pub(crate) mod decode;
mod grammar;
mod pretty;
mod table;

use domain::wish::MetadataKind;
use filetype::{Filetype, Kind};
use serde_json::{Map, Value, json};
use stills::{Drawn, Easel, Error, Source};

use crate::facts;
use crate::page::cells::{Cells, Inks};
use crate::page::flow::Flow;
use crate::page::letters::{Fonts, Letters};
use crate::page::{self, Pages};
use decode::Text;

/// Draws a text.
pub(crate) fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    mut easel: Easel<'_>,
    fonts: Fonts<'_>,
) -> Result<Drawn, Error> {
    let text = decode::read(source, filetype.encoding)?;
    let mut about = about(&text, filetype);
    let mut metadata = Map::new();
    let mut letters = Letters::new(fonts);
    let most = easel.limits().pages;
    match filetype.media_type {
        "text/markdown" => {
            easel.used(("pulldown-cmark", "0.13"));
            let blocks = crate::markup::markdown::blocks(&text.text);
            let mut flow = Flow::new(blocks, most, &mut letters);
            finish(&mut flow, &mut easel, &mut about, &mut metadata)?;
        }
        "text/csv" | "text/tab-separated-values" => {
            let mut grid = table::grid(&text, most, &mut about, &mut letters);
            finish(&mut grid, &mut easel, &mut about, &mut metadata)?;
        }
        _ if filetype.kind == Kind::Html => {
            let blocks = crate::markup::html::blocks(&text.text);
            let mut flow = Flow::new(blocks, most, &mut letters);
            finish(&mut flow, &mut easel, &mut about, &mut metadata)?;
        }
        media_type => {
            let grammar = grammar::of(media_type);
            let shown = pretty::shown(media_type, &text.text);
            let shown = decode::cells(&shown, if grammar.is_some() { 4 } else { 8 });
            let inks = grammar.map_or_else(Inks::new, |grammar| code::inks(grammar, &shown));
            let mut cells = Cells::new(&shown, inks, grammar.is_some(), most, &mut letters);
            finish(&mut cells, &mut easel, &mut about, &mut metadata)?;
        }
    }
    facts::put(&mut metadata, MetadataKind::Document, &easel, Value::Object(about));
    Ok(Drawn { metadata, engines: easel.done() })
}

fn finish(
    pages: &mut dyn Pages,
    easel: &mut Easel<'_>,
    about: &mut Map<String, Value>,
    metadata: &mut Map<String, Value>,
) -> Result<(), Error> {
    about.insert("pages".to_owned(), json!(pages.total()));
    page::draw_told(pages, easel, metadata)
}

/// What is told of every text.
fn about(text: &Text, filetype: &Filetype) -> Map<String, Value> {
    let mut about = Map::new();
    about.insert("encoding".to_owned(), json!(text.encoding));
    about.insert("lines".to_owned(), json!(text.text.lines().count()));
    about.insert("words".to_owned(), json!(text.text.split_whitespace().count()));
    about.insert("characters".to_owned(), json!(text.text.chars().count()));
    if text.is_cut {
        about.insert("truncated".to_owned(), json!(true));
    }
    match grammar::of(filetype.media_type) {
        Some(grammar) => {
            about.insert("code".to_owned(), json!(grammar.name));
        }
        None => facts::put_text(&mut about, "language", decode::language(&text.text)),
    }
    about
}
