//! The result of a connection test as a short report: each step with a tick, or the reason and what to do.

use super::{
    form::{Busy, EditorForm},
    save::Saver,
    sections::tools_href,
};
use crate::components::{BusyButton, Glyph, Icon, Notice, Tone};
use api::{
    check::{CheckReport, ConnectOutcome},
    servers::{AuthStatus, AuthType},
    tools::ToolState,
};
use domain::text::neutralise;
use leptos::{html, prelude::*, task::spawn_local};

/// One line of the report.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    state: StepState,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepState {
    Done,
    Failed,
    /// Not tried, because an earlier step failed or the test could not begin.
    Skipped,
}

/// Appears after the first test.
#[component]
pub(super) fn CheckResult(form: EditorForm, saver: Saver) -> impl IntoView {
    view! {
        <div class="editor-report" aria-live="polite">
            {move || form.report.get().map(|report| view! { <Report form saver report/> })}
        </div>
    }
}

#[component]
fn Report(form: EditorForm, saver: Saver, report: CheckReport) -> impl IntoView {
    let good = report.outcome == ConnectOutcome::Connected;
    let own_missing = needs_own(&report);
    // The button stands in the bar at the bottom, the report at the end of the form: whoever pressed it wants to see the answer.
    let node = NodeRef::<html::Section>::new();
    Effect::new(move || {
        if let Some(section) = node.get() {
            section.scroll_into_view();
        }
    });
    let signs_in = form
        .saved
        .with_untracked(|saved| saved.as_ref().is_some_and(|server| server.auth_type == AuthType::Oauth2));
    let lines = steps(&report, signs_in)
        .into_iter()
        .map(|step| {
            let (glyph, class, word) = match step.state {
                StepState::Done => (Glyph::Check, "step tone-ok", "Done: "),
                StepState::Failed => (Glyph::Cross, "step tone-danger", "Failed: "),
                StepState::Skipped => (Glyph::Dots, "step tone-neutral", "Not tried: "),
            };
            view! {
                <li class=class>
                    <Icon glyph/>
                    <span><span class="sr-only">{word}</span>{step.text}</span>
                </li>
            }
        })
        .collect_view();
    let offer = move || good && form.saved.with(|saved| saved.as_ref().is_some_and(|server| !server.enabled));
    view! {
        <section class="section report above-bar" aria-label="Test result" node_ref=node>
            <div class="section-head">
                <h2>"Test result"</h2>
                <p>{if good { "The server works with this configuration." } else { "Saved, but the server cannot be used yet." }}</p>
            </div>
            <div class="section-body stack">
                <ol class="steps">{lines}</ol>
                {latency(&report).map(|split| view! { <p class="field-hint" data-testid="latency">{split}</p> })}
                <HeldBack form report=report.clone()/>
                <Details report=report.clone()/>
                {(!report.error.is_empty()).then(|| {
                    let tone = if good { Tone::Warn } else { Tone::Danger };
                    view! { <Notice tone><p dir="auto">{report.error.clone()}</p></Notice> }
                })}
                {own_missing.then(|| view! { <p class="field-hint">{own_words(signs_in, form.enabled.get_untracked())}</p> })}
                <Show when=offer>
                    <div class="btn-row">
                        <BusyButton
                            label="Enable server"
                            class="btn-primary"
                            glyph=Glyph::Check
                            busy=Signal::derive(move || form.busy.get() != Busy::No)
                            on_press=Callback::new(move |()| spawn_local(saver.enable()))
                        />
                        <span class="field-hint">"It is saved but off; chats cannot use it yet."</span>
                    </div>
                </Show>
            </div>
        </section>
    }
}

/// How to come to what a test needs of the tester.
fn own_words(signs_in: bool, enabled: bool) -> &'static str {
    match (signs_in, enabled) {
        (true, true) => "A test uses your own connection: connect under Connections, then test again.",
        (true, false) => {
            "A test uses your own connection: enable and save the server, connect under Connections, then test again."
        }
        (false, _) => "A test uses your own values: enter them under Connections, then test again.",
    }
}

/// Whether the test could not begin because the tester has no usable values.
fn needs_own(report: &CheckReport) -> bool {
    matches!(report.auth_status, AuthStatus::NotConnected | AuthStatus::NeedsReconnect)
}

/// Reached → protocol → tools.
fn steps(report: &CheckReport, signs_in: bool) -> Vec<Step> {
    if report.outcome == ConnectOutcome::Skipped {
        let why = match (needs_own(report), signs_in) {
            (true, true) => "you are not connected to it yourself",
            (true, false) => "your own values are missing",
            (false, _) => "the configuration is not complete",
        };
        let texts = [
            format!("Reach the server: not dialled, {why}"),
            "Agree on a protocol".into(),
            "List the tools".into(),
        ];
        return texts.map(|text| Step { state: StepState::Skipped, text }).into();
    }
    let reached = report.connect_ms.is_some() || report.protocol_version.is_some();
    let listed = matches!(report.outcome, ConnectOutcome::Connected | ConnectOutcome::NoTools);
    let mut broken = false;
    let mut step = |done: bool, good: String, bad: &str| {
        let state = match (done, broken) {
            (true, _) => StepState::Done,
            (false, true) => StepState::Skipped,
            (false, false) => StepState::Failed,
        };
        broken |= !done;
        Step { state, text: if done { good } else { bad.to_owned() } }
    };
    let server = match (&report.server_name, &report.server_version) {
        (Some(name), Some(version)) => format!(" · {name} {version}"),
        (Some(name), None) => format!(" · {name}"),
        _ => String::new(),
    };
    let allowed = report.tools.iter().filter(|tool| tool.allowed).count();
    let held = match held(report) {
        0 => String::new(),
        held => format!(", {held} held back"),
    };
    vec![
        step(reached, format!("Reached in {} ms", report.connect_ms.unwrap_or_default()), "Reach the server"),
        step(
            report.protocol_version.is_some(),
            format!(
                "Speaks {}{}{server}",
                report.protocol_version.as_deref().unwrap_or_default(),
                era(report)
            ),
            "Agree on a protocol",
        ),
        step(
            listed,
            format!(
                "{}, {allowed} allowed{held}, listed in {} ms",
                count(report.tools.len(), "tool"),
                report.list_ms.unwrap_or_default()
            ),
            "List the tools",
        ),
    ]
}

/// Tools that wait for somebody to accept them.
fn held(report: &CheckReport) -> usize {
    report.tools.iter().filter(|tool| tool.state == Some(ToolState::Held)).count()
}

/// What it means that tools are held back, and where they are accepted.
#[component]
fn HeldBack(form: EditorForm, report: CheckReport) -> impl IntoView {
    let (them, they) = match held(&report) {
        0 => return None,
        1 => ("The tool that is held back is", "it"),
        _ => ("The tools that are held back are", "them"),
    };
    let tools = move || {
        let href = tools_href(form).map(|href| format!("{href}?show=review"));
        href.map(|href| view! { " " <a href=href>"Look at what changed"</a> })
    };
    Some(view! {
        <p class="field-hint" data-testid="held-back">
            {format!("{them} not offered to chats until somebody accepts {they}.")}
            {tools}
        </p>
    })
}

/// "name 3 ms → TCP 1 ms → …": where the time went, as far as it is known. One part alone stands in the steps already.
fn latency(report: &CheckReport) -> Option<String> {
    let parts: Vec<String> = [
        ("name", report.dns_ms),
        ("TCP", report.tcp_ms),
        ("TLS", report.tls_ms),
        ("handshake", report.connect_ms),
        ("list", report.list_ms),
    ]
    .into_iter()
    .filter_map(|(part, ms)| ms.map(|ms| format!("{part} {ms} ms")))
    .collect();
    (parts.len() > 1).then(|| parts.join(" → "))
}

/// What the revision means for the admin.
fn era(report: &CheckReport) -> &'static str {
    match report.wire.as_deref() {
        Some("stateless") => " (stateless)",
        Some("streamable") => " (with a handshake)",
        Some("sse") => " over the old HTTP+SSE transport: ask the vendor for Streamable HTTP",
        _ => "",
    }
}

/// How the revision was found, and what the server says about itself: to be read before its instructions are let through.
#[component]
fn Details(report: CheckReport) -> impl IntoView {
    let evidence = (!report.evidence.is_empty()).then(|| {
        view! {
            <details class="fold">
                <summary>"How this was found out"</summary>
                <p class="fold-text font-mono">{report.evidence.join("\n")}</p>
            </details>
        }
    });
    let instructions = report.instructions.filter(|text| !text.trim().is_empty()).map(|text| {
        view! {
            <details class="fold">
                <summary>"Instructions of the server"</summary>
                <p class="fold-text" dir="auto">{neutralise(&text).into_owned()}</p>
            </details>
        }
    });
    view! { {evidence}{instructions} }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::check::CheckedTool;

    fn report(outcome: ConnectOutcome) -> CheckReport {
        CheckReport {
            outcome,
            auth_status: AuthStatus::NotRequired,
            error: String::new(),
            server_name: None,
            server_version: None,
            protocol_version: None,
            wire: None,
            evidence: Vec::new(),
            instructions: None,
            dns_ms: None,
            tcp_ms: None,
            tls_ms: None,
            connect_ms: None,
            list_ms: None,
            tools: Vec::new(),
        }
    }

    #[test]
    fn the_first_broken_step_fails_and_the_rest_is_not_tried() {
        let states =
            |report: &CheckReport| steps(report, false).iter().map(|step| step.state).collect::<Vec<_>>();
        assert_eq!(
            states(&report(ConnectOutcome::Error)),
            [StepState::Failed, StepState::Skipped, StepState::Skipped]
        );
        let reached = CheckReport { connect_ms: Some(12), ..report(ConnectOutcome::Timeout) };
        assert_eq!(states(&reached), [StepState::Done, StepState::Failed, StepState::Skipped]);
    }

    #[test]
    fn a_test_that_dialled_nothing_says_so_and_why() {
        let mut skipped = report(ConnectOutcome::Skipped);
        let first = |report: &CheckReport| steps(report, false).remove(0);
        assert!(first(&skipped).text.ends_with("not dialled, the configuration is not complete"));
        skipped.auth_status = AuthStatus::NotConnected;
        assert!(first(&skipped).text.ends_with("not dialled, your own values are missing"));
        assert!(steps(&skipped, true)[0].text.ends_with("not dialled, you are not connected to it yourself"));
        assert!(
            own_words(true, false).contains("enable and save") && own_words(false, true).contains("values")
        );
        assert!(steps(&skipped, false).iter().all(|step| step.state == StepState::Skipped));
        // The server refused what was sent: it was dialled.
        let refused = CheckReport { outcome: ConnectOutcome::Error, ..skipped };
        assert_eq!(first(&refused).state, StepState::Failed);
    }

    #[test]
    fn the_time_is_split_as_far_as_it_is_known() {
        let measured = CheckReport {
            dns_ms: Some(3),
            tcp_ms: Some(1),
            tls_ms: Some(14),
            connect_ms: Some(41),
            list_ms: Some(88),
            ..report(ConnectOutcome::Connected)
        };
        let all = "name 3 ms → TCP 1 ms → TLS 14 ms → handshake 41 ms → list 88 ms";
        assert_eq!(latency(&measured).as_deref(), Some(all));
        let plain = CheckReport { dns_ms: None, tls_ms: None, list_ms: None, ..measured };
        assert_eq!(latency(&plain).as_deref(), Some("TCP 1 ms → handshake 41 ms"));
        assert_eq!(latency(&CheckReport { tcp_ms: None, ..plain }), None);
    }

    #[test]
    fn a_good_report_names_figures_with_units() {
        let tool = |name: &str, allowed| CheckedTool {
            name: name.into(),
            exposed_name: name.into(),
            title: String::new(),
            description: String::new(),
            allowed,
            reason: String::new(),
            state: None,
            problems: Vec::new(),
            lint: Vec::new(),
        };
        let good = CheckReport {
            protocol_version: Some("2025-11-25".into()),
            wire: Some("streamable".into()),
            server_name: Some("everything".into()),
            server_version: Some("2.0".into()),
            connect_ms: Some(41),
            list_ms: Some(88),
            tools: vec![tool("a", true), tool("b", false)],
            ..report(ConnectOutcome::Connected)
        };
        let texts: Vec<String> = steps(&good, false).into_iter().map(|step| step.text).collect();
        assert_eq!(
            texts,
            [
                "Reached in 41 ms",
                "Speaks 2025-11-25 (with a handshake) · everything 2.0",
                "2 tools, 1 allowed, listed in 88 ms"
            ]
        );
        let held = CheckedTool { state: Some(ToolState::Held), ..tool("c", true) };
        let good = CheckReport { tools: vec![tool("a", true), held], ..good };
        assert_eq!(steps(&good, false)[2].text, "2 tools, 2 allowed, 1 held back, listed in 88 ms");
    }
}
