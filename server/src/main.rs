//! Entry point: one line and a non-zero code on failure.

use clap::Parser as _;
use patchbay_server::cli::Cli;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: the sentence and its causes, no backtrace.
            let line = format!("{error:#}").replace('\n', " ");
            #[expect(
                clippy::print_stderr,
                reason = "the one place that talks to the operator's terminal on failure"
            )]
            {
                eprintln!("patchbay: {line}");
            }
            ExitCode::FAILURE
        }
    }
}
