//! The system calls a renderer may make: a short list; any other kills the process.
//!
//! | call | why |
//! |---|---|
//! | `recvmsg`, `sendmsg` | the one socket it has |
//! | `memfd_create`, `write`, `fcntl` (seals; and whether a descriptor is open, asked by the standard library in debug builds), `close` | artifacts |
//! | `mmap`, `mprotect` (never executable), `munmap`, `mremap`, `brk`, `madvise` | memory |
//! | `futex`, `sched_yield` | locks of the standard library |
//! | `getrandom` | seeds of hash maps; secret-free by definition |
//! | `clock_gettime` | CPU time of its own |
//! | `getrusage` | memory of its own |
//! | `prlimit64` (itself only) | lowering its limits to the job's |
//! | `rt_sigreturn`, `rt_sigprocmask`, `sigaltstack`, `gettid`, `getpid`, `tgkill` (itself only) | aborting |
//! | `exit`, `exit_group` | the end |
//!
//! `prlimit64` and `tgkill` give a captured renderer nothing but its own end.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Compiles the list.
///
/// # Errors
/// When the list cannot be compiled for this machine.
pub(super) fn compile() -> Result<BpfProgram, BackendError> {
    // Every renderer is the first process of its namespace.
    let own = 1;
    let executable = u64::from(rustix::mm::ProtFlags::EXEC.bits());
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = [
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_memfd_create,
        libc::SYS_write,
        libc::SYS_close,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_brk,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_getrusage,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect();
    let without_exec = || one(2, SeccompCmpOp::MaskedEq(executable), 0);
    rules.insert(libc::SYS_mmap, vec![without_exec()?]);
    rules.insert(libc::SYS_mprotect, vec![without_exec()?]);
    rules.insert(libc::SYS_prlimit64, vec![one(0, SeccompCmpOp::Eq, 0)?]);
    rules.insert(libc::SYS_tgkill, vec![one(0, SeccompCmpOp::Eq, own)?]);
    let command = |command: i32| one(1, SeccompCmpOp::Eq, command.unsigned_abs().into());
    rules.insert(libc::SYS_fcntl, vec![command(libc::F_ADD_SEALS)?, command(libc::F_GETFD)?]);
    SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()
}

/// A rule of one condition on the argument's low 32 bits, which is all these calls look at.
fn one(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}
