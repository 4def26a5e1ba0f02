//! A destination as people read it.

use std::fmt::Write as _;

use serde_json::Value;

/// The text at this place, or nothing.
pub(super) fn text<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A few lines on where results go.
pub(super) fn summary(answer: &Value) -> String {
    let mut lines = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            // Writing into a text cannot fail.
            writeln!(lines, "{name:<12}{value}").unwrap_or_default();
        }
    };
    if text(answer, "/stored_in") == "development" {
        line("results", "development storage");
        line("", text(answer, "/note"));
        line("try", "darkroom destination set --help");
    } else {
        let (bucket, prefix) = (text(answer, "/bucket"), text(answer, "/prefix"));
        let at = match text(answer, "/endpoint") {
            "" => format!("AWS, {}", text(answer, "/region")),
            endpoint => format!("{endpoint}, {}", text(answer, "/region")),
        };
        line("results", &format!("s3://{bucket}/{prefix} ({at})"));
        let hint = text(answer, "/credentials/access_key_hint");
        let hint = if hint.is_empty() { String::new() } else { format!("...{hint}, ") };
        let fingerprint = text(answer, "/credentials/fingerprint");
        match text(answer, "/credentials/role") {
            "" => line("access key", &format!("{hint}fingerprint {fingerprint}")),
            role => {
                line("role", role);
                line("external id", text(answer, "/credentials/external_id"));
            }
        }
        line("encryption", text(answer, "/encryption/kind"));
        line("write-only", text(answer, "/write_only/text"));
        line("", text(answer, "/write_only/remedy"));
        let standing = text(answer, "/write_only/standing");
        if matches!(standing, "readable" | "closed") {
            line("policy", &format!("\n{:#}", answer.get("policy").unwrap_or(&Value::Null)));
        }
        if let Some(trust) = answer.pointer("/credentials/trust_policy")
            && standing != "write_only"
        {
            line("trust", &format!("\n{trust:#}"));
        }
    }
    if answer.pointer("/demand_write_only").and_then(Value::as_bool) == Some(true) {
        line("demand", "jobs are refused unless the destination is proven write-only");
    }
    if text(answer, "/jobs/status") == "refused" {
        line("jobs", &format!("refused: {}", text(answer, "/jobs/reason")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_says_where_results_go_and_how_that_stands() {
        let own = summary(&json!({
            "stored_in": "destination", "bucket": "results", "prefix": "a/", "region": "eu-west-1", "endpoint": null,
            "credentials": { "access_key_hint": "7QXA", "fingerprint": "abcd" }, "encryption": { "kind": "sse_s3" },
            "write_only": { "text": "readable: LIST allowed, just now", "standing": "readable", "remedy": "Less." },
            "policy": { "Version": "2012-10-17" }, "demand_write_only": true,
            "jobs": { "status": "refused", "reason": "more is allowed" },
        }));
        for part in [
            "s3://results/a/ (AWS, eu-west-1)",
            "...7QXA, fingerprint abcd",
            "readable: LIST allowed",
            "2012-10-17",
            "refused: more is allowed",
        ] {
            assert!(own.contains(part), "{part} in {own}");
        }
        let none = summary(&json!({ "stored_in": "development", "note": "For a while." }));
        assert!(none.contains("development storage") && !none.contains("access key"), "{none}");
    }
}
