//! `check`: contact a stored server now and say what came of it (behaviour 4). Never a URL from the request.

use crate::{
    OpContext, Result, Service,
    definitions::holds,
    mcp_servers::{USE_WAIT, access_of, access_target},
    server_facts,
    tools::state_of,
};
use api::{
    Uuid,
    check::{CheckReport, CheckedTool, ConnectOutcome},
    servers::{AuthStatus, AuthType},
    tools::ToolState,
};
use domain::{
    definitions::DefinitionStanding,
    gates::{Finding, Reader},
    mcp_server::{ServerRecord, auth_status},
    provider_schema::{Severity, lint},
    tools::{ToolFilter, exposed_name},
};
use mcpclient::{Found, ToolProblem};
use std::time::{Duration, Instant};
use store::mcp_servers::FoundServer;

/// Checks per user and minute (behaviour 4).
pub(crate) const CHECKS: usize = 10;
/// Findings shown of one tool.
const LINTS: usize = 8;

impl Service {
    /// Contacts a stored server with the caller's own credentials. A disabled server can be checked by those who see it; one that
    /// is limited to other groups by owners and admins only.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::RateLimited`]. A server that cannot be used is no error: the report says so.
    pub async fn server_check(&self, ctx: &OpContext, id: Uuid) -> Result<CheckReport> {
        let caller = ctx.require()?;
        let reader = Self::user_of_servers(ctx)?;
        let mut found = self.server_found_fresh(reader, id, USE_WAIT).await?;
        self.0.checks.admit(caller.user.id, Instant::now())?;
        let (status, reason) = self.status_of(&found);
        let mut report = CheckReport {
            outcome: ConnectOutcome::Skipped,
            auth_status: status,
            error: reason.to_owned(),
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
        };
        let mcp = &self.deps().mcp;
        let mut renewed = false;
        let (target, result) = loop {
            let target = match access_target(&self.deps().keyring, caller.user.id, &found, self.now()) {
                Ok(target) => target,
                Err(unusable) => {
                    report.outcome = unusable.outcome;
                    report.error = unusable.message;
                    return Ok(report);
                }
            };
            // Members do not see what would be measured.
            let checked = if Self::viewer(ctx).unredacted {
                mcp.check_measured(&target).await
            } else {
                mcp.check(&target).await
            };
            let error = match checked {
                Ok(result) => break (target, result),
                Err(error) => error,
            };
            if error.refused().is_some() {
                let again = self.credential_renewed(&target, error.refused().as_ref()).await?;
                found = self.server_found(reader, id).await?;
                report.auth_status = self.status_of(&found).0;
                if again && !renewed {
                    renewed = true;
                    continue;
                }
            }
            report.outcome = if error.is_timeout() { ConnectOutcome::Timeout } else { ConnectOutcome::Error };
            // Host, port and the operator's settings are hidden from members, as the URL is (behaviour 3).
            report.error = if Self::viewer(ctx).unredacted {
                error.public_message()
            } else {
                outcome_words(report.outcome, &found.stored.record.display_name)
            };
            return Ok(report);
        };
        let stored = &found.stored;
        // Whoever reads the server after this answer finds what it speaks; the pool tells it beside.
        let found_out = Found {
            server_id: id,
            url: target.url.clone(),
            wire: result.wire,
            revision: result.catalogue.revision,
            server_name: result.catalogue.server_name.clone(),
            server_version: result.catalogue.server_version.clone(),
        };
        server_facts::keep(self.db(), self.now(), found_out).await;
        let known = self
            .deps()
            .definitions
            .learn(
                &stored.record,
                &result.catalogue.tools,
                is_whole(&stored.record, &result.catalogue.problems),
            )
            .await?;
        let filter = ToolFilter::of(&stored.record);
        let unredacted = Self::viewer(ctx).unredacted;
        let catalogue = &result.catalogue;
        for tool in &catalogue.tools {
            let verdict = filter.verdict(&tool.name);
            let standing = known.standing(&tool.name, &tool.hash);
            let held = held_sentence(&stored.record, standing, unredacted);
            let allowed = verdict.is_allowed() && held.is_none();
            let reason = match held {
                Some(sentence) if verdict.is_allowed() => sentence,
                _ if allowed => String::new(),
                _ => verdict.reason(),
            };
            if allowed || unredacted {
                report.tools.push(CheckedTool {
                    exposed_name: exposed_name(&stored.record.slug, &tool.name),
                    name: tool.name.clone(),
                    title: tool.title.clone().unwrap_or_default(),
                    description: tool.description.clone(),
                    allowed,
                    reason,
                    state: unredacted.then(|| state(&stored.record, standing)),
                    problems: Vec::new(),
                    lint: if unredacted { lints_of(tool, &stored.record.slug) } else { Vec::new() },
                });
            }
        }
        if unredacted {
            for problem in &catalogue.problems {
                report.tools.push(CheckedTool {
                    exposed_name: String::new(),
                    name: problem.name.clone(),
                    title: String::new(),
                    description: String::new(),
                    allowed: false,
                    reason: "The definition cannot be used.".to_owned(),
                    state: None,
                    problems: vec![problem.detail.clone()],
                    lint: Vec::new(),
                });
            }
        }
        report.outcome =
            if catalogue.tools.is_empty() { ConnectOutcome::NoTools } else { ConnectOutcome::Connected };
        report.error = if catalogue.tools.is_empty() {
            "The server answered, but offers no tools.".to_owned()
        } else {
            String::new()
        };
        report.server_name = Some(catalogue.server_name.clone());
        report.server_version = Some(catalogue.server_version.clone());
        report.protocol_version = Some(catalogue.revision.to_string());
        report.wire = Some(result.wire.as_str().to_owned());
        if unredacted {
            report.evidence.clone_from(&result.trail.0);
            report.instructions.clone_from(&catalogue.instructions);
            report.dns_ms = result.latency.name.map(millis);
            report.tcp_ms = result.latency.tcp.map(millis);
            report.tls_ms = result.latency.tls.map(millis);
        }
        report.connect_ms = Some(result.connect_ms);
        report.list_ms = Some(result.list_ms);
        Ok(report)
    }

    fn status_of(&self, found: &FoundServer) -> (AuthStatus, &'static str) {
        let access = access_of(&self.deps().keyring, found, self.now());
        auth_status(&found.stored.record, &access)
    }
}

/// What model providers would make of the tool: who would refuse it, who would tell a model less than it says (behaviour 14).
pub(crate) fn lints_of(tool: &mcpclient::Tool, slug: &str) -> Vec<String> {
    let name = exposed_name(slug, &tool.name);
    let found = lint(&name, &tool.description, &tool.input_schema);
    found
        .into_iter()
        .filter(|lint| lint.severity > Severity::Hint)
        .take(LINTS)
        .map(|lint| lint.text)
        .collect()
}

/// Whether everybody who connects gets the same list, and this is all of it: then a tool that is missing is gone.
pub(crate) fn is_whole(record: &ServerRecord, problems: &[ToolProblem]) -> bool {
    let shared = matches!(record.auth_type, AuthType::None | AuthType::ApiKey | AuthType::CustomHeaders);
    shared && !record.forward_coder_headers && problems.iter().all(|problem| !problem.name.is_empty())
}

/// Why the next turn would hold the tool back, as the gate says it.
fn held_sentence(record: &ServerRecord, standing: DefinitionStanding, unredacted: bool) -> Option<String> {
    let finding = match standing {
        DefinitionStanding::Accepted => return None,
        DefinitionStanding::New => Finding::DefinitionNew,
        DefinitionStanding::Changed => Finding::DefinitionChanged,
    };
    let reader = Reader { is_subject: true, unredacted };
    holds(record).then(|| finding.sentence(reader))
}

fn state(record: &ServerRecord, standing: DefinitionStanding) -> ToolState {
    let (accepted, before) = match standing {
        DefinitionStanding::Accepted => (true, true),
        DefinitionStanding::Changed => (false, true),
        DefinitionStanding::New => (false, false),
    };
    state_of(record.tool_change_policy, accepted, before)
}

fn millis(took: Duration) -> i64 {
    i64::try_from(took.as_millis()).unwrap_or(i64::MAX)
}

/// What a member is told of an outcome: nothing of where the server is.
pub(crate) fn outcome_words(outcome: ConnectOutcome, server: &str) -> String {
    match outcome {
        ConnectOutcome::Connected => String::new(),
        ConnectOutcome::Timeout => format!("{server} did not answer in time."),
        ConnectOutcome::Error => format!("{server} could not be reached."),
        ConnectOutcome::NoTools => format!("{server} offers no tools."),
        ConnectOutcome::Skipped => format!("{server} cannot be used as it is set up."),
    }
}
