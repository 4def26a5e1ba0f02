//! Why an object could not be stored or read, as the few kinds a caller acts on differently.

use std::{error::Error as StdError, fmt, io};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::{InvalidDestination, InvalidHeader, InvalidKey};

/// The most characters kept of an error code that a server made up.
const MAX_CODE_CHARS: usize = 64;

/// What a server said no with. Holds nothing of what it was sent, and none of its prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request, in S3's own name.
    pub operation: &'static str,
    /// HTTP status.
    pub status: u16,
    /// S3's error code; empty when none was sent.
    pub code: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was answered {}", self.operation, self.status)?;
        if self.code.is_empty() { Ok(()) } else { write!(f, " {}", self.code) }
    }
}

/// Why an object could not be stored or read. Neither text nor source quotes credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The credentials' policy does not allow it. Lasting.
    #[error("the bucket refused: {0}")]
    Denied(Answer),
    /// The credentials are wrong, or hold no longer. Lasting.
    #[error("the bucket's server does not accept the credentials: {0}")]
    Credentials(Answer),
    /// There is no such bucket. Lasting.
    #[error("there is no such bucket: {0}")]
    MissingBucket(Answer),
    /// There is no such object. Lasting.
    #[error("there is no such object: {0}")]
    MissingObject(Answer),
    /// The bucket or its server is full, or its quota is used up. Lasting until somebody makes room.
    #[error("the bucket is full: {0}")]
    Full(Answer),
    /// This machine's clock, or the server's, is wrong. Lasting until it is set.
    #[error("the clocks of this machine and the server differ too much: {0}")]
    ClockSkew(Answer),
    /// The server is overloaded or failing. Passing.
    #[error("the bucket's server is failing or overloaded: {0}")]
    Unavailable(Answer),
    /// The server took too long. Passing.
    #[error("the bucket's server did not answer {operation} in time")]
    Slow {
        /// The request, in S3's own name.
        operation: &'static str,
    },
    /// The server says that it stored other bytes than it was sent. Passing.
    #[error("the bucket's server stored other bytes than {operation} sent")]
    Damaged {
        /// The request, in S3's own name.
        operation: &'static str,
    },
    /// An object could not be stored in parts, and those that were could not be removed: as the
    /// first of the two.
    #[error("{error}; the parts stored so far stay in the bucket: {abort}")]
    LeftBehind {
        /// Why it could not be stored.
        error: Box<Self>,
        /// Why its parts could not be removed.
        abort: Box<Self>,
    },
    /// The server could not be reached, or broke off. Passing.
    #[error("{operation} did not reach the bucket's server, or the connection broke off")]
    Unreachable {
        /// The request, in S3's own name.
        operation: &'static str,
        /// What the connection failed with.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server took the request for a wrong one: region, encryption key, class. Lasting.
    #[error("the bucket took the request for invalid: {0}")]
    Invalid(Answer),
    /// The request could not even be made. Lasting.
    #[error("{operation} could not be prepared")]
    Unprepared {
        /// The request, in S3's own name.
        operation: &'static str,
        /// What was wrong with it.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The destination itself is unusable. Lasting.
    #[error(transparent)]
    Destination(#[from] InvalidDestination),
    /// The network does not let the endpoint's address be reached. Lasting.
    #[error("the endpoint's address may not be reached")]
    Forbidden(#[source] Box<dyn StdError + Send + Sync>),
    /// The object's key is unusable. Lasting.
    #[error("the object's key is refused")]
    Key(#[from] InvalidKey),
    /// A header is unusable. Lasting.
    #[error(transparent)]
    Header(#[from] InvalidHeader),
    /// The object is larger than S3 or the caller allows. Lasting.
    #[error("the object has {size_bytes} bytes, more than the {limit_bytes} allowed")]
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// The most allowed.
        limit_bytes: u64,
    },
    /// A link cannot work for so long, or for no time. Lasting.
    #[error("a link can work for one second to seven days")]
    Expiry,
    /// The body handed in could not be read. Passing: it is this machine's trouble.
    #[error("the object's body could not be read")]
    Body(#[source] io::Error),
}

impl Error {
    /// Sorts what the SDK reports.
    pub(crate) fn from_sdk<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                return classify(operation, status, service.err().code().unwrap_or_default());
            }
            SdkError::ResponseError(response) if response.raw().status().as_u16() >= 300 => {
                return classify(operation, response.raw().status().as_u16(), "");
            }
            SdkError::TimeoutError(_) => return Self::Slow { operation },
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                return Self::Slow { operation };
            }
            SdkError::ConstructionFailure(_) => {
                return Self::Unprepared { operation, source: inner(error) };
            }
            _ => {}
        }
        Self::Unreachable { operation, source: inner(error) }
    }
}

// The SDK's own wrapper would print the whole answer in `Debug`, and servers echo key ids in theirs.
fn inner<E>(error: SdkError<E, HttpResponse>) -> Box<dyn StdError + Send + Sync>
where
    E: StdError + Send + Sync + 'static,
{
    error.into_source().unwrap_or_else(|_| io::Error::other("the SDK gave no cause").into())
}

/// Which kind of no an answer is. Codes first: servers agree on them more than on statuses.
pub(crate) fn classify(operation: &'static str, status: u16, code: &str) -> Error {
    let code: String =
        code.chars().filter(char::is_ascii_alphanumeric).take(MAX_CODE_CHARS).collect();
    let kind: fn(Answer) -> Error = match (code.as_str(), status) {
        ("RequestTimeTooSkewed", _) => Error::ClockSkew,
        ("NoSuchBucket", _) => Error::MissingBucket,
        ("NoSuchKey" | "NoSuchVersion", _) => Error::MissingObject,
        (
            "QuotaExceeded"
            | "XMinioStorageFull"
            | "XMinioAdminBucketQuotaExceeded"
            | "ServiceQuotaExceeded"
            | "InsufficientCapacity"
            | "StorageFull",
            _,
        )
        | (_, 507) => Error::Full,
        // A body damaged on its way, or an upload that another attempt ended: worth a new attempt.
        (
            "BadDigest"
            | "XAmzContentSHA256Mismatch"
            | "IncompleteBody"
            | "NoSuchUpload"
            | "InvalidPart"
            | "RequestTimeout"
            | "OperationAborted"
            | "SlowDown"
            | "Throttling",
            _,
        )
        | (_, 408 | 425 | 429 | 500..=599) => Error::Unavailable,
        (
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "InvalidSecurity"
            | "UnauthorizedAccess",
            _,
        ) => Error::Denied,
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "NotSignedUp"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired",
            _,
        )
        | (_, 401) => Error::Credentials,
        (_, 403) => Error::Denied,
        // An answer to HEAD has no body, hence no code.
        (_, 404) if matches!(operation, "GetObject" | "HeadObject") => Error::MissingObject,
        (_, 404) => Error::MissingBucket,
        _ => Error::Invalid,
    };
    kind(Answer { operation, status, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_of_the_kind_its_sender_means() {
        for (status, code, expected) in [
            (403, "AccessDenied", "refused"),
            (403, "InvalidAccessKeyId", "credentials"),
            (403, "SignatureDoesNotMatch", "credentials"),
            (400, "ExpiredToken", "credentials"),
            (401, "", "credentials"),
            (403, "", "refused"),
            (403, "RequestTimeTooSkewed", "clocks"),
            (404, "NoSuchBucket", "no such bucket"),
            (404, "", "no such bucket"),
            (404, "NoSuchKey", "no such object"),
            (507, "XMinioStorageFull", "full"),
            (403, "QuotaExceeded", "full"),
            (507, "", "full"),
            (503, "SlowDown", "overloaded"),
            (500, "InternalError", "overloaded"),
            (502, "", "overloaded"),
            (429, "TooManyRequests", "overloaded"),
            (400, "BadDigest", "overloaded"),
            (400, "RequestTimeout", "overloaded"),
            (400, "AuthorizationHeaderMalformed", "invalid"),
            (301, "PermanentRedirect", "invalid"),
            (400, "InvalidStorageClass", "invalid"),
        ] {
            let text = classify("PutObject", status, code).to_string();
            assert!(text.contains(expected), "{status} {code}: {text}");
        }
        let head = classify("HeadObject", 404, "");
        assert!(matches!(head, Error::MissingObject(_)), "{head}");
    }

    #[test]
    fn a_code_that_a_server_made_up_is_cut_and_cleaned() {
        let text = classify("PutObject", 400, &format!("a\r\n\u{1b}[2J{}", "b".repeat(999)));
        assert_eq!(
            text.to_string(),
            format!(
                "the bucket took the request for invalid: PutObject was answered 400 a2J{}",
                "b".repeat(61)
            )
        );
    }
}
