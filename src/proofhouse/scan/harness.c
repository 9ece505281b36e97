/* SPDX-License-Identifier: Apache-2.0
 * A whole program as a function of one input, for fuzzers that call functions.
 *
 * The program's `main` is compiled under the name `scan_main`, its writable globals into the sections `scan_data` and
 * `scan_bss`, and its exits are linked to those below. Without SCAN_ARGC in the environment the program is what it was:
 * a build can run it. With it, each input is written to the file SCAN_INPUT, globals are put back to what they were,
 * and `scan_main` is called with SCAN_ARGV_0 …. With SCAN_PASS_OVER the first input of a process is passed over. What
 * is not put back: the heap, the C library's own state, files.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_WORDS 256
#define SPARE_FILES 64

extern int scan_main(int, char **, char **);
extern char __start_scan_data[] __attribute__((weak)), __stop_scan_data[] __attribute__((weak));
extern char __start_scan_bss[] __attribute__((weak)), __stop_scan_bss[] __attribute__((weak));
extern char **environ;
extern void __real_exit(int) __attribute__((noreturn));
extern void __real__exit(int) __attribute__((noreturn));
extern int __real_atexit(void (*)(void));

static char *words[MAX_WORDS + 1], *input, *first_data, *first_bss;
static int count, from_stdin, passed_over, running, first_spare;
static jmp_buf back;

/* The sanitizer watches memcpy, and would object to the gaps that it keeps between globals. */
static void copy(char *to, const char *from, size_t size) {
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
    for (volatile char *t = to; size; size--) *t++ = *from++;
#endif
}

static char *kept(const char *from, const char *to) {
    size_t size = (size_t)(to - from);
    char *place = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) __real__exit(3);
    copy(place, from, size);
    return place;
}

void __wrap_exit(int status) {
    if (running) longjmp(back, 1);
    __real_exit(status);
}

void __wrap__exit(int status) {
    if (running) longjmp(back, 1);
    __real__exit(status);
}

void __wrap__Exit(int status) { __wrap__exit(status); }

int __wrap_atexit(void (*call)(void)) { return running ? 0 : __real_atexit(call); }

static void complain(void) {
    if (running) longjmp(back, 1);
    __real_exit(1);
}

void __wrap_err(int status, const char *format, ...) { (void)status, (void)format, complain(); }
void __wrap_errx(int status, const char *format, ...) { (void)status, (void)format, complain(); }

/* Last of the constructors, since this file is linked last. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **envp) {
    const char *number = getenv("SCAN_ARGC");
    if (!number) __real_exit(scan_main(argc, argv, envp));
    count = atoi(number);
    input = getenv("SCAN_INPUT");
    from_stdin = getenv("SCAN_STDIN") != NULL;
    passed_over = getenv("SCAN_PASS_OVER") != NULL;
    if (count < 1 || count > MAX_WORDS || !input) __real__exit(3);
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "SCAN_ARGV_%d", i);
        if (!(words[i] = getenv(name))) __real__exit(3);
    }
    first_data = kept(__start_scan_data, __stop_scan_data);
    first_bss = kept(__start_scan_bss, __stop_scan_bss);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char *argv[MAX_WORDS + 1];
    if (passed_over) return passed_over = 0;
    int file = open(input, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0) return 0;
    for (size_t done = 0; done < size;) {
        ssize_t n = write(file, bytes + done, size - done);
        if (n <= 0) break;
        done += (size_t)n;
    }
    close(file);
    copy(__start_scan_data, first_data, (size_t)(__stop_scan_data - __start_scan_data));
    copy(__start_scan_bss, first_bss, (size_t)(__stop_scan_bss - __start_scan_bss));
    for (int i = 0; i <= count; i++) argv[i] = words[i];
    optind = 0;
    if (from_stdin && !freopen(input, "rb", stdin)) return 0;
    if (!first_spare) {
        first_spare = dup(2) + 1; /* what the fuzzer has open lies below */
        if (first_spare > 1) close(first_spare - 1);
    }
    running = 1;
    if (!setjmp(back)) scan_main(count, argv, environ);
    running = 0;
    fflush(NULL);
    for (int i = first_spare; i < first_spare + SPARE_FILES; i++) close(i);
    return 0;
}
