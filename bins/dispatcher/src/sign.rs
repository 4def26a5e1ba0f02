//! The Standard Webhooks signature: HMAC-SHA256 over id, timestamp and body.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Timestamp, delivery};
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use sha2::Sha256;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The secret is not of the form `whsec_` and base64.
#[derive(Debug, thiserror::Error)]
#[error("the account's webhook secret is not of the form whsec_<base64>")]
pub(crate) struct BadSecret;

/// The `webhook-id` of a delivery: the same for each of its attempts, another for each other.
pub(crate) fn webhook_id(delivery: &delivery::Id) -> String {
    format!("msg_{}", delivery.delivery.as_uuid().simple())
}

/// Headers for one attempt at `at` with exactly this body.
pub(crate) fn headers(
    secret: &str,
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<HeaderMap, BadSecret> {
    let key = vault::secrets::webhook_key(secret).ok_or(BadSecret)?;
    let seconds = at.as_second().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).or(Err(BadSecret))?;
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [(ID, id), (TIMESTAMP, &seconds), (SIGNATURE, &signature)] {
        headers.insert(name, HeaderValue::from_str(value).or(Err(BadSecret))?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_known_answers() {
        for (secret, id, second, body, expected) in [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            let at = Timestamp::from_second(second).unwrap();
            let headers = headers(secret, id, at, body.as_bytes()).unwrap();
            assert_eq!(headers["webhook-signature"], expected);
            assert_eq!(headers["webhook-id"], id);
            assert_eq!(headers["webhook-timestamp"], second.to_string().as_str());
        }
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
