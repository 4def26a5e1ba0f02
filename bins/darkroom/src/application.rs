//! `darkroom application`: an account's API key pairs, over HTTP, as their owner sees them.

mod show;

use std::io::{Write as _, stderr, stdout};

use clap::{Args, Subcommand};
use http::Method;
use jiff::{SignedDuration, Span};
use serde_json::{Map, Value, json};
use service::{Clock, Failure, OrTry};

use crate::{client::Client, connection::Where, exit::Exit};

/// Where the API has them.
const PATH: &str = "/v1/applications";

/// Make, change, rotate and revoke API key pairs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  darkroom application list
  darkroom application add --label \"the shop\" --scope jobs:read --scope jobs:write --expires 90d
  darkroom application change ID --origin https://app.example.com
  darkroom application rotate ID --overlap 1h     a new secret; the old one opens for an hour more
  darkroom application revoke ID                  at once, everywhere

Scopes: jobs:read, jobs:write, uploads:write, account:read, account:write, members:write, audit,
erase. A key makes none that can do more than it can itself. A secret is printed once, on standard
output, and stored nowhere as it is.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Where,
    /// Show what the API answers
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every key pair: id, key, what it may do, when it was last used
    List,
    /// Make one; prints its secret once
    Add {
        #[command(flatten)]
        terms: Terms,
        /// What it is kept for; both do the same: live or test [default: as the key that asks]
        #[arg(long, value_name = "MODE", value_parser = ["live", "test"])]
        mode: Option<String>,
    },
    /// One key pair
    Show {
        /// Which
        id: String,
    },
    /// Change what is named; the rest stays
    Change {
        /// Which
        id: String,
        #[command(flatten)]
        terms: Terms,
        /// Take back: label, scopes (all of them from then on), origins or expiry
        #[arg(long, value_name = "NAME", value_parser = ["label", "scopes", "origins", "expiry"])]
        unset: Vec<String>,
    },
    /// Give it a new secret, printed once; the one before goes on for a while
    Rotate {
        /// Which
        id: String,
        /// How long, as in 0s, 1h or 7d
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
        overlap: SignedDuration,
    },
    /// Have it open nothing any more
    Revoke {
        /// Which
        id: String,
    },
}

/// What a key pair may be used for.
#[derive(Debug, Default, Args)]
struct Terms {
    /// What its people call it
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// What it may do; repeat for more [default: all that the key that asks may]
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// An origin from which a browser may use it without its secret; repeat for more
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// When it ends: a time such as 2030-01-31T12:00:00Z, or from now on, as in 90d
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// How a failed job is spelled in /v2 answers: failure or error
    #[arg(long, value_name = "WORD", value_parser = ["failure", "error"])]
    failure_word: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments, clock: &dyn Clock) -> Result<Exit, Failure> {
    let client = Client::new(&arguments.place.connection()?)?;
    let of = |id: &str| format!("{PATH}/{id}");
    let (method, path, body) = match arguments.verb {
        Verb::List => (Method::GET, PATH.to_owned(), None),
        Verb::Show { id } => (Method::GET, of(&id), None),
        Verb::Add { terms, mode } => {
            let mut body = terms.body(clock)?;
            body.extend(mode.map(|mode| ("mode".to_owned(), json!(mode))));
            (Method::POST, PATH.to_owned(), Some(body))
        }
        Verb::Change { id, terms, unset } => {
            let mut body = terms.body(clock)?;
            let name =
                |unset: String| if unset == "expiry" { "expires_at".to_owned() } else { unset };
            body.extend(unset.into_iter().map(|unset| (name(unset), Value::Null)));
            (Method::PATCH, of(&id), Some(body))
        }
        Verb::Rotate { id, overlap } => {
            let body = json!({ "overlap_s": overlap.as_secs() }).as_object().cloned();
            (Method::POST, format!("{}/rotate", of(&id)), body)
        }
        Verb::Revoke { id } => (Method::DELETE, of(&id), None),
    };
    let body = body.map(Value::Object);
    let answer = client.json(method, &path, body.as_ref()).await.or_try(
        "darkroom application list; the key that asks needs account:read or account:write",
    )?;
    if arguments.json {
        writeln!(stdout(), "{answer}")?;
        return Ok(Exit::Well);
    }
    write!(stdout(), "{}", show::text(&answer))?;
    if answer.get("secret").is_some() {
        writeln!(stderr(), "The secret is shown once and stored nowhere as it is: keep it now.")?;
    }
    Ok(Exit::Well)
}

impl Terms {
    fn body(self, clock: &dyn Clock) -> Result<Map<String, Value>, Failure> {
        let expires = self.expires.map(|text| expiry(&text, clock)).transpose()?;
        let list = |items: Vec<String>| (!items.is_empty()).then(|| json!(items));
        let fields = [
            ("label", self.label.map(|label| json!(label))),
            ("scopes", list(self.scope)),
            ("origins", list(self.origin)),
            ("expires_at", expires.map(|at| json!(at))),
            ("failure_word", self.failure_word.map(|word| json!(word))),
        ];
        Ok(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }
}

/// A time, as it is or counted from now.
fn expiry(text: &str, clock: &dyn Clock) -> Result<String, Failure> {
    if let Ok(at) = text.parse::<domain::Timestamp>() {
        return Ok(at.to_string());
    }
    let after = duration(text).map_err(InvalidTime).or_try("90d, or 2030-01-31T12:00:00Z")?;
    let at = clock.now().checked_add(after).map_err(|_far| InvalidTime(text.to_owned()))?;
    Ok(at.to_string())
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is no time")]
struct InvalidTime(String);

/// `0s`, `1h`, `7d`.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text.parse().map_err(|_odd| text.to_owned())?;
    span.to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .ok()
        .filter(|duration| *duration >= SignedDuration::ZERO)
        .ok_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_named_is_sent() {
        let clock = service::SystemClock;
        assert!(Terms::default().body(&clock).unwrap().is_empty());
        let terms = Terms {
            label: Some("shop".to_owned()),
            scope: vec!["audit".to_owned()],
            expires: Some("2030-01-31T12:00:00Z".to_owned()),
            ..Terms::default()
        };
        let expected = json!({
            "label": "shop", "scopes": ["audit"], "expires_at": "2030-01-31T12:00:00Z",
        });
        assert_eq!(Value::Object(terms.body(&clock).unwrap()), expected);
    }

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("0s", 0), ("1h", 3_600), ("7d", 604_800), ("1h30m", 5_400)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for odd in ["", "soon", "-1h", "1"] {
            assert!(duration(odd).is_err(), "{odd}");
        }
        let clock = service::SystemClock;
        assert!(expiry("90d", &clock).is_ok() && expiry("whenever", &clock).is_err());
    }
}
