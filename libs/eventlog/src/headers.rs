//! Headers of a message, in an order of our own.

use std::fmt;

/// Name and value pairs; a name is looked up exactly as it was written.
///
/// Every message that is read has some, so all of them share one text.
#[derive(Clone, Default)]
pub struct Headers {
    text: String,
    pairs: Vec<Pair>,
}

#[derive(Clone, Copy)]
struct Pair {
    name: Name,
    value: Place,
}

#[derive(Clone, Copy)]
enum Name {
    /// One that every event has.
    Known(&'static str),
    Other(Place),
}

/// From where to where in the text.
#[derive(Clone, Copy)]
struct Place(usize, usize);

impl Headers {
    /// The first value under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|pair| self.name(pair) == name);
        found.map(|pair| self.at(pair.value))
    }

    /// Adds a pair.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        let name = match known(name.as_ref()) {
            Some(known) => Name::Known(known),
            None => Name::Other(self.write(name.as_ref())),
        };
        let value = self.write(value.as_ref());
        self.pairs.push(Pair { name, value });
    }

    /// None, with room for so many and their values.
    pub(crate) fn with_room(count: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), pairs: Vec::with_capacity(count) }
    }

    /// Puts them in the order of their names.
    pub(crate) fn sort(&mut self) {
        let mut pairs = std::mem::take(&mut self.pairs);
        let whole = |pair: &Pair| (self.name(pair), self.at(pair.value));
        pairs.sort_unstable_by(|one, other| whole(one).cmp(&whole(other)));
        self.pairs = pairs;
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|pair| (self.name(pair), self.at(pair.value)))
    }

    fn write(&mut self, text: &str) -> Place {
        let from = self.text.len();
        self.text.push_str(text);
        Place(from, self.text.len())
    }

    fn name(&self, pair: &Pair) -> &str {
        match pair.name {
            Name::Known(name) => name,
            Name::Other(place) => self.at(place),
        }
    }

    fn at(&self, Place(from, to): Place) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        pairs.into_iter().for_each(|(name, value)| headers.push(name, value));
        headers
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_found_and_sorts_by_name_whatever_the_order_was() {
        let pairs = [("own", "1"), ("ce-id", "2"), ("own", "0"), ("empty", "")];
        let mut headers = Headers::from_iter(pairs);
        assert_eq!(headers.iter().collect::<Vec<_>>(), pairs);
        assert_eq!((headers.get("own"), headers.get("empty")), (Some("1"), Some("")));
        assert_eq!(headers.get("Own"), None);
        headers.sort();
        let sorted = [("ce-id", "2"), ("empty", ""), ("own", "0"), ("own", "1")];
        assert_eq!(headers.iter().collect::<Vec<_>>(), sorted);
        // The same pairs are equal however they lie in memory.
        assert_eq!(headers, Headers::from_iter(sorted));
        assert_ne!(headers, Headers::from_iter(pairs));
        assert_eq!(
            format!("{headers:?}"),
            r#"{"ce-id": "2", "empty": "", "own": "0", "own": "1"}"#
        );
    }
}
