//! Every event that was ever stored decodes for ever: frozen samples, one a version.
//!
//! A sample that exists is never edited. A new event or field adds a file.

use std::{collections::BTreeSet, fs, path::PathBuf};

use domain::{
    Aggregate, Sealed, Timestamp,
    account::{
        Accounts, Application, Destination, Encryption, Event as Account, FailureWord, Input,
        Place, Terms,
    },
    delivery::{Answer, Deliveries, Event as Delivery, FailureCode, Told},
    endpoint::{
        self, DisabledBecause, Endpoints, Event as Endpoint, Letter, Payload, Replay, ReplayOnly,
        ReplayStream, Scheme, Signing,
    },
    id::{ApplicationId, DestinationId, EventId, InputId, JobId, MemberId, ReplayId, SessionId},
    job::Jobs,
    limits::{Overrides, QuotaOverrides},
    member::{Event as Member, LoginFailure, Members},
    proof::{Access, Proof},
    retry::Schedule,
    scope::{Role, Scope},
    upload::{Checksum, Event as Upload, RejectedBecause, RemovedBecause, Started, Uploads},
};

use crate::make::{at, every_event, sealed};

fn folder(noun: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata")).join(noun)
}

/// The frozen samples of an event, oldest first: `<event>.v1.json`, `<event>.v1.2.json`, ...
pub(crate) fn samples<A: Aggregate>(name: &str) -> Vec<String> {
    let folder = folder(A::NOUN);
    let first = fs::read_to_string(folder.join(format!("{name}.v1.json"))).ok();
    let later = (2..)
        .map(|number| folder.join(format!("{name}.v1.{number}.json")))
        .map_while(|file| fs::read_to_string(file).ok());
    first.into_iter().chain(later).collect()
}

/// Each event as written today must be one of its frozen samples, and each sample must decode.
fn hold<A: Aggregate>(today: &[A::Event]) {
    let mut names = BTreeSet::new();
    for event in today {
        let name = A::event_name(event);
        names.insert(name.to_owned());
        let written = serde_json::to_string_pretty(event).unwrap() + "\n";
        let frozen = samples::<A>(name).contains(&written);
        assert!(frozen, "{name} is not what is stored today; freeze this:\n{written}");
    }
    for file in fs::read_dir(folder(A::NOUN)).unwrap() {
        let path = file.unwrap().path();
        let sample = fs::read_to_string(&path).unwrap();
        let event: A::Event = serde_json::from_str(&sample)
            .unwrap_or_else(|error| panic!("{} does not decode: {error}", path.display()));
        let stem = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
        assert_eq!(A::event_name(&event), stem, "{}", path.display());
        names.remove(stem);
    }
    assert!(names.is_empty(), "no sample of {names:?}");
}

fn id(name: &[u8]) -> ApplicationId {
    ApplicationId::derived(Default::default(), name)
}

#[test]
fn every_job_event_is_frozen_and_decodes() {
    hold::<Jobs>(&every_event());
}

fn place(bucket: &str) -> Place {
    Place {
        endpoint: Some("https://s3.example.com".to_owned()),
        region: "eu-central-1".to_owned(),
        bucket: bucket.to_owned(),
        prefix: "previews/".to_owned(),
        path_style: true,
        bucket_owner: Some("123456789012".to_owned()),
        access_key_hint: "7QXA".to_owned(),
    }
}

fn terms() -> Terms {
    Terms {
        origins: vec!["https://example.com".to_owned()],
        failure_word: FailureWord::Error,
        label: Some(sealed("label")),
        scopes: Some([Scope::JobsRead, Scope::JobsWrite].into()),
        expires_at: Some(at(86_400)),
    }
}

#[test]
fn every_account_event_is_frozen_and_decodes() {
    let application = id(b"application");
    let destination = DestinationId::from_uuid(id(b"destination").as_uuid());
    let input = InputId::from_uuid(id(b"input").as_uuid());
    hold::<Accounts>(&[
        Account::Opened { label: Some(sealed("label")) },
        Account::Labelled { label: Some(sealed("label")) },
        Account::ApplicationAdded(Application {
            application,
            key: "dk_test_example".to_owned(),
            secret_digest: "0f".repeat(32),
            terms: terms(),
        }),
        Account::ApplicationChanged { application, terms: terms() },
        Account::ApplicationRotated {
            application,
            secret_digest: "1e".repeat(32),
            previous_until: at(3_600),
        },
        Account::ApplicationRevoked { application },
        Account::ApplicationUsed { application, on: "2026-11-22".parse().unwrap() },
        Account::DestinationSet(Destination {
            destination,
            place: place("results"),
            credentials: sealed("credentials"),
            role: Some("arn:aws:iam::123456789012:role/darkroom".to_owned()),
            encryption: Encryption::SseKms { key_id: "alias/results".to_owned() },
            headers: Some(sealed("headers")),
            fingerprint: "2d".repeat(32),
        }),
        Account::DestinationCleared {},
        Account::ProofRequested { destination },
        Account::DestinationProven {
            destination,
            proof: Proof {
                put: Access::Allowed,
                get: Access::Denied,
                head: Access::Denied,
                list: Access::Allowed,
                delete: Access::Unclear,
            },
        },
        Account::DestinationProofFailed {
            destination,
            code: domain::FailureCode::DestinationUnavailable,
            detail: Some(sealed("detail")),
        },
        Account::WriteOnlyDemanded { demanded: true },
        Account::InputSet(Input {
            input,
            place: place("originals"),
            credentials: sealed("credentials"),
        }),
        Account::InputRemoved { input },
        Account::MediaKept { kept: true },
        Account::FeedSet { on: true },
        Account::WebhookSecretSet { secret: sealed("secret") },
        Account::LimitsSet {
            limits: Overrides {
                pixels: Some(400_000_000),
                pages: Some(50),
                ..Overrides::default()
            },
        },
        Account::QuotasSet {
            quotas: QuotaOverrides {
                jobs_in_flight: Some(100),
                jobs_per_minute: Some(600),
                ..QuotaOverrides::default()
            },
        },
        Account::ErasureRequested {},
        Account::Erased { jobs: 12, objects: 34 },
    ]);
}

#[test]
fn every_member_event_is_frozen_and_decodes() {
    let by = Some(MemberId::from_uuid(id(b"by").as_uuid()));
    let session = SessionId::from_uuid(id(b"session").as_uuid());
    hold::<Members>(&[
        Member::Invited {
            email: sealed("email"),
            email_digest: "e0".repeat(32),
            role: Role::Member,
            token_digest: "70".repeat(32),
            expires_at: at(86_400),
            by,
        },
        Member::Joined { password: sealed("password") },
        Member::RoleSet { role: Role::Admin, by },
        Member::ResetOffered { token_digest: "71".repeat(32), expires_at: at(1_800), by },
        Member::PasswordSet { password: sealed("password") },
        Member::TotpSet { secret: sealed("totp"), step: Some(59_666_666) },
        Member::TotpCleared {},
        Member::LoggedIn {
            session,
            token_digest: "72".repeat(32),
            expires_at: at(43_200),
            totp_step: Some(59_666_666),
        },
        Member::LoginFailed { reason: LoginFailure::Password },
        Member::Seen { session },
        Member::LoggedOut { session },
        Member::Removed { by },
    ]);
}

#[test]
fn every_upload_event_is_frozen_and_decodes() {
    let checksum = Checksum::Sha256("5e".repeat(32));
    let job = JobId::from_uuid(id(b"job").as_uuid());
    hold::<Uploads>(&[
        Upload::Started(Started {
            application: Some(id(b"application")),
            file_name: Some(sealed("name")),
            size_bytes: 5 << 30,
            part_bytes: 64 << 20,
            multipart: sealed("multipart"),
            key: "uploads/0190a5c4/source".to_owned(),
            checksum: Some(checksum.clone()),
            expires_at: at(86_400),
        }),
        Upload::CompletionRequested { checksum: Checksum::Crc32c("e3069283".to_owned()) },
        Upload::SourceUploaded { size_bytes: 5 << 30, checksum },
        Upload::Rejected { because: RejectedBecause::Checksum },
        Upload::Claimed { job },
        Upload::Expired {},
        Upload::Removed { because: RemovedBecause::JobsEnded },
    ]);
}

#[test]
fn every_delivery_event_is_frozen_and_decodes() {
    let uuid = id(b"delivery").as_uuid();
    let told = Told {
        event_id: EventId::from_uuid(uuid),
        event_type: "job.completed".to_owned(),
        job: Some(JobId::from_uuid(uuid)),
        time: Some(at(3)),
        stream: "JOBS".to_owned(),
        seq: 17,
    };
    let answer = Answer { address: Some([192, 0, 2, 7].into()), excerpt: Some(sealed("excerpt")) };
    hold::<Deliveries>(&[
        Delivery::Due { told: told.clone() },
        Delivery::AttemptFailed {
            attempt: 1,
            code: FailureCode::Status,
            status: Some(503),
            latency_ms: 17,
            retry_at: at(5),
            answer: answer.clone(),
        },
        Delivery::Delivered {
            attempt: 1,
            status: 204,
            latency_ms: 11,
            answer: answer.clone(),
            told: Some(Told { stream: "ACCOUNTS".to_owned(), job: None, ..told }),
        },
        Delivery::Exhausted {
            attempts: 10,
            code: FailureCode::Timeout,
            status: None,
            latency_ms: 15_000,
            answer,
        },
        Delivery::RedeliveryRequested {},
    ]);
}

#[test]
fn every_endpoint_event_is_frozen_and_decodes() {
    let replay = ReplayId::from_uuid(id(b"replay").as_uuid());
    let letter = Letter {
        url: sealed("url"),
        description: Some(sealed("description")),
        headers: Some(sealed("headers")),
        terms: endpoint::Terms {
            topics: vec!["job.*".parse().unwrap()],
            applications: Some([id(b"application")].into()),
            payload: Payload::CloudEvents,
            ordered: true,
            timeout_ms: Some(5_000),
            per_second: Some(100),
            at_once: Some(4),
            retry_after_s: Some(Schedule::new(vec![5, 300])),
            keeps_answers: true,
        },
    };
    let signing = Signing {
        scheme: Scheme::Ed25519,
        secret: sealed("secret"),
        public_key: Some("whpk_key".to_owned()),
    };
    hold::<Endpoints>(&[
        Endpoint::Added { letter: letter.clone(), signing: signing.clone() },
        Endpoint::Changed { letter },
        Endpoint::SecretRotated { signing, previous_until: at(86_400) },
        Endpoint::Disabled { because: DisabledBecause::Failing },
        Endpoint::Enabled {},
        Endpoint::CircuitOpened { failing_since: at(0), until: at(60) },
        Endpoint::CircuitClosed {},
        Endpoint::ReplayRequested {
            replay,
            of: Replay {
                from_seq: 1,
                to_seq: 1_000,
                only: ReplayOnly::Exhausted,
                stream: ReplayStream::Deliveries,
            },
        },
        Endpoint::ReplayProgressed { replay, through_seq: 500, deliveries: 40 },
        Endpoint::ReplayEnded { replay, deliveries: 80 },
        Endpoint::Removed {},
    ]);
}

#[test]
fn unknown_fields_are_ignored_and_unknown_events_are_errors() {
    let later = r#"{"event":"wiped","bytes":7,"passes":3}"#;
    assert!(serde_json::from_str::<domain::job::Event>(later).is_ok());
    let unknown = r#"{"event":"reconsidered"}"#;
    assert!(serde_json::from_str::<domain::job::Event>(unknown).is_err());
}

#[test]
fn a_sealed_field_never_shows_in_debug_output() {
    let text = format!("{:?}", Sealed::from_envelope("ciphertext".to_owned()));
    assert_eq!(text, "Sealed(10 bytes)");
    assert_eq!(Timestamp::UNIX_EPOCH.to_string(), "1970-01-01T00:00:00Z");
}
