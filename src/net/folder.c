/* SPDX-License-Identifier: MIT
 * folder.c: see folder.h. */
#include "net/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

#include "base/err.h"
#include "base/mem.h"
#include "net/folder_inside.h"

/* The kernel returns EAGAIN when a rename happened during the lookup. */
#define RENAME_RETRIES 16

int mcp_folder_inside_check(mcp_slice_t path, mcp_folder_name_t *name) {
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

int mcp_folder_real_path(const char *path, char *out) {
  return realpath(path, out) ? 0 : -errno;
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
        O_NOFOLLOW |
            (slash ? MCP_FOLDER_LOOK | O_DIRECTORY | O_CLOEXEC : flags));
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

int mcp_folder_inside_open(const mcp_folder_t *folder, mcp_folder_name_t *name,
                           int flags) {
  flags |= O_CLOEXEC;
  return folder->beneath ? open_beneath(folder->fd, name->text, flags)
                         : open_walking(folder->fd, name->text, flags);
}

/* A descriptor, or a code. */
static int open_below(const mcp_folder_t *folder, mcp_slice_t path, int flags) {
  mcp_folder_name_t name;
  int code = mcp_folder_inside_check(path, &name);
  return code < 0 ? code : mcp_folder_inside_open(folder, &name, flags);
}

mcp_folder_kind_t mcp_folder_inside_kind(const struct stat *st) {
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
  return (mcp_folder_facts_t){mcp_folder_inside_kind(st), (uint64_t)st->st_size,
                              (double)time->tv_sec +
                                  (double)time->tv_nsec * 1e-9};
}

int mcp_folder_open(mcp_folder_t **out, const char *path, bool create) {
  mcp_folder_t *folder = mcp_mem_zalloc(sizeof *folder);
  int probe;
  if (!folder) return MCP_ENOMEM;
  folder->refs = 1;
  /* Where it cannot be made, opening says what is there. */
  if (create) (void)mkdir(path, 0777);
  folder->fd =
      open_retrying(AT_FDCWD, path, MCP_FOLDER_LOOK | O_DIRECTORY | O_CLOEXEC);
  if (folder->fd < 0) {
    int code = folder->fd;
    mcp_mem_free(folder);
    return code;
  }
  /* Missing in old kernels, and forbidden (EPERM) in some containers. */
  probe =
      open_beneath(folder->fd, ".", MCP_FOLDER_LOOK | O_DIRECTORY | O_CLOEXEC);
  folder->beneath = probe >= 0;
  if (probe >= 0) close(probe);
  *out = folder;
  return 0;
}

mcp_folder_t *mcp_folder_ref(mcp_folder_t *folder) {
  folder->refs++;
  return folder;
}

void mcp_folder_unref(mcp_folder_t *folder) {
  if (!folder || --folder->refs > 0) return;
  close(folder->fd);
  mcp_mem_free(folder);
}

bool mcp_folder_follows(const mcp_folder_t *folder) {
  return folder->beneath;
}

void mcp_folder_walk(mcp_folder_t *folder) {
  folder->beneath = false;
}

/* Examines `path` without opening it. */
static int look(const mcp_folder_t *folder, mcp_slice_t path, struct stat *st) {
  int fd = open_below(folder, path, MCP_FOLDER_LOOK), code;
  if (fd < 0) return fd;
  code = fstat(fd, st) == 0 ? 0 : -errno;
  close(fd);
  return code;
}

int mcp_folder_stat(const mcp_folder_t *folder, mcp_slice_t path,
                    mcp_folder_facts_t *facts) {
  struct stat st;
  int code = look(folder, path, &st);
  if (code == 0) *facts = facts_of(&st);
  return code;
}

/* 0 for a regular file, or the code for what it is instead. */
static int check_file(const struct stat *st) {
  if (S_ISDIR(st->st_mode)) return -EISDIR;
  return S_ISREG(st->st_mode) ? 0 : -ENXIO;
}

/* How many bytes of the part a file of `size` bytes has. */
static uint64_t size_of_part(uint64_t size, const mcp_folder_part_t *part) {
  uint64_t rest = size > part->from ? size - part->from : 0;
  return rest < part->length ? rest : part->length;
}

/* Reads to the end of the part, whatever size the system claimed: a file may
 * grow while it is read, and those of /proc say 0. */
static int read_part(int fd, size_t expect, const mcp_folder_part_t *part,
                     size_t limit, mcp_buf_t *out,
                     const mcp_folder_stop_t *stop) {
  uint64_t got = 0;
  int code = mcp_buf_reserve(out, expect + 1);
  while (code == 0 && got < part->length) {
    size_t room = out->cap - out->len;
    uint64_t left = part->length - got;
    ssize_t n;
    /* No file is that long, and the offset would overflow. */
    if (part->from + got > INT64_MAX - MCP_FOLDER_STEP) return 0;
    if (room > MCP_FOLDER_STEP) room = MCP_FOLDER_STEP;
    n = pread(fd, out->data + out->len, left < room ? (size_t)left : room,
              (off_t)(part->from + got));
    if (n == 0) return 0;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    out->len += (size_t)n;
    got += (size_t)n;
    if (got > limit) return MCP_ETOOBIG;
    if (mcp_folder_is_stopped(stop)) return MCP_ECANCELED;
    if (out->len == out->cap) code = mcp_buf_reserve(out, 1);
  }
  return code;
}

/* Of what is open, or only looked at. */
static int check_read(int fd, const mcp_folder_part_t *part, size_t limit,
                      struct stat *st) {
  int code = fstat(fd, st) == 0 ? check_file(st) : -errno;
  if (code < 0) return code;
  return size_of_part((uint64_t)st->st_size, part) > limit ? MCP_ETOOBIG : 0;
}

int mcp_folder_read(const mcp_folder_t *folder, mcp_slice_t path,
                    const mcp_folder_part_t *part, size_t limit, mcp_buf_t *out,
                    const mcp_folder_stop_t *stop) {
  struct stat st;
  int code, fd = open_below(folder, path, MCP_FOLDER_LOOK);
  if (fd < 0) return fd;
  code = check_read(fd, part, limit, &st);
  close(fd);
  if (code < 0) return code;
  /* What stands there may have been replaced since: so without blocking, and
   * looked at again. */
  fd = open_below(folder, path, O_RDONLY | MCP_FOLDER_SAFE);
  if (fd < 0) return fd;
  code = check_read(fd, part, limit, &st);
  if (code == 0)
    code = read_part(fd, (size_t)size_of_part((uint64_t)st.st_size, part), part,
                     limit, out, stop);
  close(fd);
  return code;
}

int mcp_folder_open_file(const mcp_folder_t *folder, mcp_slice_t path,
                         mcp_file_t **out) {
  struct stat st;
  int code = look(folder, path, &st), fd;
  if (code == 0) code = check_file(&st);
  if (code < 0) return code;
  /* As for reading. */
  fd = open_below(folder, path, O_RDONLY | MCP_FOLDER_SAFE);
  if (fd < 0) return fd;
  code = mcp_file_over(fd, out);
  return code == -EINVAL ? -ENXIO : code;
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

static int list_entries(DIR *dir, mcp_folder_list_t *list,
                        const mcp_folder_stop_t *stop) {
  while (!mcp_folder_is_stopped(stop)) {
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
  return MCP_ECANCELED;
}

int mcp_folder_list(const mcp_folder_t *folder, mcp_slice_t path,
                    mcp_folder_list_t *list, const mcp_folder_stop_t *stop) {
  int fd = open_below(folder, path, O_RDONLY | MCP_FOLDER_SAFE | O_DIRECTORY),
      code;
  DIR *dir;
  if (fd < 0) return fd;
  dir = fdopendir(fd);
  if (!dir) {
    code = -errno;
    close(fd);
    return code;
  }
  code = list_entries(dir, list, stop);
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
