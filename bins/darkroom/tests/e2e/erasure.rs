//! Erasing jobs and accounts: what goes, what stays, and that nobody who dies leaves it half done.

use std::{sync::Arc, time::Duration};

use domain::{
    id::{AccountId, JobId},
    job::{self, Jobs},
};
use eventlog::Keys;
use rand::Rng as _;
use serde_json::{Value, json};
use testkit::{Caller, Part, Source, SourceServer, Stack, WebhookReceiver, eventually, pictures};
use vault::{Role, Vault};

use crate::{
    chaos::check_read_models,
    expiry::{files, objects},
    jobs,
};

const PATIENCE: Duration = Duration::from_secs(90);
const SECRET_WORD: &str = "whispered-in-the-request";

async fn vault(stack: &Stack) -> Vault {
    let keys = Arc::new(Keys::new(&stack.nats.log("operator").await));
    Vault::open(&stack.vault(), Role::Operates, keys).await.unwrap()
}

async fn can_be_opened(stack: &Stack, job: &str) -> bool {
    vault(stack).await.job_key(&stack.account.to_string(), job).await.is_ok()
}

async fn hand_in(caller: &Caller, sources: &SourceServer, path: &str) -> String {
    let source = sources.url(path);
    let data = json!({"note": SECRET_WORD});
    jobs::wish(caller, &json!({"url": source, "sizes": ["40x40"], "data": data})).await
}

/// The receipt of an erasure that is done.
async fn receipt(caller: &Caller, id: &str) -> Value {
    testkit::until_some(&format!("{id} is erased"), PATIENCE, || async {
        let answer = caller.get(&format!("/v1/erasures/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        Some(answer.json()).filter(|receipt| receipt["status"] == "erased")
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_job_is_forgotten_everywhere_but_in_its_chain() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let stack = Stack::start(2, &[sources.port(), hooks.port()], &[]).await;
    let (here, there) = (stack.caller(0), stack.caller(1));
    sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    sources.put("/b.jpg", Source::hanging());
    let ended = hand_in(&here, &sources, "/a.jpg").await;
    let kept = hand_in(&here, &sources, "/a.jpg").await;
    for id in [&ended, &kept] {
        assert_eq!(jobs::ended(&here, id).await["status"], "success");
    }
    let running = hand_in(&there, &sources, "/b.jpg").await;
    eventually("it runs", PATIENCE, || async { sources.hits("/b.jpg") > 0 }).await;
    assert_eq!(objects(&stack, &ended).len(), 3);

    assert_eq!(here.delete(&format!("/v1/jobs/{ended}?erase=maybe")).await.status, 400);
    assert_eq!(here.get(&format!("/v1/erasures/{ended}")).await.status, 404);
    for id in [&ended, &running] {
        let answer = here.delete(&format!("/v1/jobs/{id}?erase=true")).await;
        assert_eq!(answer.status, 202, "{}", answer.json());
        assert!(
            answer.headers["location"].to_str().unwrap().ends_with(&format!("/v1/erasures/{id}"))
        );
        let first = receipt(&there, id).await;
        let again = here.delete(&format!("/v1/jobs/{id}?erase=true")).await;
        assert_eq!((again.status, again.json()), (202, first.clone()), "asked twice, done once");
        assert!(!first.to_string().contains(SECRET_WORD));
        let events = jobs::events(&there, id).await;
        let last = events.last().unwrap();
        assert_eq!((&last["type"], &last["hash"]), (&json!("erased"), &first["event"]["hash"]));
        for caller in [&here, &there] {
            for path in ["/v1/jobs", "/v2/previews"] {
                assert_eq!(caller.get(&format!("{path}/{id}")).await.status, 404, "{path}");
            }
        }
        assert_eq!(objects(&stack, id), Vec::<String>::new());
        assert!(!can_be_opened(&stack, id).await);
    }
    assert_eq!(receipt(&here, &ended).await["objects"], 3);
    assert_eq!(files(&stack.s3.data().join("darkroom/erasures")).len(), 2, "a note of each");
    let listed = there.get("/v1/jobs").await.json();
    let ids: Vec<&Value> =
        listed["jobs"].as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!(ids, [&json!(kept)]);
    let counts = here.get("/v1/counts").await.json();
    assert_eq!((&counts["completed"], &counts["cancelled"]), (&json!(1), &json!(0)), "{counts}");
    assert!(can_be_opened(&stack, &kept).await);
    assert_eq!(objects(&stack, &kept).len(), 3);
    check_read_models(&stack, "anew").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_whose_workers_are_killed_is_finished_by_the_next() {
    const JOBS: usize = 12;
    const KILLS: usize = 8;
    let sources = SourceServer::start().await;
    let mut stack = Stack::start(1, &[sources.port()], &[]).await;
    let caller = stack.caller(0);
    sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        ids.push(hand_in(&caller, &sources, "/a.jpg").await);
    }
    for id in &ids {
        jobs::ended(&caller, id).await;
    }
    for chunk in ids.chunks(JOBS.div_ceil(KILLS)) {
        for id in chunk {
            assert_eq!(caller.delete(&format!("/v1/jobs/{id}?erase=true")).await.status, 202);
        }
        let calm = Duration::from_millis(rand::rng().random_range(0..40));
        tokio::time::sleep(calm).await;
        println!("kill after {calm:?}");
        stack.kill(Part::Worker);
        stack.start_part(Part::Worker);
    }
    for id in &ids {
        let receipt = receipt(&caller, id).await;
        assert!(receipt["objects"].as_u64().unwrap() <= 3, "{receipt}");
        let erased = jobs::history(&caller, id).await;
        assert_eq!(erased.iter().filter(|name| *name == "erased").count(), 1, "{erased:?}");
        assert_eq!(objects(&stack, id), Vec::<String>::new());
        assert!(!can_be_opened(&stack, id).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_account_is_left_but_its_chain() {
    let (sources, hooks) = (SourceServer::start().await, WebhookReceiver::start().await);
    let stack = Stack::start(2, &[sources.port(), hooks.port()], &[]).await;
    let (here, there) = (stack.caller(0), stack.caller(1));
    sources.put("/a.jpg", Source::bytes(pictures::PHOTOGRAPH));
    sources.put("/b.jpg", Source::hanging());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(hand_in(&here, &sources, "/a.jpg").await);
    }
    for id in &ids {
        jobs::ended(&here, id).await;
    }
    ids.push(hand_in(&here, &sources, "/b.jpg").await);
    let account = stack.account;
    assert!(files(stack.s3.data()).iter().any(|path| path.contains(&format!("/{account}/"))));

    assert_eq!(here.delete("/v1/account").await.status, 400, "it has to be confirmed");
    let other = JobId::from_uuid(uuid::Uuid::new_v4());
    assert_eq!(here.delete(&format!("/v1/account?confirm={other}")).await.status, 400);
    let answer = here.delete(&format!("/v1/account?confirm={account}")).await;
    assert_eq!(answer.status, 202, "{}", answer.json());
    assert_eq!(here.get("/v1/jobs").await.status, 401, "its keys open nothing from now on");
    eventually("nor anywhere else", Duration::from_secs(10), || async {
        there.get("/v1/jobs").await.status == 401
    })
    .await;
    let operator = stack.nats.log("operator").await;
    let erased = format!("darkroom.account.{account}.erased");
    let erased = testkit::until_some("the account is erased", PATIENCE, || async {
        operator.last("ACCOUNTS", &erased).await.unwrap()
    })
    .await;
    let said: Value = serde_json::from_slice(&erased.body).unwrap();
    assert_eq!((&said["jobs"], &said["objects"]), (&json!(4), &json!(9)), "{said}");
    check_no_trace(&stack, account, &ids).await;
    check_read_models(&stack, "anew").await;
}

async fn check_no_trace(stack: &Stack, account: AccountId, ids: &[String]) {
    let left: Vec<String> = files(stack.s3.data())
        .into_iter()
        .filter(|path| path.contains(&format!("/{account}/")))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let notes = files(&stack.s3.data().join("darkroom/erasures"));
    assert!(notes.len() == 1 && notes[0].ends_with(&format!("/accounts/{account}")), "{notes:?}");
    let vault = vault(stack).await;
    assert!(vault.account_key(&account.to_string()).await.is_err());
    let operator = stack.nats.log("operator").await;
    for id in ids {
        assert!(vault.job_key(&account.to_string(), id).await.is_err());
        let id = job::Id { account, job: id.parse().unwrap() };
        let messages = operator.messages::<Jobs>(&id).await.unwrap();
        eventlog::verify_chain(&messages).unwrap();
        assert_eq!(messages.last().unwrap().event_name(), "erased");
    }
}
