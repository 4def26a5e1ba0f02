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

use super::HostedError;
use super::requests::Requests;
use super::wire::{
    self, Ask, Done, Failed, Heard, Made, Order, PROTOCOL, PageSaid, Product, Ready, Task,
    WireError, Word,
};
use crate::inspect;
use crate::pool::StartError;
use crate::process::{Process, post_mortem};
use crate::socket::SocketError;
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
        let mut products = Products::default();
        let mut made_bytes = 0;
        loop {
            let heard = match wire::hear(&self.process.socket, Some(until)) {
                Ok(heard) => heard,
                Err(error) => return Err(self.why_silent(error)),
            };
            match heard.word {
                Word::Ask => self.wanted(&heard, until)?,
                Word::Made => self.made(&heard, &mut products, &mut made_bytes)?,
                Word::Failed => {
                    let failed: Failed = heard.read().map_err(|error| lied(&error.to_string()))?;
                    return Err(HostedError::failed(failed.code, &failed.detail));
                }
                Word::Done => {
                    let done: Done = heard.read().map_err(|error| lied(&error.to_string()))?;
                    products.page = done.page;
                    return Ok(products);
                }
                word => return Err(lied(&format!("it said {word:?} out of turn"))),
            }
        }
    }

    fn wanted(&mut self, heard: &Heard, until: Instant) -> Result<(), HostedError> {
        let ask: Ask = heard.read().map_err(|error| lied(&error.to_string()))?;
        let requests =
            self.requests.as_mut().ok_or_else(|| lied("it asks for what no page wants"))?;
        requests.look_after(ask, until).map_err(lied)
    }

    fn made(
        &self,
        heard: &Heard,
        products: &mut Products,
        made_bytes: &mut u64,
    ) -> Result<(), HostedError> {
        let made: Made = heard.read().map_err(|error| lied(&error.to_string()))?;
        let descriptor = heard.descriptor.as_ref().ok_or_else(|| lied("it made no file"))?;
        if !self.products.contains(&made.product) {
            return Err(lied("it made what nobody asked for"));
        }
        let (file, length) = match inspect::open(descriptor) {
            // A picture without any text.
            Err(inspect::Flaw::Empty) if made.product == Product::Text => return Ok(()),
            opened => opened.map_err(|flaw| lied(&flaw.to_string()))?,
        };
        *made_bytes = length.saturating_add(*made_bytes);
        if *made_bytes > self.limits.output_bytes {
            return Err(HostedError::failed(FailureCode::OutputTooLarge, ""));
        }
        match products.files.insert(made.product, file) {
            None => Ok(()),
            Some(_) => Err(lied("it made a file twice")),
        }
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
