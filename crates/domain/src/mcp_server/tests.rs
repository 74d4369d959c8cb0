use super::*;

/// A complete server without authentication.
pub(crate) fn record() -> ServerRecord {
    ServerRecord {
        id: Uuid::from_u128(7),
        display_name: "Linear".into(),
        slug: "linear".into(),
        description: "Issues".into(),
        icon_url: "/icons/linear.svg".into(),
        transport: Transport::StreamableHttp,
        url: "https://mcp.example.com/mcp".into(),
        auth_type: AuthType::None,
        api_key_header: String::new(),
        has_api_key: false,
        has_custom_headers: false,
        oauth2: Default::default(),
        has_oauth2_secret: false,
        user_headers: Vec::new(),
        tool_allow_list: vec![],
        tool_deny_list: vec!["delete_*".into()],
        tool_idempotent_list: vec!["get_*".into()],
        tool_approval_list: vec!["create_*".into()],
        availability: Availability::DefaultOn,
        enabled: true,
        model_intent: true,
        allow_in_plan_mode: false,
        forward_coder_headers: false,
        has_signing_secret: false,
        send_trace_context: false,
        use_instructions: false,
        tool_change_policy: api::servers::ToolChangePolicy::Notify,
        allowed_group_ids: Vec::new(),
        created_at: Timestamp(1_000_000),
        updated_at: Timestamp(2_000_000),
        created_by: Some(Uuid::from_u128(1)),
        updated_by: Some(Uuid::from_u128(2)),
        version: 5,
        credential_version: 3,
    }
}

mod matrix;
mod merge;
mod oauth2;
mod read;
mod states;
mod user_values;
mod write_rules;

use crate::UrlPolicy;
use api::{
    Validation,
    servers::{OAuth2Registration, ServerWrite},
};
use std::collections::BTreeMap;

fn policy() -> UrlPolicy {
    UrlPolicy::new(|host, port| host == "127.0.0.1" && port == 3990)
}

fn with_key() -> ServerRecord {
    ServerRecord {
        auth_type: AuthType::ApiKey,
        api_key_header: "X-Key".into(),
        has_api_key: true,
        ..record()
    }
}

fn with_headers() -> ServerRecord {
    ServerRecord { auth_type: AuthType::CustomHeaders, has_custom_headers: true, ..record() }
}

/// Complete, set up by hand, with a client secret.
fn with_oauth2() -> ServerRecord {
    ServerRecord {
        auth_type: AuthType::Oauth2,
        oauth2: OAuth2Settings {
            client_id: "client-7".into(),
            auth_url: "https://id.example.com/authorize".into(),
            token_url: "https://id.example.com/token".into(),
            revocation_url: "https://id.example.com/revoke".into(),
            scopes: "read write".into(),
            issuer: "https://id.example.com".into(),
            registration: Some(OAuth2Registration::Manual),
            secret_wiped: false,
        },
        has_oauth2_secret: true,
        ..record()
    }
}

fn user_header(name: &str) -> UserHeader {
    UserHeader { name: name.into(), description: "A token of yours".into(), value_prefix: "Bearer ".into() }
}

fn with_user_headers() -> ServerRecord {
    ServerRecord {
        auth_type: AuthType::UserHeader,
        user_headers: vec![user_header("X-Token"), user_header("X-Team")],
        ..record()
    }
}

fn headers(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The least body that POST accepts.
fn minimal() -> ServerWrite {
    ServerWrite {
        display_name: Some("Linear".into()),
        slug: Some("linear".into()),
        transport: Some("streamable_http".into()),
        url: Some("https://mcp.example.com/mcp".into()),
        auth_type: Some("none".into()),
        availability: Some("default_off".into()),
        ..ServerWrite::default()
    }
}

fn fields<T: std::fmt::Debug>(result: Result<T, Vec<Validation>>) -> Vec<String> {
    result.unwrap_err().into_iter().map(|problem| problem.field).collect()
}
