//! Every subject Darkroom speaks on, made in one place.

use domain::{
    Aggregate,
    id::{AccountId, JobId},
};

/// The filter that spans one aggregate's events: the one form in which every writer fences its
/// appends (the server compares the text of filters, and does not check that it covers anything).
#[must_use]
pub fn fence<A: Aggregate>(id: &A::Id) -> String {
    format!("{}.>", A::prefix(id))
}

/// Where a live listener hears what was stored under `subject`: never the subject itself, on
/// which refused appends can be heard as well.
#[must_use]
pub fn live(subject: &str) -> String {
    match subject.strip_prefix("darkroom.") {
        Some(rest) => format!("darkroom.live.{rest}"),
        None => format!("darkroom.live.{subject}"),
    }
}

/// How far a job has come. Not stored.
#[must_use]
pub fn progress(account: AccountId, job: JobId) -> String {
    format!("darkroom.progress.{account}.{job}")
}

/// What happened to a job, with its personal fields opened. Not stored.
#[must_use]
pub fn feed(account: AccountId, job: JobId, event: &str) -> String {
    format!("darkroom.feed.{account}.{job}.{event}")
}

/// Somebody wants a job to stop. A hint to the worker; the event in the log is what counts.
#[must_use]
pub fn cancel(account: AccountId, job: JobId) -> String {
    format!("darkroom.cancel.{account}.{job}")
}

/// Where a message goes that its follower cannot act upon.
#[must_use]
pub fn parked(stream: &str, consumer: &str) -> String {
    format!("darkroom.parked.{stream}.{consumer}")
}

/// A question of an operator to running processes.
#[must_use]
pub fn ops(name: &str) -> String {
    format!("darkroom.ops.{name}")
}

/// Whether `filter` (with `*` for one token and a final `>` for one or more) covers `subject`.
#[must_use]
pub fn matches(filter: &str, subject: &str) -> bool {
    let mut wanted = filter.split('.');
    let mut given = subject.split('.');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(want), Some(have)) if want == have => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
