//! `POST /v1/endpoints/{id}/replays`: has past events told to an endpoint again.

use std::sync::Arc;

use domain::{
    Timestamp,
    endpoint::{self, Replay, ReplayOnly, ReplayStream, State},
    id::ReplayId,
    scope::Scope,
};
use eventlog::Span;
use futures::StreamExt as _;
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;
use warp::reply::Response;

use super::named;
use crate::{
    app::App,
    auth::Access,
    call::{self, Call},
    document::Doc,
    fields::Fields,
    problem::Problem,
    routes::{Endpoint, Verb},
};

pub(crate) const POST: Endpoint = Endpoint {
    verb: Verb::Post,
    path: "/v1/endpoints/{id}/replays",
    access: Access::Caller(Scope::AccountWrite),
    handler: |app, call| Box::pin(post(app, call)),
    doc: Doc {
        summary: "Tells past events of the account to an endpoint again: from a sequence of the log (`from_seq`) or a time (`since`), up to `to_seq` or `until` or else to the end, all that it wants of `stream`: `jobs`, unless it says `accounts` or `uploads`. With `only` = `exhausted` those whose delivery was given up, whatever they were about; the sequences are then of `deliveries`, and the times those of giving up for the last time. Deliveries keep their webhook-id.",
        parameters: &[],
        request: Some("ReplayRequest"),
        status: 202,
        answer: "Replay",
        streams: false,
    },
};

/// What is between one time and the next.
const TICK: SignedDuration = SignedDuration::from_nanos(1);

async fn post(app: Arc<App>, call: Call) -> Result<Response, Problem> {
    let id = named(&call)?;
    let wanted = Wanted::read(&call.body)?;
    let of = wanted.find(&app, id).await?;
    let replay = ReplayId::from_uuid(Uuid::new_v4());
    let request = |state: &State| endpoint::request_replay(state, replay, of);
    app.change_endpoint(&call, id, request).await?;
    let Replay { from_seq, to_seq, only, stream } = of;
    let answer = json!({
        "replay": replay, "from_seq": from_seq, "to_seq": to_seq, "only": only, "stream": stream,
    });
    call::json(StatusCode::ACCEPTED, &answer)
}

/// Which events are asked for. Of two bounds on the same side the narrower one holds.
#[derive(Debug)]
pub(crate) struct Wanted {
    only: ReplayOnly,
    stream: ReplayStream,
    from_seq: Option<u64>,
    to_seq: Option<u64>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Wanted {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let known = ["from_seq", "to_seq", "since", "until", "only", "stream"];
        let mut fields = Fields::read(body, &known)?;
        let only = match fields.optional_text("only")?.as_deref().map(String::as_str) {
            None | Some("all") => ReplayOnly::All,
            Some("exhausted") => ReplayOnly::Exhausted,
            Some(_) => return Err(invalid("only", "This is all or exhausted.")),
        };
        let wanted = Self {
            only,
            stream: stream(&mut fields, only)?,
            from_seq: seq(&mut fields, "from_seq")?,
            to_seq: seq(&mut fields, "to_seq")?,
            since: fields.optional_time("since")?,
            until: fields.optional_time("until")?,
        };
        wanted.check()
    }

    fn check(self) -> Result<Self, Problem> {
        let Self { from_seq, to_seq, since, until, .. } = &self;
        if from_seq.is_none() && since.is_none() {
            return Err(Problem::FieldMissing("from_seq"));
        }
        if from_seq.zip(*to_seq).is_some_and(|(from, to)| from > to) {
            return Err(invalid("to_seq", "This is before `from_seq`: use a later sequence."));
        }
        if since.zip(*until).is_some_and(|(since, until)| since > until) {
            return Err(invalid("until", "This is before `since`: use a later time."));
        }
        Ok(self)
    }

    /// Where that lies in the log, as far as it goes now.
    async fn find(&self, app: &App, id: endpoint::Id) -> Result<Replay, Problem> {
        let Self { only, stream, .. } = *self;
        let last = app.log.last_sequence(stream.name()).await?;
        let first_at = |time| first_at(app, stream, id, (time, last));
        let from_seq = match self.since {
            None => self.from_seq.unwrap_or(1),
            Some(since) => first_at(since).await?.max(self.from_seq.unwrap_or(1)),
        };
        let past = self.until.and_then(|until| until.checked_add(TICK).ok());
        let to_seq = match past {
            None => last,
            Some(past) => first_at(past).await?.saturating_sub(1).min(last),
        };
        let to_seq = self.to_seq.map_or(to_seq, |wanted| wanted.min(to_seq));
        Ok(Replay { from_seq, to_seq, only, stream })
    }
}

/// The first sequence, of what such a replay looks at, of what happened at that time or later; the one
/// behind `last` where nothing did.
async fn first_at(
    app: &App,
    stream: ReplayStream,
    id: endpoint::Id,
    (time, last): (Timestamp, u64),
) -> Result<u64, Problem> {
    let span = Span { filter: Some(stream.subjects(id)), since: Some(time), ..Span::default() };
    let messages = app.log.replay(stream.name(), span);
    futures::pin_mut!(messages);
    match messages.next().await {
        Some(first) => Ok(first?.seq),
        None => Ok(last + 1),
    }
}

fn stream(fields: &mut Fields, only: ReplayOnly) -> Result<ReplayStream, Problem> {
    let asked = fields.optional_text("stream")?;
    let asked = asked.as_deref().map(|name| name.to_ascii_lowercase());
    match (only, asked.as_deref()) {
        (ReplayOnly::All, None | Some("jobs")) => Ok(ReplayStream::Jobs),
        (ReplayOnly::All, Some("accounts")) => Ok(ReplayStream::Accounts),
        (ReplayOnly::All, Some("uploads")) => Ok(ReplayStream::Uploads),
        (ReplayOnly::All, Some(_)) => Err(invalid("stream", "This is jobs, accounts or uploads.")),
        (ReplayOnly::Exhausted, None | Some("deliveries")) => Ok(ReplayStream::Deliveries),
        (ReplayOnly::Exhausted, Some(_)) => {
            Err(invalid("stream", "What was given up is in deliveries: leave this out."))
        }
    }
}

fn seq(fields: &mut Fields, name: &'static str) -> Result<Option<u64>, Problem> {
    let of_the_log = |value: Value| {
        let seq = value.as_u64().filter(|seq| *seq > 0);
        seq.ok_or_else(|| invalid(name, "This is a sequence of the log, from 1."))
    };
    fields.value(name).filter(|value| !value.is_null()).map(of_the_log).transpose()
}

fn invalid(field: &'static str, message: &str) -> Problem {
    Problem::FieldInvalid { field, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<Wanted, Problem> {
        Wanted::read(body.to_string().as_bytes())
    }

    #[test]
    fn sequences_are_of_jobs_unless_another_stream_is_named_or_what_was_given_up_is_asked_for() {
        for (body, stream) in [
            (json!({ "from_seq": 1 }), ReplayStream::Jobs),
            (json!({ "from_seq": 1, "only": "all", "stream": "jobs" }), ReplayStream::Jobs),
            (json!({ "from_seq": 1, "stream": "UPLOADS" }), ReplayStream::Uploads),
            (json!({ "from_seq": 1, "stream": "accounts" }), ReplayStream::Accounts),
            (json!({ "from_seq": 1, "only": "exhausted" }), ReplayStream::Deliveries),
        ] {
            assert_eq!(read(&body).unwrap().stream, stream, "{body}");
        }
    }

    #[test]
    fn bounds_that_make_no_stretch_are_refused_by_name() {
        let (ten, eleven) = ("2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z");
        for (body, field) in [
            (json!({}), "from_seq"),
            (json!({ "to_seq": 5, "until": ten }), "from_seq"),
            (json!({ "from_seq": 0 }), "from_seq"),
            (json!({ "from_seq": "1" }), "from_seq"),
            (json!({ "from_seq": 1, "to_seq": 0 }), "to_seq"),
            (json!({ "from_seq": 6, "to_seq": 5 }), "to_seq"),
            (json!({ "since": "yesterday" }), "since"),
            (json!({ "since": ten, "until": "today" }), "until"),
            (json!({ "since": eleven, "until": ten }), "until"),
            (json!({ "from_seq": 1, "only": "failed" }), "only"),
            (json!({ "from_seq": 1, "stream": "deliveries" }), "stream"),
            (json!({ "from_seq": 1, "only": "exhausted", "stream": "jobs" }), "stream"),
        ] {
            let refused = match read(&body) {
                Err(Problem::FieldInvalid { field, .. } | Problem::FieldMissing(field)) => field,
                other => panic!("{body}: {other:?}"),
            };
            assert_eq!(refused, field, "{body}");
        }
        assert!(read(&json!({ "from_seq": 5, "to_seq": 5, "since": null })).is_ok());
        assert!(read(&json!({ "since": ten, "until": ten })).is_ok());
    }
}
