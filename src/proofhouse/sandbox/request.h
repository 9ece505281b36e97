/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of process 1 and how its child does it: the same in every tier, whatever carries the request
 * (init.c: descriptors over a socket; stream.c: frames over pipes).
 */
#ifndef PROOFHOUSE_REQUEST_H
#define PROOFHOUSE_REQUEST_H
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAGIC = 0x50484231, TICK_MS = 20, SWEEP_S = 5 };
enum { OP_EXEC = 1, OP_PUT = 2, OP_GET = 3, OP_SOCKET = 4 };
enum { HOW_EXIT = 0, HOW_SIGNAL = 1, HOW_REFUSED = 2 };
enum { FLAG_TIMED_OUT = 1, FLAG_MEMORY = 2 };
/* Exit statuses of put and get beyond errno values, which end at 133 on Linux. */
enum { NOT_REGULAR = 200, TOO_LARGE = 201 };

/* Kept in step with _wire.py. */
struct request {
    uint32_t magic, op, argc, envc, mode, reserved;
    uint64_t wall_ms, cpu_s, file_bytes, open_files, pids, max_bytes;
    /* then NUL-terminated strings: cwd or path, argv..., env... */
};

struct report {
    uint32_t magic, how;
    int32_t value;
    uint32_t flags;
    uint64_t cpu_us, max_rss_bytes;
};

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int copy_bytes(int from, int to, uint64_t max_bytes) {
    static char buffer[1 << 16];
    uint64_t total = 0;
    for (;;) {
        ssize_t n = read(from, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return 0;
        total += (uint64_t)n;
        if (total > max_bytes) return TOO_LARGE;
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(to, buffer + done, (size_t)(n - done));
            if (w < 0 && errno == EINTR) continue;
            if (w < 0) return errno;
            done += w;
        }
    }
}

static int make_parents(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int failed = mkdir(path, 0755) && errno != EEXIST ? errno : 0;
        *slash = '/';
        /* An existing directory of a read-only place answers EROFS or EACCES; the open below decides. */
        if (failed && failed != EROFS && failed != EACCES) return failed;
    }
    return 0;
}

static int require_regular(int fd, struct stat *st) {
    if (fstat(fd, st)) return errno;
    if (S_ISDIR(st->st_mode)) return EISDIR;
    return S_ISREG(st->st_mode) ? 0 : NOT_REGULAR;
}

/* The last component is never followed, and a FIFO or a device is opened without waiting and refused. */
static int put(char *path, mode_t mode) {
    struct stat st;
    int failed = make_parents(path);
    if (failed) return failed;
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0) return errno == ELOOP || errno == ENXIO ? NOT_REGULAR : errno;
    if ((failed = require_regular(fd, &st))) return failed;
    if (ftruncate(fd, 0)) return errno;
    if ((failed = copy_bytes(0, fd, UINT64_MAX))) return failed;
    return fchmod(fd, mode & 07777) || close(fd) ? errno : 0;
}

static int get(const char *path, uint64_t max_bytes) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return errno == ELOOP || errno == ENXIO ? NOT_REGULAR : errno;
    int failed = require_regular(fd, &st);
    if (failed) return failed;
    if ((uint64_t)st.st_size > max_bytes) return TOO_LARGE;
    return copy_bytes(fd, 1, max_bytes);
}

/* A host's own hard limit may be lower than the one asked for; it cannot be raised, and it then holds. */
static int limit(int what, uint64_t value) {
    struct rlimit r;
    if (getrlimit(what, &r)) return -1;
    if (r.rlim_max > value) r.rlim_max = value;
    r.rlim_cur = r.rlim_max;
    return setrlimit(what, &r);
}

/* RLIMIT_AS and RLIMIT_DATA stay untouched: AddressSanitizer reserves terabytes of address space. */
static int apply_limits(const struct request *q) {
    return limit(RLIMIT_CORE, 0) || limit(RLIMIT_NPROC, q->pids) || limit(RLIMIT_FSIZE, q->file_bytes) ||
           limit(RLIMIT_NOFILE, q->open_files) || limit(RLIMIT_CPU, q->cpu_s);
}

/* Whoever started the host program may have had signals ignored, and that is inherited: a command starts with none.
   By the bare system call, because libc keeps signals 32 and 33 to itself. */
static void default_signals(void) {
    static const unsigned long to_default[4]; /* the kernel's struct sigaction: SIG_DFL is 0 */
    for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, to_default, NULL, 8);
}

static void child(const struct request *q, char *place, char **argv, char **env, const int *streams, void (*become_guest)(void)) {
    sigset_t none;
    sigemptyset(&none);
    default_signals();
    if (q->op != OP_EXEC) {
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN); /* put answers EFBIG */
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    for (int i = 0; i < 3; i++)
        if (dup2(streams[i], i) < 0) _exit(126);
    if (apply_limits(q)) {
        dprintf(2, "cannot set limits: %s\n", strerror(errno));
        _exit(126);
    }
    if (become_guest) become_guest();
    if (q->op == OP_PUT) _exit(put(place, q->mode));
    if (q->op == OP_GET) _exit(get(place, q->max_bytes));
    if (chdir(place)) {
        dprintf(2, "cannot enter %s: %s\n", place, strerror(errno));
        _exit(126);
    }
    umask(022);
    environ = env;
    execvp(argv[0], argv);
    int why = errno;
    dprintf(2, "cannot execute %s: %s\n", argv[0], strerror(why));
    _exit(why == ENOENT ? 127 : 126);
}

/* Splits `count` NUL-terminated strings off [*at, end); fails when the last one is not terminated. */
static int split(char **out, uint32_t count, char **at, char *end) {
    for (uint32_t i = 0; i < count; i++) {
        char *nul = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;
        if (!nul) return -1;
        out[i] = *at;
        *at = nul + 1;
    }
    out[count] = NULL;
    return 0;
}

static void fill_report(struct report *r, uint32_t how, int32_t value, uint32_t flags, const struct rusage *use) {
    *r = (struct report){.magic = MAGIC, .how = how, .value = value, .flags = flags};
    if (!use) return;
    r->cpu_us = (uint64_t)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1000000 +
                (uint64_t)(use->ru_utime.tv_usec + use->ru_stime.tv_usec);
    r->max_rss_bytes = (uint64_t)use->ru_maxrss * 1024;
}

static void kill_group(pid_t pid) {
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL); /* it may not have called setsid yet */
}

/* kill(-1) reaches every process of the namespace but this one, in one walk that no fork escapes. */
static void sweep(void) {
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    kill(-1, SIGKILL);
    for (;;) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {}
        if (pid < 0) return;
        struct timespec patience = {.tv_sec = SWEEP_S};
        if (sigtimedwait(&chld, NULL, &patience) < 0 && errno == EAGAIN) _exit(1);
    }
}

/* A request with its strings split; the arrays are the caller's to free. */
struct parsed {
    char *place, **argv, **env;
};

static int parse_request(char *bytes, size_t size, struct parsed *p) {
    const struct request *q = (const struct request *)bytes;
    char *at = bytes + sizeof *q, *end = bytes + size, *place[2];
    if (size < sizeof *q || q->magic != MAGIC || q->op < OP_EXEC || q->op > OP_SOCKET) return EINVAL;
    if (q->argc > size || q->envc > size || (q->op == OP_EXEC && q->argc == 0)) return EINVAL;
    p->argv = calloc(q->argc + 1, sizeof *p->argv);
    p->env = calloc(q->envc + 1, sizeof *p->env);
    if (!p->argv || !p->env) return ENOMEM;
    if (split(place, 1, &at, end) || split(p->argv, q->argc, &at, end) || split(p->env, q->envc, &at, end)) return EINVAL;
    p->place = place[0];
    return 0;
}

#endif
