//! What the command line says of an endpoint. Headers and secrets come from files or from standard
//! input: everybody on a machine can see its command lines.

use std::{
    fs::File,
    io::{self, Read, stdin},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use service::{Failure, OrTry};
use zeroize::Zeroizing;

/// The longest file of headers, or of a secret, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// What an endpoint can do without, as the API names it.
const UNSET: [&str; 11] = [
    "topics",
    "applications",
    "payload",
    "ordered",
    "headers",
    "timeout_ms",
    "per_second",
    "at_once",
    "retry_after_s",
    "keep_answers",
    "description",
];
/// Those of it that are on or off.
const SWITCHES: [&str; 2] = ["ordered", "keep_answers"];

/// A new endpoint.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// Where to deliver
    // Not `url`, which is where the API is.
    #[arg(value_name = "URL")]
    to: String,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    signing: Signing,
}

/// What is to be otherwise.
#[derive(Debug, Args)]
pub(super) struct Change {
    /// Its id
    pub(super) endpoint: String,
    /// Where to deliver from now on
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    #[command(flatten)]
    terms: Terms,
    /// Take back, so that it is as if never said; may be repeated
    #[arg(long, value_name = "NAME", value_parser = UNSET)]
    unset: Vec<String>,
}

/// What it is told, and how.
#[derive(Debug, Args)]
struct Terms {
    /// What to tell it, as in job.completed, job.* or *; may be repeated [of a new one: outcomes of jobs]
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Tell it of this application's jobs alone; may be repeated [of a new one: all]
    #[arg(long = "application", value_name = "ID")]
    applications: Vec<String>,
    /// What a delivery says [of a new one: full]
    #[arg(long, value_enum)]
    payload: Option<Payload>,
    /// Tell what happens to a job in order
    #[arg(long)]
    ordered: bool,
    /// Send the headers in this file as well, a JSON object of names and texts; `-` is standard input
    #[arg(long, value_name = "FILE")]
    headers_file: Option<PathBuf>,
    /// How long an attempt may take, in milliseconds
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Most deliveries in a second
    #[arg(long, value_name = "NUMBER")]
    per_second: Option<u32>,
    /// Most deliveries under way at once
    #[arg(long, value_name = "NUMBER")]
    at_once: Option<u32>,
    /// Waits between attempts, in seconds, as in 5,60,3600; or `never` to try once alone
    #[arg(long, value_name = "SECONDS,...", value_parser = waits)]
    retry_after_s: Option<Waits>,
    /// Keep the beginning of its answers
    #[arg(long)]
    keep_answers: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// How deliveries are signed from then on.
#[derive(Debug, Args)]
pub(super) struct Signing {
    /// How deliveries are signed
    #[arg(long, value_enum, default_value_t = Scheme::HmacSha256)]
    scheme: Scheme,
    /// Sign with the secret in this file, whsec_ and 24 to 64 bytes in base64; `-` is standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Payload {
    /// The body of a GET
    Full,
    /// Ids alone
    Thin,
    /// `CloudEvents` 1.0
    CloudEvents,
    /// A JSON Web Token
    Jwt,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scheme {
    /// v1: a secret that both sides have
    HmacSha256,
    /// v1a: verified with a public key
    Ed25519,
}

/// Between one attempt and the next, in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waits(Vec<u64>);

#[derive(Debug, thiserror::Error)]
enum GivenError {
    #[error("read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is longer than {MAX_FILE_BYTES} bytes", .0.display())]
    TooLong(PathBuf),
    #[error("{} is not JSON", path.display())]
    Json {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("standard input cannot be the headers and the secret as well")]
    Twice,
}

impl Add {
    /// As the API takes it.
    pub(super) fn wish(self) -> Result<Value, Failure> {
        let is_given = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        if is_given(&self.terms.headers_file) && is_given(&self.signing.secret_file) {
            return Err(GivenError::Twice).or_try("a file for one of them");
        }
        let mut wish = self.terms.fields()?;
        wish.extend(self.signing.fields()?);
        wish.insert("url".to_owned(), self.to.into());
        Ok(wish.into())
    }
}

impl Change {
    /// As the API takes it.
    pub(super) fn wish(self) -> Result<Value, Failure> {
        let mut wish = self.terms.fields()?;
        wish.extend(self.to.map(|url| ("url".to_owned(), url.into())));
        wish.extend(self.unset.into_iter().map(|name| {
            let without =
                if SWITCHES.contains(&name.as_str()) { json!(false) } else { Value::Null };
            (name, without)
        }));
        Ok(wish.into())
    }
}

impl Terms {
    /// What was said.
    fn fields(self) -> Result<Map<String, Value>, Failure> {
        let list = |items: Vec<String>| (!items.is_empty()).then(|| json!(items));
        let switch = |on: bool| on.then_some(Value::Bool(true));
        let fields = [
            ("topics", list(self.topics)),
            ("applications", list(self.applications)),
            ("payload", self.payload.map(|payload| json!(payload.name()))),
            ("ordered", switch(self.ordered)),
            ("headers", self.headers_file.as_deref().map(headers).transpose()?),
            ("timeout_ms", self.timeout_ms.map(|ms| json!(ms))),
            ("per_second", self.per_second.map(|number| json!(number))),
            ("at_once", self.at_once.map(|number| json!(number))),
            ("retry_after_s", self.retry_after_s.map(|Waits(waits)| json!(waits))),
            ("keep_answers", switch(self.keep_answers)),
            ("description", self.description.map(|text| json!(text))),
        ];
        Ok(said(fields))
    }
}

impl Signing {
    /// What was said.
    pub(super) fn fields(&self) -> Result<Map<String, Value>, Failure> {
        let secret = self.secret_file.as_deref().map(read).transpose()?;
        Ok(said([
            ("scheme", Some(json!(self.scheme.name()))),
            ("secret", secret.map(|secret| json!(secret.trim()))),
        ]))
    }
}

impl Payload {
    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Thin => "thin",
            Self::CloudEvents => "cloud_events",
            Self::Jwt => "jwt",
        }
    }
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac_sha256",
            Self::Ed25519 => "ed25519",
        }
    }
}

fn said<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let given = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
    fields.into_iter().filter_map(given).collect()
}

fn headers(path: &Path) -> Result<Value, Failure> {
    let failed = |source| GivenError::Json { path: path.to_owned(), source };
    serde_json::from_str(&read(path)?)
        .map_err(failed)
        .or_try("an object such as {\"authorization\": \"Bearer ...\"}")
}

/// What is in a file, or on standard input.
fn read(path: &Path) -> Result<Zeroizing<String>, GivenError> {
    let whole = |from: &mut dyn Read| {
        let mut text = Zeroizing::new(String::new());
        from.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map(|_bytes| text)
    };
    let read = match path.to_str() {
        Some("-") => whole(&mut stdin().lock()),
        _ => File::open(path).and_then(|mut file| whole(&mut file)),
    };
    let text = read.map_err(|source| GivenError::Read { path: path.to_owned(), source })?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(GivenError::TooLong(path.to_owned()));
    }
    Ok(text)
}

fn waits(text: &str) -> Result<Waits, String> {
    let seconds = |wait: &str| wait.trim().parse();
    match text {
        "never" => Ok(Waits(vec![])),
        _ => text.split(',').map(seconds).collect::<Result<_, _>>().map(Waits).map_err(
            |_odd: std::num::ParseIntError| {
                "write seconds with commas between them, or `never`".to_owned()
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    enum Line {
        Add(Box<Add>),
        Change(Box<Change>),
    }

    fn wish(line: &[&str]) -> Value {
        match Line::try_parse_from([&["endpoint"], line].concat()).unwrap() {
            Line::Add(add) => add.wish().unwrap(),
            Line::Change(change) => change.wish().unwrap(),
        }
    }

    #[test]
    fn what_is_not_said_is_not_changed_and_what_is_taken_back_is_as_if_never_said() {
        assert_eq!(wish(&["change", "1"]), json!({}));
        assert_eq!(wish(&["change", "1", "--at-once", "3"]), json!({ "at_once": 3 }));
        let all: Vec<&str> = UNSET.into_iter().flat_map(|name| ["--unset", name]).collect();
        let taken = wish(&[&["change", "1"][..], &all].concat());
        assert_eq!(taken.as_object().unwrap().len(), UNSET.len());
        for (name, value) in taken.as_object().unwrap() {
            let switch = SWITCHES.contains(&name.as_str());
            assert_eq!(value, &if switch { json!(false) } else { Value::Null }, "{name}");
        }
        assert_eq!(
            wish(&["add", "https://a.b/"]),
            json!({ "url": "https://a.b/", "scheme": "hmac_sha256" })
        );
    }

    #[test]
    fn waits_are_seconds_with_commas_or_none() {
        assert_eq!(waits("never"), Ok(Waits(vec![])));
        assert_eq!(waits("0, 60,3600"), Ok(Waits(vec![0, 60, 3600])));
        for odd in ["", "5,", "5m", "-1", "none"] {
            assert!(waits(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn headers_and_secrets_are_read_from_files_of_some_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (headers, secret) = (file("headers", r#"{"x-own": "a"}"#), file("secret", "whsec_x\n"));
        let add = ["add", "https://a.b/", "--headers-file", &headers, "--secret-file", &secret];
        let said = wish(&add);
        assert_eq!(
            (&said["headers"], &said["secret"]),
            (&json!({ "x-own": "a" }), &json!("whsec_x"))
        );
        let long = file("long", &" ".repeat(MAX_FILE_BYTES as usize + 1));
        assert!(matches!(read(Path::new(&long)), Err(GivenError::TooLong(_))));
        assert!(super::headers(Path::new(&secret)).is_err());
    }
}
