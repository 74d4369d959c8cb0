//! The plan document of a chat: `write_plan`, `read_plan`, and `propose_plan`, which presents it and ends the turn (behaviour 21 and 22).

use super::{BuiltIn, BuiltInCall, Failed, StepFacts, text};
use api::messages::ResultContent;
use async_trait::async_trait;
use domain::{
    limits::{PLAN_BYTES, PLAN_VERSIONS},
    plan_mode::{PROPOSE_PLAN, TurnMode},
    text::human_bytes,
};
use serde::Deserialize;
use serde_json::{Value, json};
use store::chat_plans::{PlanRecord, PlanWrite, plan_get, plan_write};

const NO_PLAN: &str = "There is no plan yet. Store one with write_plan first.";

/// A root chat that plans.
fn plans(step: StepFacts<'_>) -> bool {
    step.root && step.mode == TurnMode::Plan
}

async fn stored(call: &BuiltInCall<'_>) -> Result<PlanRecord, Failed> {
    let mut session = call.shared.deps.db.read().await?;
    let plan = plan_get(&mut session, call.chat).await?;
    plan.ok_or_else(|| Failed::Refused(NO_PLAN.to_owned()))
}

pub(super) struct WritePlan;

#[derive(Deserialize)]
struct PlanText {
    content: String,
}

#[async_trait]
impl BuiltIn for WritePlan {
    fn name(&self) -> &'static str {
        "write_plan"
    }

    fn title(&self) -> &'static str {
        "Write the plan"
    }

    fn description(&self) -> &'static str {
        "Store the plan of this chat, as Markdown of at most 64 KiB. It replaces the stored plan as a whole, so read that first with \
         read_plan and write all of the new one. The user sees it when you call propose_plan."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "required": ["content"],
            "properties": {"content": {"type": "string", "description": "The whole plan, Markdown"}}
        })
    }

    fn offered(&self, step: StepFacts<'_>) -> bool {
        plans(step)
    }

    fn in_order(&self) -> bool {
        true
    }

    async fn run(&self, call: &BuiltInCall<'_>) -> Result<Vec<ResultContent>, Failed> {
        let PlanText { content } = call.parse()?;
        // Offered in such turns alone; asked again, as for every call.
        if call.mode != TurnMode::Plan {
            return Err(Failed::Refused("The chat is not in plan mode.".to_owned()));
        }
        if content.trim().is_empty() {
            return Err(Failed::Refused("The plan is empty. Write what is to be done.".to_owned()));
        }
        if content.len() > PLAN_BYTES {
            return Err(Failed::Refused(format!(
                "The plan has {}; at most {} are stored. Shorten it.",
                human_bytes(content.len()),
                human_bytes(PLAN_BYTES)
            )));
        }
        let mut write = call.write().await?;
        let plan = PlanWrite {
            chat_id: call.chat,
            content: &content,
            message_id: call.message,
            tool_call_id: call.tool_call_id,
            at: call.shared.deps.clock.now(),
            keep: PLAN_VERSIONS,
        };
        let version = plan_write(&mut write, plan).await?;
        if call.cancel.is_cancelled() {
            return Err(Failed::Stopped);
        }
        write.commit().await?;
        tracing::debug!(chat = %call.chat, owner = %call.owner, version, "a plan is stored");
        Ok(text(format!("Stored as version {version}. Call propose_plan when it is ready for the user.")))
    }
}

pub(super) struct ReadPlan;

#[async_trait]
impl BuiltIn for ReadPlan {
    fn name(&self) -> &'static str {
        "read_plan"
    }

    fn title(&self) -> &'static str {
        "Read the plan"
    }

    fn description(&self) -> &'static str {
        "Read the stored plan of this chat."
    }

    fn parameters(&self) -> Value {
        json!({"type": "object", "properties": {}})
    }

    fn offered(&self, step: StepFacts<'_>) -> bool {
        plans(step) || step.root && step.chat.plan_version > 0
    }

    fn in_order(&self) -> bool {
        true
    }

    async fn run(&self, call: &BuiltInCall<'_>) -> Result<Vec<ResultContent>, Failed> {
        Ok(text(stored(call).await?.content))
    }
}

pub(super) struct ProposePlan;

#[async_trait]
impl BuiltIn for ProposePlan {
    fn name(&self) -> &'static str {
        PROPOSE_PLAN
    }

    fn title(&self) -> &'static str {
        "Plan"
    }

    fn description(&self) -> &'static str {
        "Show the stored plan to the user, who can start on it or ask for changes. This ends your turn. Store the plan with write_plan \
         before."
    }

    fn parameters(&self) -> Value {
        json!({"type": "object", "properties": {}})
    }

    fn offered(&self, step: StepFacts<'_>) -> bool {
        plans(step)
    }

    fn ends_turn(&self) -> bool {
        true
    }

    async fn run(&self, call: &BuiltInCall<'_>) -> Result<Vec<ResultContent>, Failed> {
        Ok(text(stored(call).await?.content))
    }
}
