//! What a witness signs: that a checkpoint continues what it saw before, and when it said so.
//!
//! The form is `cosignature/v1` of <https://c2sp.org/tlog-cosignature>.

/// How long the time is in front of a signature.
const TIME_BYTES: usize = 8;

/// What is signed: two lines of its own, and then the text of the checkpoint.
#[must_use]
pub fn message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Time and signature as a note carries them.
pub(crate) fn pack(time: u64, signature: &[u8]) -> Vec<u8> {
    let mut bytes = time.to_be_bytes().to_vec();
    bytes.extend(signature);
    bytes
}

/// The reverse of [`pack`]. A time must fit into 63 bits.
pub(crate) fn unpack(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = bytes.split_first_chunk::<TIME_BYTES>()?;
    let time = u64::from_be_bytes(*time);
    i64::try_from(time).is_ok().then_some((time, signature))
}
