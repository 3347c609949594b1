/* SPDX-License-Identifier: MIT
 * folder.c: see folder.h. */
#include "net/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

#include "base/err.h"
#include "base/mem.h"

/* The kernel returns EAGAIN when a rename happened during the lookup. */
#define RENAME_RETRIES 16

/* Opening must not block, nor make a terminal the controlling one. */
#define O_SAFE (O_RDONLY | O_NONBLOCK | O_NOCTTY)

/* Only to look at: works without the right to read, touches no device. */
#ifdef O_PATH
#define O_LOOK O_PATH
#else
#define O_LOOK O_SAFE
#endif

struct mcp_folder {
  int fd;
  bool beneath; /* openat2 works here */
};

/* A path that has passed the check, with its terminator. */
typedef struct {
  char text[PATH_MAX];
} name_t;

/* 0 with `name` filled ("." for the folder itself), or a code. */
static int check_path(mcp_slice_t path, name_t *name) {
  size_t i, start = 0;
  if (path.len >= sizeof name->text) return -ENAMETOOLONG;
  if (path.len == 0) {
    memcpy(name->text, ".", 2);
    return 0;
  }
  if (memchr(path.data, '\0', path.len)) return -EINVAL;
  if (path.data[0] == '/') return MCP_EOUTSIDE;
  /* First for "..", so that "./../x" gets the code of the more serious fault.
   */
  for (i = 0; i <= path.len; i++) {
    if (i < path.len && path.data[i] != '/') continue;
    if (i - start == 2 && memcmp(path.data + start, "..", 2) == 0)
      return MCP_EOUTSIDE;
    start = i + 1;
  }
  for (i = 0, start = 0; i <= path.len; i++) {
    if (i < path.len && path.data[i] != '/') continue;
    if (i == start || (i - start == 1 && path.data[start] == '.'))
      return -EINVAL;
    start = i + 1;
  }
  memcpy(name->text, path.data, path.len);
  name->text[path.len] = '\0';
  return 0;
}

static int open_retrying(int fd, const char *name, int flags) {
  int opened;
  do opened = openat(fd, name, flags);
  while (opened < 0 && errno == EINTR);
  return opened < 0 ? -errno : opened;
}

#ifdef SYS_openat2
static int open_beneath(int fd, const char *name, int flags) {
  struct open_how how = {.flags = (unsigned)flags,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  int tries;
  for (tries = 0; tries < RENAME_RETRIES; tries++) {
    long opened = syscall(SYS_openat2, fd, name, &how, sizeof how);
    if (opened >= 0) return (int)opened;
    if (errno == EXDEV) return MCP_EOUTSIDE;
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return -errno;
}
#else
static int open_beneath(int fd, const char *name, int flags) {
  (void)fd;
  (void)name;
  (void)flags;
  return -ENOSYS;
}
#endif

/* The way without openat2: each name is opened below the one before it, and
 * never through a link. Changes `name`. */
static int open_walking(int fd, char *name, int flags) {
  int at = fd;
  for (;;) {
    char *slash = strchr(name, '/');
    struct stat facts;
    int opened;
    if (slash) *slash = '\0';
    opened = open_retrying(
        at, name,
        O_NOFOLLOW | (slash ? O_LOOK | O_DIRECTORY | O_CLOEXEC : flags));
    /* Systems disagree on the error for a link, and Linux opens the link
     * itself when it is only looked at. */
    if (fstatat(at, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(facts.st_mode)) {
      if (opened >= 0) close(opened);
      opened = MCP_EOUTSIDE;
    }
    if (at != fd) close(at);
    if (opened < 0 || !slash) return opened;
    at = opened;
    name = slash + 1;
  }
}

/* A descriptor, or a code. */
static int open_below(mcp_folder_t *folder, mcp_slice_t path, int flags) {
  name_t name;
  int code = check_path(path, &name);
  if (code < 0) return code;
  flags |= O_CLOEXEC;
  return folder->beneath ? open_beneath(folder->fd, name.text, flags)
                         : open_walking(folder->fd, name.text, flags);
}

static mcp_folder_kind_t kind_of(const struct stat *st) {
  if (S_ISREG(st->st_mode)) return MCP_FOLDER_FILE;
  if (S_ISDIR(st->st_mode)) return MCP_FOLDER_FOLDER;
  return S_ISLNK(st->st_mode) ? MCP_FOLDER_LINK : MCP_FOLDER_OTHER;
}

static mcp_folder_facts_t facts_of(const struct stat *st) {
#ifdef __APPLE__
  const struct timespec *time = &st->st_mtimespec;
#else
  const struct timespec *time = &st->st_mtim;
#endif
  return (mcp_folder_facts_t){kind_of(st), (uint64_t)st->st_size,
                              (double)time->tv_sec +
                                  (double)time->tv_nsec * 1e-9};
}

int mcp_folder_open(mcp_folder_t **out, const char *path) {
  mcp_folder_t *folder = mcp_mem_zalloc(sizeof *folder);
  int probe;
  if (!folder) return MCP_ENOMEM;
  folder->fd = open_retrying(AT_FDCWD, path, O_LOOK | O_DIRECTORY | O_CLOEXEC);
  if (folder->fd < 0) {
    int code = folder->fd;
    mcp_mem_free(folder);
    return code;
  }
  /* Missing in old kernels, and forbidden (EPERM) in some containers. */
  probe = open_beneath(folder->fd, ".", O_LOOK | O_DIRECTORY | O_CLOEXEC);
  folder->beneath = probe >= 0;
  if (probe >= 0) close(probe);
  *out = folder;
  return 0;
}

void mcp_folder_close(mcp_folder_t *folder) {
  if (!folder) return;
  close(folder->fd);
  mcp_mem_free(folder);
}

bool mcp_folder_follows(const mcp_folder_t *folder) {
  return folder->beneath;
}

/* Examines `path` without opening it. */
static int look(mcp_folder_t *folder, mcp_slice_t path, struct stat *st) {
  int fd = open_below(folder, path, O_LOOK), code;
  if (fd < 0) return fd;
  code = fstat(fd, st) == 0 ? 0 : -errno;
  close(fd);
  return code;
}

int mcp_folder_stat(mcp_folder_t *folder, mcp_slice_t path,
                    mcp_folder_facts_t *facts) {
  struct stat st;
  int code = look(folder, path, &st);
  if (code == 0) *facts = facts_of(&st);
  return code;
}

/* 0 for a regular file, or the code for what it is instead. */
static int check_file(const struct stat *st, size_t limit) {
  if (S_ISDIR(st->st_mode)) return -EISDIR;
  if (!S_ISREG(st->st_mode)) return -ENXIO;
  return (uint64_t)st->st_size > limit ? MCP_ETOOBIG : 0;
}

/* Reads to the end, whatever size the system claimed: a file may grow while it
 * is read, and those of /proc say 0. */
static int read_all(int fd, size_t expect, size_t limit, mcp_buf_t *out) {
  size_t got = 0;
  int code = mcp_buf_reserve(out, expect + 1);
  while (code == 0) {
    ssize_t n = read(fd, out->data + out->len, out->cap - out->len);
    if (n == 0) return 0;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    out->len += (size_t)n;
    got += (size_t)n;
    if (got > limit) return MCP_ETOOBIG;
    if (out->len == out->cap) code = mcp_buf_reserve(out, 1);
  }
  return code;
}

int mcp_folder_read(mcp_folder_t *folder, mcp_slice_t path, size_t limit,
                    mcp_buf_t *out) {
  struct stat st;
  int fd, code = look(folder, path, &st);
  if (code == 0) code = check_file(&st, limit);
  if (code < 0) return code;
  /* What stands there may have been replaced since: so without blocking, and
   * looked at again. */
  fd = open_below(folder, path, O_SAFE);
  if (fd < 0) return fd;
  code = fstat(fd, &st) == 0 ? check_file(&st, limit) : -errno;
  if (code == 0) code = read_all(fd, (size_t)st.st_size, limit, out);
  close(fd);
  return code;
}

static int add_entry(mcp_folder_list_t *list, const char *name,
                     const struct stat *st) {
  mcp_folder_entry_t *entry;
  size_t size = strlen(name) + 1;
  if (list->count == MCP_FOLDER_ENTRIES) return MCP_ENODES;
  if (list->count == list->cap) {
    size_t cap = list->cap ? 2 * list->cap : 32;
    entry = mcp_mem_realloc(list->entries, cap * sizeof *entry);
    if (!entry) return MCP_ENOMEM;
    list->entries = entry;
    list->cap = cap;
  }
  entry = &list->entries[list->count];
  entry->name = mcp_mem_alloc(size);
  if (!entry->name) return MCP_ENOMEM;
  memcpy(entry->name, name, size);
  entry->facts = facts_of(st);
  list->count++;
  return 0;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const mcp_folder_entry_t *)a)->name,
                ((const mcp_folder_entry_t *)b)->name);
}

static int list_entries(DIR *dir, mcp_folder_list_t *list) {
  for (;;) {
    struct dirent *entry;
    struct stat st;
    int code;
    errno = 0;
    entry = readdir(dir);
    if (!entry) return -errno;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
      if (errno == ENOENT) continue; /* removed since it was named */
      return -errno;
    }
    code = add_entry(list, entry->d_name, &st);
    if (code < 0) return code;
  }
}

int mcp_folder_list(mcp_folder_t *folder, mcp_slice_t path,
                    mcp_folder_list_t *list) {
  int fd = open_below(folder, path, O_SAFE | O_DIRECTORY), code;
  DIR *dir;
  if (fd < 0) return fd;
  dir = fdopendir(fd);
  if (!dir) {
    code = -errno;
    close(fd);
    return code;
  }
  code = list_entries(dir, list);
  closedir(dir);
  if (code == 0 && list->count > 1)
    qsort(list->entries, list->count, sizeof *list->entries, compare_names);
  return code;
}

void mcp_folder_list_deinit(mcp_folder_list_t *list) {
  size_t i;
  for (i = 0; i < list->count; i++) mcp_mem_free(list->entries[i].name);
  mcp_mem_free(list->entries);
  *list = (mcp_folder_list_t){0};
}
