//! The walls around a renderer, built by its template and by itself before it reads the first
//! untrusted byte.
//!
//! Each stands alone: an empty file system, namespaces without network, no privileges, Landlock
//! without a single rule, resource limits, and a short list of system calls. A template stands
//! behind its own but for the limits and the list; what is forked from it gets namespaces, Landlock
//! and privileges anew, and the rest. Where a wall cannot be built, the process ends.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{
    DumpableBehavior, Gid, Pid, Resource, Rlimit, Signal, Uid, set_dumpable_behavior,
};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::first;
use super::template::Doors;

/// Address space before a job says otherwise, in bytes.
pub const IDLE_MEMORY_BYTES: u64 = 512 << 20;
/// CPU time before a job says otherwise, in seconds.
pub const IDLE_CPU_S: u64 = 10;
/// Descriptors: the socket, two for nothing, and a memory file or two.
pub(super) const DESCRIPTORS: u64 = 16;
/// The overflow user, who owns nothing.
const NOBODY: u32 = 65_534;
/// Every namespace that a process can enter itself. It can enter one of processes only by forking.
pub(super) const NAMESPACES: UnshareFlags = UnshareFlags::NEWUSER
    .union(UnshareFlags::NEWNS)
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWCGROUP);

/// Which walls to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walls {
    /// All of them. What a job gets.
    All,
    /// All but the filter of system calls, to prove that the others hold alone.
    AllButFilter,
}

/// A wall that cannot be built here.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// The worker was gone before this process could tie its life to it.
    #[error("the worker has gone")]
    Orphan,
    /// A call of the operating system failed.
    #[error("{wall}: {step}")]
    Refused {
        /// Which wall.
        wall: &'static str,
        /// Which step of it.
        step: &'static str,
        /// Why.
        #[source]
        source: Errno,
    },
    /// What is loaded has started threads, which a fork does not take along.
    #[error("{0} threads where there must be one")]
    Threads(usize),
    /// Landlock failed.
    #[error("landlock: restrict")]
    Landlock(#[from] landlock::RulesetError),
    /// The kernel has Landlock no further than this.
    #[error("landlock: not enforced by this kernel")]
    LandlockMissing,
    /// The filter of system calls could not be compiled.
    #[error("seccomp: compile")]
    Compile(#[from] seccompiler::BackendError),
    /// The filter of system calls could not be installed.
    #[error("seccomp: install")]
    Install(#[from] seccompiler::Error),
}

/// Builds the walls around a template. `parent` is the worker's process id.
pub(super) fn around_template(parent: i32) -> Result<(), WallError> {
    let parent = Pid::from_raw(parent).ok_or(WallError::Orphan)?;
    become_nobody()?;
    // Whom this process was outside is all that the namespace will know.
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    enter_namespaces(NAMESPACES)?;
    // Who is nobody in a namespace cannot open further ones.
    stand_for(user, group)?;
    // Only now: becoming somebody else and entering a user namespace both clear it.
    die_with(parent)?;
    empty_file_system()?;
    drop_privileges()?;
    limit(Resource::Core, 0)?;
    restrict().map(drop)
}

/// Builds the walls around a renderer that has just been forked into namespaces of its own, and
/// names them. Nothing of its template is left open after that.
pub(super) fn around_renderer(
    walls: Walls,
    doors: &Doors,
    filter: seccompiler::BpfProgramRef<'_>,
) -> Result<Vec<String>, WallError> {
    die_with_worker()?;
    for group in &doors.groups {
        rustix::io::write(group, b"0").map_err(refused("control group", "enter"))?;
    }
    take_stdin(&doors.socket)?;
    close_strangers()?;
    first::restore_withheld();
    drop_privileges()?;
    limit_idle()?;
    let landlock = restrict()?;
    let mut built: Vec<String> =
        ["descriptors", "death", "namespaces", "root", "privileges", "limits"]
            .map(str::to_owned)
            .to_vec();
    built.push(landlock);
    if walls == Walls::All {
        seccompiler::apply_filter(filter)?;
        built.push("seccomp".to_owned());
    }
    Ok(built)
}

/// Lowers the limits to a job's. They can only be lowered further.
///
/// # Errors
/// When the kernel refuses.
pub fn limit_job(limits: &domain::limits::Limits) -> Result<(), WallError> {
    limit(Resource::As, limits.renderer_memory_bytes)?;
    limit(Resource::Fsize, limits.output_bytes)?;
    // The soft limit ends the process, so that its cause can be told apart; one second of mercy.
    let seconds = limits.renderer_cpu_ms.div_ceil(1_000).max(1);
    set(Resource::Cpu, seconds, seconds + 1)
}

pub(super) fn refused(wall: &'static str, step: &'static str) -> impl Fn(Errno) -> WallError {
    move |source| WallError::Refused { wall, step, source }
}

/// Everything but the socket and the two ends of nothing.
#[allow(unsafe_code, reason = "no safe wrapper of close_range")]
pub(super) fn close_strangers() -> Result<(), WallError> {
    // SAFETY: called where nothing is open that will be used again: first in a process, and by a
    // renderer, which never drops what its template owned.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if result == 0 { Ok(()) } else { Err(refused("descriptors", "close_range")(last_errno())) }
}

pub(super) fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Root outside would still own root's files, namespaces or not.
pub(super) fn become_nobody() -> Result<(), WallError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    rustix::thread::set_thread_groups(&[]).map_err(refused("user", "setgroups"))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(refused("user", "setresgid"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(refused("user", "setresuid"))
}

pub(super) fn die_with(parent: Pid) -> Result<(), WallError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(refused("death", "prctl"))?;
    if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(WallError::Orphan) }
}

/// The worker's id cannot be seen from inside, but its end of the socket can. The kernel closes that
/// before it tells children of their parent's death: one of the two always comes.
fn die_with_worker() -> Result<(), WallError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(refused("death", "prctl"))
}

/// Makes the job's socket standard input, in place of the template's own.
#[allow(unsafe_code, reason = "no safe wrapper of dup2; standard input is owned by nobody")]
fn take_stdin(socket: &OwnedFd) -> Result<(), WallError> {
    // SAFETY: the template's socket, which is replaced, is not used in a renderer.
    if unsafe { libc::dup2(socket.as_raw_fd(), 0) } < 0 {
        return Err(refused("descriptors", "dup2")(last_errno()));
    }
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut stdin = [PollFd::new(socket, PollFlags::empty())];
    poll(&mut stdin, Some(&now)).map_err(refused("death", "poll"))?;
    let [stdin] = stdin;
    if stdin.revents().contains(PollFlags::HUP) { Err(WallError::Orphan) } else { Ok(()) }
}

#[allow(unsafe_code, reason = "unshare is unsafe only for CLONE_FILES, which is not used")]
pub(super) fn enter_namespaces(flags: UnshareFlags) -> Result<(), WallError> {
    // SAFETY: the descriptor table is not unshared, and there is one thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(refused("namespaces", "unshare"))
}

/// Maps the one user and group that this process may be in its user namespace, so that files can
/// have an owner and further namespaces be opened.
pub(super) fn stand_for(user: Uid, group: Gid) -> Result<(), WallError> {
    write_own("uid_map", &format!("{NOBODY} {} 1", user.as_raw()))?;
    write_own("setgroups", "deny")?;
    write_own("gid_map", &format!("{NOBODY} {} 1", group.as_raw()))
}

/// Writes a file of this process's own in `/proc`.
fn write_own(file: &'static str, text: &str) -> Result<(), WallError> {
    let step = |step| refused("namespaces", step);
    // A process that has changed its user does not own its files in /proc until it is dumpable.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(step("dumpable"))?;
    let path = format!("/proc/self/{file}");
    let opened = openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let written = rustix::io::write(opened.map_err(step("open a map"))?, text.as_bytes());
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(step("not dumpable"))?;
    written.map(drop).map_err(step("write a map"))
}

/// An empty, read-only root: no path leads anywhere.
fn empty_file_system() -> Result<(), WallError> {
    let step = |step| refused("root", step);
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(step("make private"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = c"size=4k,nr_inodes=2,mode=0555";
    mount("none", "/proc", "tmpfs", flags, Some(options)).map_err(step("mount"))?;
    rustix::process::chdir("/proc").map_err(step("enter"))?;
    rustix::process::pivot_root(".", ".").map_err(step("pivot"))?;
    unmount(".", UnmountFlags::DETACH).map_err(step("leave the old root"))?;
    rustix::process::chdir("/").map_err(step("enter the new root"))?;
    mount_remount("/", flags | MountFlags::RDONLY, c"").map_err(step("make read-only"))
}

pub(super) fn drop_privileges() -> Result<(), WallError> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(refused("privileges", "capset"))?;
    rustix::thread::set_no_new_privs(true).map_err(refused("privileges", "no_new_privs"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(refused("privileges", "not dumpable"))
}

fn limit_idle() -> Result<(), WallError> {
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, DESCRIPTORS)?;
    limit(Resource::Nproc, 0)?;
    limit(Resource::Memlock, 0)?;
    limit(Resource::Msgqueue, 0)?;
    set_soft(Resource::As, IDLE_MEMORY_BYTES)?;
    set_soft(Resource::Cpu, IDLE_CPU_S)
}

pub(super) fn limit(resource: Resource, value: u64) -> Result<(), WallError> {
    set(resource, value, value)
}

/// Lowers only the soft limit, so that a job may have more.
fn set_soft(resource: Resource, value: u64) -> Result<(), WallError> {
    let hard = rustix::process::getrlimit(resource).maximum;
    let current = Some(hard.map_or(value, |hard| hard.min(value)));
    rustix::process::setrlimit(resource, Rlimit { current, maximum: hard })
        .map_err(refused("limits", "setrlimit"))
}

/// What is already lower stays so.
pub(super) fn set(resource: Resource, soft: u64, hard: u64) -> Result<(), WallError> {
    let most = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let new = Rlimit { current: Some(soft.min(most)), maximum: Some(hard.min(most)) };
    rustix::process::setrlimit(resource, new).map_err(refused("limits", "setrlimit"))
}

/// Landlock with every access handled that the kernel knows, and no rule that allows one.
fn restrict() -> Result<String, WallError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V7))?
        .handle_access(AccessNet::from_all(ABI::V7))?
        .scope(Scope::from_all(ABI::V7))?
        .create()?
        .restrict_self()?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok("landlock".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok("landlock (in part)".to_owned()),
        RulesetStatus::NotEnforced => Err(WallError::LandlockMissing),
    }
}
