//! The half of `cargo xtask bench connector` and `oauth` that needs our crates and rmcp; xtask, which may use neither, starts it.
//!
//! `echo` is the upstream server, `load ORIGIN` calls it with rmcp's client and through the pool, `rows` counts what
//! calls over REST left in a database, `oauth` is a provider with the server it protects. A process for each, so that processor time and memory are of one thing only.

mod direct;
mod echo;
mod era;
mod load;
mod oauth;
mod pooled;
mod rows;

use anyhow::{Result, bail};
use tokio::runtime::Runtime;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Runtime::new()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["echo"] => echo::serve(&runtime),
        ["load", origin] => load::obey(&runtime, origin),
        ["oauth"] => oauth::serve(&runtime),
        ["rows"] => runtime.block_on(rows::print()),
        _ => bail!("usage: connector_bench echo | load ORIGIN | oauth | rows"),
    }
}
