//! One job as the renderer sees it: an order, ranges of a source, artifacts handed out.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use domain::FailureCode;
use domain::job::Role;
use domain::wish::Format;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fonts::Fonts;
use super::walls::{self, WallError};
use crate::frame::{self, FrameError, Kind, PROTOCOL, RANGE_BYTES};
use crate::message::{
    ArtifactMade, Done, Failed, Handover, OcrPage, Order, Pages, Read, Ready, Sniffed, Stage,
};
use crate::socket::{Socket, SocketError};

/// Exit status of a renderer that ran out of memory.
pub const EXIT_MEMORY: i32 = 77;

/// Why a visit cannot go on. The renderer then ends; the worker notices.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The worker cannot be spoken with.
    #[error("speak with the worker")]
    Socket(#[from] SocketError),
    /// A message does not fit.
    #[error("write a message")]
    Frame(#[from] FrameError),
    /// The worker said something out of turn.
    #[error("the worker sent {0:?} out of turn")]
    OutOfTurn(Kind),
    /// The limits of the job cannot be set.
    #[error("set the limits of the job")]
    Limits(#[from] WallError),
    /// A memory file could not be made.
    #[error("make a memory file: {step}")]
    MemoryFile {
        /// Which step.
        step: &'static str,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// One artifact to hand out.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// What it is to the wish.
    pub role: Role,
    /// Page, or which of its role, from 1.
    pub page: u32,
    /// Index into the wish's `sizes` for renditions; else 0.
    pub size_index: u32,
    /// Width and height in pixels; zeros for what has none.
    pub dimensions: (u32, u32),
    /// Width and height of the page, upright; zeros for what has none.
    pub original: (u32, u32),
    /// File format.
    pub format: Format,
    /// The file.
    pub bytes: &'a [u8],
}

/// The conversation with the worker, over standard input.
#[derive(Debug)]
pub struct Visit {
    socket: Socket<io::Stdin>,
}

impl Visit {
    /// The conversation over this process's standard input.
    #[must_use]
    pub fn over_stdin() -> Self {
        Self { socket: Socket(io::stdin()) }
    }

    /// Says that the walls stand.
    ///
    /// # Errors
    /// When the worker cannot be spoken with.
    pub fn announce(&self, walls: Vec<String>) -> Result<(), VisitError> {
        self.say(Kind::Ready, &Ready { protocol: PROTOCOL, walls })
    }

    /// Waits for the job and lowers the limits to its own. Gives the fonts to draw with as well.
    ///
    /// # Errors
    /// When the worker hangs up, or the limits cannot be set.
    pub fn order(&self) -> Result<(Order, Fonts), VisitError> {
        let (order, fonts): (Order, _) = self.hear(Kind::Order)?;
        walls::limit_job(&order.limits)?;
        Ok((order, fonts.map_or_else(Fonts::default, |file| Fonts::map(&file))))
    }

    /// Fills `buffer` with the source's bytes from `offset` on; fewer only at the source's end.
    ///
    /// # Errors
    /// When the worker hangs up or sends too much.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        for part in buffer.chunks_mut(RANGE_BYTES as usize) {
            let count = self.range(offset + filled as u64, part).map_err(io::Error::other)?;
            filled += count;
            if count < part.len() {
                break;
            }
        }
        Ok(filled)
    }

    fn range(&self, offset: u64, part: &mut [u8]) -> Result<usize, VisitError> {
        let len = u32::try_from(part.len()).unwrap_or(RANGE_BYTES).min(RANGE_BYTES);
        self.say(Kind::Read, &Read { offset, len })?;
        let head = self.socket.receive_head(None)?;
        match part.get_mut(..head.len) {
            Some(part) if head.kind == Kind::Bytes => {
                self.socket.receive_body(part, None)?;
                Ok(head.len)
            }
            _ => Err(VisitError::OutOfTurn(head.kind)),
        }
    }

    /// Tells what kind of file it is.
    ///
    /// # Errors
    /// When the worker cannot be spoken with.
    pub fn sniffed(&self, sniffed: &Sniffed) -> Result<(), VisitError> {
        self.say(Kind::Sniffed, sniffed)
    }

    /// Tells how many pages the file has.
    ///
    /// # Errors
    /// When the worker cannot be spoken with.
    pub fn pages(&self, total: u32) -> Result<(), VisitError> {
        self.say(Kind::Pages, &Pages { total })
    }

    /// Hands an artifact out as a sealed memory file.
    ///
    /// # Errors
    /// When the memory file cannot be made or the worker cannot be spoken with.
    pub fn artifact(&self, picture: &Picture<'_>) -> Result<(), VisitError> {
        let file = sealed(picture.bytes)?;
        let made = ArtifactMade {
            role: picture.role,
            page: picture.page,
            size_index: picture.size_index,
            width: picture.dimensions.0,
            height: picture.dimensions.1,
            original_width: picture.original.0,
            original_height: picture.original.1,
            format: picture.format,
        };
        let frame = frame::encode(Kind::Artifact, &made)?;
        Ok(self.socket.send(&frame, Some(file.as_fd()), None)?)
    }

    /// Hands a page out to have its text read: a PNG, as a sealed memory file.
    ///
    /// # Errors
    /// When the memory file cannot be made or the worker cannot be spoken with.
    pub fn page_to_read(
        &self,
        page: u32,
        (width, height): (u32, u32),
        png: &[u8],
    ) -> Result<(), VisitError> {
        let file = sealed(png)?;
        let frame = frame::encode(Kind::OcrPage, &OcrPage { page, width, height })?;
        Ok(self.socket.send(&frame, Some(file.as_fd()), None)?)
    }

    /// Tells that all is drawn.
    ///
    /// # Errors
    /// When the worker cannot be spoken with.
    pub fn done(
        &self,
        metadata: Map<String, Value>,
        engines: BTreeMap<String, String>,
    ) -> Result<(), VisitError> {
        self.say(Kind::Done, &account(metadata, engines))
    }

    /// Tells that somebody else has to draw it, and what is known so far.
    ///
    /// # Errors
    /// When the worker cannot be spoken with.
    pub fn hand_over(
        &self,
        to: Stage,
        metadata: Map<String, Value>,
        engines: BTreeMap<String, String>,
    ) -> Result<(), VisitError> {
        self.say(Kind::Handover, &Handover { to, so_far: account(metadata, engines) })
    }

    /// Tells that it cannot be drawn.
    ///
    /// # Errors
    /// When the worker cannot be spoken with.
    pub fn failed(&self, code: FailureCode, detail: &str) -> Result<(), VisitError> {
        const DETAIL_CHARS: usize = 300;
        let detail = detail.chars().take(DETAIL_CHARS).collect();
        self.say(Kind::Failed, &Failed { code, detail })
    }

    fn say(&self, kind: Kind, message: &impl Serialize) -> Result<(), VisitError> {
        Ok(self.socket.send(&frame::encode(kind, message)?, None, None)?)
    }

    fn hear<M: DeserializeOwned>(&self, kind: Kind) -> Result<(M, Option<OwnedFd>), VisitError> {
        let head = self.socket.receive_head(None)?;
        if head.kind != kind {
            return Err(VisitError::OutOfTurn(head.kind));
        }
        let mut body = vec![0; head.len];
        self.socket.receive_body(&mut body, None)?;
        Ok((frame::decode(kind, &body)?, head.descriptor))
    }
}

fn account(metadata: Map<String, Value>, engines: BTreeMap<String, String>) -> Done {
    let (cpu_ms, peak_bytes) = usage();
    Done { metadata, engines, cpu_ms, peak_bytes }
}

fn sealed(bytes: &[u8]) -> Result<OwnedFd, VisitError> {
    let step = |step| move |source| VisitError::MemoryFile { step, source };
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
    let file = match rustix::fs::memfd_create("artifact", flags) {
        // Kernels before 6.3 do not know the last flag.
        Err(Errno::INVAL) => rustix::fs::memfd_create("artifact", flags - MemfdFlags::NOEXEC_SEAL),
        made => made,
    }
    .map_err(step("create"))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = rustix::io::write(&file, rest).map_err(step("write"))?;
        rest = rest.get(count..).unwrap_or_default();
    }
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals).map_err(step("seal"))?;
    Ok(file)
}

/// CPU time in milliseconds and most resident memory in bytes, of this process.
#[allow(unsafe_code, reason = "no safe wrapper of getrusage")]
fn usage() -> (u64, u64) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the structure is writable and of the right type; zeroes are a valid value of it.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let ms = |time: libc::timeval| {
        u64::try_from(time.tv_sec * 1_000 + time.tv_usec / 1_000).unwrap_or_default()
    };
    let peak = u64::try_from(usage.ru_maxrss).unwrap_or_default().saturating_mul(1_024);
    (ms(usage.ru_utime) + ms(usage.ru_stime), peak)
}

/// Ends this process with [`EXIT_MEMORY`], without allocating. For the renderer's allocator.
#[allow(unsafe_code, reason = "the standard library's exit runs handlers that may allocate")]
pub fn exit_for_want_of_memory() -> ! {
    // SAFETY: ends the process; nothing is left behind that anybody could rely on.
    unsafe { libc::_exit(EXIT_MEMORY) }
}
