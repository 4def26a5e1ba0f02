//! Everything a client can be told that is not what it asked for: the only place that names statuses.

use bytes::Bytes;
use domain::scope::Scope;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use warp::reply::{Reply as _, Response};

/// After how many seconds to come back.
const RETRY_AFTER_SECONDS: u64 = 1;

/// What a client is told instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A field that must be there is not.
    FieldMissing(&'static str),
    /// A field that must say something is empty.
    FieldBlank(&'static str),
    /// A field says something that cannot be used.
    FieldInvalid { field: &'static str, message: String },
    /// The request as a whole cannot be read.
    Malformed(String),
    /// Nobody said who asks.
    NoCredentials,
    /// Whoever asks is not known.
    WrongKey,
    /// A key or a secret stands in the URL.
    KeyInUrl,
    /// Whoever asks is not allowed that.
    ScopeMissing(Scope),
    /// Whoever wants to log in is nobody, or did not show the right things.
    LoginFailed,
    /// Too many log-ins were tried.
    TooManyAttempts { retry_after_s: u64 },
    /// The session has ended.
    SessionEnded,
    /// A request that is trusted for its cookie does not come from a page of ours.
    ForeignOrigin,
    /// Only an owner may do that.
    OwnersOnly,
    /// Something else stands in the way, as it is.
    Conflict { code: &'static str, message: String },
    /// Something that is needed has been used up for now.
    QuotaExceeded { quota: &'static str, message: String, retry_after_s: u64 },
    /// There is nothing of that name for this caller.
    NotFound { what: &'static str, id: String },
    /// The key may not be used from a page of this origin.
    OriginNotAllowed,
    /// There is no such preview for this caller.
    NoSuchPreview(String),
    /// There is no such job for this caller.
    NoSuchJob(String),
    /// Nothing lives at this path.
    NoSuchPath,
    /// Something lives at this path, but not for this method.
    MethodNotAllowed { allow: String },
    /// The client took too long over its request.
    TooSlow,
    /// It is too late for that.
    JobEnded,
    /// The body is too large.
    BodyTooLarge { limit_bytes: usize },
    /// The key stands for another request.
    OtherRequest,
    /// The head of the request is too large.
    HeadTooLarge { limit_bytes: usize },
    /// Too much is going on.
    Overloaded,
    /// Something that is needed is away.
    Unavailable,
    /// Not yet, or no longer, fit to serve.
    NotReady { reasons: Vec<&'static str> },
    /// It is our fault.
    Internal,
}

/// How a problem is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// The envelope of the FilePreviews contract.
    Envelope,
    /// Problem details, RFC 9457.
    Details,
}

impl Spelling {
    /// That of the API that a path belongs to.
    pub(crate) fn of_path(path: &str) -> Self {
        if path == "/v2" || path.starts_with("/v2/") { Self::Envelope } else { Self::Details }
    }
}

impl Problem {
    /// One of each kind, for documents and tests.
    pub(crate) fn samples() -> Vec<Self> {
        vec![
            Self::FieldMissing("url"),
            Self::FieldBlank("url"),
            Self::FieldInvalid { field: "sizes", message: String::new() },
            Self::Malformed(String::new()),
            Self::NoCredentials,
            Self::WrongKey,
            Self::KeyInUrl,
            Self::OriginNotAllowed,
            Self::ScopeMissing(Scope::JobsRead),
            Self::LoginFailed,
            Self::TooManyAttempts { retry_after_s: 1 },
            Self::SessionEnded,
            Self::ForeignOrigin,
            Self::OwnersOnly,
            Self::Conflict { code: "conflict", message: String::new() },
            Self::QuotaExceeded {
                quota: "jobs_in_flight",
                message: String::new(),
                retry_after_s: 1,
            },
            Self::NotFound { what: "upload", id: String::new() },
            Self::NoSuchPreview(String::new()),
            Self::NoSuchJob(String::new()),
            Self::NoSuchPath,
            Self::MethodNotAllowed { allow: String::new() },
            Self::TooSlow,
            Self::JobEnded,
            Self::BodyTooLarge { limit_bytes: 1 },
            Self::OtherRequest,
            Self::HeadTooLarge { limit_bytes: 1 },
            Self::Overloaded,
            Self::Unavailable,
            Self::NotReady { reasons: vec![] },
            Self::Internal,
        ]
    }

    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::FieldMissing(_)
            | Self::FieldBlank(_)
            | Self::FieldInvalid { .. }
            | Self::KeyInUrl
            | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NoCredentials | Self::WrongKey | Self::LoginFailed | Self::SessionEnded => {
                StatusCode::UNAUTHORIZED
            }
            Self::ForeignOrigin | Self::OwnersOnly => StatusCode::FORBIDDEN,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::OriginNotAllowed | Self::ScopeMissing(_) => StatusCode::FORBIDDEN,
            Self::NotFound { .. }
            | Self::NoSuchPreview(_)
            | Self::NoSuchJob(_)
            | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::QuotaExceeded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::JobEnded | Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::OtherRequest => StatusCode::UNPROCESSABLE_ENTITY,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Overloaded | Self::Unavailable | Self::NotReady { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// For programs. Append only.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::FieldMissing(_) => "field_missing",
            Self::FieldBlank(_) => "field_blank",
            Self::FieldInvalid { .. } => "field_invalid",
            Self::Malformed(_) => "malformed_request",
            Self::NoCredentials => "no_credentials",
            Self::WrongKey => "wrong_key",
            Self::KeyInUrl => "key_in_url",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::ScopeMissing(_) => "scope_missing",
            Self::LoginFailed => "login_failed",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::SessionEnded => "session_ended",
            Self::ForeignOrigin => "foreign_origin",
            Self::OwnersOnly => "owners_only",
            Self::Conflict { code, .. } => code,
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::NotFound { .. } => "not_found",
            Self::NoSuchPreview(_) => "no_such_preview",
            Self::NoSuchJob(_) => "no_such_job",
            Self::NoSuchPath => "no_such_path",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::TooSlow => "too_slow",
            Self::JobEnded => "job_ended",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::OtherRequest => "idempotency_key_reused",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::NotReady { .. } => "not_ready",
            Self::Internal => "internal",
        }
    }

    /// For people.
    fn message(&self) -> String {
        match self {
            Self::FieldMissing(_) => "This field is required.".to_owned(),
            Self::FieldBlank(_) => "This field may not be blank.".to_owned(),
            Self::FieldInvalid { message, .. } | Self::Malformed(message) => message.clone(),
            Self::NoCredentials => "Authentication credentials were not provided.".to_owned(),
            Self::WrongKey => "Invalid API Key provided.".to_owned(),
            Self::KeyInUrl => {
                "An API key or its secret stands in the URL, which logs and histories keep. Send both in the Authorization header alone, and rotate this one: POST /v1/applications/{id}/rotate.".to_owned()
            }
            Self::OriginNotAllowed => {
                "This API key cannot be used from pages of this origin.".to_owned()
            }
            Self::ScopeMissing(scope) => {
                format!("This needs the scope \"{}\", which the caller does not have.", scope.name())
            }
            Self::LoginFailed => {
                "The address, the password or the one-time code is wrong. Who belongs to several accounts must name one.".to_owned()
            }
            Self::TooManyAttempts { retry_after_s } => {
                format!("Too many attempts; try again in {retry_after_s} s.")
            }
            Self::SessionEnded => "The session has ended; log in again.".to_owned(),
            Self::ForeignOrigin => {
                "A request with the cookie of a session must come from a page of this origin.".to_owned()
            }
            Self::OwnersOnly => "Only an owner of the account may do that.".to_owned(),
            Self::Conflict { message, .. } | Self::QuotaExceeded { message, .. } => message.clone(),
            Self::NotFound { what, id } => format!("There is no {what} with ID {id}."),
            Self::NoSuchPreview(id) => format!("There is no preview with ID {id}."),
            Self::NoSuchJob(id) => format!("There is no job with ID {id}."),
            Self::NoSuchPath => "There is nothing at this path; see /openapi.json.".to_owned(),
            Self::MethodNotAllowed { allow } => format!("This path takes {allow}."),
            Self::TooSlow => "The request took too long to arrive.".to_owned(),
            Self::JobEnded => "The job has ended.".to_owned(),
            Self::BodyTooLarge { limit_bytes } => {
                format!("The request body is larger than {limit_bytes} bytes.")
            }
            Self::OtherRequest => {
                "Another request has been made under this Idempotency-Key.".to_owned()
            }
            Self::HeadTooLarge { limit_bytes } => {
                format!("The path and headers are larger than {limit_bytes} bytes.")
            }
            Self::Overloaded => "Too many requests are at work; try again shortly.".to_owned(),
            Self::Unavailable => {
                "The service cannot take this request now; nothing has been promised, and trying again is safe with an Idempotency-Key.".to_owned()
            }
            Self::NotReady { reasons } => format!("Not ready: {}.", reasons.join(", ")),
            Self::Internal => "Something went wrong on our side; operators have been told.".to_owned(),
        }
    }

    fn param(&self) -> Option<&'static str> {
        match self {
            Self::FieldMissing(field) | Self::FieldBlank(field) => Some(field),
            Self::FieldInvalid { field, .. } => Some(field),
            Self::NoSuchPreview(_) => Some("task_id"),
            _ => None,
        }
    }

    /// Whether the connection is of no more use, because the rest of a request lies in it.
    pub(crate) const fn ends_connection(&self) -> bool {
        matches!(self, Self::TooSlow | Self::BodyTooLarge { .. } | Self::HeadTooLarge { .. })
    }

    fn body(&self, spelling: Spelling) -> Value {
        let mut body = match spelling {
            Spelling::Envelope => {
                let ours = self.status().is_server_error();
                let kind = if ours { "api_error" } else { "invalid_request_error" };
                json!({ "type": kind, "message": self.message() })
            }
            Spelling::Details => json!({
                "type": format!("urn:darkroom:problem:{}", self.code()),
                "title": self.status().canonical_reason(),
                "status": self.status().as_u16(),
                "detail": self.message(),
                "code": self.code(),
            }),
        };
        if let (Some(param), Some(body)) = (self.param(), body.as_object_mut()) {
            body.insert("param".to_owned(), param.into());
        }
        if let (Self::QuotaExceeded { quota, .. }, Some(body)) = (self, body.as_object_mut()) {
            body.insert("code".to_owned(), self.code().into());
            body.insert("quota".to_owned(), (*quota).into());
        }
        match spelling {
            Spelling::Envelope => json!({ "error": body }),
            Spelling::Details => body,
        }
    }

    /// The response.
    pub(crate) fn into_response(self, spelling: Spelling) -> Response {
        let media_type = match spelling {
            Spelling::Envelope => "application/json",
            Spelling::Details => "application/problem+json",
        };
        let body = Bytes::from(self.body(spelling).to_string());
        let mut response = http::Response::new(body).into_response();
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        match &self {
            Self::Overloaded | Self::Unavailable | Self::NotReady { .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
            }
            Self::QuotaExceeded { retry_after_s, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
            }
            Self::TooManyAttempts { retry_after_s } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
            }
            // A challenge that no browser asks its user about.
            Self::LoginFailed | Self::SessionEnded => {
                let challenge = HeaderValue::from_static("Cookie realm=\"darkroom\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Self::NoCredentials | Self::WrongKey => {
                let challenge = HeaderValue::from_static("Basic realm=\"darkroom\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Self::MethodNotAllowed { allow } => {
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    headers.insert(header::ALLOW, allow);
                }
            }
            _ => {}
        }
        response
    }
}

impl From<readmodel::Error> for Problem {
    fn from(error: readmodel::Error) -> Self {
        tracing::error!(error = %service::Chain(&error), "the read model cannot be read");
        Self::Internal
    }
}

impl From<eventlog::ReadError> for Problem {
    fn from(error: eventlog::ReadError) -> Self {
        tracing::warn!(error = %service::Chain(&error), "a job's history cannot be read");
        match error {
            eventlog::ReadError::Unavailable(_) => Self::Unavailable,
            eventlog::ReadError::Malformed(_)
            | eventlog::ReadError::ChainBroken(_)
            | eventlog::ReadError::TooLong { .. } => Self::Internal,
        }
    }
}

impl From<eventlog::Unavailable> for Problem {
    fn from(error: eventlog::Unavailable) -> Self {
        tracing::warn!(error = %service::Chain(&error), "the event log is away");
        Self::Unavailable
    }
}

impl From<evidence::bundle::GatherError> for Problem {
    fn from(error: evidence::bundle::GatherError) -> Self {
        match error {
            evidence::bundle::GatherError::Unavailable(error) => error.into(),
            error => {
                tracing::error!(error = %service::Chain(&error), "evidence cannot be put together");
                Self::Internal
            }
        }
    }
}

impl From<custody::member::NoRandomness> for Problem {
    fn from(error: custody::member::NoRandomness) -> Self {
        tracing::error!(error = %service::Chain(&error), "no token can be made");
        Self::Unavailable
    }
}

impl From<custody::Error> for Problem {
    fn from(error: custody::Error) -> Self {
        tracing::warn!(error = %service::Chain(&error), "a personal field cannot be sealed or opened");
        Self::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_envelope_is_that_of_the_contract() {
        for (problem, expected) in [
            (
                Problem::FieldBlank("url"),
                json!({"error": {"type": "invalid_request_error", "param": "url", "message": "This field may not be blank."}}),
            ),
            (
                Problem::FieldMissing("url"),
                json!({"error": {"type": "invalid_request_error", "param": "url", "message": "This field is required."}}),
            ),
            (
                Problem::WrongKey,
                json!({"error": {"type": "invalid_request_error", "message": "Invalid API Key provided."}}),
            ),
            (
                Problem::NoCredentials,
                json!({"error": {"type": "invalid_request_error", "message": "Authentication credentials were not provided."}}),
            ),
            (
                Problem::NoSuchPreview("7".into()),
                json!({"error": {"type": "invalid_request_error", "param": "task_id", "message": "There is no preview with ID 7."}}),
            ),
        ] {
            assert_eq!(problem.body(Spelling::Envelope), expected);
        }
    }

    #[test]
    fn codes_tell_problems_apart() {
        let samples = Problem::samples();
        let codes: BTreeSet<_> = samples.iter().map(Problem::code).collect();
        assert_eq!(codes.len(), samples.len());
    }
}
