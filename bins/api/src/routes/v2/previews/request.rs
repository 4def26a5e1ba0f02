//! The body of `POST /v2/previews`, read once into types.
//!
//! `null` and `""` mean absent for every field; keys that are not known are ignored.

mod options;

use std::collections::BTreeMap;

use custody::PersonalFields;
use domain::{
    filepreviews::Uploader,
    size::Size,
    source::Source,
    wish::{Format, MAX_SIZES, MetadataKind, Pages, PreviewWish},
};
use serde_json::{Map, Value, json};
use storage::{ObjectHeaders, Ranges, layout::Prefix};
use url::Url;

use self::options::Renditions;
use crate::{call::quote, problem::Problem};

/// The longest URL, in bytes.
const MAX_URL_BYTES: usize = 8 << 10;
/// The largest `data`, in bytes of JSON.
const MAX_DATA_BYTES: usize = 64 << 10;
/// The most elements of a list, those that mean nothing included.
const MAX_ELEMENTS: usize = 256;

const FORMATS: &str = "jpg, jpeg, png, webp, avif or gif";
const KINDS: &str = "exif, ocr, psd, checksum, multimedia, webpage, raw, sketch, document, mail, archive, font or all";

/// A request that can be fulfilled, as far as its form goes.
pub(crate) struct Request {
    pub(crate) wish: PreviewWish,
    /// What is read, as [`PersonalFields::source_url`] spells it.
    pub(crate) source: Source,
    pub(crate) fields: PersonalFields,
}

impl Request {
    /// Reads a body. None at all is an object without fields.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields(object(body)?);
        let source = match fields.0.remove("url") {
            None | Some(Value::Null) => return Err(Problem::FieldMissing("url")),
            Some(Value::String(text)) if text.trim().is_empty() => {
                return Err(Problem::FieldBlank("url"));
            }
            Some(value) => source(&value)?,
        };
        let callback_url = fields.take("callback_url");
        let callback_url =
            callback_url.map(|value| hook_url("callback_url", &value)).transpose()?;
        let (options, renditions) = options::options(fields.take("options"))?;
        // Each moment asked for is a page, and wanted.
        let unless_told = if options.at.is_empty() { Pages::first() } else { Pages::all() };
        Ok(Self {
            wish: PreviewWish {
                sizes: sizes(fields.take("sizes"), renditions)?,
                format: format(fields.take("format"))?,
                metadata: metadata(fields.take("metadata"))?,
                pages: pages(fields.take("pages"), unless_told)?,
                options,
            },
            source: source.clone(),
            fields: PersonalFields {
                source_url: spelled(&source),
                callback_url,
                user_data: data(fields.take("data"))?,
                uploader: uploader(fields.take("uploader"))?,
            },
        })
    }

    /// The same bytes for the same request, however it was spelled where spelling means nothing.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let all = json!({
            "wish": self.wish,
            "url": self.fields.source_url,
            "callback_url": self.fields.callback_url,
            "data": self.fields.user_data,
            "uploader": self.fields.uploader,
        });
        let mut text = String::new();
        write_sorted(&all, &mut text);
        text.into_bytes()
    }
}

/// The fields of a body that are still to be read.
struct Fields(Map<String, Value>);

impl Fields {
    /// A field's value, unless it means absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !is_absent(value))
    }
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    // The parser itself ends at 128 levels.
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(Problem::Malformed(format!(
            "The request body must be a JSON object such as {{\"url\": \"https://...\"}}, not {}.",
            kind(&other)
        ))),
        Err(error) => Err(Problem::Malformed(format!(
            "The request body is not JSON: line {}, column {}.",
            error.line(),
            error.column()
        ))),
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn invalid(field: &'static str, message: impl Into<String>) -> Problem {
    Problem::FieldInvalid { field, message: message.into() }
}

fn text(field: &'static str, value: Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(invalid(field, format!("This field must be a text, not {}.", kind(&other)))),
    }
}

fn list(field: &'static str, value: Option<Value>, example: &str) -> Result<Vec<Value>, Problem> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(elements)) if elements.len() <= MAX_ELEMENTS => {
            Ok(elements.into_iter().filter(|element| !is_absent(element)).collect())
        }
        Some(Value::Array(_)) => {
            Err(invalid(field, format!("This field takes at most {MAX_ELEMENTS} elements.")))
        }
        Some(other) => Err(invalid(
            field,
            format!("This field must be a list such as {example}, not {}.", kind(&other)),
        )),
    }
}

/// What is to be read: a URL, an upload, or an object of an input.
fn source(value: &Value) -> Result<Source, Problem> {
    let Value::String(text) = value else { return web_url("url", value).map(Source::Web) };
    if text.len() > MAX_URL_BYTES {
        return Err(invalid("url", format!("This URL is longer than {MAX_URL_BYTES} bytes.")));
    }
    match Source::parse(text.trim()) {
        Ok(Source::Web(_)) => web_url("url", value).map(Source::Web),
        Ok(Source::Object { bucket, key }) => match Ranges::check_key(&key) {
            Ok(()) => Ok(Source::Object { bucket, key }),
            Err(error) => {
                let text = quote(text);
                Err(invalid("url", format!("\"{text}\" names an object that cannot be: {error}.")))
            }
        },
        Ok(upload) => Ok(upload),
        Err(error) => Err(invalid("url", format!("{error}."))),
    }
}

/// A source as it is kept.
fn spelled(source: &Source) -> String {
    match source {
        Source::Web(url) => url.clone(),
        Source::Upload(id) => format!("upload:{id}"),
        Source::Object { bucket, key } => format!("s3://{bucket}/{key}"),
    }
}

/// An absolute http or https URL; spaces and characters beyond ASCII are encoded.
fn web_url(field: &'static str, value: &Value) -> Result<String, Problem> {
    let Value::String(text) = value else {
        return Err(invalid(field, format!("This field must be a text, not {}.", kind(value))));
    };
    if text.len() > MAX_URL_BYTES {
        return Err(invalid(field, format!("This URL is longer than {MAX_URL_BYTES} bytes.")));
    }
    let unusable =
        |why: &str| invalid(field, format!("\"{}\" is not a usable URL: {why}.", quote_url(text)));
    let url = match Url::parse(text.trim()) {
        Ok(url) => url,
        Err(error) => return Err(unusable(&error.to_string())),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable("use http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(unusable("it names no host"));
    }
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(invalid(field, format!("This URL is longer than {MAX_URL_BYTES} bytes.")));
    }
    Ok(url.into())
}

/// One that is posted to: what is in it of a user and password would go nowhere.
fn hook_url(field: &'static str, value: &Value) -> Result<String, Problem> {
    let text = web_url(field, value)?;
    match Url::parse(&text) {
        Ok(url) if url.username().is_empty() && url.password().is_none() => Ok(text),
        _ => Err(invalid(field, "This URL holds a user or password: leave them out.".to_owned())),
    }
}

/// What may be said of a URL: neither credentials nor a query, where signatures are.
fn quote_url(text: &str) -> String {
    let place = text.split(['?', '#']).next().unwrap_or_default();
    quote(place.rsplit_once('@').map_or(place, |(_credentials, rest)| rest))
}

fn sizes(value: Option<Value>, renditions: Renditions) -> Result<Vec<Size>, Problem> {
    let elements = list("sizes", value, "[\"200x200\", 300, \"original\"]")?;
    if elements.len() > MAX_SIZES {
        return Err(invalid("sizes", format!("This field takes at most {MAX_SIZES} sizes.")));
    }
    match (elements.is_empty(), renditions) {
        (true, Renditions::All) => return Ok(vec![Size::original()]),
        (true, Renditions::None) => return Ok(Vec::new()),
        (false, Renditions::None) => {
            let message = "\"none\" leaves nothing to be made in the sizes asked for: leave out one of the two.";
            return Err(invalid("options.renditions", message));
        }
        (false, Renditions::All) => {}
    }
    elements
        .iter()
        .map(|element| Size::parse(element).map_err(|error| invalid("sizes", error.to_string())))
        .collect()
}

fn format(value: Option<Value>) -> Result<Option<Format>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let word = text("format", value)?;
    match Format::parse(word.trim()) {
        Some(format) => Ok(Some(format)),
        None => {
            Err(invalid("format", format!("\"{}\" is not a format: use {FORMATS}.", quote(&word))))
        }
    }
}

fn metadata(value: Option<Value>) -> Result<std::collections::BTreeSet<MetadataKind>, Problem> {
    let mut kinds = std::collections::BTreeSet::new();
    for element in list("metadata", value, "[\"exif\", \"checksum\"]")? {
        let known = match &element {
            Value::String(word) => MetadataKind::parse(word.trim()),
            _ => None,
        };
        let Some(known) = known else {
            let word = quote(&element.to_string());
            return Err(invalid(
                "metadata",
                format!("{word} is no kind of metadata: use {KINDS}."),
            ));
        };
        kinds.extend(known);
    }
    Ok(kinds)
}

fn pages(value: Option<Value>, unless_told: Pages) -> Result<Pages, Problem> {
    match value {
        None => Ok(unless_told),
        Some(Value::Number(page)) => Pages::parse(&page.to_string()),
        Some(value) => Pages::parse(&text("pages", value)?),
    }
    .map_err(|error| invalid("pages", error.to_string()))
}

fn data(value: Option<Value>) -> Result<Option<Value>, Problem> {
    match value {
        None => Ok(None),
        Some(data @ Value::Object(_)) if data.to_string().len() > MAX_DATA_BYTES => {
            Err(invalid("data", format!("This field is larger than {MAX_DATA_BYTES} bytes.")))
        }
        Some(data @ Value::Object(_)) => Ok(Some(data)),
        Some(other) => Err(invalid(
            "data",
            format!("This field must be an object such as {{\"id\": 7}}, not {}.", kind(&other)),
        )),
    }
}

fn uploader(value: Option<Value>) -> Result<Option<Uploader>, Problem> {
    let mut fields = match value {
        None => return Ok(None),
        Some(Value::Object(fields)) => Fields(fields),
        Some(other) => {
            return Err(invalid(
                "uploader",
                format!("This field must be an object, not {}.", kind(&other)),
            ));
        }
    };
    let destination = match fields.take("destination") {
        None => None,
        Some(value) => Some(text("uploader.destination", value)?),
    };
    if let Some(destination) = &destination {
        Prefix::parse(destination)
            .map_err(|error| invalid("uploader.destination", format!("{error}.")))?;
    }
    let public = match fields.take("public") {
        None => None,
        Some(Value::Bool(public)) => Some(public),
        Some(other) => {
            let message = format!("This field must be true or false, not {}.", kind(&other));
            return Err(invalid("uploader.public", message));
        }
    };
    let uploader = Uploader { destination, headers: headers(fields.take("headers"))?, public };
    Ok((uploader != Uploader::default()).then_some(uploader))
}

fn headers(value: Option<Value>) -> Result<BTreeMap<String, String>, Problem> {
    const FIELD: &str = "uploader.headers";
    let fields = match value {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            return Err(invalid(
                FIELD,
                format!(
                    "This field must be an object such as {{\"Cache-Control\": \"max-age=60\"}}, not {}.",
                    kind(&other)
                ),
            ));
        }
    };
    let headers = fields
        .into_iter()
        .filter(|(_, value)| !is_absent(value))
        .map(|(name, value)| match value {
            Value::String(value) => Ok((name, value)),
            other => Err(invalid(
                FIELD,
                format!("\"{}\" must be a text, not {}.", quote(&name), kind(&other)),
            )),
        })
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    ObjectHeaders::parse(&headers).map_err(|error| invalid(FIELD, format!("{error}.")))?;
    Ok(headers)
}

/// JSON with the keys of every object in order.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in sorted {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_sorted(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(elements) => {
            text.push('[');
            for element in elements {
                write_sorted(element, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
