//! What happened, as endpoints are told it.

use domain::{
    Aggregate,
    account::Accounts,
    delivery::{Deliveries, Told},
    endpoint::{Endpoints, Topic, of_event},
    id::{AccountId, JobId},
    job::{Id, Jobs},
    upload::Uploads,
};
use eventlog::{Malformed, Raw, topology};
use jiff::Timestamp;

/// What happens to jobs besides outcomes, as topics.
pub(crate) const STEPS: [&str; 10] = [
    "job.requested",
    "job.started",
    "job.fetched",
    "job.stored",
    "job.wiped",
    "job.attempt_failed",
    "job.cancel_requested",
    "job.expired",
    "job.erasure_requested",
    "job.erased",
];

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    /// Whose affair it is.
    pub(crate) account: AccountId,
    /// What a delivery says of it.
    pub(crate) told: Told,
    /// When.
    pub(crate) time: Timestamp,
}

impl Happening {
    /// What a message of a stream says.
    pub(crate) fn read(stream: &'static str, raw: &Raw) -> Result<Self, Malformed> {
        match stream {
            topology::JOBS => {
                let recorded = raw.decode::<Jobs>()?;
                let told = told::<Jobs>(stream, &recorded, Some(recorded.id.job));
                Ok(Self { account: recorded.id.account, told, time: recorded.time })
            }
            topology::ACCOUNTS => {
                let recorded = raw.decode::<Accounts>()?;
                let told = told::<Accounts>(stream, &recorded, None);
                Ok(Self { account: recorded.id, told, time: recorded.time })
            }
            topology::UPLOADS => {
                let recorded = raw.decode::<Uploads>()?;
                let told = told::<Uploads>(stream, &recorded, None);
                Ok(Self { account: recorded.id.account, told, time: recorded.time })
            }
            topology::ENDPOINTS => {
                let recorded = raw.decode::<Endpoints>()?;
                let told = told::<Endpoints>(stream, &recorded, None);
                Ok(Self { account: recorded.id.account, told, time: recorded.time })
            }
            _ => {
                let recorded = raw.decode::<Deliveries>()?;
                let told = told::<Deliveries>(stream, &recorded, None);
                Ok(Self { account: recorded.id.account, told, time: recorded.time })
            }
        }
    }

    /// Its topic.
    pub(crate) fn topic(&self) -> Topic {
        self.told.event_type.as_str().into()
    }

    /// The job it is about, if it is about one.
    pub(crate) fn job(&self) -> Option<Id> {
        self.told.job.map(|job| Id { account: self.account, job })
    }

    /// Whether whoever asked for the job by its own callback is told.
    pub(crate) fn is_outcome(&self) -> bool {
        matches!(self.told.event_type.as_str(), "job.completed" | "job.failed" | "job.cancelled")
    }
}

fn told<A: Aggregate>(
    stream: &'static str,
    recorded: &eventlog::Recorded<A>,
    job: Option<JobId>,
) -> Told {
    Told {
        event_id: recorded.event_id,
        event_type: of_event(A::NOUN, A::event_name(&recorded.event)).as_str().to_owned(),
        job,
        time: Some(recorded.time),
        stream: stream.to_owned(),
        seq: recorded.seq,
    }
}
