//! `docs/EVENTS.md` is made of the frozen samples, and held to them.

use std::{fmt::Write as _, fs, path::PathBuf};

use domain::{
    Aggregate, account::Accounts, delivery::Deliveries, endpoint::Endpoints, job::Jobs,
    member::Members, upload::Uploads,
};

use crate::samples::samples;

const HEAD: &str = "# Events

Made from the frozen samples in `libs/domain/testdata` by a test of that crate; do not edit by hand.

Every event is a CloudEvents 1.0 message in NATS binary mode: the attributes are headers (`ce-id`,
`ce-type`, `ce-time`, `ce-source`, `ce-specversion`), the body is the JSON below. `darkroom-prev`
holds the SHA-256 of the aggregate's previous message, 64 zeros for the first. Personal fields
(`source_url`, `callback_url`, `user_data`, `uploader`, `file_name`, `location`, `metadata`,
`detail`, `label`, `credentials`, `secret`, `headers`, `key` of `encryption`, `email`, `password`,
`multipart`) hold AES-SIV ciphertext under the job's or account's key, credentials under one that
only those who act with them can open; the samples show a word in its place.

An event keeps its name and its fields for ever. New fields may appear; ignore what you do not know.
";

const JOB: &[(&str, &str)] = &[
    ("requested", "The wish was accepted."),
    ("started", "A worker took the lease for an attempt."),
    ("fetched", "The source's kind and size are known."),
    ("stored", "An artifact lies in its bucket. One event each."),
    ("wiped", "Everything made of the source on the way is destroyed."),
    ("completed", "All that was wished for is in the bucket. The job is over."),
    ("attempt_failed", "An attempt failed, and another follows at `retry_at`."),
    ("failed", "The job failed for good. It is over."),
    ("cancel_requested", "The caller wants it to stop while a worker has it."),
    ("cancelled", "It ended because its caller wanted so."),
    ("expired", "Its artifacts in development storage are removed after their time."),
    ("erasure_requested", "Everything held about it shall go."),
    ("erased", "Its keys are shredded and its objects removed."),
];

const ACCOUNT: &[(&str, &str)] = &[
    ("opened", "The account exists."),
    ("labelled", "Its people call it something else, or nothing, from now on."),
    ("application_added", "It has one more API key pair."),
    ("application_changed", "A key pair is for something else from now on."),
    (
        "application_rotated",
        "A key pair has a new secret; the one before opens until `previous_until`.",
    ),
    ("application_revoked", "A key pair opens nothing any more."),
    (
        "application_used",
        "A key pair was used on a day. Once a day, more rarely in a long history.",
    ),
    ("destination_set", "Results go to this bucket from now on."),
    ("destination_cleared", "Results go to development storage from now on."),
    ("proof_requested", "Somebody wants to know what the destination's credentials may do."),
    ("destination_proven", "What the destination's credentials may do was found out by trying."),
    ("destination_proof_failed", "It could not be found out."),
    (
        "write_only_demanded",
        "Whether jobs are refused unless the destination is proven write-only.",
    ),
    ("input_set", "Sources may be read from this bucket."),
    ("input_removed", "Sources are not read from a bucket any more."),
    ("media_kept", "Whether uploads stay after the jobs that read them."),
    ("webhook_secret_set", "Webhooks are signed with this secret from now on."),
    ("limits_set", "Its jobs have these limits instead of the installation's from now on."),
    (
        "quotas_set",
        "Its jobs together have these quotas instead of the installation's from now on.",
    ),
    ("erasure_requested", "Everything held about it shall go."),
    ("erased", "Its keys are shredded and its objects removed."),
];

const MEMBER: &[(&str, &str)] = &[
    ("invited", "Somebody with this address may join."),
    ("joined", "They did, and chose a password."),
    ("role_set", "They are something else from now on."),
    ("reset_offered", "They may choose a new password without the old one."),
    ("password_set", "They chose a new password. Every session ends."),
    ("totp_set", "Logging in needs a one-time code from now on."),
    ("totp_cleared", "Logging in needs no one-time code from now on."),
    ("logged_in", "They logged in."),
    ("login_failed", "Somebody tried to be them."),
    ("seen", "A session is in use. Now and then."),
    ("logged_out", "A session ended."),
    ("removed", "They are not of the account any more."),
];

const UPLOAD: &[(&str, &str)] = &[
    ("started", "Parts may be sent."),
    (
        "completion_requested",
        "All parts have been sent; what they make is to be held against the checksum.",
    ),
    (
        "source_uploaded",
        "The file lies in the platform bucket, as large and with the checksum that was announced.",
    ),
    ("rejected", "It is not the file that was announced; nothing of it stays."),
    ("claimed", "A job may be accepted that reads it: the file stays until that job has ended."),
    ("expired", "It was not completed in time, or was given up; its parts go."),
    ("removed", "The file can be read no more; its bytes leave the platform bucket."),
];

const DELIVERY: &[(&str, &str)] = &[
    ("due", "An event must reach an endpoint."),
    ("attempt_failed", "An attempt failed, and another follows at `retry_at`."),
    ("delivered", "The endpoint took it. The delivery is over."),
    ("exhausted", "Given up. The delivery is over."),
    ("redelivery_requested", "Somebody wants it told again."),
];

const ENDPOINT: &[(&str, &str)] = &[
    ("added", "It is told from now on."),
    ("changed", "It is told elsewhere, or otherwise, from now on."),
    (
        "secret_rotated",
        "Deliveries are signed with something else; until `previous_until` with both.",
    ),
    ("disabled", "It is told nothing until it is enabled again."),
    ("enabled", "It is told again."),
    ("circuit_opened", "It failed so often that it is left alone until `until`."),
    ("circuit_closed", "It took a delivery again."),
    ("replay_requested", "Past events shall be told again."),
    ("replay_progressed", "A replay has come so far."),
    ("replay_ended", "A replay has come to its end."),
    ("removed", "It is told nothing any more, and forgotten."),
];

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn section<A: Aggregate>(ids: &str, events: &[(&str, &str)]) -> String {
    let noun = A::NOUN;
    let mut text = format!(
        "\n## {noun}\n\nStream `{}`, subjects `darkroom.{noun}.{ids}.<event>`.\n",
        A::STREAM
    );
    let folder = repository().join("libs/domain/testdata").join(noun);
    let mut described = 0;
    for (name, meaning) in events {
        let kind = format!("darkroom.{noun}.{name}.v1");
        write!(text, "\n### `{name}`\n\n{meaning} `ce-type: {kind}`\n").unwrap();
        for sample in samples::<A>(name) {
            write!(text, "\n```json\n{sample}```\n").unwrap();
            described += 1;
        }
    }
    let known = fs::read_dir(&folder).unwrap().count();
    assert_eq!(known, described, "a sample of {noun} is not described here");
    text
}

#[test]
fn the_document_of_events_is_that_of_the_samples() {
    let wanted = [
        HEAD.to_owned(),
        section::<Jobs>("<account>.<job>", JOB),
        section::<Accounts>("<account>", ACCOUNT),
        section::<Members>("<account>.<member>", MEMBER),
        section::<Uploads>("<account>.<upload>", UPLOAD),
        section::<Endpoints>("<account>.<endpoint>", ENDPOINT),
        section::<Deliveries>("<account>.<endpoint>.<delivery>", DELIVERY),
    ]
    .concat();
    let made = repository().join("target/EVENTS.md");
    fs::write(&made, &wanted).unwrap();
    let found = fs::read_to_string(repository().join("docs/EVENTS.md")).unwrap_or_default();
    assert!(found == wanted, "docs/EVENTS.md is old: cp target/EVENTS.md docs/EVENTS.md");
}
