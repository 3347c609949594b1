/* SPDX-License-Identifier: MIT
 * regex.c: see regex.h. The meter is PCRE2's automatic callout: the engine
 * calls it before each item of the pattern. No JIT: it would save time only
 * where a match is long, and costs pages of code for each pattern. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "wire/regex.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/regex_ecma.h"

/* Bytes that cost as much to walk over as one item costs to try. */
#define BYTES_PER_STEP 16
/* One item may look at this many characters without the meter seeing it. */
#define REPEAT_PER_STEP 64

struct mcp_regex {
  pcre2_general_context *memory;
  pcre2_match_context *limits;
  pcre2_code *code;
  size_t price;   /* steps for one item */
  bool referring; /* an item may compare as much as the subject is long */
};

typedef struct {
  size_t left;
  size_t price;
  size_t position;
} meter_t;

static void *get(size_t size, void *ud) {
  (void)ud;
  return mcp_mem_alloc(size);
}

static void release(void *block, void *ud) {
  (void)ud;
  mcp_mem_free(block);
}

static int charge(pcre2_callout_block *block, void *ud) {
  meter_t *m = ud;
  size_t here = block->current_position;
  size_t walked = here > m->position ? here - m->position : m->position - here;
  size_t cost = m->price + walked / BYTES_PER_STEP;
  m->position = here;
  if (cost > m->left) {
    m->left = 0;
    return PCRE2_ERROR_MATCHLIMIT;
  }
  m->left -= cost;
  return 0;
}

static int fail_with(mcp_regex_fault_t *fault, int code, const char *what,
                     size_t offset) {
  fault->offset = offset;
  snprintf(fault->what, sizeof fault->what, "%s", what);
  return code;
}

/* Compiles the rewritten pattern into `regex`. */
static int compile(mcp_regex_t *regex, mcp_slice_t pattern, bool captures,
                   mcp_regex_fault_t *fault) {
  uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_AUTO_CALLOUT |
                     PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C |
                     (captures ? 0 : PCRE2_NO_AUTO_CAPTURE);
  pcre2_compile_context *settings = pcre2_compile_context_create(regex->memory);
  int code = 0;
  PCRE2_SIZE offset = 0;
  if (!settings) return fail_with(fault, MCP_ENOMEM, "not enough memory", 0);
  pcre2_set_newline(settings, PCRE2_NEWLINE_LF);
  regex->code = pcre2_compile((PCRE2_SPTR)(pattern.len ? pattern.data : ""),
                              pattern.len, options, &code, &offset, settings);
  pcre2_compile_context_free(settings);
  if (regex->code) return 0;
  if (pcre2_get_error_message(code, (PCRE2_UCHAR *)fault->what,
                              sizeof fault->what) < 0) {
    return fail_with(fault, MCP_EPATTERN, "not a valid pattern", 0);
  }
  fault->offset = 0;
  return code == PCRE2_ERROR_HEAP_FAILED ? MCP_ENOMEM : MCP_EPATTERN;
}

int mcp_regex_new(mcp_regex_t **out, mcp_slice_t pattern, size_t max_length,
                  mcp_regex_fault_t *fault) {
  mcp_regex_ecma_facts_t facts = {0};
  mcp_buf_t text = {0};
  mcp_regex_t *regex = NULL;
  int code;
  *out = NULL;
  if (pattern.len > (max_length ? max_length : MCP_REGEX_PATTERN_LENGTH)) {
    return fail_with(fault, MCP_ETOOBIG, "longer than the limit", 0);
  }
  code = mcp_regex_ecma_write_pcre(&text, pattern, &facts);
  if (code) {
    fail_with(fault, code, facts.what ? facts.what : mcp_err_text(code),
              facts.offset);
    goto fail;
  }
  code = fail_with(fault, MCP_ENOMEM, mcp_err_text(MCP_ENOMEM), 0);
  regex = mcp_mem_zalloc(sizeof *regex);
  if (!regex) goto fail;
  regex->memory = pcre2_general_context_create(get, release, NULL);
  if (!regex->memory) goto fail;
  regex->limits = pcre2_match_context_create(regex->memory);
  if (!regex->limits) goto fail;
  pcre2_set_match_limit(regex->limits, MCP_REGEX_STEPS);
  pcre2_set_depth_limit(regex->limits, MCP_REGEX_DEPTH);
  pcre2_set_heap_limit(regex->limits, MCP_REGEX_HEAP);
  regex->price = 1 + facts.repeat / REPEAT_PER_STEP;
  regex->referring = facts.referring;
  code = compile(regex, mcp_buf_slice(&text), facts.numbered, fault);
  if (code) goto fail;
  mcp_buf_deinit(&text);
  *out = regex;
  return 0;
fail:
  mcp_regex_free(regex);
  mcp_buf_deinit(&text);
  return code;
}

/* Translates a result of pcre2_match to ours. */
static int translate(int code) {
  if (code >= 0) return 1;
  if (code == PCRE2_ERROR_NOMATCH) return 0;
  if (code == PCRE2_ERROR_NOMEMORY) return MCP_ENOMEM;
  if (code <= PCRE2_ERROR_UTF8_ERR1 && code >= PCRE2_ERROR_UTF8_ERR21) {
    return MCP_EUTF8;
  }
  return MCP_ETOOBIG;
}

int mcp_regex_match(mcp_regex_t *regex, mcp_slice_t subject, size_t *steps) {
  meter_t meter = {.left = *steps, .price = regex->price};
  pcre2_match_data *data;
  size_t reading = subject.len / BYTES_PER_STEP;
  int code;
  /* Checking the UTF-8 and looking for a first character read it all. */
  if (reading > meter.left) {
    *steps = 0;
    return MCP_ETOOBIG;
  }
  meter.left -= reading;
  if (regex->referring) meter.price += reading;
  data = pcre2_match_data_create(1, regex->memory);
  if (!data) return MCP_ENOMEM;
  pcre2_set_callout(regex->limits, charge, &meter);
  code = pcre2_match(regex->code, (PCRE2_SPTR)(subject.len ? subject.data : ""),
                     subject.len, 0, 0, data, regex->limits);
  pcre2_match_data_free(data);
  *steps = meter.left;
  return translate(code);
}

void mcp_regex_free(mcp_regex_t *regex) {
  if (!regex) return;
  pcre2_code_free(regex->code);
  pcre2_match_context_free(regex->limits);
  pcre2_general_context_free(regex->memory);
  mcp_mem_free(regex);
}
