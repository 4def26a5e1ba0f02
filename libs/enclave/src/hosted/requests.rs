//! What a page wants while it is pictured: asked of the caller's [`Fetch`], answered to the host.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::fs::MemfdFlags;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::page::{Fetch, FetchError, FetchRequest, Fetched};
use super::wire::{self, Answer, Ask, Word};
use crate::process::KillOnDrop;
use crate::socket::Socket;

/// The longest address that is taken from a page.
const URL_CHARS: usize = 4_096;
/// The longest media type.
const CONTENT_TYPE_CHARS: usize = 200;

/// Looks after the requests of one page. Dropped, it lets go of those under way.
pub(super) struct Requests {
    shared: Arc<Shared>,
    left: u32,
    runtime: Handle,
    under_way: JoinSet<()>,
}

struct Shared {
    fetch: Arc<dyn Fetch>,
    /// Held while one answer is written, so that answers do not mix.
    socket: Mutex<Socket<OwnedFd>>,
    bytes_left: AtomicU64,
    /// Why the page itself could not be had; the host is then ended.
    document: Mutex<Option<FetchError>>,
    killer: Mutex<Option<KillOnDrop>>,
}

impl Requests {
    pub(super) fn new(
        fetch: Arc<dyn Fetch>,
        socket: OwnedFd,
        killer: KillOnDrop,
        most: (u32, u64),
    ) -> Self {
        let shared = Shared {
            fetch,
            socket: Mutex::new(Socket(socket)),
            bytes_left: AtomicU64::new(most.1),
            document: Mutex::new(None),
            killer: Mutex::new(Some(killer)),
        };
        Self {
            shared: Arc::new(shared),
            left: most.0,
            runtime: Handle::current(),
            under_way: JoinSet::new(),
        }
    }

    /// Starts to look after one; says what is wrong with it if no honest host asks so.
    pub(super) fn look_after(&mut self, ask: Ask, until: Instant) -> Result<(), &'static str> {
        self.left = self.left.checked_sub(1).ok_or("it asks for more than it may")?;
        let web = ask.url.starts_with("http://") || ask.url.starts_with("https://");
        if !web || ask.url.len() > URL_CHARS || ask.url.chars().any(char::is_control) {
            return Err("it asks for what is no web address");
        }
        while self.under_way.try_join_next().is_some() {}
        let shared = Arc::clone(&self.shared);
        self.under_way.spawn_on(async move { shared.attend(ask, until).await }, &self.runtime);
        Ok(())
    }

    pub(super) fn document_error(&self) -> Option<FetchError> {
        *self.shared.document.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    async fn attend(self: Arc<Self>, ask: Ask, until: Instant) {
        let (id, document, url) = (ask.id, ask.document, ask.url);
        let max_bytes = self.bytes_left.load(Ordering::Relaxed);
        let request = FetchRequest { url: url.clone(), document, max_bytes };
        let fetched = tokio::time::timeout_at(until.into(), self.fetch.get(request)).await;
        let fetched = fetched.unwrap_or(Err(FetchError::Unreachable)).and_then(|fetched| {
            self.spend(fetched.body.len() as u64)?;
            Ok(fetched)
        });
        if let (true, Err(error)) = (document, &fetched) {
            *self.document.lock().unwrap_or_else(PoisonError::into_inner) = Some(*error);
            self.killer.lock().unwrap_or_else(PoisonError::into_inner).take();
            return;
        }
        // A host that has gone needs no answer.
        let _ = tokio::task::spawn_blocking(move || {
            self.answer(id, &url, fetched.ok().as_ref(), until);
        })
        .await;
    }

    /// Takes from the bytes that the page has left.
    fn spend(&self, bytes: u64) -> Result<(), FetchError> {
        let spent = self
            .bytes_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        spent.map(drop).map_err(|_left| FetchError::TooLarge)
    }

    fn answer(&self, id: u32, asked: &str, fetched: Option<&Fetched>, until: Instant) {
        let file = fetched.and_then(|fetched| memory_file(&fetched.body));
        let moved = fetched.map(|fetched| fetched.url.as_str()).filter(|url| *url != asked);
        let answer = Answer {
            id,
            status: fetched.map(|fetched| fetched.status),
            url: moved.unwrap_or_default().to_owned(),
            content_type: fetched.and_then(|fetched| {
                let text = fetched.content_type.as_deref()?;
                let plain = text.len() <= CONTENT_TYPE_CHARS
                    && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
                plain.then(|| text.to_owned())
            }),
        };
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file.as_ref().map(AsFd::as_fd);
        // A host that has gone, or does not listen, is ended by its session.
        let _ = wire::say(&*socket, Word::Answer, &answer, file, Some(until));
    }
}

fn memory_file(bytes: &[u8]) -> Option<OwnedFd> {
    let file = rustix::fs::memfd_create("body", MemfdFlags::CLOEXEC).ok()?;
    let mut file = std::fs::File::from(file);
    file.write_all(bytes).ok()?;
    Some(file.into())
}
