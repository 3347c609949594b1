// SPDX-License-Identifier: MIT
//
// mcp-go with the tool `echo`:  peer stdio | http PORT | session PORT
// Defaults, which answer in plain JSON where nothing has to be streamed; the tool checks its
// argument itself, as the schema is checked only on request. The runtime takes as many threads as
// it has cores, which is one here.
package main

import (
	"context"
	"log"
	"os"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func echo(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	text, err := request.RequireString("text")
	if err != nil {
		return mcp.NewToolResultError(err.Error()), nil
	}
	return mcp.NewToolResultText(text), nil
}

func main() {
	app := server.NewMCPServer("bench", "1.0.0", server.WithToolCapabilities(true))
	app.AddTool(mcp.NewTool("echo", mcp.WithDescription("Give back the text"),
		mcp.WithString("text", mcp.Required())), echo)
	if len(os.Args) < 3 {
		log.Fatal(server.ServeStdio(app))
	}
	transport := server.WithStateLess(true)
	if os.Args[1] == "session" {
		transport = server.WithStateful(true)
	}
	log.Fatal(server.NewStreamableHTTPServer(app, transport).Start("127.0.0.1:" + os.Args[2]))
}
