//! Attempts of a customer on another's account, over the protocol itself: none reads or writes anything.

mod attempts;

use std::time::Duration;

use serde_json::{Value, json};

use self::attempts::{Attempt, Cast};
use super::{
    Stage,
    raw::{Frame, Message, Raw},
};

/// The least number of attempts.
const ATTEMPTS: usize = 200;
/// What is in the headers of a message that was stored.
const STREAMS: [&str; 10] = [
    "JOBS",
    "ACCOUNTS",
    "DELIVERIES",
    "MEMBERS",
    "UPLOADS",
    "ENDPOINTS",
    "WORK",
    "PARKED",
    "CHECKPOINTS",
    "KV_keys",
];

/// What an attempt must not change.
async fn state(operator: &mut Raw, cast: &Cast) -> Value {
    let mut state = serde_json::Map::new();
    for stream in STREAMS {
        let info = ask(operator, &format!("$JS.API.STREAM.INFO.{stream}")).await;
        let names = ask(operator, &format!("$JS.API.CONSUMER.NAMES.{stream}")).await;
        let counts = ["messages", "first_seq", "last_seq", "consumer_count"];
        let counts: Vec<_> = counts.iter().map(|name| info["state"][name].clone()).collect();
        let mut config = info["config"].clone();
        config.as_object_mut().unwrap().remove("metadata");
        state.insert(stream.to_owned(), json!([counts, names["consumers"], config]));
    }
    for name in
        [format!("{}-1", cast.victim()), format!("{}-1", cast.own()), "dispatcher".to_owned()]
    {
        let info = ask(operator, &format!("$JS.API.CONSUMER.INFO.JOBS.{name}")).await;
        let fields = ["delivered", "ack_floor", "num_ack_pending", "num_pending", "config"];
        // Own messages may be taken by who they are for, and are.
        let fields = if name.starts_with(&cast.own()) { &fields[4..] } else { &fields[..] };
        let known: Vec<_> = fields
            .iter()
            .map(|field| {
                let mut known = info[*field].clone();
                if let Some(known) = known.as_object_mut() {
                    known.remove("last_active");
                    known.remove("metadata");
                }
                known
            })
            .collect();
        state.insert(name, known.into());
    }
    state.into()
}

async fn ask(operator: &mut Raw, subject: &str) -> Value {
    operator.publish(subject, "_INBOX_operator.x", "").await;
    operator.message().await.json()
}

#[tokio::test]
async fn two_hundred_attempts_on_another_account_read_and_write_nothing() {
    let stage = Stage::set().await;
    let (own, victim) = (stage.world.tenant().await, stage.world.tenant().await);
    let job = stage.job(&victim).await;
    stage.job(&own).await;
    stage.job(&victim).await;
    let cast = Cast { own, victim, job };
    let mut operator = Raw::role(&stage.world.settings_of("operator")).await.unwrap();
    operator.say("SUB _INBOX_operator.> 1").await;

    // The victim has a consumer with a message given out and one to come, and listens to all it may.
    let victim = cast.victim();
    let mut target = stage.client(&cast.victim).await;
    let wish = json!({ "config": { "ack_policy": "explicit", "ack_wait": 600_000_000_000_u64 } });
    target.ask(&victim, "CONSUMER.DURABLE.CREATE.JOBS.1", &wish).await;
    target.say(&format!("SUB _INBOX.{victim}.> 1")).await;
    target
        .publish(
            &format!("$JS.{victim}.API.CONSUMER.MSG.NEXT.JOBS.1"),
            &format!("_INBOX.{victim}.first"),
            "",
        )
        .await;
    let given = target.message().await;
    assert!(given.says(&cast.job.job.to_string()));
    for (sid, noun) in ["job", "upload", "delivery", "feed", "progress"].iter().enumerate() {
        target.say(&format!("SUB darkroom.{noun}.{victim}.> 2{sid}")).await;
    }
    assert_eq!(target.settle().await, [Frame::Pong]);
    // The attacker has one as well.
    let mut client = stage.client(&cast.own).await;
    client.ask(&cast.own(), "CONSUMER.DURABLE.CREATE.JOBS.1", &wish).await;

    let before = state(&mut operator, &cast).await;
    let (listening, saying) = (cast.listening(), cast.saying());
    // The server refuses these by itself; the others reach the gate, or break the protocol.
    let refused = listening.len() + saying.len();
    let attempts: Vec<Attempt> =
        [listening, saying, cast.twisting(), cast.breaking()].into_iter().flatten().collect();
    assert!(attempts.len() >= ATTEMPTS, "{}", attempts.len());
    let mut heard: Vec<(usize, Message)> = Vec::new();
    client.say(&format!("SUB _INBOX.{}.> 8", cast.own())).await;
    for (number, Attempt(bytes)) in attempts.iter().enumerate() {
        client.send(bytes).await;
        let (mut gone, frames) = (false, client.settle().await);
        assert!(
            number >= refused || frames.iter().any(|frame| matches!(frame, Frame::Wrong(_))),
            "not refused: {}",
            String::from_utf8_lossy(bytes)
        );
        for frame in frames {
            match frame {
                Frame::Message(message) => heard.push((number, message)),
                Frame::Gone => gone = true,
                Frame::Wrong(_) | Frame::Pong => {}
            }
        }
        if gone {
            client = stage.client(&cast.own).await;
            client.say(&format!("SUB _INBOX.{}.> 8", cast.own())).await;
        } else {
            client.say("UNSUB 9").await;
        }
    }
    // Something to be heard, if anybody hears: of the victim, and answers that take their time.
    let marked = stage.job(&cast.victim).await;
    while let Some(frame) = client.next(Duration::from_millis(300)).await {
        match frame {
            Frame::Message(message) => heard.push((attempts.len(), message)),
            Frame::Gone => break,
            _ => {}
        }
    }
    for (number, message) in &heard {
        let what = || {
            let said = attempts.get(*number).map(|attempt| String::from_utf8_lossy(&attempt.0));
            format!("{message:?} after {said:?}")
        };
        assert!(
            message.subject.starts_with("_INBOX.") || message.subject.contains(&cast.own()),
            "{}",
            what()
        );
        let quotes_us = message.says("error");
        assert!(quotes_us || !message.says(&victim), "{}", what());
        assert!(
            !message.says(&cast.job.job.to_string()) && !message.says(&marked.job.to_string()),
            "{}",
            what()
        );
    }
    // The victim hears its own job and nothing else.
    let mut seen = Vec::new();
    for frame in target.settle().await {
        match frame {
            Frame::Message(message) => seen.push(message.subject),
            Frame::Pong => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [format!("darkroom.job.{victim}.{}.requested", marked.job)]);

    let mut after = state(&mut operator, &cast).await;
    // Of all that is different only the job that was asked for over HTTP.
    let grown = |state: &Value, stream: &str| state[stream][0][2].as_u64().unwrap();
    assert_eq!(grown(&after, "JOBS"), grown(&before, "JOBS") + 1);
    let expected = &before[format!("{victim}-1")];
    assert_eq!(
        after[format!("{victim}-1")][3].as_u64(),
        expected[3].as_u64().map(|pending| pending + 1)
    );
    for stream in ["JOBS", "WORK", "KV_keys"] {
        after[stream][0] = before[stream][0].clone();
    }
    after[format!("{victim}-1")][3] = expected[3].clone();
    after["dispatcher"][3] = before["dispatcher"][3].clone();
    for (name, was) in before.as_object().unwrap() {
        assert_eq!(&after[name], was, "{name}");
    }

    // All this would have been noticed: the victim itself takes up its message, and it shows.
    let inbox = format!("_INBOX.{victim}.acked");
    target.publish(&given.reply.unwrap(), &inbox, "+ACK").await;
    assert_eq!(target.message().await.subject, inbox);
    let acknowledged = state(&mut operator, &cast).await;
    assert_ne!(acknowledged[format!("{victim}-1")], before[format!("{victim}-1")]);
}
