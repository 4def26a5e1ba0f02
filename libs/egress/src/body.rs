//! The bytes of an answer, counted and timed while they stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, Sleep};

use crate::error::{Error, Phase};
use crate::settings::Settings;

/// A stream of an answer's bytes that ends in an error rather than pass a limit of size, rate or time.
pub struct Body {
    incoming: Incoming,
    limits: Limits,
    alarm: Pin<Box<Sleep>>,
    /// Since when the caller has been waiting for the next bytes.
    waiting_since: Option<Instant>,
    /// Of the current window: time spent waiting, and bytes that came.
    window_waited: Duration,
    window_bytes: u64,
    bytes: u64,
    ended: bool,
}

struct Limits {
    bytes: u64,
    deadline: Instant,
    first_byte: Duration,
    window: Duration,
    window_bytes: u64,
}

impl Body {
    pub(crate) fn new(
        incoming: Incoming,
        settings: &Settings,
        bytes_max: u64,
        deadline: Instant,
    ) -> Self {
        let limits = Limits {
            bytes: bytes_max,
            deadline,
            first_byte: settings.first_byte(),
            window: settings.rate_window(),
            window_bytes: settings.rate_bytes(),
        };
        Self {
            incoming,
            limits,
            alarm: Box::pin(tokio::time::sleep_until(deadline)),
            waiting_since: None,
            window_waited: Duration::ZERO,
            window_bytes: 0,
            bytes: 0,
            ended: false,
        }
    }

    /// How many bytes have come so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// The next bytes; `None` at the end.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        self.next().await
    }

    /// All of them, at most the limit the answer was asked for with.
    pub async fn collect(mut self) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunk().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.freeze())
    }

    /// Begins or goes on waiting: sets the alarm for whatever would be late first.
    fn wait(&mut self, now: Instant) -> Instant {
        if let Some(since) = self.waiting_since {
            return since;
        }
        self.waiting_since = Some(now);
        let patience = if self.bytes == 0 {
            self.limits.first_byte
        } else {
            self.limits.window.saturating_sub(self.window_waited)
        };
        self.alarm.as_mut().reset(self.limits.deadline.min(now + patience));
        now
    }

    /// The alarm rang: an error, unless a window ended that brought enough.
    fn late(&mut self, now: Instant) -> Result<(), Error> {
        if now >= self.limits.deadline {
            return Err(Error::Timeout(Phase::Total));
        }
        if self.bytes == 0 {
            return Err(Error::Timeout(Phase::FirstByte));
        }
        self.window_waited = self.limits.window;
        self.close_window()?;
        self.waiting_since = None;
        Ok(())
    }

    fn close_window(&mut self) -> Result<(), Error> {
        if self.window_waited < self.limits.window {
            return Ok(());
        }
        if self.window_bytes < self.limits.window_bytes {
            return Err(Error::Timeout(Phase::Rate));
        }
        self.window_waited = Duration::ZERO;
        self.window_bytes = 0;
        Ok(())
    }

    fn arrived(&mut self, size: usize, since: Instant, now: Instant) -> Result<(), Error> {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        self.waiting_since = None;
        self.bytes = self.bytes.saturating_add(size);
        self.window_bytes = self.window_bytes.saturating_add(size);
        self.window_waited += now.saturating_duration_since(since);
        if self.bytes > self.limits.bytes {
            return Err(Error::TooLarge { limit_bytes: self.limits.bytes });
        }
        if now >= self.limits.deadline {
            return Err(Error::Timeout(Phase::Total));
        }
        self.close_window()
    }

    fn end(&mut self, with: Option<Error>) -> Poll<Option<Result<Bytes, Error>>> {
        self.ended = true;
        Poll::Ready(with.map(Err))
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            let now = Instant::now();
            let since = self.wait(now);
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(None) => return self.end(None),
                Poll::Ready(Some(Err(error))) => return self.end(Some(Error::from_body(error))),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if let Err(error) = self.arrived(data.len(), since, now) {
                        return self.end(Some(error));
                    }
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Pending => {
                    std::task::ready!(self.alarm.as_mut().poll(cx));
                    if let Err(error) = self.late(Instant::now()) {
                        return self.end(Some(error));
                    }
                }
            }
        }
    }
}
