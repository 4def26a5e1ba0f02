//! The shapes of bodies about members and sessions.

use serde_json::{Value, json};

/// Each by its name.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    let list = |of: Value| json!({ "type": "array", "items": of });
    vec![
        ("Credentials", object(&["email", "password"], &["totp", "account"])),
        ("Password", object(&["password"], &[])),
        ("NewPassword", object(&["current", "password"], &[])),
        ("Token", object(&["token", "password"], &[])),
        ("Invitation", object(&["email", "role"], &[])),
        ("RoleChange", object(&["role"], &[])),
        ("TotpConfirmation", object(&["enrolment", "code"], &[])),
        ("TotpEnrolment", object(&["secret", "url", "enrolment", "expires_at"], &[])),
        ("Ended", object(&["ended"], &[])),
        (
            "SessionsEnded",
            json!({ "type": "object", "required": ["ended"], "properties": { "ended": { "type": "integer", "description": "How many sessions there were." } } }),
        ),
        ("MemberRemoved", object(&["removed"], &[])),
        (
            "Reset",
            json!({ "type": "object", "properties": { "clear_totp": { "type": "boolean", "description": "Also asks for one-time codes no more." } } }),
        ),
        (
            "Totp",
            json!({ "type": "object", "required": ["totp"], "properties": { "totp": { "type": "boolean" } } }),
        ),
        (
            "PasswordSet",
            json!({ "type": "object", "required": ["member", "sessions_ended"], "properties": { "member": text(), "sessions_ended": { "type": "boolean" } } }),
        ),
        (
            "Member",
            json!({
                "type": "object",
                "required": ["id", "email", "role", "status", "invited_at", "joined_at", "logged_in_at", "totp"],
                "properties": {
                    "id": text(), "email": or_null("string"),
                    "role": { "type": "string", "enum": domain::scope::Role::ALL.map(domain::scope::Role::name) },
                    "status": { "type": "string", "enum": ["invited", "joined"] },
                    "invited_at": or_null("string"), "joined_at": or_null("string"),
                    "logged_in_at": or_null("string"), "totp": { "type": "boolean" },
                },
            }),
        ),
        (
            "MemberList",
            json!({
                "type": "object",
                "required": ["members"],
                "properties": { "members": list(json!({ "$ref": "#/components/schemas/Member" })) },
            }),
        ),
        ("Offer", object(&["token", "expires_at"], &[])),
        (
            "Invited",
            json!({
                "type": "object",
                "required": ["member", "invitation"],
                "properties": { "member": { "$ref": "#/components/schemas/Member" }, "invitation": { "$ref": "#/components/schemas/Offer" } },
            }),
        ),
        (
            "ResetOffered",
            json!({
                "type": "object",
                "required": ["member", "reset"],
                "properties": { "member": text(), "reset": { "$ref": "#/components/schemas/Offer" } },
            }),
        ),
        (
            "Joined",
            json!({
                "type": "object",
                "required": ["account", "member"],
                "properties": { "account": text(), "member": { "$ref": "#/components/schemas/Member" } },
            }),
        ),
        (
            "LoggedIn",
            json!({
                "type": "object",
                "required": ["account", "member", "session", "expires_at"],
                "properties": { "account": text(), "member": { "$ref": "#/components/schemas/Member" }, "session": text(), "expires_at": text() },
            }),
        ),
        (
            "Me",
            json!({
                "type": "object",
                "required": ["account", "member", "session", "scopes"],
                "properties": { "account": text(), "member": { "$ref": "#/components/schemas/Member" }, "session": text(), "scopes": list(text()) },
            }),
        ),
        (
            "SessionList",
            json!({
                "type": "object",
                "required": ["sessions"],
                "properties": { "sessions": list(json!({
                    "type": "object",
                    "required": ["id", "current", "since", "seen_at", "expires_at"],
                    "properties": { "id": text(), "current": { "type": "boolean" }, "since": text(), "seen_at": text(), "expires_at": text() },
                })) },
            }),
        ),
    ]
}

/// An object of texts, some of which may be left out.
fn object(required: &[&str], optional: &[&str]) -> Value {
    let fields = required.iter().chain(optional);
    let properties = fields.map(|name| ((*name).to_owned(), json!({ "type": "string" })));
    json!({ "type": "object", "required": required, "properties": properties.collect::<serde_json::Map<_, _>>() })
}
