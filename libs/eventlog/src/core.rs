//! What is said in passing and not stored: live events, progress, cancellation, operators' questions.

use std::time::Duration;

use bytes::Bytes;
use domain::id::{AccountId, JobId};
use futures::{Stream, StreamExt as _, future, stream::BoxStream};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{envelope::Raw, error::Unavailable, headers::Headers, log::Log, stored, subject};

/// A question to this process.
pub struct Request {
    /// What was asked.
    pub body: Bytes,
    reply: Option<String>,
    log: Log,
}

impl Request {
    /// Answers it.
    ///
    /// # Errors
    /// [`Unavailable`] when the connection is gone for good.
    pub async fn answer(self, body: Bytes) -> Result<(), Unavailable> {
        match self.reply {
            Some(reply) => self.log.backend.publish(reply, Headers::default(), body).await,
            None => Ok(()),
        }
    }
}

impl Log {
    /// Events under `filter` (`darkroom.job.<account>.>`, say) as they are stored from now on.
    /// Messages may be lost with a connection: compare sequences, and read what is missing.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no connection to subscribe on.
    pub async fn live(
        &self,
        filter: &str,
    ) -> Result<impl Stream<Item = Raw> + Send + Unpin + use<>, Unavailable> {
        let notes = self.backend.subscribe(&subject::live(filter)).await?;
        Ok(notes.filter_map(|note| future::ready(stored::direct(note))))
    }

    /// Like [`Log::live`], but of all processes that listen as `group` one hears each event.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no connection to subscribe on.
    pub async fn live_among(
        &self,
        filter: &str,
        group: &str,
    ) -> Result<impl Stream<Item = Raw> + Send + Unpin + use<>, Unavailable> {
        let notes = self.backend.subscribe_among(&subject::live(filter), group).await?;
        Ok(notes.filter_map(|note| future::ready(stored::direct(note))))
    }

    /// Says to whoever listens for `account` what happened to one of its jobs.
    ///
    /// # Errors
    /// [`Unavailable`] when the connection is gone for good.
    pub async fn feed(
        &self,
        account: AccountId,
        job: JobId,
        event: &str,
        headers: Headers,
        body: Bytes,
    ) -> Result<(), Unavailable> {
        self.backend.publish(subject::feed(account, job, event), headers, body).await
    }

    /// Says how far a job has come.
    ///
    /// # Errors
    /// [`Unavailable`] when the connection is gone for good.
    pub async fn report_progress<T: Serialize + Sync>(
        &self,
        account: AccountId,
        job: JobId,
        progress: &T,
    ) -> Result<(), Unavailable> {
        let body = serde_json::to_vec(progress)
            .map_err(|source| Unavailable::new("encode progress", source))?;
        let subject = subject::progress(account, job);
        self.backend.publish(subject, Headers::default(), body.into()).await
    }

    /// Listens to how far a job has come. What cannot be read is left out: it is not stored anyhow.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no connection to subscribe on.
    pub async fn progress<T: DeserializeOwned + Send + 'static>(
        &self,
        account: AccountId,
        job: JobId,
    ) -> Result<BoxStream<'static, T>, Unavailable> {
        let notes = self.backend.subscribe(&subject::progress(account, job)).await?;
        let read =
            |note: crate::backend::Note| future::ready(serde_json::from_slice(&note.body).ok());
        Ok(notes.filter_map(read).boxed())
    }

    /// Tells whoever works on a job that it was cancelled.
    ///
    /// # Errors
    /// [`Unavailable`] when the connection is gone for good.
    pub async fn send_cancel(&self, account: AccountId, job: JobId) -> Result<(), Unavailable> {
        let subject = subject::cancel(account, job);
        self.backend.publish(subject, Headers::default(), Bytes::new()).await
    }

    /// Listens for the cancellation of one job.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no connection to subscribe on.
    pub async fn cancels(
        &self,
        account: AccountId,
        job: JobId,
    ) -> Result<BoxStream<'static, ()>, Unavailable> {
        let notes = self.backend.subscribe(&subject::cancel(account, job)).await?;
        Ok(notes.map(|_| ()).boxed())
    }

    /// Questions that operators ask under `name`.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no connection to subscribe on.
    pub async fn questions(&self, name: &str) -> Result<BoxStream<'static, Request>, Unavailable> {
        let notes = self.backend.subscribe(&subject::ops(name)).await?;
        let log = self.clone();
        Ok(notes
            .map(move |note| Request { body: note.body, reply: note.reply, log: log.clone() })
            .boxed())
    }

    /// Asks every process that listens under `name`, and returns all answers that arrive within
    /// `patience`; `enough` ends the wait early.
    ///
    /// # Errors
    /// [`Unavailable`] when nobody listens.
    pub async fn ask(
        &self,
        name: &str,
        body: Bytes,
        enough: usize,
        patience: Duration,
    ) -> Result<Vec<Bytes>, Unavailable> {
        const ASKING: &str = "ask running processes";
        let mut notes = self.backend.ask(subject::ops(name), body).await?;
        let deadline = Instant::now() + patience;
        let mut answers = Vec::new();
        while answers.len() < enough {
            match tokio::time::timeout_at(deadline, notes.next()).await {
                Ok(Some(note)) if note.headers.get(stored::STATUS).is_none() => {
                    answers.push(note.body);
                }
                Ok(Some(_)) => return Err(Unavailable::new(ASKING, "nobody listens")),
                Ok(None) | Err(_) => break,
            }
        }
        if answers.is_empty() {
            Err(Unavailable::new(ASKING, "nobody answered"))
        } else {
            Ok(answers)
        }
    }
}
