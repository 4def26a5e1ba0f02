//! What can go wrong outside, as a closed set that callers map to codes of their own.

use std::error::Error as StdError;
use std::path::PathBuf;

use crate::connect::ConnectError;
use crate::gate::{GateError, Refusal};
use crate::url::UrlError;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `egress.ca_file` cannot be read.
    #[error("egress.ca_file {path}: cannot be read as PEM")]
    CaFile {
        /// The setting.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// `egress.ca_file` holds something that is not a certificate authority.
    #[error("egress.ca_file {path}: holds an unusable certificate")]
    CaCertificate {
        /// The setting.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// `egress.ca_file` holds no certificate.
    #[error("egress.ca_file {path}: holds no certificate")]
    CaEmpty {
        /// The setting.
        path: PathBuf,
    },
    /// TLS could not be configured.
    #[error("TLS cannot be configured")]
    Tls(#[source] rustls::Error),
    /// Names could not be resolved at all.
    #[error("the system's name resolution cannot be configured")]
    Resolver(#[from] crate::resolve::ResolveError),
    /// This machine's own addresses are unknown, so that they cannot be refused.
    #[error("this machine's interfaces cannot be read")]
    Interfaces(#[source] std::io::Error),
}

/// What was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Resolving, connecting, the TLS handshake.
    Connect,
    /// The head of the answer, or the first byte of its body.
    FirstByte,
    /// The body, byte by byte.
    Rate,
    /// All together.
    Total,
}

/// Why a redirect was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// Too many of them.
    #[error("too many redirects")]
    TooMany,
    /// From https to http.
    #[error("redirect from https to http")]
    Downgrade,
    /// The `Location` is missing or no text.
    #[error("redirect without a readable Location")]
    NoLocation,
    /// The `Location` is not a usable URL.
    #[error("redirect to an unusable URL")]
    Url(#[source] UrlError),
}

/// Why there is no answer, or no whole one. Neither `Display` nor `Debug` ever shows a URL; `Display` and `source`
/// of [`Error::Forbidden`] are the same for every target, the refusal itself is for operators.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a usable URL.
    #[error("the URL is not usable")]
    InvalidUrl(#[from] UrlError),
    /// An address, port or redirect target that strangers may not make us contact.
    #[error("the address is not one that may be contacted")]
    Forbidden(Refusal),
    /// The name does not resolve, nobody answers there, or the connection broke.
    #[error("the server could not be reached, or broke off")]
    Unreachable(#[source] BoxError),
    /// The handshake failed, or the certificate is not one to be trusted.
    #[error("the server could not be trusted: TLS failed")]
    Tls(#[source] BoxError),
    /// Too slow.
    #[error("the server was too slow")]
    Timeout(Phase),
    /// An answer that is not a success.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// A redirect that is not followed.
    #[error("the server redirected to where it is not followed")]
    Redirect(#[source] RedirectError),
    /// More bytes than allowed, announced or sent.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The server does not serve the range asked for.
    #[error("the server does not serve byte ranges")]
    NoRanges,
    /// A content coding although none was asked for.
    #[error("the answer is encoded although no encoding was accepted")]
    Encoded,
    /// Not HTTP as it should be.
    #[error("the server's answer is not proper HTTP")]
    Protocol(#[source] BoxError),
}

impl Error {
    /// Why the target is forbidden, for operators' logs.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Forbidden(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Sorts an error of the HTTP client.
    pub(crate) fn from_client(error: hyper_util::client::legacy::Error) -> Self {
        enum Kind {
            Forbidden(Refusal),
            Timeout,
            Tls,
            Protocol,
            Unreachable,
        }
        let kind = match find::<ConnectError>(&error) {
            Some(ConnectError::Gate(GateError::Refused(refusal))) => {
                Kind::Forbidden(refusal.clone())
            }
            Some(ConnectError::Timeout) => Kind::Timeout,
            Some(ConnectError::Tls(handshake))
                if find::<rustls::Error>(handshake.as_ref()).is_some() =>
            {
                Kind::Tls
            }
            Some(_) => Kind::Unreachable,
            None if is_protocol(&error) => Kind::Protocol,
            None => Kind::Unreachable,
        };
        match kind {
            Kind::Forbidden(refusal) => Self::Forbidden(refusal),
            Kind::Timeout => Self::Timeout(Phase::Connect),
            Kind::Tls => Self::Tls(Box::new(error)),
            Kind::Protocol => Self::Protocol(Box::new(error)),
            Kind::Unreachable => Self::Unreachable(Box::new(error)),
        }
    }

    /// Sorts an error in the midst of a body.
    pub(crate) fn from_body(error: hyper::Error) -> Self {
        if is_protocol(&error) {
            Self::Protocol(Box::new(error))
        } else {
            Self::Unreachable(Box::new(error))
        }
    }
}

/// Whether the peer's words, rather than the way to it, are what failed.
fn is_protocol(error: &(dyn StdError + 'static)) -> bool {
    let by_hyper = find::<hyper::Error>(error)
        .is_some_and(|error| error.is_parse() || error.is_parse_too_large());
    let by_chunks = find::<std::io::Error>(error).is_some_and(|error| {
        matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
    });
    by_hyper || by_chunks
}

/// The first `T` in the chain of sources, looking into I/O errors, which hide what they wrap.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let hidden = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        next = match hidden {
            Some(hidden) => Some(hidden),
            None => error.source(),
        };
    }
    None
}
