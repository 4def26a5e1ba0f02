//! What of an answer is kept: an endpoint may echo what it was sent, and its secrets are not kept with
//! its answer.

use egress::RESPONSE_BYTES_KEPT;

/// Stands where a secret stood.
const REDACTED: &str = "[redacted]";
/// Shorter values are no secrets, and would be found everywhere.
const SHORTEST_SECRET: usize = 4;

/// `text` without any of `secrets`, at most [`RESPONSE_BYTES_KEPT`] long. A secret that begins where
/// the text was cut off goes, too.
pub(crate) fn redact<S: AsRef<str>>(mut text: String, secrets: &[S]) -> String {
    let mut secrets: Vec<&str> = secrets.iter().map(AsRef::as_ref).collect();
    secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
    // A part of another is looked for when that is gone.
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in secrets {
        text = text.replace(secret, REDACTED);
        // As a part of a JSON text.
        if let Ok(quoted) = serde_json::to_string(secret)
            && let Some(inner) = quoted.get(1..quoted.len() - 1).filter(|inner| *inner != secret)
        {
            text = text.replace(inner, REDACTED);
        }
        let begun = (SHORTEST_SECRET..secret.len())
            .rev()
            .filter_map(|length| secret.get(..length))
            .find(|begun| text.ends_with(begun));
        if let Some(begun) = begun {
            text.truncate(text.len() - begun.len());
            text.push_str(REDACTED);
        }
    }
    text.truncate(text.floor_char_boundary(RESPONSE_BYTES_KEPT));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_an_endpoint_echoes_is_not_kept() {
        let secrets = ["Bearer tok\"en", "abcd", "x"];
        assert_eq!(
            redact("token, Bearer token".into(), &["token", "Bearer token"]),
            "[redacted], [redacted]"
        );
        assert_eq!(redact("a: Bearer tok\"en!".into(), &secrets), "a: [redacted]!");
        assert_eq!(redact(r#"{"a":"Bearer tok\"en"}"#.into(), &secrets), r#"{"a":"[redacted]"}"#);
        assert_eq!(redact("cut off: Bearer t".into(), &secrets), "cut off: [redacted]");
        assert_eq!(redact("x is too short".into(), &secrets), "x is too short");
        // What is put in its place may be longer than the secret was.
        let echoed = redact("abcd".repeat(1_024), &secrets);
        assert!(echoed.len() <= RESPONSE_BYTES_KEPT && !echoed.contains("abcd"));
    }

    proptest! {
        #[test]
        fn no_answer_smuggles_a_secret_or_grows(
            parts in prop::collection::vec(prop_oneof![".{0,40}", Just("s3cr3t-token".to_owned()), Just("s3cr3t".to_owned())], 0..400),
        ) {
            let text: String = parts.concat();
            let kept = redact(text, &["s3cr3t-token"]);
            prop_assert!(kept.len() <= RESPONSE_BYTES_KEPT);
            prop_assert!(!kept.contains("s3cr3t-token"));
        }
    }
}
