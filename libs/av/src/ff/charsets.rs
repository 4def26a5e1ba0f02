//! Character sets that FFmpeg converts from, loaded before the walls stand.
//!
//! Names of services in MPEG-TS are in one of these (EN 300 468, annex A); the C library opens a
//! file for each the first time that one is met, for which a renderer would be killed.

#![allow(unsafe_code, reason = "the C library keeps what is loaded while it is held open")]

use std::ffi::CStr;

/// By the names that FFmpeg has for them.
const NAMES: &[&CStr] = &[
    c"ISO6937",
    c"ISO-8859-1",
    c"ISO-8859-2",
    c"ISO-8859-3",
    c"ISO-8859-4",
    c"ISO-8859-5",
    c"ISO-8859-6",
    c"ISO-8859-7",
    c"ISO-8859-8",
    c"ISO-8859-9",
    c"ISO-8859-10",
    c"ISO-8859-11",
    c"ISO-8859-13",
    c"ISO-8859-14",
    c"ISO-8859-15",
    c"ISO-8859-16",
    c"KSC_5601",
    c"GB2312",
    c"BIG5",
    c"UCS-2BE",
    c"UTF-16BE",
    c"UTF-8",
];

/// Loads them, to stay until the process ends.
pub(crate) fn load() {
    for name in NAMES {
        // SAFETY: both names end with a zero. What is opened is held open on purpose.
        unsafe { libc::iconv_open(c"UTF-8".as_ptr(), name.as_ptr()) };
    }
}
