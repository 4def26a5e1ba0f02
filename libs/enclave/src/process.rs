//! A renderer's process as the worker holds it: started bare, killed on drop, always waited for.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::FailureCode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal,
    waitid,
};

use crate::cgroup::{Cgroup, Ground};
use crate::inside::{EXIT_MEMORY, withheld_signal};
use crate::pool::StartError;
use crate::socket::Socket;
use crate::template::Layout;

/// Processes of a template: itself, and those that it forks until they go into groups of their own.
/// On a busy machine that takes a while, and the proof of the walls forks many at once.
const TEMPLATE_PROCESSES: u32 = 256;
/// Signals by which a process ends that went wrong in its own memory, or was led astray.
const CRASHES: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGABRT,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// How long a shadow may take to end after what it shadows.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a process may take to end after it has hung up.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A renderer, a template that renderers are forked from, or the host of a program. Dropped, it is
/// killed and waited for.
///
/// It dies with the *thread* that started it, or its template, so that thread must outlive it.
#[derive(Debug)]
pub(crate) struct Process {
    /// The worker's end of the socket pair.
    pub(crate) socket: Socket<OwnedFd>,
    handle: Arc<Handle>,
    ended: Option<ExitStatus>,
    /// What its end may say about its template.
    layout: Option<Layout>,
    /// Dropped after the process has been waited for.
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

/// A way to a process.
#[derive(Debug)]
struct Handle {
    process: OwnedFd,
    /// The id of one that is but the shadow of what is inside a process namespace, and ends as that
    /// ends.
    shadow: Option<u32>,
}

impl Handle {
    /// Kills the process; for a shadow what is inside, whereupon the shadow ends too. The other way
    /// round, what is inside would lose the parent that takes leave of it, and stay a zombie where
    /// this worker is the first process of its container.
    fn kill(&self) {
        let inside = self.inside();
        // While the shadow lives its id is its own, and what was read is true.
        if self.ended_within(Duration::ZERO) {
            return;
        }
        for process in &inside {
            // An error means that it has ended already.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        if inside.is_empty() {
            self.kill_itself();
        }
    }

    fn inside(&self) -> Vec<OwnedFd> {
        let Some(pid) = self.shadow else { return Vec::new() };
        let path = format!("/proc/{pid}/task/{pid}/children");
        let inside = std::fs::read_to_string(path).unwrap_or_default();
        inside
            .split_whitespace()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
            .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .collect()
    }

    fn kill_itself(&self) {
        // An error means that it has ended already.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }

    fn ended_within(&self, wait: Duration) -> bool {
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let ended = poll(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(&wait));
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
    /// Starts a host with nothing but one end of a socket pair: no environment, no working folder
    /// of ours, no other descriptor. What is held of it is its shadow.
    pub(crate) fn start(
        executable: &Path,
        mode: &[&str],
        processes: u32,
    ) -> Result<Self, StartError> {
        let mut command = bare(executable);
        command.args(mode);
        spawn(command, executable, SocketType::STREAM, processes, true)
    }

    /// Starts a template, just as bare but for two words to the C library.
    pub(crate) fn template(executable: &Path) -> Result<Self, StartError> {
        let mut command = bare(executable);
        // Libraries are bound as they are loaded, so that nothing is left to do for what is forked.
        // Large blocks are asked for in large pages: pixels are many.
        command
            .arg("template")
            .env("LD_BIND_NOW", "1")
            .env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
        spawn(command, executable, SocketType::SEQPACKET, TEMPLATE_PROCESSES, false)
    }

    /// A renderer that a template has forked as a child of this process.
    pub(crate) fn forked(
        socket: Socket<OwnedFd>,
        process: OwnedFd,
        cgroup: Option<Cgroup>,
        layout: Layout,
    ) -> Self {
        let handle = Arc::new(Handle { process, shadow: None });
        Self { socket, handle, ended: None, layout: Some(layout), cgroup }
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
        self.take_leave(WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        self.ended.is_some()
    }

    /// Waits for the end of one that has hung up, or been killed. `None` for one that did not end
    /// by itself: it is ended then.
    pub(crate) fn wait(&mut self) -> Option<ExitStatus> {
        let ends = self.ended.is_some() || self.handle.ended_within(LEAVE_TIMEOUT);
        if !ends {
            self.end();
        }
        self.take_leave(WaitIdOptions::EXITED);
        self.ended.filter(|_| ends)
    }

    /// Kills it, unless it has ended.
    pub(crate) fn end(&self) {
        if self.ended.is_none() {
            self.handle.kill();
        }
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(&mut self) -> Option<ExitStatus> {
        self.end();
        if self.ended.is_none() && !self.handle.ended_within(END_TIMEOUT) {
            self.handle.kill_itself();
        }
        self.wait()
    }

    fn take_leave(&mut self, options: WaitIdOptions) {
        while self.ended.is_none() {
            match waitid(WaitId::PidFd(self.handle.process.as_fd()), options) {
                Ok(Some(status)) => self.ended = Some(exit_status(&status)),
                Err(rustix::io::Errno::INTR) => continue,
                Ok(None) | Err(_) => return,
            }
            let crashed =
                self.ended.and_then(|end| end.signal()).is_some_and(|end| CRASHES.contains(&end));
            if let (true, Some(layout)) = (crashed, &self.layout) {
                layout.suspect();
            }
        }
    }
}

/// As the kernel would have told it of a process that no signal is withheld from.
fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    let code = status.exit_status().unwrap_or_default();
    let signal = status.terminating_signal().or_else(|| withheld_signal(code));
    ExitStatus::from_raw(signal.unwrap_or(code << 8))
}

fn bare(executable: &Path) -> Command {
    let mut command = Command::new(executable);
    command.env_clear().current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The process is told the worker's id as its last word.
fn spawn(
    mut command: Command,
    executable: &Path,
    kind: SocketType,
    processes: u32,
    is_shadow: bool,
) -> Result<Process, StartError> {
    let failed =
        |source: std::io::Error| StartError::Spawn { executable: executable.to_owned(), source };
    let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .map_err(|errno| failed(errno.into()))?;
    command.arg(std::process::id().to_string()).stdin(Stdio::from(theirs));
    let cgroup = Ground::find().make(processes);
    if let Some(cgroup) = &cgroup {
        enter(&mut command, cgroup.doors().map(|door| door.as_raw_fd()).collect());
    }
    let child = command.spawn().map_err(failed)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
    let process = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let process = process.map_err(|errno| failed(errno.into()))?;
    let handle = Arc::new(Handle { process, shadow: is_shadow.then(|| child.id()) });
    Ok(Process { socket: Socket(ours), handle, ended: None, layout: None, cgroup })
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the way a renderer ended says about the job, when nobody here killed it.
pub(crate) fn post_mortem(status: Option<ExitStatus>) -> (FailureCode, String) {
    let Some(status) = status else {
        return (FailureCode::RendererCrashed, "it hung up and did not end".to_owned());
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
