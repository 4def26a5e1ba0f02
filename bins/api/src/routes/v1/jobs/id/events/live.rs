//! Events of a job as they happen: its history first, then what is stored from now on, with neither gap nor repetition.
//!
//! Listening starts before the history is read. What is heard continues the history only where its
//! chain says so; otherwise, and now and then anyhow, the log itself is read on. So a message that
//! was lost on the way to this process is late by seconds, never missing.
//!
//! A stream goes on for as long as whoever opened it may: when something happens to an account, and
//! now and then, they are identified again by what they sent, and a key that was revoked hears no
//! more.

use std::{convert::Infallible, sync::Arc, time::Duration};

use domain::job::{self, Jobs};
use eventlog::{Hash, Raw, Span, Unavailable, subject, topology};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use http::HeaderMap;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use warp::{
    reply::{Reply as _, Response},
    sse::Event,
};

use super::{GET, Happened, is_outcome};
use crate::{app::App, auth, call::Call, places::Place, problem::Problem};

/// Events made ready before the client has taken those before.
const AHEAD: usize = 16;
/// How often a silent stream says that it lives, and looks whether it missed anything.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often the log is asked while a job is followed and nothing is heard.
const LOOK: Duration = Duration::from_secs(2);

/// Answers with a stream of a job's events.
pub(super) async fn stream(app: Arc<App>, call: &Call, id: job::Id) -> Result<Response, Problem> {
    let after = last_event_id(call)?;
    let place = app.places.take(id.account)?;
    let live = app.log.live(&subject::fence::<Jobs>(&id)).await?.boxed();
    let progress = app.log.progress::<Value>(id.account, id.job).await?;
    let history = app.log.messages::<Jobs>(&id).await?;
    let Some(last) = history.last() else {
        return Err(Problem::NoSuchJob(call.quoted_id()));
    };
    let (sender, receiver) = mpsc::channel(AHEAD);
    let follower = Follower {
        sent: last.seq,
        head: last.hash(),
        ended: history.iter().any(is_outcome),
        app,
        id,
        asked: call.headers.clone(),
        sender,
    };
    let missed = history.into_iter().filter(|raw| raw.seq > after).collect();
    tokio::spawn(follower.run(missed, live, progress, place));
    Ok(warp::sse::reply(frames(receiver)).into_response())
}

pub(crate) fn last_event_id(call: &Call) -> Result<u64, Problem> {
    let Some(text) = call.header("last-event-id").filter(|text| !text.is_empty()) else {
        return Ok(0);
    };
    match text.parse() {
        Ok(seq) => Ok(seq),
        Err(_) => Err(Problem::FieldInvalid {
            field: "Last-Event-ID",
            message: "A Last-Event-ID is the `id` of an event that came before: a number."
                .to_owned(),
        }),
    }
}

fn frames(
    receiver: mpsc::Receiver<Event>,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + Sync {
    futures::stream::unfold(receiver, |mut receiver| async move {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    })
}

struct Follower {
    app: Arc<App>,
    id: job::Id,
    /// What whoever listens sent to show who they are.
    asked: HeaderMap,
    /// Sequence of the last event sent.
    sent: u64,
    /// Its hash.
    head: Hash,
    /// Whether the outcome was among them.
    ended: bool,
    sender: mpsc::Sender<Event>,
}

/// Why a stream ends.
enum End {
    /// There is nothing more to say.
    Over,
    /// The client is gone, or the process is stopping.
    Cut,
    /// The log cannot be read; the client comes back with its last id.
    Trouble(Unavailable),
}

impl Follower {
    async fn run(
        mut self,
        missed: Vec<Raw>,
        live: BoxStream<'static, Raw>,
        progress: BoxStream<'static, Value>,
        _place: Place,
    ) {
        let shutdown = self.app.shutdown.clone();
        let gone = self.sender.clone();
        let end = tokio::select! {
            () = shutdown.cancelled() => End::Cut,
            () = gone.closed() => End::Cut,
            end = self.tell(missed, live, progress) => end,
        };
        match end {
            End::Over | End::Cut => {}
            End::Trouble(error) => {
                tracing::warn!(error = %service::Chain(&error), "an event stream breaks off");
            }
        }
    }

    async fn tell(
        &mut self,
        missed: Vec<Raw>,
        mut live: BoxStream<'static, Raw>,
        mut progress: BoxStream<'static, Value>,
    ) -> End {
        for raw in &missed {
            if !self.send(happened(raw)).await {
                return End::Cut;
            }
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alive = interval(KEEP_ALIVE);
        let mut accounts = self.app.callers.changes();
        while !self.ended {
            let told = tokio::select! {
                heard = live.next() => match heard {
                    Some(raw) => self.hear(&raw).await,
                    None => return End::Cut,
                },
                Some(step) = progress.next() => self.report(step).await,
                _ = looks.tick() => match self.may_listen().await {
                    true => self.read_on().await,
                    false => Ok(false),
                },
                _ = accounts.changed() => Ok(self.may_listen().await),
                _ = alive.tick() => Ok(self.send(Event::default().comment("alive")).await),
            };
            match told {
                Ok(true) => {}
                Ok(false) => return End::Cut,
                Err(error) => return End::Trouble(error),
            }
        }
        End::Over
    }

    /// Whether whoever opened the stream may still hear of the job. What cannot be found out now is
    /// asked again at the next look.
    async fn may_listen(&self) -> bool {
        match auth::identify_again(&self.app, &self.asked, GET.access).await {
            Ok(caller) => caller.account == self.id.account,
            Err(problem) => problem.status().is_server_error(),
        }
    }

    async fn hear(&mut self, raw: &Raw) -> Result<bool, Unavailable> {
        if raw.seq <= self.sent {
            return Ok(true);
        }
        if raw.prev() == Some(self.head) {
            Ok(self.pass_on(raw).await)
        } else {
            self.read_on().await
        }
    }

    /// Reads from the log what came after the last event sent.
    async fn read_on(&mut self) -> Result<bool, Unavailable> {
        let span = Span {
            filter: Some(subject::fence::<Jobs>(&self.id)),
            from_seq: Some(self.sent + 1),
            ..Span::default()
        };
        let mut later = self.app.log.replay(topology::JOBS, span).boxed();
        while let Some(raw) = later.next().await {
            if !self.pass_on(&raw?).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn pass_on(&mut self, raw: &Raw) -> bool {
        (self.sent, self.head) = (raw.seq, raw.hash());
        self.ended |= is_outcome(raw);
        self.send(happened(raw)).await
    }

    async fn report(&mut self, step: Value) -> Result<bool, Unavailable> {
        Ok(self.send(Event::default().event("progress").data(step.to_string())).await)
    }

    /// Whether there is still somebody to send to.
    async fn send(&mut self, event: Event) -> bool {
        self.sender.send(event).await.is_ok()
    }
}

fn happened(raw: &Raw) -> Event {
    let happened = Happened::new(raw);
    let event = Event::default().id(raw.seq.to_string()).event(happened.kind.clone());
    // Every field of it has a JSON form.
    event.data(serde_json::to_string(&happened).unwrap_or_default())
}
