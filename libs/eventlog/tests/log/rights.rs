//! What each role may say and hear, subject by subject.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use async_nats::{ConnectOptions, Event};
use eventlog::server::ROLES;
use tokio::sync::mpsc;

use crate::support::Server;

/// The events of a noun: its name, the tokens between it and the event, and for each event the roles
/// that may tell it.
type Tellers = (&'static str, &'static str, &'static [(&'static str, &'static [&'static str])]);

/// Who may say that something happened, beside `operator`, who may say everything. A role says only
/// what is its own to decide: an API that was broken into can neither open accounts, nor lift their
/// quotas, nor prove a bucket.
const TELLERS: &[Tellers] = &[
    (
        "job",
        "a.j",
        &[
            ("requested", &["api"]),
            ("started", &["worker"]),
            ("fetched", &["worker"]),
            ("stored", &["worker"]),
            ("wiped", &["worker"]),
            ("completed", &["worker"]),
            ("attempt_failed", &["worker"]),
            ("failed", &["worker"]),
            ("cancel_requested", &["api", "worker"]),
            ("cancelled", &["api", "worker"]),
            ("expired", &["worker"]),
            ("erasure_requested", &["api", "worker"]),
            ("erased", &["worker"]),
        ],
    ),
    (
        "account",
        "a",
        &[
            ("opened", &[]),
            ("labelled", &["api"]),
            ("application_added", &["api"]),
            ("application_changed", &["api"]),
            ("application_rotated", &["api"]),
            ("application_revoked", &["api"]),
            ("application_used", &["api"]),
            ("destination_set", &["api"]),
            ("destination_cleared", &["api"]),
            ("proof_requested", &["api"]),
            ("destination_proven", &["worker"]),
            ("destination_proof_failed", &["worker"]),
            ("write_only_demanded", &["api"]),
            ("input_set", &["api"]),
            ("input_removed", &["api"]),
            ("media_kept", &["api"]),
            ("feed_set", &["api"]),
            ("webhook_secret_set", &["api"]),
            ("limits_set", &[]),
            ("quotas_set", &[]),
            ("erasure_requested", &["api"]),
            ("erased", &["worker"]),
        ],
    ),
    (
        "member",
        "a.m",
        &[
            ("invited", &["api"]),
            ("joined", &["api"]),
            ("role_set", &["api"]),
            ("reset_offered", &["api"]),
            ("password_set", &["api"]),
            ("totp_set", &["api"]),
            ("totp_cleared", &["api"]),
            ("logged_in", &["api"]),
            ("login_failed", &["api"]),
            ("seen", &["api"]),
            ("logged_out", &["api"]),
            ("removed", &["api", "worker"]),
        ],
    ),
    (
        "upload",
        "a.u",
        &[
            ("started", &["api"]),
            ("completion_requested", &["api"]),
            ("source_uploaded", &["worker"]),
            ("rejected", &["worker"]),
            ("claimed", &["api"]),
            ("expired", &["api", "worker"]),
            ("removed", &["api", "worker"]),
        ],
    ),
    (
        "endpoint",
        "a.e",
        &[
            ("added", &["api"]),
            ("changed", &["api"]),
            ("secret_rotated", &["api"]),
            ("disabled", &["api", "dispatcher"]),
            ("enabled", &["api"]),
            ("circuit_opened", &["api", "dispatcher"]),
            ("circuit_closed", &["api", "dispatcher"]),
            ("replay_requested", &["api"]),
            ("replay_progressed", &["api", "dispatcher"]),
            ("replay_ended", &["api", "dispatcher"]),
            ("removed", &["api", "worker"]),
        ],
    ),
    (
        "delivery",
        "a.e.d",
        &[
            ("due", &["api", "dispatcher"]),
            ("attempt_failed", &["dispatcher"]),
            ("delivered", &["dispatcher"]),
            ("exhausted", &["dispatcher"]),
            ("redelivery_requested", &["api", "dispatcher"]),
        ],
    ),
];

/// Who may publish (`>`) or subscribe (`<`) what; everybody else may not.
const RIGHTS: &[(&str, &[&str])] = &[
    ("> darkroom.job.a.j.x.requested", &[]),
    ("> darkroom.account.a.x.opened", &[]),
    ("> darkroom.strange.a.happened", &[]),
    ("> darkroom.work.1.a.j", &[]),
    ("> darkroom.live.job.a.j.requested", &[]),
    ("> darkroom.live.member.a.m.invited", &[]),
    ("> darkroom.checkpoint.JOBS", &["notary"]),
    ("> darkroom.checkpoint.JOBS.claimed", &["notary"]),
    ("> darkroom.checkpoint.JOBS.a.b", &[]),
    ("> darkroom.tile.JOBS.0.0", &["notary"]),
    ("> $JS.API.DIRECT.GET.TILES", &["api", "notary", "operator", "auditor"]),
    ("> $JS.API.DIRECT.GET.CHECKPOINTS", &["api", "notary", "operator", "auditor"]),
    ("> $JS.API.STREAM.INFO.JOBS", &["notary", "operator"]),
    ("> $JS.API.STREAM.INFO.KV_keys", &["operator"]),
    ("> $JS.API.STREAM.PURGE.TILES", &["operator"]),
    ("> $JS.API.STREAM.PURGE.CHECKPOINTS", &["operator"]),
    ("> darkroom.parked.WORK.worker-00", &["worker"]),
    ("> darkroom.parked.JOBS.dispatcher", &["dispatcher"]),
    ("> darkroom.progress.a.j", &["worker"]),
    ("> darkroom.cancel.a.j", &["api", "worker", "operator"]),
    ("> darkroom.ops.readmodel", &["operator"]),
    ("> $KV.keys.job.a", &["api", "worker", "operator"]),
    (
        "> $JS.API.DIRECT.GET.JOBS",
        &["api", "worker", "dispatcher", "notary", "operator", "auditor"],
    ),
    ("> $JS.API.DIRECT.GET.KV_keys", &["api", "worker", "dispatcher", "operator"]),
    (
        "> $JS.API.DIRECT.GET.ACCOUNTS",
        &["api", "worker", "dispatcher", "notary", "operator", "auditor"],
    ),
    ("> $JS.API.DIRECT.GET.MEMBERS", &["api", "worker", "notary", "operator", "auditor"]),
    (
        "> $JS.API.DIRECT.GET.UPLOADS",
        &["api", "worker", "dispatcher", "notary", "operator", "auditor"],
    ),
    (
        "> $JS.API.DIRECT.GET.ENDPOINTS",
        &["api", "worker", "dispatcher", "notary", "operator", "auditor"],
    ),
    ("> $JS.API.DIRECT.GET.DELIVERIES", &["api", "dispatcher", "notary", "operator", "auditor"]),
    ("> $JS.API.DIRECT.GET.PARKED", &["operator", "auditor"]),
    ("> $JS.API.STREAM.MSG.GET.JOBS", &["api", "worker", "dispatcher", "operator"]),
    ("> $JS.API.STREAM.MSG.DELETE.KV_keys", &["worker", "operator"]),
    ("> $JS.API.STREAM.MSG.GET.MEMBERS", &["api", "worker", "operator"]),
    ("> $JS.API.STREAM.MSG.DELETE.JOBS", &["operator"]),
    ("> $JS.API.STREAM.MSG.DELETE.MEMBERS", &["operator"]),
    ("> $JS.API.STREAM.PURGE.ACCOUNTS", &["operator"]),
    ("> $JS.API.STREAM.PURGE.UPLOADS", &["operator"]),
    ("> $JS.API.STREAM.CREATE.EVIL", &["operator"]),
    ("> $JS.API.STREAM.UPDATE.JOBS", &["operator"]),
    ("> $JS.API.STREAM.DELETE.JOBS", &["operator"]),
    ("> $JS.API.STREAM.PURGE.JOBS", &["operator"]),
    ("> $JS.API.STREAM.SNAPSHOT.JOBS", &["operator"]),
    ("> $JS.API.CONSUMER.CREATE.JOBS", &["operator"]),
    ("> $JS.API.CONSUMER.CREATE.JOBS.dispatcher", &["operator"]),
    ("> $JS.API.CONSUMER.CREATE.WORK.worker-00", &["operator"]),
    ("> $JS.API.CONSUMER.CREATE.WORK.worker-00.darkroom.work.0.>", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.CREATE.JOBS.dispatcher.darkroom.job.>", &["operator"]),
    ("> $JS.API.CONSUMER.DELETE.WORK.worker-00", &["operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.WORK.worker-00", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.JOBS.dispatcher", &["dispatcher", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.ACCOUNTS.prover", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.ACCOUNTS.janitor", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.UPLOADS.janitor", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.CREATE.ACCOUNTS.prover", &["operator"]),
    ("> $JS.ACK.ACCOUNTS.prover.1.1.1.1.1", &["worker", "operator"]),
    ("> $JS.ACK.UPLOADS.janitor.1.1.1.1.1", &["worker", "operator"]),
    ("> darkroom.parked.ACCOUNTS.prover", &["worker"]),
    ("> darkroom.parked.UPLOADS.janitor", &["worker"]),
    ("> $JS.ACK.WORK.worker-00.1.1.1.1.1", &["worker", "operator"]),
    ("> $JS.ACK.JOBS.dispatcher.1.1.1.1.1", &["dispatcher", "operator"]),
    ("> $SYS.REQ.SERVER.PING.VARZ", &[]),
    ("< darkroom.job.>", &[]),
    ("< darkroom.account.>", &[]),
    ("< darkroom.member.>", &[]),
    ("< darkroom.upload.>", &[]),
    ("< darkroom.endpoint.>", &[]),
    ("< darkroom.>", &[]),
    ("< >", &[]),
    ("< darkroom.live.job.>", &["api", "dispatcher", "operator"]),
    ("< darkroom.live.member.>", &["api", "dispatcher", "operator"]),
    ("< darkroom.progress.a.j", &["api", "operator"]),
    ("< darkroom.cancel.a.j", &["worker"]),
    ("< darkroom.ops.readmodel", &["api"]),
    ("< _INBOX_api.>", &["api"]),
    ("< _INBOX_worker.>", &["worker"]),
    ("< _INBOX.>", &[]),
    ("< $KV.keys.>", &[]),
    ("< $JS.EVENT.ADVISORY.>", &[]),
];

/// Every right there is, and who has it.
fn rights() -> Vec<(String, Vec<&'static str>)> {
    let told = TELLERS.iter().flat_map(|(noun, ids, events)| {
        events.iter().map(move |(event, roles)| {
            let holders = roles.iter().copied().chain(["operator"]).collect();
            (format!("> darkroom.{noun}.{ids}.{event}"), holders)
        })
    });
    let others = RIGHTS.iter().map(|(right, roles)| ((*right).to_owned(), roles.to_vec()));
    told.chain(others).collect()
}

#[test]
fn it_is_said_of_every_event_who_may_tell_it() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/testdata");
    let mut stored = BTreeSet::new();
    for noun in fs::read_dir(samples).unwrap() {
        let noun = noun.unwrap();
        for sample in fs::read_dir(noun.path()).unwrap() {
            let name = sample.unwrap().file_name().into_string().unwrap();
            let event = name.split('.').next().unwrap().to_owned();
            stored.insert((noun.file_name().into_string().unwrap(), event));
        }
    }
    let said = TELLERS.iter().flat_map(|(noun, _, events)| {
        events.iter().map(|(event, _)| ((*noun).to_owned(), (*event).to_owned()))
    });
    assert_eq!(said.collect::<BTreeSet<_>>(), stored, "TELLERS in {}", file!());
}

#[tokio::test]
async fn every_role_may_do_what_it_needs_and_nothing_else() {
    let server = Server::start().await;
    let rights = rights();
    let mut wrong = Vec::new();
    for role in ROLES {
        let (sender, mut errors) = mpsc::channel(16);
        let settings = server.settings(role);
        let sender = Arc::new(sender);
        let client = ConnectOptions::new()
            .user_and_password(settings.user.clone(), settings.password.expose().to_owned())
            .custom_inbox_prefix(format!("_INBOX_{role}"))
            .event_callback(move |event| {
                let sender = Arc::clone(&sender);
                async move {
                    if let Event::ServerError(error) = event {
                        drop(sender.send(error.to_string()).await);
                    }
                }
            })
            .connect(&settings.url)
            .await
            .unwrap();
        for (right, holders) in &rights {
            let (way, subject) = right.split_once(' ').unwrap();
            // A body that no API understands: what is allowed is refused by its receiver.
            let listening = if way == ">" {
                client.publish(subject.to_owned(), "?".into()).await.unwrap();
                None
            } else {
                Some(client.subscribe(subject.to_owned()).await.unwrap())
            };
            // A marker that is never allowed: its violation comes behind any other.
            client.publish("nobody.may", "".into()).await.unwrap();
            let mut refused = false;
            loop {
                let error = tokio::time::timeout(Duration::from_secs(10), errors.recv()).await;
                let error = error.unwrap().unwrap();
                if error.contains("nobody.may") {
                    break;
                }
                refused |= error.to_lowercase().contains("permissions violation");
            }
            if refused == holders.contains(&role) {
                wrong.push(format!(
                    "{role} {right}: {}",
                    if refused { "refused" } else { "allowed" }
                ));
            }
            drop(listening);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
