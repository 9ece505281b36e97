# SPDX-License-Identifier: Apache-2.0
"""The system calls that a box may make.

The list is an allow list: what is not named answers ENOSYS, so that new kernels do not widen it and
programs fall back to older calls. Calls that are refused on purpose answer EPERM. The choice follows the
containers project's default profile, less what reaches past a process or needs a privilege that no box has.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import stat
from types import ModuleType

from proofhouse.sandbox.errors import SandboxUnavailable
from proofhouse.sandbox.limits import Profile


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ALLOWED = _names("""
accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres clock_gettime
clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat
exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat
fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex
futex_waitv futex_wake futex_wait futex_requeue futimesat get_robust_list get_thread_area getcpu getcwd
getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid getppid
getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname getsockopt gettid
gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl ioprio_get
ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lgetxattr link
linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat madvise membarrier memfd_create
mincore mkdir mkdirat mlock mlock2 mlockall mmap mprotect mremap msgctl msgget msgrcv msgsnd
msync munlock munlockall munmap nanosleep newfstatat open openat openat2 pause pipe pipe2 pidfd_open
pidfd_send_signal pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 pselect6
pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg
remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto set_robust_list
set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid
setresgid setresuid setreuid setrlimit setsid setsockopt setuid setxattr shmat shmctl shmdt shmget shutdown
sigaltstack signalfd signalfd4 socketpair splice stat statfs statx symlink symlinkat sync sync_file_range
syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat utime
utimensat utimes vfork vmsplice wait4 waitid write writev
""")

REFUSED = _names("""
acct add_key adjtimex bpf chroot clock_adjtime clock_settime create_module delete_module fanotify_init
fanotify_mark finit_module fsconfig fsmount fsopen fspick get_kernel_syms get_mempolicy init_module
io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit io_uring_enter io_uring_register
io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind memfd_secret
migrate_pages modify_ldt mount mount_setattr move_mount move_pages name_to_handle_at nfsservctl
open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise process_mrelease
process_vm_readv process_vm_writev ptrace query_module quotactl quotactl_fd reboot request_key set_mempolicy
set_mempolicy_home_node setdomainname sethostname setns settimeofday swapoff swapon sysfs syslog umount2
unshare uselib userfaultfd ustat vhangup vm86 vm86old
""")
"""Calls that answer EPERM whatever their arguments; the self-test tries each."""

_WITHOUT_MEMORY_CGROUP = frozenset({"memfd_create", "shmget"})
"""They hold memory that no process maps and no mount shows, so the memory watchdog could not see it."""

_XATTR = frozenset({"getxattr", "lgetxattr", "listxattr", "llistxattr"})
_NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEW{CGROUP,UTS,IPC,USER,PID,NET} and CLONE_NEWNS, clone(2)
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF)
"""Plain Linux, 32-bit uname variants, query; ADDR_NO_RANDOMIZE, with which AddressSanitizer restarts itself
where the kernel randomises 32 bits of mmap."""
_NETLINK_ROUTE = 0


@functools.cache
def seccomp_program(profile: Profile, *, memory_cgroup: bool, answer_xattr: bool = True) -> bytes:
    """The filter as classic BPF, in the form that ``bwrap --seccomp`` reads.

    Args:
        profile: ``build`` also loses Internet-family sockets.
        memory_cgroup: Whether the kernel accounts the box's memory; without it, calls that hide memory from
            the watchdog are refused.
        answer_xattr: Whether extended attributes can be asked for; else they are not supported, because gVisor
            answers for links with an error that ``ls -l`` repeats for each of them.

    Raises:
        SandboxUnavailable: pyseccomp or libseccomp is missing.
    """
    seccomp = _pyseccomp()
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.ENOSYS))
    hidden = frozenset() if memory_cgroup else _WITHOUT_MEMORY_CGROUP
    refuse = seccomp.ERRNO(errno.EPERM)
    for name in _ALLOWED:
        answer = refuse if name in hidden else seccomp.ALLOW
        if name in _XATTR and not answer_xattr:
            answer = seccomp.ERRNO(errno.EOPNOTSUPP)
        _add(seccomp, rules, answer, name)
    for name in REFUSED:
        _add(seccomp, rules, refuse, name)
    arg, equal = seccomp.Arg, seccomp.EQ
    # ENOSYS, not EPERM: libc then falls back to clone, whose flags a filter can see.
    _add(seccomp, rules, seccomp.ALLOW, "clone", arg(0, seccomp.MASKED_EQ, _NAMESPACE_FLAGS, 0))
    for persona in _PERSONALITIES:
        _add(seccomp, rules, seccomp.ALLOW, "personality", arg(0, equal, persona))
    # Only a process's own limits: another's, process 1's above all, are none of its business.
    _add(seccomp, rules, seccomp.ALLOW, "prlimit64", arg(0, equal, 0))
    for kind in (0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK):  # no device nodes
        _add(seccomp, rules, seccomp.ALLOW, "mknod", arg(1, seccomp.MASKED_EQ, 0o170000, kind))
        _add(seccomp, rules, seccomp.ALLOW, "mknodat", arg(2, seccomp.MASKED_EQ, 0o170000, kind))
    families = [socket.AF_UNIX] if profile == "build" else [socket.AF_UNIX, socket.AF_INET, socket.AF_INET6]
    for family in families:
        _add(seccomp, rules, seccomp.ALLOW, "socket", arg(0, equal, int(family)))
    netlink = int(socket.AF_NETLINK)
    _add(seccomp, rules, seccomp.ALLOW, "socket", arg(0, equal, netlink), arg(2, equal, _NETLINK_ROUTE))
    return _exported(rules)


def refused_numbers() -> list[int]:
    """The numbers on this machine's architecture of the calls in `REFUSED` that it has."""
    seccomp = _pyseccomp()
    numbers = (_number(seccomp, name) for name in REFUSED)
    return sorted(number for number in numbers if number is not None)


def _pyseccomp() -> ModuleType:
    try:
        import pyseccomp
    except ImportError as error:
        raise SandboxUnavailable("pyseccomp is missing: install proofhouse with its exam extra") from error
    except RuntimeError as error:  # its import looks for the shared library
        raise SandboxUnavailable(
            "libseccomp is missing: install it (Debian, Ubuntu: apt install libseccomp2)"
        ) from error
    module: ModuleType = pyseccomp
    return module


def _number(seccomp: ModuleType, name: str) -> int | None:
    """None where this architecture or this libseccomp does not know the call; ENOSYS then covers it."""
    try:
        number = int(seccomp.resolve_syscall(seccomp.Arch.NATIVE, name))
    except (OSError, ValueError):
        return None
    return number if number >= 0 else None


def _add(seccomp: ModuleType, rules: object, action: int, name: str, *conditions: object) -> None:
    number = _number(seccomp, name)
    if number is not None:
        rules.add_rule(action, number, *conditions)  # type: ignore[attr-defined]  # pyseccomp has no types


def _exported(rules: object) -> bytes:
    memory = os.memfd_create("seccomp")
    with os.fdopen(memory, "w+b") as file:
        rules.export_bpf(file)  # type: ignore[attr-defined]  # pyseccomp has no types
        file.seek(0)
        return file.read()
