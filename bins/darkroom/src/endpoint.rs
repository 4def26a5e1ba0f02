//! `darkroom endpoint`: webhook endpoints, and what was delivered to them.

mod deliveries;
mod replay;
mod terms;

use std::io::{Write as _, stderr, stdout};

use clap::{Args, Subcommand};
use domain::Timestamp;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use service::{Failure, OrTry};

use self::{
    deliveries::Wanted,
    replay::Replay,
    terms::{Add, Change, Signing},
};
use crate::{
    client::{Client, ClientError},
    connection::Where,
};

/// Add and change webhook endpoints, test them, and see and repeat what was delivered
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom endpoint add https://example.com/hooks --topic 'job.*' --ordered
  darkroom endpoint add https://example.com/hooks --headers-file headers.json --retry-after-s 5,60
  darkroom endpoint test ENDPOINT
  darkroom endpoint list
  darkroom endpoint change ENDPOINT --to https://example.com/new --topic 'job.*' --unset description
  darkroom endpoint change ENDPOINT --headers-file - < headers.json
  darkroom endpoint deliveries --endpoint ENDPOINT --status exhausted
  darkroom endpoint deliveries --topic 'job.*' --since 2026-11-20T00:00:00Z --csv > deliveries.csv
  darkroom endpoint redeliver DELIVERY
  darkroom endpoint replay ENDPOINT --only exhausted --since 2026-11-20T00:00:00Z
  darkroom endpoint replay ENDPOINT --stream uploads --from-seq 17 --to-seq 42
  darkroom endpoint rotate ENDPOINT --overlap-s 3600
  darkroom endpoint rotate ENDPOINT --secret-file secret.txt

A signing secret is shown once, when it is made. Secrets and headers of yours are read from a file
or from standard input (-), never from the command line; a file of headers is a JSON object such as
{\"authorization\": \"Bearer ...\"}. Verify deliveries with any library of Standard Webhooks
(https://www.standardwebhooks.com).")]
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
    Add(Box<Add>),
    /// Change what is named; the rest stays
    Change(Box<Change>),
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
        #[command(flatten)]
        signing: Signing,
    },
    /// Remove it
    Remove {
        /// Its id
        endpoint: String,
    },
    /// Tell it past events again
    Replay(Replay),
    /// What was delivered, newest first
    Deliveries(Wanted),
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

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.place.connection()?)?;
    let patch = async |endpoint: &str, change: Value| {
        ask(&client, Method::PATCH, &path(endpoint, ""), Some(&change)).await
    };
    let answer = match arguments.verb {
        Verb::List => {
            let list = ask(&client, Method::GET, "/v1/endpoints", None).await?;
            if list.get("endpoints").is_some_and(|all| *all == json!([])) {
                writeln!(stderr(), "No endpoint yet. Add one: darkroom endpoint add URL")?;
            }
            list
        }
        Verb::Add(add) => {
            let wish = add.wish()?;
            ask(&client, Method::POST, "/v1/endpoints", Some(&wish)).await?
        }
        Verb::Change(change) => {
            let endpoint = change.endpoint.clone();
            return show(&patch(&endpoint, change.wish()?).await?);
        }
        Verb::Show { endpoint } => {
            return show(&ask(&client, Method::GET, &path(&endpoint, ""), None).await?);
        }
        Verb::Test { endpoint } => {
            ask(&client, Method::POST, &path(&endpoint, "/test"), Some(&json!({}))).await?
        }
        Verb::Disable { endpoint } => patch(&endpoint, json!({ "enabled": false })).await?,
        Verb::Enable { endpoint } => {
            let enabled = patch(&endpoint, json!({ "enabled": true })).await?;
            if let Some(since) = enabled.get("missed_since").and_then(Value::as_str) {
                let id = id(&endpoint);
                writeln!(
                    stderr(),
                    "What it missed of jobs it is told by: darkroom endpoint replay {id} --since {since}"
                )?;
            }
            enabled
        }
        Verb::Rotate { endpoint, overlap_s, signing } => {
            let mut wish = signing.fields()?;
            wish.insert("overlap_s".to_owned(), overlap_s.into());
            ask(&client, Method::POST, &path(&endpoint, "/secret"), Some(&wish.into())).await?
        }
        Verb::Remove { endpoint } => {
            ask(&client, Method::DELETE, &path(&endpoint, ""), None).await?
        }
        Verb::Replay(replay) => {
            let path = path(&replay.endpoint, "/replays");
            ask(&client, Method::POST, &path, Some(&replay.wish())).await?
        }
        Verb::Deliveries(wanted) if wanted.csv => {
            return deliveries::table(&client, &wanted.path(), &mut stdout().lock()).await;
        }
        Verb::Deliveries(wanted) => {
            let page = ask(&client, Method::GET, &wanted.path(), None).await?;
            print(&page)?;
            return wanted.say_more(&page);
        }
        Verb::Delivery { delivery } => {
            let path = format!("/v1/deliveries/{}", id(&delivery));
            return show(&ask(&client, Method::GET, &path, None).await?);
        }
        Verb::Redeliver { delivery } => {
            let path = format!("/v1/deliveries/{}/redeliver", id(&delivery));
            ask(&client, Method::POST, &path, Some(&json!({}))).await?
        }
    };
    print(&answer)
}

/// Asks the API. What it knows nothing of is found in a list.
async fn ask(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let of_deliveries = path.starts_with("/v1/deliveries");
    let list =
        if of_deliveries { "darkroom endpoint deliveries" } else { "darkroom endpoint list" };
    match client.json(method, path, body).await {
        Err(error @ ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => {
            Err(error).or_try(list)
        }
        Err(error @ ClientError::Http(_)) => Err(error).or_try("darkroom doctor"),
        answer => Ok(answer?),
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
        return format!(
            "replay {}  of sequences {from} to {to} of {}",
            text("replay"),
            text("stream")
        );
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
        let due = text("due_at").parse::<Timestamp>();
        let due = due.map_or_else(|_| "?".to_owned(), |due| format!("{due:.3}"));
        let attempts = match number("attempts") {
            1 => "1 attempt".to_owned(),
            several => format!("{several} attempts"),
        };
        return format!(
            "{}  {due}  {}  {}  {attempts}  {how}",
            text("id"),
            text("topic"),
            text("status"),
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
            "id": "2", "webhook_id": "msg_2", "due_at": "2026-11-20T08:00:00.123456789Z", "topic": "job.failed",
            "status": "waiting", "attempts": 3,
            "last": { "status": null, "code": "timeout", "latency_ms": 15_000 },
        });
        let said =
            "2  2026-11-20T08:00:00.123Z  job.failed  waiting  3 attempts  timeout after 15000 ms";
        assert_eq!(line(&delivery), said);
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        assert_eq!(path("../account?x=1", "/test"), "/v1/endpoints/accountx1/test");
    }

    #[test]
    fn nothing_said_of_an_endpoint_is_taken_for_where_the_api_is() {
        let command = Arguments::augment_args(clap::Command::new("endpoint"));
        let place: Vec<_> = command.get_arguments().filter(|one| one.is_global_set()).collect();
        assert!(!place.is_empty());
        for verb in command.get_subcommands() {
            for own in verb.get_arguments() {
                assert!(place.iter().all(|one| one.get_id() != own.get_id()), "{own} of {verb}");
            }
        }
    }
}
