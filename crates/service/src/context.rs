//! Who asks, from where: every use case takes it, so authorisation and audit cannot be forgotten.

use crate::{Error, Refusals, Result};
use api::{Uuid, users::User};
use domain::accounts::{Action, can};

/// A signed-in user and the credential behind the request.
#[derive(Debug, Clone)]
pub struct Caller {
    pub user: User,
    pub credential_id: Uuid,
    /// A web session (true) or an API token.
    pub is_session: bool,
}

/// Facts about the request, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct RequestInfo {
    /// Who acts where nobody is signed in, for the audit log: `command line`. Empty for requests.
    pub actor: &'static str,
    pub address: String,
    pub user_agent: String,
    pub request_id: String,
    /// Method and path, for refused attempts.
    pub target: String,
    /// Where refused attempts are noted.
    pub refusals: Refusals,
}

/// The context of one operation.
#[derive(Debug, Clone, Default)]
pub struct OpContext {
    pub caller: Option<Caller>,
    pub request: RequestInfo,
}

impl OpContext {
    /// The caller.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for anonymous.
    pub fn require(&self) -> Result<&Caller> {
        self.caller.as_ref().ok_or(Error::Unauthorized)
    }

    /// Notes that the caller was refused `attempted`.
    pub(crate) fn refusal_note(&self, attempted: &'static str, resource_type: &'static str, fact: String) {
        let caller = self.caller.as_ref();
        self.request.refusals.note(caller, &self.request, attempted, resource_type, Some(fact));
    }

    /// The caller, if one of their roles allows `action`.
    ///
    /// # Errors
    /// [`Error::Unauthorized`]; [`Error::Forbidden`], decided before any row is read (behaviour 1).
    pub fn authorize(&self, action: Action) -> Result<&Caller> {
        let caller = self.require()?;
        if can(&caller.user.roles, action) {
            return Ok(caller);
        }
        let (attempted, resource_type) = action.audit_words();
        Err(self.refuse(attempted, resource_type, "Your role does not allow this. Ask an owner or admin."))
    }

    /// Refuses a known caller and notes the attempt for the audit log.
    pub(crate) fn refuse(
        &self,
        attempted: &'static str,
        resource_type: &'static str,
        message: &'static str,
    ) -> Error {
        if let Some(caller) = &self.caller {
            self.request.refusals.note(Some(caller), &self.request, attempted, resource_type, None);
        }
        Error::Forbidden(message.to_owned())
    }

    /// True when the caller's roles allow `action`.
    pub fn may(&self, action: Action) -> bool {
        self.caller.as_ref().is_some_and(|caller| can(&caller.user.roles, action))
    }
}
