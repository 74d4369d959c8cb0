//! What the admin asks of users, and what users enter (behaviour 7).

use super::*;
use crate::mcp_server::{check_user_values, lower_names};

fn create_with(list: Vec<UserHeader>) -> Result<ServerDraft, Vec<Validation>> {
    let write = ServerWrite { auth_type: Some("user_header".into()), user_headers: Some(list), ..minimal() };
    validate_create(&write, &policy())
}

#[test]
fn the_list_of_headers_is_checked() {
    let of = |name: &str, description: &str, value_prefix: &str| UserHeader {
        name: name.into(),
        description: description.into(),
        value_prefix: value_prefix.into(),
    };
    let long = "x".repeat(4097);
    for (list, field, why) in [
        (vec![], "user_headers", "at least one"),
        (vec![of("", "", "")], "user_headers[0].name", "header name"),
        (vec![of("X Token", "", "")], "user_headers[0].name", "no header name"),
        (vec![of("X-A\r\nX-B", "", "")], "user_headers[0].name", "no header name"),
        (vec![of("X-A", "", ""), of("Host", "", "")], "user_headers[1].name", "set by Patchbay"),
        (vec![of("mcp-session-id", "", "")], "user_headers[0].name", "set by Patchbay"),
        (vec![of("X-A", "", ""), of("X-B", "", ""), of("x-a", "", "")], "user_headers[2].name", "twice"),
        (vec![of("X-A", "", "Bearer\r\n")], "user_headers[0].value_prefix", "prefix"),
        (vec![of("X-A", "", "a\0")], "user_headers[0].value_prefix", "prefix"),
        (vec![of("X-A", "", ""), of("X-B", "", &long[..257])], "user_headers[1].value_prefix", "257 bytes"),
        (vec![of("X-A", &long, "")], "user_headers[0].description", "4097 characters"),
        (vec![of("X-A", "a\0", "")], "user_headers[0].description", "control"),
        ((0..33).map(|n| of(&format!("X-{n}"), "", "")).collect(), "user_headers", "33 headers"),
    ] {
        let problems = create_with(list.clone()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].field, field);
        assert!(problems[0].detail.contains(why), "{why}: {}", problems[0].detail);
    }
    let bad = ServerWrite {
        auth_type: Some("user_header".into()),
        user_headers: Some(vec![of("X A", "\0", "\n"), of("X-B", "", ""), of("Host", "", "")]),
        tool_deny_list: Some(vec!["\0".into()]),
        slug: Some("no slug".into()),
        ..minimal()
    };
    let all = [
        "slug",
        "tool_deny_list",
        "user_headers[0].name",
        "user_headers[0].description",
        "user_headers[0].value_prefix",
        "user_headers[2].name",
    ];
    assert_eq!(fields(validate_create(&bad, &policy())), all, "all at once, in the order of the form");
    let patch =
        ServerWrite { user_headers: Some(vec![of("X-A", "", ""), of("", "", "")]), ..ServerWrite::default() };
    let refused = merge_update(&with_user_headers(), &patch, &policy());
    assert_eq!(fields(refused), ["user_headers[1].name"]);
    let kept = create_with(vec![of(" X-A ", " Two\nlines ", " Bearer ")]).unwrap().merged.user_headers;
    assert_eq!(kept, [of("X-A", "Two\nlines", "Bearer ")], "the blank after the prefix is part of it");
}

#[test]
fn a_value_for_every_name_and_for_no_other() {
    let asked = [user_header("X-Token"), user_header("X-Team")];
    let check = |entries: &[(&str, &str)]| check_user_values(&asked, &headers(entries));
    let good = check(&[("x-TOKEN", " t "), ("X-Team", "a")]).unwrap();
    assert_eq!(good, headers(&[("x-token", "t"), ("x-team", "a")]));
    for (entries, refused) in [
        (&[][..], vec!["values.X-Token", "values.X-Team"]),
        (&[("X-Token", "t")], vec!["values.X-Team"]),
        (&[("X-Token", "t"), ("X-Team", "  ")], vec!["values.X-Team"]),
        (&[("X-Token", "t"), ("X-Team", "a"), ("X-Other", "b")], vec!["values.X-Other"]),
        (&[("X-Token", "t"), ("x-token", "u"), ("X-Team", "a")], vec!["values.x-token"]),
        (&[("X-Token", "a\r\nb"), ("X-Team", "a")], vec!["values.X-Token"]),
        (&[("X-Token", "a\0"), ("X-Team", "a\n")], vec!["values.X-Team", "values.X-Token"]),
        (
            &[("X-Token", "hunter2\u{7f}"), ("Nope", "hunter2")],
            vec!["values.Nope", "values.X-Token", "values.X-Team"],
        ),
    ] {
        let problems = check(entries).unwrap_err();
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, refused, "{entries:?}");
        assert!(problems.iter().all(|problem| !problem.detail.contains("hunter2")), "{problems:?}");
    }
    let many: BTreeMap<_, _> = (0..100_000).map(|n| (format!("X-{n}"), String::new())).collect();
    assert_eq!(check_user_values(&asked, &many).unwrap_err().len(), 1);
}

/// Behaviour 6, point 5, as far as users' values go.
#[test]
fn what_an_edit_takes_from_users() {
    let patch = |write: ServerWrite| merge_update(&with_user_headers(), &write, &policy()).unwrap();
    let none = ServerWrite::default;
    let asked = |list: Vec<UserHeader>| patch(ServerWrite { user_headers: Some(list), ..none() });
    let team = UserHeader { description: "Other".into(), value_prefix: String::new(), name: "x-TEAM".into() };
    assert_eq!(patch(none()).user_values, UserValuesWipe::Nothing);
    assert_eq!(asked(with_user_headers().user_headers).user_values, UserValuesWipe::Nothing);
    let renamed = asked(vec![user_header("X-Token"), team.clone()]);
    assert_eq!(renamed.user_values, UserValuesWipe::Nothing, "case does not count");
    assert!(renamed.credentials_changed, "the prefix is sent");
    assert_eq!(asked(vec![team]).user_values, UserValuesWipe::Names(vec!["x-token".into()]));
    let more = asked(vec![user_header("X-Token"), user_header("X-Team"), user_header("X-New")]);
    assert_eq!(more.user_values, UserValuesWipe::Nothing);
    let moved = |url: &str| patch(ServerWrite { url: Some(url.into()), ..none() });
    assert_eq!(moved("https://evil.example/mcp").user_values, UserValuesWipe::All);
    assert_eq!(moved("https://mcp.example.com/other").user_values, UserValuesWipe::Nothing);
    let typed = patch(ServerWrite { auth_type: Some("none".into()), ..none() });
    assert_eq!(typed.user_values, UserValuesWipe::All);
    assert_eq!(typed.cleared.fields, ["user_headers"]);
    assert!(typed.merged.user_headers.is_empty());
    let kept = patch(ServerWrite { auth_type: Some("user_header".into()), ..none() });
    assert_eq!(lower_names(&kept.merged.user_headers), ["x-token", "x-team"]);
    // The list the type needs cannot be cleared.
    let cleared = ServerWrite { user_headers: Some(vec![]), ..none() };
    assert_eq!(fields(merge_update(&with_user_headers(), &cleared, &policy())), ["user_headers"]);
}
