//! How much an SVG comes to once everything is put where it is referred to, before that is done.
//!
//! Entities, `use`, markers, patterns, masks and clips can each stand for others in turn: a few
//! hundred bytes can stand for billions of shapes. So every part is counted once, with what it
//! refers to, and a file that would come to more than the limit is refused.

use std::collections::HashMap;

use domain::limits::Limits;
use resvg::usvg::roxmltree::{self, Document, Node, NodeId, ParsingOptions};
use stills::Error;

/// Most nodes of the text itself.
const MOST_NODES: u32 = 2_000_000;
/// Most elements, with those referred to wherever they are.
const MOST_ELEMENTS: u64 = 500_000;
/// What a letter of a shown text counts as, in elements: a shape, and what it took to choose it.
const PER_LETTER: u64 = 2;
/// Deepest nesting of elements. What comes after works its way down by recursion.
const MOST_DEPTH: u32 = 256;
/// Most comparisons of an element with a rule of a style sheet.
const MOST_MATCHES: u64 = 500_000_000;
/// Most words and signs of style sheets, which their reader takes long over.
const MOST_STYLE_WORDS: u64 = 200_000;
/// Such comparisons in a millisecond, at least.
const MATCHES_PER_MS: u64 = 20_000;
/// As often the XML parser lets an entity refer to others in turn.
const ENTITY_REFERENCES: u64 = 256;
/// Characters that a vertex of a path takes, at least.
const VERTEX_CHARS: u64 = 3;

/// Parses the text and counts what it comes to.
pub(super) fn parse<'t>(text: &'t str, limits: &Limits) -> Result<Document<'t>, Error> {
    weigh_entities(text, limits)?;
    // Without a resolver, no entity from outside is ever looked for.
    let options =
        ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, entity_resolver: None };
    let document = Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::EntityReferenceLoop(_) => expands("entities"),
        roxmltree::Error::NodesLimitReached
        | roxmltree::Error::AttributesLimitReached
        | roxmltree::Error::NamespacesLimitReached => expands("elements and attributes"),
        error => Error::corrupt(format!("XML: {error}")),
    })?;
    weigh(&document, limits)?;
    Ok(document)
}

/// The number of elements the document comes to.
pub(super) fn weigh(document: &Document<'_>, limits: &Limits) -> Result<u64, Error> {
    weigh_depth(document)?;
    weigh_rules(document, limits)?;
    let mut by_id = HashMap::new();
    for node in document.descendants() {
        if let Some(id) = node.attribute("id") {
            by_id.entry(id).or_insert(node);
        }
    }
    let depth = limits.nesting as usize;
    let mut scale =
        Scale { by_id, known: HashMap::new(), open: Vec::new(), depth, too_deep: false };
    let weight = scale.part(document.root());
    if scale.too_deep {
        return Err(expands("drawings within drawings"));
    }
    if weight > MOST_ELEMENTS {
        return Err(Error::Expands { what: format!("more than {MOST_ELEMENTS} elements") });
    }
    Ok(weight)
}

fn expands(what: &str) -> Error {
    Error::Expands { what: format!("too many {what}") }
}

/// Entities are put in place by the XML parser, which bounds how often they refer to each other,
/// but not how much that is.
fn weigh_entities(text: &str, limits: &Limits) -> Result<(), Error> {
    let Some(from) = text.find("<!DOCTYPE") else { return Ok(()) };
    let declared = text.get(from..).unwrap_or_default();
    // No entity is longer than all of them together.
    let length = declared.find("]>").unwrap_or_default() as u64;
    if !declared
        .get(..usize::try_from(length).unwrap_or_default())
        .is_some_and(|it| it.contains("<!ENTITY"))
    {
        return Ok(());
    }
    let references = text.bytes().filter(|byte| *byte == b'&').count() as u64;
    let most = length.saturating_mul(ENTITY_REFERENCES).saturating_mul(references);
    if most > limits.expanded_bytes { Err(expands("entities")) } else { Ok(()) }
}

fn weigh_depth(document: &Document<'_>) -> Result<(), Error> {
    // In the order of the document, so each node's parent was there before.
    let mut depths: Vec<u32> = Vec::new();
    for node in document.descendants() {
        let above = node.parent().and_then(|parent| depths.get(parent.id().get_usize()));
        let depth = above.map_or(0, |above| above + 1);
        if depth > MOST_DEPTH {
            return Err(expands("elements within elements"));
        }
        depths.push(depth);
    }
    Ok(())
}

/// Every rule of a style sheet is compared with every element.
fn weigh_rules(document: &Document<'_>, limits: &Limits) -> Result<(), Error> {
    let (mut elements, mut rules, mut words) = (0_u64, 0_u64, 0_u64);
    for node in document.descendants() {
        if node.is_element() {
            elements += 1;
        }
        if node.has_tag_name("style") || node.tag_name().name() == "style" {
            let text = node.text().unwrap_or_default();
            let is_between = |byte: u8| byte.is_ascii_whitespace() || b">+~{},;:".contains(&byte);
            words += text.bytes().filter(|byte| is_between(*byte)).count() as u64;
            rules += text.bytes().filter(|byte| matches!(byte, b'{' | b',')).count() as u64;
        }
    }
    let most = MOST_MATCHES.min(limits.renderer_cpu_ms.saturating_mul(MATCHES_PER_MS));
    if words > MOST_STYLE_WORDS || rules.saturating_mul(elements) > most {
        Err(expands("rules of style"))
    } else {
        Ok(())
    }
}

struct Scale<'a, 't> {
    by_id: HashMap<&'a str, Node<'a, 't>>,
    known: HashMap<NodeId, u64>,
    /// The parts that are being weighed, each referred to by the one before.
    open: Vec<NodeId>,
    depth: usize,
    too_deep: bool,
}

impl<'a, 't> Scale<'a, 't> {
    /// The number of elements of a part, with those it refers to.
    fn part(&mut self, part: Node<'a, 't>) -> u64 {
        if let Some(weight) = self.known.get(&part.id()) {
            return *weight;
        }
        if self.open.contains(&part.id()) {
            // It refers to itself, which is not drawn.
            return 0;
        }
        if self.open.len() > self.depth {
            self.too_deep = true;
            return 0;
        }
        self.open.push(part.id());
        let mut weight = 0_u64;
        for node in part.descendants() {
            if node.is_element() {
                weight = weight.saturating_add(1).saturating_add(self.references(node));
            } else if node.is_text() && is_shown(node) {
                let letters = node.text().unwrap_or_default().len() as u64;
                weight = weight.saturating_add(letters.saturating_mul(PER_LETTER));
            }
        }
        self.open.pop();
        self.known.insert(part.id(), weight);
        weight
    }

    fn references(&mut self, node: Node<'a, 't>) -> u64 {
        let mut weight = 0_u64;
        for attribute in node.attributes() {
            let times = if attribute.name().starts_with("marker")
                || attribute.name() == "style" && attribute.value().contains("marker")
            {
                vertices(node)
            } else {
                1
            };
            for id in ids(attribute.name(), attribute.value()) {
                if let Some(target) = self.by_id.get(id).copied() {
                    // A round of several is followed until it is too deep.
                    self.too_deep |= node.tag_name().name() == "use"
                        && self.open.contains(&target.id())
                        && self.open.last() != Some(&target.id());
                    weight = weight.saturating_add(self.part(target).saturating_mul(times));
                }
            }
        }
        weight
    }
}

/// Whether letters become shapes.
fn is_shown(text: Node<'_, '_>) -> bool {
    text.ancestors().any(|node| node.tag_name().name() == "text")
}

/// Vertices of all shapes of a part, at most: a marker is drawn at each.
fn vertices(part: Node<'_, '_>) -> u64 {
    let shapes = part.descendants().filter_map(|node| {
        node.attribute("d").or_else(|| node.attribute("points")).map(|path| path.len() as u64)
    });
    shapes.fold(2, |sum, chars| sum.saturating_add(chars / VERTEX_CHARS))
}

/// The ids that an attribute refers to.
fn ids<'v>(name: &str, value: &'v str) -> impl Iterator<Item = &'v str> {
    let whole = if name == "href" { value.trim().strip_prefix('#') } else { None };
    let within = value.split("url(").skip(1).filter_map(|rest| {
        let id = rest.trim_start_matches([' ', '\'', '"']).strip_prefix('#')?;
        Some(id.split([')', '\'', '"', ' ']).next().unwrap_or_default())
    });
    whole.into_iter().chain(within)
}
