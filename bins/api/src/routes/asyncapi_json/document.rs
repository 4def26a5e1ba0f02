//! The AsyncAPI document, made from the types of events.
//!
//! An event is told in one of two forms: as it is stored, its attributes in headers and its personal
//! fields sealed; or opened, as one `CloudEvents` object. Each kind has a message for each form.

use domain::{
    Aggregate as _,
    delivery::Deliveries,
    job::Jobs,
    schema::{EventSchema, Schemas, schemas},
    upload::Uploads,
};
use serde_json::{Map, Value, json};
use url::Url;

use super::shapes;

/// What customers hear on NATS as it is stored: the noun, and what stands between it and the event.
const STORED: [(&str, &str, &str); 3] = [
    (Jobs::NOUN, "{account}.{job}", "What happens to jobs."),
    (Uploads::NOUN, "{account}.{upload}", "What happens to uploads."),
    (
        Deliveries::NOUN,
        "{account}.{endpoint}.{delivery}",
        "What becomes of deliveries to webhook endpoints.",
    ),
];

/// The document. `public_url` is where the API is reached.
pub(super) fn document(public_url: &str) -> Value {
    let known = schemas();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Darkroom",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What happens to jobs, uploads, accounts and deliveries, and where it is told: on NATS, by webhooks, and as server-sent events. Requests are described in /openapi.json.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": servers(public_url),
        "channels": channels(&known),
        "operations": operations(),
        "components": {
            "messages": messages(&known),
            "schemas": components(&known),
            "securitySchemes": {
                "key": { "type": "http", "scheme": "basic", "description": "An application's key and secret." },
                "nats": { "type": "userPassword", "description": "An application's key as the user, its secret as the password." },
            },
        },
    })
}

fn servers(public_url: &str) -> Value {
    let url = Url::parse(public_url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("localhost");
    let port = url.as_ref().and_then(Url::port).map(|port| format!(":{port}")).unwrap_or_default();
    let path = url.as_ref().map_or("", Url::path).trim_end_matches('/');
    json!({
        "api": {
            "host": format!("{host}{port}"),
            "pathname": if path.is_empty() { "/" } else { path },
            "protocol": url.as_ref().map_or("http", Url::scheme),
            "security": [{ "$ref": "#/components/securitySchemes/key" }],
        },
        "nats": {
            "host": "{host}:{port}",
            "protocol": "nats",
            "description": "Where Darkroom's NATS is reached from outside, if its operators let customers in.",
            "variables": {
                "host": { "default": host },
                "port": { "default": "4222" },
            },
            "security": [{ "$ref": "#/components/securitySchemes/nats" }],
        },
    })
}

fn channels(known: &Schemas) -> Value {
    let on_nats = json!([{ "$ref": "#/servers/nats" }]);
    let mut channels = Map::new();
    for (noun, ids, description) in STORED {
        let messages = refs(known.events.iter().filter(|event| event.noun == noun).map(stored));
        let channel = json!({
            "address": format!("darkroom.{noun}.{ids}.{{event}}"),
            "description": format!("{description} As stored: personal fields are sealed."),
            "servers": on_nats,
            "parameters": parameters(&format!("{ids}.{{event}}")),
            "messages": messages,
        });
        channels.insert(noun.to_owned(), channel);
    }
    let feed = json!({
        "address": "darkroom.feed.{account}.{job}.{event}",
        "description": "What happens to jobs, opened, for an account whose feed is on. Said in passing and stored nowhere.",
        "servers": on_nats,
        "parameters": parameters("{account}.{job}.{event}"),
        "messages": refs(known.events.iter().filter(|event| event.noun == Jobs::NOUN).map(told)),
    });
    channels.insert("feed".to_owned(), feed);
    let progress = json!({
        "address": "darkroom.progress.{account}.{job}",
        "description": "How far a job has come. Said in passing and stored nowhere.",
        "servers": on_nats,
        "parameters": parameters("{account}.{job}"),
        "messages": refs(["progress".to_owned()]),
    });
    channels.insert("progress".to_owned(), progress);
    let events = json!({
        "address": "/v1/events",
        "description": "Everything that happens to the account, opened: server-sent events with `Accept: text/event-stream`, lines of JSON without.",
        "servers": [{ "$ref": "#/servers/api" }],
        "messages": refs(known.events.iter().map(told)),
    });
    channels.insert("events".to_owned(), events);
    let webhooks = json!({
        "address": null,
        "description": "Signed POST requests to the URL of an endpoint, or of a job's callback_url.",
        "messages": refs(["webhook.full", "webhook.thin", "webhook.cloud_event", "webhook.jwt"].map(str::to_owned)),
    });
    channels.insert("webhooks".to_owned(), webhooks);
    Value::Object(channels)
}

fn operations() -> Value {
    let mut operations = Map::new();
    let stored = STORED.map(|(noun, _, _)| (noun, "Tells what was stored, to whoever subscribes."));
    let others = [
        ("feed", "Tells what was stored, opened, to whoever subscribes."),
        ("progress", "Tells how far a job has come, to whoever subscribes."),
        ("webhooks", "Tells endpoints of what they want to know, until they take it."),
    ];
    for (channel, summary) in stored.into_iter().chain(others) {
        let operation = json!({
            "action": "send", "summary": summary, "channel": { "$ref": format!("#/channels/{channel}") },
        });
        operations.insert(format!("tell.{channel}"), operation);
    }
    let events = json!({
        "action": "send",
        "summary": "Tells what happens for as long as somebody listens.",
        "channel": { "$ref": "#/channels/events" },
        "bindings": { "http": { "method": "GET", "bindingVersion": "0.3.0" } },
    });
    operations.insert("tell.events".to_owned(), events);
    Value::Object(operations)
}

fn messages(known: &Schemas) -> Value {
    let mut messages = Map::new();
    for event in &known.events {
        let kind = kind(event);
        let message = |content_type: &str, form: Value| {
            let mut message = json!({
                "name": kind, "title": format!("{} {}", event.noun, event.name.replace('_', " ")),
                "summary": event.description, "contentType": content_type,
            });
            merge(&mut message, form);
            message
        };
        if STORED.iter().any(|(noun, ..)| *noun == event.noun) {
            let payload = schema(&stored(event));
            let form = json!({ "headers": schema("StoredHeaders"), "payload": payload });
            messages.insert(stored(event), message("application/json", form));
        }
        let form = json!({ "payload": schema(&told(event)) });
        let opened = message("application/cloudevents+json", form);
        messages.insert(told(event), opened);
    }
    let said = [
        ("progress", "How far a job has come.", "application/json", "Progress"),
        (
            "webhook.full",
            "A job as GET /v2/previews/{id} answers it.",
            "application/json",
            "PreviewBody",
        ),
        ("webhook.thin", "Type, timestamp and ids.", "application/json", "Thin"),
        (
            "webhook.cloud_event",
            "A CloudEvents object about a job.",
            "application/cloudevents+json",
            "CloudEvent",
        ),
        ("webhook.jwt", "The full body as claims of a JSON Web Token.", "text/plain", "Token"),
    ];
    for (name, summary, content_type, payload) in said {
        let mut message = json!({
            "name": name, "summary": summary, "contentType": content_type, "payload": schema(payload),
        });
        if name.starts_with("webhook.") {
            merge(&mut message, json!({ "headers": schema("WebhookHeaders") }));
        }
        messages.insert(name.to_owned(), message);
    }
    Value::Object(messages)
}

fn components(known: &Schemas) -> Value {
    let mut schemas: Map<String, Value> = known.definitions.clone().into_iter().collect();
    for event in &known.events {
        schemas.insert(stored(event), event.body.clone());
        let opened = json!({
            "description": event.description,
            "allOf": [
                schema("CloudEvent"),
                {
                    "type": "object",
                    "properties": { "type": { "const": kind(event) }, "data": schema(&stored(event)) },
                },
            ],
        });
        schemas.insert(told(event), opened);
    }
    schemas.extend(shapes::shapes().into_iter().map(|(name, shape)| (name.to_owned(), shape)));
    Value::Object(schemas)
}

/// Adds what an object says to another.
fn merge(message: &mut Value, more: Value) {
    if let (Value::Object(message), Value::Object(more)) = (message, more) {
        message.extend(more);
    }
}

/// The type of an event, as its `ce-type` has it.
fn kind(event: &EventSchema) -> String {
    format!("darkroom.{}.{}.v1", event.noun, event.name)
}

/// The name of the message of an event as it is stored.
fn stored(event: &EventSchema) -> String {
    format!("{}.{}", event.noun, event.name)
}

/// The name of the message of an event that is told opened.
fn told(event: &EventSchema) -> String {
    format!("told.{}.{}", event.noun, event.name)
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn refs(names: impl IntoIterator<Item = String>) -> Value {
    let named = names.into_iter().map(|name| {
        let reference = json!({ "$ref": format!("#/components/messages/{name}") });
        (name, reference)
    });
    Value::Object(named.collect())
}

/// What stands in the open places of an address.
fn parameters(places: &str) -> Value {
    let names = places.split('.').map(|place| place.trim_matches(['{', '}']));
    let described = names.map(|name| {
        let description = match name {
            "event" => "The event's name: the last part of its type before the version.".to_owned(),
            other => format!("The id of the {other}."),
        };
        (name.to_owned(), json!({ "description": description }))
    });
    Value::Object(described.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every reference in a document.
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document("https://darkroom.example/base");
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let place = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{reference}");
        }
        assert_eq!(document["servers"]["api"]["host"], "darkroom.example");
        assert_eq!(document["servers"]["api"]["pathname"], "/base");
    }

    #[test]
    fn every_kind_of_event_is_told_in_the_stream() {
        let document = document("http://127.0.0.1:1");
        let told = document["channels"]["events"]["messages"].as_object().unwrap();
        assert_eq!(told.len(), schemas().events.len());
        assert!(told.len() > 60, "{}", told.len());
        assert!(told.contains_key("told.job.completed"));
    }
}
