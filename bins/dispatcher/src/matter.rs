//! What happened, as every one of its deliveries says it: opened and written once for all of them.

use bytes::Bytes;
use custody::Custody;
use domain::{
    Timestamp, account,
    delivery::{self, Told},
    endpoint::Payload,
    filepreviews::{self, Style},
    job::{self, Job, Jobs},
};
use eventlog::Recorded;
use tokio::sync::OnceCell;
use vault::webhook::SigningSecret;

use crate::{attempt::Unprepared, payload::Letter};

/// A media type and a body.
type Text = (&'static str, Bytes);

/// What is told, and of what.
pub(crate) struct Matter<'a> {
    pub(crate) told: &'a Told,
    pub(crate) job: Option<&'a (job::Id, Box<Job>)>,
    pub(crate) account: &'a account::State,
    /// What happened to the job, once somebody wanted to know.
    pub(crate) history: OnceCell<Vec<Recorded<Jobs>>>,
    body: OnceCell<Option<filepreviews::Body>>,
    full: OnceCell<Text>,
    thin: OnceCell<Text>,
    cloud_event: OnceCell<Text>,
}

/// Who opens and writes it, and when.
pub(crate) struct Writer<'a> {
    pub(crate) custody: &'a Custody,
    pub(crate) public_url: &'a str,
    pub(crate) now: Timestamp,
}

impl<'a> Matter<'a> {
    pub(crate) fn new(
        told: &'a Told,
        job: Option<&'a (job::Id, Box<Job>)>,
        account: &'a account::State,
    ) -> Self {
        Self {
            told,
            job,
            account,
            history: OnceCell::new(),
            body: OnceCell::new(),
            full: OnceCell::new(),
            thin: OnceCell::new(),
            cloud_event: OnceCell::new(),
        }
    }

    /// What `delivery` says in this form. Only a token depends on the keys that sign it.
    pub(crate) async fn text(
        &self,
        delivery: &delivery::Id,
        payload: Payload,
        keys: &[SigningSecret],
        writer: &Writer<'_>,
    ) -> Result<Text, Unprepared> {
        let write = || async {
            let job = match payload {
                // Ids are all that it says.
                Payload::Thin => None,
                Payload::Full | Payload::CloudEvents | Payload::Jwt => self.body(writer).await?,
            };
            let time = self.told.time.unwrap_or(writer.now);
            let letter = Letter { account: delivery.account, told: self.told, time, job };
            Ok(letter.write(payload, keys)?)
        };
        let cell = match payload {
            Payload::Full => &self.full,
            Payload::Thin => &self.thin,
            Payload::CloudEvents => &self.cloud_event,
            Payload::Jwt => return write().await,
        };
        cell.get_or_try_init(write).await.cloned()
    }

    /// What a GET of the job answers.
    async fn body(
        &self,
        writer: &Writer<'_>,
    ) -> Result<Option<&filepreviews::Body>, custody::Error> {
        let body = self.body.get_or_try_init(|| async {
            let Some((id, job)) = self.job else { return Ok::<_, custody::Error>(None) };
            let opened = writer.custody.open_view(id, job).await?;
            let application = self.account.applications.get(&job.requested.application);
            let style = Style {
                public_url: writer.public_url.trim_end_matches('/').to_owned(),
                failure_word: application
                    .map(|known| known.application.terms.failure_word)
                    .unwrap_or_default(),
            };
            Ok(Some(filepreviews::body(id.job, job, &opened, &style)))
        });
        Ok(body.await?.as_ref())
    }
}
