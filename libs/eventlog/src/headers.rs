//! Headers of a message, in an order of our own.

use std::borrow::Cow;

/// Name and value pairs; a name is looked up exactly as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, String)>);

impl Headers {
    /// The first value under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Adds a pair.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((Cow::Owned(name.into()), value.into()));
    }

    /// None, with room for so many.
    pub(crate) fn with_room(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Adds a pair that a server sent. Names that every event has take no memory.
    pub(crate) fn push_received(&mut self, name: &str, value: String) {
        let name = known(name).map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed);
        self.0.push((name, value));
    }

    /// Puts them in the order of their names.
    pub(crate) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let owned = |(name, value): (N, V)| (Cow::Owned(name.into()), value.into());
        Self(pairs.into_iter().map(owned).collect())
    }
}

fn known(name: &str) -> Option<&'static str> {
    Some(match name {
        "ce-id" => "ce-id",
        "ce-source" => "ce-source",
        "ce-specversion" => "ce-specversion",
        "ce-time" => "ce-time",
        "ce-type" => "ce-type",
        "darkroom-prev" => "darkroom-prev",
        "traceparent" => "traceparent",
        "Nats-Num-Pending" => "Nats-Num-Pending",
        "Nats-Sequence" => "Nats-Sequence",
        "Nats-Stream" => "Nats-Stream",
        "Nats-Subject" => "Nats-Subject",
        "Nats-Time-Stamp" => "Nats-Time-Stamp",
        _ => return None,
    })
}
