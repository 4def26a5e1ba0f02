//! `darkroom endpoint`: webhook endpoints, and what was delivered to them.

use std::io::{Write as _, stdin, stdout};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Map, Value, json};
use service::{Failure, OrTry};

use crate::{client::Client, connection::Where};

/// Add webhook endpoints, test them, and see and repeat what was delivered
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom endpoint add https://example.com/hooks --topic 'job.*' --ordered
  darkroom endpoint test ENDPOINT
  darkroom endpoint list
  darkroom endpoint deliveries --endpoint ENDPOINT --status exhausted
  darkroom endpoint redeliver DELIVERY
  darkroom endpoint replay ENDPOINT --since 2026-11-20T00:00:00Z --only exhausted
  darkroom endpoint rotate ENDPOINT --overlap-s 3600

A signing secret is shown once, when it is made. Verify deliveries with any library of Standard
Webhooks (https://www.standardwebhooks.com).")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every endpoint: what it is told, and how it does
    List,
    /// Add one
    Add(Add),
    /// One, with everything known of it
    Show {
        /// Its id
        endpoint: String,
    },
    /// Send it a signed sample and say how that went
    Test {
        /// Its id
        endpoint: String,
    },
    /// Have it told nothing until it is enabled again
    Disable {
        /// Its id
        endpoint: String,
    },
    /// Have it told again
    Enable {
        /// Its id
        endpoint: String,
    },
    /// Give it a new signing secret
    Rotate {
        /// Its id
        endpoint: String,
        /// For how many seconds deliveries carry both signatures
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        overlap_s: u32,
        /// How deliveries are signed from then on
        #[arg(long, value_enum, default_value_t = Scheme::HmacSha256)]
        scheme: Scheme,
    },
    /// Remove it
    Remove {
        /// Its id
        endpoint: String,
    },
    /// Tell it past events again
    Replay {
        /// Its id
        endpoint: String,
        /// From this time on
        #[arg(long, value_name = "TIME", conflicts_with = "from_seq")]
        since: Option<String>,
        /// From this sequence of the log on
        #[arg(long, value_name = "SEQ")]
        from_seq: Option<u64>,
        /// Which of them
        #[arg(long, value_enum, default_value_t = Only::All)]
        only: Only,
    },
    /// What was delivered, newest first
    Deliveries {
        /// To this endpoint alone
        #[arg(long, value_name = "ENDPOINT")]
        endpoint: Option<String>,
        /// waiting, delivered or exhausted
        #[arg(long)]
        status: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// One delivery with every attempt
    Delivery {
        /// Its id
        delivery: String,
    },
    /// Make a delivery again that is over
    Redeliver {
        /// Its id
        delivery: String,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Where to deliver
    url: String,
    /// What to tell it, as in job.completed, job.* or *; may be repeated [default: outcomes of jobs]
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// What a delivery says
    #[arg(long, value_enum, default_value_t = Payload::Full)]
    payload: Payload,
    /// How deliveries are signed
    #[arg(long, value_enum, default_value_t = Scheme::HmacSha256)]
    scheme: Scheme,
    /// Tell what happens to a job in order
    #[arg(long)]
    ordered: bool,
    /// Most deliveries in a second
    #[arg(long, value_name = "NUMBER")]
    per_second: Option<u32>,
    /// Keep the beginning of its answers
    #[arg(long)]
    keep_answers: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Send these headers as well, given as a JSON object on standard input
    #[arg(long)]
    headers: bool,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    /// All that the endpoint wants
    All,
    /// Those whose delivery was given up
    Exhausted,
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

impl Only {
    const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exhausted => "exhausted",
        }
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.place.connection()?)?;
    let patch = async |endpoint: &str, change: Value| {
        client.json(Method::PATCH, &path(endpoint, ""), Some(&change)).await
    };
    let answer = match arguments.verb {
        Verb::List => client.json(Method::GET, "/v1/endpoints", None).await?,
        Verb::Add(add) => {
            let wish = add.wish()?;
            client.json(Method::POST, "/v1/endpoints", Some(&wish)).await?
        }
        Verb::Show { endpoint } => {
            return show(&client.json(Method::GET, &path(&endpoint, ""), None).await?);
        }
        Verb::Test { endpoint } => {
            client.json(Method::POST, &path(&endpoint, "/test"), Some(&json!({}))).await?
        }
        Verb::Disable { endpoint } => patch(&endpoint, json!({ "enabled": false })).await?,
        Verb::Enable { endpoint } => patch(&endpoint, json!({ "enabled": true })).await?,
        Verb::Rotate { endpoint, overlap_s, scheme } => {
            let wish = json!({ "overlap_s": overlap_s, "scheme": scheme.name() });
            client.json(Method::POST, &path(&endpoint, "/secret"), Some(&wish)).await?
        }
        Verb::Remove { endpoint } => {
            client.json(Method::DELETE, &path(&endpoint, ""), None).await?
        }
        Verb::Replay { endpoint, since, from_seq, only } => {
            let wish = match since {
                Some(since) => json!({ "since": since, "only": only.name() }),
                None => json!({ "from_seq": from_seq.unwrap_or(1), "only": only.name() }),
            };
            client.json(Method::POST, &path(&endpoint, "/replays"), Some(&wish)).await?
        }
        Verb::Deliveries { endpoint, status, limit } => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &limit.to_string());
            for (name, value) in [("endpoint", endpoint), ("status", status)] {
                if let Some(value) = value {
                    query.append_pair(name, &value);
                }
            }
            let path = format!("/v1/deliveries?{}", query.finish());
            client.json(Method::GET, &path, None).await?
        }
        Verb::Delivery { delivery } => {
            let path = format!("/v1/deliveries/{}", id(&delivery));
            return show(&client.json(Method::GET, &path, None).await?);
        }
        Verb::Redeliver { delivery } => {
            let path = format!("/v1/deliveries/{}/redeliver", id(&delivery));
            client.json(Method::POST, &path, Some(&json!({}))).await?
        }
    };
    print(&answer)
}

impl Add {
    fn wish(&self) -> Result<Value, Failure> {
        let mut wish = Map::new();
        let mut say = |name: &str, value: Value| drop(wish.insert(name.to_owned(), value));
        say("url", self.url.as_str().into());
        say("payload", self.payload.name().into());
        say("scheme", self.scheme.name().into());
        say("ordered", self.ordered.into());
        say("keep_answers", self.keep_answers.into());
        if !self.topics.is_empty() {
            say("topics", self.topics.clone().into());
        }
        if let Some(rate) = self.per_second {
            say("per_second", rate.into());
        }
        if let Some(text) = &self.description {
            say("description", text.as_str().into());
        }
        if self.headers {
            let headers: Value = serde_json::from_reader(stdin().lock())
                .or_try("a JSON object such as {\"authorization\": \"Bearer ...\"}")?;
            say("headers", headers);
        }
        Ok(Value::Object(wish))
    }
}

/// An id as it may stand in a path.
fn id(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

fn path(endpoint: &str, verb: &str) -> String {
    format!("/v1/endpoints/{}{verb}", id(endpoint))
}

fn show(answer: &Value) -> Result<(), Failure> {
    writeln!(stdout(), "{}", serde_json::to_string_pretty(answer)?)?;
    Ok(())
}

fn print(answer: &Value) -> Result<(), Failure> {
    let mut out = stdout().lock();
    for name in ["endpoints", "deliveries"] {
        if let Some(rows) = answer.get(name).and_then(Value::as_array) {
            for row in rows {
                writeln!(out, "{}", line(row))?;
            }
            return Ok(());
        }
    }
    writeln!(out, "{}", line(answer))?;
    if let Some(secret) = answer.get("secret").and_then(Value::as_str) {
        writeln!(out, "  secret      {secret}   (shown once)")?;
    }
    if let Some(key) = answer.get("public_key").and_then(Value::as_str) {
        writeln!(out, "  public key  {key}")?;
    }
    Ok(())
}

/// An endpoint or a delivery in one line.
fn line(row: &Value) -> String {
    let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default();
    let number = |field: &str| row.get(field).and_then(Value::as_u64).unwrap_or_default();
    if let Some(removed) = row.get("removed").and_then(Value::as_str) {
        return format!("{removed}  removed");
    }
    if row.get("replay").is_some_and(Value::is_string) {
        let (from, to) = (number("from_seq"), number("to_seq"));
        return format!("replay {}  of sequences {from} to {to}", text("replay"));
    }
    if row.get("webhook_id").is_some() {
        let last = row.get("last");
        let status = last.and_then(|last| last.get("status")).and_then(Value::as_u64);
        let latency = last.and_then(|last| last.get("latency_ms")).and_then(Value::as_u64);
        let how = match (status, latency) {
            (Some(status), Some(ms)) => format!("HTTP {status} in {ms} ms"),
            (None, Some(ms)) => {
                let code = last.and_then(|last| last.get("code")).and_then(Value::as_str);
                format!("{} after {ms} ms", code.unwrap_or("no answer"))
            }
            _ => "not tried yet".to_owned(),
        };
        return format!(
            "{}  {}  {}  {}  {} attempts  {how}",
            text("id"),
            text("due_at"),
            text("topic"),
            text("status"),
            number("attempts"),
        );
    }
    let topics: Vec<&str> = row
        .get("topics")
        .and_then(Value::as_array)
        .map(|topics| topics.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let circuit = row.get("circuit").and_then(|it| it.get("circuit")).and_then(Value::as_str);
    let because = row.get("disabled").and_then(|it| it.get("because")).and_then(Value::as_str);
    let standing = match (because, circuit) {
        (Some(because), _) => format!("disabled ({because})"),
        (None, Some("open")) => "failing, left alone for a while".to_owned(),
        _ => "enabled".to_owned(),
    };
    format!("{}  {}  {}  {standing}", text("id"), text("url"), topics.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_an_endpoint_or_a_delivery_stands() {
        let endpoint = json!({
            "id": "1", "url": "https://example.com/", "topics": ["job.*"],
            "disabled": { "because": "gone" }, "circuit": { "circuit": "closed" },
        });
        assert_eq!(line(&endpoint), "1  https://example.com/  job.*  disabled (gone)");
        let delivery = json!({
            "id": "2", "webhook_id": "msg_2", "due_at": "now", "topic": "job.failed",
            "status": "waiting", "attempts": 3,
            "last": { "status": null, "code": "timeout", "latency_ms": 15_000 },
        });
        assert!(line(&delivery).ends_with("3 attempts  timeout after 15000 ms"));
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        assert_eq!(path("../account?x=1", "/test"), "/v1/endpoints/accountx1/test");
    }
}
