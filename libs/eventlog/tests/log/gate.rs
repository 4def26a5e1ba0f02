//! What the gate may do: make consumers for customers, and touch none of Darkroom's own.

use std::{fs, path::Path, time::Duration};

use async_nats::{Client, ConnectOptions, Event, jetstream};
use domain::id::AccountId;
use eventlog::callout::{Admission, Gate, Sees};
use futures::StreamExt as _;
use jetstream::consumer::pull::Config;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Event as Happened, Id, PATIENCE, Server, Three, Toy, now, until};

/// A connection, and what the server refuses it.
struct Watched {
    client: Client,
    refused: mpsc::Receiver<String>,
}

impl Watched {
    async fn connect(server: &Server, user: &str) -> Self {
        let (sender, refused) = mpsc::channel(64);
        let settings = server.settings(user);
        let client = ConnectOptions::new()
            .nkey(settings.password.expose().to_owned())
            .custom_inbox_prefix(format!("_INBOX_{user}"))
            .event_callback(move |event| {
                let sender = sender.clone();
                async move {
                    if let Event::ServerError(error) = event {
                        drop(sender.send(error.to_string()).await);
                    }
                }
            })
            .connect(&settings.url)
            .await
            .unwrap();
        Self { client, refused }
    }

    /// Whether the server takes a message there.
    async fn may_say(&mut self, subject: &str) -> bool {
        self.client.publish(subject.to_owned(), "?".into()).await.unwrap();
        self.is_refused().await
    }

    async fn may_hear(&mut self, subject: &str) -> bool {
        let _listening = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.is_refused().await
    }

    /// A marker that is never allowed comes back behind whatever came before it.
    async fn is_refused(&mut self) -> bool {
        self.client.publish("nobody.may", "".into()).await.unwrap();
        let mut allowed = true;
        loop {
            let error = tokio::time::timeout(Duration::from_secs(10), self.refused.recv()).await;
            if error.unwrap().unwrap().contains("nobody.may") {
                return allowed;
            }
            allowed = false;
        }
    }
}

/// Darkroom's own consumers on streams that customers may follow.
fn own_consumers() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nats/consumers");
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names
        .filter_map(|name| {
            let (stream, consumer) = name.strip_suffix(".json")?.split_once('.')?;
            let open = ["JOBS", "UPLOADS", "DELIVERIES"].contains(&stream);
            open.then(|| (stream.to_owned(), consumer.to_owned()))
        })
        .collect()
}

#[tokio::test]
async fn the_desk_touches_consumers_of_customers_and_none_of_darkrooms_own() {
    let server = Server::start().await;
    let mut desk = Watched::connect(&server, "desk").await;
    let nouns = [("JOBS", "job"), ("UPLOADS", "upload"), ("DELIVERIES", "delivery")];
    let questions = |stream: &str, consumer: &str| {
        let noun = nouns.iter().find(|(name, _)| *name == stream).unwrap().1;
        [
            format!("darkroom.desk.CONSUMER.CREATE.{stream}.{consumer}.darkroom.{noun}.a.>"),
            format!("darkroom.desk.CONSUMER.DELETE.{stream}.{consumer}"),
            format!("darkroom.desk.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
            format!("darkroom.desk.ACK.{stream}.{consumer}.1.1.1.1.1"),
        ]
    };
    for (stream, _) in nouns {
        for subject in questions(stream, "a-1") {
            assert!(desk.may_say(&subject).await, "{subject}");
        }
    }
    let own = own_consumers();
    assert!(own.len() >= 5, "{own:?}");
    for (stream, consumer) in own {
        for subject in questions(&stream, &consumer) {
            let denied = "the deny list of `desk` in nats/users.conf lacks it";
            assert!(!desk.may_say(&subject).await, "{subject}: {denied}");
        }
    }
    for subject in [
        "darkroom.desk.CONSUMER.CREATE.JOBS.a-1",
        "darkroom.desk.CONSUMER.CREATE.JOBS.a-1.darkroom.>",
        "darkroom.desk.CONSUMER.DURABLE.CREATE.JOBS.a-1",
        "darkroom.desk.CONSUMER.CREATE.ACCOUNTS.a-1.darkroom.account.>",
        "darkroom.desk.CONSUMER.MSG.NEXT.WORK.worker-00",
        "$JS.API.CONSUMER.MSG.NEXT.JOBS.a-1",
        "darkroom.desk.STREAM.DELETE.JOBS",
        "$JS.API.DIRECT.GET.JOBS",
        "darkroom.desk.ACK.WORK.worker-00.1.1.1.1.1",
        "darkroom.job.a.j.requested",
        "_INBOX_api.x",
    ] {
        assert!(!desk.may_say(subject).await, "{subject}");
    }
    for subject in ["darkroom.live.>", "_INBOX.>", "$KV.>", ">"] {
        assert!(!desk.may_hear(subject).await, "{subject}");
    }
}

#[tokio::test]
async fn the_usher_ends_connections_and_does_nothing_else() {
    let server = Server::start().await;
    let mut usher = Watched::connect(&server, "usher").await;
    for (subject, expected) in [
        ("$SYS.REQ.SERVER.PING.CONNZ", true),
        ("$SYS.REQ.SERVER.x.KICK", true),
        ("$SYS.REQ.SERVER.PING.VARZ", false),
        ("$SYS.REQ.SERVER.x.RELOAD", false),
        ("$SYS.REQ.ACCOUNT.DARKROOM.CONNZ", false),
        ("darkroom.job.a.j.requested", false),
    ] {
        assert_eq!(usher.may_say(subject).await, expected, "{subject}");
    }
    assert!(!usher.may_hear("$SYS.>").await);
}

#[tokio::test]
async fn each_of_three_servers_lets_customers_in_hands_out_and_cuts_off() {
    let three = Three::start().await;
    let account = AccountId::from_uuid(Uuid::from_u128(7));
    let settings = three.cluster.settings("gate");
    let gate = Gate::open(&settings, &three.cluster.callout()).await.unwrap();
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let (opens, serves, stopped) = (gate.clone(), gate.clone(), stop.clone());
    tokio::spawn(async move {
        let sees = Sees { jobs: true, uploads: false, deliveries: false };
        let guest = move || Admission { account, guest: "dk".to_owned(), until: None, sees };
        opens
            .admit(move |claim| async move { (claim.secret.expose() == "ds").then(guest) }, &stop)
            .await
    });
    tokio::spawn(async move { serves.serve(&stopped).await });

    let connect = |url: String| {
        ConnectOptions::new()
            .user_and_password("dk".to_owned(), "ds".to_owned())
            .custom_inbox_prefix(format!("_INBOX.{account}"))
            .ignore_discovered_servers()
            .connect(url)
    };
    let mut clients = Vec::new();
    for url in settings.url.split(',') {
        until("a customer is let in", async || connect(url.to_owned()).await.is_ok()).await;
        clients.push(connect(url.to_owned()).await.unwrap());
    }
    let filter = format!("darkroom.job.{account}.>");
    let mut heard = Vec::new();
    for client in &clients {
        heard.push(client.subscribe(filter.clone()).await.unwrap());
        client.flush().await.unwrap();
    }
    let log = three.log("operator").await;
    let id = Id(account.to_string(), "j".to_owned());
    // That somebody listens gets around among servers a moment later.
    let mut told = 0_u32;
    for subscription in &mut heard {
        loop {
            told += 1;
            let id = Id(id.0.clone(), format!("j{told}"));
            log.transact::<Toy, ()>(&id, now(), |_| {
                Ok(vec![Happened::Requested { note: String::new() }])
            })
            .await
            .unwrap();
            let next = tokio::time::timeout(Duration::from_millis(500), subscription.next()).await;
            if let Ok(Some(message)) = next {
                assert!(message.subject.starts_with(&filter[..filter.len() - 1]));
                break;
            }
        }
    }
    let streams = jetstream::with_domain(clients[0].clone(), account.to_string());
    let wish = Config { durable_name: Some("1".to_owned()), ..Config::default() };
    streams.create_consumer_on_stream(wish, "JOBS").await.unwrap();
    // Whichever server a client is connected to: each takes one message.
    for client in &clients {
        let streams = jetstream::with_domain(client.clone(), account.to_string());
        let consumer: jetstream::consumer::PullConsumer =
            streams.get_consumer_from_stream("1", "JOBS").await.unwrap();
        let mut batch = consumer.fetch().max_messages(1).messages().await.unwrap();
        let message = tokio::time::timeout(PATIENCE, batch.next()).await.unwrap();
        if let Some(message) = message {
            message.unwrap().double_ack().await.unwrap();
        }
    }
    let all = clients.len();
    until("all are known to be connected", async || {
        let reviewed = gate.review(|_| Some(account)).await.unwrap();
        assert_eq!(reviewed.ended, 0, "somebody else than a customer was cut off");
        reviewed.kept == all
    })
    .await;
    let ended = std::cell::Cell::new(0);
    until("everybody is cut off", async || {
        ended.set(ended.get() + gate.review(|_| None).await.unwrap().ended);
        ended.get() >= clients.len()
    })
    .await;
}
