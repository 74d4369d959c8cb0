//! The editor as the server draws it: each authentication type with its fields and no others.

use super::{
    access::GroupList,
    authentication::AuthenticationSection,
    conflict::{Conflict, ConflictView},
    connections::ConnectionTable,
    form::EditorForm,
    sample,
    sections::FormError,
};
use crate::{
    error::{UiError, UiErrorKind},
    server_fns::groups::GroupChoice,
};
use api::{ErrorBody, Uuid, Validation, servers::AuthType};
use leptos::{prelude::*, reactive::owner::Owner};
use serde_json::json;

const HOSTILE: &str = "</textarea><script>alert(1)</script>";

fn rendered<V: IntoView + 'static>(view: impl FnOnce() -> V) -> String {
    Owner::new().with(|| view().into_view().to_html())
}

#[test]
fn each_type_shows_its_fields_and_no_others() {
    let every = [
        "f-api_key_header",
        "f-api_key_value",
        ">Headers<",
        "Headers that each person fills in",
        "f-oauth2_client_id",
        "f-oauth2_client_secret",
        "f-oauth2_auth_url",
        "f-oauth2_token_url",
        "f-oauth2_revocation_url",
        "f-oauth2_scopes",
        "f-oauth2_issuer",
    ];
    for (auth_type, own) in [
        ("none", &every[..0]),
        ("api_key", &every[..2]),
        ("custom_headers", &every[2..3]),
        ("user_header", &every[3..4]),
        ("oauth2", &every[4..]),
    ] {
        let server = sample::server(auth_type, json!({}));
        let html = rendered(|| view! { <AuthenticationSection form=EditorForm::new(Some(server))/> });
        for field in every {
            assert_eq!(html.contains(field), own.contains(&field), "{field} of {auth_type}: {html}");
        }
        assert!(!html.contains("user_oidc"), "it is not in this build: {html}");
    }
}

#[test]
fn oauth_says_plainly_that_nobody_can_connect() {
    let server = sample::server("oauth2", json!({"has_oauth2_secret": true, "oauth2_client_id": "client-1"}));
    let html = rendered(|| view! { <AuthenticationSection form=EditorForm::new(Some(server))/> });
    assert!(
        html.contains("Users cannot connect yet in this build; the server is not used until they can."),
        "{html}"
    );
    assert!(html.contains("client ID, authorization URL and token URL are all needed"), "{html}");
    assert!(html.contains("client-1") && html.contains("Stored ••••") && html.contains(">Remove<"), "{html}");
}

#[test]
fn personal_headers_are_listed_and_stay_text() {
    let headers = json!([{"name": "Authorization", "description": format!("Make one {HOSTILE}"), "value_prefix": "Bearer "}]);
    let server = sample::server("user_header", json!({"user_headers": headers}));
    let html = rendered(|| view! { <AuthenticationSection form=EditorForm::new(Some(server))/> });
    assert!(html.contains(r#"value="Authorization""#) && html.contains(r#"value="Bearer ""#), "{html}");
    assert!(html.contains("Make one &lt;/textarea&gt;") && !html.contains("<script>"), "{html}");
}

#[test]
fn what_was_typed_for_another_type_stays_until_it_is_saved() {
    Owner::new().with(|| {
        let form = EditorForm::new(Some(sample::server("none", json!({}))));
        form.auth_type.set("oauth2".into());
        form.oauth.client_id.set("client-1".into());
        form.auth_type.set("api_key".into());
        assert_eq!(untrack(|| form.to_write()).oauth2_client_id, None, "only the chosen type is sent");
        form.auth_type.set("oauth2".into());
        assert_eq!(untrack(|| form.to_write()).oauth2_client_id.as_deref(), Some("client-1"));
        form.load(sample::server("none", json!({})));
        assert_eq!(form.oauth.client_id.get_untracked(), "");
    });
}

fn refused(fields: &[(&str, &str)]) -> UiError {
    let validations = fields.iter().map(|(field, detail)| Validation::new(*field, *detail)).collect();
    let message = "Some fields need a change.".to_owned();
    UiError { kind: UiErrorKind::Invalid, body: ErrorBody { message, detail: None, validations } }
}

#[test]
fn a_refused_entry_is_marked_where_it_stands() {
    let headers = json!([
        {"name": "X-First", "description": "", "value_prefix": ""},
        {"name": "X Second", "description": "", "value_prefix": ""},
    ]);
    let server = sample::server("user_header", json!({"user_headers": headers}));
    let html = rendered(|| {
        let form = EditorForm::new(Some(server));
        form.error.set(Some(refused(&[
            ("user_headers[1].name", "No blanks in a header name."),
            ("user_headers", "At most 1 header today."),
            ("surprise", "Nobody knows this field."),
        ])));
        view! {
            <FormError form/>
            <AuthenticationSection form/>
        }
    });
    assert_eq!(html.matches("No blanks in a header name.").count(), 1, "{html}");
    let (first, second) = html.split_once("X Second").unwrap();
    assert!(!first.contains("No blanks") && second.contains("No blanks"), "{html}");
    assert_eq!(html.matches("At most 1 header today.").count(), 1, "{html}");
    assert!(html.contains("2 to fix"), "the section counts them: {html}");
    assert!(html.contains("Nobody knows this field."), "what has no place stands above: {html}");
}

#[test]
fn a_problem_of_the_stored_server_stands_at_its_field_until_the_type_is_left() {
    let problem = json!([{"field": "api_key_value", "detail": "The API key is missing."}]);
    Owner::new().with(|| {
        let form = EditorForm::new(Some(sample::server("api_key", json!({"config_problems": problem, "auth_status": "misconfigured"}))));
        let message = form.error_at("api_key_value");
        assert_eq!(message.get_untracked().as_deref(), Some("The API key is missing."));
        assert_eq!(form.to_fix_in(&["api_key_value"]), 1);
        assert_eq!(form.errors_in(&["api_key_value"]), 0, "nothing was refused");
        form.auth_type.set("none".into());
        assert_eq!(message.get_untracked(), None);
    });
}

#[test]
fn groups_are_ticked_as_stored() {
    let chosen = Uuid::from_u128(7);
    let server = sample::server("none", json!({"allowed_group_ids": [chosen]}));
    let group = |id, label: &str| GroupChoice { id, label: label.into(), member_count: 2 };
    let few = vec![group(chosen, "Support"), group(Uuid::from_u128(8), HOSTILE)];
    let form_of = move || EditorForm::new(Some(server));
    let form = form_of.clone();
    let html = rendered(move || view! { <GroupList form=form() groups=few/> });
    assert_eq!(html.matches(" checked").count(), 1, "{html}");
    assert!(html.contains("2 members") && !html.contains("<script>"), "{html}");
    assert!(!html.contains("Search groups"), "a few need no search: {html}");
    let many = (0..20).map(|n| group(Uuid::from_u128(n), &format!("Group {n}"))).collect::<Vec<_>>();
    let html = rendered(move || view! { <GroupList form=form_of() groups=many/> });
    assert!(html.contains("Search groups"), "{html}");
}

#[test]
fn a_conflict_shows_both_and_offers_both_ways() {
    let base = sample::server("none", json!({"description": "Old words"}));
    let theirs = sample::server("none", json!({"description": HOSTILE}));
    let html = rendered(|| {
        let form = EditorForm::new(Some(base.clone()));
        form.description.set("My words".into());
        let mine = untrack(|| form.to_write());
        let conflict = Conflict { base, theirs, by: "bo".into() };
        let nothing = Callback::new(|()| ());
        view! { <ConflictView conflict mine form save_over=nothing take_theirs=nothing/> }
    });
    for words in ["Changed meanwhile by", "bo", "Old words", "My words", "Save mine over it", "Take theirs"] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("<script>"), "{html}");
}

#[test]
fn connections_show_who_since_when_and_why_not() {
    let mut broken = sample::connection("bo");
    broken.user_id = Uuid::from_u128(3);
    broken.auth_status = api::servers::AuthStatus::NeedsReconnect;
    broken.auth_status_reason = "rejected_by_server".into();
    broken.last_error = HOSTILE.into();
    let html = rendered(|| {
        let form = EditorForm::new(Some(sample::server("user_header", json!({}))));
        let list = vec![sample::connection("ada"), broken];
        view! { <ConnectionTable form id=Uuid::nil() list removed=Callback::new(|()| ())/> }
    });
    for words in ["ada", "Connected", "bo", "Refused by the server", "2026-01-01 00:00 UTC"] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("<script>"), "{html}");
    assert!(!html.contains(">Disconnect<"), "who may not change the server ends nobody's connection: {html}");
    let html = rendered(|| {
        let form = EditorForm::new(Some(sample::server("user_header", json!({}))));
        view! { <ConnectionTable form id=Uuid::nil() list=Vec::new() removed=Callback::new(|()| ())/> }
    });
    assert!(html.contains("Nobody has entered values yet."), "{html}");
}

#[test]
fn the_types_of_this_build_are_offered() {
    let html = rendered(|| view! { <AuthenticationSection form=EditorForm::new(None)/> });
    for offered in AuthType::ALL {
        let option = format!(r#"value="{}""#, offered.as_str());
        assert_eq!(html.contains(&option), *offered != AuthType::UserOidc, "{option}: {html}");
    }
}
