//! The editor as the server draws it: each authentication type with its fields and no others.

use super::{
    access::GroupList,
    authentication::AuthenticationSection,
    conflict::{Conflict, ConflictView},
    connections::{ConnectionTable, Words},
    form::EditorForm,
    health::Doing,
    known_tools::KnownTools,
    sample,
    sections::{FormError, ToolsSection},
};
use crate::{
    error::{UiError, UiErrorKind},
    server_fns::groups::GroupChoice,
};
use api::{
    ErrorBody, Uuid, Validation,
    servers::{AuthStatus, AuthType},
};
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
        let server = sample::server(auth_type, json!({"oauth2_client_id": "client-1"}));
        let html = rendered(|| view! { <AuthenticationSection form=EditorForm::new(Some(server))/> });
        for field in every {
            assert_eq!(html.contains(field), own.contains(&field), "{field} of {auth_type}: {html}");
        }
        assert!(!html.contains("user_oidc"), "it is not in this build: {html}");
    }
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
        form.oauth.by_hand.set(true);
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
    UiError { kind: UiErrorKind::Invalid, body: ErrorBody { validations, ..ErrorBody::message(message) } }
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
        let form = EditorForm::new(Some(sample::server(
            "api_key",
            json!({"config_problems": problem, "auth_status": "misconfigured"}),
        )));
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
        let words = Words::of(AuthType::UserHeader);
        view! { <ConnectionTable form id=Uuid::nil() words list removed=Callback::new(|()| ())/> }
    });
    for words in ["ada", "Connected", "bo", "Refused by the server", "2026-01-01 00:00 UTC"] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("<script>"), "{html}");
    assert!(!html.contains("Disconnect"), "who may not change the server ends nobody's connection: {html}");
    let html = rendered(|| {
        let form = EditorForm::new(Some(sample::server("user_header", json!({}))));
        let words = Words::of(AuthType::UserHeader);
        view! { <ConnectionTable form id=Uuid::nil() words list=Vec::new() removed=Callback::new(|()| ())/> }
    });
    assert!(html.contains("Nobody has entered values yet."), "{html}");
}

#[test]
fn an_address_that_an_owner_allows_is_no_error_any_more() {
    Owner::new().with(|| {
        let form = EditorForm::new(None);
        let forgive = |fields: &[(&str, &str)]| {
            refused(fields).without(|at| at == "url").map(|error| error.body.validations.len())
        };
        assert_eq!(forgive(&[("url", "blocked")]), None);
        assert_eq!(forgive(&[("url", "blocked"), ("slug", "taken")]), Some(1));
        assert_eq!(forgive(&[]), Some(0), "a refusal of the whole stays");
        form.error.set(Some(refused(&[("url", "blocked")])));
        assert!(form.error_at("url").get_untracked().is_some());
    });
}

#[test]
fn connections_of_people_who_sign_in_have_their_own_words() {
    let of = |status: AuthStatus, reason: &str| {
        let mut one = sample::connection("ada");
        one.auth_status = status;
        one.auth_status_reason = reason.into();
        rendered(move || {
            let form = EditorForm::new(Some(sample::server("oauth2", json!({}))));
            let words = Words::of(AuthType::Oauth2);
            view! { <ConnectionTable form id=Uuid::nil() words list=vec![one] removed=Callback::new(|()| ())/> }
        })
    };
    for (status, reason, words) in [
        (AuthStatus::Connected, "", "Connected"),
        (AuthStatus::ExpiredRefreshable, "", "Connected, renews automatically"),
        (AuthStatus::NeedsPermission, "insufficient_scope", "Asked for more permission"),
        (AuthStatus::NeedsReconnect, "refresh_rejected", "Ended by the provider"),
        (AuthStatus::NeedsReconnect, "expired_no_refresh_token", "Expired"),
        (AuthStatus::NeedsReconnect, "client_changed", "From before the client changed"),
        (AuthStatus::NeedsReconnect, "rejected_by_server", "Refused by the server"),
        (AuthStatus::NeedsReconnect, "undecryptable", "Cannot be read"),
        (AuthStatus::NeedsReconnect, "a_new_one", "Has to connect again"),
    ] {
        let html = of(status, reason);
        assert!(html.contains(words), "{status:?} {reason}: {html}");
    }
    let html = rendered(|| {
        let form = EditorForm::new(Some(sample::server("oauth2", json!({}))));
        let words = Words::of(AuthType::Oauth2);
        view! { <ConnectionTable form id=Uuid::nil() words list=Vec::new() removed=Callback::new(|()| ())/> }
    });
    assert!(html.contains("Nobody is connected yet.") && !html.contains("values"), "{html}");
}

#[test]
fn the_types_of_this_build_are_offered() {
    let html = rendered(|| view! { <AuthenticationSection form=EditorForm::new(None)/> });
    for offered in AuthType::ALL {
        let option = format!(r#"value="{}""#, offered.as_str());
        assert_eq!(html.contains(&option), *offered != AuthType::UserOidc, "{option}: {html}");
    }
}

#[test]
fn the_change_policy_says_what_it_means_and_leads_to_the_tools() {
    let server = sample::server("none", json!({"tool_change_policy": "hold"}));
    let html = rendered(|| view! { <ToolsSection form=EditorForm::new(Some(server))/> });
    assert!(html.contains("Hold back changed and new tools until somebody accepts them."), "{html}");
    assert!(html.contains("/admin/servers/01900000-0000-7000-8000-000000000001/tools"), "{html}");
    let html = rendered(|| view! { <ToolsSection form=EditorForm::new(None)/> });
    assert!(html.contains("changed tools stay offered and are marked"), "the default: {html}");
    assert!(!html.contains("/tools"), "a new server has none: {html}");
    Owner::new().with(|| {
        let form = EditorForm::new(Some(sample::server("none", json!({}))));
        form.tool_change_policy.set("accept".into());
        assert_eq!(untrack(|| form.to_write()).tool_change_policy.as_deref(), Some("accept"));
        assert!(untrack(|| form.is_dirty()));
    });
}

#[test]
fn what_may_run_twice_is_a_list_below_the_denied_tools() {
    let hint = "Safe to run twice. After a crash Patchbay sends such a call again; any other call whose outcome is unknown is never \
                repeated.";
    let stored = json!({"tool_idempotent_list": ["get_*", HOSTILE]});
    let server = sample::server("none", stored.clone());
    let html = rendered(|| view! { <ToolsSection form=EditorForm::new(Some(server))/> });
    let (before, after) = html.split_once("f-tool_deny_list").unwrap();
    assert!(!before.contains("f-tool_idempotent_list") && after.contains("f-tool_idempotent_list"), "{html}");
    assert!(html.contains(hint) && html.contains("get_*") && !html.contains("<script>"), "{html}");
    Owner::new().with(|| {
        let form = EditorForm::new(Some(sample::server("none", stored)));
        assert!(!untrack(|| form.is_dirty()));
        form.idempotent.set(" get_* \n\nread".into());
        let sent = untrack(|| form.to_write()).tool_idempotent_list;
        assert_eq!(sent, Some(vec!["get_*".to_owned(), "read".to_owned()]));
        assert!(untrack(|| form.is_dirty()));
        form.error.set(Some(refused(&[("tool_idempotent_list[1]", "Too long.")])));
        assert_eq!(form.error_at("tool_idempotent_list").get_untracked().as_deref(), Some("Too long."));
    });
}

#[test]
fn a_test_shows_which_known_tools_may_run_twice() {
    let tool = |name: &str| json!({"name": name, "exposed_name": name, "allowed": true});
    let report = json!({
        "outcome": "connected", "auth_status": "not_required", "tools": [tool("get_a"), tool("GET_b"), tool("put")],
    });
    let html = rendered(|| {
        let stored = json!({"tool_idempotent_list": ["get_*", "nothing"]});
        let form = EditorForm::new(Some(sample::server("none", stored)));
        form.report.set(Some(serde_json::from_value(report).unwrap()));
        view! { <KnownTools form/> }
    });
    assert_eq!(html.matches(">Safe to run twice").count(), 1, "{html}");
    let (first, others) = html.split_once("GET_b").unwrap();
    assert!(first.contains("Safe to run twice") && !others.contains("Safe to run twice"), "{html}");
    assert!(html.contains("No tool matches nothing"), "{html}");
}

#[test]
fn a_test_marks_the_tools_that_are_not_those_that_were_accepted() {
    let tool = |name: &str, state: &str| json!({"name": name, "exposed_name": name, "allowed": true, "state": state});
    let report = json!({
        "outcome": "connected", "auth_status": "not_required", "tools": [tool("a", "held"), tool("b", "accepted"), tool("c", "new")],
    });
    let html = rendered(|| {
        let form = EditorForm::new(Some(sample::server("none", json!({}))));
        form.report.set(Some(serde_json::from_value(report).unwrap()));
        view! { <KnownTools form/> }
    });
    assert!(html.contains("Held back") && html.contains(">New"), "{html}");
    let allowed = html.matches(">Allowed").count();
    assert_eq!(allowed, 2, "no tick for what chats do not get: {html}");
    assert_eq!(
        html.matches("badge tone-info").count() + html.matches("badge tone-warn").count(),
        2,
        "{html}"
    );
}

#[test]
fn the_head_says_how_the_server_is_doing_and_why() {
    let health = |state: &str| {
        let health = json!({"state": state, "since": "2026-02-03T04:05:00Z", "last_error": HOSTILE});
        rendered(move || view! { <Doing health=serde_json::from_value(health).unwrap()/> })
    };
    let html = health("auth_trouble");
    assert!(html.contains("Credential refused") && html.contains("2026-02-03 04:05 UTC"), "{html}");
    assert!(html.contains("alert(1)") && !html.contains("<script>"), "{html}");
    let html = health("ok");
    assert!(html.contains("Working") && !html.contains("alert(1)"), "{html}");
}
