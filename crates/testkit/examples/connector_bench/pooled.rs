//! The same call through Patchbay's pool of connections.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use api::messages::ResultContent;
use domain::clock::ManualClock;
use egress::{Egress, EgressConfig};
use mcpclient::{CallOutcome, ClientConfig, McpClients, Target, ToolCall, Transport};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{echo::TOOL, era::Era};

/// To connect and list.
const PATIENCE: Duration = Duration::from_secs(10);

/// A pool as `patchbay serve` has one.
#[derive(Clone)]
pub(crate) struct Pool(McpClients);

/// One user of one server, and the definition of the tool that a model would have seen.
#[derive(Clone)]
pub(crate) struct User {
    target: Target,
    seen: Option<String>,
}

impl Pool {
    pub(crate) fn new() -> Result<Self> {
        let egress = EgressConfig {
            allow: "127.0.0.1:*".parse().context("the destination of the benchmark cannot be allowed")?,
            own_listeners: Vec::new(),
            access_url: None,
            user_agent: "patchbay/bench".to_owned(),
        };
        let config = ClientConfig {
            version: "bench".to_owned(),
            clock: Arc::new(ManualClock::default()),
            observer: None,
        };
        Ok(Self(McpClients::new(Egress::new(egress)?, config)))
    }

    /// One call; the answer must be what was said.
    pub(crate) async fn call(&self, user: &User, text: &str) -> Result<()> {
        let call = ToolCall {
            tool: TOOL.to_owned(),
            arguments: json!({ "text": text }).as_object().cloned().unwrap_or_default(),
            tool_call_id: "call".to_owned(),
            definition_hash: user.seen.clone(),
            traceparent: None,
            cancel: CancellationToken::new(),
            progress: None,
            asker: None,
        };
        let outcome = self.0.call(&user.target, call).await;
        if let CallOutcome::Done { content, is_error: false, .. } = &outcome
            && matches!(content.as_slice(), [ResultContent::Text { text: answered }] if answered == text)
        {
            return Ok(());
        }
        bail!("the pool got {outcome:?}");
    }

    /// Connects and lists, as a turn does before its calls.
    pub(crate) async fn list(&self, user: User) -> Result<User> {
        let catalogue = self.0.catalogue(&user.target, Instant::now() + PATIENCE).await?;
        let tool = catalogue.tool(TOOL).context("the echo server lists no echo")?;
        Ok(User { seen: Some(tool.hash.clone()), ..user })
    }
}

impl User {
    /// Somebody with that number. Nobody knows what the server speaks: the pool finds it out.
    pub(crate) fn new(origin: &str, era: Era, number: u128) -> Result<Self> {
        let target = Target {
            server_id: Uuid::from_u128(era as u128 + 1),
            user_id: Uuid::from_u128(number),
            slug: "echo".to_owned(),
            url: format!("{origin}{}", era.path()).parse()?,
            transport: Transport::StreamableHttp,
            wire: None,
            headers: Vec::new(),
            forwarding: None,
            credential_version: 1,
        };
        Ok(Self { target, seen: None })
    }
}
