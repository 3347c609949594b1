/* SPDX-License-Identifier: MIT
 * private_file.c: see private_file.h. */
#include "net/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

#define SUFFIX ".new"

static int check(int fd, size_t *size) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
    return MCP_EFILEMODE;
  if (st.st_size > (off_t)MCP_PRIVATE_FILE_LENGTH) return MCP_ETOOBIG;
  *size = (size_t)st.st_size;
  return 0;
}

static int read_all(int fd, mcp_buf_t *out, size_t size) {
  while (size > 0) {
    ssize_t n;
    int code = mcp_buf_reserve(out, size);
    if (code < 0) return code;
    n = read(fd, out->data + out->len, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) break;
    out->len += (size_t)n;
    size -= (size_t)n;
  }
  return 0;
}

int mcp_private_file_read(const char *path, mcp_buf_t *out) {
  size_t size = 0;
  int code, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return -errno;
  code = check(fd, &size);
  if (code == 0) code = read_all(fd, out, size);
  close(fd);
  return code;
}

static int write_all(int fd, mcp_slice_t bytes) {
  while (bytes.len > 0) {
    ssize_t n = write(fd, bytes.data, bytes.len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    bytes.data += n;
    bytes.len -= (size_t)n;
  }
  return fsync(fd) < 0 ? -errno : 0;
}

int mcp_private_file_write(const char *path, mcp_slice_t bytes) {
  size_t length = strlen(path);
  char *beside = mcp_mem_alloc(length + sizeof SUFFIX);
  int fd, code;
  if (!beside) return MCP_ENOMEM;
  memcpy(beside, path, length);
  memcpy(beside + length, SUFFIX, sizeof SUFFIX);
  /* Removes a leftover of a crash. If it is a link, its target is not touched.
   */
  unlink(beside);
  fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    code = -errno;
    goto done;
  }
  code = write_all(fd, bytes);
  if (close(fd) < 0 && code == 0) code = -errno;
  if (code == 0 && rename(beside, path) < 0) code = -errno;
  if (code < 0) unlink(beside);
done:
  mcp_mem_free(beside);
  return code;
}
