//! A renderer's process as the worker holds it: started bare, killed on drop, always waited for.

use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::FailureCode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::cgroup::Cgroup;
use crate::inside::EXIT_MEMORY;
use crate::pool::StartError;
use crate::socket::Socket;

/// Processes of a renderer: itself, its shadow outside, and room for a reader of its last words.
pub(crate) const RENDERER_PROCESSES: u32 = 8;

/// How long a shadow may take to end after what it shadows.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A started renderer, or host of a program. Dropped, it is killed and waited for.
///
/// It dies with the *thread* that started it, so that thread must outlive it. What is held here is
/// the shadow that stays outside the process namespace; it ends as the process inside ends.
#[derive(Debug)]
pub(crate) struct Process {
    /// The worker's end of the socket pair.
    pub(crate) socket: Socket<OwnedFd>,
    child: Child,
    handle: Arc<Handle>,
    /// Dropped after the child has been waited for.
    cgroup: Option<Cgroup>,
}

/// Kills the renderer it was taken from when dropped, from whichever thread. Does no harm to one
/// that has ended.
#[derive(Debug)]
pub(crate) struct KillOnDrop(Arc<Handle>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// A way to the shadow and to what is inside.
#[derive(Debug)]
struct Handle {
    shadow: OwnedFd,
    pid: u32,
}

impl Handle {
    /// Kills what is inside, whereupon the shadow ends too. The other way round, what is inside
    /// would lose the parent that takes leave of it, and stay a zombie where this worker is the
    /// first process of its container.
    fn kill(&self) {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let inside = std::fs::read_to_string(path).unwrap_or_default();
        let inside: Vec<OwnedFd> = inside
            .split_whitespace()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
            .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .collect();
        // While the shadow lives its id is its own, and what was read is true.
        if self.ended_within(Duration::ZERO) {
            return;
        }
        for process in &inside {
            // An error means that it has ended already.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        if inside.is_empty() {
            self.kill_shadow();
        }
    }

    fn kill_shadow(&self) {
        // An error means that it has ended already.
        let _ = pidfd_send_signal(&self.shadow, Signal::KILL);
    }

    fn ended_within(&self, wait: Duration) -> bool {
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let ended = poll(&mut [PollFd::new(&self.shadow, PollFlags::IN)], Some(&wait));
        ended.is_ok_and(|ended| ended > 0)
    }
}

/// Has the child enter its control groups before it becomes the program, so that nothing it starts
/// is ever outside of them.
#[allow(unsafe_code, reason = "groups can be entered in time only between fork and exec")]
fn enter(command: &mut Command, doors: Vec<RawFd>) {
    // SAFETY: `write` is async-signal-safe and allocates nothing. The descriptors are open until
    // the child has become the program.
    unsafe {
        command.pre_exec(move || {
            for door in &doors {
                if libc::write(*door, b"0".as_ptr().cast(), 1) != 1 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

impl Process {
    /// Starts the renderer with nothing but one end of a socket pair: no environment, no working
    /// folder of ours, no other descriptor.
    pub(crate) fn start(
        executable: &Path,
        mode: &[&str],
        processes: u32,
    ) -> Result<Self, StartError> {
        let spawn = |source: std::io::Error| StartError::Spawn {
            executable: executable.to_owned(),
            source,
        };
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(|errno| spawn(errno.into()))?;
        let mut command = Command::new(executable);
        command
            .args(mode)
            .arg(std::process::id().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let cgroup = Cgroup::make(processes);
        if let Some(cgroup) = &cgroup {
            enter(&mut command, cgroup.doors());
        }
        let child = command.spawn().map_err(spawn)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
        let handle = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let handle = handle.map_err(|errno| spawn(errno.into()))?;
        let handle = Arc::new(Handle { shadow: handle, pid: child.id() });
        Ok(Self { socket: Socket(ours), child, handle, cgroup })
    }

    /// Caps the memory of the process, and of all that it starts, from outside. Does nothing where
    /// no control group is to be had: the limits it sets itself then stand alone.
    pub(crate) fn cap_memory(&self, bytes: u64) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.cap_memory(bytes);
        }
    }

    /// What stands around it from outside, for the list of walls.
    pub(crate) fn outer_wall(&self) -> String {
        self.cgroup.as_ref().map_or_else(|| "no cgroup".to_owned(), Cgroup::describe)
    }

    /// Something that can kill it from elsewhere.
    pub(crate) fn killer(&self) -> KillOnDrop {
        KillOnDrop(Arc::clone(&self.handle))
    }

    /// Whether it has ended without having been asked to.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().map_or(true, |status| status.is_some())
    }

    /// Waits for its end. To be called when it has hung up, or been killed.
    pub(crate) fn wait(&mut self) -> Option<ExitStatus> {
        self.child.wait().ok()
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(&mut self) -> Option<ExitStatus> {
        self.handle.kill();
        if !self.handle.ended_within(END_TIMEOUT) {
            self.handle.kill_shadow();
        }
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the way a renderer ended says about the job, when nobody here killed it.
pub(crate) fn post_mortem(status: Option<ExitStatus>) -> (FailureCode, String) {
    let Some(status) = status else {
        return (FailureCode::RendererCrashed, "the renderer cannot be waited for".to_owned());
    };
    match status.signal() {
        Some(libc::SIGXCPU) => {
            (FailureCode::RendererTimeout, "the limit of CPU time was reached".to_owned())
        }
        Some(libc::SIGXFSZ) => {
            (FailureCode::OutputTooLarge, "the limit of one file's size was reached".to_owned())
        }
        Some(libc::SIGKILL) => (
            FailureCode::RendererMemory,
            "killed from outside, as the kernel does when memory runs out".to_owned(),
        ),
        Some(libc::SIGSYS) => (
            FailureCode::RendererCrashed,
            "killed by its walls: a system call that is not on its list".to_owned(),
        ),
        Some(signal) => (FailureCode::RendererCrashed, format!("ended by signal {signal}")),
        None if status.code() == Some(EXIT_MEMORY) => {
            (FailureCode::RendererMemory, "the limit of memory was reached".to_owned())
        }
        None => (
            FailureCode::RendererCrashed,
            format!("ended with status {} in the middle of the job", status.code().unwrap_or(-1)),
        ),
    }
}
