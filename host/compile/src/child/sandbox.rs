//! The child gives up what it doesn't need before it reads the first byte: memory, time, files, network, other programs.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Enough for stdin, stdout, stderr and what the system itself opens.
const MAX_FILES: u64 = 16;

/// System calls of an allocator, of threads, and of reading and writing what is already open.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_prctl,
    libc::SYS_read,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_tgkill,
    libc::SYS_write,
    libc::SYS_writev,
];

/// Limits this process to `memory` bytes of address space and `cpu` seconds, and takes everything else from it.
pub(super) fn enter(memory: u64, cpu: u64) -> anyhow::Result<()> {
    // Without its parent nobody reads the answer.
    set_parent_process_death_signal(Some(Signal::KILL)).context("set the parent death signal")?;
    let limits = [
        (Resource::As, memory),
        (Resource::Cpu, cpu),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, MAX_FILES),
    ];
    for (resource, limit) in limits {
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        setrlimit(resource, limit).with_context(|| format!("set the limit {resource:?}"))?;
    }
    // Every other call fails with EPERM: a library that probes for something goes on without it.
    let filter = SeccompFilter::new(
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect(),
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        std::env::consts::ARCH
            .try_into()
            .context("an architecture that seccomp knows")?,
    )
    .and_then(TryInto::<BpfProgram>::try_into)
    .context("make the seccomp filter")?;
    // Sets no_new_privs too, and threads that start later inherit it.
    seccompiler::apply_filter(&filter).context("apply the seccomp filter")
}
