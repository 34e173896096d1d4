/* A disk that fails: the n-th change of a file under a folder, and every later one, ends in an error.
   Loaded in front of libc; armed by fault_arm(n, error, folder). n = 0: nothing fails, changes are counted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long at = -1, seen = 0;
static int error_number = 0;
static char folder[4096];

void fault_arm(long n, int number, const char *under) {
    at = n; seen = 0; error_number = number;
    strncpy(folder, under, sizeof folder - 1);
}
long fault_seen(void) { return seen; }

static int inside(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }
static int inside_fd(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path);
}
static int fails(void) {
    seen++;
    if (at > 0 && seen >= at) { errno = error_number; return 1; }
    return 0;
}
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t count) {
    if (at >= 0 && inside_fd(fd) && fails()) return -1;
    return REAL(write)(fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t place) {
    if (at >= 0 && inside_fd(fd) && fails()) return -1;
    return REAL(pwrite)(fd, bytes, count, place);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t place) {
    if (at >= 0 && inside_fd(fd) && fails()) return -1;
    return REAL(pwrite64)(fd, bytes, count, place);
}
int posix_fallocate(int fd, off_t place, off_t length) {
    if (at >= 0 && inside_fd(fd) && fails()) return error_number;
    return REAL(posix_fallocate)(fd, place, length);
}
int posix_fallocate64(int fd, off64_t place, off64_t length) {
    if (at >= 0 && inside_fd(fd) && fails()) return error_number;
    return REAL(posix_fallocate64)(fd, place, length);
}
int mkdir(const char *path, mode_t mode) {
    struct stat there;
    if (at >= 0 && inside(path) && stat(path, &there) != 0 && fails()) return -1;
    return REAL(mkdir)(path, mode);
}
int rename(const char *from, const char *to) {
    if (at >= 0 && inside(to) && fails()) return -1;
    return REAL(rename)(from, to);
}
static int opens(const char *path, int flags) {
    return at >= 0 && (flags & (O_WRONLY | O_RDWR | O_CREAT)) && inside(path) && fails();
}
int open(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest);
    if (opens(path, flags)) return -1;
    return REAL(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest);
    if (opens(path, flags)) return -1;
    return REAL(open64)(path, flags, mode);
}
