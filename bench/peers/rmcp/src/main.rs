// SPDX-License-Identifier: MIT
// The Rust SDK (rmcp) with the tool `echo`:  peer stdio | http PORT | session PORT
// One thread, as the server gets one core; the router is made once, not for each call; no log;
// JSON answers, which the SDK gives outside of sessions; in sessions event streams without the
// event that primes them; TCP_NODELAY.

use axum::serve::ListenerExt;
use rmcp::{
    ErrorData, ServerHandler, ServiceExt,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::{Implementation, ServerCapabilities, ServerConfig, SubscriptionFilter},
    schemars,
    service::SubscriptionContext,
    tool, tool_handler, tool_router,
    transport::{
        stdio,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
        },
    },
};
use std::{error::Error, sync::LazyLock};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct EchoArguments {
    text: String,
}

#[derive(Clone)]
struct Echo;

static ROUTER: LazyLock<ToolRouter<Echo>> = LazyLock::new(Echo::tool_router);

#[tool_router]
impl Echo {
    #[tool(description = "Give back the text")]
    fn echo(&self, Parameters(EchoArguments { text }): Parameters<EchoArguments>) -> String {
        text
    }
}

#[tool_handler(router = ROUTER)]
impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        let tools = ServerCapabilities::builder().enable_tools().enable_tool_list_changed();
        ServerConfig::new(tools.build()).with_server_info(Implementation::new("bench", "1.0.0"))
    }

    fn accepted_subscription_filter(&self, asked: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(asked.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        context.cancelled().await;
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let mode = words.get(1).map(String::as_str).unwrap_or("stdio");
    if mode == "stdio" {
        Echo.serve(stdio()).await?.waiting().await?;
        return Ok(());
    }
    let sessions = mode == "session";
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(sessions)
        .with_json_response(!sessions)
        .with_sse_retry(None);
    let mut manager = LocalSessionManager::default();
    manager.session_config.sse_retry = None;
    let service = StreamableHttpService::new(|| Ok(Echo), manager.into(), config);
    let port: u16 = words.get(2).ok_or("a port is expected")?.parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await?
        .tap_io(|socket| {
            let _ = socket.set_nodelay(true);
        });
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await?;
    Ok(())
}
