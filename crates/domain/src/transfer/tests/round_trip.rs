//! What is exported and imported again changes nothing; and no secret is in it.

use super::*;
use crate::mcp_server::OAuth2Settings;
use api::{
    Uuid,
    servers::{AuthType, Availability, OAuth2Registration, UserHeader},
};
use proptest::prelude::*;

fn text(max: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![prop::char::range(' ', '~'), Just('ä'), Just('日')], 0..max)
        .prop_map(|chars| chars.into_iter().collect::<String>().trim().to_owned())
}

/// The types of this build.
const AUTH_TYPES: [AuthType; 5] =
    [AuthType::None, AuthType::ApiKey, AuthType::CustomHeaders, AuthType::Oauth2, AuthType::UserHeader];

fn groups() -> GroupNames {
    GroupNames::new([(Uuid::from_u128(1), "Ops".to_owned()), (Uuid::from_u128(2), "dev".to_owned())])
}

fn oauth2(scopes: String) -> OAuth2Settings {
    OAuth2Settings {
        client_id: "client".to_owned(),
        auth_url: "https://as.example.com/authorize".to_owned(),
        token_url: "https://as.example.com/token".to_owned(),
        scopes,
        registration: Some(OAuth2Registration::Manual),
        ..OAuth2Settings::default()
    }
}

prop_compose! {
    fn any_server()(
        name in text(20), description in text(40), number in 0..1000_u32,
        auth in 0..AUTH_TYPES.len(), stored in any::<bool>(), enabled in any::<bool>(), model_intent in any::<bool>(),
        availability in 0..3_usize, deny in prop::collection::vec("[a-z_*]{1,8}", 0..4),
        twice in prop::collection::vec("[a-z_*]{1,8}", 0..4), asked in prop::collection::vec("[a-z_*]{1,8}", 0..4), groups in 0..4_u128,
        scopes in "([a-z]{1,5}( [a-z]{1,5})?)?",
    ) -> ServerRecord {
        let auth_type = AUTH_TYPES[auth];
        let personal = UserHeader {
            name: "X-Token".to_owned(), description: description.clone(), value_prefix: "Bearer ".to_owned(),
        };
        ServerRecord {
            display_name: format!("N{name}"), description, slug: format!("s{number}"), auth_type, enabled, model_intent,
            availability: Availability::ALL[availability], tool_deny_list: deny, tool_idempotent_list: twice, tool_approval_list: asked,
            api_key_header: if auth_type == AuthType::ApiKey { "X-Key".to_owned() } else { String::new() },
            has_api_key: auth_type == AuthType::ApiKey && stored,
            has_custom_headers: auth_type == AuthType::CustomHeaders && stored,
            oauth2: if auth_type == AuthType::Oauth2 { oauth2(scopes) } else { OAuth2Settings::default() },
            has_oauth2_secret: auth_type == AuthType::Oauth2 && stored,
            user_headers: if auth_type == AuthType::UserHeader { vec![personal] } else { Vec::new() },
            allowed_group_ids: (1..=2).filter(|bit| groups & bit != 0).map(Uuid::from_u128).collect(),
            ..record()
        }
    }
}

fn exported(server: &ServerRecord) -> Value {
    let answer = to_wire(server, Viewer { unredacted: true }, &Access::default());
    export_document([&answer], &groups())
}

fn planned(document: Value, current: Option<&ServerRecord>) -> Planned {
    plan_entry(&read(document).entries[0], current, &[], &groups(), &policy())
}

proptest! {
    #[test]
    fn an_export_imported_where_it_came_from_changes_nothing(server in any_server()) {
        let entry = planned(exported(&server), Some(&server)).entry;
        prop_assert_eq!(entry.action, ImportAction::Unchanged, "{:?}", entry);
    }

    #[test]
    fn an_export_makes_the_same_server_elsewhere(server in any_server()) {
        let mut document = exported(&server);
        // As a person does who follows `secrets_needed`, or what the refusal says.
        match server.auth_type {
            AuthType::ApiKey => document["servers"][0]["api_key_value"] = json!("k"),
            AuthType::CustomHeaders => document["servers"][0]["custom_headers"] = json!({"X-A": "k"}),
            AuthType::Oauth2 => document["servers"][0]["oauth2_client_secret"] = json!("k"),
            _ => {}
        }
        let Planned { entry, step: Step::Create(draft) } = planned(document, None) else {
            return Err(TestCaseError::fail("it is not made"));
        };
        prop_assert_eq!(entry.action, ImportAction::Create);
        let with_secrets = ServerRecord {
            has_api_key: draft.merged.has_api_key, has_custom_headers: draft.merged.has_custom_headers,
            has_oauth2_secret: draft.merged.has_oauth2_secret, ..server
        };
        prop_assert_eq!(exported(&with_secrets), exported(&draft.merged));
    }
}

#[test]
fn an_export_has_every_field_that_can_be_written_and_names_the_secrets() {
    let server = ServerRecord {
        auth_type: AuthType::ApiKey,
        api_key_header: "X-Key".into(),
        has_api_key: true,
        ..record()
    };
    let document = export(&[server]);
    assert_eq!(document["patchbay"], 1);
    let entry = document["servers"][0].as_object().unwrap();
    assert_eq!(entry.keys().next().unwrap(), "slug");
    assert_eq!(entry["secrets_needed"], json!(["api_key_value"]));
    for field in [
        "display_name",
        "description",
        "icon_url",
        "transport",
        "url",
        "auth_type",
        "api_key_header",
        "tool_allow_list",
        "tool_deny_list",
        "tool_idempotent_list",
        "tool_approval_list",
        "availability",
        "enabled",
        "model_intent",
        "allowed_groups",
    ] {
        assert!(entry.contains_key(field), "{field}");
    }
    for field in [
        "id",
        "created_at",
        "updated_at",
        "created_by",
        "has_api_key",
        "auth_status",
        "allowed_group_ids",
        "api_key_value",
        "custom_headers",
    ] {
        assert!(!entry.contains_key(field), "{field}");
    }
}
