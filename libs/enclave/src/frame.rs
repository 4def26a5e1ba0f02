//! Frames on the socket: one byte of kind, four of length, then the body; every kind has a cap.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The protocol's version; worker and renderer are built together, this catches a stale pair.
pub const PROTOCOL: u32 = 2;
/// Length of a frame's header, in bytes.
pub const HEADER_BYTES: usize = 5;
/// Most bytes of the source in one frame.
pub const RANGE_BYTES: u32 = 1 << 20;

/// The kinds of frames that two sides exchange.
pub trait Vocabulary: Copy + fmt::Debug + 'static {
    /// Every kind.
    const ALL: &'static [Self];

    /// What stands for it in a header.
    fn byte(self) -> u8;

    /// The most bytes a body of this kind may have.
    fn cap(self) -> u32;
}

/// What a frame between worker and renderer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// [`crate::message::Order`], to the renderer, perhaps with the fonts beside it.
    Order = 1,
    /// Raw bytes of the source, to the renderer; none at the source's end.
    Bytes = 2,
    /// [`crate::message::Ready`].
    Ready = 16,
    /// [`crate::message::Read`].
    Read = 17,
    /// [`crate::message::Sniffed`].
    Sniffed = 18,
    /// [`crate::message::Pages`].
    Pages = 19,
    /// [`crate::message::ArtifactMade`], with a memory file beside it.
    Artifact = 20,
    /// [`crate::message::Done`].
    Done = 21,
    /// [`crate::message::Failed`].
    Failed = 22,
    /// [`crate::message::Handover`].
    Handover = 23,
    /// [`crate::message::OcrPage`], with a memory file beside it.
    OcrPage = 24,
}

impl Kind {
    /// Whether a descriptor comes beside a frame of this kind, in whichever direction.
    #[must_use]
    pub const fn has_descriptor(self) -> bool {
        matches!(self, Self::Artifact | Self::OcrPage)
    }
}

impl Vocabulary for Kind {
    const ALL: &'static [Self] = &[
        Self::Order,
        Self::Bytes,
        Self::Ready,
        Self::Read,
        Self::Sniffed,
        Self::Pages,
        Self::Artifact,
        Self::Done,
        Self::Failed,
        Self::Handover,
        Self::OcrPage,
    ];

    fn byte(self) -> u8 {
        self as u8
    }

    fn cap(self) -> u32 {
        match self {
            Self::Order => 256 << 10,
            Self::Bytes => RANGE_BYTES,
            Self::Ready | Self::Failed => 4 << 10,
            Self::Read | Self::Pages | Self::OcrPage => 128,
            Self::Sniffed | Self::Artifact => 1 << 10,
            Self::Done | Self::Handover => 4 << 20,
        }
    }
}

/// A frame that breaks the protocol, or a message that does not fit into it.
#[derive(Debug, thiserror::Error)]
pub enum FrameError<K: Vocabulary = Kind> {
    /// No such kind.
    #[error("a frame of unknown kind {0}")]
    UnknownKind(u8),
    /// Longer than its kind allows.
    #[error("a frame of kind {kind:?} with {len} bytes, {} at most", kind.cap())]
    TooLong {
        /// Its kind.
        kind: K,
        /// Its length.
        len: usize,
    },
    /// The body is not the message its kind says.
    #[error("a frame of kind {kind:?} whose body cannot be read")]
    Body {
        /// Its kind.
        kind: K,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A frame's header for a body of `len` bytes.
///
/// # Errors
/// [`FrameError::TooLong`] above the kind's cap.
pub fn header<K: Vocabulary>(kind: K, len: usize) -> Result<[u8; HEADER_BYTES], FrameError<K>> {
    let length = u32::try_from(len).ok().filter(|length| *length <= kind.cap());
    let [a, b, c, d] = length.ok_or(FrameError::TooLong { kind, len })?.to_le_bytes();
    Ok([kind.byte(), a, b, c, d])
}

/// Reads a header: the kind, and the length of the body that follows.
///
/// # Errors
/// When the kind is unknown or the length above the kind's cap.
pub fn parse_header<K: Vocabulary>(
    header: [u8; HEADER_BYTES],
) -> Result<(K, usize), FrameError<K>> {
    let [byte, a, b, c, d] = header;
    let known = K::ALL.iter().copied().find(|kind| kind.byte() == byte);
    let kind = known.ok_or(FrameError::UnknownKind(byte))?;
    let len = u32::from_le_bytes([a, b, c, d]);
    if len > kind.cap() {
        return Err(FrameError::TooLong { kind, len: len as usize });
    }
    Ok((kind, len as usize))
}

/// A whole frame of one message.
///
/// # Errors
/// [`FrameError::TooLong`] above the kind's cap.
pub fn encode<K: Vocabulary>(kind: K, message: &impl Serialize) -> Result<Vec<u8>, FrameError<K>> {
    let body = serde_json::to_vec(message).map_err(|source| FrameError::Body { kind, source })?;
    let mut frame = header(kind, body.len())?.to_vec();
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The message in a frame's body.
///
/// # Errors
/// [`FrameError::Body`] when it is not what the kind says.
pub fn decode<M: DeserializeOwned, K: Vocabulary>(
    kind: K,
    body: &[u8],
) -> Result<M, FrameError<K>> {
    serde_json::from_slice(body).map_err(|source| FrameError::Body { kind, source })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{
        ArtifactMade, Done, Failed, Handover, OcrPage, Order, Pages, Read, Ready, Sniffed,
    };

    #[test]
    fn a_header_survives_a_round_trip_up_to_the_cap() {
        for kind in Kind::ALL.iter().copied() {
            for len in [0, 1, kind.cap() as usize] {
                let bytes = header(kind, len).expect("within the cap");
                assert_eq!(parse_header(bytes).expect("valid"), (kind, len));
            }
            assert!(header(kind, kind.cap() as usize + 1).is_err());
            let [a, b, c, d] = (kind.cap() + 1).to_le_bytes();
            assert!(parse_header::<Kind>([kind.byte(), a, b, c, d]).is_err());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn no_header_is_read_that_would_not_be_written(bytes: [u8; HEADER_BYTES]) {
            if let Ok((kind, len)) = parse_header::<Kind>(bytes) {
                prop_assert!(len <= kind.cap() as usize);
                prop_assert_eq!(header(kind, len).expect("within the cap"), bytes);
            }
        }

        #[test]
        fn no_body_brings_the_reader_down(body in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = decode::<Order, _>(Kind::Order, &body);
            let _ = decode::<Ready, _>(Kind::Ready, &body);
            let _ = decode::<Read, _>(Kind::Read, &body);
            let _ = decode::<Sniffed, _>(Kind::Sniffed, &body);
            let _ = decode::<Pages, _>(Kind::Pages, &body);
            let _ = decode::<ArtifactMade, _>(Kind::Artifact, &body);
            let _ = decode::<Done, _>(Kind::Done, &body);
            let _ = decode::<Failed, _>(Kind::Failed, &body);
            let _ = decode::<Handover, _>(Kind::Handover, &body);
            let _ = decode::<OcrPage, _>(Kind::OcrPage, &body);
        }
    }
}
