//! One job with one host, on a thread that may block. Host and program are taken as hostile:
//!
//! - messages are capped, and only those that are due are taken;
//! - files must be sealed, of the kind that was asked for, each once, and within the job's bytes;
//! - what a page wants is bounded in number and bytes, and judged by whoever fetches it;
//! - texts are made printable or free of control characters, and capped.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use domain::FailureCode;
use domain::limits::Limits;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::HostedError;
use super::requests::Requests;
use super::wire::{
    self, Ask, Done, Failed, Heard, Made, Order, PROTOCOL, PageSaid, Product, Ready, Task,
    WireError, Word,
};
use super::workshop::said_within;
use crate::inspect;
use crate::pool::StartError;
use crate::process::{Process, post_mortem};
use crate::socket::{Socket, SocketError};
use crate::words;

/// Longest wait for a host to get its walls and its program up.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What a host has made.
#[derive(Debug, Default)]
pub(super) struct Products {
    pub(super) files: BTreeMap<Product, File>,
    pub(super) page: Option<PageSaid>,
}

impl Products {
    /// A file that the job is nothing without.
    pub(super) fn take(&mut self, product: Product) -> Result<File, HostedError> {
        self.files.remove(&product).ok_or_else(|| lied("it is done without having made all"))
    }
}

/// What a host has said of its job so far, each word checked against what was asked for.
pub(super) struct Hearing {
    /// What may be made.
    asked_for: &'static [Product],
    /// Most bytes of what is made.
    most_bytes: u64,
    made_bytes: u64,
    products: Products,
}

/// What a word of a host's means.
pub(super) enum Said {
    /// A page wants something.
    Ask(Ask),
    /// A file was taken.
    Made,
    /// All is made.
    Done(Products),
}

impl Hearing {
    pub(super) fn new(asked_for: &'static [Product], most_bytes: u64) -> Self {
        Self { asked_for, most_bytes, made_bytes: 0, products: Products::default() }
    }

    /// Takes a word that is due once the host is ready.
    pub(super) fn take(&mut self, heard: &Heard) -> Result<Said, HostedError> {
        match heard.word {
            Word::Ask => read(heard).map(Said::Ask),
            Word::Made => self.made(heard).map(|()| Said::Made),
            Word::Failed => {
                let failed: Failed = read(heard)?;
                Err(HostedError::failed(failed.code, &failed.detail))
            }
            Word::Done => {
                let done: Done = read(heard)?;
                let files = std::mem::take(&mut self.products.files);
                Ok(Said::Done(Products { files, page: done.page }))
            }
            word => Err(lied(&format!("it said {word:?} out of turn"))),
        }
    }

    fn made(&mut self, heard: &Heard) -> Result<(), HostedError> {
        let made: Made = read(heard)?;
        let descriptor = heard.descriptor.as_ref().ok_or_else(|| lied("it made no file"))?;
        if !self.asked_for.contains(&made.product) {
            return Err(lied("it made what nobody asked for"));
        }
        let (file, length) = match inspect::open(descriptor) {
            // A picture without any text.
            Err(inspect::Flaw::Empty) if made.product == Product::Text => return Ok(()),
            opened => opened.map_err(|flaw| lied(&flaw.to_string()))?,
        };
        self.made_bytes = length.saturating_add(self.made_bytes);
        if self.made_bytes > self.most_bytes {
            return Err(HostedError::failed(FailureCode::OutputTooLarge, ""));
        }
        match self.products.files.insert(made.product, file) {
            None => Ok(()),
            Some(_) => Err(lied("it made a file twice")),
        }
    }
}

fn read<M: DeserializeOwned>(heard: &Heard) -> Result<M, HostedError> {
    heard.read().map_err(|error| lied(&error.to_string()))
}

pub(super) struct Session {
    pub(super) process: Process,
    pub(super) limits: Limits,
    /// What may be made.
    pub(super) products: &'static [Product],
    /// Who looks after what a page wants.
    pub(super) requests: Option<Requests>,
}

impl Session {
    /// Does the job to its end. The host has ended when this returns.
    pub(super) fn run(
        mut self,
        task: Task,
        source: Option<&OwnedFd>,
    ) -> Result<Products, HostedError> {
        ready(&mut self.process).map_err(|detail| StartError::Walls { detail })?;
        let until = Instant::now() + Duration::from_millis(self.limits.hosted_wall_ms);
        self.process.cap_memory(self.limits.hosted_memory_bytes);
        let order = Order {
            memory_bytes: self.limits.hosted_memory_bytes,
            cpu_s: self.limits.hosted_cpu_ms.div_ceil(1_000).max(1),
            output_bytes: self.limits.output_bytes,
            task,
        };
        let source = source.map(AsFd::as_fd);
        match wire::say(&self.process.socket, Word::Order, &order, source, Some(until)) {
            Ok(()) => {}
            Err(error @ WireError::Socket(_)) => return Err(self.why_silent(error)),
            Err(error) => return Err(HostedError::Order(error)),
        }
        let mut hearing = Hearing::new(self.products, self.limits.output_bytes);
        loop {
            let heard = match wire::hear(&self.process.socket, Some(until)) {
                Ok(heard) => heard,
                Err(error) => return Err(self.why_silent(error)),
            };
            match hearing.take(&heard)? {
                Said::Ask(ask) => self.wanted(ask, until)?,
                Said::Made => {}
                Said::Done(products) => return Ok(products),
            }
        }
    }

    fn wanted(&mut self, ask: Ask, until: Instant) -> Result<(), HostedError> {
        let requests =
            self.requests.as_mut().ok_or_else(|| lied("it asks for what no page wants"))?;
        requests.look_after(ask, until).map_err(lied)
    }

    /// Why nothing more is heard.
    fn why_silent(&mut self, error: WireError) -> HostedError {
        if let Some(error) = self.requests.as_ref().and_then(Requests::document_error) {
            return HostedError::Document(error);
        }
        match error {
            WireError::Socket(SocketError::Closed) => {
                let (code, detail) = post_mortem(self.process.wait());
                HostedError::failed(code, &detail)
            }
            WireError::Socket(SocketError::TimedOut) => HostedError::failed(
                FailureCode::RendererTimeout,
                "the limit of wall-clock time was reached",
            ),
            error => lied(&error.to_string()),
        }
    }
}

/// Hears out a host that was asked for the pictures of a page, and gives how many files it made and
/// what the page says of itself. Nobody looks after what the page wants.
pub(crate) fn hear_out(
    socket: &Socket<impl AsFd>,
    limits: &Limits,
    until: Instant,
) -> Result<(usize, Map<String, Value>), HostedError> {
    const ASKED_FOR: &[Product] = &[Product::Viewport, Product::Full, Product::Text];
    let mut hearing = Hearing::new(ASKED_FOR, limits.output_bytes);
    loop {
        let heard = wire::hear(socket, Some(until)).map_err(HostedError::Order)?;
        match hearing.take(&heard)? {
            Said::Ask(_) | Said::Made => {}
            Said::Done(Products { files, page }) => {
                let said = page.map(|page| said_within(page.metadata, limits.metadata_bytes));
                return Ok((files.len(), said.unwrap_or_default()));
            }
        }
    }
}

/// Waits for the walls, and gives their list.
pub(super) fn ready(process: &mut Process) -> Result<Vec<String>, String> {
    match wire::hear(&process.socket, Some(Instant::now() + START_TIMEOUT)) {
        Ok(heard) if heard.word == Word::Ready => match heard.read::<Ready>() {
            Ok(ready) if ready.protocol == PROTOCOL => {
                let outer = process.outer_wall();
                Ok(ready.walls.iter().map(|wall| words::detail(wall)).chain([outer]).collect())
            }
            Ok(ready) => Err(format!("it speaks protocol {}, not {PROTOCOL}", ready.protocol)),
            Err(error) => Err(error.to_string()),
        },
        Ok(heard) if heard.word == Word::Failed => Err(heard
            .read::<Failed>()
            .map_or_else(|error| error.to_string(), |failed| words::detail(&failed.detail))),
        Ok(heard) => Err(format!("it began with {:?}", heard.word)),
        Err(error) => Err(format!("{error}; {}", post_mortem(process.kill()).1)),
    }
}

/// It has been captured, or is broken.
fn lied(how: &str) -> HostedError {
    let detail = format!("the host broke the protocol: {how}");
    HostedError::failed(FailureCode::RendererCrashed, &detail)
}
