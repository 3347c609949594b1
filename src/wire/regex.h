/* SPDX-License-Identifier: MIT
 * regex.h: regular expressions that cannot hang. The syntax is ECMA-262's
 * (regex_ecma.h), the engine PCRE2's, with a meter in front of it.
 *
 * Both pattern and subject may come from an untrusted peer. PCRE2's own match
 * limit counts backtracking for one starting point only and sees neither the
 * length of a run nor the number of starting points, so a match is metered
 * here: at every item of the pattern that is tried, for that item and for the
 * bytes walked since the last one. A match that costs more than its steps fails
 * with an error; it never counts as "no match". */
#ifndef MCP_WIRE_REGEX_H
#define MCP_WIRE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Patterns made to be slow to compile or large once compiled. In bytes. */
#define MCP_REGEX_PATTERN_LENGTH 1024
/* (a+)+$ and similar patterns, and quadratic scans of long subjects: the cost
 * limit of one match, in items tried. About ten milliseconds. */
#define MCP_REGEX_STEPS 1000000
/* One frame is kept for every choice of a repeated group. In KiB. */
#define MCP_REGEX_HEAP 16384
/* The same counted in frames. */
#define MCP_REGEX_DEPTH 250000

typedef struct mcp_regex mcp_regex_t;

/* What is wrong with a pattern, and where (a byte offset into it; 0 where the
 * engine found it, whose offsets are those of the rewritten pattern). */
typedef struct {
  size_t offset;
  char what[128];
} mcp_regex_fault_t;

/* Compiles `pattern`, at most `max_length` bytes (0: MCP_REGEX_PATTERN_LENGTH).
 * 0 with `*regex` set, or MCP_ETOOBIG, MCP_EUTF8, MCP_ENOMEM,
 * MCP_EPATTERN; for each `fault` says it in words. */
int mcp_regex_new(mcp_regex_t **regex, mcp_slice_t pattern, size_t max_length,
                  mcp_regex_fault_t *fault);

/* Does any part of `subject` match? 1 or 0; MCP_ETOOBIG if finding out costs
 * more than `*steps` (or a limit above); MCP_EUTF8; MCP_ENOMEM. What it cost
 * is taken from `*steps`. One match at a time per regex. */
int mcp_regex_match(mcp_regex_t *regex, mcp_slice_t subject, size_t *steps);

/* NULL is accepted. */
void mcp_regex_free(mcp_regex_t *regex);

#endif
