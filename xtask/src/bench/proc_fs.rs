//! Memory and processor time of a process, from Linux' /proc.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// Entry of the auxiliary vector with the clock ticks per second (`AT_CLKTCK`, getauxval(3)).
const AT_CLKTCK: usize = 17;

/// Memory of a process; both in KiB.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Memory {
    /// Proportional set size: what is its own, and its share of what it shares with other processes.
    pub(crate) pss: u64,
    /// The part no file stands behind: heap and stacks.
    pub(crate) anonymous: u64,
}

/// Memory as it is now.
///
/// # Errors
/// When the process is gone or the kernel is older than 5.4.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse_smaps_rollup(&text).with_context(|| format!("{path} names no Pss and Pss_Anon"))
}

/// Processor time so far, user and system, of all threads including those that ended.
///
/// # Errors
/// When the process is gone.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = parse_stat(&text).with_context(|| format!("{path} is not as proc(5) describes it"))?;
    let per_second = ticks_per_second()?;
    Ok(Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / per_second)))
}

/// How many of the units of `/proc/PID/stat` make a second; 100 on all usual systems.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn ticks_per_second() -> Result<u64> {
    let vector = fs::read("/proc/self/auxv").context("cannot read /proc/self/auxv")?;
    let ticks = parse_auxv(&vector).context("the kernel names no clock tick in /proc/self/auxv")?;
    ensure!((1..=1_000_000_000).contains(&ticks), "the kernel claims {ticks} clock ticks per second");
    Ok(ticks)
}

fn parse_smaps_rollup(text: &str) -> Option<Memory> {
    let kibibytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some(Memory { pss: kibibytes("Pss")?, anonymous: kibibytes("Pss_Anon")? })
}

/// Fields 14 and 15 of proc(5). The second field is the program's name in parentheses and may itself hold spaces and
/// parentheses, so counting starts after the last one.
fn parse_stat(text: &str) -> Option<u64> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn parse_auxv(vector: &[u8]) -> Option<u64> {
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| bytes.try_into().ok().map(usize::from_ne_bytes);
    vector
        .chunks_exact(2 * WORD)
        .find(|pair| word(&pair[..WORD]) == Some(AT_CLKTCK))
        .and_then(|pair| word(&pair[WORD..]))
        .map(|ticks| ticks as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_rollup() {
        let text = "557a2c564000-7ffda6641000 ---p 00000000 00:00 0                          [rollup]\n\
                    Rss:               87176 kB\nPss:               85067 kB\nPss_Dirty:         84904 kB\n\
                    Pss_Anon:          27416 kB\nPss_File:          57651 kB\n";
        assert_eq!(parse_smaps_rollup(text), Some(Memory { pss: 85067, anonymous: 27416 }));
        assert_eq!(parse_smaps_rollup("Pss_Anon: 1 kB\n"), None, "Pss_Anon is not Pss");
        assert_eq!(parse_smaps_rollup("Pss: many kB\nPss_Anon: 1 kB\n"), None);
    }

    #[test]
    fn reads_processor_time_after_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 120 30 14 15 16 17";
        assert_eq!(parse_stat(&format!("42 (patchbay) {rest}")), Some(150));
        assert_eq!(parse_stat(&format!("42 (a) b (c)) {rest}")), Some(150));
        assert_eq!(parse_stat("42 (patchbay) S 1 2 3"), None);
    }

    #[test]
    fn finds_the_tick_in_the_auxiliary_vector() {
        let vector: Vec<u8> =
            [6_usize, 4096, AT_CLKTCK, 250, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        assert_eq!(parse_auxv(&vector), Some(250));
        let without: Vec<u8> = [6_usize, AT_CLKTCK, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        assert_eq!(parse_auxv(&without), None, "a value is not a key");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reads_this_very_process() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.pss > 0 && memory.anonymous <= memory.pss, "{memory:?}");
        let before = cpu_time(pid).unwrap();
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(100) {
            std::hint::black_box(0);
        }
        assert!(cpu_time(pid).unwrap() > before, "a busy loop of several ticks must show");
    }
}
