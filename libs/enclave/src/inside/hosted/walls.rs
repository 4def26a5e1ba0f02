//! The walls around a hosted program, built by its host before the program is started.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{Pid, Resource};
use rustix::thread::UnshareFlags;

use super::{filter, room};
use crate::hosted::Name;
use crate::inside::first;
use crate::inside::walls::{
    NAMESPACES, WallError, become_nobody, close_strangers, die_with, drop_privileges,
    enter_namespaces, limit, stand_for,
};

/// Most bytes that a program may have written at once: profile, source, product and scratch.
pub(super) const DESK_BYTES: u64 = 1 << 30;
/// Private memory of any one process before a job says otherwise, in bytes.
pub(super) const IDLE_MEMORY_BYTES: u64 = 2 << 30;
/// CPU time of any one process before a job says otherwise, in seconds.
const IDLE_CPU_S: u64 = 600;
/// Descriptors of any one process.
pub(super) const DESCRIPTORS: u64 = 512;

/// Whether to build the filter of system calls; without it the other walls are proven alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// What a job gets.
    On,
    /// Only to prove the others.
    Off,
}

/// Builds them and names them.
pub(super) fn build(
    name: Name,
    program: &Path,
    parent: i32,
    filter: Filter,
) -> Result<Vec<String>, WallError> {
    let parent = Pid::from_raw(parent).ok_or(WallError::Orphan)?;
    close_strangers()?;
    // Whom this process was outside is all that the namespace will know.
    become_nobody()?;
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    enter_namespaces(NAMESPACES | UnshareFlags::NEWPID)?;
    stand_for(user, group)?;
    die_with(parent)?;
    first::go_on_as_first_process()?;
    // Two above the program: /opt/office/program/soffice.bin needs all of /opt/office.
    let folder = program.parent().and_then(Path::parent).unwrap_or(program);
    room::move_in(folder, DESK_BYTES)?;
    drop_privileges()?;
    limit_all(name)?;
    let landlock = restrict(folder)?;
    let mut built: Vec<String> =
        ["descriptors", "death", "namespaces", "root", "privileges", "limits"]
            .map(str::to_owned)
            .to_vec();
    built.push(landlock);
    if filter == Filter::On {
        for filter in filter::compile(name)? {
            seccompiler::apply_filter(&filter)?;
        }
        built.push("seccomp".to_owned());
    }
    Ok(built)
}

/// Threads and processes together.
pub(crate) const fn tasks(name: Name) -> u32 {
    match name {
        Name::Office => 64,
        Name::Ocr => 16,
        Name::Browser => 256,
    }
}

fn limit_all(name: Name) -> Result<(), WallError> {
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, DESCRIPTORS)?;
    limit(Resource::Nproc, tasks(name).into())?;
    limit(Resource::Memlock, 0)?;
    limit(Resource::Msgqueue, 0)?;
    limit(Resource::Fsize, 2 * DESK_BYTES)?;
    // Browsers reserve far more address space than they use; what they fill is what counts.
    limit(Resource::Data, IDLE_MEMORY_BYTES)?;
    limit(Resource::Cpu, IDLE_CPU_S)
}

/// Landlock: what the room holds may be read, its libraries executed, its desk written.
fn restrict(program: &Path) -> Result<String, WallError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let run: BitFlags<AccessFs> = read | AccessFs::Execute;
    let write = AccessFs::from_all(ABI::V3)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock);
    let below = |path: &Path, access: BitFlags<AccessFs>| {
        Some(PathBeneath::new(PathFd::new(path).ok()?, access))
    };
    let rules = [
        below(Path::new("/"), read),
        below(Path::new("/usr"), run),
        below(Path::new("/lib"), run),
        below(Path::new("/lib64"), run),
        below(program, run),
        below(Path::new("/dev/null"), read | AccessFs::WriteFile),
        below(Path::new(room::DESK), write),
    ];
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V7))?
        .handle_access(AccessNet::from_all(ABI::V7))?
        .scope(Scope::from_all(ABI::V7))?
        .create()?;
    for rule in rules.into_iter().flatten() {
        ruleset = ruleset.add_rule(rule)?;
    }
    match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Ok("landlock".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok("landlock (in part)".to_owned()),
        RulesetStatus::NotEnforced => Err(WallError::LandlockMissing),
    }
}
