//! Whether a tool is offered to a user, and why (behaviour 2, 10, 14, 16 and 22): every gate, asked in one place.
//!
//! Turns ask here when they list tools and once more right before a call is sent; "Why this tool?" shows the same answer. Nothing else
//! decides, so an explanation cannot differ from what happens. Whether a server is *reached* is no gate: that is known only after trying.

mod words;

pub use words::Reader;

use crate::{
    definitions::DefinitionStanding,
    mcp_server::ServerRecord,
    plan_mode::{Admission, Origin, TurnMode, admission},
    tools::ToolFilter,
};
use api::{
    Uuid,
    explain::{Gate, GateVerdict},
    servers::{AuthStatus, Availability, ToolChangePolicy},
};

/// Who may use a server, seen from one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupAccess {
    /// No group limits the server.
    Everybody,
    /// Groups limit it, and the user is in one of them.
    Member,
    /// Groups limit it, and the user's role opens every server.
    ByRole,
    /// Groups limit it, and the user is in none of them.
    Outside,
}

/// What a chat says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A chat that is yet to be made, without a list of its own: the server's default acts.
    NewChat,
    /// On the chat's list.
    Chosen,
    NotChosen,
}

impl Choice {
    /// The choice of a chat with this list.
    pub fn of(selected: &[Uuid], server: Uuid) -> Self {
        if selected.contains(&server) { Self::Chosen } else { Self::NotChosen }
    }
}

/// What is known of a user, a chat and a server, however it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerFacts {
    /// The account may act.
    pub account_active: bool,
    pub enabled: bool,
    pub group: GroupAccess,
    pub availability: Availability,
    pub choice: Choice,
    /// The configuration is complete and its secrets can be read.
    pub configured: bool,
    /// Of the user's own connection.
    pub auth_status: AuthStatus,
    /// Whether definitions that nobody has accepted are held back.
    pub change_policy: ToolChangePolicy,
    /// How the turn runs.
    pub mode: TurnMode,
    /// An admin let all tools of the server into plan mode.
    pub allow_in_plan_mode: bool,
}

impl ServerFacts {
    /// The facts about a server whose configuration is complete and which nothing keeps from this user.
    pub fn open(server: &ServerRecord, choice: Choice) -> Self {
        Self {
            account_active: true,
            enabled: server.enabled,
            group: GroupAccess::Everybody,
            availability: server.availability,
            choice,
            configured: true,
            auth_status: AuthStatus::NotRequired,
            change_policy: server.tool_change_policy,
            mode: TurnMode::Normal,
            allow_in_plan_mode: server.allow_in_plan_mode,
        }
    }
}

/// A tool in question.
#[derive(Debug, Clone, Copy)]
pub struct ToolFacts<'a> {
    pub filter: &'a ToolFilter,
    /// The original name, exactly as the server gives it.
    pub name: &'a str,
    /// How the definition in question stands to what was accepted.
    pub definition: DefinitionStanding,
}

/// What was found at one gate. Which gate and which verdict it is follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding<'a> {
    AccountActive,
    AccountSuspended,
    Enabled,
    Disabled,
    OpenToEverybody,
    InGroup,
    OpenByRole,
    OutsideGroups,
    Forced,
    Chosen,
    NotChosen,
    DefaultOn,
    DefaultOff,
    /// The turn is not in plan mode.
    NotPlanning,
    AdmittedInPlanMode,
    /// The chat plans, and the server sleeps meanwhile.
    AsleepInPlanMode,
    /// A subagent of a chat that plans.
    PlanSubagent,
    Configured,
    Misconfigured,
    NoConnectionNeeded,
    /// Nothing can be said of the connection before the server is configured.
    ConnectionNotAsked,
    Connected,
    /// Expired, and renewed by itself at the next use.
    ConnectionRenews,
    NotConnected,
    NeedsReconnect,
    NeedsPermission,
    NeedsOidcLogin,
    UntrustedOrigin,
    NoAllowList,
    OnAllowList {
        /// The first pattern that matches.
        pattern: &'a str,
    },
    NotOnAllowList,
    NoDenyList,
    NotDenied,
    Denied {
        /// The first pattern that matches.
        pattern: &'a str,
    },
    /// The server's policy lets every definition through.
    DefinitionsNotHeld,
    DefinitionAccepted,
    DefinitionNew,
    DefinitionChanged,
    NoApprovalList,
    NoApprovalNeeded,
    ApprovalNeeded {
        /// The first pattern that matches.
        pattern: &'a str,
    },
}

impl<'a> Finding<'a> {
    pub fn gate(&self) -> Gate {
        match self {
            Self::AccountActive | Self::AccountSuspended => Gate::Account,
            Self::Enabled | Self::Disabled => Gate::Enabled,
            Self::OpenToEverybody | Self::InGroup | Self::OpenByRole | Self::OutsideGroups => Gate::Group,
            Self::Forced | Self::Chosen | Self::NotChosen | Self::DefaultOn | Self::DefaultOff => {
                Gate::Selection
            }
            Self::NotPlanning | Self::AdmittedInPlanMode | Self::AsleepInPlanMode | Self::PlanSubagent => {
                Gate::PlanMode
            }
            Self::Configured | Self::Misconfigured => Gate::Configured,
            Self::NoConnectionNeeded
            | Self::ConnectionNotAsked
            | Self::Connected
            | Self::ConnectionRenews
            | Self::NotConnected
            | Self::NeedsReconnect
            | Self::NeedsPermission
            | Self::NeedsOidcLogin
            | Self::UntrustedOrigin => Gate::Connected,
            Self::NoAllowList | Self::OnAllowList { .. } | Self::NotOnAllowList => Gate::AllowList,
            Self::NoDenyList | Self::NotDenied | Self::Denied { .. } => Gate::DenyList,
            Self::DefinitionsNotHeld
            | Self::DefinitionAccepted
            | Self::DefinitionNew
            | Self::DefinitionChanged => Gate::Definition,
            Self::NoApprovalList | Self::NoApprovalNeeded | Self::ApprovalNeeded { .. } => Gate::Approval,
        }
    }

    pub fn verdict(&self) -> GateVerdict {
        match self {
            Self::AccountActive
            | Self::Enabled
            // Passes also where no group limits the server: "not applicable" would tell members that its list is empty, which is hidden from them.
            | Self::OpenToEverybody
            | Self::InGroup
            | Self::OpenByRole
            | Self::Forced
            | Self::Chosen
            | Self::DefaultOn
            | Self::AdmittedInPlanMode
            | Self::Configured
            | Self::Connected
            | Self::ConnectionRenews
            // What was granted works; only some tools ask for more (behaviour 10).
            | Self::NeedsPermission
            | Self::OnAllowList { .. }
            | Self::NotDenied
            | Self::DefinitionAccepted
            | Self::NoApprovalNeeded
            // It is offered; each call of it waits.
            | Self::ApprovalNeeded { .. } => GateVerdict::Pass,
            Self::NotPlanning
            | Self::NoConnectionNeeded
            | Self::ConnectionNotAsked
            | Self::NoAllowList
            | Self::NoDenyList
            | Self::DefinitionsNotHeld
            | Self::NoApprovalList => GateVerdict::NotApplicable,
            Self::AccountSuspended
            | Self::Disabled
            | Self::OutsideGroups
            | Self::NotChosen
            | Self::DefaultOff
            | Self::AsleepInPlanMode
            | Self::PlanSubagent
            | Self::Misconfigured
            | Self::NotConnected
            | Self::NeedsReconnect
            | Self::NeedsOidcLogin
            | Self::UntrustedOrigin
            | Self::NotOnAllowList
            | Self::Denied { .. }
            | Self::DefinitionNew
            | Self::DefinitionChanged => GateVerdict::Fail,
        }
    }

    /// The pattern that decided, at the gates of the lists.
    pub fn pattern(&self) -> Option<&'a str> {
        match self {
            Self::OnAllowList { pattern } | Self::Denied { pattern } | Self::ApprovalNeeded { pattern } => {
                Some(pattern)
            }
            _ => None,
        }
    }
}

/// Every gate that was asked, in the order of [`Gate::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    pub findings: Vec<Finding<'a>>,
}

impl<'a> Decision<'a> {
    /// The first gate that does not pass.
    pub fn failed(&self) -> Option<Finding<'a>> {
        self.findings.iter().find(|finding| finding.verdict() == GateVerdict::Fail).copied()
    }

    /// Every gate passes, as far as it applies.
    pub fn offered(&self) -> bool {
        self.failed().is_none()
    }

    /// The server belongs to the chat's turns, though it may be of no use in them yet: then people are told what it lacks.
    pub fn takes_part(&self) -> bool {
        self.failed().is_none_or(|failed| failed.gate() > Gate::Selection)
    }
}

/// Asks every gate; without a tool those of the server only.
pub fn decide<'a>(facts: &ServerFacts, tool: Option<ToolFacts<'a>>) -> Decision<'a> {
    let mut findings = vec![
        if facts.account_active { Finding::AccountActive } else { Finding::AccountSuspended },
        if facts.enabled { Finding::Enabled } else { Finding::Disabled },
        match facts.group {
            GroupAccess::Everybody => Finding::OpenToEverybody,
            GroupAccess::Member => Finding::InGroup,
            GroupAccess::ByRole => Finding::OpenByRole,
            GroupAccess::Outside => Finding::OutsideGroups,
        },
        selection(facts),
        plan_mode(facts),
        if facts.configured { Finding::Configured } else { Finding::Misconfigured },
        connection(facts),
    ];
    if let Some(tool) = tool {
        findings.push(match tool.filter.allowing(tool.name) {
            None => Finding::NoAllowList,
            Some(Some(pattern)) => Finding::OnAllowList { pattern },
            Some(None) => Finding::NotOnAllowList,
        });
        findings.push(match tool.filter.denying(tool.name) {
            None => Finding::NoDenyList,
            Some(Some(pattern)) => Finding::Denied { pattern },
            Some(None) => Finding::NotDenied,
        });
        findings.push(match (facts.change_policy, tool.definition) {
            (ToolChangePolicy::Accept | ToolChangePolicy::Notify, _) => Finding::DefinitionsNotHeld,
            (ToolChangePolicy::Hold, DefinitionStanding::Accepted) => Finding::DefinitionAccepted,
            (ToolChangePolicy::Hold, DefinitionStanding::New) => Finding::DefinitionNew,
            (ToolChangePolicy::Hold, DefinitionStanding::Changed) => Finding::DefinitionChanged,
        });
        findings.push(match tool.filter.approving(tool.name) {
            None => Finding::NoApprovalList,
            Some(Some(pattern)) => Finding::ApprovalNeeded { pattern },
            Some(None) => Finding::NoApprovalNeeded,
        });
    }
    Decision { findings }
}

fn selection(facts: &ServerFacts) -> Finding<'static> {
    match (facts.availability, facts.choice) {
        (Availability::ForceOn, _) => Finding::Forced,
        (Availability::DefaultOn, Choice::NewChat) => Finding::DefaultOn,
        (Availability::DefaultOff, Choice::NewChat) => Finding::DefaultOff,
        (_, Choice::Chosen) => Finding::Chosen,
        (_, Choice::NotChosen) => Finding::NotChosen,
    }
}

fn plan_mode(facts: &ServerFacts) -> Finding<'static> {
    match admission(facts.mode, Origin::Server { allow_in_plan_mode: facts.allow_in_plan_mode }) {
        Admission::NotAsked => Finding::NotPlanning,
        Admission::Admitted => Finding::AdmittedInPlanMode,
        Admission::Asleep => Finding::AsleepInPlanMode,
        Admission::NoSubagents => Finding::PlanSubagent,
    }
}

fn connection(facts: &ServerFacts) -> Finding<'static> {
    match facts.auth_status {
        _ if !facts.configured => Finding::ConnectionNotAsked,
        AuthStatus::NotRequired => Finding::NoConnectionNeeded,
        AuthStatus::Connected => Finding::Connected,
        AuthStatus::ExpiredRefreshable => Finding::ConnectionRenews,
        AuthStatus::NotConnected => Finding::NotConnected,
        AuthStatus::NeedsReconnect => Finding::NeedsReconnect,
        AuthStatus::NeedsPermission => Finding::NeedsPermission,
        AuthStatus::NeedsOidcLogin => Finding::NeedsOidcLogin,
        AuthStatus::UntrustedOrigin => Finding::UntrustedOrigin,
        // A status that contradicts the fact beside it: closed.
        AuthStatus::Misconfigured => Finding::NotConnected,
    }
}

#[cfg(test)]
mod tests;
