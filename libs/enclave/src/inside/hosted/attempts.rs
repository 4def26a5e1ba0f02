//! Attempts to get out, made from where a hosted program would run. Every one must fail: refused
//! with an error, or the process killed.

use std::ffi::{CStr, CString};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

use super::walls::{DESK_BYTES, Filter, IDLE_MEMORY_BYTES};
use crate::hosted::Name;
use crate::inside::walls::last_errno;

/// What to get at.
#[derive(Debug)]
pub(super) struct Target {
    /// The worker's process id.
    worker: i32,
    /// A file that the worker can read.
    canary: CString,
    /// A port of the loopback interface that the worker listens at.
    port: u16,
}

impl Target {
    pub(super) fn new(worker: i32, canary: &str, port: &str) -> Option<Self> {
        Some(Self { worker, canary: CString::new(canary).ok()?, port: port.parse().ok()? })
    }
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// Its name.
    pub(crate) name: &'static str,
    pub(super) filter: Filter,
    /// The program that may do this.
    pub(crate) spared: Option<Name>,
    make: fn(&Target) -> Result<(), Errno>,
}

impl Attempt {
    pub(super) fn make(&self, target: &Target) -> Result<(), Errno> {
        (self.make)(target)
    }
}

/// Every attempt.
pub(crate) const ATTEMPTS: &[Attempt] = &[
    // With all walls.
    on("read the canary", |target| open(&target.canary, libc::O_RDONLY)),
    on("read /etc/passwd", |_| open(c"/etc/passwd", libc::O_RDONLY)),
    on("read a home", |_| open(c"/root", libc::O_RDONLY)),
    on("read the worker's environment", environment),
    on("write to /usr", |_| open(c"/usr/x", libc::O_CREAT | libc::O_WRONLY)),
    on("write to the root", |_| open(c"/x", libc::O_CREAT | libc::O_WRONLY)),
    on("write to a disk", |_| open(c"/dev/vda", libc::O_WRONLY)),
    on("execute what it wrote", |_| execute()),
    Attempt {
        spared: Some(Name::Office),
        ..on("executable memory", |_| {
            map(4_096, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)
        })
    },
    on("reach the loopback", loopback),
    on("reach the network", |_| reach([1, 1, 1, 1], 53)),
    on("socket AF_INET", |_| socket(libc::AF_INET, libc::SOCK_STREAM)),
    on("socket AF_INET6", |_| socket(libc::AF_INET6, libc::SOCK_DGRAM)),
    on("socket AF_NETLINK", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW)),
    on("socket AF_VSOCK", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM)),
    on("socket AF_PACKET", |_| socket(libc::AF_PACKET, libc::SOCK_RAW)),
    on("kill the worker", kill),
    on("ptrace the worker", ptrace),
    on("read the worker's memory", |target| {
        call(libc::SYS_process_vm_readv, [target.worker.into(), 0, 0, 0, 0])
    }),
    on("mount", |_| mount()),
    on("unshare", |_| call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0])),
    on("clone into a namespace", |_| {
        call(libc::SYS_clone, [i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0, 0])
    }),
    on("clone3", |_| call(libc::SYS_clone3, [0; 5])),
    on("setns", |_| call(libc::SYS_setns, [0; 5])),
    on("chroot", |_| call(libc::SYS_chroot, [c"/tmp".as_ptr() as i64, 0, 0, 0, 0])),
    on("make a device", |_| device()),
    on("io_uring", |_| call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0])),
    on("keyctl", |_| call(libc::SYS_keyctl, [0; 5])),
    on("bpf", |_| call(libc::SYS_bpf, [0; 5])),
    on("perf", |_| call(libc::SYS_perf_event_open, [0; 5])),
    on("userfaultfd", |_| call(libc::SYS_userfaultfd, [0; 5])),
    on("push a terminal", |_| call(libc::SYS_ioctl, [0, 0x5412, 0, 0, 0])),
    on("too much memory", |_| too_much_memory()),
    on("too many processes", |_| too_many_processes()),
    on("too many descriptors", |_| too_many_descriptors()),
    on("fill the desk", |_| fill_the_desk()),
    // With the filter away, the others must hold alone.
    off("read the canary (unfiltered)", |target| open(&target.canary, libc::O_RDONLY)),
    off("read the worker's environment (unfiltered)", environment),
    off("reach the loopback (unfiltered)", loopback),
    off("reach the network (unfiltered)", |_| reach([1, 1, 1, 1], 53)),
    off("kill the worker (unfiltered)", kill),
    off("ptrace the worker (unfiltered)", ptrace),
    off("become root (unfiltered)", |_| call(libc::SYS_setresuid, [0; 5])),
    off("mount (unfiltered)", |_| mount()),
    off("make a device (unfiltered)", |_| device()),
    off("execute what it wrote (unfiltered)", |_| execute()),
];

const fn on(name: &'static str, make: fn(&Target) -> Result<(), Errno>) -> Attempt {
    Attempt { name, filter: Filter::On, spared: None, make }
}

const fn off(name: &'static str, make: fn(&Target) -> Result<(), Errno>) -> Attempt {
    Attempt { name, filter: Filter::Off, spared: None, make }
}

#[allow(unsafe_code, reason = "an attempt is a raw system call by nature")]
fn call(number: i64, arguments: [i64; 5]) -> Result<(), Errno> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: runs only in a process that exists to try this and ends right after it; every
    // pointer passed is null or outlives the call.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, 0_i64) };
    if result >= 0 { Ok(()) } else { Err(last_errno()) }
}

fn open(path: &CStr, flags: i32) -> Result<(), Errno> {
    call(libc::SYS_openat, [libc::AT_FDCWD.into(), path.as_ptr() as i64, flags.into(), 0o600, 0])
}

fn environment(target: &Target) -> Result<(), Errno> {
    let path = CString::new(format!("/proc/{}/environ", target.worker));
    open(&path.unwrap_or_default(), libc::O_RDONLY)
}

fn kill(target: &Target) -> Result<(), Errno> {
    call(libc::SYS_kill, [target.worker.into(), 0, 0, 0, 0])
}

fn ptrace(target: &Target) -> Result<(), Errno> {
    call(libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), target.worker.into(), 0, 0, 0])
}

fn socket(family: i32, kind: i32) -> Result<(), Errno> {
    call(libc::SYS_socket, [family.into(), kind.into(), 0, 0, 0])
}

fn loopback(target: &Target) -> Result<(), Errno> {
    reach([127, 0, 0, 1], target.port)
}

fn reach(address: [u8; 4], port: u16) -> Result<(), Errno> {
    for kind in [SocketType::DGRAM, SocketType::STREAM] {
        let socket = rustix::net::socket(AddressFamily::INET, kind, None)?;
        rustix::net::connect(&socket, &SocketAddr::from((address, port)))?;
    }
    Ok(())
}

fn mount() -> Result<(), Errno> {
    let (desk, kind) = (c"/tmp".as_ptr() as i64, c"tmpfs".as_ptr() as i64);
    call(libc::SYS_mount, [kind, desk, kind, 0, 0])
}

fn device() -> Result<(), Errno> {
    let path = c"/tmp/device".as_ptr() as i64;
    call(libc::SYS_mknodat, [libc::AT_FDCWD.into(), path, libc::S_IFCHR.into(), 0x0105, 0])
}

fn execute() -> Result<(), Errno> {
    let copied = std::fs::copy("/bin/true", "/tmp/true");
    copied.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::chmod("/tmp/true", mode)?;
    call(libc::SYS_execve, [c"/tmp/true".as_ptr() as i64, 0, 0, 0, 0])
}

fn map(length: u64, protection: i32) -> Result<(), Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    call(libc::SYS_mmap, [0, length, protection.into(), flags.into(), -1])
}

fn too_much_memory() -> Result<(), Errno> {
    map(IDLE_MEMORY_BYTES, libc::PROT_READ | libc::PROT_WRITE)
}

/// The children stay until the namespace ends with this process.
#[allow(unsafe_code, reason = "no safe wrapper of fork and pause")]
fn too_many_processes() -> Result<(), Errno> {
    const MANY: u32 = 300;
    for _ in 0..MANY {
        // SAFETY: the child does nothing but wait for its end.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: waits for a signal.
                unsafe { libc::pause() };
            },
            pid if pid < 0 => return Err(last_errno()),
            _ => {}
        }
    }
    Ok(())
}

fn too_many_descriptors() -> Result<(), Errno> {
    let mut all = 0..=super::walls::DESCRIPTORS;
    all.try_for_each(|_| call(libc::SYS_eventfd2, [0; 5]))
}

/// Asked for at once, so that no memory is filled.
fn fill_the_desk() -> Result<(), Errno> {
    let into_errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let file = std::fs::File::create("/tmp/desk").map_err(into_errno)?;
    let length = i64::try_from(DESK_BYTES + 4_096).unwrap_or(i64::MAX);
    call(libc::SYS_fallocate, [file.as_raw_fd().into(), 0, 0, length, 0])
}
