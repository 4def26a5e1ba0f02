//! The file system of a hosted program: its libraries and fonts to read, one tmpfs to write, and
//! nothing of the machine beside.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};

use crate::inside::walls::{WallError, last_errno, refused};

/// Where the program may write. Not executable.
pub(super) const DESK: &str = "/tmp";
/// Most entries of that folder.
const DESK_INODES: u32 = 8_192;

/// Folders that libraries lie in; links where the distribution has merged them into `/usr`.
const SYSTEM: [&str; 5] = ["lib", "lib64", "lib32", "bin", "sbin"];
/// What else is read, if it is there.
const READ: [&str; 6] = [
    "etc/alternatives",
    "etc/fonts",
    "etc/ld.so.cache",
    "etc/libreoffice",
    "var/cache/fontconfig",
    "var/lib/libreoffice",
];
/// Fonts that Debian's packages bring and its fontconfig passes over: Korean letters.
const FONTS_BESIDE: &str = "/usr/share/fonts-droid-fallback/truetype";
/// Where fontconfig looks as well.
const FONTS_OF_DESK: &str = "tmp/.fonts";
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Builds it and moves in. `program` is a folder that the program needs, if it is not below `/usr`.
pub(super) fn move_in(program: &Path, desk_bytes: u64) -> Result<(), WallError> {
    let step = |step| refused("root", step);
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(step("make private"))?;
    let strict = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Laid over /proc, which every machine has; the new root's own paths are relative until then.
    mount("none", "/proc", "tmpfs", strict, Some(c"size=64k,nr_inodes=128,mode=0755"))
        .map_err(step("mount"))?;
    rustix::process::chdir("/proc").map_err(step("enter"))?;
    bind("/usr", "usr", Bound::Library)?;
    for name in SYSTEM {
        let path = Path::new("/").join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => fs::read_link(&path)
                .and_then(|target| symlink(target, name))
                .map_err(failed("link"))?,
            Ok(_) => bind(&path, name, Bound::Library)?,
            Err(_) => {}
        }
    }
    for name in READ {
        let path = Path::new("/").join(name);
        if path.exists() {
            bind(&path, name, Bound::Library)?;
        }
    }
    if !program.starts_with("/usr") {
        let inside = program.strip_prefix("/").unwrap_or(program);
        bind(program, inside, Bound::Library)?;
    }
    for name in DEVICES {
        bind(Path::new("/dev").join(name), Path::new("dev").join(name), Bound::Device)?;
    }
    symlink("/proc/self/fd", "dev/fd")
        .and_then(|()| symlink(DESK, "dev/shm"))
        .map_err(failed("link"))?;
    fs::create_dir("proc").map_err(failed("make a folder"))?;
    mount("proc", "proc", "proc", strict, Some(c"subset=pid")).map_err(step("mount proc"))?;
    fs::create_dir("tmp").map_err(failed("make a folder"))?;
    let options = format!("size={desk_bytes},nr_inodes={DESK_INODES},mode=0700");
    let options = CString::new(options).unwrap_or_default();
    mount("none", "tmp", "tmpfs", strict, Some(options.as_c_str()))
        .map_err(step("mount a desk"))?;
    symlink(FONTS_BESIDE, FONTS_OF_DESK).map_err(failed("link"))?;
    rustix::process::pivot_root(".", ".").map_err(step("pivot"))?;
    unmount(".", UnmountFlags::DETACH).map_err(step("leave the old root"))?;
    rustix::process::chdir(DESK).map_err(step("enter the new root"))?;
    mount_remount("/", strict | MountFlags::RDONLY, c"").map_err(step("make read-only"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// Read and executed.
    Library,
    /// Read and written, by what little it offers.
    Device,
}

fn bind(from: impl AsRef<Path>, to: impl AsRef<Path>, bound: Bound) -> Result<(), WallError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    if from.is_dir() {
        fs::create_dir_all(to).map_err(failed("make a folder"))?;
    } else {
        to.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed("make a folder"))?;
        File::create(to).map_err(failed("make a file"))?;
    }
    mount_bind_recursive(from, to).map_err(refused("root", "bind"))?;
    let attribute = match bound {
        Bound::Library => NODEV,
        Bound::Device => NOEXEC,
    };
    set_attributes(to, RDONLY | NOSUID | attribute)
        .map_err(refused("root", "make a bind read-only"))
}

/// Attributes of a mount, as `mount_setattr` counts them.
const RDONLY: u64 = 1;
const NOSUID: u64 = 2;
const NODEV: u64 = 4;
const NOEXEC: u64 = 8;
const AT_RECURSIVE: i32 = 0x8000;

/// Also for what is mounted below.
#[allow(unsafe_code, reason = "no safe wrapper of mount_setattr")]
fn set_attributes(path: &Path, attributes: u64) -> Result<(), Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_nul| Errno::INVAL)?;
    // To set, to clear, propagation, user namespace.
    let change = [attributes, 0, 0, 0];
    // SAFETY: path and structure outlive the call, and the size passed is the structure's.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            AT_RECURSIVE,
            change.as_ptr(),
            size_of_val(&change),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

fn failed(step: &'static str) -> impl Fn(io::Error) -> WallError {
    move |error| refused("root", step)(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
