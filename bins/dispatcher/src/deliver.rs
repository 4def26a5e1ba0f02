//! A delivery in three steps: prepare, call, record.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use custody::Custody;
use domain::{
    Sealed, Timestamp,
    account::{self, Accounts},
    delivery::{self, Answer, Attempted, Deliveries, FailureCode, Outcome, Phase, State, Told},
    filepreviews::{self, Style},
    job::{self, Job, Jobs},
    sealed::field,
};
use egress::{HookUrl, Plaintext};
use eventlog::{Log, ReadError, Recorded, TransactError, topology};
use http::HeaderMap;
use service::Clock;
use url::{Host, Url};

use crate::{later, settings, sign};

/// Delivers outcomes of jobs to the URL each job named.
pub(crate) struct Deliverer {
    pub(crate) log: Log,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) custody: Custody,
    pub(crate) egress: egress::Client,
    pub(crate) settings: settings::Dispatcher,
}

/// What has become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nobody to tell, told, or given up.
    Over,
    /// An attempt is due at this time.
    DueAt(Timestamp),
}

/// Why nothing could be recorded. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The job or its account could not be read.
    #[error("read what is to be told")]
    Read(#[from] ReadError),
    /// The delivery could not be recorded.
    #[error("record the delivery")]
    Record(#[from] TransactError<delivery::Refusal>),
}

/// A request ready to go.
struct Prepared {
    url: HookUrl,
    headers: HeaderMap,
    body: Bytes,
}

/// Why a request could not be made ready.
#[derive(Debug, thiserror::Error)]
enum Unprepared {
    #[error("open what is to be told")]
    Custody(#[from] custody::Error),
    #[error("use the callback URL")]
    Url(#[from] egress::UrlError),
    #[error("sign the body")]
    Secret(#[from] sign::BadSecret),
    #[error("the account has no webhook secret")]
    NoSecret,
    #[error("write the body")]
    Body(#[from] serde_json::Error),
    #[error("read the account")]
    Account(#[from] ReadError),
}

impl Deliverer {
    /// Makes the attempt that is due for the outcome of a job, if one is.
    pub(crate) async fn deliver(&self, outcome: &Recorded<Jobs>) -> Result<Progress, Error> {
        let loaded = self.log.load::<Jobs>(&outcome.id).await?;
        let Some(job) = loaded.state.job() else { return Ok(Progress::Over) };
        let Some(callback) = &job.requested.callback_url else { return Ok(Progress::Over) };
        let id = delivery::Id::of_callback(outcome.id.account, outcome.id.job, outcome.event_id);
        let now = self.clock.now();
        let event_type = format!("job.{}", outcome.event.name());
        let told = Told {
            event_id: outcome.event_id,
            event_type,
            job: Some(outcome.id.job),
            stream: topology::JOBS.to_owned(),
            seq: outcome.seq,
        };
        let due = |state: &State| delivery::due(state, told.clone());
        let known = self.log.transact::<Deliveries, _>(&id, now, due).await?.loaded;
        let Some(waiting) = known.state.delivery() else { return Ok(Progress::Over) };
        let attempt = match waiting.phase {
            Phase::Delivered { .. } | Phase::Exhausted { .. } => return Ok(Progress::Over),
            Phase::Waiting { retry_at: Some(at) } if at > now => return Ok(Progress::DueAt(at)),
            Phase::Waiting { .. } => waiting.attempts + 1,
        };
        let (result, latency) = self.attempt(&id, &outcome.id, job, callback).await;
        let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        let when = (self.clock.now(), rand::random::<f64>());
        let schedule = &self.settings.retry_after_s;
        let attempted = Attempted {
            told: told.clone(),
            attempt,
            outcome: result,
            latency_ms,
            answer: Answer::default(),
        };
        let record = |state: &State| delivery::record(state, attempted.clone(), schedule, when);
        let recorded = self.log.transact_from(&id, known, when.0, record).await?;
        tracing::info!(
            job.id = %outcome.id.job, delivery.id = %id, attempt, latency_ms, ?result, "attempted"
        );
        Ok(match recorded.loaded.state.delivery().map(|delivery| delivery.phase) {
            Some(Phase::Waiting { retry_at }) => Progress::DueAt(retry_at.unwrap_or(when.0)),
            Some(Phase::Delivered { .. } | Phase::Exhausted { .. }) | None => Progress::Over,
        })
    }

    async fn attempt(
        &self,
        id: &delivery::Id,
        job_id: &job::Id,
        job: &Job,
        callback: &Sealed,
    ) -> (Outcome, Duration) {
        match self.prepare(id, job_id, job, callback).await {
            Ok(prepared) => self.call(prepared).await,
            Err(error) => {
                let code = unprepared_code(&error);
                let error = service::Chain(&error);
                tracing::warn!(job.id = %job_id.job, delivery.id = %id, %error, "not prepared");
                (Outcome::NotTaken { code, status: None, not_before: None }, Duration::ZERO)
            }
        }
    }

    async fn prepare(
        &self,
        id: &delivery::Id,
        job_id: &job::Id,
        job: &Job,
        callback: &Sealed,
    ) -> Result<Prepared, Unprepared> {
        let url = self.custody.open_text(job_id, field::CALLBACK_URL, callback).await?;
        let url = parse(&url)?;
        let account = self.log.load::<Accounts>(&job_id.account).await?.state;
        let secret = account.webhook_secret.as_ref().ok_or(Unprepared::NoSecret)?;
        let secret = {
            let field = field::WEBHOOK_SECRET;
            self.custody.open_credential(job_id.account, field, secret).await?
        };
        let opened = self.custody.open_view(job_id, job).await?;
        let body = filepreviews::body(job_id.job, job, &opened, &self.style(&account, job));
        let body = Bytes::from(serde_json::to_vec(&body)?);
        let webhook_id = sign::webhook_id(id);
        let headers = sign::headers(secret.expose(), &webhook_id, self.clock.now(), &body)?;
        Ok(Prepared { url, headers, body })
    }

    async fn call(&self, prepared: Prepared) -> (Outcome, Duration) {
        let Prepared { url, headers, body } = prepared;
        let timeout = Duration::from_millis(self.settings.timeout_ms);
        match self.egress.post(&url, headers, body, timeout).await {
            Ok(posted) => {
                let status = posted.status;
                let longest_s = self.settings.longest_retry_after_s;
                let not_before =
                    later::not_before(posted.retry_after.as_deref(), self.clock.now(), longest_s);
                let outcome = match status {
                    200..=299 => Outcome::Taken { status },
                    410 => refused(FailureCode::Gone, status, None),
                    _ => refused(FailureCode::Status, status, not_before),
                };
                (outcome, posted.latency)
            }
            Err(failed) => {
                let code = call_code(&failed.error);
                (Outcome::NotTaken { code, status: None, not_before: None }, failed.latency)
            }
        }
    }

    fn style(&self, account: &account::State, job: &Job) -> Style {
        let application = account.applications.get(&job.requested.application);
        Style {
            public_url: self.settings.public_url.trim_end_matches('/').to_owned(),
            failure_word: application
                .map(|known| known.application.terms.failure_word)
                .unwrap_or_default(),
        }
    }
}

const fn refused(code: FailureCode, status: u16, not_before: Option<Timestamp>) -> Outcome {
    Outcome::NotTaken { code, status: Some(status), not_before }
}

/// Without TLS only to this very machine.
fn parse(text: &str) -> Result<HookUrl, egress::UrlError> {
    let plaintext = if is_loopback(text) { Plaintext::Accepted } else { Plaintext::Refused };
    HookUrl::parse(text, plaintext)
}

fn is_loopback(text: &str) -> bool {
    let url = Url::parse(text).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

const fn unprepared_code(error: &Unprepared) -> FailureCode {
    match error {
        Unprepared::Custody(custody::Error::Erased) => FailureCode::Erased,
        Unprepared::Url(_) => FailureCode::Invalid,
        Unprepared::Custody(_)
        | Unprepared::Secret(_)
        | Unprepared::NoSecret
        | Unprepared::Body(_)
        | Unprepared::Account(_) => FailureCode::Internal,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for (text, usable) in [
            ("https://hooks.example.com/x", true),
            ("http://hooks.example.com/x", false),
            ("http://127.0.0.1:8099/x", true),
            ("http://[::1]:8099/x", true),
            ("http://10.0.0.1/x", false),
            ("http://127.0.0.1.example.com/x", false),
            ("ftp://127.0.0.1/x", false),
            ("not a url", false),
        ] {
            assert_eq!(parse(text).is_ok(), usable, "{text}");
        }
    }
}
