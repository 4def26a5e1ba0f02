//! Attempts to get out, made by a renderer against its own walls. Every one must fail.

use rustix::io::Errno;

use super::walls::Walls;

/// Exit status when an attempt was refused with an error.
pub const EXIT_REFUSED: i32 = 78;
/// Exit status when an attempt got out.
pub const EXIT_ESCAPED: i32 = 79;

/// One attempt: a raw system call that a captured decoder would make.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// Its name.
    pub name: &'static str,
    /// The walls it runs against.
    pub walls: Walls,
    call: Call,
}

/// Takes the worker's process id.
type Call = fn(i64) -> Result<(), Errno>;

/// Every attempt.
pub const ATTEMPTS: &[Attempt] = &[
    // Against the filter: each must kill the process.
    filtered("open a file", |_| open(c"/etc/passwd", libc::O_RDONLY)),
    filtered("open /proc/1", |_| open(c"/proc/1/environ", libc::O_RDONLY)),
    filtered("make a file", |_| open(c"/tmp/darkroom", libc::O_CREAT | libc::O_WRONLY)),
    filtered("socket AF_INET", |_| socket(libc::AF_INET)),
    filtered("socket AF_UNIX", |_| socket(libc::AF_UNIX)),
    filtered("socket AF_NETLINK", |_| socket(libc::AF_NETLINK)),
    filtered("socket AF_VSOCK", |_| socket(libc::AF_VSOCK)),
    filtered("exec", |_| exec()),
    filtered("clone", |_| clone()),
    filtered("clone3", |_| call(libc::SYS_clone3, [0; 5])),
    filtered("ptrace", |worker| {
        call(libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), worker, 0, 0, 0])
    }),
    filtered("kill the worker", |worker| call(libc::SYS_kill, [worker, 0, 0, 0, 0])),
    filtered("mount", |_| mount()),
    filtered("unshare", |_| call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0])),
    filtered("setns", |_| call(libc::SYS_setns, [0; 5])),
    filtered("io_uring", |_| call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0])),
    filtered("keyctl", |_| call(libc::SYS_keyctl, [0; 5])),
    filtered("bpf", |_| call(libc::SYS_bpf, [0; 5])),
    filtered("perf", |_| call(libc::SYS_perf_event_open, [0; 5])),
    filtered("userfaultfd", |_| call(libc::SYS_userfaultfd, [0; 5])),
    filtered("push a terminal", |_| call(libc::SYS_ioctl, [0, 0x5412, 0, 0, 0])),
    filtered("link", |_| call(libc::SYS_linkat, [0; 5])),
    filtered("executable memory", |_| executable_memory()),
    // Against the other walls alone: each must be refused.
    walled("open a file (unfiltered)", |_| open(c"/etc/passwd", libc::O_RDONLY)),
    walled("open /proc/1 (unfiltered)", |_| open(c"/proc/1/environ", libc::O_RDONLY)),
    walled("make a file (unfiltered)", |_| open(c"/x", libc::O_CREAT | libc::O_WRONLY)),
    walled("reach the network (unfiltered)", |_| connect()),
    walled("exec (unfiltered)", |_| exec()),
    walled("clone (unfiltered)", |_| clone()),
    walled("ptrace (unfiltered)", |worker| {
        call(libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), worker, 0, 0, 0])
    }),
    walled("kill the worker (unfiltered)", |worker| call(libc::SYS_kill, [worker, 0, 0, 0, 0])),
    walled("signal every process (unfiltered)", |_| call(libc::SYS_kill, [-1, 0, 0, 0, 0])),
    walled("become root (unfiltered)", |_| call(libc::SYS_setresuid, [0; 5])),
    walled("mount (unfiltered)", |_| mount()),
    walled("use what the template has open (unfiltered)", |_| strange_descriptor()),
    walled("too much memory", |_| too_much_memory()),
    walled("too many descriptors", |_| too_many_descriptors()),
];

impl Attempt {
    /// Tries, and says what came of it. Against the filter it does not come back.
    ///
    /// # Errors
    /// How the walls refused it.
    pub fn make(&self, worker: i32) -> Result<(), Errno> {
        (self.call)(worker.into())
    }
}

const fn filtered(name: &'static str, call: Call) -> Attempt {
    Attempt { name, walls: Walls::All, call }
}

const fn walled(name: &'static str, call: Call) -> Attempt {
    Attempt { name, walls: Walls::AllButFilter, call }
}

#[allow(unsafe_code, reason = "an attempt is a raw system call by nature")]
fn call(number: i64, arguments: [i64; 5]) -> Result<(), Errno> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: runs only in a process that exists to try this and ends right after it; every
    // pointer passed is null or outlives the call.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, 0_i64) };
    if result >= 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn open(path: &std::ffi::CStr, flags: i32) -> Result<(), Errno> {
    call(libc::SYS_openat, [libc::AT_FDCWD.into(), path.as_ptr() as i64, flags.into(), 0o600, 0])
}

fn socket(family: i32) -> Result<(), Errno> {
    call(libc::SYS_socket, [family.into(), libc::SOCK_STREAM.into(), 0, 0, 0])
}

/// UDP and TCP to an address outside; a namespace without a route refuses both.
fn connect() -> Result<(), Errno> {
    use rustix::net::{AddressFamily, SocketType};
    let outside = std::net::SocketAddr::from(([1, 1, 1, 1], 53));
    for kind in [SocketType::DGRAM, SocketType::STREAM] {
        let socket = rustix::net::socket(AddressFamily::INET, kind, None)?;
        if rustix::net::connect(&socket, &outside).is_ok() {
            return Ok(());
        }
    }
    Err(Errno::NETUNREACH)
}

fn mount() -> Result<(), Errno> {
    let (root, kind) = (c"/".as_ptr() as i64, c"tmpfs".as_ptr() as i64);
    call(libc::SYS_mount, [kind, root, kind, 0, 0])
}

fn exec() -> Result<(), Errno> {
    let program = c"/bin/true";
    call(libc::SYS_execve, [program.as_ptr() as i64, 0, 0, 0, 0])
}

/// A child that got out ends as an escape too: nobody else would notice it.
fn clone() -> Result<(), Errno> {
    call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0])
}

/// Anything open beyond the socket and the two ends of nothing.
fn strange_descriptor() -> Result<(), Errno> {
    const TRIED: i64 = 1_024;
    let is_open = |number| call(libc::SYS_fcntl, [number, libc::F_GETFD.into(), 0, 0, 0]).is_ok();
    if (3..TRIED).any(is_open) { Ok(()) } else { Err(Errno::BADF) }
}

fn executable_memory() -> Result<(), Errno> {
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    call(libc::SYS_mmap, [0, 4_096, protection.into(), flags.into(), -1])
}

fn too_much_memory() -> Result<(), Errno> {
    let length = i64::try_from(super::walls::IDLE_MEMORY_BYTES).unwrap_or(i64::MAX);
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    call(libc::SYS_mmap, [0, length, protection.into(), flags.into(), -1])
}

fn too_many_descriptors() -> Result<(), Errno> {
    let name = c"x".as_ptr() as i64;
    let mut all = 0..=super::walls::DESCRIPTORS;
    all.try_for_each(|_| call(libc::SYS_memfd_create, [name, 0, 0, 0, 0]))
}
