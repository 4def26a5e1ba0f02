//! The shapes of bodies about accounts, their key pairs and their usage.

use serde_json::{Value, json};

/// Each by its name.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "integer" });
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    let list = |of: Value| json!({ "type": "array", "items": of });
    vec![
        (
            "ApplicationTerms",
            json!({ "type": "object", "additionalProperties": false, "properties": terms() }),
        ),
        (
            "ApplicationRequest",
            json!({
                "type": "object",
                "additionalProperties": false,
                "properties": with(&terms(), &[("mode", json!({ "type": "string", "enum": ["live", "test"] }))]),
            }),
        ),
        ("Application", application(&[])),
        ("ApplicationSecret", application(&[("secret", text())])),
        (
            "ApplicationList",
            json!({
                "type": "object",
                "required": ["applications"],
                "properties": { "applications": list(json!({ "$ref": "#/components/schemas/Application" })) },
            }),
        ),
        (
            "RotateRequest",
            json!({ "type": "object", "additionalProperties": false, "properties": { "overlap_s": number() } }),
        ),
        (
            "Revoked",
            json!({ "type": "object", "required": ["id", "status"], "properties": { "id": text(), "status": text() } }),
        ),
        (
            "AccountChange",
            json!({
                "type": "object",
                "additionalProperties": false,
                "properties": { "label": or_null("string"), "keep_media": { "type": "boolean" }, "rotate_webhook_secret": { "type": "boolean" } },
            }),
        ),
        (
            "Feed",
            json!({ "type": "object", "required": ["on"], "additionalProperties": false, "properties": { "on": { "type": "boolean" } } }),
        ),
        (
            "Account",
            json!({
                "type": "object",
                "required": ["id", "label", "opened_at", "applications", "limits", "quotas", "destination", "keeps_media", "signs_webhooks"],
                "properties": {
                    "id": text(), "label": or_null("string"), "opened_at": or_null("string"), "applications": number(),
                    "limits": { "type": "object" }, "quotas": { "type": "object" }, "destination": { "type": "object" },
                    "keeps_media": { "type": "boolean" }, "signs_webhooks": { "type": "boolean" }, "webhook_secret": text(),
                },
            }),
        ),
        (
            "Usage",
            json!({
                "type": "object",
                "required": ["from", "to", "days", "total"],
                "properties": { "from": text(), "to": text(), "days": list(json!({ "type": "object", "required": ["date"] })), "total": { "type": "object" } },
            }),
        ),
        (
            "EndpointRequest",
            json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "url": { "type": "string", "description": "https, without credentials." },
                    "description": or_null("string"),
                    "topics": { "type": ["array", "null"], "items": text(), "description": "\"job.completed\", \"job.*\", \"destination.*\", \"*\"; the outcomes of jobs if absent." },
                    "applications": { "type": ["array", "null"], "items": text(), "description": "Jobs of these applications alone." },
                    "payload": { "type": "string", "enum": ["full", "thin", "cloud_events", "jwt"], "description": "The body of a GET, ids alone, CloudEvents 1.0, or a JSON Web Token." },
                    "ordered": { "type": "boolean", "description": "Whether what happens to a job waits for the outcome of what was told before." },
                    "timeout_ms": or_null("integer"), "per_second": or_null("integer"), "at_once": or_null("integer"),
                    "retry_after_s": { "type": ["array", "null"], "items": number(), "description": "Waits between attempts; those of Standard Webhooks if absent." },
                    "keep_answers": { "type": "boolean", "description": "Whether the first 4 KiB of answers are kept with each attempt." },
                    "headers": { "type": ["object", "null"], "description": "Sent with every delivery; never shown again." },
                    "scheme": { "type": "string", "enum": ["hmac_sha256", "ed25519"] },
                    "secret": { "type": "string", "description": "A whsec_ of your own." },
                    "enabled": { "type": "boolean" },
                },
            }),
        ),
        (
            "SecretRotation",
            json!({
                "type": "object",
                "additionalProperties": false,
                "properties": { "scheme": text(), "secret": text(), "overlap_s": number() },
            }),
        ),
        (
            "Endpoint",
            json!({
                "type": "object",
                "required": ["id", "url", "topics", "payload", "ordered", "scheme", "public_keys", "enabled", "circuit", "created_at"],
                "properties": {
                    "id": text(), "url": or_null("string"), "description": or_null("string"),
                    "topics": list(text()), "applications": or_null("array"), "payload": text(), "ordered": { "type": "boolean" },
                    "timeout_ms": or_null("integer"), "per_second": or_null("integer"), "at_once": or_null("integer"),
                    "retry_after_s": or_null("array"), "keep_answers": { "type": "boolean" }, "has_headers": { "type": "boolean" },
                    "scheme": text(), "public_key": or_null("string"), "missed_since": text(),
                    "public_keys": list(json!({
                        "type": "object",
                        "description": "A key that `v1a` signatures verify with; the current one first, then those before, while deliveries are signed with them as well.",
                        "required": ["id", "public_key", "until"],
                        "properties": {
                            "id": { "type": "string", "description": "The first eight bytes of the SHA-256 of its 32 bytes, in base64url." },
                            "public_key": text(), "until": or_null("string"),
                        },
                    })),
                    "previous_secrets_until": list(text()),
                    "enabled": { "type": "boolean" }, "disabled": or_null("object"), "circuit": { "type": "object" },
                    "replay": or_null("object"), "created_at": text(), "secret": text(),
                },
            }),
        ),
        (
            "EndpointList",
            json!({
                "type": "object",
                "required": ["endpoints"],
                "properties": { "endpoints": list(json!({ "$ref": "#/components/schemas/Endpoint" })) },
            }),
        ),
        (
            "Removed",
            json!({ "type": "object", "required": ["removed"], "properties": { "removed": text() } }),
        ),
        (
            "ReplayRequest",
            json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "from_seq": number(), "to_seq": number(), "since": text(), "until": text(),
                    "only": { "type": "string", "enum": ["all", "exhausted"] },
                    "stream": { "type": "string", "enum": ["jobs", "accounts", "uploads", "deliveries"] },
                },
            }),
        ),
        (
            "Replay",
            json!({
                "type": "object",
                "required": ["replay", "from_seq", "to_seq", "only", "stream"],
                "properties": { "replay": text(), "from_seq": number(), "to_seq": number(), "only": text(), "stream": text() },
            }),
        ),
        (
            "Delivery",
            json!({
                "type": "object",
                "required": ["id", "webhook_id", "endpoint", "event", "topic", "status", "attempts", "duplicates", "due_at", "updated_at"],
                "properties": {
                    "id": text(), "webhook_id": text(), "endpoint": text(), "event": text(), "topic": text(), "job": or_null("string"),
                    "sequence": number(), "status": { "type": "string", "enum": readmodel::Standing::ALL.map(readmodel::Standing::name) },
                    "attempts": number(), "duplicates": number(), "due_at": text(), "updated_at": text(), "retry_at": or_null("string"), "code": or_null("string"),
                    "last": or_null("object"),
                },
            }),
        ),
        (
            "DeliveryHistory",
            json!({
                "allOf": [
                    { "$ref": "#/components/schemas/Delivery" },
                    { "type": "object", "required": ["history"], "properties": { "history": list(json!({ "type": "object" })) } },
                ],
            }),
        ),
        (
            "DeliveryList",
            json!({
                "type": "object",
                "required": ["deliveries", "next"],
                "properties": { "deliveries": list(json!({ "$ref": "#/components/schemas/Delivery" })), "next": or_null("string") },
            }),
        ),
        (
            "Erasure",
            json!({
                "type": "object",
                "required": ["job", "status", "requested_at", "erased_at", "objects", "event", "not_covered"],
                "properties": {
                    "job": text(), "status": { "type": "string", "enum": ["erasing", "erased"] },
                    "requested_at": text(), "erased_at": or_null("string"), "objects": or_null("integer"),
                    "event": or_null("object"), "not_covered": text(),
                },
            }),
        ),
        (
            "ExportLine",
            json!({
                "type": "object",
                "properties": { "export": number(), "account": text(), "event": text(), "id": text(), "at": text(), "seq": number(), "data": { "type": "object" }, "day": text(), "used": { "type": "object" }, "end": { "type": "boolean" } },
            }),
        ),
        (
            "AccountErasure",
            json!({
                "type": "object",
                "required": ["account", "status", "requested_at", "receipt"],
                "properties": { "account": text(), "status": text(), "requested_at": or_null("string"), "receipt": text() },
            }),
        ),
    ]
}

/// What can be said of an API key pair's terms.
fn terms() -> Value {
    let scopes: Vec<_> = domain::scope::Scope::ALL.iter().map(|scope| scope.name()).collect();
    json!({
        "label": { "type": ["string", "null"] },
        "scopes": { "type": ["array", "null"], "items": { "type": "string", "enum": scopes }, "description": "null: all of them." },
        "origins": { "type": "array", "items": { "type": "string" }, "description": "Origins from which a browser may use the key without its secret." },
        "expires_at": { "type": ["string", "null"], "format": "date-time" },
        "failure_word": { "type": "string", "enum": ["failure", "error"] },
    })
}

/// An API key pair as it is shown, with `more`.
fn application(more: &[(&str, Value)]) -> Value {
    let own = json!({
        "id": { "type": "string" },
        "key": { "type": "string", "pattern": "^dk_(live|test)_[0-9A-Za-z]{39}$" },
        "created_at": { "type": "string" },
        "status": { "type": "string", "enum": ["active", "expired"] },
        "last_used_on": { "type": ["string", "null"] },
        "previous_secret_until": { "type": ["string", "null"] },
    });
    let required: Vec<_> = ["id", "key", "created_at", "status"]
        .into_iter()
        .chain(more.iter().map(|(name, _)| *name))
        .collect();
    let terms = terms();
    let terms: Vec<_> = terms.as_object().into_iter().flatten().collect();
    let terms = terms.into_iter().map(|(name, value)| (name.as_str(), value.clone()));
    let all: Vec<_> = terms.chain(more.iter().cloned()).collect();
    json!({ "type": "object", "required": required, "properties": with(&own, &all) })
}

/// An object with more fields.
fn with(object: &Value, more: &[(&str, Value)]) -> Value {
    let known = object.as_object().cloned().unwrap_or_default().into_iter();
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Object(known.chain(more).collect())
}
