//! What the servers count: messages that clients sent them and were sent, and messages stored.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use bytes::Bytes;
use eventlog::{Settings, topology};
use futures::StreamExt as _;
use serde_json::Value;

use super::{Trouble, figures::say};

/// Streams that a job may leave something in.
const STREAMS: [&str; 5] =
    [topology::JOBS, topology::KEYS, topology::WORK, topology::ACCOUNTS, topology::DELIVERIES];
/// How long the servers may take to report.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the servers what they have counted.
pub struct Counters {
    observer: Client,
    operator: Client,
    servers: usize,
}

/// What they had counted at some moment.
pub struct Counted {
    received: u64,
    sent: u64,
    stored: [u64; STREAMS.len()],
}

impl Counters {
    /// Of so many `servers`, reached as these `settings` of the operator say.
    pub async fn of(settings: &Settings, servers: usize) -> Result<Self, Trouble> {
        let connect = async |user: &str, password: &eventlog::Secret| {
            let addresses: Result<Vec<ServerAddr>, _> =
                settings.url.split(',').map(str::parse).collect();
            let options = ConnectOptions::new()
                .nkey(password.expose().to_owned())
                .custom_inbox_prefix(format!("_INBOX_{user}"));
            Ok::<_, Trouble>(options.connect(addresses?).await?)
        };
        Ok(Self {
            observer: connect(&settings.system_user, &settings.system_password).await?,
            operator: connect(&settings.user, &settings.password).await?,
            servers,
        })
    }

    pub async fn now(&self) -> Result<Counted, Trouble> {
        let inbox = self.observer.new_inbox();
        let answers = self.observer.subscribe(inbox.clone()).await?;
        let asked = "$SYS.REQ.SERVER.PING.VARZ";
        self.observer.publish_with_reply(asked, inbox, Bytes::new()).await?;
        let reports = answers.take(self.servers).collect::<Vec<_>>();
        let (mut received, mut sent) = (0, 0);
        for report in tokio::time::timeout(PATIENCE, reports).await? {
            let report: Value = serde_json::from_slice(&report.payload)?;
            received += number(&report, "/data/in_msgs")?;
            sent += number(&report, "/data/out_msgs")?;
        }
        let mut stored = [0; STREAMS.len()];
        for (stored, stream) in stored.iter_mut().zip(STREAMS) {
            let asked = format!("$JS.API.STREAM.INFO.{stream}");
            let answer = self.operator.request(asked, Bytes::new()).await?;
            *stored = number(&serde_json::from_slice(&answer.payload)?, "/state/last_seq")?;
        }
        Ok(Counted { received, sent, stored })
    }
}

impl Counted {
    /// Says how much of each came to be since `before`, for each of so many `jobs`.
    pub fn say_each(&self, before: &Self, jobs: usize) {
        #[allow(clippy::cast_precision_loss, reason = "counts of messages, to be read")]
        let each = |now: u64, then: u64| now.saturating_sub(then) as f64 / jobs.max(1) as f64;
        let stored = STREAMS.iter().zip(self.stored.iter().zip(before.stored));
        let stored: Vec<String> = stored
            .map(|(stream, (now, then))| format!("{stream} {:.2}", each(*now, then)))
            .collect();
        say(&format!(
            "messages of a job: {}; received by the servers {:.1}, sent {:.1}",
            stored.join(", "),
            each(self.received, before.received),
            each(self.sent, before.sent)
        ));
    }
}

fn number(report: &Value, place: &str) -> Result<u64, Trouble> {
    let found = report.pointer(place).and_then(Value::as_u64);
    found.ok_or_else(|| format!("a report without {place}: {report}").into())
}
