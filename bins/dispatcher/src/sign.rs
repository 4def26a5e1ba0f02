//! The headers of Standard Webhooks, with the signatures over id, timestamp and body.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use domain::{Timestamp, delivery};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use vault::webhook::SigningSecret;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The `webhook-id` of a delivery: the same for each of its attempts, another for each other.
pub(crate) fn webhook_id(delivery: &delivery::Id) -> String {
    format!("msg_{}", delivery.delivery.as_uuid().simple())
}

/// Headers for one attempt at `at` with exactly this body, signed with every one of `keys`.
pub(crate) fn headers(
    keys: &[SigningSecret],
    id: &str,
    at: Timestamp,
    media_type: &'static str,
    body: &[u8],
) -> HeaderMap {
    let seconds = at.as_second().to_string();
    let parts = [id.as_bytes(), b".", seconds.as_bytes(), b".", body];
    let signatures: Vec<String> = keys.iter().map(|key| key.signature(&parts)).collect();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    for (name, value) in [(ID, id), (TIMESTAMP, &seconds), (SIGNATURE, &signatures.join(" "))] {
        // Hexadecimal, digits and base64 fit into any header.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn signed(secrets: &[&str], id: &str, second: i64, body: &str) -> HeaderMap {
        let keys: Vec<SigningSecret> =
            secrets.iter().map(|secret| SigningSecret::read(secret).unwrap()).collect();
        let at = Timestamp::from_second(second).unwrap();
        headers(&keys, id, at, "application/json", body.as_bytes())
    }

    #[test]
    fn headers_are_those_of_the_known_answers() {
        for (secret, id, second, body, expected) in [
            (
                FIRST,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                OTHER,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            let headers = signed(&[secret], id, second, body);
            assert_eq!(headers["webhook-signature"], expected);
            assert_eq!(headers["webhook-id"], id);
            assert_eq!(headers["webhook-timestamp"], second.to_string().as_str());
        }
    }

    #[test]
    fn every_live_secret_signs() {
        let both = signed(&[FIRST, OTHER], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{}");
        let parts: Vec<&str> = both["webhook-signature"].to_str().unwrap().split(' ').collect();
        assert!(parts.len() == 2 && parts.iter().all(|part| part.starts_with("v1,")), "{parts:?}");
        assert_ne!(parts[0], parts[1]);
    }

    #[test]
    fn an_id_never_holds_a_dot() {
        let uuid = uuid::Uuid::new_v4();
        let delivery = delivery::Id::of_callback(
            domain::id::AccountId::from_uuid(uuid),
            domain::id::JobId::from_uuid(uuid),
            domain::id::EventId::from_uuid(uuid),
        );
        assert!(!webhook_id(&delivery).contains('.'));
    }
}
