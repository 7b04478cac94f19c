/* Faults of disk and clock for processes that are started with it (LD_PRELOAD), as the file SHIM_STATE says at that
 * moment: an errno, the calls that fail with it, and by how many seconds the wall clock is off. Only files below
 * SHIM_DIR fail. It needs no privileges, unlike small or failing file systems.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MAKE = 1, WRITE = 2, SYNC = 4, RENAME = 8 };

struct state { int error; int calls; long seconds; };

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const volatile struct state *state(void) {
    static const volatile struct state *mapped;
    static const struct state nothing;
    if (!mapped) {
        const char *path = getenv("SHIM_STATE");
        int fd = path ? REAL(open)(path, O_RDONLY | O_CLOEXEC) : -1;
        void *found = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct state), PROT_READ, MAP_SHARED, fd, 0);
        if (fd >= 0) close(fd);
        mapped = found == MAP_FAILED ? &nothing : found;
    }
    return mapped;
}

static int below(const char *path) {
    const char *directory = getenv("SHIM_DIR");
    return directory && path && !strncmp(path, directory, strlen(directory));
}

static int of_file(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int fails(int call, int there) {
    if (!(state()->calls & call) || !there) return 0;
    errno = state()->error;
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
    if (state()->calls & WRITE && fails(WRITE, of_file(fd))) return -1;
    return REAL(write)(fd, data, size);
}

int fsync(int fd) {
    if (state()->calls & SYNC && fails(SYNC, of_file(fd))) return -1;
    return REAL(fsync)(fd);
}

int rename(const char *from, const char *to) { return fails(RENAME, below(to)) ? -1 : REAL(rename)(from, to); }

int mkdir(const char *path, mode_t mode) { return fails(MAKE, below(path)) ? -1 : REAL(mkdir)(path, mode); }

static int opened(const char *path, int flags, mode_t mode) {
    return fails(MAKE, flags & O_CREAT && below(path)) ? -1 : REAL(open)(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return opened(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return opened(path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = REAL(clock_gettime)(clock, now);
    if (!result && clock == CLOCK_REALTIME) now->tv_sec += state()->seconds;
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    int result = REAL(gettimeofday)(now, zone);
    if (!result) now->tv_sec += state()->seconds;
    return result;
}
