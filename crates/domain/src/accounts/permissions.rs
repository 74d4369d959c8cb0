//! Who may do what (behaviour 2). The server asks here, and so may a page that decides what to show.

use api::users::Role;

/// What needs a role. Everything else (own chats, own connections, own tokens) needs only an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Create, edit and delete MCP servers, run their tools by hand.
    ServersWrite,
    /// See every server unredacted, disabled ones included; never a secret.
    ServersReadAll,
    /// Create, edit and delete model providers and models.
    ModelsWrite,
    /// See providers, and models with their provider and when disabled.
    ModelsReadAll,
    /// See, create, edit and delete accounts, apart from owners.
    UsersManage,
    /// Make, change and remove owners.
    OwnersManage,
    /// Create, edit and delete groups and their members.
    GroupsManage,
    /// See groups and their members.
    GroupsRead,
    /// Read the audit log.
    AuditRead,
    /// See the ids of encryption keys, their state and what needs them; never a key.
    KeysRead,
    /// See which private destinations are allowed.
    EgressAllowRead,
    /// Allow private destinations (behaviour 30, `egress-allow`).
    EgressAllowWrite,
    /// See what models are told in every chat.
    ChatSettingsRead,
    /// Set what holds for all chats (behaviour 17, `/config/*`).
    ChatSettingsWrite,
}

impl Action {
    pub const ALL: [Action; 14] = [
        Self::ServersWrite,
        Self::ServersReadAll,
        Self::ModelsWrite,
        Self::ModelsReadAll,
        Self::UsersManage,
        Self::OwnersManage,
        Self::GroupsManage,
        Self::GroupsRead,
        Self::AuditRead,
        Self::KeysRead,
        Self::EgressAllowRead,
        Self::EgressAllowWrite,
        Self::ChatSettingsRead,
        Self::ChatSettingsWrite,
    ];

    /// The action and the resource type of a refused attempt in the audit log.
    pub fn audit_words(self) -> (&'static str, &'static str) {
        match self {
            Self::ServersWrite => ("server.write", "mcp_server"),
            Self::ServersReadAll => ("server.read", "mcp_server"),
            Self::ModelsWrite => ("model.write", "model"),
            Self::ModelsReadAll => ("model.read", "model"),
            Self::UsersManage => ("user.manage", "user"),
            Self::OwnersManage => ("user.manage_owner", "user"),
            Self::GroupsManage => ("group.manage", "group"),
            Self::GroupsRead => ("group.read", "group"),
            Self::AuditRead => ("audit.read", "audit_log"),
            Self::KeysRead => ("keys.read", "encryption_key"),
            Self::EgressAllowRead | Self::ChatSettingsRead => ("settings.read", "setting"),
            Self::EgressAllowWrite | Self::ChatSettingsWrite => ("settings.write", "setting"),
        }
    }
}

/// Whether one of the roles allows it: the widest right counts.
pub fn can(roles: &[Role], action: Action) -> bool {
    roles.iter().any(|role| match role {
        Role::Owner => true,
        Role::Admin => !matches!(action, Action::OwnersManage | Action::EgressAllowWrite),
        Role::Auditor => matches!(
            action,
            Action::ServersReadAll
                | Action::ModelsReadAll
                | Action::GroupsRead
                | Action::AuditRead
                | Action::KeysRead
                | Action::EgressAllowRead
                | Action::ChatSettingsRead
        ),
        Role::Member => false,
    })
}

/// Whether an account with `target` roles may be changed into one with `wanted` roles (the same when roles stay, empty when it is
/// removed). Only an owner changes owners.
pub fn can_manage_user(actor: &[Role], target: &[Role], wanted: &[Role]) -> bool {
    let touches_owner = target.contains(&Role::Owner) || wanted.contains(&Role::Owner);
    can(actor, if touches_owner { Action::OwnersManage } else { Action::UsersManage })
}
