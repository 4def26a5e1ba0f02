//! The fonts that came beside the order, mapped for reading.

use std::os::fd::OwnedFd;

use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::fonts;

/// Fonts, one slice a file. They stay mapped until the process ends, which is at the end of the
/// job.
#[derive(Debug, Default)]
pub struct Fonts(Vec<&'static [u8]>);

impl Fonts {
    /// Maps the memory file. One that cannot be mapped holds no fonts: text is then left out
    /// rather than the job failed.
    #[must_use]
    pub(super) fn map(file: &OwnedFd) -> Self {
        let Some(table) = mapped(file, fonts::TABLE_BYTES) else { return Self::default() };
        let whole = mapped(file, fonts::whole_bytes(table));
        Self(fonts::parse(whole.unwrap_or_default()))
    }

    /// One slice a font file.
    #[must_use]
    pub fn files(&self) -> &[&'static [u8]] {
        &self.0
    }
}

/// The file's first bytes.
#[allow(unsafe_code, reason = "no safe wrapper of mmap")]
fn mapped(file: &OwnedFd, length: usize) -> Option<&'static [u8]> {
    // SAFETY: the worker wrote at least this much and sealed the file, so that neither its bytes
    // nor its length change; the mapping is never taken away.
    unsafe {
        let at = mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0);
        at.ok().map(|at| std::slice::from_raw_parts(at.cast::<u8>(), length))
    }
}
