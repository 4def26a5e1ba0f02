//! Frames over a socket pair, with at most one descriptor beside a frame.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::frame::{FrameError, HEADER_BYTES, Kind, parse_header};

/// Why a frame did not travel.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The other side has gone.
    #[error("the other side has hung up")]
    Closed,
    /// The time for it is over.
    #[error("the other side took too long")]
    TimedOut,
    /// It broke the protocol.
    #[error("break of the protocol")]
    Frame(#[from] FrameError),
    /// It sent a descriptor where none belongs, or too many.
    #[error("a descriptor where none belongs")]
    StrayDescriptor,
    /// The socket failed.
    #[error("use the socket")]
    Io(#[source] Errno),
}

/// A frame's header and the descriptor that came with it.
#[derive(Debug)]
pub struct Head {
    /// What the frame carries.
    pub kind: Kind,
    /// Length of the body, not yet received.
    pub len: usize,
    /// At most one descriptor.
    pub descriptor: Option<OwnedFd>,
}

/// One end of the socket pair.
#[derive(Debug)]
pub struct Socket<F>(pub F);

impl<F: AsFd> Socket<F> {
    /// Sends a whole frame, with a descriptor beside it.
    ///
    /// # Errors
    /// When the other side has gone or does not take it in time.
    pub fn send(
        &self,
        frame: &[u8],
        descriptor: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Result<(), SocketError> {
        self.send_parts(&[], frame, descriptor, until)
    }

    /// Sends a frame whose header and body lie apart.
    ///
    /// # Errors
    /// When the other side has gone or does not take it in time.
    pub fn send_parts(
        &self,
        header: &[u8],
        body: &[u8],
        descriptor: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Result<(), SocketError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        let mut sent = 0;
        let total = header.len() + body.len();
        while sent < total {
            self.wait(PollFlags::OUT, until)?;
            let mut control = SendAncillaryBuffer::new(&mut space);
            if sent == 0 && !descriptors.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&descriptors));
            }
            let first = IoSlice::new(header.get(sent..).unwrap_or_default());
            let second =
                IoSlice::new(body.get(sent.saturating_sub(header.len())..).unwrap_or_default());
            let mut flags = SendFlags::NOSIGNAL;
            flags.set(SendFlags::DONTWAIT, until.is_some());
            match sendmsg(&self.0, &[first, second], &mut control, flags) {
                Ok(count) => sent += count,
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(SocketError::Closed),
                Err(error) => return Err(SocketError::Io(error)),
            }
        }
        Ok(())
    }

    /// Receives a frame's header.
    ///
    /// # Errors
    /// When the other side has gone, took too long or broke the protocol.
    pub fn receive_head(&self, until: Option<Instant>) -> Result<Head, SocketError> {
        let mut header = [0; HEADER_BYTES];
        let mut descriptor = None;
        self.fill(&mut header, Some(&mut descriptor), until)?;
        let (kind, len) = parse_header(header)?;
        Ok(Head { kind, len, descriptor })
    }

    /// Receives a header as it is, and the descriptor beside it.
    pub(crate) fn receive_header(
        &self,
        header: &mut [u8],
        until: Option<Instant>,
    ) -> Result<Option<OwnedFd>, SocketError> {
        let mut descriptor = None;
        self.fill(header, Some(&mut descriptor), until)?;
        Ok(descriptor)
    }

    /// Receives as many bytes of a frame's body as `body` is long.
    ///
    /// # Errors
    /// When the other side has gone, took too long or sent a descriptor.
    pub fn receive_body(&self, body: &mut [u8], until: Option<Instant>) -> Result<(), SocketError> {
        self.fill(body, None, until)
    }

    fn fill(
        &self,
        buffer: &mut [u8],
        mut descriptor: Option<&mut Option<OwnedFd>>,
        until: Option<Instant>,
    ) -> Result<(), SocketError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            self.wait(PollFlags::IN, until)?;
            let room = if descriptor.is_some() { &mut space[..] } else { &mut [] };
            let mut control = RecvAncillaryBuffer::new(room);
            let mut flags = RecvFlags::CMSG_CLOEXEC;
            flags.set(RecvFlags::DONTWAIT, until.is_some());
            let received = match recvmsg(&self.0, &mut [IoSliceMut::new(rest)], &mut control, flags)
            {
                Ok(received) => received,
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(Errno::CONNRESET) => return Err(SocketError::Closed),
                Err(error) => return Err(SocketError::Io(error)),
            };
            for message in control.drain() {
                if let (RecvAncillaryMessage::ScmRights(fds), Some(slot)) =
                    (message, descriptor.as_deref_mut())
                {
                    for fd in fds {
                        if slot.replace(fd).is_some() {
                            return Err(SocketError::StrayDescriptor);
                        }
                    }
                }
            }
            if received.flags.contains(ReturnFlags::CTRUNC) {
                return Err(SocketError::StrayDescriptor);
            }
            if received.bytes == 0 {
                return Err(SocketError::Closed);
            }
            filled += received.bytes;
        }
        Ok(())
    }

    /// Waits for the socket. Without a time limit the call itself blocks, so that a renderer
    /// needs no polling.
    pub(crate) fn wait(&self, what: PollFlags, until: Option<Instant>) -> Result<(), SocketError> {
        let Some(until) = until else { return Ok(()) };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(SocketError::TimedOut);
            }
            match poll(&mut [PollFd::new(&self.0, what)], Some(&timespec(left))) {
                Ok(0) => return Err(SocketError::TimedOut),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(SocketError::Io(error)),
            }
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}
