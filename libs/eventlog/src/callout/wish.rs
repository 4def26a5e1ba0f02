//! The consumers that a customer may have: what of JetStream's configuration may be wished for.

use std::time::Duration;

use domain::id::AccountId;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::desk::consumer;
use crate::{subject::matches, topology, wire::nanos};

/// The streams that customers may follow, and the noun in their subjects.
const OPEN: [(&str, &str); 3] =
    [(topology::JOBS, "job"), (topology::UPLOADS, "upload"), (topology::DELIVERIES, "delivery")];
/// How long a consumer stays that nobody pulls from, unless it says otherwise; and at most.
const INACTIVE: Duration = Duration::from_secs(7 * 24 * 3_600);
const LONGEST_INACTIVE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How long an acknowledgement may take.
const ACK_WAIT: Duration = Duration::from_secs(30);
const LONGEST_ACK_WAIT: Duration = Duration::from_secs(3_600);
/// Messages that are given out and not acknowledged.
const MAX_ACK_PENDING: u64 = 1_000;
/// Pulls that wait at one consumer, messages of one pull, and how long it may wait.
const MAX_WAITING: u64 = 64;
const MAX_BATCH: u64 = 1_000;
const LONGEST_PULL: Duration = Duration::from_secs(300);
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 120;
/// Longest filter, in bytes.
const MAX_FILTER: usize = 256;

/// A consumer as JetStream is asked for it.
#[derive(Debug)]
pub(super) struct Wish {
    /// What it gives out.
    pub(super) filter: String,
    /// The whole request.
    pub(super) request: Value,
}

/// Whether customers may follow `stream`.
pub(super) fn is_open(stream: &str) -> bool {
    OPEN.iter().any(|(open, _)| *open == stream)
}

/// Says which streams they may.
pub(super) fn streams() -> String {
    format!("there are consumers on {}", OPEN.map(|(stream, _)| stream).join(", "))
}

/// The stream that holds an account's `subject`.
pub(super) fn stream_of(account: AccountId, subject: &str) -> Option<&'static str> {
    let holds = |noun: &str| matches(&format!("darkroom.{noun}.{account}.>"), subject);
    OPEN.iter().find(|(_, noun)| holds(noun)).map(|(stream, _)| *stream)
}

/// Reads a request for a consumer.
///
/// # Errors
/// What is wrong with it, for whoever asks.
pub(super) fn read(
    account: AccountId,
    stream: &str,
    number: u8,
    body: &[u8],
) -> Result<Wish, String> {
    let request: Value =
        serde_json::from_slice(body).map_err(|error| format!("this is no JSON: {error}"))?;
    let action = match request.get("action").and_then(Value::as_str).unwrap_or_default() {
        action @ ("" | "create" | "update") => action,
        _ => return Err("action is `create`, `update` or empty".to_owned()),
    };
    let Some(Value::Object(wished)) = request.get("config") else {
        return Err("config is missing".to_owned());
    };
    let mut wished: Map<String, Value> = wished
        .iter()
        .filter(|(_, value)| !is_unset(value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let filter = filter(account, stream, &mut wished)?;
    let mut config = Map::new();
    let own = Value::from(number.to_string());
    for field in ["name", "durable_name"] {
        if wished.remove(field).is_some_and(|named| named != own) {
            return Err(format!("{field} is another name than the one asked for"));
        }
        config.insert(field.to_owned(), consumer(account, number).into());
    }
    config.insert("filter_subject".to_owned(), filter.as_str().into());
    start(&mut wished, &mut config)?;
    bounds(&mut wished, &mut config)?;
    for (field, only) in [("replay_policy", "instant")] {
        if wished.remove(field).is_some_and(|value| value != only) {
            return Err(format!("{field} is `{only}` here"));
        }
    }
    let acks = wished.remove("ack_policy").unwrap_or_else(|| "explicit".into());
    if !["explicit", "none", "all"].iter().any(|known| acks == *known) {
        return Err("ack_policy is `explicit`, `all` or `none`".to_owned());
    }
    config.insert("ack_policy".to_owned(), acks);
    if let Some(text) = wished.remove("description") {
        let fits = text.as_str().is_some_and(|text| text.chars().count() <= MAX_DESCRIPTION);
        if !fits {
            return Err(format!("description has at most {MAX_DESCRIPTION} characters"));
        }
        config.insert("description".to_owned(), text);
    }
    if let Some(only) = wished.remove("headers_only") {
        config.insert("headers_only".to_owned(), Value::Bool(only == Value::Bool(true)));
    }
    if let Some(field) = wished.keys().next() {
        return Err(format!(
            "{field} cannot be set: consumers here are pulled from, and kept as the stream is"
        ));
    }
    let request = json!({ "stream_name": stream, "action": action, "config": config });
    Ok(Wish { filter, request })
}

/// One filter, within the account's own subjects: all of them if none is named.
fn filter(
    account: AccountId,
    stream: &str,
    wished: &mut Map<String, Value>,
) -> Result<String, String> {
    let noun = OPEN.iter().find(|(open, _)| *open == stream).map_or("", |(_, noun)| *noun);
    let own = format!("darkroom.{noun}.{account}.");
    let single = wished.remove("filter_subject");
    let filter = match (single, wished.remove("filter_subjects")) {
        (None, None) => return Ok(format!("{own}>")),
        (Some(Value::String(filter)), None) => filter,
        (None, Some(Value::Array(filters))) => match filters.as_slice() {
            [Value::String(filter)] => filter.clone(),
            _ => {
                return Err("filter_subjects holds one filter; make a consumer for each".to_owned());
            }
        },
        _ => return Err("there is one filter, and it is a subject".to_owned()),
    };
    let Some(rest) = filter.strip_prefix(&own) else {
        return Err(format!("filter_subject begins with {own}"));
    };
    let tokens: Vec<&str> = rest.split('.').collect();
    let plain = |token: &str| {
        !token.is_empty()
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = tokens.len().saturating_sub(1);
    let fine = tokens
        .iter()
        .enumerate()
        .all(|(place, token)| plain(token) || *token == "*" || (*token == ">" && place == last));
    if fine && filter.len() <= MAX_FILTER {
        Ok(filter)
    } else {
        Err(format!("filter_subject is {own} and then names, `*`, or a last `>`"))
    }
}

/// Where it starts.
fn start(wished: &mut Map<String, Value>, config: &mut Map<String, Value>) -> Result<(), String> {
    let policy = wished.remove("deliver_policy").unwrap_or_else(|| "all".into());
    let from = |value: &Value| {
        ["all", "last", "new", "last_per_subject", "by_start_sequence", "by_start_time"]
            .iter()
            .any(|known| value == known)
    };
    if !from(&policy) {
        return Err("deliver_policy is one of JetStream's".to_owned());
    }
    if let Some(seq) = wished.remove("opt_start_seq") {
        if policy != "by_start_sequence" || !seq.is_u64() {
            return Err("opt_start_seq is a sequence, and goes with by_start_sequence".to_owned());
        }
        config.insert("opt_start_seq".to_owned(), seq);
    }
    if let Some(time) = wished.remove("opt_start_time") {
        let is_time = time.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok());
        // What clients send who have no time to say.
        if policy == "by_start_time" && is_time {
            config.insert("opt_start_time".to_owned(), time);
        } else if policy == "by_start_time" || !is_time {
            return Err("opt_start_time is a time as RFC 3339 has it".to_owned());
        }
    }
    config.insert("deliver_policy".to_owned(), policy);
    config.insert("replay_policy".to_owned(), "instant".into());
    Ok(())
}

/// Numbers, each with a default and a bound.
fn bounds(wished: &mut Map<String, Value>, config: &mut Map<String, Value>) -> Result<(), String> {
    let second = nanos(Duration::from_secs(1));
    for (field, default, least, most) in [
        ("ack_wait", nanos(ACK_WAIT), second, nanos(LONGEST_ACK_WAIT)),
        ("inactive_threshold", nanos(INACTIVE), second, nanos(LONGEST_INACTIVE)),
        ("max_ack_pending", MAX_ACK_PENDING, 1, MAX_ACK_PENDING),
        ("max_waiting", MAX_WAITING, 1, MAX_WAITING),
        ("max_batch", MAX_BATCH, 1, MAX_BATCH),
        ("max_expires", nanos(LONGEST_PULL), second, nanos(LONGEST_PULL)),
        ("max_deliver", 0, 1, 1_000_000),
        ("max_bytes", 0, 1, 64 << 20),
    ] {
        let value = match wished.remove(field) {
            None => default,
            Some(value) => {
                let value = value.as_u64().filter(|value| (least..=most).contains(value));
                value.ok_or_else(|| format!("{field} is a number from {least} to {most}"))?
            }
        };
        if value > 0 {
            config.insert(field.to_owned(), value.into());
        }
    }
    // Not acknowledging is waited for where there is something to wait for.
    if wished.get("ack_policy").is_some_and(|policy| policy == "none") {
        config.remove("ack_wait");
        config.remove("max_ack_pending");
    }
    Ok(())
}

/// What says the same as not being there. Clients send much of it.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => matches!(number.as_i64(), Some(0 | -1)),
        Value::String(text) => text.is_empty() || text.starts_with("0001-01-01"),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.keys().all(|name| name.starts_with("_nats.")),
        Value::Bool(true) => false,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn account() -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(1))
    }

    fn wished(config: &Value) -> Result<Wish, String> {
        let body = json!({ "stream_name": "JOBS", "config": config }).to_string();
        read(account(), "JOBS", 3, body.as_bytes())
    }

    #[test]
    fn a_wish_for_nothing_in_particular_follows_all_of_the_account_and_ends_unused() {
        let wish = wished(&json!({ "durable_name": "3", "deliver_subject": null })).unwrap();
        assert_eq!(wish.filter, format!("darkroom.job.{}.>", account()));
        let config = &wish.request["config"];
        assert_eq!(config["durable_name"], format!("{}-3", account()));
        assert_eq!(config["inactive_threshold"], nanos(INACTIVE));
        assert_eq!(config["max_ack_pending"], MAX_ACK_PENDING);
    }

    #[test]
    fn what_is_not_the_accounts_own_or_not_bounded_is_refused_by_name() {
        let (own, other) = (account(), Uuid::from_u128(2));
        for (config, word) in [
            (json!({ "deliver_subject": "x" }), "deliver_subject"),
            (json!({ "deliver_group": "x" }), "deliver_group"),
            (json!({ "flow_control": true }), "flow_control"),
            (json!({ "mem_storage": true }), "mem_storage"),
            (json!({ "num_replicas": 3 }), "num_replicas"),
            (json!({ "metadata": { "a": "b" } }), "metadata"),
            (json!({ "pause_until": "2030-01-01T00:00:00Z" }), "pause_until"),
            (json!({ "backoff": [1] }), "backoff"),
            (json!({ "a_field_of_a_later_release": 1 }), "a_field_of"),
            (json!({ "name": "4" }), "name"),
            (json!({ "durable_name": "dispatcher" }), "durable_name"),
            (json!({ "filter_subject": "darkroom.job.>" }), "filter_subject"),
            (json!({ "filter_subject": ">" }), "filter_subject"),
            (json!({ "filter_subject": format!("darkroom.job.{other}.>") }), "filter_subject"),
            (json!({ "filter_subject": format!("darkroom.job.{own}") }), "filter_subject"),
            (json!({ "filter_subject": format!("darkroom.job.{own}.>.a") }), "filter_subject"),
            (json!({ "filter_subject": format!("darkroom.job.{own}.a b") }), "filter_subject"),
            (json!({ "filter_subject": format!("darkroom.upload.{own}.>") }), "filter_subject"),
            (
                json!({ "filter_subjects": [format!("darkroom.job.{own}.>"), "x"] }),
                "filter_subjects",
            ),
            (json!({ "filter_subjects": [format!("darkroom.job.{other}.>")] }), "filter_subject"),
            (json!({ "inactive_threshold": nanos(LONGEST_INACTIVE) + 1 }), "inactive_threshold"),
            (json!({ "max_ack_pending": 1_001 }), "max_ack_pending"),
            (json!({ "max_waiting": 512 }), "max_waiting"),
            (json!({ "replay_policy": "original" }), "replay_policy"),
            (json!({ "ack_policy": "flow_control" }), "ack_policy"),
            (json!({ "description": "x".repeat(121) }), "description"),
            (json!({ "opt_start_seq": 5 }), "opt_start_seq"),
        ] {
            let refused = wished(&config).unwrap_err();
            assert!(refused.contains(word), "{config}: {refused}");
        }
        assert!(read(own, "JOBS", 1, b"{").is_err());
        assert!(read(own, "JOBS", 1, b"{\"config\": 5}").is_err());
    }

    #[test]
    fn every_filter_of_an_accounts_own_finds_its_stream() {
        let own = account();
        for (subject, stream) in [
            (format!("darkroom.job.{own}.>"), Some("JOBS")),
            (format!("darkroom.delivery.{own}.*.*.due"), Some("DELIVERIES")),
            (format!("darkroom.job.{}.>", Uuid::from_u128(2)), None),
            ("darkroom.>".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(stream_of(own, &subject), stream, "{subject}");
        }
    }
}
