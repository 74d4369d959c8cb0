//! The stateless revisions, 2026-07-28 and later (protocol.md 3): every request says who asks and in which revision, and
//! its headers repeat what intermediaries look at.

use egress::Limits;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    error::{McpError, McpErrorKind, RpcError},
    exchange::Failure,
    header_value,
    protocol::{CLIENT_NAME, Revision, code, header, meta, method},
    session::{
        Link, Session, detect::Trail, identity, initialize, is_wrong_kind, message, meta_of, speaks_other,
    },
    wire::{Answer, Ask, Channel, Post, Told, refused, unsure},
};

/// What goes with every request.
#[derive(Clone)]
pub(crate) struct Client {
    revision: Revision,
    version: String,
}

/// What the first question found.
pub(super) enum Found {
    Stateless(Session),
    /// The server is of another era, perhaps (protocol.md 2, step 6).
    NotStateless,
}

/// Asks who is there (protocol.md 2, steps 1 to 6).
///
/// # Errors
/// Trouble that says nothing about the era.
pub(super) async fn open(
    channel: &Channel,
    client_version: &str,
    trail: &mut Trail,
) -> Result<Found, McpError> {
    let mut client = Client { revision: Revision::STATELESS[0], version: client_version.to_owned() };
    let mut corrected = false;
    loop {
        channel.speak(Some(client.revision));
        let ask = initialize::asking(channel);
        let told = client.post(channel, method::DISCOVER, Map::new(), HeaderMap::new(), &ask).await;
        let told = told.map_err(|failure| failure.error)?;
        trail.note(method::DISCOVER, &told);
        let error = match told.answer {
            Ok(Ok(result)) => {
                let Some(theirs) = result.get("supportedVersions").and_then(Value::as_array) else {
                    return Ok(Found::NotStateless);
                };
                return match newest_common(theirs) {
                    Some(revision) => {
                        client.revision = revision;
                        Ok(Found::Stateless(client.session(channel, &result)))
                    }
                    // It names initialize-based revisions only: those have a handshake.
                    None if speaks_initialized(theirs) => Ok(Found::NotStateless),
                    None => Err(none_in_common(channel, theirs)),
                };
            }
            Ok(Err(error)) => error,
            Err(_) if is_wrong_kind(told.status) => return Ok(Found::NotStateless),
            Err(failure) => return Err(failure.error),
        };
        match error.code {
            code::UNSUPPORTED_VERSION => {
                let supported = error.data.as_ref().and_then(|data| data.get("supported"));
                let theirs = supported.and_then(Value::as_array).cloned().unwrap_or_default();
                match newest_common(&theirs) {
                    Some(revision) if !corrected => {
                        client.revision = revision;
                        corrected = true;
                    }
                    _ if speaks_initialized(&theirs) => return Ok(Found::NotStateless),
                    _ => return Err(none_in_common(channel, &theirs)),
                }
            }
            code::HEADER_MISMATCH => return Err(headers_altered(channel.host())),
            code::MISSING_CAPABILITY => return Err(missing_capability(channel, &error)),
            // Stateless without `server/discover`: nothing is known of it but that.
            code::METHOD_NOT_FOUND if told.status == StatusCode::NOT_FOUND => {
                let offering = json!({"capabilities": {"tools": {}}});
                return Ok(Found::Stateless(client.session(channel, &offering)));
            }
            _ if told.status.is_server_error() || told.status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(error.into_error(channel.host()));
            }
            _ => return Ok(Found::NotStateless),
        }
    }
}

impl Client {
    fn session(self, channel: &Channel, result: &Value) -> Session {
        channel.speak(Some(self.revision));
        let info =
            result.get("_meta").and_then(|meta| meta.get(meta::SERVER_INFO)).or(result.get("serverInfo"));
        let identity = identity(result, info, self.revision, channel.secrets());
        Session { channel: channel.clone(), identity, link: Link::Stateless(self) }
    }

    pub(super) async fn ask(
        &self,
        channel: &Channel,
        method: &'static str,
        params: Map<String, Value>,
        headers: HeaderMap,
        ask: &Ask,
    ) -> Result<Answer, Failure> {
        let Told { status, answer, .. } = self.post(channel, method, params, headers, ask).await?;
        let changed = || era_changed(channel.host());
        match answer {
            // Refused as no request of this server's era (protocol.md E5).
            Ok(Err(error)) if status.is_client_error() && error.code == code::UNSUPPORTED_VERSION => {
                Err(refused(changed()))
            }
            Ok(Err(error)) if status == StatusCode::BAD_REQUEST && error.code == -32600 => {
                Err(refused(changed()))
            }
            // The older SDKs say so in their own range of codes. Tools use that range too.
            Ok(Err(error)) if is_wrong_kind(status) && (-32019..=-32000).contains(&error.code) => {
                Err(unsure(changed()))
            }
            Err(failure) if failure.surely_not_executed && is_of_older(status) => Err(refused(changed())),
            answer => answer,
        }
    }

    async fn post(
        &self,
        channel: &Channel,
        method: &'static str,
        params: Map<String, Value>,
        headers: HeaderMap,
        ask: &Ask,
    ) -> Result<Told, Failure> {
        let mut post = self.posting(&ask.id, method, params, channel.limits_of(&ask.exchange));
        // Of what goes in both, the protocol's own stays.
        let own = std::mem::replace(&mut post.headers, headers);
        post.headers.extend(own);
        post.stamp.clone_from(&ask.stamp);
        channel.ask(ask, post).await
    }

    /// One request with what the revision wants in body and headers.
    pub(super) fn posting(
        &self,
        id: &Value,
        method: &'static str,
        mut params: Map<String, Value>,
        limits: Limits,
    ) -> Post {
        let mut headers = HeaderMap::new();
        headers.insert(header::METHOD, HeaderValue::from_static(method));
        // Of what Patchbay sends, only calls have a name (protocol.md H3).
        let name = params.get("name").filter(|_| method == method::TOOLS_CALL).and_then(Value::as_str);
        if let Some(value) = name.and_then(|name| HeaderValue::from_str(&header_value::encode(name)).ok()) {
            headers.insert(header::NAME, value);
        }
        let meta = meta_of(&mut params);
        meta.insert(meta::PROTOCOL_VERSION.into(), self.revision.as_str().into());
        meta.insert(meta::CLIENT_INFO.into(), json!({"name": CLIENT_NAME, "version": self.version}));
        // Who can be asked something has said so already.
        meta.entry(meta::CLIENT_CAPABILITIES).or_insert_with(|| json!({}));
        Post { body: message(id, method, params).into(), headers, limits, stamp: None }
    }
}

/// Where servers of the older eras send a request they do not take.
fn is_of_older(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
    )
}

fn newest_common(theirs: &[Value]) -> Option<Revision> {
    Revision::STATELESS.iter().copied().find(|ours| names(theirs, *ours))
}

fn speaks_initialized(theirs: &[Value]) -> bool {
    Revision::INITIALIZED.iter().any(|ours| names(theirs, *ours))
}

fn names(theirs: &[Value], ours: Revision) -> bool {
    theirs.iter().any(|theirs| theirs.as_str() == Some(ours.as_str()))
}

fn none_in_common(channel: &Channel, theirs: &[Value]) -> McpError {
    let theirs: Vec<&str> = theirs.iter().filter_map(Value::as_str).take(8).collect();
    speaks_other(channel.host(), &theirs.join(", "), channel.secrets())
}

pub(crate) fn headers_altered(host: &str) -> McpError {
    McpError::protocol(format!(
        "a proxy between Patchbay and {host} rewrites headers: the server refuses requests whose headers differ from \
         their body. Let Mcp-* and MCP-Protocol-Version pass unchanged"
    ))
}

fn missing_capability(channel: &Channel, error: &RpcError) -> McpError {
    let wanted = match error.data.as_ref().and_then(|data| data.get("requiredCapabilities")) {
        Some(Value::Object(map)) => map.keys().cloned().collect::<Vec<_>>().join(", "),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => "one it does not name".to_owned(),
    };
    let wanted = domain::text::quote(&channel.secrets().clean(&wanted), 200);
    McpError::quoting(
        McpErrorKind::Protocol,
        format!("{} needs capabilities that Patchbay does not offer: \"{wanted}\"", channel.host()),
    )
}

pub(super) fn era_changed(host: &str) -> McpError {
    McpError::new(
        McpErrorKind::EraChanged,
        format!("{host} no longer speaks the revision of MCP that it was found to speak"),
    )
}
