//! One attempt: what it needs is opened, posted, judged and recorded.

use std::time::Duration;

use domain::{
    Aggregate as _, Timestamp,
    delivery::{self, Answer, Attempted, Deliveries, FailureCode, Outcome, Phase, State},
    endpoint::{self, DisabledBecause, Endpoints},
    sealed::field,
};
use eventlog::{Loaded, Recorded, Span, topology};
use futures::{StreamExt as _, pin_mut};
use jiff::SignedDuration;

use crate::{
    deliver::{Deliverer, Error, Progress},
    journal::{self, Noted},
    lanes::{Consequence, Pass},
    later,
    matter::{Matter, Writer},
    redact, sign,
    target::{Opened, Target, Unopened},
};

/// How far apart the times lie at most at which an attempt began by its note and by its record.
const SAME: SignedDuration = SignedDuration::from_secs(1);

/// How an attempt went.
pub(crate) struct Went {
    outcome: Outcome,
    latency: Duration,
    answer: Answer,
    /// The note of it, if it came to a request.
    noted: Option<Noted>,
}

impl Deliverer {
    pub(crate) async fn attempt(
        &self,
        target: &Target,
        matter: &Matter<'_>,
        known: Loaded<Deliveries>,
        attempt: u32,
        pass: Pass,
    ) -> Result<Progress, Error> {
        let went = match self.call(target, matter, attempt).await {
            Ok(went) => went,
            Err(error) => {
                let error_text = service::Chain(&error);
                tracing::warn!(delivery.id = %target.id(), error = %error_text, "not prepared");
                Went::not_taken(unopened_code(&error))
            }
        };
        self.judge(target, &pass, &went.outcome).await;
        drop(pass);
        self.make_room(target);
        let schedule = target.schedule(&self.settings);
        self.record(target.id(), known, matter, attempt, went, schedule).await
    }

    pub(crate) async fn record(
        &self,
        id: delivery::Id,
        known: Loaded<Deliveries>,
        matter: &Matter<'_>,
        attempt: u32,
        went: Went,
        schedule: &domain::retry::Schedule,
    ) -> Result<Progress, Error> {
        let latency_ms = u64::try_from(went.latency.as_millis()).unwrap_or(u64::MAX);
        let attempted = Attempted {
            told: matter.told.clone(),
            attempt,
            outcome: went.outcome,
            latency_ms,
            answer: went.answer,
        };
        // A first attempt that failed takes two events, and the first of them makes the delivery due:
        // whoever is handed that must wait for the second.
        let _pursuit = if known.last.is_none() { self.turns.pursue(id) } else { None };
        let when = (self.clock.now(), rand::random::<f64>());
        let record = |state: &State| delivery::record(state, attempted.clone(), schedule, when);
        let recorded = self.log.transact_from::<Deliveries, _>(&id, known, when.0, record).await?;
        if let Some(noted) = went.noted {
            noted.strike_out();
        }
        tracing::info!(
            delivery.id = %id, event.topic = matter.told.event_type, attempt, latency_ms,
            outcome = ?attempted.outcome, "attempted"
        );
        Ok(match recorded.loaded.state.delivery().map(|delivery| delivery.phase) {
            Some(Phase::Waiting { retry_at }) => Progress::DueAt(retry_at.unwrap_or(when.0)),
            Some(Phase::Delivered { .. } | Phase::Exhausted { .. }) | None => {
                self.turns.end(&id);
                Progress::Over
            }
        })
    }

    async fn call(
        &self,
        target: &Target,
        matter: &Matter<'_>,
        attempt: u32,
    ) -> Result<Went, Unprepared> {
        let now = self.clock.now();
        let opened = self.opener.open(target, matter.account, now).await?;
        let writer = Writer { custody: &self.custody, public_url: &self.settings.public_url, now };
        let id = target.id();
        let text = matter.text(&id, target.payload(), &opened.keys, &writer);
        let (media_type, bytes) = text.await?;
        let webhook_id = sign::webhook_id(&id);
        let mut headers = opened.headers.clone();
        headers.extend(sign::headers(&opened.keys, &webhook_id, now, media_type, &bytes));
        let timeout = target.timeout(&self.settings);
        let noted = Some(self.journal.note(journal::Attempt::new(id, matter.told, attempt, now)));
        Ok(match self.egress.post(&opened.url, headers, bytes, timeout).await {
            Ok(posted) => self.took(target, &opened, posted, noted).await?,
            Err(failed) => Went {
                outcome: not_taken(call_code(&failed.error), None, None),
                latency: failed.latency,
                answer: Answer { address: failed.address, excerpt: None },
                noted,
            },
        })
    }

    async fn took(
        &self,
        target: &Target,
        opened: &Opened,
        posted: egress::Posted,
        noted: Option<Noted>,
    ) -> Result<Went, custody::Error> {
        let status = posted.status;
        let longest_s = self.settings.longest_retry_after_s;
        let outcome = match status {
            200..=299 => Outcome::Taken { status },
            410 => not_taken(FailureCode::Gone, Some(status), None),
            _ => {
                let field = posted.retry_after.as_deref();
                let not_before = later::not_before(field, self.clock.now(), longest_s);
                not_taken(FailureCode::Status, Some(status), not_before)
            }
        };
        let mut excerpt = None;
        if target.keeps_answers() && !posted.excerpt.is_empty() {
            let id = target.id();
            let field = custody::endpoint_field(field::ENDPOINT_ANSWER, id.endpoint);
            let text = redact::redact(posted.excerpt, &opened.secrets());
            excerpt = Some(self.custody.seal_for_account(id.account, &field, &text).await?);
        }
        let answer = Answer { address: posted.address, excerpt };
        Ok(Went { outcome, latency: posted.latency, answer, noted })
    }

    /// Lets an endpoint's lane know how it went, and the log what follows from that.
    async fn judge(&self, target: &Target, pass: &Pass, outcome: &Outcome) {
        let now = self.clock.now();
        let (consequence, gone) = match outcome {
            Outcome::Taken { .. } => (pass.succeeded(), false),
            Outcome::NotTaken { code: FailureCode::Gone, .. } => (Consequence::None, true),
            Outcome::NotTaken { status: Some(status), .. } if is_refusal(*status) => {
                (pass.refused(now), false)
            }
            Outcome::NotTaken { code, .. } if code.is_the_endpoints() => (pass.failed(now), false),
            Outcome::NotTaken { .. } => (Consequence::None, false),
        };
        let Some((id, _)) = target.endpoint() else { return };
        if let Consequence::Disable { failing_since } = consequence
            && !self.only_failed(id, failing_since).await
        {
            pass.forgive();
            return;
        }
        let decide = |state: &endpoint::State| match consequence {
            _ if gone => endpoint::disable(state, DisabledBecause::Gone),
            Consequence::None => Ok(vec![]),
            Consequence::Open { failing_since, until } => {
                endpoint::open_circuit(state, failing_since, until)
            }
            Consequence::Close => endpoint::close_circuit(state),
            Consequence::Disable { .. } => endpoint::disable(state, DisabledBecause::Failing),
        };
        if !gone && consequence == Consequence::None {
            return;
        }
        tracing::info!(endpoint.id = %id, ?consequence, gone, "an endpoint changes its standing");
        if let Err(error) = self.log.transact::<Endpoints, _>(&id, now, decide).await {
            // The lane knows; the next failure says it again.
            tracing::warn!(endpoint.id = %id, error = %service::Chain(&error), "not recorded");
        }
    }

    /// Records what was noted of attempts whose outcome nobody recorded, as interrupted. What cannot be
    /// recorded now stays noted.
    pub(crate) async fn record_left(&self) {
        for noted in self.journal.left() {
            let id = noted.attempt().id();
            match self.interrupt(noted.attempt()).await {
                Ok(()) => noted.strike_out(),
                Err(error) => {
                    let error = service::Chain(&error);
                    tracing::warn!(delivery.id = %id, %error, "an interrupted attempt stays noted");
                }
            }
        }
    }

    async fn interrupt(&self, attempt: &journal::Attempt) -> Result<(), Error> {
        let id = attempt.id();
        // Two events may make the delivery due: whoever is handed the first must wait for the second.
        let _pursuit = self.turns.pursue(id);
        let history = self.log.history::<Deliveries>(&id).await?;
        let is_it = |recorded: &Recorded<Deliveries>| {
            let Some((number, latency_ms)) = recorded.event.attempt() else { return false };
            let began = recorded.time.checked_sub(Duration::from_millis(latency_ms));
            let apart = began.map(|began| began.duration_since(attempt.began_at).abs());
            number >= attempt.number && apart.is_ok_and(|apart| apart < SAME)
        };
        if history.iter().any(is_it) {
            return Ok(());
        }
        let now = self.clock.now();
        let ago = u64::try_from(now.duration_since(attempt.began_at).as_millis()).unwrap_or(0);
        let told = &attempt.told;
        let interrupt = |state: &State| delivery::interrupt(state, told.clone(), ago, now);
        self.log.transact::<Deliveries, _>(&id, now, interrupt).await?;
        tracing::info!(delivery.id = %id, "an attempt was interrupted");
        Ok(())
    }

    /// Whether an endpoint took no delivery since then, from whichever dispatcher. What cannot be found
    /// out now is asked again at the next failure.
    async fn only_failed(&self, id: endpoint::Id, since: Timestamp) -> bool {
        let (account, endpoint) = (id.account, id.endpoint);
        let span = Span {
            filter: Some(format!("darkroom.{}.{account}.{endpoint}.*.delivered", Deliveries::NOUN)),
            since: Some(since),
            ..Span::default()
        };
        let taken = self.log.replay(topology::DELIVERIES, span);
        pin_mut!(taken);
        taken.next().await.is_none()
    }
}

impl Went {
    pub(crate) fn not_taken(code: FailureCode) -> Self {
        Self {
            outcome: not_taken(code, None, None),
            latency: Duration::ZERO,
            answer: Answer::default(),
            noted: None,
        }
    }
}

/// Why a request could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unprepared {
    #[error(transparent)]
    Unopened(#[from] Unopened),
    #[error("open what is to be told")]
    Custody(#[from] custody::Error),
    #[error("write the body")]
    Body(#[from] serde_json::Error),
}

const fn not_taken(
    code: FailureCode,
    status: Option<u16>,
    not_before: Option<Timestamp>,
) -> Outcome {
    Outcome::NotTaken { code, status, not_before }
}

/// Whether a status tells of this one request rather than of who answers: of 4xx all but those that
/// ask for patience.
const fn is_refusal(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 408 | 425 | 429)
}

const fn unopened_code(error: &Unprepared) -> FailureCode {
    match error {
        Unprepared::Custody(custody::Error::Erased)
        | Unprepared::Unopened(Unopened::Custody(custody::Error::Erased)) => FailureCode::Erased,
        Unprepared::Unopened(Unopened::Url(_)) => FailureCode::Invalid,
        Unprepared::Unopened(_) | Unprepared::Custody(_) | Unprepared::Body(_) => {
            FailureCode::Internal
        }
    }
}

const fn call_code(error: &egress::Error) -> FailureCode {
    use egress::Error;
    match error {
        Error::InvalidUrl(_) => FailureCode::Invalid,
        Error::Forbidden(_) => FailureCode::Forbidden,
        Error::Timeout(_) => FailureCode::Timeout,
        Error::Tls(_) => FailureCode::Tls,
        Error::Status(_)
        | Error::Redirect(_)
        | Error::TooLarge { .. }
        | Error::NoRanges
        | Error::Encoded => FailureCode::Status,
        Error::Unreachable(_) | Error::Protocol(_) => FailureCode::Unreachable,
    }
}
