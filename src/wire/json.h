/* SPDX-License-Identifier: MIT
 * json.h: JSON text (RFC 8259) checked and located in one pass, and written.
 *
 * Reading makes no tree. mcp_json_parse walks the text once, checks all of it
 * (grammar, UTF-8, escapes and surrogates, numbers, duplicate keys, depth, node
 * count) and notes for every value one token of 16 bytes: where it is, what it
 * is, how many children it has, and where the next sibling's token stands.
 * Later readers need no checks, skip whole subtrees in one step and size tables
 * before filling them. A document of a few values needs no allocation at all.
 *
 * An object's tokens: the object, then for each member its key (a string token)
 * and its value's tokens. An array's: the array, then its elements. */
#ifndef MCP_WIRE_JSON_H
#define MCP_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Stack exhaustion by "[[[[…": parsers recurse, and so do their users. */
#define MCP_JSON_DEPTH 128
/* Memory amplification: 3 bytes "[]," cost some 50 as a Lua table. */
#define MCP_JSON_NODES 200000
/* Quadratic digit work, and numbers without practical use. JSONTestSuite
 * requires one of 81 bytes to be accepted. */
#define MCP_JSON_NUMBER_LENGTH 128
/* Each key is interned; real keys are shorter. In bytes of text. */
#define MCP_JSON_KEY_LENGTH 1024
/* Offsets are 32 bits wide. */
#define MCP_JSON_TEXT_LENGTH 0x7fffffff

typedef enum {
  MCP_JSON_NULL,
  MCP_JSON_FALSE,
  MCP_JSON_TRUE,
  MCP_JSON_INTEGER, /* no fraction, no exponent, fits int64 */
  MCP_JSON_DOUBLE,  /* any other number, -0 too; finite as a double */
  MCP_JSON_STRING,
  MCP_JSON_ARRAY,
  MCP_JSON_OBJECT
} mcp_json_kind_t;

typedef struct {
  uint32_t start;    /* offset of the value's text; a string's without '"' */
  uint32_t length;   /* bytes of text; a string's without its quotes */
  uint32_t next;     /* index of the token after this value and all inside it */
  unsigned kind : 4; /* mcp_json_kind_t */
  unsigned escaped : 1; /* a string that holds at least one backslash */
  unsigned count : 27;  /* elements of an array, members of an object */
} mcp_json_token_t;

/* The text of an object that was checked before, with `depth` objects around
 * it. The first one that has this text and this place becomes one token, as if
 * it were empty. */
typedef struct {
  mcp_slice_t text;
  size_t depth;
  size_t nodes; /* tokens that it has in full */
} mcp_json_known_t;

typedef struct {
  size_t depth; /* containers inside each other; never above MCP_JSON_DEPTH */
  size_t nodes; /* tokens: values and keys */
  /* Take a key that comes twice, as the bare grammar does. Never for a message:
   * two readers would see two meanings. */
  bool duplicates;
  const mcp_json_known_t *known; /* NULL: none */
  /* The strings will be wanted: undo the escapes of a long one while it is in
   * hand. Not for a document that an error of Lua can pass by. */
  bool undo;
} mcp_json_limits_t;

/* MCP_JSON_DEPTH and MCP_JSON_NODES. */
extern const mcp_json_limits_t mcp_json_default_limits;

/* What is wrong with a text, and where (a byte offset). `what` is static. */
typedef struct {
  size_t offset;
  const char *what;
} mcp_json_fault_t;

#define MCP_JSON_INLINE_TOKENS 48

/* A parsed text. It borrows the text and owns the rest. */
typedef struct {
  mcp_slice_t text;
  mcp_buf_t undone;   /* the string of token `undone_at`, as it reads; or empty:
                         see mcp_json_limits_t.undo */
  uint32_t undone_at; /* 0: none */
  mcp_json_token_t *tokens; /* `few`, or a block of our own */
  uint32_t count;
  uint32_t cap;
  uint32_t known; /* the token of limits.known, or 0 */
  mcp_json_token_t few[MCP_JSON_INLINE_TOKENS];
} mcp_json_doc_t;

/* Makes `doc` an empty document; cheap (does not clear `few`). */
void mcp_json_doc_init(mcp_json_doc_t *doc);

/* Frees what mcp_json_parse allocated; `doc` is empty and usable again. */
void mcp_json_doc_deinit(mcp_json_doc_t *doc);

/* Checks `text` and fills `doc` with its tokens; token 0 is the value. `text`
 * must outlive the use of `doc`. `fault` may be NULL; of a string or a key it
 * names the quote. After a failure `doc` holds no token and may be used again.
 * 0, or MCP_EJSON (grammar; also an empty text), MCP_EUTF8 (bad UTF-8, a BOM,
 * a lone surrogate), MCP_EDUPLICATE, MCP_EDEPTH, MCP_ENODES, MCP_ENUMBER
 * (no finite double, or too long), MCP_ETOOBIG (text or key), MCP_ENOMEM. */
int mcp_json_parse(mcp_json_doc_t *doc, mcp_slice_t text,
                   const mcp_json_limits_t *limits, mcp_json_fault_t *fault);

/* The text of token `at` as it stands (a string's without its quotes). */
static inline mcp_slice_t mcp_json_raw(const mcp_json_doc_t *doc, uint32_t at) {
  const mcp_json_token_t *t = &doc->tokens[at];
  return (mcp_slice_t){doc->text.data + t->start, t->length};
}

/* Index of the value of member `key` (plain UTF-8) of the object at `object`; 0
 * if there is no such member, or if that token is not an object. */
uint32_t mcp_json_member(const mcp_json_doc_t *doc, uint32_t object,
                         mcp_slice_t key);

/* Does the string text `raw` read `text` once its escapes are undone? */
bool mcp_json_reads(mcp_slice_t raw, mcp_slice_t text);

/* Does the string at `at` read so? False for any other kind. */
static inline bool mcp_json_string_is(const mcp_json_doc_t *doc, uint32_t at,
                                      mcp_slice_t text) {
  const mcp_json_token_t *t = &doc->tokens[at];
  mcp_slice_t raw = mcp_json_raw(doc, at);
  if (t->kind != MCP_JSON_STRING) return false;
  return t->escaped ? mcp_json_reads(raw, text) : mcp_slice_equal(raw, text);
}

/* Undoes the escapes of string text `raw` (checked before) into `to`, which
 * has room for raw.len bytes; returns how many were written. */
size_t mcp_json_unescape(mcp_slice_t raw, char *to);

/* The int64 of an MCP_JSON_INTEGER token; the double of either number. */
int64_t mcp_json_integer(const mcp_json_doc_t *doc, uint32_t at);
double mcp_json_double(const mcp_json_doc_t *doc, uint32_t at);

/* Appends `s` as a JSON string with its quotes. Escapes only what must be
 * (quote, backslash, controls), so no raw newline ever leaves.
 * 0, MCP_EUTF8 if `s` is not UTF-8 (nothing is appended), or MCP_ENOMEM. */
int mcp_json_write_string(mcp_buf_t *out, mcp_slice_t s);

/* Appends the key of a member and its colon, after a comma unless it is the
 * first. As mcp_json_write_string. */
int mcp_json_write_key(mcp_buf_t *out, mcp_slice_t key, bool first);

/* Appends a number. A double goes out with the fewest digits that read back
 * the same, and always reads back as a double (1.0 is "1.0").
 * 0, MCP_ENUMBER for NaN and infinities, or MCP_ENOMEM. */
int mcp_json_write_integer(mcp_buf_t *out, int64_t n);
int mcp_json_write_double(mcp_buf_t *out, double n);

#endif
