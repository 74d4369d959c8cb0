//! *Try a tool*: one call by hand, with the caller's own connection, and an entry in the audit log before it is sent.

use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    mcp_servers::{USE_WAIT, access_target},
};
use api::{
    Uuid, Validation,
    messages::{ResultContent, ToolOutcome},
    tools::{ToolTried, ToolTry},
};
use domain::{
    accounts::Action,
    text::{cut_chars, hex},
};
use mcpclient::{CallOutcome, Target, Tool, ToolCall};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use store::mcp_servers::FoundServer;
use tokio_util::sync::CancellationToken;

/// Connecting and listing before the call, as in a turn (threats 5).
const CONNECT: Duration = Duration::from_secs(10);

const UNKNOWN_AFTER_STOP: &str =
    "Stopped after the call was sent: it may or may not have happened. Verify before trying again.";

impl Service {
    /// Calls a tool of a server, whatever its lists say: whoever manages a server may look before letting others. Leaves two audit
    /// entries, one before the call is sent and one with what came of it.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`]: no such server or tool; [`Error::Invalid`]: arguments that do not fit the tool's schema,
    /// or a server that cannot be used; [`Error::Conflict`]: by now the tool is another than the arguments were written for;
    /// [`Error::RateLimited`].
    pub async fn tool_call(&self, ctx: &OpContext, id: Uuid, tool: &str, call: ToolTry) -> Result<ToolTried> {
        let user = ctx.authorize(Action::ServersWrite)?.user.id;
        let reader = Self::user_of_servers(ctx)?;
        let mut found = self.server_found_fresh(reader, id, USE_WAIT).await?;
        self.0.trials.admit(user, Instant::now())?;
        let mut renewed = false;
        let (target, catalogue) = loop {
            let target = self.target_of(user, &found)?;
            let deadline = Instant::now() + CONNECT;
            let error = match self.deps().mcp.catalogue(&target, deadline.into()).await {
                Ok(catalogue) => break (target, catalogue),
                Err(error) => error,
            };
            // A refused credential is renewed once; what the server said last is what counts (behaviour 10).
            if self.credential_renewed(&target, error.refused().as_ref()).await? && !renewed {
                renewed = true;
                found = self.server_found(reader, id).await?;
                continue;
            }
            return Err(Error::invalid_field("server", error.public_message()));
        };
        self.deps().definitions.learn(&found.stored.record, &catalogue.tools, false).await?;
        let tool = catalogue.tool(tool).ok_or(Error::NotFound)?;
        if call.definition_hash.as_ref().is_some_and(|seen| *seen != tool.hash) {
            return Err(Error::conflict(
                "The definition of this tool has changed. Close this, look at what it is now, and try again from there.",
            ));
        }
        let arguments = Value::Object(call.arguments);
        check_arguments(tool, &arguments)?;
        let Value::Object(arguments) = arguments else { unreachable!("made an object above") };

        let cancel = CancellationToken::new();
        let request = ToolCall {
            tool: tool.name.clone(),
            tool_call_id: format!("try-{}", self.new_id().simple()),
            definition_hash: Some(tool.hash.clone()),
            traceparent: None,
            cancel: cancel.clone(),
            progress: None,
            asker: None,
            arguments,
        };
        let slug = found.stored.record.slug.clone();
        let work = self.clone().trial(ctx.clone(), id, slug, target, request, Arc::clone(tool));
        // What was sent gets its entry also when nobody waits for the answer any more; the call itself is stopped then.
        let stop = cancel.drop_guard();
        let done = tokio::spawn(work).await.map_err(|error| Error::internal("a call by hand", error))?;
        stop.disarm();
        done
    }

    async fn trial(
        self,
        ctx: OpContext,
        id: Uuid,
        slug: String,
        target: Target,
        request: ToolCall,
        tool: Arc<Tool>,
    ) -> Result<ToolTried> {
        let what = vec![
            format!("tool {}", tool.name),
            format!("call {}", request.tool_call_id),
            format!("arguments sha256:{}", argument_hash(&request)),
        ];
        let mut write = self.db().write().await?;
        let act = Act::on("server.tool_called", "mcp_server", id, &slug).fields(what.clone());
        self.audit(&mut write, &ctx, act).await?;
        write.commit().await?;
        let started = Instant::now();
        let tried = tried(self.call_once_more(&ctx, target, request).await, started);
        let mut fields = what;
        fields.push(format!("outcome {}", tried.outcome.as_str()));
        fields.push(format!("duration {} ms", tried.duration_ms));
        let act = Act::on("server.tool_answered", "mcp_server", id, &slug).fields(fields);
        let outcome = if tried.outcome == ToolOutcome::Ok { "ok" } else { "failed" };
        // It has happened, whether or not the log can say so now: an error here would invite to call once more.
        if let Err(error) = self.trial_log(&ctx, act, outcome).await {
            tracing::error!(
                server = %id,
                error = &error as &dyn std::error::Error,
                "what came of a call by hand is missing in the audit log"
            );
        }
        Ok(tried)
    }

    fn target_of(&self, user: Uuid, found: &FoundServer) -> Result<Target> {
        access_target(&self.deps().keyring, user, found, self.now())
            .map_err(|unusable| Error::invalid_field("server", unusable.message))
    }

    /// Calls; a call that was refused for its credential was surely not carried out, and goes out once more with another one.
    async fn call_once_more(&self, ctx: &OpContext, target: Target, request: ToolCall) -> CallOutcome {
        let mcp = &self.deps().mcp;
        let outcome = mcp.call(&target, request.clone()).await;
        if !self.was_renewed(&target, &outcome).await {
            return outcome;
        }
        // As the caller finds the server now: an edit acts on the next call.
        let again = async {
            let found = self.server_found(Self::user_of_servers(ctx)?, target.server_id).await?;
            self.target_of(target.user_id, &found)
        };
        let Ok(target) = again.await else { return outcome };
        let last = mcp.call(&target, request).await;
        // Told, and not tried a third time.
        self.was_renewed(&target, &last).await;
        last
    }

    async fn was_renewed(&self, target: &Target, outcome: &CallOutcome) -> bool {
        let CallOutcome::NotExecuted { refused, .. } = outcome else { return false };
        self.credential_renewed(target, refused.as_deref()).await.unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a refused credential could not be renewed");
            false
        })
    }

    async fn trial_log(&self, ctx: &OpContext, act: Act<'_>, outcome: &'static str) -> Result<()> {
        let mut write = self.db().write().await?;
        self.audit_outcome(&mut write, ctx, act, outcome).await?;
        Ok(write.commit().await?)
    }
}

fn argument_hash(request: &ToolCall) -> String {
    let text = Value::Object(request.arguments.clone()).to_string();
    hex(&Sha256::digest(text.as_bytes())[..8])
}

/// What does not fit the schema, at its place below `arguments`.
fn check_arguments(tool: &Tool, arguments: &Value) -> Result<()> {
    let at = |path: &str| format!("arguments{}", cut_chars(path, 200));
    let misfits = tool.misfits(arguments).map_err(|problem| Error::invalid_field("arguments", problem))?;
    if misfits.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(
        misfits.into_iter().map(|found| Validation::new(at(&found.path), found.detail)).collect(),
    ))
}

fn tried(outcome: CallOutcome, started: Instant) -> ToolTried {
    let duration_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let own = |outcome, text: String| ToolTried {
        outcome,
        is_error: true,
        result: vec![ResultContent::Text { text }],
        duration_ms,
    };
    match outcome {
        CallOutcome::Done { content, is_error, .. } => {
            ToolTried { outcome: ToolOutcome::Ok, is_error, result: content, duration_ms }
        }
        CallOutcome::NotExecuted { message, .. } => own(ToolOutcome::Error, message),
        CallOutcome::Unknown { message, .. } => own(ToolOutcome::Unknown, message),
        CallOutcome::Cancelled { sure: true } => {
            own(ToolOutcome::Cancelled, "Stopped before anything was sent.".to_owned())
        }
        CallOutcome::Cancelled { sure: false } => own(ToolOutcome::Unknown, UNKNOWN_AFTER_STOP.to_owned()),
    }
}
