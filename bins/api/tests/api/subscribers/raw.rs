//! A NATS client that says what it is told to, line by line, and promises nothing.

use std::time::Duration;

use eventlog::{Settings, UserKey};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::stage::PATIENCE;

/// What a server says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    /// A message.
    Message(Message),
    /// That something is wrong.
    Wrong(String),
    /// An answer to PING.
    Pong,
    /// Nothing any more.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) reply: Option<String>,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether it speaks of `word` anywhere.
    pub(crate) fn says(&self, word: &str) -> bool {
        let body = String::from_utf8_lossy(&self.body);
        [&self.subject, &self.headers, self.reply.as_deref().unwrap_or_default(), &body]
            .iter()
            .any(|part| part.contains(word))
    }
}

/// A connection.
pub(crate) struct Raw {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    inboxes: u32,
}

impl Raw {
    /// Connects, and says whether it was let in.
    pub(crate) async fn connect(url: &str, user: &str, pass: &str) -> Result<Self, String> {
        Self::greet(url, |_| json!({ "user": user, "pass": pass })).await
    }

    /// Connects as a role, whose seed stands where a password would.
    pub(crate) async fn role(settings: &Settings) -> Result<Self, String> {
        let seed = &settings.password;
        let public = UserKey::of(seed).unwrap().public();
        Self::greet(
            &settings.url,
            |nonce| json!({ "nkey": public, "sig": testkit::nkey::answer(seed.expose(), nonce) }),
        )
        .await
    }

    /// Connects as somebody says who is told the server's nonce.
    async fn greet(url: &str, who: impl FnOnce(&str) -> Value) -> Result<Self, String> {
        let stream = TcpStream::connect(url.trim_start_matches("nats://")).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        let mut raw = Self { reader: BufReader::new(reader), writer, inboxes: 0 };
        let mut info = String::new();
        raw.reader.read_line(&mut info).await.unwrap();
        let info: Value = serde_json::from_str(info.strip_prefix("INFO ").unwrap()).unwrap();
        let mut hello = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "protocol": 1, "lang": "raw", "version": "1", "echo": true,
        });
        let who = who(info["nonce"].as_str().unwrap_or_default());
        hello.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        raw.say(&format!("CONNECT {hello}")).await;
        match raw.settle().await.as_slice() {
            [Frame::Pong] => Ok(raw),
            others => Err(format!("{others:?}")),
        }
    }

    /// Sends a line. A server that hung up is noticed when it is listened to.
    pub(crate) async fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        drop(self.writer.write_all(bytes).await);
    }

    pub(crate) async fn publish(&mut self, subject: &str, reply: &str, body: &str) {
        let line = format!("PUB {subject} {reply} {}", body.len()).replace("  ", " ");
        self.say(&line).await;
        self.say(body).await;
    }

    /// The next thing that the server says, within `limit`.
    pub(crate) async fn next(&mut self, limit: Duration) -> Option<Frame> {
        tokio::time::timeout(limit, self.frame()).await.ok()
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            match self.next(PATIENCE).await.expect("a message in time") {
                Frame::Message(message) => return message,
                Frame::Pong => {}
                other => panic!("{other:?} instead of a message"),
            }
        }
    }

    /// Everything that the server says about what was said before.
    pub(crate) async fn settle(&mut self) -> Vec<Frame> {
        self.say("PING").await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next(PATIENCE).await.expect("the server answers");
            let last = matches!(frame, Frame::Pong | Frame::Gone);
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// Asks JetStream's API as a client of `account` does.
    pub(crate) async fn ask(&mut self, account: &str, what: &str, body: &Value) -> Value {
        self.inboxes += 1;
        let (sid, inbox) = (1_000 + self.inboxes, format!("_INBOX.{account}.ask{}", self.inboxes));
        self.say(&format!("SUB {inbox} {sid}")).await;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.publish(&format!("$JS.{account}.API.{what}"), &inbox, &body).await;
        let answer = self.message().await;
        self.say(&format!("UNSUB {sid}")).await;
        assert_eq!(answer.subject, inbox);
        answer.json()
    }

    async fn frame(&mut self) -> Frame {
        loop {
            let mut line = String::new();
            match self.reader.read_line(&mut line).await {
                Ok(0) | Err(_) => return Frame::Gone,
                Ok(_) => {}
            }
            let words: Vec<&str> = line.trim_end().split(' ').collect();
            match words.as_slice() {
                ["PONG"] => return Frame::Pong,
                ["PING"] => self.say("PONG").await,
                ["-ERR", ..] => return Frame::Wrong(line.trim_end().to_owned()),
                ["MSG", subject, _, rest @ ..] => {
                    return self.rest(subject, rest, 0).await;
                }
                ["HMSG", subject, _, rest @ .., total] => {
                    let (head, reply) = match rest {
                        [head] => (head, vec![]),
                        [reply, head] => (head, vec![*reply]),
                        _ => panic!("{line}"),
                    };
                    let rest = [reply, vec![*total]].concat();
                    return self.rest(subject, &rest, head.parse().unwrap()).await;
                }
                _ => {}
            }
        }
    }

    async fn rest(&mut self, subject: &str, rest: &[&str], head: usize) -> Frame {
        let (reply, size) = match rest {
            [size] => (None, size),
            [reply, size] => (Some((*reply).to_owned()), size),
            _ => panic!("{rest:?}"),
        };
        let mut bytes = vec![0; size.parse::<usize>().unwrap() + 2];
        if self.reader.read_exact(&mut bytes).await.is_err() {
            return Frame::Gone;
        }
        bytes.truncate(bytes.len() - 2);
        let body = bytes.split_off(head);
        let headers = String::from_utf8_lossy(&bytes).into_owned();
        Frame::Message(Message { subject: subject.to_owned(), reply, headers, body })
    }
}
