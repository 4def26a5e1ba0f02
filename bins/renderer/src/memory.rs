//! The system's allocator, but for its failures: those end the process with a status of their
//! own, so that the worker can tell want of memory from a crash.

use std::alloc::{GlobalAlloc, Layout, System};

/// The renderer's allocator.
pub struct Limited;

#[allow(unsafe_code, reason = "an allocator is unsafe by its trait; every call is passed on")]
// SAFETY: every method is the system allocator's own, and a null pointer never comes back.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on as it came.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on as it came.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: passed on as it came.
        checked(unsafe { System.realloc(pointer, layout, size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on as it came.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn checked(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        enclave::inside::exit_for_want_of_memory();
    }
    pointer
}
