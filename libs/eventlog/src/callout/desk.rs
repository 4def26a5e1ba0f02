//! What customers ask of consumers, looked at and then asked of JetStream in their stead.
//!
//! A client speaks JetStream's own protocol with its account as the domain. Its consumers are
//! numbered; JetStream knows them by account and number, one token that rights can name. Messages
//! go from JetStream straight to the inbox that a client pulls to, once that has been found to be
//! the account's own.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_nats::{Client, Message};
use bytes::Bytes;
use domain::id::AccountId;
use serde_json::{Value, json};

use super::{rights::inbox, wish};

/// What clients ask, each with its account as the domain.
pub(super) const ASKED: &str = "$JS.*.API.>";
/// What clients acknowledge: stream, consumer, and the place of the message.
pub(super) const SETTLED: &str = "$JS.ACK.*.*.>";
/// Under which name `users.conf` imports what may be asked of JetStream.
const DESK: &str = "darkroom.desk";
/// Consumers of one account on each stream.
pub(super) const MAX_CONSUMERS: u8 = 8;
/// Largest body of a question, in bytes.
const MAX_BODY: usize = 8 << 10;
/// Longest inbox of a client, below its account's.
const MAX_INBOX: usize = 200;
/// nats-server's codes: a bad request, no such consumer.
const BAD_REQUEST: u64 = 10_003;
const NO_CONSUMER: u64 = 10_014;

/// Asks JetStream in the stead of customers.
pub(super) struct Desk {
    client: Client,
    /// Accounts that are being answered: one question of each at a time.
    busy: Mutex<HashSet<AccountId>>,
}

/// What a customer is told instead of an answer.
struct No {
    code: u16,
    err_code: u64,
    description: String,
}

/// What somebody wants that makes sense.
enum Asked<'a> {
    /// Messages: JetStream sends them.
    Pull { stream: &'a str, number: u8 },
    /// An answer.
    Answer(Ask<'a>),
}

/// A question.
enum Ask<'a> {
    Info,
    StreamNames,
    Names { stream: &'a str },
    Create { stream: &'a str, number: u8 },
    Show { stream: &'a str, number: u8 },
    Delete { stream: &'a str, number: u8 },
}

impl Desk {
    pub(super) fn new(client: Client) -> Self {
        Self { client, busy: Mutex::default() }
    }

    /// Answers a question. One whose answer would go anywhere but into the account's own inbox is
    /// not answered.
    pub(super) async fn ask(&self, message: Message) {
        let mut tokens = message.subject.split('.').skip(1);
        let Some(account) = tokens.next().and_then(|token| token.parse::<AccountId>().ok()) else {
            return;
        };
        let tokens = tokens.skip(1);
        let Some(reply) = message.reply.as_deref().filter(|reply| is_own(account, reply)) else {
            return;
        };
        let answer = match read(&tokens.collect::<Vec<_>>()) {
            _ if message.payload.len() > MAX_BODY => {
                Err(No::malformed(format!("a question has at most {MAX_BODY} bytes")))
            }
            Ok(Asked::Pull { stream, number }) => {
                let name = consumer(account, number);
                let subject = format!("{DESK}.CONSUMER.MSG.NEXT.{stream}.{name}");
                return self.say(subject, Some(reply.to_owned()), message.payload.clone()).await;
            }
            Ok(Asked::Answer(ask)) if self.busy().insert(account) => {
                let answer = self.answer(account, &ask, &message.payload).await;
                self.busy().remove(&account);
                answer
            }
            Ok(Asked::Answer(_)) => Err(No::busy()),
            Err(no) => Err(no),
        };
        let answer = answer.unwrap_or_else(No::into_answer);
        self.say(reply.to_owned(), None, answer.to_string().into()).await;
    }

    /// Hands on an acknowledgement of a message that one of the account's own consumers gave out.
    pub(super) async fn settle(&self, message: Message) {
        let tokens: Vec<&str> = message.subject.split('.').skip(2).collect();
        let [stream, name, place @ ..] = tokens.as_slice() else { return };
        let Some((account, _)) = owner(name) else { return };
        let numbers = place.iter().all(|token| token.bytes().all(|byte| byte.is_ascii_digit()));
        let own = message.reply.as_deref().is_none_or(|reply| is_own(account, reply));
        if !wish::is_open(stream) || place.len() != 5 || !numbers || !own {
            return;
        }
        if is_settlement(&message.payload) {
            let subject = format!("{DESK}.ACK.{stream}.{name}.{}", place.join("."));
            let reply = message.reply.map(|reply| reply.to_string());
            self.say(subject, reply, message.payload).await;
        }
    }

    async fn answer(&self, account: AccountId, ask: &Ask<'_>, body: &Bytes) -> Result<Value, No> {
        match *ask {
            Ask::Info => Ok(json!({
                "type": "io.nats.jetstream.api.v1.account_info_response",
                "domain": account, "memory": 0, "storage": 0, "streams": 0, "consumers": 0,
                "limits": { "max_memory": 0, "max_storage": 0, "max_streams": 0, "max_consumers": -1 },
                "api": { "total": 0, "errors": 0 },
            })),
            Ask::StreamNames => {
                let asked: Value = serde_json::from_slice(body).unwrap_or_default();
                let subject = asked.get("subject").and_then(Value::as_str).unwrap_or_default();
                let names: Vec<_> = wish::stream_of(account, subject).into_iter().collect();
                Ok(json!({
                    "type": "io.nats.jetstream.api.v1.stream_names_response",
                    "total": names.len(), "offset": 0, "limit": 1_024, "streams": names,
                }))
            }
            Ask::Names { stream } => {
                let mut names = Vec::new();
                for number in 1..=MAX_CONSUMERS {
                    let known = self.consumer(account, "INFO", stream, number, "", &Value::Null);
                    if known.await?.get("error").is_none() {
                        names.push(number.to_string());
                    }
                }
                Ok(json!({
                    "type": "io.nats.jetstream.api.v1.consumer_names_response",
                    "total": names.len(), "offset": 0, "limit": 1_024, "consumers": names,
                }))
            }
            Ask::Show { stream, number } => {
                self.consumer(account, "INFO", stream, number, "", &Value::Null).await
            }
            Ask::Delete { stream, number } => {
                self.consumer(account, "DELETE", stream, number, "", &Value::Null).await
            }
            Ask::Create { stream, number } => {
                let wish = wish::read(account, stream, number, body).map_err(No::malformed)?;
                let filter = format!(".{}", wish.filter);
                self.consumer(account, "CREATE", stream, number, &filter, &wish.request).await
            }
        }
    }

    /// Asks JetStream about one consumer, and gives its answer the name that the customer knows.
    async fn consumer(
        &self,
        account: AccountId,
        verb: &str,
        stream: &str,
        number: u8,
        more: &str,
        body: &Value,
    ) -> Result<Value, No> {
        let name = consumer(account, number);
        let subject = format!("{DESK}.CONSUMER.{verb}.{stream}.{name}{more}");
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let answer = self.client.request(subject, body).await.map_err(|error| {
            tracing::warn!(%error, verb, stream, "a customer's consumer was not answered for");
            No::unavailable()
        })?;
        let answer: Value =
            serde_json::from_slice(&answer.payload).map_err(|_it| No::unavailable())?;
        Ok(renamed(answer, number))
    }

    async fn say(&self, subject: String, reply: Option<String>, body: Bytes) {
        let said = match reply {
            Some(reply) => self.client.publish_with_reply(subject, reply, body).await,
            None => self.client.publish(subject, body).await,
        };
        if let Err(error) = said {
            tracing::warn!(%error, "a customer was not answered");
        }
    }

    fn busy(&self) -> MutexGuard<'_, HashSet<AccountId>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl No {
    fn malformed(description: String) -> Self {
        Self { code: 400, err_code: BAD_REQUEST, description }
    }

    fn busy() -> Self {
        let description = "one question at a time: wait for the answer to the one before";
        Self { code: 429, err_code: 10_008, description: description.to_owned() }
    }

    fn unavailable() -> Self {
        let description = "JetStream does not answer; try again".to_owned();
        Self { code: 503, err_code: 10_008, description }
    }

    fn into_answer(self) -> Value {
        let Self { code, err_code, description } = self;
        json!({ "error": { "code": code, "err_code": err_code, "description": description } })
    }
}

/// What JetStream calls a customer's consumer.
pub(super) fn consumer(account: AccountId, number: u8) -> String {
    format!("{account}-{number}")
}

/// Whose consumer it is, and its number.
pub(super) fn owner(name: &str) -> Option<(AccountId, u8)> {
    let (account, number) = name.rsplit_once('-')?;
    let (account, number) = (account.parse::<AccountId>().ok()?, numbered(number)?);
    (consumer(account, number) == name).then_some((account, number))
}

fn numbered(name: &str) -> Option<u8> {
    let number: u8 = name.parse().ok()?;
    ((1..=MAX_CONSUMERS).contains(&number) && number.to_string() == name).then_some(number)
}

/// Whether `reply` lies in the account's own inbox, and stands for one subject.
pub(super) fn is_own(account: AccountId, reply: &str) -> bool {
    let Some(rest) = reply.strip_prefix(&inbox(account, "")) else { return false };
    let is_plain = |token: &str| {
        !token.is_empty()
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    rest.len() <= MAX_INBOX && rest.split('.').all(is_plain)
}

/// Acknowledged, put off, still at work, or never again. Nothing else: the rest asks for more.
fn is_settlement(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    text.len() <= MAX_INBOX
        && (["", "+ACK", "-NAK", "+WPI", "+TERM"].contains(&text)
            || text.starts_with("-NAK ")
            || text.starts_with("+TERM "))
}

/// Whether what is asked for is answered here.
pub(super) fn is_answered(tokens: &[&str]) -> bool {
    read(tokens).is_ok()
}

fn read<'a>(tokens: &[&'a str]) -> Result<Asked<'a>, No> {
    let numbered = |name: &str| {
        numbered(name).ok_or_else(|| No {
            code: 400,
            err_code: NO_CONSUMER,
            description: format!("consumers are named 1 to {MAX_CONSUMERS}"),
        })
    };
    let open = |stream: &'a str| {
        if wish::is_open(stream) { Ok(stream) } else { Err(No::malformed(wish::streams())) }
    };
    if let ["CONSUMER", "MSG", "NEXT", stream, name] = *tokens {
        return Ok(Asked::Pull { stream: open(stream)?, number: numbered(name)? });
    }
    Ok(Asked::Answer(match *tokens {
        ["INFO"] => Ask::Info,
        ["STREAM", "NAMES"] => Ask::StreamNames,
        ["CONSUMER", "NAMES", stream] => Ask::Names { stream: open(stream)? },
        ["CONSUMER", "INFO", stream, name] => {
            Ask::Show { stream: open(stream)?, number: numbered(name)? }
        }
        ["CONSUMER", "DELETE", stream, name] => {
            Ask::Delete { stream: open(stream)?, number: numbered(name)? }
        }
        ["CONSUMER", "DURABLE", "CREATE", stream, name]
        | ["CONSUMER", "CREATE", stream, name, ..] => {
            Ask::Create { stream: open(stream)?, number: numbered(name)? }
        }
        ["CONSUMER", "CREATE", _] => {
            return Err(No::malformed(format!(
                "consumers here are durable: name yours 1 to {MAX_CONSUMERS}"
            )));
        }
        _ => {
            return Err(No::malformed(
                "this is not answered here: consumers can be created, shown, listed by name and deleted, and pulled from"
                    .to_owned(),
            ));
        }
    }))
}

/// The customer's name for it, and nothing of how the servers keep it.
fn renamed(mut answer: Value, number: u8) -> Value {
    let name = Value::from(number.to_string());
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("cluster");
        if let Some(known) = fields.get_mut("name") {
            *known = name.clone();
        }
        if let Some(Value::Object(config)) = fields.get_mut("config") {
            config.remove("metadata");
            for field in ["name", "durable_name"] {
                if let Some(known) = config.get_mut(field) {
                    *known = name.clone();
                }
            }
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn an_answer_goes_into_the_accounts_own_inbox_or_nowhere() {
        let (own, other) = (account(1), account(2));
        for (reply, expected) in [
            (inbox(own, "a"), true),
            (inbox(own, "aB3.x-_9"), true),
            (inbox(own, ""), false),
            (inbox(own, "*"), false),
            (inbox(own, "a.>"), false),
            (inbox(own, "a..b"), false),
            (inbox(own, "a b"), false),
            (inbox(own, &"a".repeat(MAX_INBOX + 1)), false),
            (inbox(other, "a"), false),
            (format!("_INBOX.{own}"), false),
            (format!("_INBOX.{own}x.a"), false),
            ("_INBOX.a".to_owned(), false),
            (format!("darkroom.job.{own}.a"), false),
            ("$JS.ACK.WORK.worker-00.1.1.1.1.1".to_owned(), false),
            ("$JS.API.CONSUMER.DELETE.JOBS.dispatcher".to_owned(), false),
        ] {
            assert_eq!(is_own(own, &reply), expected, "{reply}");
        }
    }

    #[test]
    fn a_consumer_belongs_to_the_account_it_is_named_after() {
        let own = account(7);
        assert_eq!(owner(&consumer(own, 8)), Some((own, 8)));
        for name in ["dispatcher", "", "-1", "1"] {
            assert_eq!(owner(name), None, "{name}");
        }
        for number in ["0", "9", "01", "+1", "x", ""] {
            assert_eq!(owner(&format!("{own}-{number}")), None, "{number}");
        }
        let upper = consumer(account(0xabc), 1).to_uppercase();
        assert_eq!(owner(&upper), None);
    }

    #[test]
    fn an_acknowledgement_asks_for_nothing() {
        for (body, expected) in [
            ("", true),
            ("+ACK", true),
            ("-NAK {\"delay\": 5}", true),
            ("+TERM no such thing", true),
            ("+WPI", true),
            ("+NXT", false),
            ("+NXT {\"batch\": 5}", false),
            ("{}", false),
            ("NATS/1.0 404", false),
        ] {
            assert_eq!(is_settlement(body.as_bytes()), expected, "{body}");
        }
    }
}
