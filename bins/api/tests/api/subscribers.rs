//! Customers' own NATS clients, over a real server.

mod examples;
mod hostile;
pub(crate) mod raw;

use std::time::{Duration, Instant};

use domain::{
    account::{self, Accounts},
    job,
    scope::Scope,
};
use eventlog::callout::Gate;
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};

use self::raw::{Frame, Raw};
use crate::stage::{PATIENCE, Running, Tenant, World, eventually};

/// How soon a client whose key was revoked is cut off.
const AT_ONCE: Duration = Duration::from_secs(1);

/// An API with a gate, over a server that runs.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) api: Running,
    pub(crate) url: String,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let world = World::real().await;
        let (nats, keys) = world.gate();
        let gate = Gate::open(&nats, &keys).await.unwrap();
        let api = world.api_with_gate("api", gate).await;
        Self { world, api, url: nats.url }
    }

    /// A client that was let in. The gate opens a moment after the API is ready.
    pub(crate) async fn client(&self, tenant: &Tenant) -> Raw {
        let client = std::cell::RefCell::new(None);
        eventually("a client is let in", PATIENCE, || async {
            let connected = Raw::connect(&self.url, &tenant.key, &tenant.secret).await;
            *client.borrow_mut() = connected.ok();
            client.borrow().is_some()
        })
        .await;
        client.into_inner().unwrap()
    }

    /// A job of `tenant`, which has been requested.
    pub(crate) async fn job(&self, tenant: &Tenant) -> job::Id {
        tenant.id(&self.api.submit(tenant).await)
    }
}

/// Waits until the server hangs up.
async fn hung_up(client: &mut Raw, since: Instant) -> Duration {
    loop {
        match client.next(PATIENCE).await.expect("the server hangs up") {
            Frame::Gone => return since.elapsed(),
            Frame::Message(message) => panic!("{message:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_account_hears_its_own_events_as_they_are_stored_and_nobody_elses() {
    let stage = Stage::set().await;
    let (own, other) = (stage.world.tenant().await, stage.world.tenant().await);
    let mut client = stage.client(&own).await;
    client.say(&format!("SUB darkroom.job.{}.> 1", own.account)).await;
    assert_eq!(client.settle().await, [Frame::Pong]);
    client.say(&format!("SUB darkroom.job.{}.> 2", other.account)).await;
    client.say("SUB darkroom.job.*.> 3").await;
    let refused = client.settle().await;
    assert_eq!(refused.len(), 3, "{refused:?}");
    stage.job(&other).await;
    let id = stage.job(&own).await;
    let heard = client.message().await;
    assert_eq!(heard.subject, format!("darkroom.job.{}.{}.requested", id.account, id.job));
    assert!(heard.headers.contains("Nats-Sequence: 2"), "{}", heard.headers);
    assert!(heard.headers.contains("ce-type: darkroom.job.requested.v1"), "{}", heard.headers);
    assert_eq!(client.settle().await, [Frame::Pong]);
}

#[tokio::test]
async fn a_consumer_goes_on_where_its_client_left_off() {
    let stage = Stage::set().await;
    let (own, other) = (stage.world.tenant().await, stage.world.tenant().await);
    let account = own.account.to_string();
    let jobs = [stage.job(&own).await, stage.job(&other).await, stage.job(&own).await];
    let mut client = stage.client(&own).await;
    let wish = json!({ "stream_name": "JOBS", "config": { "durable_name": "1", "ack_policy": "explicit" } });
    let made = client.ask(&account, "CONSUMER.DURABLE.CREATE.JOBS.1", &wish).await;
    assert_eq!(made["config"]["durable_name"], "1", "{made}");
    assert_eq!(made["num_pending"], 2, "{made}");
    let first = pull(&mut client, &account, 5).await;
    assert_eq!(first.len(), 2);
    assert!(first[0].says(&jobs[0].job.to_string()) && first[1].says(&jobs[2].job.to_string()));
    client.publish(first[0].reply.as_deref().unwrap(), "", "+ACK").await;
    assert_eq!(client.settle().await, [Frame::Pong]);
    drop(client);

    let fourth = stage.job(&own).await;
    let mut client = stage.client(&own).await;
    // What was not acknowledged is put off by hand, and comes again with what is new.
    client.publish(first[1].reply.as_deref().unwrap(), "", "-NAK").await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        for message in pull(&mut client, &account, 5).await {
            let inbox = format!("_INBOX.{account}.acked");
            client.say(&format!("SUB {inbox} 77")).await;
            client.publish(message.reply.as_deref().unwrap(), &inbox, "+ACK").await;
            assert_eq!(client.message().await.subject, inbox, "an acknowledgement is confirmed");
            client.say("UNSUB 77").await;
            seen.push(message);
        }
    }
    for job in [&jobs[2], &fourth] {
        assert!(seen.iter().any(|message| message.says(&job.job.to_string())), "{job:?}");
    }
    let shown = client.ask(&account, "CONSUMER.INFO.JOBS.1", &Value::Null).await;
    assert_eq!((&shown["num_pending"], &shown["num_ack_pending"]), (&json!(0), &json!(0)));
    let names = client.ask(&account, "CONSUMER.NAMES.JOBS", &Value::Null).await;
    assert_eq!(names["consumers"], json!(["1"]));
    let gone = client.ask(&account, "CONSUMER.DELETE.JOBS.1", &Value::Null).await;
    assert_eq!(gone["success"], true, "{gone}");
}

/// Pulls, and waits until the server says that there is no more.
async fn pull(client: &mut Raw, account: &str, batch: u32) -> Vec<raw::Message> {
    let inbox = format!("_INBOX.{account}.pulled");
    client.say(&format!("SUB {inbox} 55")).await;
    let wish = json!({ "batch": batch, "expires": 1_000_000_000 });
    client
        .publish(&format!("$JS.{account}.API.CONSUMER.MSG.NEXT.JOBS.1"), &inbox, &wish.to_string())
        .await;
    let mut messages = Vec::new();
    loop {
        let message = client.message().await;
        if message.headers.starts_with("NATS/1.0 4") {
            client.say("UNSUB 55").await;
            return messages;
        }
        assert!(message.subject.starts_with(&format!("darkroom.job.{account}.")), "{message:?}");
        messages.push(message);
    }
}

#[tokio::test]
async fn uploads_deliveries_and_progress_are_heard_and_followed_as_jobs_are() {
    let stage = Stage::set().await;
    let own = stage.world.tenant().await;
    let account = own.account.to_string();
    let mut client = stage.client(&own).await;
    for (sid, noun) in ["upload", "delivery", "progress"].iter().enumerate() {
        client.say(&format!("SUB darkroom.{noun}.{account}.> {sid}")).await;
    }
    assert_eq!(client.settle().await, [Frame::Pong]);
    let id = stage.job(&own).await;
    let worker = stage.world.as_worker().await;
    worker.report_progress(own.account, id.job, &json!({ "page": 3 })).await.unwrap();
    let heard = client.message().await;
    assert_eq!(heard.subject, format!("darkroom.progress.{account}.{}", id.job));
    assert_eq!(heard.json(), json!({ "page": 3 }));

    // What it says is nobody's concern on the way.
    let mut operator = Raw::role(&stage.world.settings_of("operator")).await.unwrap();
    for (stream, subject) in [
        ("UPLOADS", format!("darkroom.upload.{account}.u.started")),
        ("DELIVERIES", format!("darkroom.delivery.{account}.e.d.delivered")),
    ] {
        operator.publish(&subject, "", "{}").await;
        assert_eq!(client.message().await.subject, subject);
        let wish = json!({ "config": { "name": "8", "ack_policy": "none" } });
        let made = client.ask(&account, &format!("CONSUMER.CREATE.{stream}.8"), &wish).await;
        assert_eq!(made["num_pending"], 1, "{made}");
        let found = client.ask(&account, "STREAM.NAMES", &json!({ "subject": subject })).await;
        assert_eq!(found["streams"], json!([stream]));
    }
}

#[tokio::test]
async fn whoever_has_no_key_and_secret_that_open_is_not_let_in() {
    let stage = Stage::set().await;
    let (own, other) = (stage.world.tenant().await, stage.world.tenant().await);
    let blind = stage
        .world
        .tenant_with(|application| {
            application.terms.scopes = Some([Scope::MembersWrite].into());
        })
        .await;
    drop(stage.client(&own).await);
    for (user, pass) in [
        (own.key.as_str(), other.secret.as_str()),
        (&own.key, ""),
        ("", &own.secret),
        ("", ""),
        ("dk_test_nobody", &own.secret),
        ("api", &own.secret),
        ("gate", ""),
        ("usher", "x"),
        ("observer", &own.secret),
        (&blind.key, &blind.secret),
    ] {
        let refused = Raw::connect(&stage.url, user, pass).await;
        assert!(refused.is_err(), "{user} {pass}");
    }
}

#[tokio::test]
async fn a_client_is_cut_off_within_a_second_of_its_keys_end_and_not_let_in_again() {
    let stage = Stage::set().await;
    let (own, other) = (stage.world.tenant().await, stage.world.tenant().await);
    let (mut client, mut bystander) = (stage.client(&own).await, stage.client(&other).await);
    // An idle one is cut off as well.
    client.say(&format!("SUB darkroom.job.{}.> 1", own.account)).await;
    assert_eq!(client.settle().await, [Frame::Pong]);
    stage.world.revoke(&own).await;
    let took = hung_up(&mut client, Instant::now()).await;
    assert!(took < AT_ONCE, "{took:?}");
    assert!(Raw::connect(&stage.url, &own.key, &own.secret).await.is_err());
    assert_eq!(bystander.settle().await, [Frame::Pong]);

    // The secret that was replaced ends; the one in its place opens.
    let secret = vault::secrets::token("ds_test_").expose().to_owned();
    let digest = stage.world.custody.secret_digest(&secret);
    let (id, now) = (other.application, SystemClock.now());
    let operator = stage.world.connect("operator").await;
    operator
        .transact::<Accounts, account::Refusal>(&other.account, now, |state| {
            account::rotate_application(state, id, digest.clone(), now)
        })
        .await
        .unwrap();
    let took = hung_up(&mut bystander, Instant::now()).await;
    assert!(took < AT_ONCE, "{took:?}");
    assert!(Raw::connect(&stage.url, &other.key, &other.secret).await.is_err());
    let mut renewed = Raw::connect(&stage.url, &other.key, &secret).await.unwrap();

    // With the account every key ends.
    operator
        .transact::<Accounts, account::Refusal>(&other.account, now, account::request_erasure)
        .await
        .unwrap();
    let took = hung_up(&mut renewed, Instant::now()).await;
    assert!(took < AT_ONCE, "{took:?}");
    assert!(Raw::connect(&stage.url, &other.key, &secret).await.is_err());
}

#[tokio::test]
async fn a_client_with_a_secret_that_ends_by_itself_ends_with_it() {
    let stage = Stage::set().await;
    let own = stage.world.tenant().await;
    let secret = vault::secrets::token("ds_test_").expose().to_owned();
    let digest = stage.world.custody.secret_digest(&secret);
    drop(stage.client(&own).await);
    let (id, now) = (own.application, SystemClock.now());
    let until = now + jiff::SignedDuration::from_secs(3);
    let operator = stage.world.connect("operator").await;
    operator
        .transact::<Accounts, account::Refusal>(&own.account, now, |state| {
            account::rotate_application(state, id, digest.clone(), until)
        })
        .await
        .unwrap();
    let renewed = Tenant { secret, ..own.clone() };
    let (mut before, mut after) = (stage.client(&own).await, stage.client(&renewed).await);
    hung_up(&mut before, Instant::now()).await;
    let early = SystemClock.now().duration_since(until);
    assert!(early.abs() < jiff::SignedDuration::from_secs(2), "{early}");
    assert_eq!(after.settle().await, [Frame::Pong]);
}

#[tokio::test]
async fn a_key_hears_what_its_scopes_cover() {
    let stage = Stage::set().await;
    let narrow = stage
        .world
        .tenant_with(|application| application.terms.scopes = Some([Scope::JobsRead].into()))
        .await;
    let account = narrow.account.to_string();
    let mut client = stage.client(&narrow).await;
    for (subject, allowed) in [
        (format!("darkroom.job.{account}.>"), true),
        (format!("darkroom.progress.{account}.>"), true),
        (format!("darkroom.feed.{account}.>"), true),
        (format!("darkroom.upload.{account}.>"), false),
        (format!("darkroom.delivery.{account}.>"), false),
        (format!("darkroom.account.{account}.>"), false),
    ] {
        client.say(&format!("SUB {subject} 1")).await;
        let refused = client.settle().await.len() > 1;
        client.say("UNSUB 1").await;
        assert_eq!(!refused, allowed, "{subject}");
    }
    client
        .publish(&format!("$JS.{account}.API.CONSUMER.DURABLE.CREATE.DELIVERIES.1"), "", "{}")
        .await;
    assert!(matches!(client.settle().await.as_slice(), [Frame::Wrong(_), Frame::Pong]));
}

#[tokio::test]
async fn where_nobody_answers_for_customers_none_is_let_in() {
    let stage = Stage::set().await;
    let own = stage.world.tenant().await;
    drop(stage.client(&own).await);
    stage.api.shutdown.cancel();
    eventually("the gate is shut", PATIENCE, || async {
        Raw::connect(&stage.url, &own.key, &own.secret).await.is_err()
    })
    .await;
}
