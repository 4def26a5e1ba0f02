//! What worker and template say to each other: packets of a few bytes with descriptors beside them.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::socket::{Socket, SocketError};

/// The most bytes of a packet.
const PACKET_BYTES: usize = 1_024;
/// The most descriptors beside one: the job's socket, and the doors of two control groups.
const DESCRIPTORS: usize = 3;

/// What a renderer is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To draw a job.
    Job,
    /// To make the attempt of this number to get out.
    Prove(u8),
}

impl Purpose {
    pub(crate) const fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Job => [1, 0],
            Self::Prove(attempt) => [2, attempt],
        }
    }

    pub(crate) const fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [1, 0] => Some(Self::Job),
            [2, attempt] => Some(Self::Prove(*attempt)),
            _ => None,
        }
    }
}

/// What a template says. The first byte of a packet tells which; what follows is for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Word {
    /// All is loaded and its walls stand.
    Ready = 1,
    /// A renderer has been made; the way to its process comes beside it.
    Forked = 2,
    /// Something failed; why follows.
    Trouble = 3,
}

impl Word {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Ready),
            2 => Some(Self::Forked),
            3 => Some(Self::Trouble),
            _ => None,
        }
    }
}

/// A packet that has come.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl<F: AsFd> Socket<F> {
    /// Sends one packet; what is too long of it is left out.
    pub(crate) fn send_packet(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), SocketError> {
        // The space is rounded up: it may hold one more.
        if descriptors.len() > DESCRIPTORS {
            return Err(SocketError::StrayDescriptor);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let bytes = bytes.get(..PACKET_BYTES).unwrap_or(bytes);
        loop {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty()
                && !control.push(SendAncillaryMessage::ScmRights(descriptors))
            {
                return Err(SocketError::StrayDescriptor);
            }
            match sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(SocketError::Closed),
                Err(error) => return Err(SocketError::Io(error)),
            }
        }
    }

    /// Waits for one packet.
    pub(crate) fn receive_packet(&self, until: Option<Instant>) -> Result<Packet, SocketError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut bytes = vec![0; PACKET_BYTES];
        loop {
            self.wait(PollFlags::IN, until)?;
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let received = match recvmsg(&self.0, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
            {
                Ok(received) => received,
                Err(Errno::INTR) => continue,
                Err(Errno::CONNRESET) => return Err(SocketError::Closed),
                Err(error) => return Err(SocketError::Io(error)),
            };
            let mut descriptors = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(came) = message {
                    descriptors.extend(came);
                }
            }
            if received.flags.contains(ReturnFlags::CTRUNC) {
                return Err(SocketError::StrayDescriptor);
            }
            if received.bytes == 0 {
                return Err(SocketError::Closed);
            }
            bytes.truncate(received.bytes);
            return Ok(Packet { bytes, descriptors });
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn pair() -> (Socket<OwnedFd>, Socket<OwnedFd>) {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let pair = socketpair(family, kind, SocketFlags::CLOEXEC, None).expect("a pair");
        (Socket(pair.0), Socket(pair.1))
    }

    #[test]
    fn a_packet_comes_whole_and_alone_with_its_descriptors() {
        let (ours, theirs) = pair();
        let beside = [ours.0.as_fd(), theirs.0.as_fd(), ours.0.as_fd()];
        ours.send_packet(&Purpose::Prove(7).to_bytes(), &beside).expect("sent");
        ours.send_packet(&Purpose::Job.to_bytes(), &[]).expect("sent");
        let first = theirs.receive_packet(None).expect("received");
        assert_eq!(Purpose::from_bytes(&first.bytes), Some(Purpose::Prove(7)));
        assert_eq!(first.descriptors.len(), 3);
        let second = theirs.receive_packet(None).expect("received");
        assert_eq!(Purpose::from_bytes(&second.bytes), Some(Purpose::Job));
        assert!(second.descriptors.is_empty());
        for strange in [&[][..], &[1], &[1, 1], &[3, 0], &[1, 0, 0]] {
            assert_eq!(Purpose::from_bytes(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_left_out_or_refused_and_a_hang_up_is_heard() {
        let (ours, theirs) = pair();
        ours.send_packet(&[3; 5_000], &[]).expect("sent");
        assert_eq!(theirs.receive_packet(None).expect("received").bytes.len(), PACKET_BYTES);
        let beside = [ours.0.as_fd(); DESCRIPTORS + 1];
        assert!(ours.send_packet(&[1, 0], &beside).is_err());
        drop(ours);
        assert!(matches!(theirs.receive_packet(None), Err(SocketError::Closed)));
        assert!(matches!(theirs.send_packet(&[1], &[]), Err(SocketError::Closed)));
    }

    #[test]
    fn every_word_is_known_by_its_byte() {
        for word in [Word::Ready, Word::Forked, Word::Trouble] {
            assert_eq!(Word::from_byte(word as u8), Some(word));
        }
        assert_eq!(Word::from_byte(0), None);
    }
}
