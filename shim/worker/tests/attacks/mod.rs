//! What native code in a worker may try, and what it is to get.

use libc::{c_int, c_long};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// One attempt.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) attempt: fn() -> Attempt,
    pub(crate) expected: Expected,
    pub(crate) within: Within,
}

/// In which worker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    Any,
    /// One that has a pod's network.
    Network,
    /// One whose tasks come with directories.
    Directories,
}

/// What it gave, or the number of the error.
pub(crate) type Attempt = Result<c_long, Errno>;
pub(crate) struct Errno(pub(crate) c_int);

#[derive(Debug)]
pub(crate) enum Expected {
    Killed,
    Refused(c_int),
    Allowed,
}

use Expected::{Allowed, Killed};
const EPERM: Expected = Expected::Refused(libc::EPERM);
const ENOENT: Expected = Expected::Refused(libc::ENOENT);
const ENOSYS: Expected = Expected::Refused(libc::ENOSYS);
const EACCES: Expected = Expected::Refused(libc::EACCES);
const EROFS: Expected = Expected::Refused(libc::EROFS);

/// A system call with whatever arguments.
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        call!(@ libc::$number $(, $argument)*)
    };
    (@ $number:expr $(, $argument:expr)*) => {{
        // SAFETY: what it does to this process, which only exists to make it, is the question.
        match unsafe { libc::syscall($number $(, $argument)*) } {
            -1 => Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap())),
            other => Ok(other),
        }
    }};
}

macro_rules! attacks {
    ($($name:ident $(($within:ident))? => $expected:ident: $attempt:expr;)*) => {
        pub(crate) const ATTACKS: &[Attack] = &[$(Attack {
            name: stringify!($name),
            attempt: || $attempt,
            expected: $expected,
            within: attacks!(@ $($within)?),
        }),*];
    };
    (@) => { Within::Any };
    (@ network) => { Within::Network };
    (@ directories) => { Within::Directories };
}

const HERE: c_int = libc::AT_FDCWD;
const NONE: usize = 0;

fn open(path: &std::ffi::CStr, flags: c_int) -> Attempt {
    open_at(HERE, path, flags)
}

fn open_at(folder: c_int, path: &std::ffi::CStr, flags: c_int) -> Attempt {
    call!(SYS_openat, folder, path.as_ptr(), flags, 0o600)
}

fn socket(family: c_int, kind: c_int) -> Attempt {
    call!(SYS_socket, family, kind, 0)
}

/// What the daemon sent: a listening socket and, where the worker has any, a directory. And a port that somebody listens on.
fn given() -> (Vec<OwnedFd>, u16) {
    // SAFETY: the worker's channel, which stays open.
    let channel = unsafe { BorrowedFd::borrow_raw(shoal_channel::INHERITED) };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0; 64];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(channel, &mut [IoSliceMut::new(&mut text)], &mut control, flags).unwrap();
    let port = std::str::from_utf8(&text[..got.bytes]).unwrap().parse().unwrap();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            return (descriptors.collect(), port);
        }
    }
    panic!("no descriptor came");
}

fn loopback(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(std::net::Ipv4Addr::LOCALHOST).to_be(),
        },
        sin_zero: [0; 8],
    }
}

const ADDRESS: usize = size_of::<libc::sockaddr_in>();

/// With the listening socket, and an address that it could reach in its own network namespace.
fn with_listener(attempt: impl Fn(c_int, &libc::sockaddr_in) -> Attempt) -> Attempt {
    let (given, port) = given();
    attempt(given[0].as_raw_fd(), &loopback(port))
}

/// With the directory.
fn with_directory(attempt: impl Fn(c_int) -> Attempt) -> Attempt {
    let (given, _) = given();
    attempt(given[1].as_raw_fd())
}

/// A listening socket that is shut down is like one that was just made; data that is sent with this flag connects it first.
fn fast_open(message: bool) -> Attempt {
    with_listener(|listener, to| {
        call!(SYS_shutdown, listener, libc::SHUT_RDWR)?;
        let to = std::ptr::from_ref(to);
        if !message {
            return call!(
                SYS_sendto,
                listener,
                c"x".as_ptr(),
                1,
                libc::MSG_FASTOPEN,
                to,
                ADDRESS
            );
        }
        // SAFETY: zeroes are a message without anything.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = to.cast_mut().cast();
        message.msg_namelen = ADDRESS as u32;
        call!(SYS_sendmsg, listener, &raw const message, libc::MSG_FASTOPEN)
    })
}

fn option(level: c_int, name: c_int) -> Attempt {
    with_listener(|listener, _| {
        let value: c_int = 1;
        call!(
            SYS_setsockopt,
            listener,
            level,
            name,
            &raw const value,
            size_of::<c_int>()
        )
    })
}

/// The daemon, or in this test whoever started us.
fn parent() -> c_int {
    // SAFETY: asks for a number.
    unsafe { libc::getppid() }
}

/// All limits at once: no limit.
static UNLIMITED: [u64; 2] = [u64::MAX; 2];

fn program() -> Attempt {
    call!(SYS_memfd_create, c"program".as_ptr(), 0)
}

const ARGUMENTS: [*const libc::c_char; 1] = [std::ptr::null()];

attacks! {
    // Files.
    open_etc_passwd => ENOENT: open(c"/etc/passwd", libc::O_RDONLY);
    open_above_the_root => ENOENT: open(c"../../../../../../etc/passwd", libc::O_RDONLY);
    open_own_memory => ENOENT: open(c"/proc/self/mem", libc::O_RDWR & libc::O_RDONLY);
    open_processes => ENOENT: open(c"/proc", libc::O_RDONLY);
    open_devices => ENOENT: open(c"/dev/null", libc::O_RDONLY);
    open_own_code => Allowed: open(c"/code.cwasm", libc::O_RDONLY);
    write_own_code => EPERM: open(c"/code.cwasm", libc::O_RDWR);
    truncate_own_code => EPERM: open(c"/code.cwasm", libc::O_RDONLY | libc::O_TRUNC);
    truncate_by_name => EPERM: call!(SYS_truncate, c"/code.cwasm".as_ptr(), 0);
    make_a_file => EPERM: open(c"/new", libc::O_WRONLY | libc::O_CREAT);
    make_a_nameless_file => EPERM: open(c"/", libc::O_WRONLY | libc::O_TMPFILE);
    open_by_openat2 => EPERM: call!(SYS_openat2, HERE, c"/etc/passwd".as_ptr(), &raw const UNLIMITED, 24);
    list_the_root => EPERM: {
        let root = open(c"/", libc::O_RDONLY | libc::O_DIRECTORY)?;
        let mut entries = [0_u8; 1024];
        call!(SYS_getdents64, root, entries.as_mut_ptr(), entries.len())
    };
    link => EPERM: call!(SYS_linkat, HERE, c"/code.cwasm".as_ptr(), HERE, c"/new".as_ptr(), 0);
    symbolic_link => EPERM: call!(SYS_symlinkat, c"/".as_ptr(), HERE, c"/new".as_ptr());
    rename => EPERM: call!(SYS_renameat2, HERE, c"/code.cwasm".as_ptr(), HERE, c"/new".as_ptr(), 0);
    remove => EPERM: call!(SYS_unlinkat, HERE, c"/code.cwasm".as_ptr(), 0);
    make_a_device => EPERM: call!(SYS_mknodat, HERE, c"/new".as_ptr(), libc::S_IFCHR | 0o666, 0x101);
    make_a_folder => EPERM: call!(SYS_mkdirat, HERE, c"/new".as_ptr(), 0o777);
    change_a_mode => EPERM: call!(SYS_fchmodat, HERE, c"/code.cwasm".as_ptr(), 0o4777);
    change_an_owner => EPERM: call!(SYS_fchownat, HERE, c"/code.cwasm".as_ptr(), 0, 0, 0);
    file_handle => Killed: call!(SYS_name_to_handle_at, HERE, c"/".as_ptr(), NONE, NONE, 0);
    open_by_handle => Killed: call!(SYS_open_by_handle_at, HERE, NONE, 0);
    another_root => Killed: call!(SYS_chroot, c"/".as_ptr());
    out_of_the_root => EPERM: {
        let root = open(c"/", libc::O_RDONLY | libc::O_DIRECTORY)?;
        call!(SYS_fchdir, root)
    };
    mount => Killed: call!(SYS_mount, c"none".as_ptr(), c"/".as_ptr(), c"proc".as_ptr(), 0, NONE);
    unmount => Killed: call!(SYS_umount2, c"/".as_ptr(), libc::MNT_DETACH);
    swap_the_root => Killed: call!(SYS_pivot_root, c"/".as_ptr(), c"/".as_ptr());
    copy_a_mount => Killed: call!(SYS_open_tree, HERE, c"/".as_ptr(), 1);
    move_a_mount => Killed: call!(SYS_move_mount, HERE, c"/".as_ptr(), HERE, c"/".as_ptr(), 0);
    new_file_system => Killed: call!(SYS_fsopen, c"proc".as_ptr(), 0);
    watch_files => EPERM: call!(SYS_inotify_init1, 0);
    watch_all_files => EPERM: call!(SYS_fanotify_init, 0, 0);

    // Programs, processes and threads.
    fork => EPERM: call!(SYS_clone, libc::SIGCHLD, NONE, NONE, NONE, NONE);
    fork_into_a_user_namespace => EPERM: call!(SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, NONE, NONE, NONE, NONE);
    clone3 => ENOSYS: call!(SYS_clone3, &raw const UNLIMITED, 64);
    execute => Killed: call!(SYS_execve, c"/code.cwasm".as_ptr(), ARGUMENTS.as_ptr(), ARGUMENTS.as_ptr());
    execute_memory => Killed: {
        let program = program()?;
        call!(SYS_execveat, program, c"".as_ptr(), ARGUMENTS.as_ptr(), ARGUMENTS.as_ptr(), libc::AT_EMPTY_PATH)
    };
    trace_the_daemon => Killed: call!(SYS_ptrace, libc::PTRACE_ATTACH, parent(), NONE, NONE);
    read_the_daemons_memory => Killed: call!(SYS_process_vm_readv, parent(), NONE, 0, NONE, 0, 0);
    write_the_daemons_memory => Killed: call!(SYS_process_vm_writev, parent(), NONE, 0, NONE, 0, 0);
    handle_of_the_daemon => Killed: call!(SYS_pidfd_open, parent(), 0);
    descriptor_of_the_daemon => Killed: call!(SYS_pidfd_getfd, 3, 0, 0);
    compare_with_the_daemon => Killed: call!(SYS_kcmp, parent(), parent(), 0, 0, 0);
    kill_the_daemon => EPERM: call!(SYS_kill, parent(), libc::SIGKILL);
    kill_all => EPERM: call!(SYS_kill, -1, libc::SIGKILL);
    kill_a_thread_of_the_daemon => EPERM: call!(SYS_tgkill, parent(), parent(), libc::SIGKILL);
    kill_a_thread => EPERM: call!(SYS_tkill, parent(), libc::SIGKILL);
    signal_with_a_value => EPERM: call!(SYS_rt_sigqueueinfo, parent(), libc::SIGTERM, NONE);
    signal_by_a_socket => EPERM: with_listener(|listener, _| call!(SYS_fcntl, listener, libc::F_SETOWN, parent()));
    limits_of_the_daemon => EPERM: call!(SYS_prlimit64, parent(), libc::RLIMIT_NOFILE, &raw const UNLIMITED, NONE);
    priority => EPERM: call!(SYS_setpriority, libc::PRIO_PROCESS, 0, -20);
    real_time => EPERM: call!(SYS_sched_setscheduler, 0, libc::SCHED_FIFO, &raw const UNLIMITED);
    affinity_of_the_daemon => EPERM: call!(SYS_sched_setaffinity, parent(), 8, &raw const UNLIMITED);

    // Privileges.
    become_root => EPERM: call!(SYS_setuid, 0);
    become_root_for_good => EPERM: call!(SYS_setresuid, 0, 0, 0);
    join_roots_group => EPERM: call!(SYS_setresgid, 0, 0, 0);
    join_groups => EPERM: call!(SYS_setgroups, 0, NONE);
    take_capabilities => EPERM: call!(SYS_capset, NONE, NONE);
    raise_limits => EPERM: call!(SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const UNLIMITED, NONE);
    be_dumped => EPERM: call!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
    be_traced => EPERM: call!(SYS_prctl, libc::PR_SET_PTRACER, -1_i64, 0, 0, 0);
    another_filter => EPERM: call!(SYS_prctl, libc::PR_SET_SECCOMP, 2, NONE, 0, 0);
    new_user_namespace => Killed: call!(SYS_unshare, libc::CLONE_NEWUSER);
    new_namespace_with_a_directory_of_its_own => Killed: call!(SYS_unshare, libc::CLONE_NEWNS | libc::CLONE_FS);
    join_a_namespace => Killed: call!(SYS_setns, 3, 0);

    // Networks.
    socket_ipv4 => EPERM: socket(libc::AF_INET, libc::SOCK_STREAM);
    socket_ipv6 => EPERM: socket(libc::AF_INET6, libc::SOCK_DGRAM);
    socket_unix => EPERM: socket(libc::AF_UNIX, libc::SOCK_STREAM);
    socket_netlink => EPERM: socket(libc::AF_NETLINK, libc::SOCK_RAW);
    socket_packet => EPERM: socket(libc::AF_PACKET, libc::SOCK_RAW);
    socket_vsock => EPERM: socket(libc::AF_VSOCK, libc::SOCK_STREAM);
    socket_alg => EPERM: socket(libc::AF_ALG, libc::SOCK_SEQPACKET);
    socket_pair => EPERM: call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, &mut [0; 2]);
    connect_a_listener => EPERM: with_listener(|listener, to| {
        call!(SYS_shutdown, listener, libc::SHUT_RDWR)?;
        call!(SYS_connect, listener, std::ptr::from_ref(to), ADDRESS)
    });
    connect_by_sending => EPERM: fast_open(false);
    connect_by_a_message => EPERM: fast_open(true);
    send_several => EPERM: with_listener(|listener, _| call!(SYS_sendmmsg, listener, NONE, 0, libc::MSG_FASTOPEN));
    bind_a_listener => EPERM: with_listener(|listener, to| call!(SYS_bind, listener, std::ptr::from_ref(to), ADDRESS));
    listen_again => EPERM: with_listener(|listener, _| call!(SYS_listen, listener, 1));
    connect_by_an_option => EPERM: option(libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT);
    filter_packets => EPERM: option(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    mark_packets => EPERM: option(libc::SOL_SOCKET, libc::SO_MARK);

    // The kernel's other doors.
    bpf => Killed: call!(SYS_bpf, 0, NONE, 0);
    perf => Killed: call!(SYS_perf_event_open, NONE, 0, -1, -1, 0);
    io_uring => Killed: call!(SYS_io_uring_setup, 1, NONE);
    userfaultfd => Killed: call!(SYS_userfaultfd, 0);
    keys => Killed: call!(SYS_keyctl, 0, -3, 0);
    add_a_key => Killed: call!(SYS_add_key, NONE, NONE, NONE, 0, -3);
    ask_for_a_key => Killed: call!(SYS_request_key, NONE, NONE, NONE, -3);
    load_a_module => Killed: call!(SYS_finit_module, 3, c"".as_ptr(), 0);
    another_kernel => Killed: call!(SYS_kexec_load, 0, 0, NONE, 0);
    reboot => Killed: call!(SYS_reboot, 0, 0, 0, NONE);
    swap => Killed: call!(SYS_swapon, c"/code.cwasm".as_ptr(), 0);
    shared_memory => EPERM: call!(SYS_shmget, 0, 4096, libc::IPC_CREAT | 0o666);
    message_queue => EPERM: call!(SYS_msgget, 0, libc::IPC_CREAT | 0o666);
    semaphores => EPERM: call!(SYS_semget, 0, 1, libc::IPC_CREAT | 0o666);
    host_name => EPERM: call!(SYS_sethostname, c"x".as_ptr(), 1);
    kernel_log => EPERM: call!(SYS_syslog, 3, NONE, 0);
    terminal => EPERM: call!(SYS_ioctl, 0, libc::TIOCSTI, c"x".as_ptr());
    personality => EPERM: call!(SYS_personality, 0x0040_0000);
    set_the_clock => Killed: call!(SYS_clock_settime, 0, &raw const UNLIMITED);
    other_numbers_for_calls => EPERM: call!(@ 0x4000_0000 | libc::SYS_getpid);

    // In a worker that makes its own sockets, of two kinds and no others.
    network_ipv4(network) => Allowed: socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC);
    network_ipv6(network) => Allowed: socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK);
    network_raw(network) => EPERM: socket(libc::AF_INET, libc::SOCK_RAW);
    network_unix(network) => EPERM: socket(libc::AF_UNIX, libc::SOCK_STREAM);
    network_netlink(network) => EPERM: socket(libc::AF_NETLINK, libc::SOCK_RAW);
    network_packet(network) => EPERM: socket(libc::AF_PACKET, libc::SOCK_RAW);
    network_open_etc_passwd(network) => ENOENT: open(c"/etc/passwd", libc::O_RDONLY);
    network_become_root(network) => EPERM: call!(SYS_setuid, 0);
    network_join_a_namespace(network) => Killed: call!(SYS_setns, 3, 0);

    // In a worker whose tasks come with directories: these, and nothing else.
    directories_make_a_file(directories) => Allowed: with_directory(|folder| open_at(folder, c"new", libc::O_WRONLY | libc::O_CREAT));
    directories_climb(directories) => ENOENT: with_directory(|folder| open_at(folder, c"../../../../../../etc/passwd", libc::O_RDONLY));
    directories_climb_from_within(directories) => ENOENT: with_directory(|folder| {
        call!(SYS_fchdir, folder)?;
        open(c"../../../../../../etc/passwd", libc::O_RDONLY)
    });
    directories_open_beside(directories) => ENOENT: with_directory(|folder| open_at(folder, c"../beside", libc::O_RDONLY));
    directories_make_a_device(directories) => EPERM: with_directory(|folder| {
        call!(SYS_mknodat, folder, c"device".as_ptr(), libc::S_IFCHR | 0o666, 0x101)
    });
    directories_change_a_mode(directories) => EPERM: with_directory(|folder| call!(SYS_fchmodat, folder, c"old".as_ptr(), 0o4777));
    directories_change_an_owner(directories) => EPERM: with_directory(|folder| call!(SYS_fchownat, folder, c"old".as_ptr(), 0, 0, 0));
    directories_copy_the_mount(directories) => Killed: with_directory(|folder| call!(SYS_open_tree, folder, c"".as_ptr(), libc::AT_EMPTY_PATH | 1));
    directories_change_the_mount(directories) => Killed: with_directory(|folder| {
        call!(SYS_mount_setattr, folder, c"".as_ptr(), libc::AT_EMPTY_PATH, &raw const UNLIMITED, 16)
    });
    directories_open_etc_passwd(directories) => ENOENT: open(c"/etc/passwd", libc::O_RDONLY);
    directories_write_own_code(directories) => EACCES: open(c"/code.cwasm", libc::O_RDWR);
    directories_make_a_file_beside_it(directories) => EROFS: open(c"/new", libc::O_WRONLY | libc::O_CREAT);
    directories_remove_own_code(directories) => EROFS: call!(SYS_unlinkat, HERE, c"/code.cwasm".as_ptr(), 0);
    directories_socket(directories) => EPERM: socket(libc::AF_INET, libc::SOCK_STREAM);
    directories_become_root(directories) => EPERM: call!(SYS_setuid, 0);
    directories_watch_files(directories) => EPERM: call!(SYS_inotify_init1, 0);
}
