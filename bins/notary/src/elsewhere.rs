//! Checkpoints where whoever can change the log cannot change them: a folder, a bucket, a receiver,
//! witnesses. The log never waits for any of them; what could not be published is followed by the next.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use egress::{HookUrl, Plaintext, UrlError};
use eventlog::{Checkpoints, Headers, Log, Offered, Statement};
use evidence::{
    KEY_HEADER,
    checkpoint::Checkpoint,
    note::{Note, Signature},
    shelf::Shelf,
};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use serde_json::json;
use service::{Chain, Clock};
use storage::{Bucket, Network, Object, ObjectHeaders, Patience};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};
use vault::webhook::{BadSecret, SigningSecret};

use crate::{
    Settings, identity,
    keeper::Published,
    trouble::Trouble,
    witness::{self, Witness},
};

/// How often each place is tried for one checkpoint.
const TRIES: u32 = 5;
/// The first pause between two tries; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a receiver or a witness may take.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// A setting names no place where checkpoints can be published.
#[derive(Debug, thiserror::Error)]
pub enum BadPlace {
    /// The folder is not there and cannot be made.
    #[error("use notary.folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The bucket's keys make no destination.
    #[error("use the [notary.bucket] section")]
    Bucket(#[source] storage::InvalidSettings),
    /// The bucket cannot be opened.
    #[error("use the bucket of the [notary.bucket] section")]
    Storage(#[source] storage::Error),
    /// The URL cannot be called.
    #[error("{key} is no URL that can be posted to")]
    Url {
        /// The setting.
        key: &'static str,
        /// Why not.
        #[source]
        source: UrlError,
    },
    /// The secret signs nothing.
    #[error("use notary.webhook.secret")]
    Secret(#[source] BadSecret),
    /// The key is none of a witness.
    #[error(
        "notary.witnesses has the key `{text}`: it must be the verifier key of a witness, of type 04"
    )]
    Key {
        /// As it was set.
        text: String,
    },
    /// No way out.
    #[error("set up egress")]
    Egress(#[from] egress::SetupError),
}

/// A place could not be reached this time.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error("write the checkpoint to its folder")]
    Folder(#[source] std::io::Error),
    #[error("store the checkpoint in its bucket")]
    Bucket(#[source] storage::Error),
    #[error("post the checkpoint")]
    Post(#[source] egress::PostError),
    #[error("the receiver of checkpoints answers with status {0}")]
    Status(u16),
}

/// Everywhere a checkpoint goes beside the log.
pub(crate) struct Elsewhere {
    books: Checkpoints,
    shelf: Shelf,
    clock: Arc<dyn Clock>,
    egress: egress::Client,
    folder: Option<PathBuf>,
    bucket: Option<Bucket>,
    webhook: Option<(HookUrl, SigningSecret)>,
    witnesses: Vec<Witness>,
}

impl Elsewhere {
    pub(crate) async fn new(
        settings: &Settings,
        books: &Log,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BadPlace> {
        let notary = &settings.notary;
        if let Some(path) = &notary.folder {
            let made = std::fs::create_dir_all(path);
            made.map_err(|source| BadPlace::Folder { path: path.clone(), source })?;
        }
        let bucket = match &notary.bucket {
            None => None,
            Some(bucket) => {
                let destination = bucket.destination().map_err(BadPlace::Bucket)?;
                let network = Network::direct(Patience::default());
                Some(Bucket::open(destination, &network).await.map_err(BadPlace::Storage)?)
            }
        };
        let webhook = match &notary.webhook {
            None => None,
            Some(webhook) => {
                let secret = SigningSecret::read(webhook.secret.expose());
                let url = hook(&webhook.url, "notary.webhook.url")?;
                Some((url, secret.map_err(BadPlace::Secret)?))
            }
        };
        let witnesses: Result<_, BadPlace> = notary.witnesses.iter().map(Witness::new).collect();
        Ok(Self {
            books: Checkpoints::new(books),
            shelf: Shelf::new(books),
            clock: Arc::clone(clock),
            egress: egress::Client::new(&settings.egress)?,
            folder: notary.folder.clone(),
            bucket,
            webhook,
            witnesses: witnesses?,
        })
    }

    /// Publishes the newest checkpoint of a log whenever there is one. Those that came while an
    /// earlier one was published are only followed by the newest of them.
    pub(crate) async fn follow(
        self: Arc<Self>,
        stream: &'static str,
        mut news: watch::Receiver<Option<Published>>,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = news.changed() => if changed.is_err() { return },
            }
            let published = news.borrow_and_update().clone();
            let Some(published) = published else { continue };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.publish(stream, published) => {}
            }
        }
    }

    async fn publish(&self, stream: &str, published: Published) {
        let Published { checkpoint, note } = published;
        let cosignatures = self.ask_witnesses(stream, &checkpoint, &note).await;
        let note = match cosignatures.is_empty() {
            true => note,
            false => self.keep_cosigned(stream, &checkpoint, note, &cosignatures).await,
        };
        tokio::join!(
            persist(stream, "folder", || self.to_folder(stream, &note)),
            persist(stream, "bucket", || self.to_bucket(stream, &checkpoint, &note)),
            persist(stream, "webhook", || self.to_webhook(stream, &checkpoint, &note)),
        );
    }

    /// The signatures of those witnesses that gave one in time.
    async fn ask_witnesses(
        &self,
        stream: &str,
        checkpoint: &Checkpoint,
        note: &str,
    ) -> Vec<Signature> {
        let mut signatures = Vec::new();
        for witness in &self.witnesses {
            let asked = persist(stream, "witness", || {
                witness.cosign(&self.egress, &self.shelf, stream, checkpoint, note)
            });
            signatures.extend(asked.await);
        }
        signatures
    }

    /// Adds the signatures to the note, and states that in the log, unless a newer one was stated.
    async fn keep_cosigned(
        &self,
        stream: &str,
        checkpoint: &Checkpoint,
        note: String,
        signatures: &[Signature],
    ) -> String {
        let cosigned: String =
            [note].into_iter().chain(signatures.iter().map(ToString::to_string)).collect();
        if let Err(trouble) = self.state_cosigned(stream, checkpoint, &cosigned).await {
            let error = Chain(&trouble).to_string();
            tracing::warn!(stream, error, "could not store what witnesses signed");
        }
        cosigned
    }

    async fn state_cosigned(
        &self,
        stream: &str,
        checkpoint: &Checkpoint,
        cosigned: &str,
    ) -> Result<(), Trouble> {
        let known = self.books.last(stream, Statement::Cosigned).await?;
        let after = known.as_ref().map_or(0, |raw| raw.seq);
        let size = |text: &str| Note::parse(text).ok()?.text.parse::<Checkpoint>().ok();
        let newer = known
            .and_then(|raw| size(&String::from_utf8_lossy(&raw.body)))
            .is_some_and(|known| known.size >= checkpoint.size);
        if newer {
            return Ok(());
        }
        let key = self.books.last(stream, Statement::Signed).await?;
        let key = key.and_then(|raw| raw.headers.get(KEY_HEADER).map(str::to_owned));
        let headers = Headers::from_iter(key.map(|key| (KEY_HEADER, key)));
        let body = Bytes::from(cosigned.to_owned());
        match self.books.state(stream, Statement::Cosigned, after, &headers, body).await? {
            Offered::Stored(_) => Ok(()),
            Offered::Lost => Err(Trouble::Raced),
        }
    }

    async fn to_folder(&self, stream: &str, note: &str) -> Result<(), Missed> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let (path, note) = (folder.join(format!("{stream}.checkpoint")), note.to_owned());
        let written =
            tokio::task::spawn_blocking(move || identity::write(&path, note.as_bytes(), 0o644));
        let written = written.await.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)));
        written.map_err(Missed::Folder)
    }

    /// Each under a name of its own, so that a bucket that locks objects keeps all of them.
    async fn to_bucket(
        &self,
        stream: &str,
        checkpoint: &Checkpoint,
        note: &str,
    ) -> Result<(), Missed> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let object = Object {
            key: format!("{}/{:020}.checkpoint", checkpoint.origin, checkpoint.size),
            content_type: "text/plain; charset=utf-8".to_owned(),
            headers: ObjectHeaders::default(),
            body: Bytes::from(note.to_owned()).into(),
        };
        tracing::trace!(stream, size = checkpoint.size, "storing a checkpoint");
        bucket.put(object).await.map(drop).map_err(Missed::Bucket)
    }

    async fn to_webhook(
        &self,
        stream: &str,
        checkpoint: &Checkpoint,
        note: &str,
    ) -> Result<(), Missed> {
        let Some((url, secret)) = &self.webhook else { return Ok(()) };
        let now = self.clock.now();
        let body = json!({
            "type": "checkpoint.signed",
            "timestamp": now.to_string(),
            "data": {
                "log": stream,
                "origin": checkpoint.origin,
                "size": checkpoint.size,
                "root": checkpoint.root,
                "checkpoint": note,
            },
        });
        let body = Bytes::from(body.to_string());
        // The same each time that this checkpoint is told; an id never holds a dot.
        let id = format!("msg_{stream}_{}", checkpoint.size);
        let seconds = now.as_second().to_string();
        let signature = secret.signature(&[id.as_bytes(), b".", seconds.as_bytes(), b".", &body]);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("webhook-id", &id),
            ("webhook-timestamp", &seconds),
            ("webhook-signature", &signature),
        ] {
            // Letters, digits and base64 fit into any header.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let posted = self.egress.post(url, headers, body, ANSWER).await.map_err(Missed::Post)?;
        if (200..300).contains(&posted.status) {
            Ok(())
        } else {
            Err(Missed::Status(posted.status))
        }
    }
}

/// Tries a few times, and leaves it at that.
async fn persist<T, E, F, Fut>(stream: &str, place: &'static str, attempt: F) -> Option<T>
where
    E: std::error::Error + 'static,
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut pause = PAUSE;
    for number in 1..=TRIES {
        match attempt().await {
            Ok(done) => return Some(done),
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::warn!(stream, place, error, number, "a checkpoint was not published");
            }
        }
        if number < TRIES {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
    None
}

/// Without TLS only to this very machine.
pub(crate) fn hook(text: &str, key: &'static str) -> Result<HookUrl, BadPlace> {
    let url = Url::parse(text).ok();
    let here = match url.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let plaintext = if here { Plaintext::Accepted } else { Plaintext::Refused };
    HookUrl::parse(text, plaintext).map_err(|source| BadPlace::Url { key, source })
}

impl Witness {
    fn new(settings: &crate::settings::Witness) -> Result<Self, BadPlace> {
        let url = format!("{}/{}", settings.url.trim_end_matches('/'), witness::ADD_CHECKPOINT);
        let key = settings.key.parse().ok();
        let bad = || BadPlace::Key { text: settings.key.clone() };
        Self::at(hook(&url, "notary.witnesses.url")?, key.ok_or_else(bad)?).ok_or_else(bad)
    }
}
