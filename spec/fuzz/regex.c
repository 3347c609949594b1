/* SPDX-License-Identifier: MIT
 * regex.c: a pattern up to the first NUL, and a subject after it. */
#include "wire/regex.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
  size_t length = nul ? (size_t)(nul - data) : size, steps = 20000;
  mcp_slice_t subject = input(data + length, size - length);
  mcp_regex_fault_t fault;
  mcp_regex_t *regex = NULL;
  if (subject.len > 0) subject = mcp_slice(subject.data + 1, subject.len - 1);
  if (mcp_regex_new(&regex, input(data, length), 0, &fault) < 0) {
    MUST(!regex && fault.what[0] && fault.offset <= length);
    return 0;
  }
  (void)mcp_regex_match(regex, subject, &steps);
  MUST(steps <= 20000);
  mcp_regex_free(regex);
  return 0;
}
