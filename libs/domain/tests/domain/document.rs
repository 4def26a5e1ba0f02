//! `docs/EVENTS.md` is made of the types of events and their frozen samples, and held to them.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use domain::{
    Aggregate,
    account::Accounts,
    delivery::Deliveries,
    endpoint::Endpoints,
    job::Jobs,
    member::Members,
    schema::{EventSchema, Schemas, schemas},
    upload::Uploads,
};
use serde_json::Value;

use crate::samples::samples;

const HEAD: &str = "# Events

Made from the types in `libs/domain` and the frozen samples in `libs/domain/testdata` by a test of that
crate; do not edit by hand. For programs the same is in `/asyncapi.json`, as JSON Schema.

Every event is a CloudEvents 1.0 message in NATS binary mode: the attributes are headers (`ce-id`,
`ce-type`, `ce-time`, `ce-source`, `ce-specversion`), the body is the JSON below. `darkroom-prev`
holds the SHA-256 of the aggregate's previous message, 64 zeros for the first. Fields of the type
[Sealed](#sealed) are personal or secret: in the log they hold AES-SIV ciphertext under the job's or
account's key, credentials under one that only those who act with them can open; the samples show a
word in its place.

Whoever the events belong to is told them: opened by `GET /v1/events` ([SUBSCRIBERS-HTTP](SUBSCRIBERS-HTTP.md)),
on NATS ([SUBSCRIBERS](SUBSCRIBERS.md)), and by webhooks ([WEBHOOKS](WEBHOOKS.md)).

An event keeps its name and its fields for ever. New fields may appear; ignore what you do not know.
";

/// A field as the document describes it.
struct Field {
    name: String,
    kind: String,
    optional: bool,
    says: String,
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every field that an object of this schema can have, those of flattened parts included.
fn fields(schema: &Value, known: &Schemas, optional: bool, found: &mut Vec<Field>) {
    let parts = |name: &str| schema[name].as_array().cloned().unwrap_or_default();
    if let Some(reference) = schema["$ref"].as_str() {
        fields(known.resolve(reference).unwrap(), known, optional, found);
    }
    let required = parts("required");
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if name == "event" {
            continue;
        }
        if let Some(other) = found.iter_mut().find(|other| other.name == *name) {
            if !other.kind.contains(&kind(field)) {
                other.kind = format!("{}, {}", other.kind, kind(field));
            }
            continue;
        }
        found.push(Field {
            name: name.clone(),
            kind: kind(field),
            optional: optional || !required.contains(&Value::from(name.as_str())),
            says: if says(field).is_empty() { says(schema) } else { says(field) },
        });
    }
    for part in parts("allOf") {
        fields(&part, known, optional, found);
    }
    // Of several shapes, a field of one may be missing in another.
    for name in ["oneOf", "anyOf"] {
        let shapes = parts(name);
        for shape in &shapes {
            fields(shape, known, optional || shapes.len() > 1, found);
        }
    }
}

fn says(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    // Links of rustdoc lead nowhere here.
    let plain = text.replace("[`", "`").replace("`]", "`").replace("crate::filepreviews::", "");
    plain.replace('\n', " ").replace('|', "\\|")
}

/// What a schema takes, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("`{word}`");
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        let parts = schema[name].as_array().cloned().unwrap_or_default();
        let real: Vec<String> =
            parts.iter().filter(|part| part["type"] != "null").map(kind).collect();
        if !real.is_empty() {
            return real.join(" or ");
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> =
            words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
        return words.join(", ");
    }
    let first = |value: &Value| value.as_str().map(str::to_owned);
    let plain = schema["type"].as_array().and_then(|types| types.iter().find_map(first));
    match plain.or_else(|| first(&schema["type"])).as_deref() {
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => "time".to_owned(),
            Some("date") => "day".to_owned(),
            Some("uuid") => "id".to_owned(),
            Some("ip") => "address".to_owned(),
            _ => "text".to_owned(),
        },
        Some("integer") => "integer".to_owned(),
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    }
}

fn table(fields: &[Field]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let mut text = "\n| field | type | says |\n|---|---|---|\n".to_owned();
    for Field { name, kind, optional, says } in fields {
        let may = if *optional { ", may be absent" } else { "" };
        writeln!(text, "| `{name}` | {kind}{may} | {says} |").unwrap();
    }
    text
}

fn section<A: Aggregate>(ids: &str, known: &Schemas) -> String {
    let noun = A::NOUN;
    let mut text = format!(
        "\n## {noun}\n\nStream `{}`, subjects `darkroom.{noun}.{ids}.<event>`.\n",
        A::STREAM
    );
    let folder = repository().join("libs/domain/testdata").join(noun);
    let mut shown = 0;
    for event in known.events.iter().filter(|event| event.noun == noun) {
        let EventSchema { name, description, body, .. } = event;
        let kind = format!("darkroom.{noun}.{name}.v1");
        assert!(!description.is_empty(), "{kind} is not described");
        write!(text, "\n### `{name}`\n\n{description} `ce-type: {kind}`\n").unwrap();
        let mut all = Vec::new();
        fields(body, known, false, &mut all);
        for field in all.iter().filter(|field| !field.kind.starts_with('`')) {
            assert!(!field.says.is_empty(), "{} of {kind} is not described", field.name);
        }
        text += &table(&all);
        for sample in samples::<A>(name) {
            write!(text, "\n```json\n{sample}```\n").unwrap();
            shown += 1;
        }
    }
    let samples = fs::read_dir(&folder).unwrap().count();
    assert_eq!(samples, shown, "a sample of {noun} is of no event that its type has");
    text
}

/// What the fields of events refer to.
fn types(known: &Schemas) -> String {
    let mut text = "\n## Types\n".to_owned();
    let mut used = BTreeSet::new();
    for event in &known.events {
        gather(&event.body, known, &mut used);
    }
    for name in used {
        let schema = &known.definitions[&name];
        write!(text, "\n### {name}\n").unwrap();
        if !says(schema).is_empty() {
            write!(text, "\n{}\n", says(schema)).unwrap();
        }
        let words = words(schema);
        if !words.is_empty() {
            text += "\n| value | says |\n|---|---|\n";
            for (word, says) in words {
                writeln!(text, "| `{word}` | {says} |").unwrap();
            }
            continue;
        }
        let mut all = Vec::new();
        fields(schema, known, false, &mut all);
        if all.is_empty() && name != "Sealed" {
            write!(text, "\nA value: {}.\n", kind(schema)).unwrap();
        }
        text += &table(&all);
    }
    text
}

/// The words that a closed set of them has.
fn words(schema: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let listed = schema["enum"].as_array().into_iter().flatten();
    let mut words: Vec<_> = listed.filter_map(word).map(|word| (word, String::new())).collect();
    for shape in schema["oneOf"].as_array().into_iter().flatten() {
        let several = shape["enum"].as_array().into_iter().flatten();
        words.extend(several.filter_map(word).map(|word| (word, says(shape))));
        words.extend(word(&shape["const"]).map(|word| (word, says(shape))));
    }
    words
}

/// The definitions that a schema needs, however deep. What is flattened is shown where it is used.
fn gather(schema: &Value, known: &Schemas, used: &mut BTreeSet<String>) {
    let mut all = Vec::new();
    shown(schema, known, &mut all);
    for value in all {
        for reference in references(&value) {
            let name = reference.rsplit('/').next().unwrap().to_owned();
            if used.insert(name) {
                gather(known.resolve(&reference).unwrap(), known, used);
            }
        }
    }
}

/// The schemas of the fields that [`fields`] shows, and whatever else a schema that has none says.
fn shown(schema: &Value, known: &Schemas, found: &mut Vec<Value>) {
    if let Some(reference) = schema["$ref"].as_str() {
        shown(known.resolve(reference).unwrap(), known, found);
    }
    found.extend(
        schema["properties"].as_object().into_iter().flat_map(|fields| fields.values().cloned()),
    );
    found.push(schema["items"].clone());
    for name in ["allOf", "oneOf", "anyOf"] {
        for part in schema[name].as_array().into_iter().flatten() {
            shown(part, known, found);
        }
    }
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(object.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => vec![],
    }
}

#[test]
fn the_document_of_events_is_that_of_the_types_and_samples() {
    let known = schemas();
    let wanted = [
        HEAD.to_owned(),
        section::<Jobs>("<account>.<job>", &known),
        section::<Accounts>("<account>", &known),
        section::<Members>("<account>.<member>", &known),
        section::<Uploads>("<account>.<upload>", &known),
        section::<Endpoints>("<account>.<endpoint>", &known),
        section::<Deliveries>("<account>.<endpoint>.<delivery>", &known),
        types(&known),
    ]
    .concat();
    let made = repository().join("target/EVENTS.md");
    fs::write(&made, &wanted).unwrap();
    let found = fs::read_to_string(repository().join("docs/EVENTS.md")).unwrap_or_default();
    assert!(found == wanted, "docs/EVENTS.md is old: cp target/EVENTS.md docs/EVENTS.md");
}
