//! Memory for pixels and files: much at once, and used but once.

#![allow(unsafe_code, reason = "no safe way to advise the kernel and the allocator")]

use rustix::mm::{Advice, madvise};

/// From here on memory is asked for in large pages, in bytes: getting it page by page takes longer
/// than filling it.
const MANY_BYTES: usize = 4 << 20;
const PAGE_BYTES: usize = 4_096;

/// Smaller buffers are kept for the next when they are freed, in bytes: the most that glibc takes.
const KEPT_BYTES: libc::c_int = 32 << 20;

/// Has freed memory kept for what comes next, instead of given back to the kernel and asked for
/// anew: one buffer after the other is as large as a page. Once for a job, whose process ends with
/// it.
pub(crate) fn keep_freed() {
    // SAFETY: sets two numbers of the allocator, which takes a lock for it.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}

/// So many zeros: such as the kernel hands out, which nobody need write.
#[must_use]
pub fn zeroed(bytes: usize) -> Vec<u8> {
    let mut memory = vec![0; bytes];
    if bytes >= MANY_BYTES {
        let start = memory.as_mut_ptr();
        let skipped = start.align_offset(PAGE_BYTES).min(bytes);
        let whole = (bytes - skipped) / PAGE_BYTES * PAGE_BYTES;
        // SAFETY: the range lies within the vector, begins at a page, and the advice changes
        // nothing about what is there. A kernel that does not know it says so, and that is all.
        let _unknown = unsafe { madvise(start.add(skipped).cast(), whole, Advice::LinuxHugepage) };
    }
    memory
}
