//! From what the model wrote to calls that can be sent (behaviour 14 and 15).

use super::{
    answer::Answer,
    results::{NO_ROOM, own_result},
    toolbox::{Offered, Toolbox},
    transcript::prompt_arguments,
};
use crate::builtins::BuiltIn;
use api::{
    Timestamp, Uuid,
    messages::{ToolCallPart, ToolOutcome, ToolResultPart},
};
use domain::{
    clock::{Clock, Entropy, new_id},
    intent::{Declares, InvalidJson, parse_arguments, unwrap_arguments},
    tools::needs_approval,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::tool_calls::{ToolCallIntent, ToolCallRecord};

/// A call of a committed answer and what will be done with it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) call: ToolCallPart,
    pub(super) action: Action,
}

#[derive(Debug)]
pub(super) enum Action {
    Send(Sendable),
    /// Carried out here.
    BuiltIn(Own),
    /// The client that brought the tool runs it.
    Client(ClientCall),
    /// Answered by Patchbay itself, nothing is sent.
    Answer(ToolResultPart),
}

/// A call of one of Patchbay's own tools.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) tool: &'static dyn BuiltIn,
    pub(super) arguments: Map<String, Value>,
    /// An earlier runner may have carried it out.
    pub(super) left_over: bool,
}

#[derive(Debug)]
pub(super) struct Sendable {
    /// Id of the ledger's row.
    pub(super) id: Uuid,
    pub(super) offered: Arc<Offered>,
    pub(super) arguments: Map<String, Value>,
    /// SHA-256 of `arguments`, hex.
    pub(super) argument_hash: String,
    /// Its place among the calls of the message.
    pub(super) position: i64,
    /// An earlier runner has sent it, or was about to: it may have happened, whatever becomes of it now.
    pub(super) left_over: bool,
    pub(super) approval: Approval,
}

/// How a call stands to the approval list of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approval {
    NotNeeded,
    /// The owner of the chat has to be asked first.
    Wanted,
    /// By this row, which is used up in the transaction of the intent.
    Given(Uuid),
}

/// A call of a tool that the client runs.
#[derive(Debug)]
pub(super) struct ClientCall {
    pub(super) id: Uuid,
    pub(super) arguments: Map<String, Value>,
    pub(super) argument_hash: String,
    pub(super) position: i64,
}

/// What came of a call, and where it stands in the ledger.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) part: ToolResultPart,
    /// `None`: nothing was or would have been sent.
    pub(super) ledger: Option<LedgerLine>,
    /// The outcome is committed already.
    pub(super) settled: bool,
}

/// A ledger row as the audit log names it.
#[derive(Debug, Clone)]
pub(super) struct LedgerLine {
    pub(super) server_id: Uuid,
    /// `slug/tool`, the tool as the server names it.
    pub(super) name: String,
    pub(super) argument_hash: String,
    pub(super) started_at: Timestamp,
}

impl Planned {
    /// An earlier runner may have sent it, or carried it out.
    pub(super) fn is_left_over(&self) -> bool {
        match &self.action {
            Action::Send(sendable) => sendable.left_over,
            Action::BuiltIn(own) => own.left_over,
            Action::Client(_) | Action::Answer(_) => false,
        }
    }

    /// Carried out after all others of its step.
    pub(super) fn is_last(&self) -> bool {
        matches!(&self.action, Action::BuiltIn(own) if own.tool.ends_turn())
    }
}

impl Sendable {
    pub(super) fn line(&self, started_at: Timestamp) -> LedgerLine {
        LedgerLine {
            server_id: self.offered.server.record.id,
            name: format!("{}/{}", self.offered.server.record.slug, self.offered.tool().name),
            argument_hash: self.argument_hash.clone(),
            started_at,
        }
    }

    /// The row that is committed before the call is sent.
    pub(super) fn intent(
        &self,
        call: &ToolCallPart,
        chat_id: Uuid,
        message_id: i64,
        lease_epoch: i64,
        intent_at: Timestamp,
    ) -> ToolCallIntent {
        let record = &self.offered.server.record;
        ToolCallIntent {
            id: self.id,
            chat_id,
            message_id,
            tool_call_id: call.tool_call_id.clone(),
            position: self.position,
            mcp_server_id: record.id,
            exposed_name: self.offered.exposed.clone(),
            original_name: self.offered.tool().name.clone(),
            definition_hash: self.offered.tool().hash.clone(),
            argument_hash: self.argument_hash.clone(),
            credential_version: record.credential_version,
            lease_epoch,
            intent_at,
        }
    }
}

/// Decides for each call of the answer whether it can be sent; at most `room` are. Nothing a model writes fails the turn.
pub(super) fn plan(
    answer: &Answer,
    toolbox: &Toolbox,
    room: usize,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Vec<Planned> {
    let complete = answer.calls.iter().filter(|call| call.complete);
    complete
        .enumerate()
        .map(|(at, raw)| {
            if at >= room {
                let part = own_result(&raw.part, ToolOutcome::Error, NO_ROOM, clock.now());
                return Planned { call: raw.part.clone(), action: Action::Answer(part) };
            }
            plan_call(&raw.part, &raw.arguments, at, toolbox, clock, entropy)
        })
        .collect()
}

/// The same for one call, the `at`-th of its answer, whose arguments the model wrote as `raw`.
pub(super) fn plan_call(
    call: &ToolCallPart,
    raw: &str,
    at: usize,
    toolbox: &Toolbox,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Planned {
    let refused = |text: String| Action::Answer(own_result(call, ToolOutcome::Error, text, clock.now()));
    let position = i64::try_from(at).unwrap_or(i64::MAX);
    if let Some(tool) = toolbox.built_in(&call.tool_name) {
        let action = match parse_arguments(raw) {
            Err(error) => refused(format!("{error}: the arguments must be one JSON object")),
            Ok(arguments) => Action::BuiltIn(Own { tool, arguments, left_over: false }),
        };
        return Planned { call: call.clone(), action };
    }
    let action = match toolbox.get(&call.tool_name) {
        None if toolbox.is_clients(&call.tool_name) => match parse_arguments(raw) {
            Err(error) => refused(format!("{error}: the arguments must be one JSON object")),
            Ok(arguments) => Action::Client(ClientCall {
                id: new_id(clock, entropy),
                argument_hash: hash(&arguments),
                arguments,
                position,
            }),
        },
        None => refused(format!(
            "There is no tool named {}. Use one of the offered tools, by its exact name.",
            domain::text::quote(&call.tool_name, 80)
        )),
        Some(offered) => match arguments(raw, offered) {
            Err(error) => refused(format!("{error}: the arguments must be one JSON object")),
            Ok(arguments) => {
                let wanted = needs_approval(&offered.server.record, &offered.tool().name);
                // Nobody is asked about what the server would refuse (protocol.md J5).
                match offered.tool().accepts(&Value::Object(arguments.clone())) {
                    Err(misfit) if wanted => {
                        refused(format!("The call was not sent: its arguments do not fit the tool. {misfit}"))
                    }
                    _ => Action::Send(Sendable {
                        id: new_id(clock, entropy),
                        offered: Arc::clone(offered),
                        argument_hash: hash(&arguments),
                        arguments,
                        position,
                        left_over: false,
                        approval: if wanted { Approval::Wanted } else { Approval::NotNeeded },
                    }),
                }
            }
        },
    };
    Planned { call: call.clone(), action }
}

/// The call of a ledger row as it can be sent again, with the tool as it is offered now: `None` unless it is the same call of the same
/// definition. The ledger has only a hash of what was sent; it is made again from what the model wrote.
pub(super) fn plan_again(
    call: &ToolCallPart,
    record: &ToolCallRecord,
    offered: &Arc<Offered>,
) -> Option<Planned> {
    let intent = &record.intent;
    let arguments = arguments(&prompt_arguments(call.args.as_ref()), offered).ok()?;
    let argument_hash = hash(&arguments);
    let same = argument_hash == intent.argument_hash && offered.tool().hash == intent.definition_hash;
    same.then(|| Planned {
        call: call.clone(),
        action: Action::Send(Sendable {
            id: intent.id,
            offered: Arc::clone(offered),
            arguments,
            argument_hash,
            position: intent.position,
            left_over: true,
            approval: Approval::NotNeeded,
        }),
    })
}

/// The call of one of Patchbay's own tools as it is carried out again.
pub(super) fn plan_own_again(call: &ToolCallPart, tool: &'static dyn BuiltIn) -> Option<Planned> {
    let arguments = parse_arguments(&prompt_arguments(call.args.as_ref())).ok()?;
    Some(Planned { call: call.clone(), action: Action::BuiltIn(Own { tool, arguments, left_over: true }) })
}

fn arguments(raw: &str, offered: &Offered) -> Result<Map<String, Value>, InvalidJson> {
    if !offered.wants_intent() {
        return parse_arguments(raw);
    }
    let tool = offered.tool();
    let declares = Declares::of(&tool.input_schema);
    unwrap_arguments(raw, declares, |value| tool.accepts(value).is_ok()).map(|done| done.arguments)
}

/// The hash of arguments, as the ledger and approvals have it.
pub(super) fn hash_of(arguments: &Map<String, Value>) -> String {
    hash(arguments)
}

/// Of the parsed value: two spellings of the same arguments are the same arguments.
fn hash(arguments: &Map<String, Value>) -> String {
    let text = serde_json::to_string(arguments).unwrap_or_default();
    domain::text::hex(&Sha256::digest(text.as_bytes()))
}
