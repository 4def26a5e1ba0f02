//! A file of this machine where a worker can read it: in the platform bucket, behind a signed link.

use std::{fs::File, path::Path, time::Duration};

use domain::{Timestamp, source::Source};
use service::{Failure, OrTry};
use storage::{Body, Bucket, Network, Object, ObjectHeaders, Patience, Reader};
use url::Url;
use uuid::Uuid;

use crate::connection::Connection;

/// How long the link works: longer than all attempts of a job.
const LINK_WORKS: Duration = Duration::from_secs(6 * 3_600);

/// A source that was handed over.
pub(crate) struct Handed {
    url: String,
    kept: Option<(Reader, String)>,
}

#[derive(Debug, thiserror::Error)]
#[error("read {path}")]
struct Unreadable {
    path: String,
    #[source]
    source: std::io::Error,
}

impl Handed {
    /// A URL, an upload or an object of an input goes as it is; a file goes into the bucket first.
    pub(crate) async fn over(
        source: &str,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        if let Ok(url) = source.parse::<Url>()
            && matches!(url.scheme(), "http" | "https")
        {
            return Ok(Self { url: url.into(), kept: None });
        }
        if let Ok(Source::Upload(_) | Source::Object { .. }) = Source::parse(source) {
            return Ok(Self { url: source.to_owned(), kept: None });
        }
        let unreadable =
            |source_error| Unreadable { path: source.to_owned(), source: source_error };
        let file = File::open(source)
            .and_then(Body::file)
            .map_err(unreadable)
            .or_try("the path of a file, a URL that begins with http:// or https://, upload:ID or s3://bucket/key")?;
        let name = Path::new(source).file_name().unwrap_or_default().to_string_lossy();
        Self::bytes(&name, file, connection, now).await
    }

    /// Puts a body into the bucket under a name that nobody else has.
    pub(crate) async fn bytes(
        name: &str,
        body: Body,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let destination = connection.storage()?.destination()?;
        let network = Network::direct(Patience::default());
        let bucket = Bucket::open(destination.clone(), &network).await?;
        let key = format!("handed-in/{}/{name}", Uuid::new_v4());
        let object = Object {
            key: key.clone(),
            content_type: "application/octet-stream".to_owned(),
            headers: ObjectHeaders::default(),
            body,
        };
        bucket.put(object).await?;
        let reader = Reader::open(destination, &network).await?;
        match bucket.presign_get(&key, now, LINK_WORKS).await {
            Ok(url) => Ok(Self { url: url.into(), kept: Some((reader, key)) }),
            Err(error) => {
                Self::delete(&reader, &key).await;
                Err(error.into())
            }
        }
    }

    /// Where it can be read.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Takes it away again.
    pub(crate) async fn remove(self) {
        if let Some((reader, key)) = self.kept {
            Self::delete(&reader, &key).await;
        }
    }

    async fn delete(reader: &Reader, key: &str) {
        if let Err(error) = reader.delete(key).await {
            tracing::warn!(error = %service::Chain(&error), key, "the file handed in stays in the bucket");
        }
    }
}
