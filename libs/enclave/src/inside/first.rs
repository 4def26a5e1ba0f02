//! Being the first process of a process namespace.
//!
//! A process cannot enter a process namespace itself: its children do. A template forks renderers
//! right into theirs. A host is started by the worker, so it forks once. The child goes on; the parent stays as its shadow, reads nothing,
//! holds no descriptor, and ends exactly as the child ended, so that the worker learns the cause.
//! When the worker dies, the shadow does; when the shadow dies, the child does; and with the first
//! process of the namespace the kernel ends all others in it.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpid, pidfd_open,
    set_parent_process_death_signal, waitpid,
};

use super::walls::{WallError, close_strangers, drop_privileges, last_errno, refused};

/// What is added to a signal's number to make an exit status of it.
const BY_SIGNAL: i32 = 128;
/// Signals whose default the kernel withholds from the first process of a namespace.
const WITHHELD: [i32; 3] = [libc::SIGXCPU, libc::SIGXFSZ, libc::SIGABRT];

/// Returns in the child only.
pub(super) fn go_on_as_first_process() -> Result<(), WallError> {
    let shadow = pidfd_open(getpid(), PidfdFlags::empty()).map_err(refused("death", "pidfd"))?;
    match fork()? {
        None => {
            die_with_shadow(&shadow)?;
            restore_withheld();
            Ok(())
        }
        Some(child) => be_shadow_of(child),
    }
}

#[allow(unsafe_code, reason = "no safe wrapper of fork; this process has one thread")]
fn fork() -> Result<Option<Pid>, WallError> {
    // SAFETY: with one thread, the child is a full copy that may do whatever the parent could.
    let pid = unsafe { libc::fork() };
    if pid < 0 { Err(refused("namespaces", "fork")(last_errno())) } else { Ok(Pid::from_raw(pid)) }
}

fn die_with_shadow(shadow: &OwnedFd) -> Result<(), WallError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(refused("death", "prctl"))?;
    // The parent's id cannot be seen from inside: it has ended if its descriptor can be read.
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(shadow, PollFlags::IN)], Some(&now));
    match ended.map_err(refused("death", "poll"))? {
        0 => Ok(()),
        _ => Err(WallError::Orphan),
    }
}

/// Ends as the kernel would have ended any other process.
#[allow(unsafe_code, reason = "no safe wrapper of signal")]
pub(super) fn restore_withheld() {
    extern "C" fn end(signal: libc::c_int) {
        // SAFETY: ends the process; may be called from a signal handler.
        unsafe { libc::_exit(BY_SIGNAL + signal) }
    }
    let handler = end as extern "C" fn(libc::c_int);
    for signal in WITHHELD {
        // SAFETY: the handler calls nothing but `_exit`.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// The signal that a status stands for which [`restore_withheld`] ends with.
pub(crate) fn withheld_signal(code: i32) -> Option<i32> {
    WITHHELD.into_iter().find(|signal| BY_SIGNAL + signal == code)
}

fn be_shadow_of(child: Pid) -> ! {
    // Neither can fail in a way that matters more than watching the child.
    let _ = close_strangers();
    let _ = drop_privileges();
    close_standard();
    let status = loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => break status,
            Err(rustix::io::Errno::INTR) | Ok(None) => {}
            Err(_) => std::process::abort(),
        }
    };
    end_as(status)
}

/// The worker shall see the socket close when the child ends.
#[allow(unsafe_code, reason = "the standard streams are owned by nobody")]
fn close_standard() {
    for descriptor in 0..3 {
        // SAFETY: nothing is read or written in this process any more.
        unsafe { libc::close(descriptor) };
    }
}

#[allow(unsafe_code, reason = "no safe wrappers of signal and _exit")]
fn end_as(status: WaitStatus) -> ! {
    let code = status.exit_status().unwrap_or(BY_SIGNAL);
    if let Some(signal) = status.terminating_signal().or_else(|| withheld_signal(code)) {
        // SAFETY: the default action ends this process; should it not, the exit below does.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    // SAFETY: ends the process, which has nothing left to clean up.
    unsafe { libc::_exit(code) }
}
