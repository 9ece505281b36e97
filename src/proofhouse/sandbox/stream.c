/* SPDX-License-Identifier: Apache-2.0
 *
 * stream FILTER_FILE MEMORY_BYTES SWEEP
 *
 * Process 1 of a box that has a kernel of its own (tier T1, gVisor).  Descriptors cannot be handed into such a
 * box, so everything passes as frames over the two pipes that are its standard input and output; _mux.py is the
 * other end and says what each frame means.  It runs as the box's root with just the capabilities to start and
 * end the guest's processes; what it starts has another uid, no capability, no_new_privs and the filter.
 * MEMORY_BYTES bounds what the whole box holds by the inner kernel's own count, every 20 ms.  SWEEP is as in
 * init.c.  Nothing here waits for a guest: what a guest does not read is not asked for (TAKEN, CREDIT).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "request.h"

enum { FRAME_BYTES = 1 << 15, WINDOW_BYTES = 1 << 16, MAX_CHANNELS = 256, GUEST_UID = 1000, LATE_FRAMES = 32 };
enum { MOST_REQUEST_BYTES = 4 << 20, GIVE_BACK_MS = 3000 };
enum { /* from the host */ REQUEST = 1, START, DATA, END, CREDIT, CANCEL, LISTEN, CONNECT,
       /* from the box */ READY = 16, OUT, ERR, CLOSED, REPORT, ACCEPTED, TAKEN };
enum { UNUSED, GATHERING, COMMAND, LISTENER, CONNECTING, CONNECTION };

struct frame {
    uint32_t channel;
    uint32_t kind;
    uint32_t size;
};

struct place {
    uint32_t address, source; /* network byte order */
    uint32_t port;
};

struct channel {
    uint32_t id;
    int state;
    pid_t pid;
    int in, out, err; /* a connection's socket is both in and out */
    char *bytes;      /* the request while it is gathered, then what waits to be written to `in` */
    size_t waiting;
    int ending;     /* the host has no more for `in` */
    int ended;      /* `out` has no more */
    uint32_t credit;
    int64_t deadline_ms;
    uint32_t flags;
};

static struct channel table[MAX_CHANNELS];
static struct sock_fprog filter;
static uint32_t next_accepted = 0x80000000u;

static void write_all(const void *bytes, size_t size) {
    for (const char *at = bytes; size;) {
        ssize_t n = write(1, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) _exit(0); /* the host is gone */
        at += n;
        size -= (size_t)n;
    }
}

static void say(uint32_t channel, uint32_t kind, const void *bytes, size_t size) {
    static char whole[sizeof(struct frame) + FRAME_BYTES];
    struct frame f = {channel, kind, (uint32_t)size};
    memcpy(whole, &f, sizeof f);
    if (size) memcpy(whole + sizeof f, bytes, size);
    write_all(whole, sizeof f + size);
}

static void report(uint32_t channel, uint32_t how, int32_t value, uint32_t flags, const struct rusage *use) {
    struct report r;
    fill_report(&r, how, value, flags, use);
    say(channel, REPORT, &r, sizeof r);
}

static struct channel *find(uint32_t id) {
    for (int i = 0; i < MAX_CHANNELS; i++)
        if (table[i].state != UNUSED && table[i].id == id) return &table[i];
    return NULL;
}

static struct channel *take(uint32_t id, int state) {
    for (int i = 0; i < MAX_CHANNELS; i++) {
        if (table[i].state != UNUSED) continue;
        table[i] = (struct channel){.id = id, .state = state, .in = -1, .out = -1, .err = -1, .credit = WINDOW_BYTES};
        return &table[i];
    }
    return NULL;
}

static void release(struct channel *c) {
    if (c->in >= 0) close(c->in);
    if (c->out >= 0 && c->out != c->in) close(c->out);
    if (c->err >= 0) close(c->err);
    free(c->bytes);
    *c = (struct channel){.state = UNUSED};
}

/* ---- commands ----------------------------------------------------------------------------------- */

static void refuse(const char *what) {
    dprintf(2, "cannot become the guest: %s: %s\n", what, strerror(errno));
    _exit(126);
}

static void become_guest(void) {
    /* A put or get does not execute, so its copies of our pipes would stay open and nobody would see their end. */
    if (syscall(SYS_close_range, 3, ~0U, 0))
        for (int fd = 3; fd < 4 * MAX_CHANNELS; fd++) close(fd);
    for (int each = 0; each < 64; each++)
        if (prctl(PR_CAPBSET_DROP, each) && errno != EINVAL) refuse("bounding set");
    if (setgroups(0, NULL) || setresgid(GUEST_UID, GUEST_UID, GUEST_UID)) refuse("groups");
    if (setresuid(GUEST_UID, GUEST_UID, GUEST_UID)) refuse("uid");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) refuse("no_new_privs");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter)) refuse("filter");
}

static int pipe_of_guest(int *ends) {
    /* The guest may then open /dev/stdout and the like, which asks who made the pipe. */
    if (seteuid(GUEST_UID)) return -1;
    int failed = pipe2(ends, O_CLOEXEC);
    return seteuid(0) ? -1 : failed;
}

static void start(struct channel *c) {
    struct parsed p = {0};
    int streams[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    const struct request *q = (const struct request *)c->bytes;
    int failed = c->bytes ? parse_request(c->bytes, c->waiting, &p) : EINVAL;
    /* The inner kernel lets one more than the limit start. */
    if (!failed && q->pids > 1) ((struct request *)c->bytes)->pids--;
    for (int i = 0; !failed && i < 3; i++)
        if (pipe_of_guest(streams[i])) failed = errno;
    pid_t pid = failed ? -1 : fork();
    if (pid == 0) {
        int theirs[3] = {streams[0][0], streams[1][1], streams[2][1]};
        child(q, p.place, p.argv, p.env, theirs, become_guest);
    }
    if (!failed && pid < 0) failed = errno;
    for (int i = 0; i < 3; i++) {
        int theirs = streams[i][i > 0], ours = streams[i][i == 0];
        if (theirs >= 0) close(theirs);
        if (ours >= 0) fcntl(ours, F_SETFL, O_NONBLOCK);
    }
    c->in = streams[0][1];
    c->out = streams[1][0];
    c->err = streams[2][0];
    c->deadline_ms = failed ? 0 : now_ms() + (int64_t)q->wall_ms;
    free(p.argv);
    free(p.env);
    free(c->bytes);
    c->bytes = NULL;
    c->waiting = 0;
    if (failed) {
        report(c->id, HOW_REFUSED, failed, 0, NULL);
        release(c);
        return;
    }
    c->pid = pid;
    c->state = COMMAND;
}

/* Passes on what the stream has now; closes it at its end. */
static int pass(struct channel *c, int *fd, uint32_t kind) {
    static char chunk[FRAME_BYTES];
    if (*fd < 0) return 0;
    ssize_t n = read(*fd, chunk, sizeof chunk);
    if (n < 0) return 0;
    if (n == 0) {
        close(*fd);
        *fd = -1;
        return 0;
    }
    say(c->id, kind, chunk, (size_t)n);
    return 1;
}

static int any_running(void) {
    for (int i = 0; i < MAX_CHANNELS; i++)
        if (table[i].pid) return 1;
    return 0;
}

static void reap(int sweeping) {
    int status;
    struct rusage use;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &use)) > 0) {
        for (int i = 0; i < MAX_CHANNELS; i++) {
            struct channel *c = &table[i];
            if (c->pid != pid) continue;
            c->pid = 0;
            if (sweeping && !any_running()) sweep();
            for (int n = 0; n < LATE_FRAMES && pass(c, &c->out, OUT); n++) {}
            for (int n = 0; n < LATE_FRAMES && pass(c, &c->err, ERR); n++) {}
            if (WIFSIGNALED(status)) report(c->id, HOW_SIGNAL, WTERMSIG(status), c->flags, &use);
            else report(c->id, HOW_EXIT, WEXITSTATUS(status), c->flags, &use);
            release(c);
            break;
        }
    }
}

/* ---- links -------------------------------------------------------------------------------------- */

static int tcp_socket(uint32_t address, uint32_t port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = address};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static void listen_at(struct channel *c, const struct place *at) {
    c->out = tcp_socket(at->address, at->port);
    int failed = c->out < 0 || listen(c->out, 16) ? errno : 0;
    report(c->id, failed ? HOW_REFUSED : HOW_EXIT, failed, 0, NULL);
    if (failed) release(c);
}

static void connected(struct channel *c, int failed) {
    report(c->id, failed ? HOW_REFUSED : HOW_EXIT, failed, 0, NULL);
    if (failed) release(c);
    else c->state = CONNECTION;
}

static void connect_to(struct channel *c, const struct place *at) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)at->port), .sin_addr.s_addr = at->address};
    c->in = c->out = tcp_socket(at->source, 0);
    if (c->out < 0) connected(c, errno);
    else if (connect(c->out, (struct sockaddr *)&to, sizeof to) == 0) connected(c, 0);
    else if (errno != EINPROGRESS) connected(c, errno);
}

static void finish_connecting(struct channel *c) {
    int why = 0;
    socklen_t size = sizeof why;
    if (getsockopt(c->out, SOL_SOCKET, SO_ERROR, &why, &size)) why = errno;
    connected(c, why);
}

static void accept_one(struct channel *listener) {
    int fd = accept4(listener->out, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct channel *c = take(next_accepted, CONNECTION);
    if (!c) {
        close(fd);
        return;
    }
    next_accepted++;
    c->in = c->out = fd;
    say(listener->id, ACCEPTED, &c->id, sizeof c->id);
}

static void lose(struct channel *c) {
    say(c->id, CLOSED, NULL, 0);
    release(c);
}

static void read_connection(struct channel *c) {
    static char chunk[FRAME_BYTES];
    size_t most = c->credit < sizeof chunk ? c->credit : sizeof chunk;
    ssize_t n = read(c->out, chunk, most);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) {
        lose(c);
    } else if (n == 0) {
        c->ended = 1;
        say(c->id, END, NULL, 0);
        if (c->ending == 2) release(c);
    } else {
        c->credit -= (uint32_t)n;
        say(c->id, OUT, chunk, (size_t)n);
    }
}

/* ---- what the host sends -------------------------------------------------------------------------- */

static void end_input(struct channel *c) {
    if (c->waiting || c->ending != 1) return;
    c->ending = 2;
    if (c->state == CONNECTION) {
        shutdown(c->in, SHUT_WR);
        if (c->ended) release(c);
    } else if (c->in >= 0) {
        close(c->in);
        c->in = -1;
    }
}

static void write_input(struct channel *c) {
    ssize_t n = c->in < 0 ? (ssize_t)c->waiting : write(c->in, c->bytes, c->waiting);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0 && c->state == CONNECTION) {
        lose(c);
        return;
    }
    if (n < 0) { /* nobody reads it any more, so nobody misses the rest */
        close(c->in);
        c->in = -1;
        n = (ssize_t)c->waiting;
    }
    uint32_t taken = (uint32_t)n;
    c->waiting -= taken;
    memmove(c->bytes, c->bytes + taken, c->waiting);
    say(c->id, TAKEN, &taken, sizeof taken);
    end_input(c);
}

static void append(struct channel *c, const char *bytes, size_t size, size_t most) {
    if (c->waiting + size > most) _exit(1);
    char *grown = realloc(c->bytes, c->waiting + size);
    if (!grown) _exit(1);
    memcpy(grown + c->waiting, bytes, size);
    c->bytes = grown;
    c->waiting += size;
}

static void cancel(struct channel *c) {
    if (c->state == COMMAND) c->deadline_ms = 0;
    else release(c);
}

static void obey(const struct frame *f, const char *bytes) {
    struct channel *c = find(f->channel);
    int opens = f->kind == LISTEN || f->kind == CONNECT || (f->kind == REQUEST && !c);
    if (opens && f->kind != REQUEST && f->size != sizeof(struct place)) _exit(1);
    if (opens) {
        c = take(f->channel, f->kind == LISTEN ? LISTENER : f->kind == CONNECT ? CONNECTING : GATHERING);
        if (!c) {
            report(f->channel, HOW_REFUSED, EBUSY, 0, NULL);
            return;
        }
    }
    if (!c) return; /* it ended while this was on its way */
    switch (f->kind) {
    case REQUEST: append(c, bytes, f->size, MOST_REQUEST_BYTES); break;
    case START: start(c); break;
    case DATA:
        append(c, bytes, f->size, WINDOW_BYTES);
        write_input(c);
        break;
    case END:
        c->ending = c->ending ? c->ending : 1;
        end_input(c);
        break;
    case CREDIT: c->credit += *(const uint32_t *)bytes; break;
    case CANCEL: cancel(c); break;
    case LISTEN: listen_at(c, (const struct place *)bytes); break;
    case CONNECT: connect_to(c, (const struct place *)bytes); break;
    default: _exit(1);
    }
}

static void hear(void) {
    static _Alignas(8) char heard[sizeof(struct frame) + FRAME_BYTES], whole[FRAME_BYTES];
    static size_t have;
    ssize_t n = read(0, heard + have, sizeof heard - have);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) _exit(0); /* the host is gone; the box ends with this process */
    have += (size_t)n;
    for (struct frame f; have >= sizeof f;) {
        memcpy(&f, heard, sizeof f);
        if (f.size > FRAME_BYTES) _exit(1);
        if (have < sizeof f + f.size) return;
        memcpy(whole, heard + sizeof f, f.size);
        have -= sizeof f + f.size;
        memmove(heard, heard + sizeof f + f.size, have);
        obey(&f, whole);
    }
}

/* ---- limits --------------------------------------------------------------------------------------- */

static uint64_t meminfo_kib(const char *text, const char *field) {
    const char *at = strstr(text, field);
    return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

/* The inner kernel gives the memory of processes and files in one number. */
static uint64_t used_bytes(void) {
    char text[2048];
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n <= 0) _exit(1);
    text[n] = 0;
    return (meminfo_kib(text, "MemTotal:") - meminfo_kib(text, "MemFree:")) * 1024;
}

static void watch_memory(uint64_t limit_bytes) {
    static int64_t next_ms;
    if (now_ms() < next_ms) return;
    next_ms = now_ms() + TICK_MS;
    if (used_bytes() <= limit_bytes) return;
    for (int i = 0; i < MAX_CHANNELS; i++)
        if (table[i].pid) table[i].flags |= FLAG_MEMORY;
    kill(-1, SIGKILL);
    /* The inner kernel gives memory back a little later; until then the next command would be killed for it. */
    for (int waited = 0; used_bytes() > limit_bytes && waited < GIVE_BACK_MS; waited += 5) {
        struct timespec moment = {.tv_nsec = 5000000};
        nanosleep(&moment, NULL);
    }
}

static int has_children(void) {
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int wait_ms(void) {
    int64_t now = now_ms(), soonest = has_children() ? TICK_MS : -1;
    for (int i = 0; i < MAX_CHANNELS; i++) {
        if (!table[i].pid) continue;
        int64_t left = table[i].deadline_ms > now ? table[i].deadline_ms - now : 0;
        if (table[i].flags & FLAG_TIMED_OUT) left = TICK_MS;
        if (soonest < 0 || left < soonest) soonest = left;
    }
    return soonest > INT_MAX ? INT_MAX : (int)soonest;
}

static void expire(void) {
    int64_t now = now_ms();
    for (int i = 0; i < MAX_CHANNELS; i++) {
        if (!table[i].pid || table[i].deadline_ms > now) continue;
        table[i].flags |= FLAG_TIMED_OUT;
        kill_group(table[i].pid);
    }
}

/* ---- the loop ------------------------------------------------------------------------------------- */

static short wanted(const struct channel *c, int fd) {
    if (c->state == COMMAND) return fd == c->in ? (c->waiting ? POLLOUT : 0) : POLLIN;
    if (c->state == CONNECTING) return POLLOUT;
    if (c->state == LISTENER) return POLLIN;
    if (c->state != CONNECTION) return 0;
    return (short)((c->waiting ? POLLOUT : 0) | (c->credit && !c->ended ? POLLIN : 0));
}

static void serve_channel(struct channel *c, int fd, short happened) {
    if (fd != c->in && fd != c->out && fd != c->err) return; /* it ended meanwhile */
    if (c->state == COMMAND && fd == c->in) write_input(c);
    else if (c->state == COMMAND) pass(c, fd == c->out ? &c->out : &c->err, fd == c->out ? OUT : ERR);
    else if (c->state == CONNECTING) finish_connecting(c);
    else if (c->state == LISTENER) accept_one(c);
    else if (c->state == CONNECTION && c->waiting && (happened & (POLLOUT | POLLERR | POLLHUP))) write_input(c);
    else if (c->state == CONNECTION && c->credit && !c->ended) read_connection(c);
    else if (c->state == CONNECTION && (happened & POLLERR)) lose(c);
}

static void load_filter(const char *path) {
    static struct sock_filter program[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, program, sizeof program);
    if (n <= 0 || n == sizeof program || n % (ssize_t)sizeof *program) _exit(3);
    close(fd);
    filter = (struct sock_fprog){.len = (unsigned short)(n / (ssize_t)sizeof *program), .filter = program};
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    load_filter(argv[1]);
    unlink("/dev/fuse"); /* the inner kernel's own, but nothing that a guest needs */
    unlink("/dev/net/tun");
    uint64_t memory_bytes = strtoull(argv[2], NULL, 10);
    int sweeping = atoi(argv[3]);
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    for (int fd = 0; fd < 2; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_SETMASK, &chld, NULL);
    int signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) return 1;
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 2) < 0) return 1; /* nothing of the host's may be open that a guest could open too */
    close(null);
    say(0, READY, NULL, 0);
    for (;;) {
        static struct pollfd p[2 + 3 * MAX_CHANNELS];
        static struct channel *whose[2 + 3 * MAX_CHANNELS];
        nfds_t count = 2;
        p[0] = (struct pollfd){.fd = 0, .events = POLLIN};
        p[1] = (struct pollfd){.fd = signals, .events = POLLIN};
        for (int i = 0; i < MAX_CHANNELS; i++) {
            int fds[3] = {table[i].in, table[i].out == table[i].in ? -1 : table[i].out, table[i].err};
            for (int n = 0; table[i].state != UNUSED && n < 3; n++) {
                short events = fds[n] < 0 ? 0 : wanted(&table[i], fds[n]);
                if (!events) continue;
                whose[count] = &table[i];
                p[count++] = (struct pollfd){.fd = fds[n], .events = events};
            }
        }
        if (poll(p, count, wait_ms()) < 0 && errno != EINTR) return 1;
        if (p[1].revents) {
            struct signalfd_siginfo s[8];
            while (read(signals, s, sizeof s) > 0) {}
        }
        for (nfds_t i = 2; i < count; i++)
            if (p[i].revents && whose[i]->state != UNUSED) serve_channel(whose[i], p[i].fd, p[i].revents);
        reap(sweeping);
        expire();
        if (memory_bytes) watch_memory(memory_bytes);
        if (p[0].revents) hear();
    }
}
