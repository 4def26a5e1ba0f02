//! Usage in columns: for people, and for spreadsheets.

use std::fmt::Write as _;

use readmodel::Usage;
use serde_json::Value;

/// A line a day and one for all of them, with the counts that are not zero throughout.
pub(super) fn table(used: &Value) -> String {
    let total = used.get("total").cloned().unwrap_or_default();
    let counted = |name: &&&str| number(&total, name) != 0;
    let names: Vec<&str> = Usage::NAMES.iter().filter(counted).copied().collect();
    if names.is_empty() {
        let day = |name: &str| used.get(name).and_then(Value::as_str).unwrap_or_default();
        return format!("nothing was used from {} to {}\n", day("from"), day("to"));
    }
    let mut text = format!("{:<12}", "day");
    for name in &names {
        // Writing into a text cannot fail.
        let _ = write!(text, "{name:>18}");
    }
    text.push('\n');
    let mut line = |label: &str, counts: &Value| {
        let _ = write!(text, "{label:<12}");
        for name in &names {
            let _ = write!(text, "{:>18}", number(counts, name));
        }
        text.push('\n');
    };
    for day in days(used) {
        line(date(day), day);
    }
    line("total", &total);
    text
}

/// Every count of every day.
pub(super) fn csv(used: &Value) -> String {
    let mut text = format!("date,{}\r\n", Usage::NAMES.join(","));
    for day in days(used) {
        let counts = Usage::NAMES.iter().map(|name| number(day, name).to_string());
        let _ = write!(text, "{},{}\r\n", date(day), counts.collect::<Vec<_>>().join(","));
    }
    text
}

/// The days of an answer.
pub(super) fn days(used: &Value) -> impl Iterator<Item = &Value> {
    used.get("days").and_then(Value::as_array).into_iter().flatten()
}

/// Which day it is.
pub(super) fn date(day: &Value) -> &str {
    day.get("date").and_then(Value::as_str).unwrap_or_default()
}

/// A count by its name.
pub(super) fn number(counts: &Value, name: &str) -> u64 {
    counts.get(name).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_see_what_was_counted_and_spreadsheets_see_all() {
        let used = json!({
            "days": [{ "date": "2026-11-22", "jobs_accepted": 2, "pages": 0 }],
            "total": { "jobs_accepted": 2, "pages": 0 },
        });
        let table = table(&used);
        let lines: Vec<_> = table.lines().map(str::split_whitespace).map(Vec::from_iter).collect();
        assert_eq!(
            lines,
            [vec!["day", "jobs_accepted"], vec!["2026-11-22", "2"], vec!["total", "2"]]
        );
        let csv = csv(&used);
        assert!(csv.starts_with("date,jobs_accepted,") && csv.contains("\r\n2026-11-22,2,0,"));
    }

    #[test]
    fn people_are_told_in_words_that_nothing_was_used() {
        let none = json!({ "from": "2026-11-01", "to": "2026-11-22", "days": [], "total": { "pages": 0 } });
        assert_eq!(table(&none), "nothing was used from 2026-11-01 to 2026-11-22\n");
        assert_eq!(csv(&none).lines().count(), 1);
    }
}
