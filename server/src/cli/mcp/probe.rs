//! `patchbay mcp probe URL`: what a server says to this build, without registering it. For whoever has a shell here: it
//! dials what the operator allows, so the guarded client and its rules are those of `serve`.

use crate::{config::Config, serve::announce, system::SystemClock};
use anyhow::{Context as _, bail};
use api::{Uuid, messages::ResultContent};
use clap::{Args, ValueEnum};
use domain::{
    provider_schema::lint,
    text::{neutralise, quote},
};
use egress::{Egress, EgressConfig};
use http::HeaderName;
use mcpclient::{CallOutcome, CheckResult, ClientConfig, McpClients, Target, ToolCall, Transport, Wire};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Loopback, in both families, every port.
const LOOPBACK: &str = "127.0.0.0/8:*, [::1]:*";

#[derive(Debug, Args)]
pub(in crate::cli) struct ProbeArgs {
    /// The MCP endpoint.
    url: Url,
    /// As in a server's configuration.
    #[arg(long, value_enum, default_value_t = Spoken::StreamableHttp)]
    transport: Spoken,
    /// A header for every request, as `Name: value`. May be given several times. The value is seen by others on this machine
    /// while the command runs.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Call this tool after listing.
    #[arg(long, value_name = "TOOL")]
    call: Option<String>,
    /// The tool's arguments, a JSON object.
    #[arg(long, value_name = "JSON", requires = "call", default_value = "{}")]
    args: String,
    /// Print JSON: one object with `server`, `call` and, where it failed, `error`.
    #[arg(long)]
    json: bool,
    /// Also dial addresses of this machine.
    #[arg(long)]
    allow_loopback: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Spoken {
    #[value(name = "streamable_http")]
    StreamableHttp,
    #[value(name = "sse")]
    Sse,
}

/// What was found out by the time the command ended.
#[derive(Default)]
struct Probed {
    server: Option<CheckResult>,
    call: Option<CallOutcome>,
}

/// Runs the command to its end. With `--json` there is one object on standard output, however it ends: what was found out, and under
/// `error` why it failed.
///
/// # Errors
/// One sentence for the operator, also when the server cannot be used or the call did not end well.
pub(super) async fn run(args: ProbeArgs, config: &Config) -> anyhow::Result<()> {
    let mut probed = Probed::default();
    let ended = probe(&args, config, &mut probed).await;
    if args.json {
        let error = ended.as_ref().err().map(|error| format!("{error:#}"));
        let whole = json!({
            "server": probed.server.as_ref().map(found_json), "call": probed.call.as_ref().map(outcome_json), "error": error,
        });
        announce(&serde_json::to_string_pretty(&whole).context("the answer cannot be written as JSON")?);
    }
    ended
}

async fn probe(args: &ProbeArgs, config: &Config, probed: &mut Probed) -> anyhow::Result<()> {
    let arguments = match serde_json::from_str(&args.args) {
        Ok(Value::Object(arguments)) => arguments,
        Ok(_) => bail!("--args must be a JSON object, such as {{\"query\": \"x\"}}"),
        Err(error) => bail!("--args is no JSON: {error}"),
    };
    let mut allow = config.egress_allow.clone();
    if args.allow_loopback {
        allow = allow.with(&LOOPBACK.parse().context("the loopback addresses cannot be allowed")?);
    }
    let egress = Egress::new(EgressConfig {
        allow,
        own_listeners: Vec::new(),
        access_url: None,
        user_agent: format!("patchbay/{}", env!("CARGO_PKG_VERSION")),
    })?;
    egress.check_url(&args.url).map_err(|error| anyhow::anyhow!(error.public_message()))?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let clients =
        McpClients::new(egress, ClientConfig { version, clock: Arc::new(SystemClock), observer: None });
    let target = target(args)?;
    let found = clients.check(&target).await.map_err(|error| anyhow::anyhow!(error.public_message()))?;
    if !args.json {
        lines_of(&found).iter().for_each(|line| announce(line));
    }
    probed.server = Some(found);
    if let Some(tool) = &args.call {
        probed.call = Some(clients.call(&target, call(tool, arguments)).await);
    }
    clients.shutdown().await;
    if let Some(outcome) = probed.call.as_ref().filter(|_| !args.json) {
        lines_of_call(outcome).iter().for_each(|line| announce(line));
    }
    match &probed.call {
        None | Some(CallOutcome::Done { is_error: false, .. }) => Ok(()),
        Some(CallOutcome::Done { .. }) => bail!("the tool reports a failure"),
        Some(CallOutcome::NotExecuted { message, .. } | CallOutcome::Unknown { message, .. }) => {
            bail!(message.clone())
        }
        Some(CallOutcome::Cancelled { .. }) => bail!("the call was cancelled"),
    }
}

fn target(args: &ProbeArgs) -> anyhow::Result<Target> {
    let headers = args.headers.iter().map(|line| {
        let (name, value) = line.split_once(':').with_context(|| {
            format!("--header {} has no colon; write it as \"Name: value\"", quote(line, 40))
        })?;
        let name = HeaderName::try_from(name.trim()).context("--header begins with no valid header name")?;
        Ok((name, SecretString::from(value.trim())))
    });
    Ok(Target {
        server_id: Uuid::nil(),
        user_id: Uuid::nil(),
        slug: "probe".to_owned(),
        url: args.url.clone(),
        transport: match args.transport {
            Spoken::StreamableHttp => Transport::StreamableHttp,
            Spoken::Sse => Transport::Sse,
        },
        wire: None,
        headers: headers.collect::<anyhow::Result<_>>()?,
        forwarding: None,
        credential_version: 0,
    })
}

fn call(tool: &str, arguments: Map<String, Value>) -> ToolCall {
    ToolCall {
        tool: tool.to_owned(),
        arguments,
        tool_call_id: "probe".to_owned(),
        definition_hash: None,
        traceparent: None,
        cancel: CancellationToken::new(),
        progress: None,
        asker: None,
    }
}

fn era(wire: Wire) -> &'static str {
    match wire {
        Wire::Stateless => "stateless",
        Wire::Streamable => "with a handshake",
        Wire::Sse => "over the old HTTP+SSE transport",
    }
}

fn lines_of(found: &CheckResult) -> Vec<String> {
    let catalogue = &found.catalogue;
    let mut lines = vec![
        format!(
            "Speaks {} ({}) · {} {}",
            catalogue.revision,
            era(found.wire),
            catalogue.server_name,
            catalogue.server_version
        ),
        format!("Connected in {} ms, tools listed in {} ms", found.connect_ms, found.list_ms),
    ];
    lines.extend(found.trail.0.iter().map(|step| format!("  {step}")));
    lines.push(format!("{} tools:", catalogue.tools.len()));
    for tool in &catalogue.tools {
        let title = tool.title.as_deref().unwrap_or_default();
        lines.push(format!("  {}  {title}", quote(&tool.name, 128)).trim_end().to_owned());
        for finding in lint(&tool.name, &tool.description, &tool.input_schema) {
            lines.push(format!("    {}", neutralise(&finding.text)));
        }
    }
    for problem in &catalogue.problems {
        lines.push(format!("  left out: {} {}", problem.name, problem.detail));
    }
    if let Some(text) = &catalogue.instructions {
        lines.push(format!("Instructions: {}", neutralise(text)));
    }
    lines
}

fn found_json(found: &CheckResult) -> Value {
    let catalogue = &found.catalogue;
    let tools: Vec<Value> = catalogue
        .tools
        .iter()
        .map(|tool| {
            let findings: Vec<String> = lint(&tool.name, &tool.description, &tool.input_schema)
                .into_iter()
                .map(|lint| lint.text)
                .collect();
            json!({"name": tool.name, "title": tool.title, "description": tool.description, "hash": tool.hash,
                "input_schema": *tool.input_schema, "lint": findings})
        })
        .collect();
    let problems: Vec<Value> =
        catalogue.problems.iter().map(|p| json!({"name": p.name, "detail": p.detail})).collect();
    json!({
        "protocol_version": catalogue.revision.as_str(), "wire": found.wire.as_str(), "evidence": found.trail.0,
        "server_name": catalogue.server_name, "server_version": catalogue.server_version,
        "instructions": catalogue.instructions, "connect_ms": found.connect_ms, "list_ms": found.list_ms,
        "tools": tools, "problems": problems,
    })
}

fn lines_of_call(outcome: &CallOutcome) -> Vec<String> {
    match outcome {
        CallOutcome::Done { content, is_error, total_bytes } => {
            let ended = if *is_error { "failed" } else { "ended" };
            let mut lines = vec![format!("The call {ended}; {total_bytes} bytes:")];
            lines.extend(content.iter().map(line_of_part));
            lines
        }
        CallOutcome::NotExecuted { .. } | CallOutcome::Unknown { .. } | CallOutcome::Cancelled { .. } => {
            Vec::new()
        }
    }
}

fn line_of_part(part: &ResultContent) -> String {
    match part {
        ResultContent::Text { text } => neutralise(text).into_owned(),
        ResultContent::Image { mime_type, data } => {
            format!("[image, {mime_type}, {} characters of base64]", data.len())
        }
        ResultContent::Audio { mime_type, data } => {
            format!("[audio, {mime_type}, {} characters of base64]", data.len())
        }
        ResultContent::Resource { uri, text, .. } => {
            let text = text.as_deref().unwrap_or("[no text]");
            format!("[resource {}] {}", quote(uri, 200), neutralise(text))
        }
        ResultContent::ResourceLink { uri, name, .. } => {
            format!("[link {}: {}]", quote(name, 100), quote(uri, 200))
        }
        ResultContent::Structured { value } => value.to_string(),
        ResultContent::Unknown { kind } => format!("[unsupported content: {}]", quote(kind, 64)),
    }
}

fn outcome_json(outcome: &CallOutcome) -> Value {
    match outcome {
        CallOutcome::Done { content, is_error, total_bytes } => {
            json!({"outcome": "ok", "is_error": is_error, "content": content, "total_bytes": total_bytes})
        }
        CallOutcome::NotExecuted { message, .. } => json!({"outcome": "error", "message": message}),
        CallOutcome::Unknown { message, .. } => json!({"outcome": "unknown", "message": message}),
        CallOutcome::Cancelled { .. } => json!({"outcome": "cancelled"}),
    }
}
