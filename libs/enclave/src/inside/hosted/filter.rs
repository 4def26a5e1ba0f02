//! The system calls of a hosted program. Two filters, of which the harsher answer holds:
//!
//! - what nobody but an attacker calls kills the process;
//! - of the rest only a list is allowed, and some of it only with harmless arguments. A call that
//!   is not listed answers "not implemented", as an older kernel would, so that the program takes
//!   its older way.
//!
//! The list is far longer than a renderer's: these programs read their own libraries and fonts,
//! have threads, and start helpers. What they reach with it ends at the other walls.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::hosted::Name;

/// New user, mount, process, network and other namespaces, as `clone` counts them.
const NEW_NAMESPACES: u64 = 0x7E02_0080;
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541C;
/// Name a mapping, which allocators do.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// No hosted program calls these.
const DEADLY: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_fanotify_init,
    libc::SYS_mknodat,
    libc::SYS_vhangup,
];

/// Allowed with any argument.
#[rustfmt::skip]
const ALLOWED: &[i64] = &[
    // Files: the walls leave its own libraries to read and one tmpfs to write.
    libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64,
    libc::SYS_pwrite64, libc::SYS_preadv, libc::SYS_pwritev, libc::SYS_openat, libc::SYS_close,
    libc::SYS_close_range, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx,
    libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_lseek, libc::SYS_getdents64, libc::SYS_getcwd,
    libc::SYS_chdir, libc::SYS_fchdir, libc::SYS_mkdirat, libc::SYS_unlinkat, libc::SYS_renameat,
    libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_readlinkat,
    libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_fchmod, libc::SYS_fchmodat,
    libc::SYS_fchown, libc::SYS_umask, libc::SYS_truncate, libc::SYS_ftruncate,
    libc::SYS_fallocate, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_flock,
    libc::SYS_utimensat, libc::SYS_fadvise64, libc::SYS_sendfile, libc::SYS_copy_file_range,
    libc::SYS_splice, libc::SYS_memfd_create, libc::SYS_dup, libc::SYS_dup3, libc::SYS_pipe2,
    libc::SYS_fcntl, libc::SYS_getxattr, libc::SYS_lgetxattr, libc::SYS_fgetxattr,
    libc::SYS_inotify_init1, libc::SYS_inotify_add_watch, libc::SYS_inotify_rm_watch,
    // Memory.
    libc::SYS_munmap, libc::SYS_mremap, libc::SYS_brk, libc::SYS_madvise, libc::SYS_mincore,
    libc::SYS_msync, libc::SYS_membarrier, libc::SYS_pkey_alloc, libc::SYS_pkey_free,
    // Threads, and processes of its own namespace.
    libc::SYS_futex, libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_rseq,
    libc::SYS_set_tid_address, libc::SYS_sched_yield, libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity, libc::SYS_sched_getparam, libc::SYS_sched_getscheduler,
    libc::SYS_sched_setscheduler, libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min, libc::SYS_getpriority, libc::SYS_setpriority,
    libc::SYS_execve, libc::SYS_wait4, libc::SYS_waitid, libc::SYS_kill, libc::SYS_tgkill,
    libc::SYS_exit, libc::SYS_exit_group, libc::SYS_getpid, libc::SYS_getppid, libc::SYS_gettid,
    libc::SYS_getpgid, libc::SYS_setpgid, libc::SYS_getsid, libc::SYS_setsid, libc::SYS_getuid,
    libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getresuid,
    libc::SYS_getresgid, libc::SYS_getgroups, libc::SYS_capget, libc::SYS_prlimit64,
    libc::SYS_getrlimit, libc::SYS_setrlimit, libc::SYS_getrusage, libc::SYS_times,
    libc::SYS_getcpu, libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal, libc::SYS_restart_syscall,
    // Signals and time.
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait, libc::SYS_rt_sigsuspend, libc::SYS_sigaltstack,
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep, libc::SYS_gettimeofday, libc::SYS_getitimer, libc::SYS_setitimer,
    libc::SYS_timerfd_create, libc::SYS_timerfd_settime, libc::SYS_timer_create,
    libc::SYS_timer_settime, libc::SYS_timer_delete, libc::SYS_getrandom,
    // Waiting, and sockets of the local kind.
    libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_epoll_create1, libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait, libc::SYS_eventfd2, libc::SYS_bind, libc::SYS_listen,
    libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect, libc::SYS_sendto, libc::SYS_recvfrom,
    libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_sendmmsg, libc::SYS_recvmmsg,
    libc::SYS_shutdown, libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_getsockopt,
    libc::SYS_setsockopt,
];

/// Calls that newer machines do without.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLDER: &[i64] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink,
    libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_unlink, libc::SYS_rename, libc::SYS_link,
    libc::SYS_symlink, libc::SYS_chmod, libc::SYS_dup2, libc::SYS_pipe, libc::SYS_poll,
    libc::SYS_select, libc::SYS_epoll_create, libc::SYS_epoll_wait, libc::SYS_eventfd,
    libc::SYS_vfork, libc::SYS_fork, libc::SYS_arch_prctl, libc::SYS_time, libc::SYS_getpgrp,
    libc::SYS_alarm, libc::SYS_pause, libc::SYS_inotify_init,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// LibreOffice makes the bridges between its languages at run time, and ends without them.
pub(super) const fn makes_code(name: Name) -> bool {
    matches!(name, Name::Office)
}

/// Compiles both, in the order in which they must be installed.
pub(super) fn compile(name: Name) -> Result<[BpfProgram; 2], BackendError> {
    let arch = || TargetArch::try_from(std::env::consts::ARCH);
    let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    let deadly =
        SeccompFilter::new(deadly, SeccompAction::Allow, SeccompAction::KillProcess, arch()?)?;
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let allowed = SeccompFilter::new(allowed(name)?, missing, SeccompAction::Allow, arch()?)?;
    Ok([deadly.try_into()?, allowed.try_into()?])
}

fn allowed(name: Name) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    let local = libc::AF_UNIX.unsigned_abs().into();
    rules.insert(libc::SYS_socket, vec![all(&[(0, SeccompCmpOp::Eq, local)])?]);
    rules.insert(libc::SYS_socketpair, vec![all(&[(0, SeccompCmpOp::Eq, local)])?]);
    rules.insert(libc::SYS_clone, vec![all(&[(0, SeccompCmpOp::MaskedEq(NEW_NAMESPACES), 0)])?]);
    rules.insert(
        libc::SYS_ioctl,
        vec![all(&[(1, SeccompCmpOp::Ne, TIOCSTI), (1, SeccompCmpOp::Ne, TIOCLINUX)])?],
    );
    let memory = [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect];
    if makes_code(name) {
        rules.extend(memory.map(|call| (call, Vec::new())));
    } else {
        // Executable memory comes from files alone, and those that it can write are not executable.
        let executable = libc::PROT_EXEC.unsigned_abs().into();
        let anonymous = libc::MAP_ANONYMOUS.unsigned_abs().into();
        let without = || all(&[(2, SeccompCmpOp::MaskedEq(executable), 0)]);
        for call in memory {
            rules.insert(call, vec![without()?]);
        }
        let from_file = all(&[(3, SeccompCmpOp::MaskedEq(anonymous), 0)])?;
        rules.entry(libc::SYS_mmap).or_default().push(from_file);
    }
    let mut options = Vec::new();
    for option in [
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_SET_PDEATHSIG,
        libc::PR_GET_DUMPABLE,
        libc::PR_SET_TIMERSLACK,
        libc::PR_GET_TIMERSLACK,
        libc::PR_GET_NO_NEW_PRIVS,
        libc::PR_SET_NO_NEW_PRIVS,
        libc::PR_CAPBSET_READ,
        libc::PR_GET_SECCOMP,
    ] {
        options.push(all(&[(0, SeccompCmpOp::Eq, option.unsigned_abs().into())])?);
    }
    options.push(all(&[(0, SeccompCmpOp::Eq, PR_SET_VMA)])?);
    rules.insert(libc::SYS_prctl, options);
    Ok(rules)
}

/// A rule of conditions on the low 32 bits of arguments, all of which must hold.
fn all(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions: Result<Vec<_>, _> = conditions
        .iter()
        .map(|(argument, operator, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
        })
        .collect();
    SeccompRule::new(conditions?)
}
