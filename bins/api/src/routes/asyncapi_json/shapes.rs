//! The shapes in the AsyncAPI document that are around events, and those of what is said besides.

use serde_json::{Value, json};

/// Shapes by name.
pub(super) fn shapes() -> Vec<(&'static str, Value)> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let time = |description: &str| json!({ "type": "string", "format": "date-time", "description": description });
    let headers = json!({
        "type": "object",
        "description": "CloudEvents 1.0 in the binary mode of NATS, and the hash that chains the event to the one before.",
        "required": ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "darkroom-prev"],
        "properties": {
            "ce-specversion": { "const": "1.0" }, "ce-id": text("Names the event."), "ce-source": text("/darkroom"),
            "ce-type": text("What kind of event it is, with its version."), "ce-time": time("When it was decided."),
            "darkroom-prev": text("SHA-256 of the message before in the same history, in hex; zeros for the first."),
            "traceparent": text("The trace that it belongs to (W3C Trace Context)."),
        },
    });
    let cloud_event = json!({
        "type": "object",
        "description": "CloudEvents 1.0 in structured mode.",
        "required": ["specversion", "id", "source", "type", "time", "datacontenttype", "sequence", "data"],
        "properties": {
            "specversion": { "const": "1.0" }, "id": text("Names the event."), "source": text("/accounts/ and the account."),
            "type": text("What kind of event it is."), "subject": text("The id of the job, upload, endpoint, delivery or member that it happened to."),
            "time": time("When it was decided."), "datacontenttype": { "const": "application/json" },
            "stream": text("The stream that holds it."), "sequence": text("Its place there, in twenty digits."),
            "cursor": text("In /v1/events: give it as `after`, and what came after this event follows."),
            "erased": { "type": "boolean", "description": "Something in data is null for ever: its key is shredded." },
            "data": { "type": "object" },
        },
    });
    let webhook_headers = json!({
        "type": "object",
        "description": "Standard Webhooks.",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": text("The same for every attempt and every replay."), "webhook-timestamp": text("Seconds since 1970."),
            "webhook-signature": text("One or more signatures of id.timestamp.body, with spaces between."),
        },
    });
    let thin = json!({
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": text("The topic: job.completed."), "timestamp": time("When it happened."),
            "data": {
                "type": "object", "required": ["event", "account", "stream", "sequence"],
                "properties": {
                    "event": text("Names the event."), "account": text("Whose it is."), "job": text("The job, if it is about one."),
                    "stream": text("The stream that holds it."), "sequence": { "type": "integer", "minimum": 1 },
                },
            },
        },
    });
    vec![
        ("StoredHeaders", headers),
        ("CloudEvent", cloud_event),
        ("WebhookHeaders", webhook_headers),
        ("Thin", thin),
        ("Progress", progress()),
        (
            "PreviewBody",
            json!({ "type": "object", "description": "Preview in /openapi.json.", "required": ["id", "status"], "properties": { "id": text("The job."), "status": text("success, failure, or error.") } }),
        ),
        ("Token", text("A JSON Web Token (RFC 7519), signed like the request.")),
    ]
}

fn progress() -> Value {
    let number = |description: &str| json!({ "type": ["integer", "null"], "minimum": 0, "description": description });
    json!({
        "type": "object",
        "required": ["stage"],
        "properties": {
            "stage": { "enum": ["fetching", "rendering", "storing"] },
            "bytes": number("Fetching: bytes of the source so far."), "total_bytes": number("Fetching: bytes in all, where the source says so."),
            "artifacts": number("Storing: how many lie in the bucket so far."),
        },
    })
}
