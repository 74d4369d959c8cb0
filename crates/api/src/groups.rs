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

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    pub id: Uuid,
    /// Unique without regard to case.
    pub name: String,
    pub display_name: String,
    pub source: GroupSource,
    /// By username.
    pub members: Vec<GroupMember>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A user in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
