//! The audit log (behaviour 27): who did what to what, from where, and what came of it.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    Ok,
    /// Refused: the caller may not, or the credentials were wrong.
    Denied,
    Failed,
}

impl AuditOutcome {
    pub const ALL: [Self; 3] = [Self::Ok, Self::Denied, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// One entry. Never in it: secrets, arguments and results of tools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    pub id: Uuid,
    pub time: Timestamp,
    /// `None`: nobody was signed in, or Patchbay itself.
    pub actor_id: Option<Uuid>,
    /// As the actor was named then.
    pub actor_name: String,
    /// The session or API token.
    pub credential_id: Option<Uuid>,
    pub address: String,
    pub user_agent: String,
    pub request_id: String,
    /// Such as `server.update`.
    pub action: String,
    pub resource_type: String,
    pub resource_id: String,
    pub resource_name: String,
    pub outcome: AuditOutcome,
    /// Names of changed fields, and facts as `name=value`; secrets only as "set", "changed", "cleared".
    pub changed_fields: Vec<String>,
}

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    /// `after` of the next page, when there is one.
    pub next: Option<Uuid>,
}

/// The parameters of `GET /api/v2/audit`, as given; empty is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditQuery {
    pub from: String,
    pub to: String,
    pub actor: String,
    pub action: String,
    pub resource_type: String,
    pub resource_id: String,
    pub outcome: String,
    pub limit: String,
    pub after: String,
}

impl AuditQuery {
    /// What is given, as pairs for an address; `filters_only` leaves the paging out.
    pub fn pairs(&self, filters_only: bool) -> Vec<(&'static str, &str)> {
        let paging = if filters_only { ["", ""] } else { [self.limit.as_str(), self.after.as_str()] };
        let all = [
            ("from", self.from.as_str()),
            ("to", &self.to),
            ("actor", &self.actor),
            ("action", &self.action),
            ("resource_type", &self.resource_type),
            ("resource_id", &self.resource_id),
            ("outcome", &self.outcome),
            ("limit", paging[0]),
            ("after", paging[1]),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The place of a parameter; `None` for names the log does not know.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "from" => &mut self.from,
            "to" => &mut self.to,
            "actor" => &mut self.actor,
            "action" => &mut self.action,
            "resource_type" => &mut self.resource_type,
            "resource_id" => &mut self.resource_id,
            "outcome" => &mut self.outcome,
            "limit" => &mut self.limit,
            "after" => &mut self.after,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_its_place_and_comes_back() {
        let names =
            ["from", "to", "actor", "action", "resource_type", "resource_id", "outcome", "limit", "after"];
        let mut query = AuditQuery::default();
        assert!(query.pairs(false).is_empty());
        for name in names {
            name.clone_into(query.field_mut(name).unwrap());
        }
        assert_eq!(query.pairs(false), names.map(|name| (name, name)));
        assert_eq!(query.pairs(true).len(), names.len() - 2);
        assert!(query.field_mut("token").is_none());
    }

    #[test]
    fn outcomes_read_back() {
        for outcome in AuditOutcome::ALL {
            assert_eq!(AuditOutcome::parse(outcome.as_str()), Some(outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
        assert_eq!(AuditOutcome::parse("OK"), None);
    }
}
