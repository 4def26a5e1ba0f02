//! Why an attempt ends before its job is fulfilled, and what the caller is told of it.

use domain::{Capability, FailureCode, job::Refusal};
use eventlog::TransactError;

use crate::{far::FarError, origin::ReadError, spool::SpoolError};

/// Why an attempt ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// It failed.
    #[error("{code}: {detail}")]
    Failed {
        /// Why.
        code: FailureCode,
        /// Which part of the installation is missing, if that is why.
        capability: Option<Capability>,
        /// More of it, for operators. Quotes nothing of the caller's.
        detail: String,
    },
    /// Another worker has the job, or it has ended.
    #[error("the lease is lost")]
    LeaseLost,
    /// The caller wants it to stop.
    #[error("the job is cancelled")]
    Cancelled,
    /// What happened could not be recorded.
    #[error("record what happened")]
    Log(#[source] Box<TransactError<Refusal>>),
}

impl Stop {
    pub(crate) fn failed(code: FailureCode, detail: impl Into<String>) -> Self {
        Self::Failed { code, capability: None, detail: detail.into() }
    }

    /// This service's own fault; the chain of causes becomes the detail.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::failed(FailureCode::Internal, service::Chain(error).to_string())
    }
}

impl From<TransactError<Refusal>> for Stop {
    fn from(error: TransactError<Refusal>) -> Self {
        match error {
            TransactError::Refused(Refusal::Cancelling) => Self::Cancelled,
            TransactError::Refused(Refusal::LeaseLost | Refusal::Ended | Refusal::Unknown) => {
                Self::LeaseLost
            }
            // None of these applies to an act under a lease.
            TransactError::Refused(
                refusal @ (Refusal::NotDue { .. }
                | Refusal::OtherRequest
                | Refusal::NotEnded
                | Refusal::NotWiped),
            ) => Self::internal(&refusal),
            // The log works but will never take this event.
            other @ (TransactError::Rejected { .. } | TransactError::Encode(_)) => {
                Self::internal(&other)
            }
            other @ (TransactError::Read(_)
            | TransactError::Unavailable(_)
            | TransactError::Contended { .. }) => Self::Log(Box::new(other)),
        }
    }
}

impl From<custody::Error> for Stop {
    fn from(error: custody::Error) -> Self {
        match error {
            custody::Error::Destination(source) => storage_failure(&source),
            custody::Error::Erased
            | custody::Error::Vault(_)
            | custody::Error::Credentials
            | custody::Error::Headers
            | custody::Error::Link(_)
            | custody::Error::Cdn(_)
            | custody::Error::Location => Self::internal(&error),
        }
    }
}

impl From<enclave::RenderError> for Stop {
    fn from(error: enclave::RenderError) -> Self {
        if let enclave::RenderError::Source { source, .. } = &error
            && let Some(far) = source.get_ref().and_then(|inner| inner.downcast_ref::<FarError>())
        {
            return far.into();
        }
        let detail = service::Chain(&error).to_string();
        Self::Failed { code: error.code(), capability: error.capability(), detail }
    }
}

impl From<enclave::hosted::HostedError> for Stop {
    fn from(error: enclave::hosted::HostedError) -> Self {
        let detail = service::Chain(&error).to_string();
        Self::Failed { code: error.code(), capability: error.capability(), detail }
    }
}

impl From<&FarError> for Stop {
    fn from(error: &FarError) -> Self {
        match error {
            FarError::Read(source) => source.into(),
            FarError::Stopped | FarError::File(_) => Self::internal(error),
        }
    }
}

impl From<FarError> for Stop {
    fn from(error: FarError) -> Self {
        (&error).into()
    }
}

impl From<&ReadError> for Stop {
    fn from(error: &ReadError) -> Self {
        match error {
            ReadError::Web(source) => source_failure(source),
            ReadError::Input(source) => input_failure(source),
            ReadError::Upload(source) => upload_failure(source),
            ReadError::Changed => Self::failed(FailureCode::SourceChanged, error.to_string()),
            ReadError::Slow => Self::failed(FailureCode::SourceTimeout, error.to_string()),
        }
    }
}

impl From<SpoolError<ReadError>> for Stop {
    fn from(error: SpoolError<ReadError>) -> Self {
        match error {
            SpoolError::Source(source) => (&source).into(),
            SpoolError::TooLarge { .. } => {
                Self::failed(FailureCode::SourceTooLarge, error.to_string())
            }
            SpoolError::File(_) => Self::internal(&error),
        }
    }
}

impl From<SpoolError<egress::Error>> for Stop {
    fn from(error: SpoolError<egress::Error>) -> Self {
        match error {
            SpoolError::Source(source) => source_failure(&source),
            SpoolError::TooLarge { .. } => {
                Self::failed(FailureCode::SourceTooLarge, error.to_string())
            }
            SpoolError::File(_) => Self::internal(&error),
        }
    }
}

/// What a failed fetch means.
pub(crate) fn source_failure(error: &egress::Error) -> Stop {
    use egress::Error;
    let code = match error {
        Error::InvalidUrl(_) => FailureCode::SourceInvalid,
        Error::Forbidden(_) => FailureCode::SourceForbidden,
        Error::Unreachable(_) | Error::Tls(_) | Error::Protocol(_) => {
            FailureCode::SourceUnreachable
        }
        Error::Timeout(_) => FailureCode::SourceTimeout,
        Error::Status(404 | 410) => FailureCode::SourceNotFound,
        Error::Status(401 | 403) => FailureCode::SourceDenied,
        Error::Status(408 | 425 | 429 | 500..=599) => FailureCode::SourceUnavailable,
        Error::Status(_) | Error::Redirect(_) | Error::NoRanges | Error::Encoded => {
            FailureCode::SourceRefused
        }
        Error::TooLarge { .. } => FailureCode::SourceTooLarge,
    };
    Stop::failed(code, service::Chain(error).to_string())
}

/// What it means that an object of an input cannot be read.
fn input_failure(error: &storage::Error) -> Stop {
    use storage::Error;
    let code = match error {
        Error::LeftBehind { error, .. } => return input_failure(error),
        Error::Denied(_) | Error::Credentials(_) => FailureCode::SourceDenied,
        Error::MissingBucket(_) | Error::MissingObject(_) => FailureCode::SourceNotFound,
        Error::Forbidden(_) => FailureCode::SourceForbidden,
        Error::ClockSkew(_) => FailureCode::ClockSkew,
        Error::Unavailable(_) => FailureCode::SourceUnavailable,
        Error::Slow { .. } => FailureCode::SourceTimeout,
        Error::Unreachable { .. } | Error::Damaged { .. } => FailureCode::SourceUnreachable,
        Error::TooLarge { .. } => FailureCode::SourceTooLarge,
        Error::Destination(_) | Error::Key(_) | Error::Unprepared { .. } => {
            FailureCode::SourceInvalid
        }
        Error::Invalid(_) | Error::Full(_) | Error::Header(_) | Error::Expiry => {
            FailureCode::SourceRefused
        }
        Error::Body(_) => FailureCode::Internal,
    };
    Stop::failed(code, service::Chain(error).to_string())
}

/// What it means that an upload cannot be read: the bucket is ours.
fn upload_failure(error: &storage::Error) -> Stop {
    match error {
        storage::Error::MissingObject(_) => {
            Stop::failed(FailureCode::UploadMissing, service::Chain(error).to_string())
        }
        _ => Stop::internal(error),
    }
}

/// What a failed upload means.
pub(crate) fn storage_failure(error: &storage::Error) -> Stop {
    Stop::failed(storage_code(error), service::Chain(error).to_string())
}

fn storage_code(error: &storage::Error) -> FailureCode {
    use storage::Error;
    match error {
        Error::LeftBehind { error, .. } => storage_code(error),
        Error::Denied(_) => FailureCode::DestinationDenied,
        Error::Credentials(_) => FailureCode::DestinationCredentials,
        Error::Forbidden(_) => FailureCode::DestinationForbidden,
        Error::Slow { .. } => FailureCode::DestinationTimeout,
        Error::Unreachable { .. } if is_refused(error) => FailureCode::DestinationForbidden,
        Error::Invalid(_)
        | Error::Unprepared { .. }
        | Error::Destination(_)
        | Error::Key(_)
        | Error::Header(_)
        | Error::MissingObject(_)
        | Error::Expiry => FailureCode::DestinationInvalid,
        Error::ClockSkew(_) => FailureCode::ClockSkew,
        Error::MissingBucket(_) => FailureCode::DestinationMissing,
        Error::Full(_) => FailureCode::DestinationFull,
        Error::Unavailable(_) | Error::Unreachable { .. } | Error::Damaged { .. } => {
            FailureCode::DestinationUnavailable
        }
        Error::TooLarge { .. } => FailureCode::OutputTooLarge,
        Error::Body(_) => FailureCode::Internal,
    }
}

/// Whether a name was not connected to because of the addresses that it has.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(egress::GateError::Refused(_))) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use storage::Error;

    use super::*;

    #[test]
    fn a_failure_that_left_parts_behind_is_told_as_itself_and_says_so() {
        let whole = || Error::Damaged { operation: "UploadPart" };
        let left = Error::LeftBehind { error: Box::new(whole()), abort: Box::new(Error::Expiry) };
        let (Stop::Failed { code, detail, .. }, Stop::Failed { code: same, .. }) =
            (storage_failure(&left), storage_failure(&whole()))
        else {
            panic!("both are failures")
        };
        assert_eq!(code, same);
        assert!(detail.contains("UploadPart") && detail.contains("stay in the bucket"), "{detail}");
    }
}
