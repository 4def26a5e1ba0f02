//! Where a far source lies: on the web, or in a bucket. Either is asked for ranges of one version.

use bytes::Bytes;
use egress::SourceUrl;
use http::HeaderValue;
use tokio::time::Instant;

use crate::bucket;

/// Why bytes of a source do not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Its server on the web failed.
    #[error("read the source")]
    Web(#[source] egress::Error),
    /// The bucket of an input failed.
    #[error("read an object of an input")]
    Input(#[source] storage::Error),
    /// The platform bucket failed.
    #[error("read an upload")]
    Upload(#[source] storage::Error),
    /// It is no longer what it was when its first bytes were read.
    #[error("the source changed while it was being read")]
    Changed,
    /// Its bytes came too slowly.
    #[error("the source did not come in the time it has")]
    Slow,
}

impl ReadError {
    /// Whether the bytes that are missing may come if they are asked for anew.
    pub(crate) const fn is_a_break(&self) -> bool {
        use storage::Error::{Unavailable, Unreachable};
        matches!(
            self,
            Self::Web(egress::Error::Unreachable(_))
                | Self::Input(Unavailable(_) | Unreachable { .. })
                | Self::Upload(Unavailable(_) | Unreachable { .. })
        )
    }
}

/// A version of a source.
pub(crate) enum Origin {
    /// On the web.
    Web {
        /// Who asks.
        client: Box<egress::Client>,
        /// Where it is, redirects followed.
        url: Box<SourceUrl>,
        /// Which version.
        validator: HeaderValue,
    },
    /// In a bucket.
    Bucket(Box<bucket::Version>),
}

/// Bytes of a range that are coming.
pub(crate) enum Coming {
    /// From the web.
    Web(egress::Body),
    /// From a bucket.
    Bucket(bucket::Coming),
}

impl Origin {
    /// Asks for `length` bytes from `at` on.
    pub(crate) async fn ask(
        &self,
        (at, length): (u64, u64),
        size_bytes: u64,
        deadline: Instant,
    ) -> Result<Coming, ReadError> {
        match self {
            Self::Bucket(version) => Ok(Coming::Bucket(version.ask(at, length, deadline).await?)),
            Self::Web { client, url, validator } => {
                let asked = client.fetch_range(url, at, length, Some(validator), deadline).await;
                let fetched = match asked {
                    // It served ranges a moment ago: asked for this version, it now sends another
                    // whole.
                    Err(egress::Error::NoRanges | egress::Error::Status(404 | 410 | 412 | 416)) => {
                        return Err(ReadError::Changed);
                    }
                    fetched => fetched.map_err(ReadError::Web)?,
                };
                let same = fetched.total_length == Some(size_bytes)
                    && fetched.validator.is_none_or(|now| now == *validator);
                if same { Ok(Coming::Web(fetched.body)) } else { Err(ReadError::Changed) }
            }
        }
    }
}

impl Coming {
    /// The next bytes; `None` after the last.
    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, ReadError>> {
        match self {
            Self::Web(body) => Some(body.chunk().await?.map_err(ReadError::Web)),
            Self::Bucket(coming) => coming.chunk().await,
        }
    }

    /// How many have come.
    pub(crate) fn bytes_read(&self) -> u64 {
        match self {
            Self::Web(body) => body.bytes_read(),
            Self::Bucket(coming) => coming.bytes_read(),
        }
    }
}
