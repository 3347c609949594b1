/* SPDX-License-Identifier: MIT
 * shim.c: loaded before the C library (LD_PRELOAD), it makes the nth of the
 * system calls of one kind fail, or do less than it was asked to.
 *
 *   SHIM_CALL   read, write, accept, epoll_ctl, open, fork, getrandom, fsync,
 *               fchmod, close, rename, mkdir, unlink; pread and file_write:
 *               of regular files alone, not of what libuv wakes a loop by
 *   SHIM_NTH    which of them, from 1; 0 only counts
 *   SHIM_ERROR  a number of errno; 0: it does a byte only (read, write)
 *   SHIM_COUNT  a file in which the number of calls is kept, as text
 *
 * Counting starts when the file SHIM_START exists, so that start-up is not part
 * of it. A call that "fails" is not made, but for close. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *chosen, *count_path, *start_path;
static long nth, seen;
static int error;
static bool ready, counting;

#define REAL(name)                                                             \
  static __typeof__(&name) real;                                               \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void prepare(void) {
  const char *text = getenv("SHIM_NTH");
  ready = true;
  chosen = getenv("SHIM_CALL");
  count_path = getenv("SHIM_COUNT");
  start_path = getenv("SHIM_START");
  nth = text ? atol(text) : 0;
  text = getenv("SHIM_ERROR");
  error = text ? atoi(text) : 0;
  /* Children are not meant. */
  unsetenv("LD_PRELOAD");
}

static int real_close(int fd) {
  REAL(close);
  return real(fd);
}

static void keep_count(void) {
  REAL(open);
  char text[32];
  int fd, length = snprintf(text, sizeof text, "%ld\n", seen);
  if (!count_path) return;
  fd = real(count_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  (void)!pwrite(fd, text, (size_t)length, 0);
  real_close(fd);
}

/* A counter of the kernel, by which a thread wakes a loop: it takes eight bytes
 * or none. */
static bool is_counter(int fd) {
  static const char name[] = "anon_inode:[eventfd]";
  char path[32], target[sizeof name];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return readlink(path, target, sizeof target) == (ssize_t)sizeof name - 1 &&
         memcmp(target, name, sizeof name - 1) == 0;
}

/* Can the error come from such a descriptor at all? The other side of a pair
 * within this process, or with its guard, does not vanish. */
static bool is_legal(int fd) {
  struct sockaddr_storage at;
  socklen_t size = sizeof at;
  struct stat about;
  if (error == 0 && is_counter(fd)) return false;
  if (error != ECONNRESET && error != EPIPE && error != ENOSPC) return true;
  if (fstat(fd, &about) < 0) return false;
  if (error == ENOSPC) return S_ISREG(about.st_mode);
  if (error == EPIPE && S_ISFIFO(about.st_mode)) return true;
  return getsockname(fd, (struct sockaddr *)&at, &size) == 0 &&
         at.ss_family != AF_UNIX;
}

static bool is_file(int fd) {
  struct stat about;
  return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

/* Is it this one's turn? */
static bool strikes_fd(const char *name, int fd) {
  if (!ready) prepare();
  if (!chosen || strcmp(chosen, name) != 0) return false;
  if (fd >= 0 && !is_legal(fd)) return false;
  if (!counting && start_path && access(start_path, F_OK) != 0) return false;
  counting = true;
  seen++;
  if (nth == 0) keep_count();
  if (seen != nth) return false;
  keep_count();
  return true;
}

static bool strikes(const char *name) {
  return strikes_fd(name, -1);
}

static int fail(void) {
  errno = error;
  return -1;
}

ssize_t read(int fd, void *to, size_t size) {
  REAL(read);
  if (!strikes_fd("read", fd)) return real(fd, to, size);
  return error ? fail() : real(fd, to, size ? 1 : 0);
}

ssize_t readv(int fd, const struct iovec *v, int count) {
  REAL(readv);
  struct iovec one = {v[0].iov_base, v[0].iov_len ? 1 : 0};
  if (!strikes_fd("read", fd)) return real(fd, v, count);
  return error ? fail() : real(fd, &one, 1);
}

ssize_t recv(int fd, void *to, size_t size, int flags) {
  REAL(recv);
  if (!strikes_fd("read", fd)) return real(fd, to, size, flags);
  return error ? fail() : real(fd, to, size ? 1 : 0, flags);
}

ssize_t pread(int fd, void *to, size_t size, off_t at) {
  REAL(pread);
  if (!strikes("pread")) return real(fd, to, size, at);
  return error ? fail() : real(fd, to, size ? 1 : 0, at);
}

ssize_t pread64(int fd, void *to, size_t size, off64_t at) {
  REAL(pread64);
  if (!strikes("pread")) return real(fd, to, size, at);
  return error ? fail() : real(fd, to, size ? 1 : 0, at);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  REAL(recvmsg);
  if (!strikes_fd("read", fd)) return real(fd, message, flags);
  return error ? fail() : real(fd, message, flags);
}

ssize_t write(int fd, const void *from, size_t size) {
  REAL(write);
  bool mine = is_file(fd) ? strikes("file_write") : false;
  if (!mine && !strikes_fd("write", fd)) return real(fd, from, size);
  return error ? fail() : real(fd, from, size ? 1 : 0);
}

ssize_t writev(int fd, const struct iovec *v, int count) {
  REAL(writev);
  struct iovec one = {v[0].iov_base, v[0].iov_len ? 1 : 0};
  if (!strikes_fd("write", fd)) return real(fd, v, count);
  return error ? fail() : real(fd, &one, 1);
}

ssize_t send(int fd, const void *from, size_t size, int flags) {
  REAL(send);
  if (!strikes_fd("write", fd)) return real(fd, from, size, flags);
  return error ? fail() : real(fd, from, size ? 1 : 0, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  REAL(sendmsg);
  if (!strikes_fd("write", fd)) return real(fd, message, flags);
  return error ? fail() : real(fd, message, flags);
}

int accept(int fd, struct sockaddr *restrict at, socklen_t *restrict size) {
  REAL(accept);
  return strikes("accept") ? fail() : real(fd, at, size);
}

int accept4(int fd, struct sockaddr *restrict at, socklen_t *restrict size,
            int flags) {
  REAL(accept4);
  return strikes("accept") ? fail() : real(fd, at, size, flags);
}

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event) {
  REAL(epoll_ctl);
  return strikes("epoll_ctl") ? fail() : real(epoll, what, fd, event);
}

int open(const char *path, int flags, ...) {
  REAL(open);
  va_list more;
  int mode;
  va_start(more, flags);
  mode = flags & O_CREAT ? va_arg(more, int) : 0;
  va_end(more);
  return strikes("open") ? fail() : real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  REAL(open64);
  va_list more;
  int mode;
  va_start(more, flags);
  mode = flags & O_CREAT ? va_arg(more, int) : 0;
  va_end(more);
  return strikes("open") ? fail() : real(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
  REAL(openat);
  va_list more;
  int mode;
  va_start(more, flags);
  mode = flags & O_CREAT ? va_arg(more, int) : 0;
  va_end(more);
  return strikes("open") ? fail() : real(at, path, flags, mode);
}

int fsync(int fd) {
  REAL(fsync);
  return strikes("fsync") ? fail() : real(fd);
}

int fchmod(int fd, mode_t mode) {
  REAL(fchmod);
  return strikes("fchmod") ? fail() : real(fd, mode);
}

int close(int fd) {
  bool struck = strikes("close");
  int result = real_close(fd);
  return struck ? fail() : result;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
  REAL(renameat);
  return strikes("rename") ? fail() : real(from_fd, from, to_fd, to);
}

int mkdirat(int at, const char *path, mode_t mode) {
  REAL(mkdirat);
  return strikes("mkdir") ? fail() : real(at, path, mode);
}

int unlinkat(int at, const char *path, int flags) {
  REAL(unlinkat);
  return strikes("unlink") ? fail() : real(at, path, flags);
}

pid_t fork(void) {
  REAL(fork);
  return strikes("fork") ? fail() : real();
}

int getentropy(void *to, size_t size) {
  REAL(getentropy);
  return strikes("getrandom") ? fail() : real(to, size);
}
