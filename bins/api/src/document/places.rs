//! The shapes of bodies about where files come from and go: uploads, inputs, downloads, destinations.

use serde_json::{Value, json};

/// Each by its name.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "integer" });
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    let list = |of: Value| json!({ "type": "array", "items": of });
    vec![
        (
            "UploadRequest",
            json!({
                "type": "object", "required": ["size_bytes"], "additionalProperties": false,
                "properties": {
                    "file_name": { "type": "string", "description": "1 to 255 bytes, without slashes." },
                    "size_bytes": { "type": "integer", "minimum": 1, "maximum": domain::upload::MAX_UPLOAD_BYTES },
                    "part_bytes": { "type": "integer", "minimum": domain::upload::MIN_PART_BYTES, "maximum": domain::upload::MAX_PART_BYTES },
                    "checksum": { "$ref": "#/components/schemas/Checksum" },
                },
            }),
        ),
        (
            "Checksum",
            json!({
                "type": "object", "additionalProperties": false,
                "description": "Of the whole file, one of the two, in hex. Given when the upload is begun or when it is completed.",
                "properties": { "crc32c": text(), "sha256": text() },
            }),
        ),
        (
            "UploadParts",
            json!({
                "type": "object", "required": ["numbers"], "additionalProperties": false,
                "properties": { "numbers": { "type": "array", "minItems": 1, "maxItems": 100, "items": number() } },
            }),
        ),
        (
            "UploadComplete",
            json!({
                "type": "object", "required": ["parts"], "additionalProperties": false,
                "properties": {
                    "parts": list(json!({ "type": "object", "required": ["number", "etag"], "properties": { "number": number(), "etag": text() } })),
                    "checksum": { "$ref": "#/components/schemas/Checksum" },
                },
            }),
        ),
        (
            "Upload",
            json!({
                "type": "object",
                "required": ["id", "source", "state", "size_bytes", "part_bytes", "part_count", "checksum", "started_at", "expires_at", "uploaded_at", "ended_at", "because", "jobs"],
                "properties": {
                    "id": text(), "source": { "type": "string", "description": "What a job's url names it by." },
                    "state": { "type": "string", "enum": domain::upload::Phase::NAMES },
                    "size_bytes": number(), "part_bytes": number(), "part_count": number(), "checksum": or_null("object"),
                    "started_at": text(), "expires_at": text(), "uploaded_at": or_null("string"), "ended_at": or_null("string"),
                    "because": or_null("string"), "jobs": number(), "file_name": text(),
                    "received": { "type": "object", "properties": { "size_bytes": number(), "parts": list(json!({ "type": "object" })) } },
                    "parts": list(json!({
                        "type": "object", "required": ["number", "offset", "size_bytes", "url", "headers"],
                        "properties": { "number": number(), "offset": number(), "size_bytes": number(), "url": text(), "headers": { "type": "object" } },
                    })),
                    "links_expire_at": text(),
                },
            }),
        ),
        (
            "UploadList",
            json!({ "type": "object", "required": ["uploads"], "properties": { "uploads": list(json!({ "$ref": "#/components/schemas/Upload" })) } }),
        ),
        (
            "InputRequest",
            json!({
                "type": "object", "required": ["region", "bucket", "access_key", "secret_key"], "additionalProperties": false,
                "properties": { "endpoint": text(), "region": text(), "bucket": text(), "prefix": text(), "path_style": { "type": "boolean" }, "bucket_owner": text(), "access_key": text(), "secret_key": text() },
            }),
        ),
        (
            "Input",
            json!({
                "type": "object", "required": ["id", "region", "bucket", "prefix", "path_style"],
                "properties": { "id": text(), "endpoint": text(), "region": text(), "bucket": text(), "prefix": text(), "path_style": { "type": "boolean" }, "bucket_owner": text(), "access_key_hint": text() },
            }),
        ),
        (
            "InputList",
            json!({ "type": "object", "required": ["inputs"], "properties": { "inputs": list(json!({ "$ref": "#/components/schemas/Input" })) } }),
        ),
        (
            "InputRemoved",
            json!({ "type": "object", "required": ["id", "removed"], "properties": { "id": text(), "removed": { "type": "boolean" } } }),
        ),
        (
            "Download",
            json!({ "type": "object", "required": ["url"], "properties": { "url": text() } }),
        ),
        (
            "DestinationRequest",
            json!({
                "type": "object",
                "required": ["bucket"],
                "additionalProperties": false,
                "properties": {
                    "bucket": text(),
                    "region": { "type": "string", "description": "Region to sign for; us-east-1 if absent beside an endpoint." },
                    "endpoint": { "type": "string", "description": "Base URL of an S3 service, https beyond loopback; AWS if absent." },
                    "prefix": { "type": "string", "description": "Put before every key." },
                    "path_style": { "type": "boolean", "description": "Whether the bucket stands in the path; true if absent beside an endpoint." },
                    "access_key": { "type": "string", "description": "With secret_key, whoever writes; or give a role." },
                    "secret_key": { "type": "string", "description": "Sealed at once; nothing answers it again.", "writeOnly": true },
                    "role": { "type": "string", "description": "ARN of a role that is taken on instead of keys. It has to trust this service for the external id that is the account's id: the answer has the policy." },
                    "encryption": { "type": "object", "required": ["kind"], "properties": { "kind": { "type": "string", "enum": ["none", "sse_s3", "sse_kms", "sse_c"] }, "key_id": text(), "key": { "type": "string", "description": "32 bytes in base64.", "writeOnly": true } } },
                    "bucket_owner": { "type": "string", "description": "The AWS account that must own the bucket, 12 digits." },
                    "headers": { "type": "object", "description": "Headers of every object, as uploader.headers has them; a job's own stand before these.", "additionalProperties": text() },
                },
            }),
        ),
        (
            "DestinationChange",
            json!({
                "type": "object",
                "required": ["demand_write_only"],
                "additionalProperties": false,
                "properties": { "demand_write_only": { "type": "boolean" } },
            }),
        ),
        (
            "Destination",
            json!({
                "type": "object",
                "required": ["stored_in", "demand_write_only", "jobs"],
                "properties": {
                    "stored_in": { "type": "string", "enum": ["destination", "development"] },
                    "demand_write_only": { "type": "boolean" },
                    "jobs": { "type": "object", "required": ["status"], "properties": { "status": { "type": "string", "enum": ["accepted", "refused"] }, "reason": text() } },
                    "expires_after_s": number(), "note": text(),
                    "id": text(), "bucket": text(), "region": text(), "endpoint": or_null("string"), "prefix": text(),
                    "path_style": { "type": "boolean" }, "bucket_owner": or_null("string"),
                    "credentials": { "type": "object", "properties": { "access_key_hint": text(), "fingerprint": text(), "role": text(), "external_id": text(), "trust_policy": { "type": "object" } } },
                    "encryption": { "type": "object", "properties": { "kind": text(), "key_id": text() } },
                    "headers": { "type": "object", "additionalProperties": text() },
                    "write_only": {
                        "type": "object",
                        "required": ["text", "standing", "checked_at", "awaited", "proof", "excess", "code", "remedy"],
                        "properties": {
                            "text": text(), "standing": { "type": "string", "enum": ["write_only", "readable", "closed", "unclear", "failed", "unknown"] },
                            "checked_at": or_null("string"), "awaited": { "type": "boolean" }, "proof": or_null("object"),
                            "excess": list(text()), "code": or_null("string"), "remedy": or_null("string"),
                        },
                    },
                    "policy": { "type": "object", "description": "The smallest IAM policy that the credentials need." },
                },
            }),
        ),
    ]
}
