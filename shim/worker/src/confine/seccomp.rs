//! The system calls that are left. Found by running all kinds of guests; a call that is missing here fails with EPERM.

use anyhow::Context;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// Allowed whatever the arguments.
const ALLOWED: &[libc::c_long] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Images of memories, and packets too large for a socket. What is in one can't be executed: there is no exec.
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    // Threads, signals, time. `clone3` is answered by another filter.
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_geteuid,
    libc::SYS_getuid,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    // What is open.
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // Files of stores, which the daemon opens: one writer, and what was acknowledged is on disk.
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    // Names in the root, which has none but those of compiled files.
    libc::SYS_newfstatat,
    libc::SYS_statx,
    // Sockets that the daemon gave.
    libc::SYS_accept4,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
];

/// Allowed beside these where tasks come with directories. Each is a mount of its own without a parent, so that no path leads out of it;
/// what may be written is for the mount and for the file's owner to say.
const DIRECTORIES: &[libc::c_long] = &[
    libc::SYS_fadvise64,
    // By this a directory's descriptor becomes one that the library has opened itself.
    libc::SYS_fchdir,
    libc::SYS_getdents64,
    libc::SYS_linkat,
    libc::SYS_mkdirat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pwritev2,
    libc::SYS_readlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
];

/// Nothing here calls these, not even to probe. Who does has broken out, and ends.
const KILLED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
];

/// glibc's and musl's flags for a thread: any others make a process, or a namespace.
const THREAD: [u64; 2] = [0x003d_0f00, 0x007d_0f00];

/// `PAGEMAP_SCAN`, by which the pool finds what a guest dirtied (linux/fs.h); `FIONBIO`, which std sets on sockets.
const IOCTLS: [u64; 2] = [0xc060_6610, libc::FIONBIO];

const FCNTLS: [libc::c_int; 9] = [
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GET_SEALS,
    libc::F_ADD_SEALS,
    libc::F_OFD_GETLK,
    libc::F_OFD_SETLK,
];

/// Applies the filters to all threads. `network`: sockets may be made, for TCP and UDP. `directories`: files may be named, made and
/// changed.
pub(super) fn apply(network: bool, directories: bool) -> anyhow::Result<()> {
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    let filters = [
        // Of several filters the strictest answer counts.
        (killed()?, SeccompAction::Allow, SeccompAction::KillProcess),
        // Its flags are behind a pointer, where no filter can see them. The C library takes `clone` instead.
        (
            plain(&[libc::SYS_clone3]),
            SeccompAction::Allow,
            errno(libc::ENOSYS),
        ),
        (
            allowed(network, directories)?,
            errno(libc::EPERM),
            SeccompAction::Allow,
        ),
    ];
    for (rules, otherwise, matched) in filters {
        let arch = std::env::consts::ARCH
            .try_into()
            .context("an architecture that seccomp knows")?;
        let filter: BpfProgram = SeccompFilter::new(rules, otherwise, matched, arch)
            .and_then(TryInto::try_into)
            .context("make a seccomp filter")?;
        seccompiler::apply_filter_all_threads(&filter).context("apply a seccomp filter")?;
    }
    Ok(())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn plain(calls: &[libc::c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn killed() -> anyhow::Result<Rules> {
    let mut rules = plain(KILLED);
    // Any namespace. A working directory of its own is a thread's way to a directory that has no path.
    let other = SeccompCondition::new(0, Qword, Ne, bits(libc::CLONE_FS))?;
    rules.insert(libc::SYS_unshare, vec![SeccompRule::new(vec![other])?]);
    Ok(rules)
}

fn allowed(network: bool, directories: bool) -> anyhow::Result<Rules> {
    let more = if directories { DIRECTORIES } else { &[] };
    let calls = ALLOWED.iter().chain(more);
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend([libc::SYS_epoll_wait, libc::SYS_poll].map(|call| (call, Vec::new())));
    let writing = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | libc::O_TMPFILE;
    let pid = u64::from(std::process::id());
    let mut allow = |call, conditions: &[(u8, SeccompCmpArgLen, SeccompCmpOp, u64)]| {
        let conditions = conditions
            .iter()
            .cloned()
            .map(|(index, width, compare, value)| SeccompCondition::new(index, width, compare, value));
        let rule = SeccompRule::new(conditions.collect::<Result<_, _>>()?)?;
        rules.entry(call).or_default().push(rule);
        Ok::<_, seccompiler::BackendError>(())
    };
    for flags in THREAD {
        allow(libc::SYS_clone, &[(0, Qword, Eq, flags)])?;
    }
    for command in IOCTLS {
        allow(libc::SYS_ioctl, &[(1, Dword, Eq, command)])?;
    }
    for command in FCNTLS {
        allow(
            libc::SYS_fcntl,
            &[(1, Dword, Eq, u64::from(command.unsigned_abs()))],
        )?;
    }
    allow(libc::SYS_prctl, &[(0, Dword, Eq, bits(libc::PR_SET_NAME))])?;
    // `abort`.
    allow(libc::SYS_tgkill, &[(0, Dword, Eq, pid)])?;
    // To read a limit of this process, not to set one, nor to read another's.
    for whose in [0, pid] {
        allow(libc::SYS_prlimit64, &[(0, Dword, Eq, whose), (2, Qword, Eq, 0)])?;
    }
    if directories {
        allow(libc::SYS_unshare, &[(0, Qword, Eq, bits(libc::CLONE_FS))])?;
    } else {
        allow(libc::SYS_openat, &[(2, Dword, MaskedEq(bits(writing)), 0)])?;
    }
    // `MSG_FASTOPEN` connects: a listening socket that is shut down first would reach wherever it likes.
    let open = (3, Dword, MaskedEq(bits(libc::MSG_FASTOPEN)), 0);
    allow(
        libc::SYS_sendmsg,
        &[(2, Dword, MaskedEq(bits(libc::MSG_FASTOPEN)), 0)],
    )?;
    if !network {
        allow(libc::SYS_sendto, &[open, (4, Qword, Eq, 0)])?;
        let nodelay = [
            (1, Dword, Eq, bits(libc::IPPROTO_TCP)),
            (2, Dword, Eq, bits(libc::TCP_NODELAY)),
        ];
        allow(libc::SYS_setsockopt, &nodelay)?;
        return Ok(rules);
    }
    allow(libc::SYS_sendto, &[open])?;
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            let kinds = MaskedEq(bits(!(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)));
            allow(
                libc::SYS_socket,
                &[(0, Dword, Eq, bits(family)), (1, Dword, kinds, bits(kind))],
            )?;
        }
    }
    for level in [
        libc::SOL_SOCKET,
        libc::IPPROTO_IP,
        libc::IPPROTO_IPV6,
        libc::IPPROTO_TCP,
    ] {
        allow(libc::SYS_setsockopt, &[(1, Dword, Eq, bits(level))])?;
    }
    rules.extend([libc::SYS_bind, libc::SYS_connect, libc::SYS_listen].map(|call| (call, Vec::new())));
    Ok(rules)
}

/// The bits of an `int`, as a filter sees them in the lower half of an argument.
fn bits(value: libc::c_int) -> u64 {
    u64::from(u32::from_ne_bytes(value.to_ne_bytes()))
}
