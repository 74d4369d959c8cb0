//! Plan mode of a chat (behaviour 22): who switched it is in the audit log.

use crate::{OpContext, Result, Service, audit::Act};
use api::chats::PlanMode;
use store::{Write, chats::ChatRecord};

impl Service {
    /// Notes that the mode of a chat was switched, if it was: `before` is what it was.
    pub(super) async fn plan_mode_audit(
        &self,
        write: &mut Write,
        ctx: &OpContext,
        record: &ChatRecord,
        before: PlanMode,
    ) -> Result<()> {
        if record.plan_mode == before {
            return Ok(());
        }
        // Without the title, which is made from what the person wrote.
        let act = Act::on(PlanMode::SWITCHED, "chat", record.id, "").fields(vec![record.plan_mode.fact()]);
        self.audit(write, ctx, act).await
    }
}
