//! Where results go, as `/v1` shows it.

use custody::Headers;
use domain::{
    Timestamp,
    account::{Destination, Encryption, Finding, PROOF_HOLDS, State},
    id::{AccountId, DestinationId},
    proof::{Proof, Standing},
};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};
use storage::Policy;

use crate::{app::App, problem::Problem};

/// Characters of the fingerprint.
const FINGERPRINT_CHARS: usize = 16;

/// Where results go.
#[derive(Serialize)]
#[serde(tag = "stored_in", rename_all = "snake_case")]
pub(in crate::routes::v1) enum View {
    /// Into the account's own bucket.
    Destination(Box<Own>),
    /// Into the platform's, for a while.
    Development {
        demand_write_only: bool,
        /// Whether a job would be taken now, and if not, why not.
        jobs: Jobs,
        /// How long results stay.
        expires_after_s: u64,
        note: &'static str,
    },
}

#[derive(Serialize)]
pub(in crate::routes::v1) struct Own {
    id: DestinationId,
    bucket: String,
    region: String,
    endpoint: Option<String>,
    prefix: String,
    path_style: bool,
    bucket_owner: Option<String>,
    credentials: Shown,
    encryption: Cipher,
    headers: Headers,
    demand_write_only: bool,
    jobs: Jobs,
    write_only: Knowledge,
    /// The smallest policy that lets Darkroom store there.
    policy: Value,
}

/// What is shown of credentials.
#[derive(Serialize)]
struct Shown {
    /// The end of the access key.
    access_key_hint: String,
    /// The same for the same destination and credentials, and no other.
    fingerprint: String,
    /// The role that is taken on instead of keys, and whom it has to trust.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    role: Option<Trust>,
}

/// A role, and how it comes to trust this service.
#[derive(Serialize)]
struct Trust {
    role: String,
    external_id: String,
    trust_policy: Value,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Cipher {
    None,
    SseS3,
    SseKms { key_id: String },
    SseC,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(in crate::routes::v1) enum Jobs {
    Accepted,
    Refused { reason: String },
}

/// What was found out about the credentials.
#[derive(Serialize)]
pub(super) struct Knowledge {
    /// In words, as in `proven 3 h ago` or `readable: LIST allowed, 5 min ago`.
    text: String,
    standing: &'static str,
    /// When.
    checked_at: Option<Timestamp>,
    /// Whether an answer is on its way.
    awaited: bool,
    /// What was tried, and what came of it.
    proof: Option<Proof>,
    /// What is allowed and should not be.
    excess: Vec<&'static str>,
    /// Why nothing could be tried.
    code: Option<&'static str>,
    /// What to do about it.
    remedy: Option<String>,
}

impl View {
    pub(in crate::routes::v1) async fn of(
        app: &App,
        account: AccountId,
        state: &State,
    ) -> Result<Self, Problem> {
        let now = app.clock.now();
        let demand_write_only = state.write_only_demanded;
        let jobs = match state.may_store(now) {
            Ok(()) => Jobs::Accepted,
            Err(reason) => Jobs::Refused { reason: reason.to_string() },
        };
        let Some(own) = &state.destination else {
            return Ok(Self::Development {
                demand_write_only,
                jobs,
                expires_after_s: app.custody.expires().as_secs(),
                note: "The account has no destination of its own: results go to development storage, encrypted and for a while. PUT /v1/destination sets one.",
            });
        };
        let headers = app.custody.open_destination_headers(account, own.headers.as_ref()).await?;
        let place = own.place.clone();
        Ok(Self::Destination(Box::new(Own {
            id: own.destination,
            policy: policy(own, &headers),
            bucket: place.bucket,
            region: place.region,
            endpoint: place.endpoint,
            prefix: place.prefix,
            path_style: place.path_style,
            bucket_owner: place.bucket_owner,
            credentials: Shown {
                access_key_hint: place.access_key_hint,
                fingerprint: fingerprint(own),
                role: own.role.clone().map(|role| trust(role, account, app.custody.principal())),
            },
            encryption: match &own.encryption {
                Encryption::None => Cipher::None,
                Encryption::SseS3 => Cipher::SseS3,
                Encryption::SseKms { key_id } => Cipher::SseKms { key_id: key_id.clone() },
                Encryption::SseC { .. } => Cipher::SseC,
            },
            headers,
            demand_write_only,
            jobs,
            write_only: Knowledge::of(&state.knowledge, now),
        })))
    }
}

impl Knowledge {
    fn of(known: &domain::account::Knowledge, now: Timestamp) -> Self {
        let awaited = known.requested_at.is_some();
        let none = Self {
            text: if awaited { "not tried yet; an answer is on its way" } else { "not tried yet" }
                .to_owned(),
            standing: "unknown",
            checked_at: None,
            awaited,
            proof: None,
            excess: vec![],
            code: None,
            remedy: None,
        };
        match known.finding() {
            None => none,
            Some(Finding::Failure(code, at)) => Self {
                text: format!("failed: {code}, {}", ago(now, at)),
                standing: "failed",
                checked_at: Some(at),
                code: Some(code.name()),
                remedy: Some(code.text().to_owned()),
                ..none
            },
            Some(Finding::Proof(proof, at)) => {
                let (standing, text, remedy) = words(&proof, now, at);
                Self {
                    text,
                    standing,
                    checked_at: Some(at),
                    excess: proof.excess(),
                    proof: Some(proof),
                    remedy,
                    ..none
                }
            }
        }
    }
}

fn words(proof: &Proof, now: Timestamp, at: Timestamp) -> (&'static str, String, Option<String>) {
    let when = ago(now, at);
    let paste = "Give the credentials the policy shown here and nothing else.";
    match proof.standing() {
        Standing::WriteOnly => {
            let old = now.duration_since(at) > PROOF_HOLDS;
            let remedy = "The proof is old: POST /v1/destination/proof asks for another.";
            ("write_only", format!("proven {when}"), old.then(|| remedy.to_owned()))
        }
        Standing::Readable => {
            let text = format!("readable: {} allowed, {when}", proof.excess().join(", "));
            ("readable", text, Some(paste.to_owned()))
        }
        Standing::Closed => {
            ("closed", format!("closed: PUT denied, {when}"), Some(paste.to_owned()))
        }
        Standing::Unclear => {
            let remedy = "An answer neither allowed nor refused what was tried; see proof.";
            ("unclear", format!("unclear, {when}"), Some(remedy.to_owned()))
        }
    }
}

/// How long ago something was, as people say it.
fn ago(now: Timestamp, at: Timestamp) -> String {
    let passed = now.duration_since(at).max(SignedDuration::ZERO);
    match (passed.as_mins(), passed.as_hours()) {
        (0, _) => "just now".to_owned(),
        (minutes @ 1..60, _) => format!("{minutes} min ago"),
        (_, hours @ 0..48) => format!("{hours} h ago"),
        (_, hours) => format!("{} days ago", hours / 24),
    }
}

/// The policy that lets this service, and for this account alone, take on a role.
fn trust(role: String, account: AccountId, principal: Option<&str>) -> Trust {
    let external_id = account.to_string();
    let trust_policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": principal },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:ExternalId": external_id } },
        }],
    });
    Trust { role, external_id, trust_policy }
}

/// Enough of the digest to tell one from another.
fn fingerprint(own: &Destination) -> String {
    own.fingerprint.chars().take(FINGERPRINT_CHARS).collect()
}

fn policy(own: &Destination, headers: &Headers) -> Value {
    let kms_key = match &own.encryption {
        Encryption::SseKms { key_id } => Some(key_id.as_str()),
        Encryption::None | Encryption::SseS3 | Encryption::SseC { .. } => None,
    };
    Policy {
        region: &own.place.region,
        bucket: &own.place.bucket,
        prefix: &own.place.prefix,
        kms_key,
        acl: headers.contains_key("x-amz-acl"),
        tags: headers.contains_key("x-amz-tagging"),
    }
    .document()
}

#[cfg(test)]
mod tests {
    use domain::{FailureCode, proof::Access};

    use super::*;

    #[test]
    fn what_is_known_is_said_in_words() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let denied = Access::Denied;
        let fine =
            Proof { put: Access::Allowed, get: denied, head: denied, list: denied, delete: denied };
        let readable = Proof { get: Access::Allowed, list: Access::Allowed, ..fine };
        let found = |proof| domain::account::Knowledge {
            proven: Some((proof, at(0))),
            failed: None,
            requested_at: None,
        };
        let code = FailureCode::DestinationMissing;
        let failed = domain::account::Knowledge { failed: Some((code, at(0))), ..found(fine) };
        for (known, seconds, expected) in [
            (found(fine), 30, "proven just now"),
            (found(fine), 90, "proven 1 min ago"),
            (found(fine), 3 * 3_600 + 5, "proven 3 h ago"),
            (found(fine), 72 * 3_600, "proven 3 days ago"),
            (found(readable), 60, "readable: GET, LIST allowed, 1 min ago"),
            (found(Proof { put: denied, ..fine }), 0, "closed: PUT denied, just now"),
            (found(Proof { head: Access::Unclear, ..fine }), 0, "unclear, just now"),
            (failed, 7_200, "failed: destination_missing, 2 h ago"),
            (domain::account::Knowledge::default(), 0, "not tried yet"),
        ] {
            assert_eq!(Knowledge::of(&known, at(seconds)).text, expected);
        }
    }
}
