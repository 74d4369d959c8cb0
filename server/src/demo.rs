//! `serve --demo`: a sample server, two accounts and the demo model, so that a newcomer sees a tool run at once.

use crate::config::Config;
use anyhow::Context as _;
use api::{models::ProviderType, servers::ServerWrite, users::Role};
use service::Service;
use std::net::SocketAddr;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

const OWNER: (&str, &str) = ("owner@demo.example", "demo-owner");
const USER: (&str, &str) = ("user@demo.example", "demo-user");

/// The running sample server.
pub(crate) struct Sample {
    addr: SocketAddr,
}

/// Starts the sample server on a loopback port of the system's choice, and allows exactly that host and port for dialling.
pub(crate) async fn start_sample(config: &mut Config, stop: CancellationToken) -> anyhow::Result<Sample> {
    let data_dir = config.data_dir.join("sample-mcp");
    std::fs::create_dir_all(&data_dir).with_context(|| {
        format!("the data directory {} is not writable; set PATCHBAY_DATA_DIR", config.data_dir.display())
    })?;
    let (ready, started) = oneshot::channel();
    // The usual port first: then the server registered by an earlier demo run still fits.
    let preferred = SocketAddr::from(([127, 0, 0, 1], 3990));
    let free = std::net::TcpListener::bind(preferred).is_ok();
    let addr = if free { preferred } else { SocketAddr::from(([127, 0, 0, 1], 0)) };
    let serving = tokio::spawn(async move {
        samplemcp::serve(
            addr,
            data_dir,
            move |addr| {
                let _ = ready.send(addr);
            },
            stop,
        )
        .await
    });
    let addr = match started.await {
        Ok(addr) => addr,
        Err(_) => {
            return Err(serving.await?.err().unwrap_or_else(|| anyhow::anyhow!("it ended at once")))
                .context("the sample MCP server cannot start");
        }
    };
    let mut allow = config.egress_allow.to_string();
    if !allow.is_empty() {
        allow.push(',');
    }
    allow.push_str(&addr.to_string());
    config.egress_allow = allow.parse().map_err(|error| anyhow::anyhow!("PATCHBAY_EGRESS_ALLOW: {error}"))?;
    Ok(Sample { addr })
}

/// Accounts, server and model; what exists stays as it is. The lines to print.
pub(crate) async fn prepare(service: &Service, sample: Sample) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for ((email, username), role, words) in
        [(OWNER, Role::Owner, "Demo owner"), (USER, Role::Member, "Demo user")]
    {
        let password = service.password_generate();
        if service.user_ensure(email, username, words, &password, role).await? {
            lines.push(format!("{words}: {email}  password: {password}"));
        } else {
            service.password_reset(email, &password).await?;
            lines.push(format!("{words}: {email}  new password: {password}"));
        }
    }
    let write = ServerWrite {
        display_name: Some("Sample tools".to_owned()),
        slug: Some("sample".to_owned()),
        description: Some("Searches the Patchbay docs, opens tickets, counts slowly.".to_owned()),
        transport: Some("streamable_http".to_owned()),
        url: Some(format!("http://{}/mcp", sample.addr)),
        auth_type: Some("none".to_owned()),
        availability: Some("default_on".to_owned()),
        enabled: Some(true),
        model_intent: Some(true),
        ..ServerWrite::default()
    };
    service.server_ensure(write).await.context("the sample server cannot be registered")?;
    service
        .provider_ensure("Demo", ProviderType::Demo, "", None)
        .await
        .context("the demo model cannot be made")?;
    lines.push("Try: \"Search the docs for tool filters\", \"Create a ticket about the login page\", \"Count slowly to 5\".".to_owned());
    Ok(lines)
}
