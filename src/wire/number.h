/* SPDX-License-Identifier: MIT
 * number.h: JSON's numbers (RFC 8259 6) and doubles. No function here depends
 * on the decimal point of the C locale: the text passed to strtod has no point,
 * and only the digits of printf's output are used. */
#ifndef MCP_WIRE_NUMBER_H
#define MCP_WIRE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The longest number that is read. */
#define MCP_NUMBER_LENGTH 128

/* Room that any number written here fits into. */
#define MCP_NUMBER_ROOM 32

/* The double nearest to `text`, a number of JSON's grammar of at most
 * MCP_NUMBER_LENGTH bytes; infinite if there is no finite one. */
double mcp_number_read(mcp_slice_t text);

/* Writes the decimal digits of `n` to `to`; returns how many bytes. */
size_t mcp_number_write_integer(char *to, int64_t n);

/* Writes a finite `n` with the fewest digits that read back the same, and
 * always with a point or an exponent; returns how many bytes. */
size_t mcp_number_write_double(char *to, double n);

#endif
