//! What an endpoint can be told of: topics, and which of them it wants.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most characters of a topic.
const MAX_CHARS: usize = 64;

/// What an event is about, as endpoints are told it: `job.completed`, `destination.proven`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topic(String);

impl Topic {
    /// The topic of a sample, sent when somebody wants to see whether an endpoint works.
    #[must_use]
    pub fn test() -> Self {
        Self("endpoint.test".to_owned())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Topic {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The topic of an event called `name` in the history of a `noun`.
#[must_use]
pub fn of_event(noun: &str, name: &str) -> Topic {
    // What happens to a destination is an account's history, and a topic of its own.
    match (noun, name.strip_prefix("destination_")) {
        ("account", Some(rest)) => Topic(format!("destination.{rest}")),
        _ => Topic(format!("{noun}.{name}")),
    }
}

/// Topics that an endpoint wants: `job.completed`, `job.*`, `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct TopicFilter(String);

/// The text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" names no events: use a name such as job.completed, a kind such as job.*, or * (kinds: {})",
    kinds.join(", ")
)]
pub struct InvalidTopic {
    text: String,
    kinds: &'static [&'static str],
}

/// What endpoints can be told of.
const TOLD: &[&str] = &["job", "delivery", "destination", "account", "endpoint", "upload"];
/// What can be read in the history of an account.
const READ: &[&str] =
    &["job", "delivery", "destination", "account", "endpoint", "upload", "member"];

impl TopicFilter {
    /// Whether a topic is wanted. A test is always.
    #[must_use]
    pub fn wants(&self, topic: &Topic) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => topic.0.starts_with(start),
            None => self.0 == topic.0,
        }
    }

    /// Reads a filter of events in the history of an account, those of its members included, of
    /// which no endpoint is told.
    ///
    /// # Errors
    /// [`InvalidTopic`].
    pub fn of_history(text: &str) -> Result<Self, InvalidTopic> {
        Self::read(text, READ)
    }

    /// The kind of event that it names; nothing where it names all.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.0.split_once('.').map(|(kind, _)| kind)
    }

    /// The one event of its kind that it names; nothing where it names all.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, name)| name).filter(|name| *name != "*")
    }

    fn read(text: &str, kinds: &'static [&'static str]) -> Result<Self, InvalidTopic> {
        let invalid = || InvalidTopic { text: text.chars().take(MAX_CHARS).collect(), kinds };
        if text == "*" {
            return Ok(Self(text.to_owned()));
        }
        let (kind, name) = text.split_once('.').ok_or_else(invalid)?;
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let known = kinds.contains(&kind) && (name == "*" || named) && text.len() <= MAX_CHARS;
        known.then(|| Self(text.to_owned())).ok_or_else(invalid)
    }
}

impl FromStr for TopicFilter {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        Self::read(text, TOLD)
    }
}

impl TryFrom<String> for TopicFilter {
    type Error = InvalidTopic;

    fn try_from(text: String) -> Result<Self, InvalidTopic> {
        text.parse()
    }
}

impl From<TopicFilter> for String {
    fn from(filter: TopicFilter) -> Self {
        filter.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_wants_what_it_names() {
        for (filter, topic, wanted) in [
            ("*", "job.completed", true),
            ("job.*", "job.failed", true),
            ("job.*", "delivery.exhausted", false),
            ("job.completed", "job.completed", true),
            ("job.completed", "job.completed_again", false),
            ("destination.*", "destination.proven", true),
        ] {
            let filter: TopicFilter = filter.parse().unwrap();
            assert_eq!(filter.wants(&topic.into()), wanted, "{filter:?} {topic}");
        }
        for bad in ["", "job", "job.", "jobs.*", "job.C", "job.**", "*.*", "job.a b"] {
            assert!(bad.parse::<TopicFilter>().is_err(), "{bad}");
        }
        // What happens to members is read, and told to nobody.
        assert!("member.*".parse::<TopicFilter>().is_err());
        let read = TopicFilter::of_history("member.logged_in").unwrap();
        assert_eq!((read.kind(), read.name()), (Some("member"), Some("logged_in")));
        assert_eq!(TopicFilter::of_history("*").unwrap().kind(), None);
    }

    #[test]
    fn what_happens_to_a_destination_is_a_topic_of_its_own() {
        assert_eq!(of_event("account", "destination_proven").as_str(), "destination.proven");
        assert_eq!(of_event("account", "opened").as_str(), "account.opened");
        assert_eq!(of_event("job", "completed").as_str(), "job.completed");
    }
}
