//! What is found at a gate, in sentences for people.

use super::{Decision, Finding};
use crate::{plan_mode::ASLEEP, tools::Verdict};
use api::explain::ExplainedGate;

/// Who reads the sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// The one who is explained.
    pub is_subject: bool,
    /// Owners, admins and auditors. Members learn nothing of the fields hidden from them, such as whether groups limit the server.
    pub unredacted: bool,
}

impl Finding<'_> {
    /// What was found, and what to do where it does not pass.
    pub fn sentence(&self, reader: Reader) -> String {
        let fixed = match (self, reader.is_subject) {
            (Self::AccountActive, true) => "Your account is active.",
            (Self::AccountActive, false) => "The account is active.",
            (Self::AccountSuspended, _) => "The account is suspended. Activate it under Users.",
            (Self::Enabled, _) => "The server is enabled.",
            (Self::Disabled, _) => "The server is disabled. Enable it in its editor.",
            (Self::OpenToEverybody | Self::InGroup | Self::OpenByRole, _) if !reader.unredacted => {
                "The server is open to you."
            }
            (Self::OpenToEverybody, _) => "The server is open to everybody.",
            (Self::InGroup, true) => "The server is limited to groups, and you are in one of them.",
            (Self::InGroup, false) => "The server is limited to groups, and this user is in one of them.",
            (Self::OpenByRole, true) => "The server is limited to groups; your role opens every server.",
            (Self::OpenByRole, false) => {
                "The server is limited to groups; this user's role opens every server."
            }
            (Self::OutsideGroups, true) => {
                "The server is limited to groups, and you are in none of them. Join one, or open the server to everybody."
            }
            (Self::OutsideGroups, false) => {
                "The server is limited to groups, and this user is in none of them. Add the user to one, or open the server to everybody."
            }
            (Self::Forced, _) => "Always on: an admin set this server for every chat.",
            (Self::Chosen, _) => "Chosen in this chat.",
            (Self::NotChosen, true) => "Not chosen in this chat. Switch it on under Servers.",
            (Self::NotChosen, false) => "Not chosen in this chat. The user can switch it on under Servers.",
            (Self::DefaultOn, _) => "On by default in new chats.",
            (Self::DefaultOff, true) => "Off by default in new chats. Switch it on under Servers.",
            (Self::DefaultOff, false) => {
                "Off by default in new chats. The user can switch it on under Servers, or change its availability."
            }
            (Self::NotPlanning, _) => "The chat is not in plan mode.",
            (Self::AdmittedInPlanMode, _) => {
                "The chat is in plan mode, and an admin approved this server for it."
            }
            (Self::AsleepInPlanMode, _) if reader.unredacted => {
                return format!(
                    "{ASLEEP}: the server is not approved for it. Switch plan mode off in the chat, or approve the server in its editor."
                );
            }
            (Self::AsleepInPlanMode, _) => {
                return format!(
                    "{ASLEEP}: the server is not approved for it. It wakes when plan mode is switched off."
                );
            }
            (Self::PlanSubagent, _) => "Subagents of a chat in plan mode use no servers.",
            (Self::Configured, _) => "The server is set up.",
            (Self::Misconfigured, _) if reader.unredacted => {
                "The server is not set up completely, or a stored secret cannot be read. Its editor says what is missing."
            }
            (Self::Misconfigured, _) => "The server is not set up correctly. An admin has to mend it.",
            (Self::NoConnectionNeeded, _) => "No account has to be connected.",
            (Self::ConnectionNotAsked, _) => "Not asked before the server is set up.",
            (Self::Connected, true) => "Your account is connected.",
            (Self::Connected, false) => "The user's account is connected.",
            (Self::ConnectionRenews, true) => "Your account is connected; access is renewed at the next use.",
            (Self::ConnectionRenews, false) => {
                "The user's account is connected; access is renewed at the next use."
            }
            (Self::NotConnected, true) => {
                "Your account is not connected. Connect it under Servers in a chat."
            }
            (Self::NotConnected, false) => {
                "The user's account is not connected. Only the user can connect it, under Servers in a chat."
            }
            (Self::NeedsReconnect, true) => "The connection has ended. Connect your account again.",
            (Self::NeedsReconnect, false) => "The connection has ended. The user has to connect again.",
            (Self::NeedsPermission, true) => {
                "Your account is connected; some tools ask for more permission than you granted."
            }
            (Self::NeedsPermission, false) => {
                "The user's account is connected; some tools ask for more permission than the user granted."
            }
            (Self::NeedsOidcLogin, true) => "A single sign-on login is missing. Log in with it.",
            (Self::NeedsOidcLogin, false) => {
                "A single sign-on login is missing. The user has to log in with it."
            }
            (Self::UntrustedOrigin, _) if reader.unredacted => {
                "The server's origin is not trusted with single sign-on tokens. Check the trusted origin in its editor."
            }
            (Self::UntrustedOrigin, _) => "The server is not set up correctly. An admin has to mend it.",
            (Self::NoAllowList, _) => "There is no allow list: every tool is allowed.",
            (Self::OnAllowList { pattern }, _) => {
                return format!("On the allow list by the pattern `{}`.", crate::text::quote(pattern, 80));
            }
            (Self::NotOnAllowList, _) => return Verdict::NotOnAllowList.reason(),
            (Self::NoDenyList, _) => "There is no deny list.",
            (Self::NotDenied, _) => "No pattern of the deny list matches.",
            (Self::DefinitionsNotHeld, _) => "Changed definitions are not held back on this server.",
            (Self::DefinitionAccepted, _) => "Its definition was accepted.",
            (Self::DefinitionNew, _) if reader.unredacted => {
                "The tool is new and held back until somebody accepts it. The server's tools page shows it."
            }
            (Self::DefinitionNew, _) => "The tool is new. An admin has to accept it first.",
            (Self::DefinitionChanged, _) if reader.unredacted => {
                "The definition has changed and is held back until somebody accepts it. The server's tools page shows what changed."
            }
            (Self::DefinitionChanged, _) => {
                "The definition of the tool has changed. An admin has to accept it first."
            }
            (Self::Denied { pattern }, _) => {
                return Verdict::Denied { pattern: (*pattern).to_owned() }.reason();
            }
        };
        fixed.to_owned()
    }

    /// As answered.
    pub fn to_wire(&self, reader: Reader) -> ExplainedGate {
        ExplainedGate {
            gate: self.gate(),
            verdict: self.verdict(),
            reason: self.sentence(reader),
            pattern: self.pattern().map(str::to_owned),
        }
    }
}

impl Decision<'_> {
    /// Every gate as answered.
    pub fn to_wire(&self, reader: Reader) -> Vec<ExplainedGate> {
        self.findings.iter().map(|finding| finding.to_wire(reader)).collect()
    }
}
