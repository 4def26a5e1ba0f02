//! Options for FFmpeg, and tags from it: names with values.

#![allow(unsafe_code, reason = "FFmpeg is a C library")]

use std::ffi::{CStr, CString};
use std::ptr;

use ffmpeg_sys_next as sys;

/// A dictionary of options.
pub(crate) struct Words(*mut sys::AVDictionary);

impl Words {
    /// These options. A word with a zero byte inside is left out.
    pub(crate) fn new(options: &[(&str, &str)]) -> Self {
        let mut words = Self(ptr::null_mut());
        for (name, value) in options {
            if let (Ok(name), Ok(value)) = (CString::new(*name), CString::new(*value)) {
                // SAFETY: both texts are copied.
                unsafe { sys::av_dict_set(&raw mut words.0, name.as_ptr(), value.as_ptr(), 0) };
            }
        }
        words
    }

    pub(super) const fn as_mut(&mut self) -> *mut *mut sys::AVDictionary {
        &raw mut self.0
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: ours, freed here alone.
        unsafe { sys::av_dict_free(&raw mut self.0) };
    }
}

/// The tags of a dictionary, at most `most`; bytes that are not UTF-8 are replaced.
///
/// # Safety
/// `dictionary` is null or one of FFmpeg's.
pub(super) unsafe fn tags(
    dictionary: *const sys::AVDictionary,
    most: usize,
) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    let mut entry: *const sys::AVDictionaryEntry = ptr::null();
    while tags.len() < most {
        // SAFETY: the dictionary does not change meanwhile; an empty prefix matches every entry.
        entry = unsafe {
            sys::av_dict_get(dictionary, c"".as_ptr(), entry, sys::AV_DICT_IGNORE_SUFFIX)
        };
        if entry.is_null() {
            break;
        }
        // SAFETY: both texts of an entry end with a zero.
        let [name, value] = unsafe { [(*entry).key, (*entry).value] }.map(|text| {
            // SAFETY: as above.
            unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
        });
        tags.push((name, value));
    }
    tags
}
