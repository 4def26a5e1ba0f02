//! Libraries that a template has loaded since others name them, and that no job calls.
//!
//! A library of codecs is linked with those for windows, networks and encoders. Each is half a dozen
//! mappings, which every fork copies and every end takes down, and code that could be misused. Once
//! all is loaded they are taken out of memory again: a call into one is a crash.

#![allow(unsafe_code, reason = "no safe wrapper of dl_iterate_phdr")]

use std::ffi::{CStr, c_int, c_void};

/// Unmaps the libraries of these names (`libX11` of `/usr/lib/libX11.so.6`). From then on the process
/// may neither load another nor end but by `_exit`: both would look into all that were ever loaded.
pub(super) fn unmap(names: &[&str]) {
    if names.is_empty() {
        return;
    }
    let mut names = names;
    // SAFETY: the visitor gets back the pointer that it is given here, while it lives, and writes
    // nowhere. The linker does not read what it has told of before it tells of the next.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut names).cast()) };
}

/// Is called for each library that is loaded.
unsafe extern "C" fn visit(
    library: *mut libc::dl_phdr_info,
    _bytes: usize,
    names: *mut c_void,
) -> c_int {
    // SAFETY: as promised by `unmap` and by the linker: both live during the call.
    let (library, names) = unsafe { (&*library, *names.cast::<&[&str]>()) };
    if library.dlpi_name.is_null() || library.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the linker's, ended by a zero; so many headers as it says.
    let (path, headers) = unsafe {
        let headers = std::slice::from_raw_parts(library.dlpi_phdr, library.dlpi_phnum.into());
        (CStr::from_ptr(library.dlpi_name), headers)
    };
    if stem(&path.to_string_lossy()).is_some_and(|stem| names.contains(&stem))
        && let Some((start, bytes)) = span(library.dlpi_addr, headers)
    {
        // SAFETY: the linker has laid the library there, and nothing else. Whoever names it knows that
        // it is not called. What the kernel refuses stays as it was.
        unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(start), bytes) };
    }
    0
}

/// Where a library lies, in whole pages: address and bytes.
fn span(base: libc::Elf64_Addr, headers: &[libc::Elf64_Phdr]) -> Option<(usize, usize)> {
    // SAFETY: asks for a number.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let ends = loaded.map(|header| (header.p_vaddr, header.p_vaddr.saturating_add(header.p_memsz)));
    let (start, end) = ends.reduce(|whole, next| (whole.0.min(next.0), whole.1.max(next.1)))?;
    let start = base.checked_add(start)?.checked_div(page)?.checked_mul(page)?;
    let end = base.checked_add(end)?.checked_next_multiple_of(page)?;
    Some((usize::try_from(start).ok()?, usize::try_from(end.checked_sub(start)?).ok()?))
}

/// The name of a library without folder and version.
fn stem(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next()?;
    file.split_once(".so").map(|(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::{span, stem, unmap};

    #[test]
    fn a_library_is_known_without_folder_and_version() {
        assert_eq!(stem("/usr/lib/x86_64-linux-gnu/libX11.so.6"), Some("libX11"));
        assert_eq!(stem("libpgm-5.3.so.0"), Some("libpgm-5.3"));
        assert_eq!(stem("libva-drm.so.2"), Some("libva-drm"));
        assert_eq!(stem(""), None);
        assert_eq!(stem("/usr/bin/darkroom-renderer-av"), None);
    }

    #[test]
    fn a_library_lies_from_its_first_page_to_its_last() {
        let header = |kind, start, bytes| {
            // SAFETY: a struct of numbers.
            let mut header: libc::Elf64_Phdr = unsafe { std::mem::zeroed() };
            (header.p_type, header.p_vaddr, header.p_memsz) = (kind, start, bytes);
            header
        };
        let base = 16 << 20;
        let headers = [
            header(libc::PT_LOAD, 0, 10),
            header(libc::PT_DYNAMIC, 1 << 30, 1),
            header(libc::PT_LOAD, 1 << 20, 1),
        ];
        let (start, bytes) = span(base, &headers).expect("a span");
        assert_eq!(start as u64, base);
        assert!((1 << 20) < bytes && bytes <= (1 << 20) + (1 << 16), "{bytes}");
        assert_eq!(span(base, &headers[1..2]), None);
    }

    #[test]
    fn a_library_that_is_unmapped_has_gone_and_another_stays() {
        const GOOD: i32 = 7;
        let maps = || std::fs::read_to_string("/proc/self/maps").expect("read");
        // SAFETY: the child ends before anything that another thread may hold is needed of it, and
        // runs no handler.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: a library of the C library's own, that nothing is called of.
            unsafe { libc::dlopen(c"libresolv.so.2".as_ptr(), libc::RTLD_NOW) };
            let loaded = maps().contains("libresolv");
            unmap(&["libresolv"]);
            let left = maps();
            let is_good = loaded && !left.contains("libresolv") && left.contains("libc.so");
            // SAFETY: ends the child.
            unsafe { libc::_exit(if is_good { GOOD } else { 1 }) }
        }
        let mut status = 0;
        // SAFETY: waits for the child of this test.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == GOOD, "{status:#x}");
    }
}
