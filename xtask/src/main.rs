//! `cargo xtask …`: everything a person types to build, run and check Patchbay.
//!
//! It depends on nothing of ours: it starts cargo, the npm tools and our binaries as processes. Standard output is its
//! user interface, which is why this crate alone may print.
#![expect(clippy::print_stdout, reason = "a command line tool talks on standard output")]

mod assets;
mod bench;
mod cli;
mod coverage;
mod drill;
mod edges;
mod host;
mod openapi;
mod process;
mod serve;
mod stamp;
mod testing;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line per cause, outermost first: the last line is usually the one to act on.
            println!("\nxtask failed: {error}");
            for cause in error.chain().skip(1) {
                println!("  because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}
