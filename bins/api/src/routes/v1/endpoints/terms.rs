//! What a body says of an endpoint.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Sealed,
    endpoint::{self, Letter, Payload, Terms, TopicFilter},
    id::ApplicationId,
    retry::Schedule,
    sealed::field,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use crate::{app::App, fields::Fields, problem::Problem};

/// Longest URL, in bytes.
const MAX_URL_BYTES: usize = 2_048;
/// Longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 200;
/// Most filters of topics.
const MAX_TOPICS: usize = 64;
/// Most headers of an endpoint's own.
const MAX_HEADERS: usize = 32;
/// Most waits of a schedule, and the longest one, in seconds.
const MAX_WAITS: usize = 30;
const MAX_WAIT_S: u64 = 7 * 86_400;
/// Longest attempt, in milliseconds: as long as a dispatcher gives any.
const MAX_TIMEOUT_MS: u64 = 15_000;
/// Headers that are not for customers to set.
const OURS: [&str; 8] = [
    "host",
    "content-type",
    "content-length",
    "connection",
    "transfer-encoding",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

const KNOWN: [&str; 12] = [
    "url",
    "description",
    "headers",
    "topics",
    "applications",
    "payload",
    "ordered",
    "timeout_ms",
    "per_second",
    "at_once",
    "retry_after_s",
    "keep_answers",
];

/// The fields of a body, with `more` besides those of every body.
pub(crate) fn fields(body: &[u8], more: &[&'static str]) -> Result<Fields, Problem> {
    let known: Vec<&'static str> = KNOWN.iter().chain(more).copied().collect();
    Fields::read(body, &known)
}

/// What a body says. What it does not speak of stays; `null` takes away.
pub(crate) struct Said {
    url: Option<String>,
    description: Option<Option<String>>,
    headers: Option<Option<String>>,
    topics: Option<Vec<TopicFilter>>,
    applications: Option<Option<BTreeSet<ApplicationId>>>,
    payload: Option<Payload>,
    ordered: Option<bool>,
    timeout_ms: Option<Option<u64>>,
    per_second: Option<Option<u32>>,
    at_once: Option<Option<u32>>,
    retry_after_s: Option<Option<Schedule>>,
    keep_answers: Option<bool>,
}

impl Said {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let url = fields.optional_text("url")?;
        let url = url.map(|url| check_url(&url).map(|()| url.to_string())).transpose()?;
        let description = nullable::<String>(fields, "description", "a text")?;
        if description.iter().flatten().any(|text| text.chars().count() > MAX_DESCRIPTION_CHARS) {
            return Err(invalid(
                "description",
                format!("This is at most {MAX_DESCRIPTION_CHARS} characters."),
            ));
        }
        Ok(Self {
            url,
            description,
            headers: read_headers(fields)?,
            topics: read_topics(fields)?,
            applications: nullable(fields, "applications", "a list of application ids")?,
            payload: nullable::<Payload>(fields, "payload", "full, thin, cloud_events or jwt")?
                .map(Option::unwrap_or_default),
            ordered: fields.optional_flag("ordered")?,
            timeout_ms: bounded(fields, "timeout_ms", MAX_TIMEOUT_MS)?,
            per_second: bounded(fields, "per_second", 10_000)?.map(|it| it.map(|n| n as u32)),
            at_once: bounded(fields, "at_once", 100)?.map(|it| it.map(|n| n as u32)),
            retry_after_s: read_schedule(fields)?,
            keep_answers: fields.optional_flag("keep_answers")?,
        })
    }

    /// An endpoint that is as it says, and otherwise as endpoints usually are.
    pub(super) async fn new_letter(self, app: &App, id: endpoint::Id) -> Result<Letter, Problem> {
        let url = self.url.clone().ok_or(Problem::FieldMissing("url"))?;
        let usual = Letter {
            url: seal(app, id, field::ENDPOINT_URL, &url).await?,
            description: None,
            headers: None,
            terms: Terms {
                topics: outcomes(),
                applications: None,
                payload: Payload::default(),
                ordered: false,
                timeout_ms: None,
                per_second: None,
                at_once: None,
                retry_after_s: None,
                keeps_answers: false,
            },
        };
        self.onto(app, id, usual).await
    }

    /// An endpoint as it was, changed in what it says.
    pub(super) async fn onto(
        self,
        app: &App,
        id: endpoint::Id,
        mut letter: Letter,
    ) -> Result<Letter, Problem> {
        if let Some(url) = &self.url {
            letter.url = seal(app, id, field::ENDPOINT_URL, url).await?;
        }
        if let Some(description) = &self.description {
            letter.description = match description {
                None => None,
                Some(text) => Some(seal(app, id, field::ENDPOINT_DESCRIPTION, text).await?),
            };
        }
        if let Some(headers) = &self.headers {
            letter.headers = match headers {
                None => None,
                Some(json) => {
                    let name = custody::endpoint_field(field::ENDPOINT_HEADERS, id.endpoint);
                    Some(app.custody.seal_credential(id.account, &name, json).await?)
                }
            };
        }
        let terms = &mut letter.terms;
        set(&mut terms.topics, self.topics);
        set(&mut terms.applications, self.applications);
        set(&mut terms.payload, self.payload);
        set(&mut terms.ordered, self.ordered);
        set(&mut terms.timeout_ms, self.timeout_ms);
        set(&mut terms.per_second, self.per_second);
        set(&mut terms.at_once, self.at_once);
        set(&mut terms.retry_after_s, self.retry_after_s);
        set(&mut terms.keeps_answers, self.keep_answers);
        Ok(letter)
    }
}

fn set<T>(place: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *place = said;
    }
}

async fn seal(app: &App, id: endpoint::Id, name: &str, text: &str) -> Result<Sealed, Problem> {
    let name = custody::endpoint_field(name, id.endpoint);
    Ok(app.custody.seal_for_account(id.account, &name, text).await?)
}

/// The outcomes of jobs: what an endpoint is told that does not say what it wants.
fn outcomes() -> Vec<TopicFilter> {
    ["job.completed", "job.failed", "job.cancelled"]
        .into_iter()
        .filter_map(|topic| topic.parse().ok())
        .collect()
}

fn invalid(field: &'static str, message: impl Into<String>) -> Problem {
    Problem::FieldInvalid { field, message: message.into() }
}

/// Addresses are judged when they are called; here only what no address can mend.
fn check_url(text: &str) -> Result<(), Problem> {
    let wrong = |message: &str| Err(invalid("url", message));
    if text.len() > MAX_URL_BYTES {
        return wrong("This is longer than a URL may be, 2048 bytes.");
    }
    let Ok(url) = Url::parse(text) else { return wrong("This is no URL.") };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("Put credentials into headers, not into the URL.");
    }
    let here = match url.host() {
        None => return wrong("This URL names no host."),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if here => Ok(()),
        _ => wrong("Use https://; http:// is for this machine alone."),
    }
}

/// A field that may be absent, `null`, or of this kind.
fn nullable<T: DeserializeOwned>(
    fields: &mut Fields,
    name: &'static str,
    what: &str,
) -> Result<Option<Option<T>>, Problem> {
    match fields.value(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        // The parser's own message quotes the value.
        Some(value) => match serde_json::from_value(value) {
            Ok(value) => Ok(Some(Some(value))),
            Err(_quotes) => Err(invalid(name, format!("This must be {what}."))),
        },
    }
}

fn bounded(
    fields: &mut Fields,
    name: &'static str,
    most: u64,
) -> Result<Option<Option<u64>>, Problem> {
    let what = format!("a whole number from 1 to {most}");
    let read = nullable::<u64>(fields, name, &what)?;
    match read {
        Some(Some(number)) if !(1..=most).contains(&number) => {
            Err(invalid(name, format!("This must be {what}.")))
        }
        read => Ok(read),
    }
}

fn read_topics(fields: &mut Fields) -> Result<Option<Vec<TopicFilter>>, Problem> {
    let what = "a list of event names such as \"job.completed\" or \"job.*\"";
    let Some(names) = nullable::<Vec<String>>(fields, "topics", what)? else { return Ok(None) };
    let Some(names) = names else { return Ok(Some(outcomes())) };
    if names.is_empty() || names.len() > MAX_TOPICS {
        return Err(invalid("topics", format!("Name 1 to {MAX_TOPICS} of them.")));
    }
    let topics: Result<Vec<TopicFilter>, _> = names.iter().map(|name| name.parse()).collect();
    topics.map(Some).map_err(|odd: endpoint::InvalidTopic| invalid("topics", format!("{odd}.")))
}

fn read_schedule(fields: &mut Fields) -> Result<Option<Option<Schedule>>, Problem> {
    let what = format!("a list of at most {MAX_WAITS} waits in seconds, each at most {MAX_WAIT_S}");
    let Some(waits) = nullable::<Vec<u64>>(fields, "retry_after_s", &what)? else {
        return Ok(None);
    };
    let Some(waits) = waits else { return Ok(Some(None)) };
    if waits.len() > MAX_WAITS || waits.iter().any(|wait| *wait > MAX_WAIT_S) {
        return Err(invalid("retry_after_s", format!("This must be {what}.")));
    }
    Ok(Some(Some(Schedule::new(waits))))
}

fn read_headers(fields: &mut Fields) -> Result<Option<Option<String>>, Problem> {
    let what = "an object of names and texts";
    let Some(pairs) = nullable::<BTreeMap<String, String>>(fields, "headers", what)? else {
        return Ok(None);
    };
    let Some(pairs) = pairs.filter(|pairs| !pairs.is_empty()) else { return Ok(Some(None)) };
    if pairs.len() > MAX_HEADERS {
        return Err(invalid("headers", format!("There are at most {MAX_HEADERS}.")));
    }
    for (name, value) in &pairs {
        let name = name.to_ascii_lowercase();
        let sound =
            name.parse::<http::HeaderName>().is_ok() && http::HeaderValue::from_str(value).is_ok();
        if !sound {
            return Err(invalid("headers", "One of them is no HTTP header."));
        }
        if OURS.contains(&name.as_str()) {
            return Err(invalid("headers", format!("{name} is set here and cannot be yours.")));
        }
    }
    let json = serde_json::to_string(&pairs).map_err(|_odd| Problem::Internal)?;
    Ok(Some(Some(json)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Said, Problem> {
        Said::read(&mut fields(body.as_bytes(), &[])?)
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            (r#"{"url": "ftp://example.com"}"#, "url"),
            (r#"{"url": "http://example.com"}"#, "url"),
            (r#"{"url": "https://u:p@example.com"}"#, "url"),
            (r#"{"url": "example.com"}"#, "url"),
            (r#"{"topics": []}"#, "topics"),
            (r#"{"topics": ["jobs"]}"#, "topics"),
            (r#"{"payload": "xml"}"#, "payload"),
            (r#"{"timeout_ms": 0}"#, "timeout_ms"),
            (r#"{"timeout_ms": 99999}"#, "timeout_ms"),
            (r#"{"at_once": 1000}"#, "at_once"),
            (r#"{"retry_after_s": [99999999]}"#, "retry_after_s"),
            (r#"{"headers": {"webhook-id": "x"}}"#, "headers"),
            (r#"{"headers": {"a b": "x"}}"#, "headers"),
            (r#"{"headers": {"x-key": "line\nbreak"}}"#, "headers"),
            (r#"{"applications": ["x"]}"#, "applications"),
            (r#"{"ordered": "yes"}"#, "ordered"),
        ] {
            match read(body) {
                Err(Problem::FieldInvalid { field: found, .. }) => {
                    assert_eq!(found, field, "{body}");
                }
                other => panic!("{body}: {:?}", other.err()),
            }
        }
        for fine in [
            "{}",
            r#"{"url": "https://hooks.example.com/x?y=1"}"#,
            r#"{"url": "http://127.0.0.1:8099/x", "topics": ["job.*", "destination.proven"]}"#,
            r#"{"description": null, "headers": null, "retry_after_s": [], "per_second": 5}"#,
        ] {
            assert!(read(fine).is_ok(), "{fine}");
        }
    }
}
