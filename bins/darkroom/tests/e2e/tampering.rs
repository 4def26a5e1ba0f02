//! Live logs, altered with every right that there is on their server.

use std::convert::Infallible;

use bytes::Bytes;
use domain::{
    Aggregate,
    delivery::{self, Deliveries},
    id::{AccountId, DeliveryId, EndpointId, JobId, MemberId},
    job::{self, Jobs},
    member::{self, Members},
};
use eventlog::{Log, Raw};
use serde_json::{Value, json};
use service::{Clock as _, SystemClock};
use uuid::Uuid;

use crate::audit::{Played, signed};

/// What is done to a stream of seven events, and the first of them with which something is wrong then.
type Alteration = (&'static str, u64, fn(&mut Vec<Raw>));

const ALTERATIONS: [Alteration; 8] = [
    ("a byte of a body", 4, |all| all[3].body = with_a_space(&all[3].body)),
    ("an event removed", 3, |all| drop(all.remove(2))),
    ("two swapped", 2, |all| all.swap(1, 4)),
    ("a covered header", 3, |all| all[2] = with_header(&all[2], "ce-source", "/darkroom2")),
    ("the time", 1, |all| all[0] = with_header(&all[0], "ce-time", "2026-01-01T00:00:00Z")),
    ("one inserted", 4, |all| all.insert(3, all[0].clone())),
    ("the end cut off", 6, |all| all.truncate(5)),
    ("emptied", 1, Vec::clear),
];
/// What is done to each of them, and how many of the alterations to the others.
const ALL: [&str; 2] = ["ACCOUNTS", "JOBS"];
const FEW: ([&str; 2], usize) = (["MEMBERS", "DELIVERIES"], 3);

fn with_a_space(body: &Bytes) -> Bytes {
    let (before, last) = body.split_at(body.len() - 1);
    Bytes::from([before, b" ", last].concat())
}

fn with_header(raw: &Raw, name: &str, value: &str) -> Raw {
    let pairs = raw.headers.iter().map(|(given, old)| {
        (given.to_owned(), if given == name { value.to_owned() } else { old.to_owned() })
    });
    Raw { headers: pairs.collect(), ..raw.clone() }
}

/// Which event is named where all of these streams' are gone. One that lets go of old events may have
/// let go of what was there before its first checkpoint; of what came later it is known that it is young.
const fn first_of_all_gone(stream: &str) -> u64 {
    if matches!(stream.as_bytes(), b"JOBS") { 2 } else { 1 }
}

/// Seven events of six histories, of which the first is signed before there is another.
async fn seven<A: Aggregate>(log: &Log, id: fn(Uuid) -> A::Id, first: A::Event, then: A::Event)
where
    A::Event: Clone,
{
    let ids: Vec<A::Id> = (0..6).map(|_| id(Uuid::new_v4())).collect();
    for (number, id) in ids.iter().enumerate() {
        if number == 1 {
            signed(log, &[A::STREAM]).await;
        }
        let decide = |_: &A::State| Ok::<_, Infallible>(vec![first.clone()]);
        log.transact::<A, _>(id, SystemClock.now(), decide).await.unwrap();
    }
    let decide = |_: &A::State| Ok::<_, Infallible>(vec![then.clone()]);
    log.transact::<A, _>(&ids[1], SystemClock.now(), decide).await.unwrap();
}

fn account() -> AccountId {
    AccountId::from_uuid(Uuid::from_u128(7))
}

async fn fill(log: &Log) {
    seven::<Jobs>(
        log,
        |id| job::Id { account: account(), job: JobId::from_uuid(id) },
        job::Event::CancelRequested {},
        job::Event::Cancelled {},
    )
    .await;
    seven::<Members>(
        log,
        |id| member::Id { account: account(), member: MemberId::from_uuid(id) },
        member::Event::TotpCleared {},
        member::Event::TotpCleared {},
    )
    .await;
    seven::<Deliveries>(
        log,
        |id| delivery::Id {
            account: account(),
            endpoint: EndpointId::from_uuid(Uuid::from_u128(8)),
            delivery: DeliveryId::from_uuid(id),
        },
        delivery::Event::RedeliveryRequested {},
        delivery::Event::RedeliveryRequested {},
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_a_live_log_with_every_right_is_caught_and_the_first_event_named() {
    let streams: Vec<&str> = ALL.into_iter().chain(FEW.0).collect();
    let played = Played::start_with(&streams, fill).await;
    let said = played.verify(&[]).well();
    assert!(said.out.contains("the log holds: 28 events"), "{}", said.out);
    for stream in streams {
        let genuine = played.messages(stream).await;
        assert_eq!(genuine.len(), 7);
        let few = if FEW.0.contains(&stream) { FEW.1 } else { ALTERATIONS.len() };
        for (what, seq, alter) in &ALTERATIONS[..few] {
            println!("{stream}: {what}");
            let mut altered = genuine.clone();
            alter(&mut altered);
            played.replace(stream, &altered).await;
            let seq = if altered.is_empty() { first_of_all_gone(stream) } else { *seq };
            played.verify(&[]).amiss(&format!("First bad event: {stream} {seq}"));
        }
        let said = played.verify(&["--json"]);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        let first = &report["first_bad"];
        assert_eq!((&report["holds"], &first["stream"]), (&json!(false), &json!(stream)));
        played.replace(stream, &genuine).await;
        played.verify(&[]).well();
    }
}
