-- SPDX-License-Identifier: MIT
-- servers.lua: the servers whose tools bench/search/run.lua searches. They list their tools without
-- an account; where one is asked for at the start, a made-up one does.
return {
  { name = "filesystem", package = "@modelcontextprotocol/server-filesystem",
    version = "2026.8.31", script = "dist/index.js", args = { "/tmp" } },
  { name = "memory", package = "@modelcontextprotocol/server-memory", version = "2026.8.31",
    script = "dist/index.js" },
  { name = "github", package = "@modelcontextprotocol/server-github", version = "2025.4.8",
    script = "dist/index.js" },
  { name = "gitlab", package = "@modelcontextprotocol/server-gitlab", version = "2025.4.25",
    script = "dist/index.js", env = { GITLAB_PERSONAL_ACCESS_TOKEN = "none" } },
  { name = "slack", package = "@modelcontextprotocol/server-slack", version = "2025.4.25",
    script = "dist/index.js", env = { SLACK_BOT_TOKEN = "none", SLACK_TEAM_ID = "none" } },
  { name = "google-maps", package = "@modelcontextprotocol/server-google-maps",
    version = "0.6.2", script = "dist/index.js", env = { GOOGLE_MAPS_API_KEY = "none" } },
  { name = "playwright", package = "@playwright/mcp", version = "0.0.83", script = "cli.js",
    args = { "--headless" } },
  { name = "chrome-devtools", package = "chrome-devtools-mcp", version = "1.11.0",
    script = "build/src/bin/chrome-devtools-mcp.js",
    args = { "--headless", "--no-usage-statistics" } },
  { name = "notion", package = "@notionhq/notion-mcp-server", version = "2.5.2",
    script = "bin/cli.mjs", env = { NOTION_TOKEN = "ntn_none" } },
  { name = "mongodb", package = "mongodb-mcp-server", version = "3.0.4",
    script = "dist/esm/index.js",
    env = { MDB_MCP_CONNECTION_STRING = "mongodb://127.0.0.1:1/none", DO_NOT_TRACK = "1" } },
  { name = "kubernetes", package = "mcp-server-kubernetes", version = "4.1.7",
    script = "dist/index.js" },
}
