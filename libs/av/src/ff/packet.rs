//! A piece of a stream as the container holds it.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use ffmpeg_sys_next as sys;
use stills::Error;

use super::{NO_TIME, checked, there};

/// A packet.
pub(crate) struct Packet(*mut sys::AVPacket);

impl Packet {
    pub(crate) fn new() -> Result<Self, Error> {
        // SAFETY: allocates; freed in `drop`.
        Ok(Self(there("packet", unsafe { sys::av_packet_alloc() })?))
    }

    /// A packet of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Error> {
        let packet = Self::new()?;
        let Ok(length) = i32::try_from(bytes.len()) else {
            return Err(Error::Memory { what: "packet" });
        };
        // SAFETY: the packet is given room for the bytes, and what FFmpeg wants after them.
        unsafe {
            checked("packet", sys::av_new_packet(packet.0, length))?;
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), (*packet.0).data, bytes.len());
            (*packet.0).flags |= sys::AV_PKT_FLAG_KEY;
        }
        Ok(packet)
    }

    /// Another reference to a packet.
    ///
    /// # Safety
    /// `other` is a packet of FFmpeg's.
    pub(super) unsafe fn share(other: *const sys::AVPacket) -> Result<Self, Error> {
        let packet = Self::new()?;
        // SAFETY: by the contract; ours is empty.
        checked("packet", unsafe { sys::av_packet_ref(packet.0, other) })?;
        Ok(packet)
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::AVPacket {
        self.0
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        // SAFETY: ours.
        unsafe { sys::av_packet_unref(self.0) };
    }

    /// Index of its stream.
    pub(crate) fn stream(&self) -> usize {
        // SAFETY: ours.
        usize::try_from(unsafe { (*self.0).stream_index }).unwrap_or(usize::MAX)
    }

    pub(crate) fn is_key(&self) -> bool {
        // SAFETY: ours.
        unsafe { (*self.0).flags & sys::AV_PKT_FLAG_KEY != 0 }
    }

    /// Whether it is encrypted (ISO/IEC 23001-7).
    pub(crate) fn is_encrypted(&self) -> bool {
        let kind = sys::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INFO;
        // SAFETY: ours.
        let data = unsafe { sys::av_packet_get_side_data(self.0, kind, std::ptr::null_mut()) };
        !data.is_null()
    }

    /// When it is shown, in its stream's units; the time of decoding where that is not known.
    pub(crate) fn time(&self) -> Option<i64> {
        // SAFETY: ours.
        let (shown, decoded) = unsafe { ((*self.0).pts, (*self.0).dts) };
        [shown, decoded].into_iter().find(|time| *time != NO_TIME)
    }

    /// How long it is shown, in its stream's units; 0 if that is not known.
    pub(crate) fn duration(&self) -> i64 {
        // SAFETY: ours.
        unsafe { (*self.0).duration }.max(0)
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::av_packet_free(&raw mut self.0) };
    }
}
