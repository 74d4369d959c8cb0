//! Groups of users (behaviour 2 and 30): `allowed_group_ids` of a server limits it to their members.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who made a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GroupSource {
    /// An admin; admins manage its members.
    Admin,
    /// A claim of the identity provider at login.
    Oidc,
}

impl GroupSource {
    pub const ALL: [GroupSource; 2] = [GroupSource::Admin, GroupSource::Oidc];

    pub fn as_str(self) -> &'static str {
        match self {
            GroupSource::Admin => "admin",
            GroupSource::Oidc => "oidc",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

/// A group as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupSummary {
    pub id: Uuid,
    /// Unique without regard to case.
    pub name: String,
    /// May be empty.
    pub display_name: String,
    pub source: GroupSource,
    pub member_count: i64,
    /// Servers that are limited to this group, perhaps beside others.
    pub server_count: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    pub id: Uuid,
    /// Unique without regard to case.
    pub name: String,
    /// May be empty.
    pub display_name: String,
    pub source: GroupSource,
    /// By username.
    pub members: Vec<GroupMember>,
    /// Servers that are limited to this group, perhaps beside others, by name.
    pub servers: Vec<GroupServer>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Group {
    /// What people call it.
    pub fn label(&self) -> &str {
        if self.display_name.is_empty() { &self.name } else { &self.display_name }
    }
}

impl GroupSummary {
    /// What people call it.
    pub fn label(&self) -> &str {
        if self.display_name.is_empty() { &self.name } else { &self.display_name }
    }
}

/// A server that a group limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupServer {
    pub id: Uuid,
    pub display_name: String,
}

/// A user in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupMember {
    pub id: Uuid,
    pub username: String,
    pub email: String,
}

/// `POST /api/v2/groups`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GroupCreate {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// `PATCH /api/v2/groups/{id}`: omitted keeps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GroupUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Ids of users who join.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_users: Vec<Uuid>,
    /// Ids of users who leave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_users: Vec<Uuid>,
}
