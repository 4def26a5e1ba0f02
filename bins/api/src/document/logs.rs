//! The shapes of what is told about the log.

use serde_json::{Value, json};

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let or_null = || json!({ "type": ["string", "null"] });
    let log = json!({
        "type": "object",
        "required": ["log", "origin", "key", "size", "root", "signed_at", "checkpoint", "checkpoint_url"],
        "properties": {
            "log": { "type": "string", "description": "The stream: JOBS, ACCOUNTS, MEMBERS, UPLOADS, ENDPOINTS or DELIVERIES." },
            "origin": text(),
            "key": { "type": ["string", "null"], "description": "The deployment's verifier key. In the notes of each log the same key is called as the log's origin." },
            "size": { "type": "integer", "description": "How many events are signed for." },
            "root": { "type": "string", "description": "The root of their tree, in base64." },
            "signed_at": or_null(),
            "checkpoint": { "type": "string", "description": "The signed note." },
            "checkpoint_url": text(),
        },
    });
    vec![
        (
            "Logs",
            json!({
                "type": "object",
                "required": ["logs"],
                "properties": { "logs": { "type": "array", "items": log } },
            }),
        ),
        ("Checkpoint", text()),
    ]
}
