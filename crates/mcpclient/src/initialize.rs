//! The initialize-based revisions, 2025-03-26 to 2025-11-25 (protocol.md 11): opening and closing a connection.

use std::sync::Arc;

use egress::Egress;
use rmcp::{
    ClientHandler,
    model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion},
    serve_client,
    service::{ClientInitializeError, Peer, RoleClient, RunningService},
    transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig},
};
use tokio::sync::Mutex;

use crate::{
    error::{McpError, McpErrorKind, RpcError},
    limits::{CONTROL, DESCRIPTION, TITLE, Timeouts},
    target::Target,
    wire::Channel,
};
use domain::text::{cut_bytes, quote};

/// Revisions spoken here, newest first. The newest is offered.
const REVISIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_03_26];
/// Our name in the handshake (behaviour 13).
const CLIENT_NAME: &str = "patchbay";

/// What a server says about itself. Untrusted: shown, never acted upon (protocol.md E6, T14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerIdentity {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) protocol_version: String,
    pub(crate) instructions: Option<String>,
    /// Only what was negotiated is used (protocol.md L2).
    pub(crate) offers_tools: bool,
}

/// An open connection with its session. Dropping it ends the session in the background.
pub(crate) struct Session {
    pub(crate) peer: Peer<RoleClient>,
    pub(crate) channel: Channel,
    pub(crate) identity: ServerIdentity,
    running: Mutex<Option<RunningService<RoleClient, Handler>>>,
}

/// Connects and shakes hands. Dropping the future leaves nothing behind.
pub(crate) async fn open(
    egress: Egress,
    target: &Target,
    client_version: &str,
    timeouts: Timeouts,
) -> Result<Session, McpError> {
    let channel = Channel::new(egress, target, timeouts)?;
    let mut given_up = GiveUp(Some(channel.clone()));
    // The address never reaches rmcp: the channel has it, and rmcp would put it into its logs.
    let config = StreamableHttpClientTransportConfig::with_uri("mcp").reinit_on_expired_session(false);
    let transport = StreamableHttpClientTransport::with_client(channel.clone(), config);
    let handler = Handler { version: Arc::from(client_version) };
    let running = serve_client(handler, transport).await.map_err(|error| of_handshake(&channel, &error))?;
    running.peer().set_response_cache_config(rmcp::ClientCacheConfig::disabled()).await;
    let identity = identity_of(&channel, running.peer())?;
    given_up.0 = None;
    Ok(Session { peer: running.peer().clone(), channel, identity, running: Mutex::new(Some(running)) })
}

impl Session {
    /// Ends the session and waits for it, 5 s at most.
    pub(crate) async fn close(&self) {
        let running = self.running.lock().await.take();
        if let Some(mut running) = running {
            // rmcp ends the session by DELETE through the channel.
            let _ = running.close_with_timeout(CONTROL).await;
        }
    }

    /// Whether rmcp's side of the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
    }
}

/// Cleans up after a handshake that was given up half-way.
struct GiveUp(Option<Channel>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        if let Some(channel) = self.0.take() {
            channel.abandon();
        }
    }
}

fn of_handshake(channel: &Channel, error: &ClientInitializeError) -> McpError {
    if let Some(failure) = channel.take_handshake_failure() {
        return failure;
    }
    let host = channel.host();
    match error {
        ClientInitializeError::JsonRpcError(data) => {
            let message = channel.secrets().clean(&data.message).into_owned();
            RpcError { code: i64::from(data.code.0), message, fault: false }.into_error(host)
        }
        // Its Display repeats the server's words: a fixed text instead.
        _ => McpError::protocol(format!(
            "{host} answered the MCP handshake with something else than its result"
        )),
    }
}

fn identity_of(channel: &Channel, peer: &Peer<RoleClient>) -> Result<ServerIdentity, McpError> {
    let (host, secrets) = (channel.host(), channel.secrets());
    let info = peer
        .peer_info()
        .ok_or_else(|| McpError::protocol(format!("{host} ended the MCP handshake without a result")))?;
    if !REVISIONS.contains(&info.protocol_version) {
        let theirs = quote(&secrets.clean(info.protocol_version.as_str()), 32);
        return Err(McpError::quoting(
            McpErrorKind::Protocol,
            format!(
                "{host} speaks revision \"{theirs}\" of MCP; Patchbay speaks {}, {} and {} here",
                REVISIONS[2], REVISIONS[1], REVISIONS[0]
            ),
        ));
    }
    let (name, version) = match &info.server_info {
        Some(server) => {
            (quote(&secrets.clean(&server.name), TITLE), quote(&secrets.clean(&server.version), TITLE))
        }
        None => Default::default(),
    };
    Ok(ServerIdentity {
        name,
        version,
        protocol_version: info.protocol_version.to_string(),
        instructions: info
            .instructions
            .as_deref()
            .map(|text| cut_bytes(&secrets.clean(text), DESCRIPTION).replace('\0', "\u{fffd}")),
        offers_tools: info.capabilities.tools.is_some(),
    })
}

/// rmcp's view of us: who we are, and that we offer nothing. What a server asks is answered below rmcp.
#[derive(Debug, Clone)]
struct Handler {
    version: Arc<str>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new(CLIENT_NAME, &*self.version))
            .with_protocol_version(REVISIONS[0].clone())
    }
}
