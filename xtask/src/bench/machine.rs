//! Where a report was taken. A figure without its machine means nothing.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::process;
use crate::workspace::Workspace;

/// Processor, memory, kernel, and how busy the machine was when the benchmark began. What cannot be read is null.
pub(crate) fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = value_of(&read("/proc/meminfo"), "MemTotal").and_then(|text| {
        text.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes / 1024)
    });
    json!({
        "processor": value_of(&read("/proc/cpuinfo"), "model name"),
        "threads": std::thread::available_parallelism().ok().map(usize::from),
        "memory_mib": memory,
        "kernel": Some(read("/proc/sys/kernel/osrelease").trim()).filter(|text| !text.is_empty()),
        "load_1_min_before": read("/proc/loadavg").split(' ').next().and_then(|text| text.parse::<f64>().ok()),
    })
}

/// The commit that lies in the working copy, and whether it was changed; null outside a git checkout.
pub(crate) fn commit(workspace: &Workspace) -> (Option<String>, Option<bool>) {
    let git = |arguments: &[&str]| {
        process::output(Command::new("git").current_dir(workspace.root()).args(arguments)).ok()
    };
    let commit = git(&["rev-parse", "HEAD"]).map(|text| text.trim().to_owned());
    // Without optional locks git writes nothing, not even its index.
    let changed = git(&["--no-optional-locks", "status", "--porcelain"]).map(|text| !text.trim().is_empty());
    (commit, changed)
}

/// Value of the first line `name : value`.
fn value_of(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_values_of_both_files() {
        let cpu = "processor\t: 0\nmodel name\t: Fast: 3000\nprocessor\t: 1\nmodel name\t: Slow\n";
        assert_eq!(value_of(cpu, "model name").as_deref(), Some("Fast: 3000"));
        assert_eq!(value_of("MemTotal:        8048588 kB\n", "MemTotal").as_deref(), Some("8048588 kB"));
        assert_eq!(value_of("MemTotal: 1 kB\n", "MemFree"), None);
    }
}
