//! The two eras of MCP over streamable HTTP, each at an address of its own.

use anyhow::{Result, bail};
use rmcp::{model::ProtocolVersion, service::ClientLifecycleMode};

/// How client and server speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// Every request for itself.
    Stateless,
    /// A handshake, then a session.
    Sessions,
}

impl Era {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "stateless" => Ok(Self::Stateless),
            "sessions" => Ok(Self::Sessions),
            _ => bail!("no era: {text:?}"),
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Stateless => "/stateless",
            Self::Sessions => "/sessions",
        }
    }

    /// What the server of this era speaks.
    pub(crate) fn versions(self) -> &'static [ProtocolVersion] {
        match self {
            Self::Stateless => &[ProtocolVersion::V_2026_07_28],
            Self::Sessions => &[ProtocolVersion::V_2025_11_25],
        }
    }

    /// How rmcp's client begins.
    pub(crate) fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Stateless => ClientLifecycleMode::Discover { preferred_versions: self.versions().to_vec() },
            Self::Sessions => ClientLifecycleMode::Initialize,
        }
    }
}
