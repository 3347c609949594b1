/* SPDX-License-Identifier: MIT
 * work.c: see work.h. */
#include "net/work.h"

#include <uv.h>

#include "base/err.h"
#include "base/mem.h"

struct mcp_work {
  uv_work_t uv;
  mcp_loop_t *loop;
  void (*run)(void *arg);
  void (*done)(void *arg);
  void *arg;
};

static void on_run(uv_work_t *uv) {
  mcp_work_t *work = uv->data;
  work->run(work->arg);
}

static void on_done(uv_work_t *uv, int status) {
  mcp_work_t *work = uv->data;
  void (*done)(void *) = work->done;
  void *arg = work->arg;
  (void)status;
  mcp_loop_end_lookup(work->loop);
  mcp_mem_free(work);
  done(arg);
}

int mcp_work_start(mcp_loop_t *loop, void (*run)(void *arg),
                   void (*done)(void *arg), void *arg, mcp_work_t **out) {
  mcp_work_t *work = mcp_mem_zalloc(sizeof *work);
  int code;
  if (!work) return MCP_ENOMEM;
  work->uv.data = work;
  work->loop = loop;
  work->run = run;
  work->done = done;
  work->arg = arg;
  code = uv_queue_work(mcp_loop_uv(loop), &work->uv, on_run, on_done);
  if (code < 0) {
    mcp_mem_free(work);
    return code;
  }
  mcp_loop_begin_lookup(loop);
  *out = work;
  return 0;
}

void mcp_work_cancel(mcp_work_t *work) {
  uv_cancel((uv_req_t *)&work->uv);
}
