//! Files of a job: from a descriptor to the desk, and from the desk to a sealed memory file.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use domain::FailureCode;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

use super::Trouble;

/// Most characters of what a program said that are handed on.
const SAID_BYTES: i64 = 240;

/// Lays a source on the desk.
pub(super) fn lay(source: OwnedFd, path: &Path) -> Result<(), Trouble> {
    let mut source = File::from(source);
    source.rewind().map_err(Trouble::io("rewind the source"))?;
    let mut file = File::create_new(path).map_err(Trouble::io("make a file for the source"))?;
    io::copy(&mut source, &mut file).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => {
            Trouble::job(FailureCode::SourceTooLarge, "no room for the source")
        }
        _ => Trouble::io("copy the source")(error),
    })?;
    Ok(())
}

/// Takes a product off the desk. `None` if it is not there.
pub(super) fn take(path: &Path, cap: u64) -> Result<Option<OwnedFd>, Trouble> {
    match File::open(path) {
        Ok(file) => sealed(file, cap).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Trouble::io("open the product")(error)),
    }
}

/// Copies into a memory file that cannot change any more.
pub(super) fn sealed(content: impl Read, cap: u64) -> Result<OwnedFd, Trouble> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
    let file = match memfd_create("product", flags) {
        // Kernels before 6.3 do not know the last flag.
        Err(Errno::INVAL) => memfd_create("product", flags - MemfdFlags::NOEXEC_SEAL),
        made => made,
    };
    let mut file = File::from(file.map_err(into_io).map_err(Trouble::io("make a memory file"))?);
    let copied = io::copy(&mut content.take(cap.saturating_add(1)), &mut file)
        .map_err(Trouble::io("copy the product"))?;
    if copied > cap {
        return Err(Trouble::job(FailureCode::OutputTooLarge, "the product is too large"));
    }
    file.flush().map_err(Trouble::io("copy the product"))?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).map_err(into_io).map_err(Trouble::io("seal the product"))?;
    Ok(file.into())
}

/// The end of what a program said about its trouble.
pub(super) fn last_words(path: &Path) -> String {
    let read = || {
        let mut file = File::open(path)?;
        let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
        file.seek(io::SeekFrom::End(-SAID_BYTES.min(length)))?;
        let mut said = Vec::new();
        file.read_to_end(&mut said)?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&said).trim().to_owned())
    };
    read().unwrap_or_default()
}

pub(super) fn into_io(errno: Errno) -> io::Error {
    io::Error::from(errno)
}
