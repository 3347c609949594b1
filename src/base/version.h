/* SPDX-License-Identifier: MIT
 * version.h: the version this source tree builds, named once. */
#ifndef MCP_BASE_VERSION_H
#define MCP_BASE_VERSION_H

#define MCP_VERSION "0.1.0"

#endif
