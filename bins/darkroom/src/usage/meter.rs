//! Usage as events for meters, in the shape of Stripe's (`POST /v1/billing/meter_events`).
//!
//! Nothing is sent from here, and nothing about cards or payments is known: whoever has the
//! provider's key sends the lines. Each names itself by account, day and count, and days that are
//! not over are left out, so that sending a line again changes nothing.

use jiff::{civil::Date, tz::TimeZone};
use readmodel::Usage;
use serde_json::Value;
use serde_json::json;

use super::table::{date, days, number};

/// How events are named.
pub(super) struct Names<'a> {
    /// Whose usage it is.
    pub(super) account: &'a str,
    /// Who pays.
    pub(super) customer: &'a str,
    /// Before the name of each count.
    pub(super) prefix: &'a str,
}

/// A line for every count that is not zero, of every day before `today`.
pub(super) fn lines(used: &Value, names: &Names<'_>, today: Date) -> String {
    let mut text = String::new();
    for day in days(used) {
        let Ok(on) = date(day).parse::<Date>() else { continue };
        let Some(end) = end_of(on).filter(|_| on < today) else { continue };
        for count in Usage::NAMES.iter().filter(|name| number(day, name) != 0) {
            let event = json!({
                "event_name": format!("{}{count}", names.prefix),
                "payload": {
                    "stripe_customer_id": names.customer,
                    "value": number(day, count).to_string(),
                },
                "timestamp": end,
                "identifier": format!("{}:{on}:{count}", names.account),
            });
            text.push_str(&event.to_string());
            text.push('\n');
        }
    }
    text
}

/// The last second of a day in UTC, since 1970.
fn end_of(day: Date) -> Option<i64> {
    let end = day.at(23, 59, 59, 0).to_zoned(TimeZone::UTC).ok()?;
    Some(end.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_names_itself_and_an_unfinished_day_is_left_out() {
        let used = json!({
            "days": [
                { "date": "2026-11-21", "jobs_completed": 12, "pages": 0 },
                { "date": "2026-11-22", "jobs_completed": 3 },
            ],
        });
        let names = Names { account: "a", customer: "cus_1", prefix: "darkroom_" };
        let lines = lines(&used, &names, "2026-11-22".parse().unwrap());
        let event: Value = serde_json::from_str(lines.trim()).expect("one line");
        let expected = json!({
            "event_name": "darkroom_jobs_completed",
            "payload": { "stripe_customer_id": "cus_1", "value": "12" },
            "timestamp": 1_795_305_599,
            "identifier": "a:2026-11-21:jobs_completed",
        });
        assert_eq!(event, expected);
    }
}
