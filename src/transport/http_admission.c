/* SPDX-License-Identifier: MIT
 * http_admission.c: see http_admission.h. */
#include "transport/http_admission.h"

#include "transport/http_access.h"

void mcp_http_admission_forget(mcp_http_connection_t *conn) {
  void *memo = conn->memo;
  conn->memo = NULL;
  if (memo) conn->service->upper->on_forget(conn->service->up, memo);
}

mcp_http_verdict_t mcp_http_admission_judge(mcp_http_connection_t *conn) {
  mcp_http_service_t *service = conn->service;
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  mcp_http_verdict_t verdict;
  mcp_http_access_begin(conn);
  /* What was decided of the same head stands. */
  if (head->repeated && conn->passed && conn->guards == service->guards)
    return mcp_http_judge_length(&service->options.gate, head);
  if (!head->repeated) mcp_http_admission_forget(conn);
  verdict = mcp_http_judge(&service->options.gate, head);
  conn->passed = verdict.status == 0;
  conn->guards = service->guards;
  conn->upgrading = verdict.upgrade;
  conn->eventing = verdict.events;
  conn->routing = verdict.route;
  conn->no_json = verdict.no_json;
  conn->no_events = verdict.no_events;
  return verdict;
}
