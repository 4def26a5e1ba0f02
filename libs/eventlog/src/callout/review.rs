//! Who is connected, looked at again: whoever may not stay is cut off.

use std::{collections::HashMap, time::Duration};

use async_nats::Client;
use domain::id::AccountId;
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Gate, token::CUSTOMERS};
use crate::error::Unavailable;

/// Connections in one answer.
const PAGE: usize = 1_024;
/// Most pages of one server: as many connections as it takes by default.
const MAX_PAGES: usize = 64;
/// How long to wait for the first server to answer, and then for a further one.
const FIRST: Duration = Duration::from_secs(2);
const FURTHER: Duration = Duration::from_millis(150);

/// What a review came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reviewed {
    /// Connections that stay.
    pub kept: usize,
    /// Connections that were ended.
    pub ended: usize,
}

#[derive(Deserialize)]
struct Answer {
    server: Server,
    data: Option<Page>,
}

#[derive(Deserialize)]
struct Server {
    id: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    cid: u64,
    #[serde(default)]
    authorized_user: String,
    #[serde(default)]
    name_tag: String,
}

impl Gate {
    /// Looks at every connection of a customer on every server. `stays` is told the guest's name as
    /// [`super::Admission`] gave it, and answers whose it is, or that it has to go.
    ///
    /// # Errors
    /// [`Unavailable`] when no server answers.
    pub async fn review(
        &self,
        stays: impl Fn(&str) -> Option<AccountId> + Send,
    ) -> Result<Reviewed, Unavailable> {
        const ASK: &str = "ask servers for their connections";
        let failed = |source| Unavailable::new(ASK, source);
        let inbox = self.usher.new_inbox();
        let mut answers = self
            .usher
            .subscribe(inbox.clone())
            .await
            .map_err(|source| Unavailable::new(ASK, source))?;
        self.usher
            .publish_with_reply("$SYS.REQ.SERVER.PING.CONNZ", inbox, page(0))
            .await
            .map_err(|source| Unavailable::new(ASK, source))?;
        let mut deadline = Instant::now() + FIRST;
        let (mut reviewed, mut counted, mut servers) = (Reviewed::default(), HashMap::new(), 0);
        while let Ok(Some(message)) = tokio::time::timeout_at(deadline, answers.next()).await {
            let mut answer: Answer = serde_json::from_slice(&message.payload)
                .map_err(|source| Unavailable::new(ASK, source))?;
            servers += 1;
            for number in 1..=MAX_PAGES {
                let connections = answer.data.map(|page| page.connections).unwrap_or_default();
                let more = connections.len() >= PAGE;
                let customers =
                    connections.iter().filter(|known| known.authorized_user != *self.own);
                for connection in customers {
                    match connection.guest().and_then(&stays) {
                        Some(account) => {
                            reviewed.kept += 1;
                            *counted.entry(account).or_default() += 1;
                        }
                        None => {
                            kick(&self.usher, &answer.server.id, connection.cid).await?;
                            reviewed.ended += 1;
                        }
                    }
                }
                if !more {
                    break;
                }
                let subject = format!("$SYS.REQ.SERVER.{}.CONNZ", answer.server.id);
                let next = self.usher.request(subject, page(number * PAGE)).await;
                let next = next.map_err(|source| Unavailable::new(ASK, source))?;
                answer = serde_json::from_slice(&next.payload)
                    .map_err(|source| Unavailable::new(ASK, source))?;
            }
            deadline = Instant::now() + FURTHER;
        }
        if servers == 0 {
            return Err(failed("no server answers `usher`"));
        }
        self.guests.count(counted);
        Ok(reviewed)
    }
}

impl Connection {
    /// What the connection was called by when it was let in.
    fn guest(&self) -> Option<&str> {
        [&self.authorized_user, &self.name_tag]
            .into_iter()
            .map(String::as_str)
            .find(|name| !name.is_empty())
    }
}

async fn kick(usher: &Client, server: &str, cid: u64) -> Result<(), Unavailable> {
    let subject = format!("$SYS.REQ.SERVER.{server}.KICK");
    let which = json!({ "cid": cid }).to_string();
    usher
        .request(subject, which.into())
        .await
        .map(drop)
        .map_err(|source| Unavailable::new("end a connection", source))
}

fn page(offset: usize) -> bytes::Bytes {
    let wanted: Value =
        json!({ "auth": true, "acc": CUSTOMERS, "limit": PAGE, "offset": offset, "sort": "cid" });
    wanted.to_string().into()
}
