//! What an event says, in a sentence that needs no glossary.

use serde_json::Value;

use crate::verify::Stored;

/// The longest text of one field that a sentence takes in.
const FIELD_CHARS: usize = 120;

/// The sentence of an event. Where this release knows none it names the event.
pub(super) fn sentence(event: &Stored) -> String {
    let body: Value = serde_json::from_slice(&event.body).unwrap_or_default();
    let fields = Fields(&body);
    let mut tokens = event.subject.split('.').skip(1);
    let noun = tokens.next().unwrap_or_default();
    let name = event.subject.rsplit('.').next().unwrap_or_default();
    let known = match noun {
        "job" => of_job(name, &fields),
        "delivery" => of_delivery(name, &fields),
        "account" => of_account(name, &fields),
        _ => None,
    };
    known.unwrap_or_else(|| clip(&format!("{noun}: {}.", name.replace('_', " "))))
}

fn of_job(name: &str, of: &Fields<'_>) -> Option<String> {
    Some(match name {
        "requested" => {
            format!("The job was requested with the key pair {}.", of.text("/application"))
        }
        "started" => {
            format!("Attempt {} was begun by worker {}.", of.text("/attempt"), of.text("/worker"))
        }
        "fetched" => format!(
            "The source was read: {}, {}{}.",
            of.bytes("/size_bytes"),
            of.text("/media_type"),
            of.digest("/sha256")
        ),
        "stored" => format!(
            "{} was stored in {}: {} by {} pixels, {}, {}{}.",
            of.text("/artifact/name"),
            match of.text("/artifact/stored_in").as_str() {
                "destination" => "the customer's own bucket".to_owned(),
                "development" => "the platform's bucket for development".to_owned(),
                other => other.to_owned(),
            },
            of.text("/artifact/width"),
            of.text("/artifact/height"),
            of.text("/artifact/media_type"),
            of.bytes("/artifact/size_bytes"),
            of.digest("/artifact/sha256")
        ),
        "wiped" => format!(
            "Everything that was made of the source on the way was destroyed ({}).",
            of.bytes("/bytes")
        ),
        "completed" => match of.count("/total_pages").as_str() {
            "1" => "The job was completed (1 page).".to_owned(),
            pages => format!("The job was completed ({pages} pages)."),
        },
        "attempt_failed" => format!(
            "Attempt {} failed ({}); another was to follow at {}.",
            of.text("/attempt"),
            of.text("/code"),
            of.text("/retry_at")
        ),
        "failed" => format!("The job failed for good ({}).", of.text("/code")),
        "cancel_requested" => "The end of the job was asked for.".to_owned(),
        "cancelled" => "The job was ended because that was asked for.".to_owned(),
        "expired" => {
            "What the job had stored for development was removed after its time.".to_owned()
        }
        "erasure_requested" => "The erasure of the job was asked for.".to_owned(),
        "erased" => format!(
            "The job was erased: {} objects were removed, and the keys to everything personal in the \
             events above were destroyed. The events themselves stay; nobody can read what was sealed \
             in them.",
            of.count("/objects")
        ),
        _ => return None,
    })
}

fn of_delivery(name: &str, of: &Fields<'_>) -> Option<String> {
    Some(match name {
        "due" => format!("A webhook about {} became due.", of.text("/event_type")),
        "delivered" => {
            let about = of.find("/told/event_type").map(|it| format!(" about {it}"));
            format!(
                "A webhook{} was delivered at attempt {}: {} answered {}.",
                about.unwrap_or_default(),
                of.text("/attempt"),
                of.find("/address").unwrap_or_else(|| "the receiver".to_owned()),
                of.text("/status")
            )
        }
        "attempt_failed" => format!(
            "Attempt {} to deliver a webhook failed ({}); another was to follow at {}.",
            of.text("/attempt"),
            of.text("/code"),
            of.text("/retry_at")
        ),
        "exhausted" => format!(
            "A webhook was given up after {} attempts ({}).",
            of.text("/attempts"),
            of.text("/code")
        ),
        "redelivery_requested" => "A webhook was asked for once more.".to_owned(),
        _ => return None,
    })
}

fn of_account(name: &str, of: &Fields<'_>) -> Option<String> {
    Some(match name {
        "opened" => "The account was opened.".to_owned(),
        "application_added" => format!("The key pair {} was added.", of.text("/application")),
        "application_revoked" => format!("The key pair {} was revoked.", of.text("/application")),
        "erasure_requested" => "The erasure of the account was asked for.".to_owned(),
        "erased" => format!(
            "The account was erased: {} jobs, {} objects, and the keys to everything personal in the \
             events above.",
            of.count("/jobs"),
            of.count("/objects")
        ),
        _ => return None,
    })
}

/// The body of an event.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn find(&self, pointer: &str) -> Option<String> {
        match self.0.pointer(pointer)? {
            Value::Null => None,
            Value::String(text) => Some(clip(text)),
            other => Some(clip(&other.to_string())),
        }
    }

    fn text(&self, pointer: &str) -> String {
        self.find(pointer).unwrap_or_else(|| "?".to_owned())
    }

    /// Left out of an event when it is 0.
    fn count(&self, pointer: &str) -> String {
        self.find(pointer).unwrap_or_else(|| "0".to_owned())
    }

    fn bytes(&self, pointer: &str) -> String {
        format!("{} bytes", self.count(pointer))
    }

    fn digest(&self, pointer: &str) -> String {
        let digest = self.find(pointer).filter(|text| !text.is_empty());
        digest.map(|text| format!(", SHA-256 {text}")).unwrap_or_default()
    }
}

/// What was stored is not trusted with a sentence's length or a terminal.
fn clip(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut kept: String = text.chars().take(FIELD_CHARS).map(clean).collect();
    if text.chars().nth(FIELD_CHARS).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(subject: &str, body: &str) -> String {
        sentence(&Stored {
            stream: "JOBS".into(),
            seq: 1,
            subject: subject.into(),
            stored_at: None,
            headers: vec![],
            body: body.to_owned().into(),
        })
    }

    #[test]
    fn events_are_told_in_sentences() {
        for (subject, body, expected) in [
            (
                "darkroom.job.a.j.fetched",
                r#"{"size_bytes":3,"media_type":"image/png","sha256":"ab"}"#,
                "The source was read: 3 bytes, image/png, SHA-256 ab.",
            ),
            (
                "darkroom.delivery.a.e.d.due",
                r#"{"event_type":"job.completed"}"#,
                "A webhook about job.completed became due.",
            ),
            ("darkroom.job.a.j.of_the_future", "no JSON", "job: of the future."),
            ("darkroom.job.a.j.started", "{}", "Attempt ? was begun by worker ?."),
        ] {
            assert_eq!(said(subject, body), expected);
        }
        let long = format!(r#"{{"code":"a\u001b{}"}}"#, "x".repeat(500));
        let said = said("darkroom.job.a.j.failed", &long);
        assert!(said.chars().count() < 200 && !said.contains('\u{1b}') && said.contains('…'));
    }

    #[test]
    fn every_event_of_a_job_and_of_a_delivery_has_a_sentence_of_its_own() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/testdata");
        for noun in ["job", "delivery"] {
            let mut names = 0;
            for entry in std::fs::read_dir(format!("{folder}/{noun}")).unwrap() {
                let path = entry.unwrap().path();
                let file = path.file_name().unwrap().to_str().unwrap().to_owned();
                let name = file.split('.').next().unwrap();
                let body = std::fs::read_to_string(&path).unwrap();
                let said = said(&format!("darkroom.{noun}.a.b.{name}"), &body);
                assert!(!said.starts_with(noun), "{file}: {said}");
                names += 1;
            }
            assert!(names > 4, "samples of {noun}");
        }
    }
}
