//! A template: loads what every renderer of its kind needs, goes behind walls, and forks.
//!
//! It has one thread and never sees a byte of any job: all that it ever hears is that a renderer is
//! wanted, and what it is told lies in descriptors that it passes on. Who is forked is a child of
//! the worker and not of the template, and the first process of a process namespace of its own.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use domain::FailureCode;
use rustix::io::Errno;
use seccompiler::BpfProgram;

use super::escape::{ATTEMPTS, Attempt, EXIT_ESCAPED, EXIT_REFUSED};
use super::filter;
use super::libraries;
use super::visit::{Visit, VisitError};
use super::walls::{self, WallError, Walls, last_errno};
use crate::control::{Packet, Purpose, Word};
use crate::socket::{Socket, SocketError};

/// Exit status when called in a way that no worker does.
const EXIT_USAGE: u8 = 64;
/// Exit status when a wall could not be built or the worker cannot be spoken with.
const EXIT_UNFIT: u8 = 70;
/// What a renderer is forked into, beside what is no namespace: a child of the worker, with a
/// descriptor that leads to it. The network namespace is the template's, which is empty: the kernel
/// makes and clears those away one after the other, for the whole machine.
const FORK: libc::c_int = libc::CLONE_PARENT
    | libc::CLONE_PIDFD
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// What a renderer is handed at its birth.
#[derive(Debug)]
pub(super) struct Doors {
    /// Its end of the socket to the worker.
    pub(super) socket: OwnedFd,
    /// Where to write a zero to go into its control groups.
    pub(super) groups: Vec<OwnedFd>,
}

/// Is the template that a worker has asked for, until the worker hangs up. `prepare` loads what
/// can be loaded before there is a job, of which the libraries that are `needless` are unmapped again;
/// `job` draws one, in a process of its own behind walls. Returns only when called in another way,
/// with the exit status for that.
#[must_use]
pub fn serve(
    words: &[&str],
    prepare: impl FnOnce(),
    needless: &[&str],
    job: impl Fn(&Visit) -> Result<(), VisitError>,
) -> u8 {
    let ["template", parent] = words else { return EXIT_USAGE };
    let Ok(parent) = parent.parse() else { return EXIT_USAGE };
    let worker = Socket(io::stdin());
    match settle(parent, prepare, needless) {
        Ok(filter) => {
            let template = Template { parent, filter, worker, job };
            // The worker has gone: that is the end.
            exit(template.work().map_or(EXIT_UNFIT, |()| 0))
        }
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            // If this fails too, nobody is left to be told.
            let _ = say(&worker, Word::Trouble, &format!("{error}{}", source.unwrap_or_default()));
            exit(EXIT_UNFIT)
        }
    }
}

/// Loads all, and goes behind walls.
fn settle(parent: i32, prepare: impl FnOnce(), needless: &[&str]) -> Result<BpfProgram, WallError> {
    walls::close_strangers()?;
    prepare();
    libraries::unmap(needless);
    give_memory_back();
    know_processor();
    let_crashes_be();
    alone()?;
    walls::around_template(parent)?;
    Ok(filter::compile()?)
}

/// What was used while loading is free, and would be copied by whoever is forked and uses it anew.
#[allow(unsafe_code, reason = "no safe wrapper of malloc_trim")]
fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: gives pages back that nothing lies in.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// What the processor can do is asked once, here: under a hypervisor the question is dear.
fn know_processor() {
    #[cfg(target_arch = "x86_64")]
    std::hint::black_box(std::is_x86_feature_detected!("avx2"));
}

/// The standard library's handler, which tells a stack that is full from other faults, lives on a stack of
/// its own and asks for more than the filter allows: a crash is told by its own signal.
#[allow(unsafe_code, reason = "no safe wrapper of signal")]
fn let_crashes_be() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: takes a handler away and installs none.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// A fork takes one thread along, and whatever the others held stays held for ever.
fn alone() -> Result<(), WallError> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads == 1 { Ok(()) } else { Err(WallError::Threads(threads)) }
}

fn say(worker: &Socket<io::Stdin>, word: Word, text: &str) -> Result<(), SocketError> {
    let packet: Vec<u8> = [word as u8].into_iter().chain(text.bytes()).collect();
    worker.send_packet(&packet, &[])
}

struct Template<J> {
    parent: i32,
    filter: BpfProgram,
    worker: Socket<io::Stdin>,
    job: J,
}

impl<J: Fn(&Visit) -> Result<(), VisitError>> Template<J> {
    /// Forks what is asked for until the worker hangs up.
    fn work(&self) -> Result<(), SocketError> {
        say(&self.worker, Word::Ready, "")?;
        loop {
            let Packet { bytes, descriptors } = match self.worker.receive_packet(None) {
                Err(SocketError::Closed) => return Ok(()),
                packet => packet?,
            };
            let mut descriptors = descriptors.into_iter();
            let (Some(purpose), Some(socket)) = (Purpose::from_bytes(&bytes), descriptors.next())
            else {
                say(&self.worker, Word::Trouble, "it was asked for nothing that it knows")?;
                continue;
            };
            let doors = Doors { socket, groups: descriptors.collect() };
            match fork() {
                Ok(None) => exit(self.renderer(purpose, &doors)),
                Ok(Some(process)) => {
                    self.worker.send_packet(&[Word::Forked as u8], &[process.as_fd()])?;
                }
                Err(errno) => say(&self.worker, Word::Trouble, &format!("clone: {errno}"))?,
            }
        }
    }

    /// What a renderer does, in a process of its own. Gives its exit status.
    fn renderer(&self, purpose: Purpose, doors: &Doors) -> u8 {
        let attempt = match purpose {
            Purpose::Job => None,
            Purpose::Prove(number) => match ATTEMPTS.get(usize::from(number)) {
                None => return EXIT_USAGE,
                attempt => attempt,
            },
        };
        let walls = attempt.map_or(Walls::All, |attempt| attempt.walls);
        let built = walls::around_renderer(walls, doors, &self.filter);
        let visit = Visit::over_stdin();
        let done = match (built, attempt) {
            (Err(error), _) => {
                let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                let detail = format!("{error}{}", source.unwrap_or_default());
                visit.failed(FailureCode::Internal, &detail).map(|()| EXIT_UNFIT)
            }
            (Ok(built), None) => {
                visit.announce(built).and_then(|()| (self.job)(&visit)).map(|()| 0)
            }
            (Ok(built), Some(attempt)) => {
                visit.announce(built).and_then(|()| self.prove(&visit, attempt))
            }
        };
        // Where that failed, nobody is left to be told.
        done.unwrap_or(EXIT_UNFIT)
    }

    fn prove(&self, visit: &Visit, attempt: &Attempt) -> Result<u8, VisitError> {
        let (status, detail) = match attempt.make(self.parent) {
            Ok(()) => (EXIT_ESCAPED, "got out".to_owned()),
            Err(errno) => (EXIT_REFUSED, errno.to_string()),
        };
        visit.failed(FailureCode::Internal, &detail)?;
        Ok(u8::try_from(status).unwrap_or(EXIT_UNFIT))
    }
}

/// A way to the new process; nothing in the new process itself.
#[allow(unsafe_code, reason = "no safe wrapper of clone")]
fn fork() -> Result<Option<OwnedFd>, Errno> {
    let mut process: RawFd = -1;
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: without a stack of its own and without shared memory this is fork: the new process is
    // a full copy that goes on here. There is one thread, so no lock is held by another. The C
    // library is not told, but keeps nothing of what it would have changed but the thread's id,
    // which it asks the kernel for where it matters (raise, abort). The descriptor is written before
    // the call returns, and is ours.
    unsafe {
        match libc::syscall(libc::SYS_clone, FORK, none, &raw mut process, none, none) {
            0 => Ok(None),
            1.. => Ok(Some(OwnedFd::from_raw_fd(process))),
            _ => Err(last_errno()),
        }
    }
}

/// Ends at once: whatever would be cleaned up is the template's.
#[allow(unsafe_code, reason = "the standard library's exit runs handlers")]
fn exit(status: u8) -> ! {
    // SAFETY: ends the process; nothing is left behind that anybody could rely on.
    unsafe { libc::_exit(status.into()) }
}
