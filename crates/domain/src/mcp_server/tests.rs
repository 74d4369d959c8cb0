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
        tool_allow_list: vec![],
        tool_deny_list: vec!["delete_*".into()],
        availability: Availability::DefaultOn,
        enabled: true,
        model_intent: true,
        created_at: Timestamp(1_000_000),
        updated_at: Timestamp(2_000_000),
        created_by: Some(Uuid::from_u128(1)),
        updated_by: Some(Uuid::from_u128(2)),
        version: 5,
        credential_version: 3,
    }
}
