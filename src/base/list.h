/* SPDX-License-Identifier: MIT
 * list.h: a doubly linked list whose links live in the members: insertion and
 * removal never allocate, so they never fail. */
#ifndef MCP_BASE_LIST_H
#define MCP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A head, or a link inside a member. A link outside any list points to
 * itself, so removing twice is harmless. */
typedef struct mcp_list {
  struct mcp_list *next;
  struct mcp_list *prev;
} mcp_list_t;

static inline void mcp_list_init(mcp_list_t *link) {
  link->next = link->prev = link;
}

static inline bool mcp_list_empty(const mcp_list_t *head) {
  return head->next == head;
}

static inline void mcp_list_append(mcp_list_t *head, mcp_list_t *link) {
  link->prev = head->prev;
  link->next = head;
  head->prev->next = link;
  head->prev = link;
}

static inline void mcp_list_remove(mcp_list_t *link) {
  link->prev->next = link->next;
  link->next->prev = link->prev;
  mcp_list_init(link);
}

/* The member of type `type` whose field `field` is `link`. */
#define MCP_LIST_MEMBER(link, type, field)                                     \
  ((type *)(void *)((char *)(link)-offsetof(type, field)))

/* Walks a list; the current member may be removed. `it` and `after` are
 * mcp_list_t pointers declared by the caller. */
#define MCP_LIST_EACH(head, it, after)                                         \
  for ((it) = (head)->next, (after) = (it)->next; (it) != (head);              \
       (it) = (after), (after) = (it)->next)

#endif
