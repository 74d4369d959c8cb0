//! What is exported and imported again changes nothing; and no secret is in it.

use super::*;
use api::servers::{AuthType, Availability};
use proptest::prelude::*;

fn text(max: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![prop::char::range(' ', '~'), Just('ä'), Just('日')], 0..max)
        .prop_map(|chars| chars.into_iter().collect::<String>().trim().to_owned())
}

prop_compose! {
    fn any_server()(
        name in text(20), description in text(40), number in 0..1000_u32,
        auth in 0..3_usize, stored in any::<bool>(), enabled in any::<bool>(), model_intent in any::<bool>(),
        availability in 0..3_usize, deny in prop::collection::vec("[a-z_*]{1,8}", 0..4),
    ) -> ServerRecord {
        let auth_type = [AuthType::None, AuthType::ApiKey, AuthType::CustomHeaders][auth];
        ServerRecord {
            display_name: format!("N{name}"), description, slug: format!("s{number}"), auth_type, enabled, model_intent,
            availability: Availability::ALL[availability], tool_deny_list: deny,
            api_key_header: if auth_type == AuthType::ApiKey { "X-Key".to_owned() } else { String::new() },
            has_api_key: auth_type == AuthType::ApiKey && stored,
            has_custom_headers: auth_type == AuthType::CustomHeaders && stored,
            ..record()
        }
    }
}

proptest! {
    #[test]
    fn an_export_imported_where_it_came_from_changes_nothing(server in any_server()) {
        let planned = plan(export(std::slice::from_ref(&server)), std::slice::from_ref(&server)).remove(0);
        prop_assert_eq!(planned.action, ImportAction::Unchanged, "{:?}", planned);
    }

    #[test]
    fn an_export_makes_the_same_server_elsewhere(server in any_server()) {
        let mut document = export(std::slice::from_ref(&server));
        // As a person does who follows `secrets_needed`, or what the refusal says.
        match server.auth_type {
            AuthType::ApiKey => document["servers"][0]["api_key_value"] = json!("k"),
            AuthType::CustomHeaders => document["servers"][0]["custom_headers"] = json!({"X-A": "k"}),
            _ => {}
        }
        let entry = read(document).entries.remove(0);
        let Step::Create(draft) = plan_entry(&entry, None, &[], &GroupNames::default(), &policy()).step else {
            return Err(TestCaseError::fail("it is not made"));
        };
        let made = draft.record(server.id, server.created_at, None);
        prop_assert_eq!(&export(&[made])["servers"][0]["url"], &json!(server.url.clone()));
        let same = ServerRecord {
            has_api_key: draft.merged.has_api_key, has_custom_headers: draft.merged.has_custom_headers, ..server
        };
        prop_assert_eq!(export(&[same]), export(&[draft.merged]));
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
