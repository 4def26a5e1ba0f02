//! What a delivery says: a media type and a body.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use domain::{Timestamp, delivery::Told, endpoint::Payload, filepreviews, id::AccountId};
use serde::Serialize;
use serde_json::{Value, json};
use vault::webhook::SigningSecret;

const JSON: &str = "application/json";
const CLOUD_EVENT: &str = "application/cloudevents+json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What is to be said.
pub(crate) struct Letter<'a> {
    pub(crate) account: AccountId,
    pub(crate) told: &'a Told,
    /// When it happened, as far as is known.
    pub(crate) time: Timestamp,
    /// What a GET of the job answers, if it is about one.
    pub(crate) job: Option<&'a filepreviews::Body>,
}

/// The ids of what happened.
#[derive(Serialize)]
struct Ids<'a> {
    event: String,
    account: AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<domain::id::JobId>,
    stream: &'a str,
    sequence: u64,
}

impl Letter<'_> {
    /// The media type and the body. A token is signed with the first of `keys`.
    ///
    /// # Errors
    /// When it has no JSON form.
    pub(crate) fn write(
        &self,
        payload: Payload,
        keys: &[SigningSecret],
    ) -> Result<(&'static str, Bytes), serde_json::Error> {
        Ok(match payload {
            Payload::Full => (JSON, self.full()?.into()),
            Payload::Thin => (JSON, serde_json::to_vec(&self.thin()?)?.into()),
            Payload::CloudEvents => (CLOUD_EVENT, serde_json::to_vec(&self.cloud_event()?)?.into()),
            Payload::Jwt => (TEXT, token(&self.full()?, keys.first())?.into()),
        })
    }

    /// The job as a GET answers it. What is about no job says what happened.
    fn full(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self.job {
            Some(body) => serde_json::to_vec(body),
            None => serde_json::to_vec(&self.thin()?),
        }
    }

    /// The form that Standard Webhooks suggests: type, timestamp, data.
    fn thin(&self) -> Result<Value, serde_json::Error> {
        Ok(json!({
            "type": self.told.event_type,
            "timestamp": self.time,
            "data": self.ids(),
        }))
    }

    /// `CloudEvents` 1.0 in structured mode.
    fn cloud_event(&self) -> Result<Value, serde_json::Error> {
        let mut event = json!({
            "specversion": "1.0",
            "id": self.told.event_id,
            "source": format!("/accounts/{}", self.account),
            "type": format!("darkroom.{}", self.told.event_type),
            "time": self.time,
            "datacontenttype": JSON,
            "sequence": format!("{:020}", self.told.seq),
            "data": match self.job {
                Some(body) => serde_json::to_value(body)?,
                None => serde_json::to_value(self.ids())?,
            },
        });
        if let (Some(job), Some(event)) = (self.told.job, event.as_object_mut()) {
            event.insert("subject".to_owned(), job.to_string().into());
        }
        Ok(event)
    }

    fn ids(&self) -> Ids<'_> {
        Ids {
            event: self.told.event_id.to_string(),
            account: self.account,
            job: self.told.job,
            stream: &self.told.stream,
            sequence: self.told.seq,
        }
    }
}

/// A JSON Web Token (RFC 7519) whose claims are `body`.
fn token(body: &[u8], key: Option<&SigningSecret>) -> Result<String, serde_json::Error> {
    let algorithm = key.map_or("none", SigningSecret::algorithm);
    let head = serde_json::to_vec(&json!({ "alg": algorithm, "typ": "JWT" }))?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(body));
    let signature = key.map(|key| key.sign(&[signed.as_bytes()])).unwrap_or_default();
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use domain::id::{EventId, JobId};
    use uuid::Uuid;

    use super::*;

    fn told() -> Told {
        Told {
            event_id: EventId::from_uuid(Uuid::from_u128(1)),
            event_type: "job.completed".to_owned(),
            job: Some(JobId::from_uuid(Uuid::from_u128(2))),
            time: None,
            stream: "JOBS".to_owned(),
            seq: 17,
        }
    }

    fn written(payload: Payload) -> (&'static str, Bytes) {
        let told = told();
        let account = AccountId::from_uuid(Uuid::from_u128(3));
        let time = Timestamp::UNIX_EPOCH;
        let letter = Letter { account, told: &told, time, job: None };
        let key = SigningSecret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        letter.write(payload, &[key]).unwrap()
    }

    #[test]
    fn a_thin_body_has_type_timestamp_and_ids() {
        let (media_type, body) = written(Payload::Thin);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(media_type, JSON);
        assert_eq!(body["type"], "job.completed");
        assert_eq!(body["timestamp"], "1970-01-01T00:00:00Z");
        assert_eq!(body["data"]["sequence"], 17);
    }

    #[test]
    fn a_cloud_event_has_every_required_attribute() {
        let (media_type, body) = written(Payload::CloudEvents);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(media_type, CLOUD_EVENT);
        for name in ["specversion", "id", "source", "type"] {
            assert!(body[name].is_string(), "{name}");
        }
        assert_eq!(body["subject"], "00000000-0000-0000-0000-000000000002");
    }

    #[test]
    fn a_token_has_three_parts_and_a_signature_over_two() {
        let (media_type, body) = written(Payload::Jwt);
        let text = std::str::from_utf8(&body).unwrap();
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let key = SigningSecret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(media_type, TEXT);
        assert_eq!(signature, URL_SAFE_NO_PAD.encode(key.sign(&[signed.as_bytes()])));
        let head = URL_SAFE_NO_PAD.decode(signed.split('.').next().unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&head).unwrap()["alg"], "HS256");
    }
}
