/* SPDX-License-Identifier: MIT
 * file_watch.c: see file_watch.h. */
#include "net/file_watch.h"

#include <uv.h>

#include "base/err.h"
#include "base/mem.h"

struct mcp_file_watch {
  union {
    uv_handle_t handle;
    uv_fs_event_t event;
    uv_fs_poll_t poll;
  } uv; /* first: the close callback frees the handle's address */
  void (*fn)(void *arg, const char *name);
  void *arg;
};

static void free_watch(uv_handle_t *handle) {
  mcp_mem_free(handle->data);
}

static void on_event(uv_fs_event_t *uv, const char *name, int events,
                     int status) {
  mcp_file_watch_t *watch = uv->data;
  (void)events;
  watch->fn(watch->arg, status < 0 ? NULL : name);
}

static void on_poll(uv_fs_poll_t *uv, int status, const uv_stat_t *before,
                    const uv_stat_t *now) {
  mcp_file_watch_t *watch = uv->data;
  (void)status;
  (void)before;
  (void)now;
  watch->fn(watch->arg, NULL);
}

int mcp_file_watch_start(mcp_loop_t *loop, const char *path, unsigned poll_ms,
                         void (*fn)(void *arg, const char *name), void *arg,
                         mcp_file_watch_t **out) {
  mcp_file_watch_t *watch = mcp_mem_alloc(sizeof *watch);
  int code;
  if (!watch) return MCP_ENOMEM;
  watch->fn = fn;
  watch->arg = arg;
  code = poll_ms ? uv_fs_poll_init(mcp_loop_uv(loop), &watch->uv.poll)
                 : uv_fs_event_init(mcp_loop_uv(loop), &watch->uv.event);
  if (code < 0) {
    mcp_mem_free(watch);
    return code;
  }
  watch->uv.handle.data = watch;
  code = poll_ms ? uv_fs_poll_start(&watch->uv.poll, on_poll, path, poll_ms)
                 : uv_fs_event_start(&watch->uv.event, on_event, path, 0);
  if (code < 0) {
    mcp_file_watch_stop(watch);
    return code;
  }
  uv_unref(&watch->uv.handle);
  *out = watch;
  return 0;
}

void mcp_file_watch_stop(mcp_file_watch_t *watch) {
  if (!watch) return;
  uv_close(&watch->uv.handle, free_watch);
}
