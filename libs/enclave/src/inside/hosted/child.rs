//! The program, as its host holds it.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use domain::FailureCode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getpid, getrlimit, pidfd_open, prlimit};

use super::files::{self, into_io};
use super::room::DESK;
use super::{Order, Trouble};

/// Where the program's errors go.
const SAID: &str = "said";

/// A started program. It ends with the host.
pub(super) struct Program {
    child: Child,
    handle: OwnedFd,
    said: PathBuf,
}

/// A descriptor for the program under a number that it expects.
pub(super) struct Handed(pub(super) OwnedFd, pub(super) RawFd);

impl Program {
    /// Starts it with an environment of ours and nothing inherited but what is handed to it.
    #[allow(unsafe_code, reason = "descriptors can be placed only between fork and exec")]
    pub(super) fn start(
        command: &mut Command,
        environment: &[(&str, &str)],
        handed: Vec<Handed>,
    ) -> Result<Self, Trouble> {
        let said = Path::new(DESK).join(SAID);
        let errors = File::create(&said).map_err(Trouble::io("make a file for errors"))?;
        let common = [
            ("HOME", DESK),
            ("TMPDIR", DESK),
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("PATH", "/usr/bin:/bin"),
        ];
        command
            .env_clear()
            .envs(common)
            .envs(environment.iter().copied())
            .current_dir(DESK)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        if !handed.is_empty() {
            // SAFETY: `dup2` is async-signal-safe and allocates nothing. The sources lie above all
            // targets, so that none is overwritten before it is placed.
            unsafe {
                command.pre_exec(move || {
                    for Handed(descriptor, target) in &handed {
                        if libc::dup2(descriptor.as_raw_fd(), *target) < 0 {
                            return Err(std::io::Error::last_os_error());
                        }
                    }
                    Ok(())
                });
            }
        }
        let child = command.spawn().map_err(Trouble::io("start the program"))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap_or(getpid());
        let handle = pidfd_open(pid, PidfdFlags::empty())
            .map_err(into_io)
            .map_err(Trouble::io("watch the program"))?;
        Ok(Self { child, handle, said })
    }

    /// Waits until it has ended, but no longer than this.
    pub(super) fn ended_within(&mut self, wait: Duration) -> Option<ExitStatus> {
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        // Interrupted or not, what counts is whether it has ended.
        let _ = poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&wait));
        self.child.try_wait().ok().flatten()
    }

    pub(super) fn wait(&mut self) -> Result<ExitStatus, Trouble> {
        self.child.wait().map_err(Trouble::io("wait for the program"))
    }

    pub(super) fn last_words(&self) -> String {
        files::last_words(&self.said)
    }

    /// What the way it ended says about the job.
    pub(super) fn post_mortem(&self, status: ExitStatus) -> Trouble {
        let said = self.last_words();
        match status.signal() {
            // Some programs catch the signal and abort.
            Some(_) if cpu_is_spent() => {
                Trouble::job(FailureCode::RendererTimeout, "the limit of CPU time was reached")
            }
            Some(libc::SIGKILL) => Trouble::job(
                FailureCode::RendererMemory,
                "killed from outside, as the kernel does when memory runs out",
            ),
            Some(libc::SIGXFSZ) => Trouble::job(
                FailureCode::OutputTooLarge,
                "the limit of one file's size was reached",
            ),
            Some(libc::SIGSYS) => Trouble::job(
                FailureCode::RendererCrashed,
                "killed by its walls: a system call that no such program makes",
            ),
            Some(signal) => {
                Trouble::job(FailureCode::RendererCrashed, format!("signal {signal}: {said}"))
            }
            None => Trouble::job(
                FailureCode::RendererCrashed,
                format!("status {}: {said}", status.code().unwrap_or(-1)),
            ),
        }
    }
}

/// Of the limit of CPU time in seconds so many tenths count as all of it: the kernel holds a process to it by
/// ticks, which run ahead of what it says was used.
const SPENT_TENTHS: u64 = 8;

/// Whether those that have ended used what one may use.
#[allow(unsafe_code, reason = "no safe wrapper of getrusage")]
fn cpu_is_spent() -> bool {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the structure is writable and of the right type; zeroes are a valid value of it.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let us = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    let spent = u64::try_from(us(usage.ru_utime) + us(usage.ru_stime)).unwrap_or_default();
    let enough_us = |limit: u64| limit.saturating_mul(SPENT_TENTHS * 100_000);
    getrlimit(Resource::Cpu).current.is_some_and(|limit| spent >= enough_us(limit))
}

/// Lowers the limits of every process here but the host to the job's.
pub(super) fn limit_to(order: &Order) -> Result<(), Trouble> {
    let own = getpid();
    let pids = fs::read_dir("/proc").map_err(Trouble::io("list processes"))?.flatten();
    let pids = pids.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    for pid in pids.filter(|pid| *pid != own) {
        lower(pid, Resource::Data, order.memory_bytes, order.memory_bytes);
        lower(pid, Resource::Cpu, order.cpu_s, order.cpu_s.saturating_add(1));
    }
    // Those that are started later inherit the host's.
    lower(own, Resource::Data, order.memory_bytes, order.memory_bytes);
    lower(own, Resource::Cpu, order.cpu_s, order.cpu_s.saturating_add(1));
    Ok(())
}

/// What all here began with is the host's own limit. What has ended meanwhile needs none.
fn lower(pid: Pid, resource: Resource, soft: u64, hard: u64) {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let new = Rlimit { current: Some(soft.min(most)), maximum: Some(hard.min(most)) };
    let _ = prlimit(Some(pid), resource, new);
}
