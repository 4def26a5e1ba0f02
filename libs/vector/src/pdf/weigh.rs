//! How many instructions a page comes to, before they are followed.
//!
//! A page may call a form, which is a drawing of its own, that calls others: a few hundred bytes
//! can say "draw this a billion times". So the calls are counted, each form's once, and a page that
//! would take more than the limit is refused.

use std::collections::HashMap;

use domain::limits::Limits;
use hayro::hayro_syntax::object::{Dict, Name, ObjectIdentifier, Stream};
use hayro::hayro_syntax::page::{Page, Resources};
use stills::Error;

use super::bomb;

/// Most instructions of a page, in bytes, with those of the forms it calls as often as it does.
const MOST_INSTRUCTION_BYTES: u64 = 256 << 20;

/// Refuses a page that calls its forms too often, or a picture that is too much.
pub(super) fn check(page: &Page<'_>, limits: &Limits) -> Result<(), Error> {
    let resources = page.resources();
    if !calls_any(resources) && fault(resources, limits).is_none() {
        return Ok(());
    }
    let most = limits.expanded_bytes.min(MOST_INSTRUCTION_BYTES);
    let mut scale = Scale { known: HashMap::new(), open: Vec::new(), limits, fault: None };
    let weight = scale.content(page.page_stream().unwrap_or_default(), resources, Part::Form);
    if let Some(fault) = scale.fault {
        return Err(fault);
    }
    if weight > most {
        let what = format!("a page of more than {most} bytes of instructions");
        return Err(Error::Expands { what });
    }
    Ok(())
}

/// Whether there are forms or patterns to be called.
fn calls_any(resources: &Resources<'_>) -> bool {
    let is_form = |name: &Name<'_>| resources.get_x_object(name).is_some_and(|it| is_form(&it));
    resources.patterns.keys().next().is_some()
        || resources.x_objects.keys().any(|name| is_form(&name))
}

/// What is wrong with one of the pictures, called or not.
fn fault(resources: &Resources<'_>, limits: &Limits) -> Option<Error> {
    let pictures = resources.x_objects.keys().filter_map(|name| resources.get_x_object(&name));
    pictures.filter(bomb::is_picture).find_map(|it| bomb::check_picture(&it, limits).err())
}

fn is_form(stream: &Stream<'_>) -> bool {
    stream.dict().get::<Name<'_>>("Subtype").is_some_and(|kind| *kind == *b"Form")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Form,
    Pattern,
}

struct Scale<'l> {
    known: HashMap<ObjectIdentifier, u64>,
    /// The forms that are being weighed, each called by the one before.
    open: Vec<ObjectIdentifier>,
    limits: &'l Limits,
    /// What is wrong with a picture that is called.
    fault: Option<Error>,
}

impl Scale<'_> {
    /// The weight of instructions, with all they call.
    fn content(&mut self, content: &[u8], resources: &Resources<'_>, kind: Part) -> u64 {
        let calls = Calls::of(content);
        let mut weight = content.len() as u64;
        for (name, count) in &calls.forms {
            let called = Name::new(name).and_then(|name| resources.get_x_object(&name));
            if let Some(picture) = called.as_ref().filter(|called| bomb::is_picture(called)) {
                let fault = bomb::check_picture(picture, self.limits).err();
                self.fault = self.fault.take().or(fault);
            }
            if let Some(form) = called.filter(is_form) {
                let part = self.part(&form, resources, Part::Form, *count == 1);
                weight = weight.saturating_add(part.saturating_mul(*count));
            }
        }
        for (name, count) in &calls.patterns {
            let pattern = resources.patterns.get::<Stream<'_>>(name);
            if let Some(pattern) = pattern {
                let part = self.part(&pattern, resources, Part::Pattern, false);
                // Within a pattern, everything that is painted paints the other one anew.
                let count = if kind == Part::Pattern { calls.paints } else { *count };
                weight = weight.saturating_add(part.saturating_mul(count));
            }
        }
        weight
    }

    /// The weight of a form or pattern, drawn once.
    fn part(&mut self, stream: &Stream<'_>, outer: &Resources<'_>, kind: Part, once: bool) -> u64 {
        let id = stream.obj_id();
        if let Some(weight) = self.known.get(&id) {
            return *weight;
        }
        // One that calls itself has no end.
        if self.open.contains(&id) || self.open.len() >= self.limits.nesting as usize {
            return u64::MAX;
        }
        let own = stream.dict().get::<Dict<'_>>("Resources").map(Resources::new);
        let resources = own.as_ref().unwrap_or(outer);
        if once && own.is_some() && !calls_any(resources) && fault(resources, self.limits).is_none()
        {
            // It calls nothing and is called once: what it weighs does not matter.
            return stream.raw_data().len() as u64;
        }
        let Ok(content) = stream.decoded_data() else { return 0 };
        self.open.push(id);
        let weight = self.content(&content, resources, kind);
        self.open.pop();
        self.known.insert(id, weight);
        weight
    }
}

/// What instructions call, by name, and how often.
#[derive(Default)]
struct Calls<'a> {
    forms: HashMap<&'a [u8], u64>,
    patterns: HashMap<&'a [u8], u64>,
    /// Instructions that paint.
    paints: u64,
}

impl<'a> Calls<'a> {
    /// Looks at words alone: a word within a text or a picture counts as well, and does no harm.
    fn of(content: &'a [u8]) -> Self {
        let mut calls = Self::default();
        let mut name: Option<&[u8]> = None;
        for word in words(content) {
            match word {
                [b'/', rest @ ..] => {
                    name = Some(rest);
                    continue;
                }
                b"Do" => calls.count(name, |calls| &mut calls.forms),
                b"scn" | b"SCN" => calls.count(name, |calls| &mut calls.patterns),
                b"f" | b"F" | b"f*" | b"B" | b"B*" | b"b" | b"b*" | b"S" | b"s" | b"Tj" | b"TJ"
                | b"'" | b"\"" => calls.paints = calls.paints.saturating_add(1),
                _ => {}
            }
            name = None;
        }
        calls
    }

    fn count(
        &mut self,
        name: Option<&'a [u8]>,
        table: impl FnOnce(&mut Self) -> &mut HashMap<&'a [u8], u64>,
    ) {
        if let Some(name) = name {
            let count = table(self).entry(name).or_default();
            *count = count.saturating_add(1);
        }
    }
}

/// Words, apart by white space or brackets; names keep their slash.
fn words(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = content;
    std::iter::from_fn(move || {
        let begin = rest.iter().position(|byte| !is_space(*byte))?;
        let word = rest.get(begin..)?;
        let end = word.iter().skip(1).position(|byte| is_space(*byte) || *byte == b'/');
        let length = end.map_or(word.len(), |end| end + 1);
        let (word, after) = word.split_at_checked(length)?;
        rest = after;
        Some(word)
    })
}

const fn is_space(byte: u8) -> bool {
    matches!(
        byte,
        b'\0' | b'\t' | b'\n' | b'\x0c' | b'\r' | b' ' | b'(' | b')' | b'<' | b'>' | b'[' | b']'
    )
}
