//! What is read of an endpoint's answer, for those who fuzz it.

use domain::Timestamp;

use crate::{later, redact};

/// When an endpoint wants to be called again, by its `Retry-After`.
#[must_use]
pub fn not_before(field: &str, now: Timestamp, longest_s: u64) -> Option<Timestamp> {
    later::not_before(Some(field), now, longest_s)
}

/// What is kept of an answer, without `secrets`.
#[must_use]
pub fn redact(text: String, secrets: &[&str]) -> String {
    redact::redact(text, secrets)
}
