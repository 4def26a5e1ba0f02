//! A delivery: first tried where it was found to be due, then pursued from the log until it is over.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use custody::Custody;
use domain::{
    Timestamp, account,
    delivery::{self, Answer, Attempted, Deliveries, FailureCode, Outcome, Phase, State, Told},
    endpoint::{self, DisabledBecause, Endpoint, Endpoints, of_event},
    filepreviews::{self, Style},
    id::EndpointId,
    job::{self, Job, Jobs},
    sealed::field,
};
use eventlog::{Loaded, Log, ReadError, TransactError, topology};
use futures::future::join_all;
use jiff::SignedDuration;
use service::Clock;

use crate::{
    book::{Behind, Book},
    lanes::{Consequence, Entry, Lanes, Pass},
    later,
    payload::Letter,
    settings, sign,
    target::{self, Opened, Opener, Target, Unopened},
    told::Happening,
};

/// How long a delivery waits that another must come before.
const IN_TURN: Duration = Duration::from_millis(500);
/// How long what happened before may take to be told on its own.
const HEAD_START: SignedDuration = SignedDuration::from_secs(5);

/// Delivers what happened to whoever wants to know.
pub(crate) struct Deliverer {
    pub(crate) log: Log,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) custody: Custody,
    pub(crate) egress: egress::Client,
    pub(crate) settings: settings::Dispatcher,
    pub(crate) book: Book,
    pub(crate) lanes: Lanes,
    pub(crate) opener: Opener,
}

/// What has become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Told, or given up.
    Over,
    /// An attempt is due at this time.
    DueAt(Timestamp),
    /// An attempt is due, and has to wait this long.
    Later(Duration),
}

/// Why nothing could be recorded. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A history could not be read.
    #[error("read what is to be told")]
    Read(#[from] ReadError),
    /// Who is to be told is not known.
    #[error("find out who is to be told")]
    Behind(#[from] Behind),
    /// A field could not be opened.
    #[error("open what is to be told")]
    Custody(#[from] custody::Error),
    /// The delivery could not be recorded.
    #[error("record the delivery")]
    Record(#[from] TransactError<delivery::Refusal>),
}

/// What an attempt says, and of what.
struct Matter<'a> {
    told: &'a Told,
    job: Option<&'a (job::Id, Box<Job>)>,
    account: &'a account::State,
}

/// How an attempt went.
struct Went {
    outcome: Outcome,
    latency: Duration,
    answer: Answer,
}

impl Deliverer {
    /// Tells everybody of it who wants to know: at once where there is room, else later. `again`:
    /// this may have been done before, in part. `but`: an endpoint that is not told.
    pub(crate) async fn tell(
        &self,
        happening: &Happening,
        again: bool,
        but: Option<EndpointId>,
    ) -> Result<(), Error> {
        let endpoints = self.book.endpoints(happening.account).await?;
        let topic = happening.topic();
        let mut wanted: BTreeMap<EndpointId, Arc<Endpoint>> = endpoints
            .into_iter()
            .filter(|(id, _)| but != Some(*id))
            .filter(|(_, known)| known.disabled.is_none() && known.added_at <= happening.time)
            .filter(|(_, known)| known.wants(&topic, None))
            .collect();
        if wanted.is_empty() && !happening.is_outcome() {
            return Ok(());
        }
        let job = self.job(happening.job()).await?;
        if let Some((_, job)) = &job {
            wanted.retain(|_, known| known.wants(&topic, Some(job.requested.application)));
        }
        let mut targets: Vec<Target> = wanted
            .into_iter()
            .map(|(endpoint, known)| {
                let id = endpoint::Id { account: happening.account, endpoint };
                let id = delivery::Id::of(id, happening.told.event_id);
                Target::Endpoint { id, endpoint: known }
            })
            .collect();
        if let Some((id, job)) = job.as_ref().filter(|_| happening.is_outcome()) {
            let delivery = delivery::Id::of_callback(id.account, id.job, happening.told.event_id);
            match target::callback(&self.custody, *id, job, delivery).await {
                Ok(callback) => targets.extend(callback),
                // Nobody can read any more who was to be told.
                Err(custody::Error::Erased) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if targets.is_empty() {
            return Ok(());
        }
        let account = self.book.account(happening.account).await?;
        let matter = Matter { told: &happening.told, job: job.as_ref(), account: &account };
        let told = targets.iter().map(|target| self.begin(target, &matter, again));
        join_all(told).await.into_iter().collect()
    }

    async fn job(&self, id: Option<job::Id>) -> Result<Option<(job::Id, Box<Job>)>, Error> {
        let Some(id) = id else { return Ok(None) };
        Ok(match self.log.load::<Jobs>(&id).await?.state {
            job::State::Absent => None,
            job::State::Present(job) => Some((id, job)),
        })
    }

    /// The first attempt, where there is room for it; otherwise the delivery is noted as due.
    async fn begin(&self, target: &Target, matter: &Matter<'_>, again: bool) -> Result<(), Error> {
        let id = target.id();
        let known = if again { self.log.load::<Deliveries>(&id).await? } else { Loaded::default() };
        if known.state.delivery().is_some() {
            // Whatever is still to be done is found by its own message.
            return Ok(());
        }
        let now = self.clock.now();
        if !self.is_behind_another(target, matter.told).await?
            && let Entry::Go(pass) = self.enter(target).await
        {
            self.attempt(target, matter, known, 1, pass).await?;
            return Ok(());
        }
        let due = |state: &State| delivery::due(state, matter.told.clone());
        self.log.transact_from::<Deliveries, _>(&id, known, now, due).await?;
        Ok(())
    }

    async fn enter(&self, target: &Target) -> Entry {
        let (lane, circuit) = target.lane();
        let lane = self.lanes.of(lane, circuit);
        lane.enter_soon(target.width(&self.settings), || self.clock.now()).await
    }

    /// Makes the attempt that is due of a delivery, if one is and there is room for it.
    pub(crate) async fn pursue(&self, id: delivery::Id) -> Result<Progress, Error> {
        let known = self.log.load::<Deliveries>(&id).await?;
        let Some(waiting) = known.state.delivery().cloned() else { return Ok(Progress::Over) };
        let now = self.clock.now();
        match waiting.phase {
            Phase::Delivered { .. } | Phase::Exhausted { .. } => return Ok(Progress::Over),
            Phase::Waiting { retry_at: Some(at) } if at > now => return Ok(Progress::DueAt(at)),
            Phase::Waiting { .. } => {}
        }
        let told = &waiting.told;
        let attempt = waiting.attempts + 1;
        let job = self.job(told.job.map(|job| job::Id { account: id.account, job })).await?;
        let account = self.book.account(id.account).await?;
        let matter = Matter { told, job: job.as_ref(), account: &account };
        let Some(target) = self.target(id, &matter).await? else {
            let went = Went::not_taken(FailureCode::Disabled);
            return self
                .record(id, known, &matter, attempt, went, &self.settings.retry_after_s)
                .await;
        };
        if self.is_behind_another(&target, told).await? {
            return Ok(Progress::Later(IN_TURN));
        }
        match self.enter(&target).await {
            Entry::Go(pass) => self.attempt(&target, &matter, known, attempt, pass).await,
            Entry::Wait(wait) => Ok(Progress::Later(wait)),
        }
    }

    /// Where a delivery goes; nothing if its endpoint was disabled or removed.
    async fn target(&self, id: delivery::Id, matter: &Matter<'_>) -> Result<Option<Target>, Error> {
        if let Some((job_id, job)) = matter.job {
            let told = matter.told.event_id;
            if delivery::Id::of_callback(job_id.account, job_id.job, told) == id {
                return match target::callback(&self.custody, *job_id, job, id).await {
                    Err(custody::Error::Erased) => Ok(None),
                    callback => Ok(callback?),
                };
            }
        }
        let endpoints = self.book.endpoints(id.account).await?;
        let endpoint = endpoints.get(&id.endpoint).filter(|known| known.disabled.is_none());
        Ok(endpoint.map(|known| Target::Endpoint { id, endpoint: Arc::clone(known) }))
    }

    /// Whether an endpoint that wants to be told in order has not been told yet what happened to
    /// the job before.
    async fn is_behind_another(&self, target: &Target, told: &Told) -> Result<bool, Error> {
        let Some((endpoint_id, endpoint)) = target.endpoint() else { return Ok(false) };
        let ordered = endpoint.letter.terms.ordered && told.stream == topology::JOBS;
        let Some(job) = told.job.filter(|_| ordered) else { return Ok(false) };
        let job = job::Id { account: endpoint_id.account, job };
        let history = self.log.history::<Jobs>(&job).await?;
        let before = history.iter().rev().find(|recorded| {
            let topic = of_event("job", recorded.event.name());
            recorded.seq < told.seq
                && recorded.time >= endpoint.added_at
                && endpoint.wants(&topic, None)
        });
        let Some(before) = before else { return Ok(false) };
        let id = delivery::Id::of(endpoint_id, before.event_id);
        let known = self.log.load::<Deliveries>(&id).await?;
        if let Some(delivery) = known.state.delivery() {
            return Ok(delivery.is_waiting());
        }
        let now = self.clock.now();
        if now.duration_since(before.time) < HEAD_START {
            // It is most likely under way.
            return Ok(true);
        }
        // It waits to be taken from the log, or was never meant for this endpoint; this way it
        // cannot be forgotten.
        let before = Told {
            event_id: before.event_id,
            event_type: of_event("job", before.event.name()).as_str().to_owned(),
            job: told.job,
            time: Some(before.time),
            stream: told.stream.clone(),
            seq: before.seq,
        };
        let due = |state: &State| delivery::due(state, before.clone());
        self.log.transact_from::<Deliveries, _>(&id, known, now, due).await?;
        Ok(true)
    }

    async fn attempt(
        &self,
        target: &Target,
        matter: &Matter<'_>,
        known: Loaded<Deliveries>,
        attempt: u32,
        pass: Pass,
    ) -> Result<Progress, Error> {
        let went = match self.call(target, matter).await {
            Ok(went) => went,
            Err(error) => {
                let error_text = service::Chain(&error);
                tracing::warn!(delivery.id = %target.id(), error = %error_text, "not prepared");
                Went::not_taken(unopened_code(&error))
            }
        };
        self.judge(target, &pass, &went.outcome).await;
        drop(pass);
        let schedule = target.schedule(&self.settings);
        self.record(target.id(), known, matter, attempt, went, schedule).await
    }

    async fn record(
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
        let when = (self.clock.now(), rand::random::<f64>());
        let record = |state: &State| delivery::record(state, attempted.clone(), schedule, when);
        let recorded = self.log.transact_from::<Deliveries, _>(&id, known, when.0, record).await?;
        tracing::info!(
            delivery.id = %id, event.topic = matter.told.event_type, attempt, latency_ms,
            outcome = ?attempted.outcome, "attempted"
        );
        Ok(match recorded.loaded.state.delivery().map(|delivery| delivery.phase) {
            Some(Phase::Waiting { retry_at }) => Progress::DueAt(retry_at.unwrap_or(when.0)),
            Some(Phase::Delivered { .. } | Phase::Exhausted { .. }) | None => Progress::Over,
        })
    }

    async fn call(&self, target: &Target, matter: &Matter<'_>) -> Result<Went, Unprepared> {
        let now = self.clock.now();
        let opened = self.opener.open(target, matter.account, now).await?;
        let body = match matter.job {
            Some((id, job)) => Some(self.body(*id, job, matter.account).await?),
            None => None,
        };
        let letter = Letter {
            account: target.id().account,
            told: matter.told,
            time: matter.told.time.unwrap_or(now),
            job: body.as_ref(),
        };
        let (media_type, bytes) = letter.write(target.payload(), &opened.keys)?;
        let webhook_id = sign::webhook_id(&target.id());
        let mut headers = opened.headers.clone();
        headers.extend(sign::headers(&opened.keys, &webhook_id, now, media_type, &bytes));
        let timeout = target.timeout(&self.settings);
        Ok(match self.egress.post(&opened.url, headers, bytes, timeout).await {
            Ok(posted) => self.took(target, &opened, posted).await?,
            Err(failed) => Went {
                outcome: not_taken(call_code(&failed.error), None, None),
                latency: failed.latency,
                answer: Answer { address: failed.address, excerpt: None },
            },
        })
    }

    /// What a GET of the job answers.
    async fn body(
        &self,
        id: job::Id,
        job: &Job,
        account: &account::State,
    ) -> Result<filepreviews::Body, custody::Error> {
        let opened = self.custody.open_view(&id, job).await?;
        let application = account.applications.get(&job.requested.application);
        let style = Style {
            public_url: self.settings.public_url.trim_end_matches('/').to_owned(),
            failure_word: application
                .map(|known| known.application.terms.failure_word)
                .unwrap_or_default(),
        };
        Ok(filepreviews::body(id.job, job, &opened, &style))
    }

    async fn took(
        &self,
        target: &Target,
        opened: &Opened,
        posted: egress::Posted,
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
            let text = redact(posted.excerpt, opened);
            excerpt = Some(self.custody.seal_for_account(id.account, &field, &text).await?);
        }
        let answer = Answer { address: posted.address, excerpt };
        Ok(Went { outcome, latency: posted.latency, answer })
    }

    /// Lets an endpoint's lane know how it went, and the log what follows from that.
    async fn judge(&self, target: &Target, pass: &Pass, outcome: &Outcome) {
        let now = self.clock.now();
        let (consequence, gone) = match outcome {
            Outcome::Taken { .. } => (pass.succeeded(), false),
            Outcome::NotTaken { code: FailureCode::Gone, .. } => (Consequence::None, true),
            Outcome::NotTaken { code, .. } if code.is_the_endpoints() => (pass.failed(now), false),
            Outcome::NotTaken { .. } => (Consequence::None, false),
        };
        let Some((id, _)) = target.endpoint() else { return };
        let decide = |state: &endpoint::State| match consequence {
            _ if gone => endpoint::disable(state, DisabledBecause::Gone),
            Consequence::None => Ok(vec![]),
            Consequence::Open { failing_since, until } => {
                endpoint::open_circuit(state, failing_since, until)
            }
            Consequence::Close => endpoint::close_circuit(state),
            Consequence::Disable => endpoint::disable(state, DisabledBecause::Failing),
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
}

impl Went {
    fn not_taken(code: FailureCode) -> Self {
        Self {
            outcome: not_taken(code, None, None),
            latency: Duration::ZERO,
            answer: Answer::default(),
        }
    }
}

/// Why a request could not be made ready.
#[derive(Debug, thiserror::Error)]
enum Unprepared {
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

/// An endpoint may echo what it was sent; its secrets are not kept with its answer.
fn redact(mut text: String, opened: &Opened) -> String {
    for value in opened.headers.values() {
        if let Some(value) = value.to_str().ok().filter(|value| value.len() > 3) {
            text = text.replace(value, "[redacted]");
        }
    }
    text
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
