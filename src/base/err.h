/* SPDX-License-Identifier: MIT
 * err.h: the one list of error codes. A function returns 0 or a negative
 * code: libuv's pass unchanged (they are above -5000), ours begin at -20000.
 * llhttp's, wslay's and OpenSSL's are translated where they arise. */
#ifndef MCP_BASE_ERR_H
#define MCP_BASE_ERR_H

/* name, number, text. The number is for the eye in a debugger; code and log
 * lines use the name. */
#define MCP_ERR_LIST(X)                                                        \
  X(ENOMEM, -20000, "not enough memory")                                       \
  X(ETOOBIG, -20001, "larger than its limit")                                  \
  X(EDEPTH, -20002, "nested deeper than its limit")                            \
  X(ENODES, -20003, "too many values")                                         \
  X(EUTF8, -20004, "not valid UTF-8")                                          \
  X(EJSON, -20005, "not valid JSON")                                           \
  X(EDUPLICATE, -20006, "duplicate key in an object")                          \
  X(ENUMBER, -20007, "number not representable in JSON")                       \
  X(ERPC, -20010, "not a JSON-RPC 2.0 message")                                \
  X(EHTTP, -20020, "not a valid HTTP/1.1 message")                             \
  X(EHEADERS, -20021, "header block larger than its limit")                    \
  X(ETARGET, -20022, "request target longer than its limit")                   \
  X(EVERSION, -20023, "HTTP version not supported")                            \
  X(EFRAME, -20030, "not a valid WebSocket frame")                             \
  X(ESSE, -20031, "not a valid event stream")                                  \
  X(ECLOSED, -20040, "closed")                                                 \
  X(EGONE, -20041, "the connection was lost")                                  \
  X(ECANCELED, -20042, "cancelled")                                            \
  X(ETIMEDOUT, -20043, "timed out")                                            \
  X(EBUSY, -20044, "too many at once")                                         \
  X(ENOTPUBLIC, -20045, "the address is not public")                           \
  X(ENOTLOCAL, -20046, "not an address of this machine")                       \
  X(ENESTED, -20047, "the event loop is already running")                      \
  X(ENOSTREAM, -20048, "the client does not accept event streams")             \
  X(ECODING, -20049, "the content coding cannot be decoded")                   \
  X(EPROXY, -20052, "the proxy refused the connection")                        \
  X(EBUDGET, -20051, "memory limit of the process exceeded")                   \
  X(ETLS, -20090, "TLS error")                                                 \
  X(ETLSEXPIRED, -20091, "the certificate has expired")                        \
  X(ETLSEARLY, -20092, "the certificate is not yet valid")                     \
  X(ETLSHOST, -20093, "the certificate is for another host name")              \
  X(ETLSISSUER, -20094, "the certificate is from an unknown issuer")           \
  X(ETLSCERT, -20095, "the certificate is not trusted")                        \
  X(ETLSMISSING, -20096, "a client certificate is required")                   \
  X(ETLSVERSION, -20097, "no TLS version in common: expected 1.2 or 1.3")      \
  X(ETLSPLAIN, -20098, "the peer does not speak TLS")                          \
  X(ETLSREFUSED, -20099, "the peer aborted the TLS connection")                \
  X(ETLSCUT, -20100, "the connection closed without a TLS close_notify")       \
  X(EENCODE, -20050, "value not representable in JSON")                        \
  X(EPATTERN, -20070, "not a valid pattern")                                   \
  X(EOUTSIDE, -20060, "leads outside the folder")                              \
  X(EFILEMODE, -20061, "expected a file that only its owner can read")         \
  X(ECHANGED, -20062, "the file has changed")                                  \
  X(EFILE, -20063, "a file too large to be part of this text")

#define MCP_ERR_ENUM(name, number, text) MCP_##name = number,
enum { MCP_ERR_LIST(MCP_ERR_ENUM) MCP_ERR_END = 0 };
#undef MCP_ERR_ENUM

/* The short upper-case name of a code ("ETIMEDOUT"), or "EUNKNOWN"; static
 * storage, whatever the code is. */
const char *mcp_err_name(int code);

/* One line of text for a code, or "unknown error"; static storage, whatever
 * the code is. */
const char *mcp_err_text(int code);

#endif
