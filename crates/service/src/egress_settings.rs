//! What may be dialled inside the network (behaviour 11). In this build the operator sets it; the panel shows it.

use crate::{OpContext, Result, Service};
use domain::accounts::Action;

impl Service {
    /// The private destinations that may be dialled, in the notation of `PATCHBAY_EGRESS_ALLOW`.
    ///
    /// # Errors
    /// [`crate::Error::Forbidden`].
    pub fn egress_allow(&self, ctx: &OpContext) -> Result<String> {
        ctx.authorize(Action::ServersReadAll)?;
        Ok(self.deps().egress.allow().to_string())
    }
}
