//! What each role may say and hear, subject by subject.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use async_nats::{ConnectOptions, Event};
use eventlog::server::ROLES;
use tokio::sync::mpsc;

use crate::support::{No, Server, Toy, fresh_id, now, request};

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
    ("> $JS.API.STREAM.INFO.JOBS", &["operator"]),
    ("> darkroom.jetstream.STREAM.INFO.JOBS", &["notary", "operator"]),
    ("> darkroom.jetstream.STREAM.INFO.KV_keys", &["operator"]),
    ("> darkroom.jetstream.STREAM.PURGE.TILES", &["operator"]),
    ("> darkroom.jetstream.STREAM.PURGE.CHECKPOINTS", &["operator"]),
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
    ("> darkroom.jetstream.STREAM.MSG.GET.JOBS", &["api", "worker", "dispatcher", "operator"]),
    ("> darkroom.jetstream.STREAM.MSG.DELETE.KV_keys", &["worker", "operator"]),
    ("> darkroom.jetstream.STREAM.MSG.GET.MEMBERS", &["api", "worker", "operator"]),
    ("> darkroom.jetstream.STREAM.MSG.DELETE.JOBS", &["operator"]),
    ("> darkroom.jetstream.STREAM.MSG.DELETE.MEMBERS", &["operator"]),
    ("> darkroom.jetstream.STREAM.PURGE.ACCOUNTS", &["operator"]),
    ("> darkroom.jetstream.STREAM.PURGE.UPLOADS", &["operator"]),
    ("> darkroom.jetstream.STREAM.CREATE.EVIL", &["operator"]),
    ("> darkroom.jetstream.STREAM.UPDATE.JOBS", &["operator"]),
    ("> darkroom.jetstream.STREAM.DELETE.JOBS", &["operator"]),
    ("> darkroom.jetstream.STREAM.PURGE.JOBS", &["operator"]),
    ("> darkroom.jetstream.STREAM.SNAPSHOT.JOBS", &["operator"]),
    ("> darkroom.jetstream.CONSUMER.CREATE.JOBS", &["operator"]),
    ("> darkroom.jetstream.CONSUMER.CREATE.JOBS.dispatcher", &["operator"]),
    ("> darkroom.jetstream.CONSUMER.CREATE.WORK.worker-00", &["operator"]),
    (
        "> darkroom.jetstream.CONSUMER.CREATE.WORK.worker-00.darkroom.work.0.>",
        &["worker", "operator"],
    ),
    ("> darkroom.jetstream.CONSUMER.CREATE.JOBS.dispatcher.darkroom.job.>", &["operator"]),
    ("> darkroom.jetstream.CONSUMER.DELETE.WORK.worker-00", &["operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.WORK.worker-00", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.JOBS.dispatcher", &["dispatcher", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.ACCOUNTS.prover", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.ACCOUNTS.janitor", &["worker", "operator"]),
    ("> $JS.API.CONSUMER.MSG.NEXT.UPLOADS.janitor", &["worker", "operator"]),
    ("> darkroom.jetstream.CONSUMER.CREATE.ACCOUNTS.prover", &["operator"]),
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
        let options = ConnectOptions::new().nkey(server.settings(role).password.expose().into());
        wrong.extend(unlike(&server, &rights, role, options).await);
    }
    // Whoever looks by password sees what the key shows, and no more.
    let by_password = server.embedded.auditor_by_password();
    let (user, password) = (by_password.user, by_password.password.expose().to_owned());
    let options = ConnectOptions::new().user_and_password(user, password);
    wrong.extend(unlike(&server, &rights, "auditor", options).await);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where what the server lets `role` do is not what it should.
async fn unlike(
    server: &Server,
    rights: &[(String, Vec<&'static str>)],
    role: &str,
    options: ConnectOptions,
) -> Vec<String> {
    let (sender, mut errors) = mpsc::channel(16);
    let sender = Arc::new(sender);
    let options = options.custom_inbox_prefix(format!("_INBOX_{role}"));
    let client = options
        .event_callback(move |event| {
            let sender = Arc::clone(&sender);
            async move {
                if let Event::ServerError(error) = event {
                    drop(sender.send(error.to_string()).await);
                }
            }
        })
        .connect(server.embedded.url())
        .await
        .unwrap();
    let mut wrong = Vec::new();
    for (right, holders) in rights {
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
            let found = if refused { "refused" } else { "allowed" };
            wrong.push(format!("{role} {right}: {found}"));
        }
        drop(listening);
    }
    wrong
}

/// What a role's account has of the log beside what its user may publish: nothing. An answer may be
/// sent to whatever the account imports, and permissions are not asked about that.
#[test]
fn an_account_imports_what_its_user_may_publish_and_nothing_else() {
    let users = include_str!("../../../../nats/users.conf");
    let accounts: Vec<&str> = users.split("\n  }\n").collect();
    for role in ROLES.into_iter().chain(["desk"]).filter(|role| *role != "operator") {
        let user = format!("{{ nkey: $DARKROOM_{}_NKEY", role.to_uppercase());
        let account = accounts.iter().find(|account| account.contains(&user)).unwrap();
        let imported: BTreeSet<String> = account
            .lines()
            .filter_map(|line| line.split_once("{ service: { account: DARKROOM, subject: "))
            .filter_map(|(_, names)| quoted(names).last())
            .map(|name| {
                name.split('.')
                    .map(|token| {
                        if token.starts_with("$1") || token.starts_with("$2") { "*" } else { token }
                    })
                    .collect::<Vec<_>>()
                    .join(".")
            })
            .collect();
        // One set of permissions for whoever is in it.
        assert_eq!(account.matches("permissions: {").count(), 1, "{role}");
        let (_, rest) = account.split_once("allow: [").unwrap();
        let (allowed, _) = rest.split_once(']').unwrap();
        let published: BTreeSet<String> = allowed
            .lines()
            .filter(|line| !line.trim().starts_with('#'))
            .flat_map(quoted)
            .map(str::to_owned)
            .collect();
        let at_home: Vec<_> = published.difference(&imported).collect();
        assert_eq!(imported.difference(&published).count(), 0, "{role} has more than it may say");
        let expected: &[&str] = match role {
            "api" => &["darkroom.cancel.*.*"],
            "worker" => &["darkroom.cancel.*.*", "darkroom.progress.*.*"],
            "dispatcher" => &["darkroom.feed.*.*.*"],
            "desk" => &["_INBOX.*.>"],
            _ => &[],
        };
        assert_eq!(at_home, expected, "{role} says what reaches nobody");
    }
}

fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// Each way in which JetStream can be made to say something, with the reply to where somebody else
/// speaks: events, keys, and questions of its own.
#[tokio::test]
async fn no_answer_can_be_had_where_another_role_speaks() {
    let server = Server::start().await;
    let log = server.log("api").await;
    let id = fresh_id();
    log.transact::<Toy, No>(&id, now(), request).await.unwrap();
    let operator = server.bare("operator").await;
    let before = last_stored(&operator).await;
    let ends = [
        "darkroom.job.a.j.completed",
        "darkroom.account.a.opened",
        "darkroom.account.a.quotas_set",
        "darkroom.checkpoint.JOBS",
        "$JS.API.STREAM.PURGE.JOBS",
        "darkroom.jetstream.STREAM.PURGE.JOBS",
        "$JS.API.STREAM.DELETE.ACCOUNTS",
        "darkroom.ops.readmodel",
    ];
    let questions = [
        ("$JS.API.DIRECT.GET.JOBS", r#"{"seq":1}"#),
        ("$JS.API.DIRECT.GET.JOBS", r#"{"seq":1,"batch":1}"#),
        ("darkroom.jetstream.STREAM.MSG.GET.JOBS", r#"{"seq":1}"#),
        ("$JS.API.CONSUMER.MSG.NEXT.JOBS.dispatcher", r#"{"batch":1,"no_wait":true}"#),
        ("$JS.API.CONSUMER.MSG.NEXT.WORK.worker-00", r#"{"batch":1,"no_wait":true}"#),
        ("darkroom.jetstream.STREAM.INFO.JOBS", ""),
        ("$KV.keys.job.a", "?"),
    ];
    for role in ROLES.into_iter().filter(|role| *role != "operator") {
        let client = server.bare(role).await;
        for (question, body) in questions {
            for end in ends.iter().filter(|end| !may(role, end)) {
                let ask = client.publish_with_reply(question, (*end).to_owned(), body.into());
                ask.await.unwrap();
            }
        }
        // Answered behind all of these.
        client.request("$JS.API.DIRECT.GET.JOBS", r#"{"seq":1}"#.into()).await.unwrap();
        let after = last_stored(&operator).await;
        assert_eq!(after, before, "{role} had something stored where it may not speak");
    }
}

fn may(role: &str, subject: &str) -> bool {
    let right = format!("> {subject}");
    rights().iter().any(|(other, holders)| *other == right && holders.contains(&role))
}

/// The first and last sequence of each stream that holds what is said.
async fn last_stored(operator: &async_nats::Client) -> Vec<(&'static str, u64, u64)> {
    let mut found = Vec::new();
    for stream in ["JOBS", "ACCOUNTS", "CHECKPOINTS"] {
        let info = operator.request(format!("$JS.API.STREAM.INFO.{stream}"), "".into()).await;
        let info: serde_json::Value = serde_json::from_slice(&info.unwrap().payload).unwrap();
        let at = |name: &str| info["state"][name].as_u64().unwrap();
        found.push((stream, at("first_seq"), at("last_seq")));
    }
    found
}
