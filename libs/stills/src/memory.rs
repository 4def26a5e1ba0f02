//! Memory for pixels and files: much at once, and used but once.

#![allow(unsafe_code, reason = "no safe way to advise the kernel and the allocator")]

use rustix::mm::{Advice, madvise};

/// From here on memory is asked for in large pages, in bytes: getting it page by page takes longer
/// than filling it.
const MANY_BYTES: libc::c_int = 4 << 20;
/// A large page of most processors, in bytes.
const LARGE_PAGE_BYTES: usize = 2 << 20;
const PAGE_BYTES: usize = 4_096;
/// Of a mapping at most so many bytes are glibc's own, most of them before what is asked for.
const HEADER_BYTES: usize = 32;
/// Smaller buffers are kept for the next when they are freed, in bytes: the most that glibc takes.
const KEPT_BYTES: libc::c_int = 32 << 20;

/// Has freed memory kept for what comes next, instead of given back to the kernel and asked for
/// anew: one buffer after the other is as large as a page. Once for a job, whose process ends with
/// it.
pub(crate) fn keep_freed() {
    map_from(KEPT_BYTES);
    // SAFETY: sets a number of the allocator, which takes a lock for it.
    unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX) };
}

/// So many zeros: such as the kernel hands out, which nobody need write. Many of them are a mapping of
/// their own, in whole large pages: such a one begins where a large page does.
#[must_use]
pub fn zeroed(bytes: usize) -> Vec<u8> {
    if bytes < MANY_BYTES as usize {
        return vec![0; bytes];
    }
    let whole = bytes.saturating_add(HEADER_BYTES).next_multiple_of(LARGE_PAGE_BYTES);
    map_from(MANY_BYTES);
    let mut memory = vec![0; whole - HEADER_BYTES];
    map_from(KEPT_BYTES);
    let start = memory.as_mut_ptr();
    let start = start.wrapping_sub(start.addr() % PAGE_BYTES);
    // SAFETY: advice, which changes nothing about what is there, for a mapping of its own. Where there
    // is none after all, or the kernel does not know it, that is said or does no harm, and that is all.
    let _unknown = unsafe { madvise(start.cast(), whole, Advice::LinuxHugepage) };
    memory.truncate(bytes);
    memory
}

/// Has memory of so many bytes and more be a mapping of its own.
fn map_from(bytes: libc::c_int) {
    // SAFETY: sets a number of the allocator, which takes a lock for it.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, bytes) };
}
