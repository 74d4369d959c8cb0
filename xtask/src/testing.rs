//! `cargo xtask test`: everything that shows the product works.
//!
//! Order: components, browser assets (the server embeds them, so they come before it), one host build, a throw-away
//! PostgreSQL, host tests, browser tests. A missing component is a failure with the words to install it, never a skip.

mod browser;
mod host_tests;
pub(crate) mod postgres;
mod python;

use anyhow::{Result, bail};
use clap::Args;

use crate::assets::{self, Mode};
use crate::workspace::Workspace;
use crate::{process, serve};

#[derive(Args)]
pub(crate) struct TestArgs {
    /// Leave out the browser
    #[arg(long)]
    fast: bool,
    /// Let the browser tests write the pictures of the documentation into docs/images
    #[arg(long)]
    screenshots: bool,
    /// Only the host tests whose name contains this; `end2end/FILE.test.mjs` runs that browser test file alone
    filter: Option<String>,
}

/// What a filter leaves to do.
#[derive(Debug, PartialEq, Eq)]
struct Plan<'a> {
    host: bool,
    host_filter: Option<&'a str>,
    browser: bool,
    browser_file: Option<&'a str>,
}

/// Runs the tests.
///
/// # Errors
/// When a component is missing or any suite fails; all suites run first, so one run shows every failure.
pub(crate) fn run(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    let plan = plan(args.filter.as_deref(), args.fast)?;
    let node = assets::node()?;
    let found = if plan.browser {
        Some((browser::ensure_chromium()?, python::ensure_venv(workspace)?))
    } else {
        None
    };
    if plan.browser {
        assets::build(workspace, Mode::Debug)?;
    } else {
        // Tests of the server's own peers are npm packages as well.
        assets::ensure_npm(workspace)?;
    }
    if plan.host {
        host_tests::build(workspace)?;
    } else {
        serve::build_server(workspace, Mode::Debug)?;
    }
    // Started last: from here on it is stopped and deleted whatever happens, even if this process is killed.
    let cluster = postgres::Cluster::start()?;
    let mut failed = Vec::new();
    if plan.host
        && let Err(error) = host_tests::run(workspace, &cluster, plan.host_filter)
    {
        failed.push(format!("host tests: {error}"));
    }
    if let Some((chromium, python)) = found {
        let options = browser::Options {
            node: &node,
            chromium: &chromium,
            python: &python,
            screenshots: args.screenshots,
            file: plan.browser_file,
        };
        if let Err(error) = browser::run(workspace, &cluster, &options) {
            failed.push(format!("browser tests: {error}"));
        }
    }
    cluster.stop()?;
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    process::announce("all tests passed");
    Ok(())
}

fn plan(filter: Option<&str>, fast: bool) -> Result<Plan<'_>> {
    match filter {
        Some(file) if file.starts_with("end2end/") => {
            if fast {
                bail!("`--fast` leaves out the browser, `{file}` asks for it: give one of them");
            }
            Ok(Plan { host: false, host_filter: None, browser: true, browser_file: Some(file) })
        }
        Some(name) => Ok(Plan { host: true, host_filter: Some(name), browser: false, browser_file: None }),
        None => Ok(Plan { host: true, host_filter: None, browser: !fast, browser_file: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_choose_the_suite() {
        let everything = Plan { host: true, host_filter: None, browser: true, browser_file: None };
        assert_eq!(plan(None, false).unwrap(), everything);
        assert_eq!(plan(None, true).unwrap(), Plan { browser: false, ..everything });
        let file = "end2end/peers.test.mjs";
        assert_eq!(
            plan(Some(file), false).unwrap(),
            Plan { host: false, host_filter: None, browser: true, browser_file: Some(file) }
        );
        assert_eq!(
            plan(Some("leases"), false).unwrap(),
            Plan { host: true, host_filter: Some("leases"), browser: false, browser_file: None }
        );
        assert!(plan(Some(file), true).is_err());
    }
}
