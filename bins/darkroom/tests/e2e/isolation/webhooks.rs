//! Webhooks: each account's endpoints are told of that account, whatever they ask for.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::{Finish as _, Received, until_some};

use super::{Tenant, Two, never, text};
use crate::jobs::PATIENCE;

async fn add(two: &Two, of: &Tenant, path: &str, more: Value) -> String {
    let mut endpoint = json!({ "url": two.hooks.url(path), "topics": ["*"] });
    endpoint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let added = of.ask("POST", "/v1/endpoints", &endpoint).await;
    assert_eq!(added.status, 201, "{}", added.json());
    text(&added.json(), "id")
}

/// Deliveries of somebody's that are over.
async fn delivered(of: &Tenant, query: &str) -> Vec<Value> {
    let path = format!("/v1/deliveries?limit=200&status=delivered&{query}");
    let answer = of.caller.get(&path).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["deliveries"].as_array().unwrap().clone()
}

/// Waits until a job's end was told to an endpoint; gives the delivery.
async fn told(of: &Tenant, endpoint: &str, job: &str) -> Value {
    until_some(&format!("{job} is told to {endpoint}"), PATIENCE, || async {
        let all = delivered(of, &format!("endpoint={endpoint}")).await;
        all.into_iter().find(|one| one["job"] == job && one["topic"] == "job.completed")
    })
    .await
}

fn at<'a>(all: &'a [Received], side: &str) -> Vec<&'a Received> {
    let own: Vec<_> = all.iter().filter(|one| one.path.starts_with(side)).collect();
    assert!(!own.is_empty(), "nothing came at {side}");
    own
}

fn whole(one: &Received) -> String {
    format!("{} {:?} {}", one.path, one.headers, String::from_utf8_lossy(&one.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_an_account_is_told_to_no_endpoint_of_another() {
    let two = Two::start().await;
    let (owner, stranger) = (&two.owner, &two.stranger);
    let own = add(&two, owner, "/owner/all", json!({})).await;
    // Whoever names another's key pair is answered as if it named none that ever was.
    let theirs = add(&two, stranger, "/stranger/all", json!({})).await;
    let mut foreign = Vec::new();
    for application in [owner.application.clone(), never()] {
        let filter = json!({ "applications": [application] });
        foreign.push(add(&two, stranger, "/stranger/filtered", filter).await);
    }
    let both = json!({ "applications": [owner.application, stranger.application] });
    add(&two, stranger, "/stranger/both", both).await;
    add(&two, stranger, "/stranger/thin", json!({ "payload": "thin" })).await;

    let first = two.job(owner, "owners-first", Some("/owner/callback")).await;
    let second = two.job(owner, "owners-second", None).await;
    let third = two.job(stranger, "strangers", Some("/stranger/callback")).await;
    let delivery = told(owner, &own, &second).await;
    told(owner, &own, &first).await;
    let mine = told(stranger, &theirs, &third).await;

    // Everything from the beginning of the log, again; and what may be asked of deliveries.
    let ids = |one: &Value| (text(one, "id"), text(one, "webhook_id"));
    let (theirs_id, _) = ids(&delivery);
    for (method, path, body) in [
        ("POST", format!("/v1/endpoints/{own}/replays"), json!({ "from_seq": 1 })),
        ("POST", format!("/v1/endpoints/{own}/test"), json!({})),
        ("PATCH", format!("/v1/endpoints/{own}"), json!({ "url": two.hooks.url("/stranger/x") })),
        ("POST", format!("/v1/deliveries/{theirs_id}/redeliver"), json!({})),
        ("GET", format!("/v1/deliveries/{theirs_id}"), json!({})),
    ] {
        let answer = stranger.ask(method, &path, &body).await;
        assert_eq!(answer.status, 404, "{method} {path} {}", answer.json());
    }
    assert_eq!(delivered(stranger, &format!("endpoint={own}")).await, Vec::<Value>::new());
    let (mine, webhook_id) = ids(&mine);
    let count = |all: &[Received]| {
        let of_it = |one: &&Received| one.header("webhook-id") == webhook_id;
        all.iter().filter(of_it).count()
    };
    let again = stranger.ask("POST", &format!("/v1/deliveries/{mine}/redeliver"), &json!({})).await;
    assert_eq!(again.status, 202, "{}", again.json());
    two.hooks.wait_until(PATIENCE, |all| count(all) >= 2).await;
    // What is under way is not replayed beside itself.
    until_some("the redelivery is over", PATIENCE, || async {
        let all = delivered(stranger, &format!("endpoint={theirs}")).await;
        all.into_iter().find(|one| one["id"] == mine && one["duplicates"].as_u64() >= Some(1))
    })
    .await;
    for endpoint in [&theirs, &foreign[0], &foreign[1]] {
        let path = format!("/v1/endpoints/{endpoint}/replays");
        let answer = stranger.ask("POST", &path, &json!({ "from_seq": 1 })).await;
        assert_eq!(answer.status, 202, "{}", answer.json());
    }
    // Told, told again by hand and by the replay; and one more job behind all of it.
    two.hooks.wait_until(PATIENCE, |all| count(all) >= 3).await;
    let last = two.job(stranger, "strangers-last", None).await;
    told(stranger, &theirs, &last).await;

    let received = two.hooks.received();
    let secrets = |tenant: &Tenant, jobs: &[&String]| -> Vec<String> {
        let ids = [&tenant.account, &tenant.application, &tenant.key];
        ids.into_iter().chain(jobs.iter().copied()).cloned().collect()
    };
    for (side, others, names) in [
        ("/stranger/", secrets(owner, &[&first, &second, &own, &theirs_id]), "owners-"),
        ("/owner/", secrets(stranger, &[&third, &last, &theirs, &mine]), "strangers"),
    ] {
        for one in at(&received, side) {
            let whole = whole(one);
            for id in &others {
                assert!(!whole.contains(id.as_str()), "{side} is told {id}: {whole}");
            }
            assert!(!whole.contains(names), "{side} is told of {names}: {whole}");
        }
    }
    // Endpoints that want another's key pair, or none's, hear nothing but that they were added.
    for one in at(&received, "/stranger/filtered") {
        assert!(whole(one).contains("endpoint."), "{}", whole(one));
    }
    in_the_log_no_delivery_is_of_anothers_job(&two, &[&first, &second], &[&third, &last]);
}

/// The same, as the log has it: what was due, to whom.
fn in_the_log_no_delivery_is_of_anothers_job(two: &Two, own: &[&String], theirs: &[&String]) {
    let mut replay = two.up.command();
    replay.args(["replay", "--stream", "DELIVERIES", "--json"]);
    let said = super::Said::from(tokio::task::block_in_place(|| replay.finish()));
    assert!(said.well, "{}", said.err);
    let mut seen = BTreeMap::new();
    for line in said.out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let subject = text(&event, "subject");
        let Some(account) = subject.split('.').nth(2) else { panic!("{subject}") };
        for job in own.iter().chain(theirs).filter(|job| line.contains(job.as_str())) {
            let of = if own.contains(job) { &two.owner } else { &two.stranger };
            assert_eq!(account, of.account, "{line}");
            *seen.entry(job.as_str()).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), own.len() + theirs.len(), "{seen:?}");
}
