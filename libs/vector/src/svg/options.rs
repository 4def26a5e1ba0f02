//! How an SVG is read: with the fonts lent, and with no picture but those it carries itself.

use std::sync::Arc;

use domain::limits::Limits;
use filetype::Kind;
use resvg::usvg::fontdb::{Database, Family, ID, Query, Style, Weight};
use resvg::usvg::{
    Error as SvgError, Font, FontFamily, FontResolver, FontStyle, ImageHrefResolver, ImageKind,
    Options, Tree, fontdb, roxmltree,
};
use stills::Error;

use super::{document, guard};
use crate::fonts::{Shelf, stand_ins};

/// Most SVGs within one another, as pictures.
const MOST_NESTING: u32 = 3;

/// What a file and the SVGs within it are read with.
#[derive(Clone)]
pub(super) struct Reading {
    shelf: Arc<Shelf>,
    limits: Limits,
    /// How many SVGs this one is within.
    nesting: u32,
}

impl Reading {
    pub(super) fn new(shelf: Arc<Shelf>, limits: &Limits) -> Self {
        Self { shelf, limits: *limits, nesting: 0 }
    }

    /// The drawing that the text says.
    pub(super) fn tree(&self, text: &str) -> Result<Tree, Error> {
        let document = guard::parse(text, &self.limits)?;
        let has_text = document.descendants().any(|node| node.tag_name().name() == "text");
        Tree::from_xmltree(&document, &self.options(has_text)).map_err(|error| match error {
            SvgError::ElementsLimitReached
            | SvgError::ParsingFailed(roxmltree::Error::NodesLimitReached) => {
                Error::Expands { what: "too many elements".to_owned() }
            }
            error => Error::corrupt(format!("SVG: {error}")),
        })
    }

    fn options(&self, has_text: bool) -> Options<'static> {
        let fontdb = if has_text { Arc::clone(self.shelf.database()) } else { Arc::default() };
        let font_family = fontdb.family_name(&Family::Serif).to_owned();
        let inner = self.clone();
        Options {
            font_family,
            fontdb,
            font_resolver: FontResolver {
                select_font: Box::new(select),
                select_fallback: FontResolver::default_fallback_selector(),
            },
            image_href_resolver: ImageHrefResolver {
                resolve_data: Box::new(move |_claimed, data, _options| inner.picture(data)),
                // A path or an address.
                resolve_string: Box::new(|_href, _options| None),
            },
            ..Options::default()
        }
    }

    /// A picture that the file carries, by what it is and not by what it is called. Its pixels
    /// are counted before it is drawn.
    fn picture(&self, data: Arc<Vec<u8>>) -> Option<ImageKind> {
        match filetype::sniff(data.get(..filetype::HEAD_BYTES).unwrap_or(&data)).kind {
            Kind::Jpeg => Some(ImageKind::JPEG(data)),
            Kind::Png => Some(ImageKind::PNG(data)),
            Kind::Gif => Some(ImageKind::GIF(data)),
            Kind::Webp => Some(ImageKind::WEBP(data)),
            Kind::Svg | Kind::Archive if self.nesting < MOST_NESTING => {
                let inner = Self { nesting: self.nesting + 1, ..self.clone() };
                let text = document::text(&data, &self.limits).ok()?;
                Some(ImageKind::SVG(inner.tree(&text).ok()?))
            }
            _ => None,
        }
    }
}

/// The font for a text: one of the families it names, or one that looks alike.
fn select(font: &Font, fonts: &mut Arc<Database>) -> Option<ID> {
    let mut families = Vec::new();
    for family in font.families() {
        match family {
            FontFamily::Serif => families.push(Family::Serif),
            FontFamily::SansSerif => families.push(Family::SansSerif),
            FontFamily::Cursive => families.push(Family::Cursive),
            FontFamily::Fantasy => families.push(Family::Fantasy),
            FontFamily::Monospace => families.push(Family::Monospace),
            FontFamily::Named(name) => {
                families.push(Family::Name(name));
                families.extend(stand_ins(name).iter().map(|name| Family::Name(name)));
            }
        }
    }
    families.extend([Family::SansSerif, Family::Serif]);
    let style = match font.style() {
        FontStyle::Normal => Style::Normal,
        FontStyle::Italic => Style::Italic,
        FontStyle::Oblique => Style::Oblique,
    };
    let weight = Weight(font.weight());
    let query = Query { families: &families, weight, style, stretch: fontdb::Stretch::Normal };
    fonts.query(&query).or_else(|| fonts.faces().next().map(|face| face.id))
}
