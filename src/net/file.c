/* SPDX-License-Identifier: MIT
 * file.c: see file.h. */
#include "net/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

struct mcp_file {
  int fd;
  unsigned refs;
  uint64_t size;
  struct timespec modified;
};

static struct timespec time_of(const struct stat *facts) {
#ifdef __APPLE__
  return facts->st_mtimespec;
#else
  return facts->st_mtim;
#endif
}

int mcp_file_over(int fd, mcp_file_t **out) {
  mcp_file_t *file;
  struct stat facts;
  int code = fstat(fd, &facts) < 0 ? -errno : 0;
  if (code == 0 && S_ISDIR(facts.st_mode)) code = -EISDIR;
  if (code == 0 && !S_ISREG(facts.st_mode)) code = -EINVAL;
  file = code == 0 ? mcp_mem_alloc(sizeof *file) : NULL;
  if (!file) {
    close(fd);
    return code < 0 ? code : MCP_ENOMEM;
  }
  *file = (mcp_file_t){fd, 1, (uint64_t)facts.st_size, time_of(&facts)};
  *out = file;
  return 0;
}

int mcp_file_open(const char *path, mcp_file_t **out) {
  /* A FIFO would wait for its writer. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  return fd < 0 ? -errno : mcp_file_over(fd, out);
}

mcp_file_t *mcp_file_ref(mcp_file_t *file) {
  file->refs++;
  return file;
}

void mcp_file_unref(mcp_file_t *file) {
  if (!file || --file->refs > 0) return;
  close(file->fd);
  mcp_mem_free(file);
}

uint64_t mcp_file_size(const mcp_file_t *file) {
  return file->size;
}

double mcp_file_modified(const mcp_file_t *file) {
  return (double)file->modified.tv_sec + (double)file->modified.tv_nsec * 1e-9;
}

int mcp_file_read(const mcp_file_t *file, uint64_t from, char *to,
                  size_t length) {
  size_t had = 0;
  while (had < length) {
    ssize_t n = pread(file->fd, to + had, length - had, (off_t)(from + had));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) return MCP_EGONE;
    had += (size_t)n;
  }
  return 0;
}

bool mcp_file_is_same(const mcp_file_t *file) {
  struct stat facts;
  struct timespec time;
  if (fstat(file->fd, &facts) < 0) return false;
  time = time_of(&facts);
  return (uint64_t)facts.st_size == file->size &&
         time.tv_sec == file->modified.tv_sec &&
         time.tv_nsec == file->modified.tv_nsec;
}
