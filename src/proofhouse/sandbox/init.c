/* SPDX-License-Identifier: Apache-2.0
 *
 * Three small programs in one file, chosen by the first argument.
 *
 * launch UID GID [CGROUP.PROCS...] -- PROGRAM ARG...
 *   On the host, in front of bubblewrap: joins the box's control groups, gives up root for an
 *   unprivileged uid (-1 keeps the caller's), and executes PROGRAM.
 *
 * ports FD
 *   On the host: lets unprivileged programs bind every port in the network namespace of the socket FD, so that a
 *   box's service can have the port number that the world knows it by.
 *
 * serve FD MEMORY_BYTES SWEEP [TMPFS...]
 *   Process 1 of the box.  The host holds the other end of the SOCK_SEQPACKET socket FD.  Each message
 *   is one request: five descriptors by SCM_RIGHTS (request memfd, channel, stdin, stdout, stderr).
 *   The answer, one `struct report`, goes to the channel.  The host cancels a request by closing its
 *   end of the channel, and ends the box by closing FD.  MEMORY_BYTES > 0 turns on the memory watchdog
 *   (for hosts without a memory cgroup).  SWEEP 1 kills whatever a finished command left behind.
 *
 * Everything started here inherits the seccomp filter, no_new_privs and the empty capability sets that
 * bubblewrap put on this process.  Process 1 is made undumpable, so that commands, which share its uid,
 * can neither read nor write its memory nor its descriptors.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "request.h"

enum { MAX_RUNNING = 64, FD_COUNT = 5, INODE_BYTES = 1024 };

struct running {
    pid_t pid; /* 0: free slot */
    int channel;
    int64_t deadline_ms;
    uint32_t flags;
};

static struct running table[MAX_RUNNING];

/* ---- launch ---------------------------------------------------------------------------------- */

static int launch(int argc, char **argv) {
    if (argc < 5) return 2;
    long uid = strtol(argv[2], NULL, 10), gid = strtol(argv[3], NULL, 10);
    int i = 4;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        int fd = open(argv[i], O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1) {
            fprintf(stderr, "cannot join control group %s: %s\n", argv[i], strerror(errno));
            return 126;
        }
        close(fd);
    }
    if (i + 1 >= argc) return 2;
    /* Opened while its directory may still be passed through: a clone in root's home, say. */
    int target = open(argv[i + 1], O_PATH | O_CLOEXEC);
    if (target < 0) {
        fprintf(stderr, "cannot execute %s: %s\n", argv[i + 1], strerror(errno));
        return 127;
    }
    if (uid >= 0 && (setgroups(0, NULL) || setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) ||
                     setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid))) {
        fprintf(stderr, "cannot become uid %ld: %s\n", uid, strerror(errno));
        return 126;
    }
    execveat(target, "", argv + i + 1, environ, AT_EMPTY_PATH);
    fprintf(stderr, "cannot execute %s: %s\n", argv[i + 1], strerror(errno));
    return 127;
}

/* ---- ports ------------------------------------------------------------------------------------ */

static int ports(int argc, char **argv) {
    if (argc != 3) return 2;
    int network = ioctl(atoi(argv[2]), SIOCGSKNS);
    int owner = network < 0 ? -1 : ioctl(network, NS_GET_USERNS);
    int joined = owner >= 0 && setns(owner, CLONE_NEWUSER) == 0 && setns(network, CLONE_NEWNET) == 0;
    int fd = joined ? open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0 || write(fd, "0", 1) != 1) {
        fprintf(stderr, "cannot open the low ports of the box: %s\n", strerror(errno));
        return 126;
    }
    return 0;
}

/* ---- process 1 --------------------------------------------------------------------------------- */

static void answer(int channel, uint32_t how, int32_t value, uint32_t flags, const struct rusage *use) {
    struct report r;
    fill_report(&r, how, value, flags, use);
    (void)!send(channel, &r, sizeof r, MSG_NOSIGNAL);
    close(channel);
}

static int any_running(void) {
    for (int i = 0; i < MAX_RUNNING; i++)
        if (table[i].pid) return 1;
    return 0;
}

static void reap(int sweeping) {
    int status;
    struct rusage use;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &use)) > 0) {
        for (int i = 0; i < MAX_RUNNING; i++) {
            if (table[i].pid != pid) continue;
            table[i].pid = 0;
            if (sweeping && !any_running()) sweep();
            if (WIFSIGNALED(status))
                answer(table[i].channel, HOW_SIGNAL, WTERMSIG(status), table[i].flags, &use);
            else
                answer(table[i].channel, HOW_EXIT, WEXITSTATUS(status), table[i].flags, &use);
            break;
        }
    }
}

/* A fresh TCP socket of the box's network for the host, which binds or connects it: a link of the fabric. It
   goes with the report, and nothing in the box ever holds it. */
static void answer_socket(int channel) {
    struct report r = {.magic = MAGIC, .how = HOW_EXIT};
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec io = {.iov_base = &r, .iov_len = sizeof r};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        answer(channel, HOW_REFUSED, errno, 0, NULL);
        return;
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    (void)!sendmsg(channel, &m, MSG_NOSIGNAL);
    close(fd);
    close(channel);
}

static int start(const int *fds, struct running *slot) {
    struct stat st;
    if (fstat(fds[0], &st) || st.st_size < (off_t)sizeof(struct request)) return EINVAL;
    size_t size = (size_t)st.st_size;
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fds[0], 0);
    if (map == MAP_FAILED) return errno;
    const struct request *q = (const struct request *)map;
    struct parsed p = {0};
    int failed = parse_request(map, size, &p);
    if (!failed && q->op == OP_SOCKET) {
        answer_socket(fds[1]);
    } else if (!failed) {
        pid_t pid = fork();
        if (pid == 0) child(q, p.place, p.argv, p.env, fds + 2, NULL);
        failed = pid < 0 ? errno : 0;
        if (pid > 0) {
            slot->pid = pid;
            slot->channel = fds[1];
            slot->flags = 0;
            slot->deadline_ms = now_ms() + (int64_t)q->wall_ms;
        }
    }
    free(p.argv);
    free(p.env);
    munmap(map, size);
    return failed;
}

static void accept_request(int control) {
    char tag[4], space[CMSG_SPACE(sizeof(int) * FD_COUNT)];
    struct iovec io = {.iov_base = tag, .iov_len = sizeof tag};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t n = recvmsg(control, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) _exit(0); /* the host is gone; the kernel ends the namespace with this process */
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int) * FD_COUNT)) _exit(1);
    int fds[FD_COUNT];
    memcpy(fds, CMSG_DATA(c), sizeof fds);
    struct running *slot = NULL;
    for (int i = 0; i < MAX_RUNNING && !slot; i++)
        if (!table[i].pid) slot = &table[i];
    int failed = slot ? start(fds, slot) : EBUSY;
    if (failed) answer(fds[1], HOW_REFUSED, failed, 0, NULL);
    close(fds[0]);
    for (int i = 2; i < FD_COUNT; i++) close(fds[i]);
}

static uint64_t field_kib(const char *text, const char *field) {
    const char *at = strstr(text, field);
    return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

/* Reads /proc/PID/NAME as a string; 0 when the process has gone or hides. */
static int read_process_file(long pid, const char *name, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* Private and shared memory of all processes. The resident sizes of /proc/PID/status are cheap but count a
   page once for each process that shares it; the proportional ones of smaps_rollup count it once. */
static uint64_t process_bytes(int proportional) {
    uint64_t total_kib = 0;
    DIR *proc = opendir("/proc");
    if (!proc) _exit(1);
    for (struct dirent *e; (e = readdir(proc));) {
        char text[4096];
        long pid = strtol(e->d_name, NULL, 10);
        if (pid <= 1) continue;
        if (proportional && read_process_file(pid, "smaps_rollup", text, sizeof text))
            total_kib += field_kib(text, "\nPss_Anon:") + field_kib(text, "\nPss_Shmem:");
        else if (read_process_file(pid, "status", text, sizeof text))
            total_kib += field_kib(text, "\nRssAnon:") + field_kib(text, "\nRssShmem:");
    }
    closedir(proc);
    return total_kib * 1024;
}

static uint64_t file_system_bytes(char **mounts, int count) {
    uint64_t total = 0;
    for (int i = 0; i < count; i++) {
        struct statvfs v;
        if (statvfs(mounts[i], &v)) continue;
        total += (v.f_blocks - v.f_bfree) * v.f_frsize + (v.f_files - v.f_ffree) * INODE_BYTES;
    }
    return total;
}

static void watch_memory(uint64_t limit_bytes, char **mounts, int count) {
    static int64_t next_ms;
    if (now_ms() < next_ms) return;
    next_ms = now_ms() + TICK_MS;
    uint64_t files = file_system_bytes(mounts, count);
    if (files <= limit_bytes && process_bytes(0) + files <= limit_bytes) return;
    if (files <= limit_bytes && process_bytes(1) + files <= limit_bytes) return;
    for (int i = 0; i < MAX_RUNNING; i++)
        if (table[i].pid) table[i].flags |= FLAG_MEMORY;
    kill(-1, SIGKILL);
}

static int has_children(void) {
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int wait_ms(int watching) {
    int64_t now = now_ms(), soonest = -1;
    for (int i = 0; i < MAX_RUNNING; i++) {
        if (!table[i].pid) continue;
        int64_t left = table[i].deadline_ms > now ? table[i].deadline_ms - now : 0;
        if (table[i].flags & FLAG_TIMED_OUT) left = TICK_MS;
        if (soonest < 0 || left < soonest) soonest = left;
    }
    if (watching && (soonest < 0 || soonest > TICK_MS) && has_children()) soonest = TICK_MS;
    return soonest > INT_MAX ? INT_MAX : (int)soonest;
}

static void expire(void) {
    int64_t now = now_ms();
    for (int i = 0; i < MAX_RUNNING; i++) {
        if (!table[i].pid || table[i].deadline_ms > now) continue;
        table[i].flags |= FLAG_TIMED_OUT;
        kill_group(table[i].pid);
    }
}

static int serve(int argc, char **argv) {
    if (argc < 5) return 2;
    int control = atoi(argv[2]);
    uint64_t memory_bytes = strtoull(argv[3], NULL, 10);
    int sweeping = atoi(argv[4]);
    prctl(PR_SET_DUMPABLE, 0);
    fcntl(control, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_SETMASK, &chld, NULL);
    int signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (signals < 0 || null < 0 || send(control, "ready", 5, MSG_NOSIGNAL) != 5) {
        fprintf(stderr, "init cannot start: %s\n", strerror(errno));
        return 1;
    }
    for (int i = 0; i < 3; i++) dup2(null, i);
    for (;;) {
        struct pollfd p[2 + MAX_RUNNING];
        p[0] = (struct pollfd){.fd = control, .events = POLLIN};
        p[1] = (struct pollfd){.fd = signals, .events = POLLIN};
        for (int i = 0; i < MAX_RUNNING; i++)
            p[2 + i] = (struct pollfd){.fd = table[i].pid ? table[i].channel : -1, .events = POLLRDHUP};
        int n = poll(p, 2 + MAX_RUNNING, wait_ms(memory_bytes > 0));
        if (n < 0 && errno != EINTR) return 1;
        for (int i = 0; i < MAX_RUNNING; i++)
            if (p[2 + i].fd >= 0 && p[2 + i].revents) table[i].deadline_ms = 0; /* cancelled */
        if (p[1].revents) {
            struct signalfd_siginfo s[8];
            while (read(signals, s, sizeof s) > 0) {}
        }
        reap(sweeping);
        expire();
        if (memory_bytes) watch_memory(memory_bytes, argv + 5, argc - 5);
        if (p[0].revents) accept_request(control);
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "launch") == 0) return launch(argc, argv);
    if (argc > 1 && strcmp(argv[1], "ports") == 0) return ports(argc, argv);
    if (argc > 1 && strcmp(argv[1], "serve") == 0) return serve(argc, argv);
    return 2;
}
