//! Whether a webhook is genuine, by the rules of Standard Webhooks: what every receiver should do.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::Timestamp;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use vault::secrets;

use super::receiver::Webhook;

/// How far a webhook's time may be from ours.
const TOLERANCE_S: i64 = 300;

/// A webhook that must not be believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotGenuine {
    #[error("the webhook has no header {0}")]
    Missing(&'static str),
    #[error("the secret is not of the form whsec_<base64>")]
    Secret,
    #[error("the webhook's time is more than {TOLERANCE_S} s from ours")]
    Time,
    #[error("the webhook's signature does not hold")]
    Signature,
}

/// Checks time and signature.
pub(super) fn verify(webhook: &Webhook, secret: &str, now: Timestamp) -> Result<(), NotGenuine> {
    let header = |name: &'static str| {
        let value = webhook.headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or(NotGenuine::Missing(name))
    };
    let id = header("webhook-id")?;
    let time = header("webhook-timestamp")?;
    let signatures = header("webhook-signature")?;
    let seconds: i64 = time.parse().or(Err(NotGenuine::Time))?;
    if seconds.abs_diff(now.as_second()) > TOLERANCE_S.unsigned_abs() {
        return Err(NotGenuine::Time);
    }
    let key = secrets::webhook_key(secret).ok_or(NotGenuine::Secret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).or(Err(NotGenuine::Secret))?;
    for part in [id.as_bytes(), b".", time.as_bytes(), b".", &webhook.body] {
        mac.update(part);
    }
    let holds = signatures.split(' ').any(|signature| {
        let decoded = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        decoded.is_some_and(|decoded| mac.clone().verify_slice(&decoded).is_ok())
    });
    if holds { Ok(()) } else { Err(NotGenuine::Signature) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn webhook(body: &'static str) -> Webhook {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        Webhook { headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn the_known_answer_holds_and_nothing_near_it_does() {
        let now = Timestamp::from_second(1_614_265_400).unwrap();
        let genuine = webhook(r#"{"test": 2432232314}"#);
        assert_eq!(verify(&genuine, SECRET, now), Ok(()));
        let altered = webhook(r#"{"test": 2432232315}"#);
        assert_eq!(verify(&altered, SECRET, now), Err(NotGenuine::Signature));
        let later = Timestamp::from_second(1_614_265_330 + 301).unwrap();
        assert_eq!(verify(&genuine, SECRET, later), Err(NotGenuine::Time));
        assert_eq!(verify(&genuine, "secret", now), Err(NotGenuine::Secret));
    }
}
