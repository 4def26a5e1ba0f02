//! One event as one line.

use eventlog::Raw;
use serde_json::{Map, Value};

/// Fields that are stored as ciphertext.
const SEALED: [&str; 18] = [
    "source_url",
    "callback_url",
    "user_data",
    "uploader",
    "file_name",
    "location",
    "metadata",
    "detail",
    "credentials",
    "secret",
    "label",
    "email",
    "password",
    "url",
    "description",
    "headers",
    "excerpt",
    "multipart",
];
/// What is shown in place of a ciphertext.
const HIDDEN: &str = "sealed";
/// How fields are named that hold a keyed digest of a secret or an address.
const DIGEST: &str = "_digest";
/// What is shown in place of such a digest: nobody is helped by it.
const WITHHELD: &str = "withheld";
/// Longest text of one field.
const FIELD_CHARS: usize = 60;

/// Puts a word in the place of every ciphertext and keyed digest in a value that stands under this name.
pub(crate) fn hide(name: &str, value: &mut Value) {
    match value {
        Value::String(_) if name.ends_with(DIGEST) => *value = WITHHELD.into(),
        // A ciphertext is text; a wish for metadata is a list.
        Value::String(_) if SEALED.contains(&name) => *value = HIDDEN.into(),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| hide(name, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide("", item)),
        _ => {}
    }
}

/// For people: time, place, event, whose, and what it says.
pub(super) fn human(raw: &Raw, holds: bool) -> String {
    let mut tokens = raw.subject.split('.').skip(1);
    let noun = tokens.next().unwrap_or_default();
    // The aggregate's own id is the last token before the event's name.
    let id = raw.subject.rsplit('.').nth(1).unwrap_or_default();
    let time = raw.time().map_or_else(|| "?".to_owned(), |time| format!("{time:.3}"));
    let mark = if holds { ' ' } else { '!' };
    let event = format!("{noun}.{}", raw.event_name());
    let line = format!("{time:<24} {:>7}{mark} {event:<24} {id} {}", raw.seq, fields(&raw.body));
    line.trim_end().to_owned()
}

/// Every field of an event's body, nested ones without their parents' names.
fn fields(body: &[u8]) -> String {
    let mut shown = Vec::new();
    if let Ok(Value::Object(body)) = serde_json::from_slice(body) {
        collect(&body, &SEALED, &mut shown);
    }
    shown.join(" ")
}

/// The same of an event that was opened for its owner.
pub(crate) fn opened(data: &Value) -> String {
    let mut shown = Vec::new();
    if let Value::Object(data) = data {
        collect(data, &[], &mut shown);
    }
    shown.join(" ")
}

fn collect(object: &Map<String, Value>, sealed: &[&str], shown: &mut Vec<String>) {
    for (name, value) in object {
        match value {
            _ if name == "event" => {}
            Value::Null => {}
            Value::Object(nested) => collect(nested, sealed, shown),
            Value::String(_) if name.ends_with(DIGEST) => shown.push(format!("{name}={WITHHELD}")),
            // A ciphertext is text; a wish for metadata is a list.
            Value::String(_) if sealed.contains(&name.as_str()) => {
                shown.push(format!("{name}={HIDDEN}"));
            }
            Value::String(text) => shown.push(format!("{name}={}", short(name, text))),
            Value::Array(items) if items.is_empty() => {}
            other => shown.push(format!("{name}={}", short(name, &other.to_string()))),
        }
    }
}

/// Digests are told apart by their beginnings.
fn short(name: &str, text: &str) -> String {
    let digest = matches!(name, "sha256" | "md5" | "fingerprint");
    let limit = if digest { 12 } else { FIELD_CHARS };
    // What was stored is not trusted with the terminal.
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut kept: String = text.chars().take(limit).map(clean).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use eventlog::Headers;

    use super::*;

    #[test]
    fn a_person_sees_everything_but_what_is_sealed() {
        let body = r#"{"event":"stored","artifact":{"name":"a.jpg","location":"c2VhbGVk",
            "width":3,"sha256":"0123456789abcdef"},"token_digest":"fedcba98","note":"a\u001b[31mb","metadata":["exif"]}"#;
        let raw = Raw {
            stream: "JOBS".into(),
            subject: "darkroom.job.acc.job-1.stored".into(),
            seq: 7,
            headers: Headers::from_iter([("ce-time", "2026-01-02T03:04:05.678901Z")]),
            body: Bytes::from(body),
        };
        let line = human(&raw, true);
        for part in [
            "2026-01-02T03:04:05.678Z",
            " 7 ",
            "job.stored",
            "job-1",
            "name=a.jpg",
            "location=sealed",
            "width=3",
            "sha256=0123456789ab…",
            "token_digest=withheld",
            "metadata=[\"exif\"]",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(
            !line.contains("c2VhbGVk") && !line.contains("fedc") && !line.contains('\u{1b}'),
            "{line}"
        );
        assert!(human(&raw, false).contains("7!"));
    }

    #[test]
    fn an_owner_sees_what_is_personal_and_no_escape_of_it_reaches_the_terminal() {
        let data = serde_json::json!({
            "event": "fetched", "file_name": "a\u{1b}[31m.jpg", "nested": { "location": "here" },
        });
        assert_eq!(opened(&data), "file_name=a [31m.jpg location=here");
    }

    #[test]
    fn every_sealed_field_of_the_domain_is_known_here() {
        use domain::sealed::field;
        for name in [
            field::SOURCE_URL,
            field::CALLBACK_URL,
            field::USER_DATA,
            field::UPLOADER,
            field::FILE_NAME,
            field::METADATA,
            field::DETAIL,
            field::LABEL,
        ] {
            assert!(SEALED.contains(&name), "{name}");
        }
    }
}
