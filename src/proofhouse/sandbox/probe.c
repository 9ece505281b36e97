/* SPDX-License-Identifier: Apache-2.0
 *
 * Tries to leave the box.  Runs as an ordinary command inside it and prints one line for each check:
 * NAME <tab> held|FAILED <tab> detail.  The host knows which names must come (_selftest.py); a check
 * that is missing counts as failed.  Addresses are documentation ranges (RFC 5737, RFC 3849) or loopback.
 *
 * probe contain CANARY_FILE LOOPBACK_PORT ABSTRACT_NAME SYSCALL_NUMBER...
 * probe processes MOST      start processes until the kernel refuses; held if it refuses by MOST
 * probe memory BYTES        touch BYTES of memory; reaching the end prints FAILED
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

static void check(const char *name, int held, const char *format, ...) {
    va_list rest;
    printf("%s\t%s\t", name, held ? "held" : "FAILED");
    va_start(rest, format);
    vprintf(format, rest);
    va_end(rest);
    putchar('\n');
}

/* Held when opening fails; says how. */
static void refuses_open(const char *name, const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    check(name, fd < 0, "%s: %s", path, fd < 0 ? strerror(errno) : "opened");
    if (fd >= 0) close(fd);
}

static void interfaces(void) {
    char line[512], others[256] = "";
    FILE *f = fopen("/proc/net/dev", "r");
    int lines = 0, loopback = 0;
    while (f && fgets(line, sizeof line, f)) {
        char name[32];
        if (++lines <= 2 || sscanf(line, " %31[^:]:", name) != 1) continue;
        if (strcmp(name, "lo") == 0) loopback = 1;
        else strncat(strncat(others, " ", sizeof others - strlen(others) - 1), name, sizeof others - strlen(others) - 1);
    }
    if (f) fclose(f);
    check("interfaces", loopback && !others[0], "lo%s", others);
}

/* Held when nothing can be sent there: no route, or no such socket at all. */
static void unreachable(const char *name, int family, const char *address, int port, int refused_is_held) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    inet_pton(family, address, family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        check(name, errno == ENOSYS || errno == EPERM || errno == EAFNOSUPPORT, "no socket: %s", strerror(errno));
        return;
    }
    int r = family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof v4) : connect(fd, (struct sockaddr *)&v6, sizeof v6);
    int why = r ? errno : 0;
    if (why == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof why;
        if (poll(&p, 1, 300) == 1) getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size);
    }
    int held = why == ENETUNREACH || why == EHOSTUNREACH || why == EADDRNOTAVAIL || (refused_is_held && why == ECONNREFUSED);
    check(name, held, "%s port %d: %s", address, port, why ? strerror(why) : "connected");
    close(fd);
}

static void resolver(void) {
    struct stat st;
    int configured = stat("/etc/resolv.conf", &st) == 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char question[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\7invalid\0\0\1\0\1";
    char answer[512];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), answered = 0;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, question, sizeof question - 1, 0) > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        answered = poll(&p, 1, 100) == 1 && recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0;
    }
    if (fd >= 0) close(fd);
    check("resolver", !configured && !answered, "%s, %s", configured ? "configured" : "not configured",
          answered ? "answers" : "no answer");
}

static void abstract_socket(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strnlen(name, sizeof to.sun_path - 1);
    memcpy(to.sun_path + 1, name, length);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length));
    check("host abstract socket", r < 0, "%s", r < 0 ? strerror(errno) : "connected");
    if (fd >= 0) close(fd);
}

static void exotic_sockets(void) {
    static const struct { const char *name; int family, type, protocol; } tries[] = {
        {"vsock", 40, SOCK_STREAM, 0}, {"packet", AF_PACKET, SOCK_RAW, 0}, {"alg", 38, SOCK_SEQPACKET, 0},
        {"raw ICMP", AF_INET, SOCK_RAW, 1}, {"raw ICMPv6", AF_INET6, SOCK_RAW, 58}, {"audit", AF_NETLINK, SOCK_RAW, 9},
        {"bluetooth", 31, SOCK_RAW, 1}, {"can", 29, SOCK_RAW, 1}, {"xdp", 44, SOCK_RAW, 0},
    };
    char opened[256] = "";
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        int fd = socket(tries[i].family, tries[i].type, tries[i].protocol);
        if (fd < 0) continue;
        strncat(opened, " ", sizeof opened - strlen(opened) - 1);
        strncat(opened, tries[i].name, sizeof opened - strlen(opened) - 1);
        close(fd);
    }
    check("exotic sockets", !opened[0], "opened:%s", opened[0] ? opened : " none");
}

static void devices(void) {
    static const char *const names[] = {"/dev/kvm", "/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/nvme0n1",
                                        "/dev/vsock", "/dev/vhost-vsock",
                                        "/dev/disk", "/dev/mapper", "/sys/block/vda", "/sys/block/sda", "/sys/class/dmi/id",
                                        "/sys/kernel/debug", "/sys/kernel/security", "/sys/firmware/acpi", "/sys/devices/pci0000:00"};
    static const char *const usable[] = {"/dev/net/tun", "/dev/fuse"};
    char seen[256] = "";
    struct stat st;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (stat(names[i], &st)) continue;
        strncat(seen, " ", sizeof seen - strlen(seen) - 1);
        strncat(seen, names[i], sizeof seen - strlen(seen) - 1);
    }
    for (size_t i = 0; i < sizeof usable / sizeof *usable; i++) {
        int fd = open(usable[i], O_RDWR | O_CLOEXEC | O_NONBLOCK);
        struct ifreq wish = {.ifr_flags = IFF_TUN | IFF_NO_PI};
        if (fd >= 0 && (i == 1 || ioctl(fd, TUNSETIFF, &wish) == 0))
            strncat(strncat(seen, " ", sizeof seen - strlen(seen) - 1), usable[i], sizeof seen - strlen(seen) - 1);
        if (fd >= 0) close(fd);
    }
    check("devices", !seen[0], "seen:%s", seen[0] ? seen : " none");
    int made = mknod("/tmp/probe-device", S_IFBLK | 0600, makedev(8, 0));
    check("device nodes", made < 0, "mknod: %s", made < 0 ? strerror(errno) : "made");
}

static void processes_seen(void) {
    int count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc));)
        if (strtol(e->d_name, NULL, 10) > 0) count++;
    if (proc) closedir(proc);
    check("processes seen", count == 2, "%d, process 1 and this one", count);
}

static void status_field(const char *name, const char *field, const char *wanted) {
    char line[256], value[64] = "absent";
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
            sscanf(line + strlen(field) + 1, " %63s", value);
    if (f) fclose(f);
    check(name, strcmp(value, wanted) == 0, "%s %s", field, value);
}

static int nothing(void *unused) {
    (void)unused;
    return 0;
}

static void namespaces(void) {
    static char stack[65536] __attribute__((aligned(16)));
    static const int flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};
    int made = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (unshare(flags[i]) == 0) made++;
        if (clone(nothing, stack + sizeof stack, flags[i] | SIGCHLD, NULL) > 0) made++;
    }
    char arguments[88] = {0};
    arguments[3] = 0x10; /* CLONE_NEWUSER, little end first, in struct clone_args.flags */
    long r = syscall(SYS_clone3, arguments, sizeof arguments);
    if (r == 0) _exit(0);
    check("namespaces", made == 0 && r < 0, "%d made, clone3: %s", made, r < 0 ? strerror(errno) : "made");
}

static void process_one(void) {
    struct rlimit files = {.rlim_cur = 3, .rlim_max = 3};
    int memory = open("/proc/1/mem", O_RDWR | O_CLOEXEC), fds = -1;
    for (int n = 0; n < 20 && fds < 0; n++) {
        char path[32];
        snprintf(path, sizeof path, "/proc/1/fd/%d", n / 2);
        struct stat st;
        fds = open(path, (n % 2 ? O_WRONLY : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
        /* The pipes to a guest's own commands are the guest's; /dev/null is everybody's. */
        if (fds >= 0 && fstat(fds, &st) == 0 && (st.st_uid == getuid() || S_ISCHR(st.st_mode))) {
            close(fds);
            fds = -1;
        }
    }
    long limits = syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, &files, NULL);
    int trace = ptrace(PTRACE_ATTACH, 1, NULL, NULL) == 0;
    check("process 1", memory < 0 && fds < 0 && limits < 0 && !trace, "memory %s, descriptors %s, limits %s, trace %s",
          memory < 0 ? "closed" : "OPEN", fds < 0 ? "closed" : "OPEN", limits < 0 ? "closed" : "OPEN", trace ? "OPEN" : "closed");
}

/* Each call gets arguments that could do no harm even if it were allowed. */
static void refused_calls(int count, char **numbers) {
    char allowed[512] = "";
    for (int i = 0; i < count; i++) {
        errno = 0;
        long r = syscall(atol(numbers[i]), -1L, -1L, -1L, -1L, -1L, -1L);
        if (r < 0 && (errno == EPERM || errno == ENOSYS)) continue;
        strncat(allowed, " ", sizeof allowed - strlen(allowed) - 1);
        strncat(allowed, numbers[i], sizeof allowed - strlen(allowed) - 1);
    }
    check("refused calls", !allowed[0], "%d tried, got through:%s", count, allowed[0] ? allowed : " none");
}

static int contain(int argc, char **argv) {
    struct utsname name;
    if (argc < 5) return 2;
    /* Before anything else runs: nothing but process 1 and this one may be visible. */
    processes_seen();
    interfaces();
    unreachable("route IPv4", AF_INET, "192.0.2.1", 80, 0);
    unreachable("route IPv6", AF_INET6, "2001:db8::1", 80, 0);
    resolver();
    unreachable("host loopback", AF_INET, "127.0.0.1", atoi(argv[3]), 1);
    abstract_socket(argv[4]);
    exotic_sockets();
    refuses_open("host file", argv[2], O_RDONLY);
    refuses_open("host root by /proc", "/proc/1/root/etc/passwd", O_RDONLY);
    refuses_open("write /usr", "/usr/.probe", O_WRONLY | O_CREAT);
    refuses_open("write /etc", "/etc/.probe", O_WRONLY | O_CREAT);
    refuses_open("write /", "/.probe", O_WRONLY | O_CREAT);
    refuses_open("write /dev", "/dev/.probe", O_WRONLY | O_CREAT);
    refuses_open("kernel settings", "/proc/sys/kernel/core_pattern", O_WRONLY);
    refuses_open("kernel trigger", "/proc/sysrq-trigger", O_WRONLY);
    devices();
    check("host name", uname(&name) == 0 && strcmp(name.nodename, "sandbox") == 0, "%s", name.nodename);
    check("identity", getuid() != 0 && geteuid() != 0 && setuid(0) < 0, "uid %u", (unsigned)getuid());
    status_field("seccomp", "Seccomp", "2");
    check("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs");
    status_field("bounding set", "CapBnd", "0000000000000000");
    status_field("effective set", "CapEff", "0000000000000000");
    namespaces();
    process_one();
    refused_calls(argc - 5, argv + 5);
    return 0;
}

static int processes(int most) {
    int count = 1;
    pid_t pid;
    while (count <= most && (pid = fork()) != -1) {
        if (pid == 0) pause();
        count++;
    }
    check("processes bounded", count <= most, "%d ran at once", count);
    fflush(stdout);
    return 0;
}

static int memory(size_t bytes) {
    volatile char *all = malloc(bytes);
    for (size_t i = 0; all && i < bytes; i += 4096) all[i] = 1;
    check("memory bounded", all == NULL, "%zu bytes touched", bytes);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "contain") == 0) return contain(argc, argv);
    if (argc > 2 && strcmp(argv[1], "processes") == 0) return processes(atoi(argv[2]));
    if (argc > 2 && strcmp(argv[1], "memory") == 0) return memory(strtoull(argv[2], NULL, 10));
    return 2;
}
