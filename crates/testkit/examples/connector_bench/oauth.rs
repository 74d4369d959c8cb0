//! The peer of `cargo xtask bench oauth`: an authorization server and the MCP server it protects.

use anyhow::Result;
use patchbay_testkit::{fake_mcp::FakeTool, fake_oauth::FakeOauth};
use std::io::{BufRead as _, Write as _};
use tokio::runtime::Runtime;

/// Prints `host:port`, then for each line how many requests it has had; ends with its standard input.
pub(crate) fn serve(runtime: &Runtime) -> Result<()> {
    let peer = runtime.block_on(FakeOauth::start(vec![FakeTool::of_text("echo", "Says it again")]));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", peer.authority())?;
    for line in std::io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", peer.requests().len())?;
    }
    Ok(())
}
