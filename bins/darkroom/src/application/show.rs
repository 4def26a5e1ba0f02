//! Key pairs as people read them.

use std::fmt::Write as _;

use serde_json::Value;

/// A list as a line each, one key pair as a few lines.
pub(super) fn text(answer: &Value) -> String {
    let mut text = String::new();
    if let Some(all) = answer.get("applications").and_then(Value::as_array) {
        for one in all {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "{}", line(one));
        }
        return text;
    }
    for (name, pointer) in [
        ("id", "/id"),
        ("key", "/key"),
        ("secret", "/secret"),
        ("label", "/label"),
        ("status", "/status"),
        ("created", "/created_at"),
        ("expires", "/expires_at"),
        ("last used", "/last_used_on"),
        ("old secret", "/previous_secret_until"),
    ] {
        if let Some(value) = answer.pointer(pointer).and_then(Value::as_str) {
            let until = if name == "old secret" { "until " } else { "" };
            let _ = writeln!(text, "{name:<12}{until}{value}");
        }
    }
    if answer.get("key").is_some() {
        let _ = writeln!(text, "{:<12}{}", "scopes", scopes(answer));
    }
    if let Some(origins) = words(answer, "origins") {
        let _ = writeln!(text, "{:<12}{origins}", "origins");
    }
    text
}

fn line(one: &Value) -> String {
    let part = |name: &str| one.get(name).and_then(Value::as_str);
    let mut parts = vec![part("id").unwrap_or_default(), part("key").unwrap_or_default()];
    parts.extend(part("label"));
    let scopes = scopes(one);
    parts.push(&scopes);
    if part("status") == Some("expired") {
        parts.push("expired");
    }
    let used = match part("last_used_on") {
        Some(on) => format!("last used {on}"),
        None => "never used".to_owned(),
    };
    parts.push(&used);
    parts.join("  ")
}

fn scopes(one: &Value) -> String {
    words(one, "scopes").unwrap_or_else(|| "every scope".to_owned())
}

fn words(one: &Value, name: &str) -> Option<String> {
    let words: Vec<&str> = one.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect();
    (!words.is_empty()).then(|| words.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_has_a_line_each_and_one_has_its_secret_where_it_is_told() {
        let one = json!({
            "id": "1", "key": "dk_live_x", "label": "shop", "scopes": ["audit", "erase"],
            "origins": [], "status": "active", "last_used_on": null,
        });
        let list = text(&json!({ "applications": [one.clone(), one.clone()] }));
        assert_eq!(list.lines().count(), 2);
        assert!(list.starts_with("1  dk_live_x  shop  audit,erase  never used\n"), "{list}");
        assert!(!text(&one).contains("secret"));
        let mut told = one;
        told["secret"] = json!("ds_live_y");
        told["scopes"] = Value::Null;
        let told = text(&told);
        assert!(told.contains("secret      ds_live_y\n") && told.contains("every scope"), "{told}");
        assert_eq!(
            text(&json!({ "id": "1", "status": "revoked" })),
            "id          1\nstatus      revoked\n"
        );
    }
}
