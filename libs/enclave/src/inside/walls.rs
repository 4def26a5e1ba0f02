//! The walls around a renderer, built by itself before it reads the first untrusted byte.
//!
//! Each stands alone: an empty file system, namespaces without network, no privileges, Landlock
//! without a single rule, resource limits, and a short list of system calls. Where one cannot be
//! built, the renderer ends.

use std::io;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::{filter, first};

/// Address space before a job says otherwise, in bytes.
pub const IDLE_MEMORY_BYTES: u64 = 512 << 20;
/// CPU time before a job says otherwise, in seconds.
pub const IDLE_CPU_S: u64 = 10;
/// Descriptors: the socket, two for nothing, and a memory file or two.
const DESCRIPTORS: u64 = 16;
/// The overflow user, who owns nothing.
pub(super) const NOBODY: u32 = 65_534;

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

/// Builds the walls and names them. `parent` is the worker's process id.
///
/// # Errors
/// When one cannot be built; the process must then end without reading anything.
pub fn build(walls: Walls, parent: i32) -> Result<Vec<String>, WallError> {
    let parent = Pid::from_raw(parent).ok_or(WallError::Orphan)?;
    close_strangers()?;
    become_nobody()?;
    enter_namespaces()?;
    // Only now: becoming somebody else and entering a user namespace both clear it.
    die_with(parent)?;
    first::go_on_as_first_process()?;
    empty_file_system()?;
    drop_privileges()?;
    limit_idle()?;
    let landlock = restrict()?;
    let mut built: Vec<String> =
        ["descriptors", "death", "namespaces", "root", "privileges", "limits"]
            .map(str::to_owned)
            .to_vec();
    built.push(landlock);
    if walls == Walls::All {
        seccompiler::apply_filter(&filter::compile()?)?;
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
#[allow(unsafe_code, reason = "no safe wrapper of close_range; nothing has been opened yet")]
pub(super) fn close_strangers() -> Result<(), WallError> {
    // SAFETY: called first in a single-threaded process that owns no descriptor above 2.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if result == 0 { Ok(()) } else { Err(refused("descriptors", "close_range")(last_errno())) }
}

pub(super) fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Root outside would still own root's files, namespaces or not.
pub(super) fn become_nobody() -> Result<(), WallError> {
    use rustix::process::{Gid, Uid};
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

#[allow(unsafe_code, reason = "unshare is unsafe only for CLONE_FILES, which is not used")]
pub(super) fn enter_namespaces() -> Result<(), WallError> {
    let flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    // SAFETY: the descriptor table is not unshared, and there is one thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(refused("namespaces", "unshare"))
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
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
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
