/* SPDX-License-Identifier: MIT
 * regex_ecma.h: regular expressions as JSON Schema means them (ECMA-262 with
 * the "u" flag) rewritten in PCRE2's dialect.
 *
 * The two agree on most of the syntax and differ in meaning: \s and \p names,
 * "." and "$" at line ends, [] and [^], \u{...}, \cX, \0. And PCRE2 has much
 * that ECMA-262 has not (verbs, recursion, possessive repeats, \K, \X, \C):
 * only the syntax named here passes, so no pattern reaches those.
 *
 * More lenient than the standard, as engines without "u" are: a single "{", "}"
 * or "]" stands for itself, "\" before any punctuation is that character, and
 * (?i), (?i:...) are taken. */
#ifndef MCP_WIRE_REGEX_ECMA_H
#define MCP_WIRE_REGEX_ECMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* What the matcher must know about a pattern beside its text. */
typedef struct {
  size_t repeat;    /* the largest number in any {n,m} */
  bool numbered;    /* refers back to a group by number */
  bool referring;   /* refers back to any group */
  size_t offset;    /* where it is wrong, in bytes of the pattern */
  const char *what; /* what is wrong there; static; NULL if nothing is */
} mcp_regex_ecma_facts_t;

/* Appends the PCRE2 form of `pattern` to `out` and fills `facts`.
 * 0, MCP_EUTF8, MCP_ENOMEM, or MCP_EPATTERN with `facts->what` set. What
 * PCRE2 will find by itself (unbalanced groups, ranges upside down) is not
 * looked for. */
int mcp_regex_ecma_write_pcre(mcp_buf_t *out, mcp_slice_t pattern,
                              mcp_regex_ecma_facts_t *facts);

#endif
