//! `Retry-After` in both its forms (RFC 9110, 10.2.3), within bounds.

use std::time::SystemTime;

use domain::Timestamp;
use jiff::SignedDuration;

/// The time before which an endpoint does not want to be called again; nothing if it said nothing
/// readable, at most `longest_s` from `now`.
pub(crate) fn not_before(field: Option<&str>, now: Timestamp, longest_s: u64) -> Option<Timestamp> {
    let text = field?.trim();
    let at = match text.parse::<u32>() {
        Ok(seconds) => now.saturating_add(SignedDuration::from_secs(i64::from(seconds))),
        Err(_) => Ok(Timestamp::try_from(date(text)?).ok()?),
    };
    let longest = SignedDuration::from_secs(i64::try_from(longest_s).unwrap_or(i64::MAX / 1_000));
    let latest = now.saturating_add(longest).unwrap_or(Timestamp::MAX);
    Some(at.unwrap_or(Timestamp::MAX).min(latest))
}

fn date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_within_bounds() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let seconds =
            |field| not_before(field, now, 3_600).map(|at| at.as_second() - now.as_second());
        assert_eq!(seconds(Some("120")), Some(120));
        assert_eq!(seconds(Some(" 7 ")), Some(7));
        assert_eq!(seconds(Some("999999")), Some(3_600));
        assert_eq!(seconds(Some("Sun, 22 Nov 2026 00:10:00 GMT")), Some(600));
        assert_eq!(seconds(Some("Mon, 23 Nov 2026 00:00:00 GMT")), Some(3_600));
        assert_eq!(seconds(Some("-5")), None);
        assert_eq!(seconds(Some("soon")), None);
        assert_eq!(seconds(None), None);
    }
}
