//! Long stretches, which operators read through a consumer and auditors by direct gets.

use async_nats::{Client, HeaderMap};
use eventlog::{Log, Raw, Span, topology};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::support::{Server, now, until};

/// More than is read ahead.
const MESSAGES: u64 = 12_000;

/// A server with so many events, every third of another account, decided one second apart.
async fn filled() -> (Server, Client) {
    let server = Server::start_with(eventlog::Durability::Relaxed).await;
    let client = server.bare("operator").await;
    for number in 0..MESSAGES {
        let account = if number.is_multiple_of(3) { "a" } else { "b" };
        let mut headers = HeaderMap::new();
        let at = now() + std::time::Duration::from_secs(number);
        headers.insert("ce-time", at.to_string());
        headers.insert("darkroom-prev", "0".repeat(64));
        let subject = format!("darkroom.job.{account}.{number}.requested");
        client.publish_with_headers(subject, headers, "{}".into()).await.unwrap();
    }
    let log = server.log("operator").await;
    until("all is stored", async || log.last_sequence(topology::JOBS).await.unwrap() == MESSAGES)
        .await;
    (server, client)
}

async fn read(log: &Log, span: &Span) -> Vec<Raw> {
    log.replay(topology::JOBS, span.clone()).try_collect().await.unwrap()
}

async fn api(client: &Client, subject: &str, query: &Value) -> Value {
    let subject = format!("$JS.API.{subject}");
    let answer = client.request(subject, query.to_string().into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

/// Consumers that were made for a replay.
async fn consumers(client: &Client) -> Vec<String> {
    let listed = api(client, "CONSUMER.NAMES.JOBS", &json!({})).await;
    let names = listed["consumers"].as_array().cloned().unwrap_or_default();
    let names = names.iter().filter_map(Value::as_str).filter(|name| name.starts_with("replay-"));
    names.map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_and_an_auditor_read_the_same_of_any_stretch() {
    let (server, client) = filled().await;
    let (operator, auditor) = (server.log("operator").await, server.log("auditor").await);
    let second = |count: u64| Some(now() + std::time::Duration::from_secs(count));
    for span in [
        Span::default(),
        Span { filter: Some("darkroom.job.a.>".to_owned()), ..Span::default() },
        Span { from_seq: Some(600), to_seq: Some(9_000), ..Span::default() },
        Span { from_seq: Some(600), to_seq: Some(1_500), ..Span::default() },
        Span { since: second(3_000), until: second(8_000), ..Span::default() },
        Span { from_seq: Some(MESSAGES + 1), ..Span::default() },
    ] {
        let (ours, theirs) = (read(&operator, &span).await, read(&auditor, &span).await);
        let place = |raw: &Raw| {
            (raw.seq, raw.hash(), raw.headers.get("Nats-Time-Stamp").map(ToOwned::to_owned))
        };
        assert!(ours.iter().map(place).eq(theirs.iter().map(place)), "{span:?}");
        assert!(ours.iter().all(|raw| raw.stream == "JOBS"));
    }
    assert_eq!(read(&operator, &Span::default()).await.len() as u64, MESSAGES);
    until("no consumer is left", async || consumers(&client).await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_whose_consumer_is_taken_away_reads_on_and_misses_nothing() {
    let (server, client) = filled().await;
    let operator = server.log("operator").await;
    let mut pages = operator.replay_pages(topology::JOBS, Span::default());
    let mut seqs: Vec<u64> = Vec::new();
    for _ in 0..2 {
        let page = pages.next().await.unwrap().unwrap();
        seqs.extend(page.iter().map(|raw| raw.seq));
    }
    let made = consumers(&client).await;
    assert_eq!(made.len(), 1);
    api(&client, &format!("CONSUMER.DELETE.JOBS.{}", made[0]), &json!({})).await;
    while let Some(page) = pages.next().await {
        seqs.extend(page.unwrap().iter().map(|raw| raw.seq));
    }
    assert_eq!(seqs, (1..=MESSAGES).collect::<Vec<_>>());
}
