//! Rings in variables of the environment: taken out of it before anything else happens.
//!
//! An environment is handed on to every child and shown to whoever may look into the process. So a ring there is moved
//! into a memory file, its variable is removed, and the bytes that it lay in are overwritten.

#![allow(
    unsafe_code,
    reason = "the environment is the C library's; it is changed while there is one thread, and that is checked"
)]

use std::env;
use std::ffi::{CStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use zeroize::Zeroizing;

use crate::error::{RingError, RingFault};
use crate::ring_file::RING_MAX_BYTES;

/// Where descriptors of this process have names.
const DESCRIPTORS: &str = "/proc/self/fd";
/// Every thread of this process.
const THREADS: &str = "/proc/self/task";
/// The variables that may hold a ring, and those that say in which file it is.
const VARIABLES: [(&CStr, &str); 2] = [
    (c"DARKROOM__VAULT__MASTER_KEY", "DARKROOM__VAULT__MASTER_KEY_FILE"),
    (c"DARKROOM__VAULT__CREDENTIALS_KEY", "DARKROOM__VAULT__CREDENTIALS_KEY_FILE"),
];

/// Takes rings out of `DARKROOM__VAULT__MASTER_KEY` and `DARKROOM__VAULT__CREDENTIALS_KEY`, if they are set, and has the
/// settings lead to them. Call it first of all: the environment is not changed once there is a second thread.
///
/// # Errors
/// [`RingError::Environment`] and others; the variable is then as it was.
pub fn take_rings_from_environment() -> Result<(), RingError> {
    for (variable, file) in VARIABLES {
        take(variable, file)?;
    }
    Ok(())
}

/// Whether a file is one that was taken out of the environment.
pub(crate) fn is_taken(file: &Path) -> bool {
    file.starts_with(DESCRIPTORS)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a ring is no setting: nobody who reads settings may come upon it"
)]
fn take(variable: &'static CStr, file: &'static str) -> Result<(), RingError> {
    let name = variable.to_str().unwrap_or_default();
    let Some(text) = env::var_os(name).map(OsString::into_vec).map(Zeroizing::new) else {
        return Ok(());
    };
    if env::var_os(file).is_some_and(|path| !path.is_empty()) {
        return Err(RingError::TwoVariables { ring: name, file });
    }
    if text.len() > RING_MAX_BYTES {
        let fault = RingFault::TooLarge(RING_MAX_BYTES);
        return Err(RingError::Malformed { place: name.to_owned(), fault });
    }
    let failed = |source| RingError::Environment { variable: name, source };
    if fs::read_dir(THREADS).map_err(failed)?.count() != 1 {
        return Err(failed(std::io::ErrorKind::ResourceBusy.into()));
    }
    let ring = memory_file(&text).map_err(failed)?;
    // Open for as long as the process lives, and for no child of it.
    let path = format!("{DESCRIPTORS}/{}", ring.as_raw_fd());
    let _kept = ring.into_raw_fd();
    // SAFETY: there is no other thread that could read or change the environment meanwhile. The text is the C
    // library's, ends with a zero, and nobody holds a pointer to it.
    unsafe {
        let at = libc::getenv(variable.as_ptr());
        if !at.is_null() {
            for offset in 0..libc::strlen(at) {
                at.add(offset).write_volatile(0);
            }
        }
        env::remove_var(name);
        env::set_var(file, path);
    }
    Ok(())
}

/// Never on a disk, for its owner alone, and nobody writes to it any more.
fn memory_file(text: &[u8]) -> std::io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("ring", flags)?);
    file.write_all(text)?;
    file.set_permissions(Permissions::from_mode(0o400))?;
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}
