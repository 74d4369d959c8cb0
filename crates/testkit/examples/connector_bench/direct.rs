//! What a call costs without Patchbay: rmcp's own client.

use anyhow::{Result, ensure};
use rmcp::{
    RoleClient,
    model::CallToolRequestParams,
    service::{RunningService, serve_client_with_lifecycle},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::json;

use crate::{echo::TOOL, era::Era};

/// An open connection.
pub(crate) struct Direct(RunningService<RoleClient, ()>);

impl Direct {
    #[expect(clippy::disallowed_methods, reason = "what is measured is a client that is not ours")]
    pub(crate) async fn open(url: String, era: Era) -> Result<Self> {
        // Its default client opens a TCP connection for every request; beside that our pool would look better than it is.
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(http, config);
        Ok(Self(serve_client_with_lifecycle((), transport, era.lifecycle()).await?))
    }

    /// One call; the answer must be what was said.
    pub(crate) async fn call(&self, text: &str) -> Result<()> {
        let mut params = CallToolRequestParams::new(TOOL);
        params.arguments = json!({ "text": text }).as_object().cloned();
        let result = self.0.call_tool(params).await?;
        let answered = result.content.first().and_then(|content| content.as_text());
        ensure!(answered.is_some_and(|answered| answered.text == text), "rmcp's client got {result:?}");
        Ok(())
    }
}
