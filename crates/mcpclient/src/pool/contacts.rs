//! What came of a contact: told to the breaker, to the list that may stand in, and to whoever keeps it.

use super::{Inner, slot::Key};
use crate::{
    call::{Attempt, CallOutcome},
    error::{McpError, McpErrorKind},
    observer::{Contact, Contacted},
    target::Target,
};

impl Inner {
    pub(super) fn contacted(&self, contact: Contact) {
        if let Some(observer) = &self.config.observer {
            observer.contacted(contact);
        }
    }

    /// The server did what it was asked; `None` when nothing was.
    pub(super) fn worked(&self, target: &Target, contacted: Option<Contacted>) {
        if let Some(contacted) = contacted {
            self.breakers.worked(target);
            self.contacted(Contact::of(target, contacted));
        }
    }

    /// A call came back, or did not. One slow tool is no dead server: a timeout counts as one failure among others.
    pub(super) fn called(&self, target: &Target, trouble: Option<McpErrorKind>, attempt: &Attempt) {
        match (trouble, attempt) {
            // Told by whoever begins anew.
            (_, Attempt::Refused(_) | Attempt::HeadersRefused) => {}
            // The server answered, and knows who asks.
            (Some(McpErrorKind::InsufficientScope), _) => self.worked(target, Some(Contacted::Called)),
            (Some(kind), Attempt::Ended(outcome) | Attempt::EndedForGood(outcome)) => {
                let counted = if kind == McpErrorKind::Timeout { McpErrorKind::Unreachable } else { kind };
                self.breakers.failed(target, counted, self.timeouts.timeout_memory);
                if let Some(message) = outcome.message() {
                    let error = McpError::new(kind, message);
                    if let Some(contact) = Contact::after(target, &error) {
                        self.contacted(contact);
                    }
                }
            }
            (None, Attempt::Ended(CallOutcome::Cancelled { .. })) => {}
            (None, _) => self.worked(target, Some(Contacted::Called)),
        }
    }

    /// The server did not.
    pub(super) fn failed(&self, target: &Target, error: &McpError) {
        self.breakers.failed(target, error.kind(), self.timeouts.timeout_memory);
        if let Some(slot) = self.lock_slots().get(&Key::of(target)) {
            slot.distrust();
        }
        if let Some(contact) = Contact::after(target, error) {
            self.contacted(contact);
        }
    }
}
