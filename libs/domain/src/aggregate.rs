//! What the event log needs to know of a thing whose history it keeps.

use std::fmt::{Debug, Display};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

/// A consistency boundary: one history, one sequence of decisions.
///
/// Decisions may yield several events. Each prefix of them must be a legal history, because they
/// are appended one after the other and a crash may part them.
pub trait Aggregate: 'static {
    /// Names one history. Its parts are subject-safe tokens.
    type Id: Clone + Debug + Display + PartialEq + Send + Sync;
    /// A fact in that history. Serialises as a JSON object with an `event` field.
    type Event: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;
    /// What the history amounts to; `Default` is the empty history.
    type State: Clone + Debug + Default + Send + Sync;

    /// The JetStream stream that holds it.
    const STREAM: &'static str;
    /// The noun in subjects and CloudEvents types: `darkroom.<NOUN>...`.
    const NOUN: &'static str;

    /// The subject without its last token: `darkroom.job.<account>.<job>`.
    fn prefix(id: &Self::Id) -> String;
    /// The id that [`Aggregate::prefix`] names, if the text is of that form.
    fn parse_prefix(prefix: &str) -> Option<Self::Id>;
    /// The last token of the subject: the event's name in snake case.
    fn event_name(event: &Self::Event) -> &'static str;
    /// The state after one more event, which was recorded `at`. Total; decides nothing.
    fn evolve(state: Self::State, event: &Self::Event, at: Timestamp) -> Self::State;
}

/// Folds a history, oldest first.
pub fn fold<'a, A: Aggregate>(
    history: impl IntoIterator<Item = (&'a A::Event, Timestamp)>,
) -> A::State
where
    A::Event: 'a,
{
    history.into_iter().fold(A::State::default(), |state, (event, at)| A::evolve(state, event, at))
}
