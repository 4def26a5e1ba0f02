//! The OpenAPI document, made from the table of endpoints.

mod accounts;
mod logs;
mod members;
mod places;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, License, OpenApiBuilder, PathItem,
    PathsBuilder, Ref, RefOr, Required, ResponseBuilder, SecurityRequirement,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::Schema,
    security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};

use crate::{
    auth::{Access, SESSION_COOKIE},
    problem::{Problem, Spelling},
    routes::{Endpoint, TABLE, Verb},
};

/// What the document says of an endpoint beyond what the router knows.
pub(crate) struct Doc {
    /// One sentence.
    pub(crate) summary: &'static str,
    /// Parameters besides `{id}`.
    pub(crate) parameters: &'static [Parameter],
    /// Name of the schema of the request's body.
    pub(crate) request: Option<&'static str>,
    /// Status of the answer.
    pub(crate) status: u16,
    /// Name of the schema of the answer's body.
    pub(crate) answer: &'static str,
    /// Whether the answer may be an event stream instead.
    pub(crate) streams: bool,
}

/// A parameter in the query or the head.
pub(crate) struct Parameter {
    pub(crate) place: Place,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// In the query.
    Query,
    /// In the head.
    Header,
}

/// The document.
pub(crate) fn document(public_url: &str) -> Value {
    let mut paths: BTreeMap<&str, PathItem> = BTreeMap::new();
    for endpoint in TABLE {
        let method = match endpoint.verb {
            Verb::Get => HttpMethod::Get,
            Verb::Post => HttpMethod::Post,
            Verb::Put => HttpMethod::Put,
            Verb::Patch => HttpMethod::Patch,
            Verb::Delete => HttpMethod::Delete,
        };
        let item = PathItem::new(method, operation(endpoint));
        match paths.get_mut(endpoint.path) {
            Some(known) => known.merge_operations(item),
            None => drop(paths.insert(endpoint.path, item)),
        }
    }
    let paths =
        paths.into_iter().fold(PathsBuilder::new(), |paths, (path, item)| paths.path(path, item));
    let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)));
    let components = ComponentsBuilder::new()
        .security_scheme("key", key)
        .security_scheme("session", session)
        .build();
    let document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Darkroom")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "Previews of files. /v2 is the FilePreviews contract; /v1 is Darkroom's own.",
                ))
                .license(Some(License::new("Apache-2.0"))),
        )
        .servers(Some([utoipa::openapi::Server::new(public_url)]))
        .paths(paths.build())
        .components(Some(components))
        .build();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("schemas".to_owned(), schemas().into_iter().collect());
    }
    document
}

fn operation(endpoint: &Endpoint) -> OperationBuilder {
    let doc = &endpoint.doc;
    let mut operation = OperationBuilder::new().summary(Some(doc.summary));
    if endpoint.path.contains("{id}") {
        operation =
            operation.parameter(parameter(ParameterIn::Path, "id", "Its UUID.", Required::True));
    }
    if endpoint.path.contains("{name}") {
        operation =
            operation.parameter(parameter(ParameterIn::Path, "name", "Its name.", Required::True));
    }
    for known in doc.parameters {
        let place = match known.place {
            Place::Query => ParameterIn::Query,
            Place::Header => ParameterIn::Header,
        };
        operation =
            operation.parameter(parameter(place, known.name, known.description, Required::False));
    }
    if let Some(schema) = doc.request {
        let body = RequestBodyBuilder::new()
            .content("application/json", content(schema))
            .required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    let mut answer = ResponseBuilder::new()
        .description("As asked.")
        .content(media_type(doc.answer), content(doc.answer));
    if doc.streams {
        answer = answer.content("text/event-stream", ContentBuilder::new().build());
    }
    operation = operation.response(doc.status.to_string(), answer.build());
    let (media_type, schema) = match Spelling::of_path(endpoint.path) {
        Spelling::Envelope => ("application/json", "Envelope"),
        Spelling::Details => ("application/problem+json", "Problem"),
    };
    let no = ResponseBuilder::new().description(no_answers()).content(media_type, content(schema));
    operation = operation.response("default", no.build());
    match endpoint.access {
        Access::Anyone => operation,
        Access::Caller(scope) | Access::CallerOrOrigin(scope) => operation
            .security(SecurityRequirement::new("key", [scope.name()]))
            .security(SecurityRequirement::new("session", [scope.name()])),
        Access::Session => {
            operation.security(SecurityRequirement::new("session", Vec::<String>::new()))
        }
    }
}

/// What an answer of this shape is sent as.
fn media_type(answer: &str) -> &'static str {
    match answer {
        "Checkpoint" => "text/plain",
        // A line each.
        "Event" | "ExportLine" => "application/x-ndjson",
        _ => "application/json",
    }
}

fn parameter(
    place: ParameterIn,
    name: &str,
    description: &str,
    required: Required,
) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(serde_json::from_value::<RefOr<Schema>>(json!({ "type": "string" })).ok())
}

fn content(schema: &str) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

/// Every status and code that stands for a problem.
fn no_answers() -> String {
    let mut lines: Vec<String> = Problem::samples()
        .iter()
        .map(|problem| format!("{} {}", problem.status().as_u16(), problem.code()))
        .collect();
    lines.sort();
    format!("A problem: {}.", lines.join(", "))
}

/// The shapes of bodies, by name.
fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "integer" });
    let failure = || {
        let capabilities = domain::Capability::ALL.map(domain::Capability::name);
        json!({ "type": "object", "required": ["message", "code"], "properties": {
            "message": text(), "code": text(),
            "capability": { "type": "string", "enum": capabilities, "description": "Which part this installation lacks, where the code is `capability_missing`." },
        } })
    };
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    let list = |of: Value| json!({ "type": "array", "items": of });
    let size = json!({
        "type": "object",
        "required": ["width", "height"],
        "properties": { "width": text(), "height": text() },
    });
    let mut schemas = vec![
        (
            "PreviewRequest",
            json!({
                "type": "object",
                "required": ["url"],
                "properties": {
                    "url": { "type": "string", "description": "http or https, may be pre-signed or carry credentials; or upload:ID; or s3://bucket/key of an input." },
                    "sizes": { "type": "array", "description": "\"200x200\", \"300\" or 300, \"100x\", \"x200\", \"300x400>\", \"original\"; null elements are skipped.", "items": {} },
                    "format": { "type": "string", "description": "jpg, jpeg, png, webp, avif or gif; JPEG, or PNG where the page has transparency, if absent." },
                    "metadata": { "type": "array", "items": { "type": "string", "enum": metadata_words() } },
                    "pages": { "type": "string", "description": "\"1-3\", \"1,3,5\", \"all\"; \"1\" if absent." },
                    "data": { "type": "object", "description": "Comes back as user_data." },
                    "uploader": { "type": "object", "properties": { "destination": text(), "headers": { "type": "object" }, "public": { "type": "boolean" } } },
                    "callback_url": text(),
                    "options": { "$ref": "#/components/schemas/PreviewOptions" },
                },
            }),
        ),
        (
            "PreviewOptions",
            json!({
                "type": "object",
                "description": "What Darkroom adds to the v2 contract.",
                "additionalProperties": false,
                "properties": {
                    "renditions": { "type": "string", "enum": ["all", "none"], "description": "none: no page is drawn; metadata is told, and extras are made, where they are asked for. sizes must then be absent." },
                    "quality": { "type": "integer", "minimum": 1, "maximum": 100, "description": "Of JPEG, WebP and AVIF; each has a default of its own." },
                    "background": { "type": "string", "description": "Shows through where the format has no transparency: \"#ffffff\"." },
                    "crop": { "type": "string", "enum": ["fit", "fill"], "description": "How a size with two edges is filled: the whole page inside, or covered, cut where it matters least." },
                    "embedded": { "type": "string", "enum": ["strip", "keep"], "description": "Whether renditions carry the source's EXIF." },
                    "at": { "type": "array", "maxItems": domain::wish::MAX_MOMENTS, "items": { "type": ["string", "number"] }, "description": "Moments of a film, each a page: 12.5, \"1:02:03\", \"50%\"." },
                    "extras": { "type": "array", "items": { "type": "string", "enum": domain::wish::Extra::ALL.map(domain::wish::Extra::name) } },
                    "languages": { "type": "array", "maxItems": domain::wish::MAX_LANGUAGES, "items": text(), "description": "What ocr reads, in Tesseract's names; English if absent." },
                },
            }),
        ),
        (
            "Extra",
            json!({
                "type": "object",
                "required": ["kind", "page", "url", "mimetype"],
                "properties": { "kind": text(), "page": number(), "url": text(), "mimetype": text(), "size": size.clone() },
            }),
        ),
        (
            "Rendition",
            json!({
                "type": "object",
                "required": ["page", "size", "original_size", "resized", "url", "requested_size"],
                "properties": { "page": number(), "size": size.clone(), "original_size": size, "resized": { "type": "boolean" }, "url": text(), "requested_size": {} },
            }),
        ),
        (
            "Preview",
            json!({
                "type": "object",
                "required": ["id", "url", "status", "preview", "thumbnails", "original_file", "user_data"],
                "properties": {
                    "id": text(), "url": text(),
                    "status": { "type": "string", "enum": ["pending", "started", "success", "failure", "error"] },
                    "preview": or_null("object"), "thumbnails": or_null("array"),
                    "original_file": or_null("object"), "user_data": or_null("object"),
                    "extras": list(json!({ "$ref": "#/components/schemas/Extra" })),
                    "error": failure(),
                },
            }),
        ),
        (
            "Job",
            json!({
                "type": "object",
                "required": ["id", "kind", "status", "application", "requested_at", "updated_at", "attempts", "wish", "retry", "source", "artifacts", "receipt", "error", "ended_at", "storage", "expires_at", "expired_at", "erased_at", "seq"],
                "properties": {
                    "id": text(), "kind": text(), "status": { "type": "string", "enum": domain::job::Status::ALL.map(domain::job::Status::name) },
                    "application": text(), "requested_at": text(), "updated_at": text(), "attempts": number(),
                    "wish": { "type": "object" }, "retry": or_null("object"), "source": or_null("object"),
                    "artifacts": list(json!({ "type": "object" })), "error": { "anyOf": [failure(), { "type": "null" }] },
                    "receipt": { "type": ["object", "null"], "description": "The signed account of how the artifacts came about, which lies beside them; receipt-keys has its key.", "required": ["key_id", "size_bytes", "sha256", "stored_in"], "properties": { "key_id": text(), "size_bytes": number(), "sha256": text(), "stored_in": text(), "url": text() } },
                    "rerun_of": { "type": "string", "description": "The job that this one does again." },
                    "storage": { "type": ["string", "null"], "enum": ["development", null], "description": "Where the results lie, or will as things stand, if that is no bucket of the account's own: encrypted, and gone after `expires_at`." },
                    "ended_at": or_null("string"), "expires_at": or_null("string"), "expired_at": or_null("string"), "erased_at": or_null("string"),
                    "seq": number(), "file_name": or_null("string"), "user_data": {},
                },
            }),
        ),
        (
            "ReceiptKeys",
            json!({
                "type": "object",
                "required": ["keys"],
                "properties": { "keys": list(json!({
                    "type": "object",
                    "required": ["id", "algorithm", "pem"],
                    "properties": { "id": { "type": "string", "description": "SHA-256 of its SubjectPublicKeyInfo, in hex." }, "algorithm": text(), "pem": text() },
                })) },
            }),
        ),
        (
            "JobList",
            json!({
                "type": "object",
                "required": ["jobs", "next"],
                "properties": { "jobs": list(json!({ "$ref": "#/components/schemas/Job" })), "next": or_null("string") },
            }),
        ),
        (
            "EvidenceBundle",
            json!({
                "type": "object",
                "description": "What `darkroom audit check` reads. docs/AUDIT.md tells how its proofs are verified.",
                "required": ["kind", "version", "made_at", "about", "summary", "keys", "checkpoints", "events"],
                "properties": {
                    "kind": text(), "version": number(), "made_at": text(),
                    "about": { "type": "object", "required": ["account"], "properties": { "account": text(), "job": text() } },
                    "summary": list(text()),
                    "keys": list(json!({ "type": "string", "description": "A verifier key of a signed note. Compare it with the one that you were given." })),
                    "checkpoints": list(json!({
                        "type": "object",
                        "required": ["stream", "note"],
                        "properties": { "stream": text(), "note": { "type": "string", "description": "A checkpoint as a signed note (C2SP tlog-checkpoint)." } },
                    })),
                    "events": list(json!({
                        "type": "object",
                        "required": ["event"],
                        "properties": {
                            "event": {
                                "type": "object",
                                "required": ["stream", "seq", "subject", "headers", "body"],
                                "properties": {
                                    "stream": text(), "seq": number(), "subject": text(), "stored_at": text(),
                                    "headers": list(list(text())), "body": { "type": "string", "description": "As stored, in base64." },
                                },
                            },
                            "path": { "type": "array", "items": { "type": "string" }, "description": "From its leaf to the root of the checkpoint (RFC 6962), in base64; absent for an event that no checkpoint covers yet." },
                        },
                    })),
                },
            }),
        ),
        (
            "EventList",
            json!({
                "type": "object",
                "required": ["job", "events"],
                "properties": {
                    "job": text(),
                    "events": list(json!({
                        "type": "object",
                        "required": ["seq", "id", "type", "time", "hash", "prev", "data"],
                        "properties": { "seq": number(), "id": text(), "type": text(), "time": text(), "hash": text(), "prev": text(), "data": {} },
                    })),
                },
            }),
        ),
        (
            "Event",
            json!({
                "type": "object",
                "description": "A CloudEvents 1.0 event in structured mode. What data says is in /asyncapi.json, by type.",
                "required": ["specversion", "id", "source", "type", "time", "datacontenttype", "stream", "sequence", "cursor", "data"],
                "properties": {
                    "specversion": text(), "id": text(), "source": text(), "type": text(), "subject": text(), "time": text(), "datacontenttype": text(),
                    "stream": text(), "sequence": { "type": "string", "description": "Its place in the stream, in twenty digits." },
                    "cursor": { "type": "string", "description": "Give it as `after`, and what came after this event follows." },
                    "erased": { "type": "boolean", "description": "Something in data is null for ever: its key is shredded." },
                    "data": { "type": "object" },
                },
            }),
        ),
        (
            "AuditEvents",
            json!({
                "type": "object",
                "required": ["events", "next"],
                "properties": {
                    "events": list(json!({
                        "type": "object",
                        "required": ["stream", "seq", "subject", "type", "id", "time", "traceparent", "prev", "hash", "data"],
                        "properties": {
                            "stream": text(), "seq": number(), "subject": text(), "type": text(), "id": or_null("string"), "time": or_null("string"),
                            "traceparent": or_null("string"), "prev": or_null("string"),
                            "hash": { "type": "string", "description": "Of the event as it is stored, which the next one of its history names as prev." }, "data": {},
                        },
                    })),
                    "next": or_null("string"),
                },
            }),
        ),
        (
            "Counts",
            json!({
                "type": "object",
                "required": domain::job::Status::ALL.map(domain::job::Status::name),
                "additionalProperties": number(),
            }),
        ),
        (
            "Landing",
            json!({
                "type": "object",
                "required": ["name", "version", "links"],
                "properties": { "name": text(), "version": text(), "links": { "type": "object" } },
            }),
        ),
        (
            "Health",
            json!({
                "type": "object",
                "required": ["status"],
                "properties": { "status": text(), "positions": { "type": "object" } },
            }),
        ),
        ("Document", json!({ "type": "object", "required": ["openapi", "info", "paths"] })),
        (
            "AsyncDocument",
            json!({ "type": "object", "required": ["asyncapi", "info", "channels"] }),
        ),
        (
            "Envelope",
            json!({
                "type": "object",
                "required": ["error"],
                "properties": { "error": { "type": "object", "required": ["type", "message"], "properties": { "type": text(), "param": text(), "message": text() } } },
            }),
        ),
        (
            "Problem",
            json!({
                "type": "object",
                "required": ["type", "title", "status", "detail", "code"],
                "properties": { "type": text(), "title": text(), "status": number(), "detail": text(), "code": text(), "param": text() },
            }),
        ),
    ];
    schemas.extend(logs::schemas());
    schemas.extend(accounts::schemas());
    schemas.extend(members::schemas());
    schemas.extend(places::schemas());
    schemas
}

/// The words that `metadata` takes.
fn metadata_words() -> Vec<&'static str> {
    let kinds = domain::wish::MetadataKind::ALL.into_iter().map(domain::wish::MetadataKind::name);
    kinds.chain(["all"]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_and_the_table_hold_the_same_operations() {
        let document = document("http://127.0.0.1:1");
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (verb, _) in item.as_object().unwrap() {
                described.insert((path.clone(), verb.clone()));
            }
        }
        let served = TABLE.iter().map(|endpoint| {
            (endpoint.path.to_owned(), format!("{:?}", endpoint.verb).to_lowercase())
        });
        assert_eq!(described, served.collect());
    }

    #[test]
    fn every_schema_named_is_there() {
        let document = document("http://127.0.0.1:1");
        let known = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(known.len(), schemas().len());
        for endpoint in TABLE {
            for name in [Some(endpoint.doc.answer), endpoint.doc.request].into_iter().flatten() {
                assert!(known.contains_key(name), "{name}");
            }
        }
    }
}
