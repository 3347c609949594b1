/* SPDX-License-Identifier: MIT
 * folder_write.c: the writing half of folder.h. Each operation opens the folder
 * that the last name of its path is in, as reading opens it, and then works
 * with that name alone, which the system does not follow. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#include <sys/syscall.h>
#endif

#include "base/crypto.h"
#include "base/err.h"
#include "base/utf8.h"
#include "net/folder_inside.h"

#define MODE_BITS 0777

/* A name, and the folder that it is in. */
typedef struct {
  int fd;
  const char *last; /* in `name` */
  mcp_folder_name_t name;
} place_t;

/* A client could not be shown another name. */
static int check_new(const char *last) {
  for (const char *at = last; *at; at++)
    if ((unsigned char)*at < 0x20 || *at == 0x7f) return -EINVAL;
  return mcp_utf8_valid(mcp_slice(last, strlen(last))) ? 0 : -EINVAL;
}

/* Opens `place`; it must be closed after 0. */
static int open_place(const mcp_folder_t *folder, mcp_slice_t path, bool create,
                      place_t *place) {
  int code = mcp_folder_inside_check(path, &place->name);
  char *slash;
  if (code < 0) return code;
  if (path.len == 0) return -EINVAL;
  slash = strrchr(place->name.text, '/');
  place->last = slash ? slash + 1 : place->name.text;
  if (create && (code = check_new(place->last)) < 0) return code;
  if (slash) {
    *slash = '\0';
    place->fd = mcp_folder_inside_open(folder, &place->name,
                                       MCP_FOLDER_LOOK | O_DIRECTORY);
  } else {
    mcp_folder_name_t itself = {"."};
    place->fd =
        mcp_folder_inside_open(folder, &itself, MCP_FOLDER_LOOK | O_DIRECTORY);
  }
  return place->fd < 0 ? place->fd : 0;
}

/* What has the name itself. 0, or -ENOENT and the like. */
static int look_at(const place_t *place, struct stat *st) {
  return fstatat(place->fd, place->last, st, AT_SYMLINK_NOFOLLOW) == 0 ? 0
                                                                       : -errno;
}

/* 0 for a regular file. */
static int check_file(const struct stat *st) {
  switch (mcp_folder_inside_kind(st)) {
  case MCP_FOLDER_FILE: return 0;
  case MCP_FOLDER_FOLDER: return -EISDIR;
  case MCP_FOLDER_LINK: return -ELOOP;
  default: return -ENXIO;
  }
}

/* Whether the name may be written to: 1 for a file, 0 if there is nothing, or a
 * code. */
static int check_target(const place_t *place, bool create, struct stat *st) {
  int code = look_at(place, st);
  if (code == -ENOENT) return 0;
  if (code < 0) return code;
  if (create) return -EEXIST;
  code = check_file(st);
  if (code < 0) return code;
  return faccessat(place->fd, place->last, W_OK, 0) == 0 ? 1 : -errno;
}

/* A write over the file size limit of the process (ulimit -f) must be an error
 * and not the end of the process. */
typedef struct {
  sigset_t before;
  bool was_pending;
} quiet_t;

static void begin_quiet(quiet_t *quiet) {
  sigset_t only, pending;
  sigemptyset(&only);
  sigaddset(&only, SIGXFSZ);
  sigpending(&pending);
  quiet->was_pending = sigismember(&pending, SIGXFSZ) == 1;
  pthread_sigmask(SIG_BLOCK, &only, &quiet->before);
}

static void end_quiet(const quiet_t *quiet) {
  sigset_t only, pending;
  int number;
  sigemptyset(&only);
  sigaddset(&only, SIGXFSZ);
  sigpending(&pending);
  if (!quiet->was_pending && sigismember(&pending, SIGXFSZ) == 1)
    sigwait(&only, &number);
  pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}

/* Writes all, at most `step` bytes in one call; *written says how many were. */
static int write_all(int fd, mcp_slice_t bytes, size_t step,
                     const mcp_folder_stop_t *stop, size_t *written) {
  quiet_t quiet;
  int code = 0;
  *written = 0;
  begin_quiet(&quiet);
  while (code == 0 && *written < bytes.len) {
    size_t left = bytes.len - *written;
    ssize_t n;
    if (mcp_folder_is_stopped(stop)) {
      code = MCP_ECANCELED;
      break;
    }
    n = write(fd, bytes.data + *written, left < step ? left : step);
    if (n >= 0)
      *written += (size_t)n;
    else if (errno != EINTR)
      code = -errno;
  }
  end_quiet(&quiet);
  return code;
}

/* Closing is when some file systems report that a write has failed. */
static int close_written(int fd, int code) {
  int closed = close(fd) == 0 || errno == EINTR ? 0 : -errno;
  return code < 0 ? code : closed;
}

static int sync_file(int fd) {
  int result;
  do result = fsync(fd);
  while (result < 0 && errno == EINTR);
  return result == 0 ? 0 : -errno;
}

/* Makes the entries of the folder durable. A file system that cannot sync a
 * folder (EINVAL) has nothing to sync there. */
static int sync_folder(const place_t *place) {
  int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), code;
  if (fd < 0) return -errno;
  code = sync_file(fd);
  close(fd);
  return code == -EINVAL ? 0 : code;
}

#define TEMPORARY_LENGTH 32

/* Makes a temporary file beside the name. A descriptor, or a code. */
static int open_temporary(const place_t *place, mode_t mode, char *name) {
  uint64_t number;
  int fd, code = mcp_crypto_random(&number, sizeof number);
  if (code < 0) return code;
  snprintf(name, TEMPORARY_LENGTH, ".mcp-%016llx.tmp",
           (unsigned long long)number);
  do
    fd = openat(place->fd, name,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

/* Gives `from` the name `to` unless that exists. -ENOSYS: the system or the
 * file system cannot. */
static int rename_new(int from_fd, const char *from, int to_fd,
                      const char *to) {
#ifdef SYS_renameat2
  if (syscall(SYS_renameat2, from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
    return 0;
  return errno == EINVAL ? -ENOSYS : -errno;
#else
  (void)from_fd, (void)from, (void)to_fd, (void)to;
  return -ENOSYS;
#endif
}

/* The same; where it cannot be done in that way a file gets a second name
 * first. */
static int give_name(int from_fd, const char *from, int to_fd, const char *to,
                     bool create) {
  int code;
  if (!create) return renameat(from_fd, from, to_fd, to) == 0 ? 0 : -errno;
  code = rename_new(from_fd, from, to_fd, to);
  if (code != -ENOSYS) return code;
  if (linkat(from_fd, from, to_fd, to, 0) < 0) return -errno;
  return unlinkat(from_fd, from, 0) == 0 ? 0 : -errno;
}

/* Gives the temporary file the owner and group of the one that it replaces.
 * Before the permissions: a change of owner takes some of them away. */
static int keep_owner(int fd, const struct stat *st) {
  struct stat own;
  if (fstat(fd, &own) < 0) return -errno;
  if (own.st_uid == st->st_uid && own.st_gid == st->st_gid) return 0;
  return fchown(fd, st->st_uid, st->st_gid) == 0 ? 0 : -errno;
}

static int fill_temporary(int fd, mcp_slice_t bytes, int mode,
                          const mcp_folder_write_t *how,
                          const mcp_folder_stop_t *stop) {
  size_t written;
  int code = write_all(fd, bytes, MCP_FOLDER_STEP, stop, &written);
  if (code == 0 && mode >= 0 && fchmod(fd, (mode_t)mode) < 0) code = -errno;
  if (code == 0 && how->sync) code = sync_file(fd);
  code = close_written(fd, code);
  /* The last moment at which nothing has happened yet. */
  return code == 0 && mcp_folder_is_stopped(stop) ? MCP_ECANCELED : code;
}

static int replace(const place_t *place, mcp_slice_t bytes,
                   const mcp_folder_write_t *how,
                   const mcp_folder_stop_t *stop) {
  char temporary[TEMPORARY_LENGTH];
  struct stat st;
  int found = check_target(place, how->create, &st), fd, code;
  bool closed = found == 1 || how->only_mine;
  if (found < 0) return found;
  fd = open_temporary(place, closed ? 0600 : 0666, temporary);
  if (fd < 0) return fd;
  code = found == 1 && how->keep_owner ? keep_owner(fd, &st) : 0;
  if (code == 0)
    code = fill_temporary(
        fd, bytes,
        found == 1 && !how->only_mine ? (int)(st.st_mode & MODE_BITS) : -1, how,
        stop);
  else
    close(fd);
  if (code == 0)
    code = give_name(place->fd, temporary, place->fd, place->last, how->create);
  if (code < 0) {
    unlinkat(place->fd, temporary, 0);
    return code;
  }
  return how->sync ? sync_folder(place) : 0;
}

int mcp_folder_write(const mcp_folder_t *folder, mcp_slice_t path,
                     mcp_slice_t bytes, const mcp_folder_write_t *how,
                     const mcp_folder_stop_t *stop) {
  place_t place;
  int code = open_place(folder, path, true, &place);
  if (code < 0) return code;
  code = replace(&place, bytes, how, stop);
  close(place.fd);
  return code;
}

/* Appends to what has been opened, which has `before` bytes. */
static int append_to(int fd, uint64_t before, mcp_slice_t bytes, size_t limit,
                     const mcp_folder_write_t *how,
                     const mcp_folder_stop_t *stop) {
  struct stat now;
  size_t written;
  int code;
  if (before > limit || bytes.len > limit - before) return MCP_ETOOBIG;
  code = write_all(fd, bytes, SIZE_MAX >> 1, stop, &written);
  if (code == 0) return how->sync ? sync_file(fd) : 0;
  /* Unless another process has appended since. */
  if (written > 0 && fstat(fd, &now) == 0 &&
      (uint64_t)now.st_size == before + written)
    (void)!ftruncate(fd, (off_t)before);
  return code;
}

static int append_at(const place_t *place, mcp_slice_t bytes, size_t limit,
                     const mcp_folder_write_t *how,
                     const mcp_folder_stop_t *stop) {
  struct stat st;
  int found = check_target(place, how->create, &st), fd, code;
  int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
              MCP_FOLDER_SAFE | (how->create ? O_EXCL : 0);
  if (found < 0) return found;
  /* Refused before the file is made. */
  if (found == 0 && bytes.len > limit) return MCP_ETOOBIG;
  do fd = openat(place->fd, place->last, flags, how->only_mine ? 0600 : 0666);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return -errno;
  /* What stands there may have been replaced since. */
  code = fstat(fd, &st) == 0 ? check_file(&st) : -errno;
  if (code == 0)
    code = append_to(fd, (uint64_t)st.st_size, bytes, limit, how, stop);
  code = close_written(fd, code);
  return code == 0 && found == 0 && how->sync ? sync_folder(place) : code;
}

int mcp_folder_append(const mcp_folder_t *folder, mcp_slice_t path,
                      mcp_slice_t bytes, size_t limit,
                      const mcp_folder_write_t *how,
                      const mcp_folder_stop_t *stop) {
  place_t place;
  int code = open_place(folder, path, true, &place);
  if (code < 0) return code;
  code = append_at(&place, bytes, limit, how, stop);
  close(place.fd);
  return code;
}

int mcp_folder_remove(const mcp_folder_t *folder, mcp_slice_t path) {
  place_t place;
  struct stat st;
  int code = open_place(folder, path, false, &place);
  if (code < 0) return code;
  code = look_at(&place, &st);
  if (code == 0 && unlinkat(place.fd, place.last,
                            S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
    code = errno == EEXIST ? -ENOTEMPTY : -errno;
  close(place.fd);
  return code;
}

/* Without renameat2 an empty folder takes the name, which renaming then
 * replaces in one step. */
static int rename_folder(const place_t *from, const place_t *to) {
  int code = rename_new(from->fd, from->last, to->fd, to->last);
  if (code != -ENOSYS) return code;
  if (mkdirat(to->fd, to->last, 0700) < 0) return -errno;
  if (renameat(from->fd, from->last, to->fd, to->last) == 0) return 0;
  code = -errno;
  unlinkat(to->fd, to->last, AT_REMOVEDIR);
  return code;
}

static int rename_to(const place_t *from, const place_t *to, bool create) {
  struct stat st;
  int code = look_at(from, &st);
  if (code < 0) return code;
  if (!create && look_at(to, &st) == 0 &&
      mcp_folder_inside_kind(&st) == MCP_FOLDER_FILE &&
      faccessat(to->fd, to->last, W_OK, 0) < 0)
    return -errno;
  if (create && S_ISDIR(st.st_mode)) return rename_folder(from, to);
  return give_name(from->fd, from->last, to->fd, to->last, create);
}

int mcp_folder_rename(const mcp_folder_t *folder, mcp_slice_t from,
                      mcp_slice_t to, bool create) {
  place_t source, target;
  int code = open_place(folder, from, false, &source);
  if (code < 0) return code;
  code = open_place(folder, to, true, &target);
  if (code == 0) {
    code = rename_to(&source, &target, create);
    close(target.fd);
  }
  close(source.fd);
  return code;
}

/* 0, also if the folder exists and `parents` is true. */
static int make_one(const mcp_folder_t *folder, mcp_slice_t path,
                    bool parents) {
  place_t place;
  mcp_folder_facts_t facts;
  int code = open_place(folder, path, true, &place);
  if (code < 0) return code;
  code = mkdirat(place.fd, place.last, 0777) == 0 ? 0 : -errno;
  close(place.fd);
  if (code != -EEXIST || !parents) return code;
  if (mcp_folder_stat(folder, path, &facts) == 0 &&
      facts.kind == MCP_FOLDER_FOLDER)
    return 0;
  return code;
}

int mcp_folder_make(const mcp_folder_t *folder, mcp_slice_t path,
                    bool parents) {
  /* Checked whole first: a path that is refused makes nothing. */
  mcp_folder_name_t name;
  int code = mcp_folder_inside_check(path, &name);
  for (size_t i = 0; parents && code == 0 && i < path.len; i++)
    if (path.data[i] == '/') {
      code = make_one(folder, mcp_slice(path.data, i), true);
      if (code == -EEXIST) code = -ENOTDIR;
    }
  return code < 0 ? code : make_one(folder, path, parents);
}
