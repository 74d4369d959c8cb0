use super::*;

#[test]
fn where_a_resource_may_publish() {
    for (server, expected) in [
        (
            "https://api.example.com/v1/mcp",
            &[
                "https://api.example.com/.well-known/oauth-protected-resource/v1/mcp",
                "https://api.example.com/.well-known/oauth-protected-resource",
            ][..],
        ),
        ("https://mcp.example.com", &["https://mcp.example.com/.well-known/oauth-protected-resource"]),
        ("https://mcp.example.com/", &["https://mcp.example.com/.well-known/oauth-protected-resource"]),
        (
            "https://h.example/mcp?t=a",
            &[
                "https://h.example/.well-known/oauth-protected-resource/mcp?t=a",
                "https://h.example/.well-known/oauth-protected-resource",
            ],
        ),
        (
            "https://h.example?t=a/b",
            &[
                "https://h.example/.well-known/oauth-protected-resource?t=a/b",
                "https://h.example/.well-known/oauth-protected-resource",
            ],
        ),
        (
            "https://h.example/mcp/",
            &[
                "https://h.example/.well-known/oauth-protected-resource/mcp/",
                "https://h.example/.well-known/oauth-protected-resource",
            ],
        ),
        (
            "http://127.0.0.1:3990/mcp",
            &[
                "http://127.0.0.1:3990/.well-known/oauth-protected-resource/mcp",
                "http://127.0.0.1:3990/.well-known/oauth-protected-resource",
            ],
        ),
        // nothing is changed: case, port, percent, a second slash
        (
            "https://H.example:443//A%2fb/",
            &[
                "https://H.example:443/.well-known/oauth-protected-resource//A%2fb/",
                "https://H.example:443/.well-known/oauth-protected-resource",
            ],
        ),
        ("https://[2001:db8::1]:8443", &["https://[2001:db8::1]:8443/.well-known/oauth-protected-resource"]),
        ("https://h.example#f", &["https://h.example/.well-known/oauth-protected-resource"]),
        ("h.example/mcp", &[]),
        ("https:///mcp", &[]),
    ] {
        assert_eq!(resource_metadata_candidates(server), expected, "{server}");
    }
}

#[test]
fn where_an_issuer_may_publish() {
    let tenant = [
        "https://auth.example.com/.well-known/oauth-authorization-server/tenant1",
        "https://auth.example.com/.well-known/openid-configuration/tenant1",
        "https://auth.example.com/tenant1/.well-known/openid-configuration",
        "https://auth.example.com/.well-known/oauth-authorization-server",
    ];
    let root = [
        "https://auth.example.com/.well-known/oauth-authorization-server",
        "https://auth.example.com/.well-known/openid-configuration",
    ];
    let port = [
        "https://Auth.example.com:8443/.well-known/oauth-authorization-server/a/b",
        "https://Auth.example.com:8443/.well-known/openid-configuration/a/b",
        "https://Auth.example.com:8443/a/b/.well-known/openid-configuration",
        "https://Auth.example.com:8443/.well-known/oauth-authorization-server",
    ];
    for (issuer, expected) in [
        ("https://auth.example.com/tenant1", &tenant[..]),
        ("https://auth.example.com/tenant1/", &tenant),
        ("https://auth.example.com", &root),
        ("https://auth.example.com/", &root),
        ("https://Auth.example.com:8443/a/b", &port),
        ("https://auth.example.com/?x=y", &[]),
        ("https://auth.example.com#x", &[]),
        ("auth.example.com", &[]),
    ] {
        assert_eq!(authorization_server_candidates(issuer), expected, "{issuer}");
    }
}

#[test]
fn origins() {
    for (url, expected) in [
        ("https://API.example.com/v1/mcp?x", Some("https://api.example.com")),
        ("https://api.example.com:443", Some("https://api.example.com")),
        ("https://api.example.com:8443/", Some("https://api.example.com:8443")),
        ("http://127.0.0.1:3990/mcp", Some("http://127.0.0.1:3990")),
        ("https://[2001:DB8::1]/", Some("https://[2001:db8::1]")),
        ("ftp://a.example/", None),
        ("data:text/html,x", None),
        ("nonsense", None),
    ] {
        assert_eq!(origin(url).as_deref(), expected, "{url}");
    }
}

#[test]
fn addresses_that_may_be_used() {
    for good in [
        "https://auth.example.com",
        "https://auth.example.com/authorize?tenant=a&x=b+c,d",
        "HTTPS://Auth.Example.COM:8443/a%20b/~me@x",
        "https://xn--bcher-kva.example/",
        "https://[2001:db8::1]/token",
        "https://tenant.b2clogin.com/tenant.onmicrosoft.com/B2C_1_x/v2.0/.well-known/openid-configuration?p=B2C_1_x",
        "http://127.0.0.1:3990/token",
        "http://127.9.9.9/token",
        "http://localhost:8080/token",
        "http://[::1]:8080/token",
        "https://h.example/a..b/...",
    ] {
        assert_eq!(check_endpoint(good), Ok(()), "{good}");
    }
}

/// Threat 7: none of these is accepted in any place of a metadata document.
pub(crate) const BAD: &[&str] = &[
    "",
    " ",
    "auth.example.com",
    "/authorize",
    "//auth.example.com/",
    "https:auth.example.com",
    "https:/auth.example.com",
    "https://",
    "https:///x",
    "https://?x",
    "https://:443/",
    // schemes
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "javascript://auth.example.com/%0aalert(1)",
    "java\tscript:alert(1)",
    "\u{1}javascript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD4=",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "file://auth.example.com/c$/x",
    "ftp://auth.example.com/",
    "blob:https://auth.example.com/1",
    "about:blank",
    "view-source:https://auth.example.com/",
    "intent://auth.example.com/#Intent;end",
    "ms-msdt:/id",
    "x-https://auth.example.com/",
    // plain http
    "http://auth.example.com/",
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://localhost.example.com/",
    "http://127.0.0.1.example.com/",
    "http://[::ffff:127.0.0.1]/",
    // user info
    "https://user@auth.example.com/",
    "https://user:pass@auth.example.com/",
    "https://@auth.example.com/",
    "https://:@auth.example.com/",
    "https://auth.example.com@evil.example/",
    "https://auth.example.com:443@evil.example/",
    "https://auth.example.com%40evil.example/",
    // parts that are never sent
    "https://auth.example.com/#",
    "https://auth.example.com/#frag",
    "https://auth.example.com#@evil.example/",
    // line breaks, controls, blanks, marks
    "https://auth.example.com/\r\nX-Evil: 1",
    "https://auth.example.com/\n",
    "https://auth.example.com/a b",
    "https://auth.example.com/\t",
    "https://exa\tmple.com/",
    "https://auth.example.com/\0",
    "https://auth.example.com/%0d%0aX-Evil:1",
    "https://auth.example.com/%00",
    "https://auth.example.com/%7f",
    "https://auth.example.com/\u{202e}gpj.exe",
    "https://auth.example.com/\u{2066}x\u{2069}",
    "https://auth.exa\u{200b}mple.com/",
    "https://bücher.example/",
    "https://auth。example。com/",
    "https://auth.example.com/é",
    // what a shell would take
    "https://auth.example.com/`id`",
    "https://auth.example.com/$(id)",
    "https://auth.example.com/|calc",
    "https://auth.example.com/;id",
    "https://auth.example.com/&calc.exe",
    "https://auth.example.com/?a='b'",
    "https://auth.example.com/\"onload=x",
    "https://auth.example.com/<script>",
    "https://auth.example.com/{x}",
    "https://auth.example.com/^x",
    "https://auth.example.com/*",
    "https://auth.example.com/%PATH%",
    "https://auth.example.com/%",
    "https://auth.example.com/%2",
    // two readings
    "https://auth.example.com\\@evil.example/",
    "https:\\\\auth.example.com/",
    "https://auth.example.com/a/../b",
    "https://auth.example.com/./a",
    "https://auth.example.com/%2e%2E/b",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://127.1/",
    "http://127.1/",
    "https://[::1",
    "https://[::0001]/",
    "https://auth.example.com:0/",
    "https://auth.example.com:99999/",
    "https://auth.example.com:port/",
    "https://auth_example..com:443:443/",
];

#[test]
fn addresses_that_may_not() {
    assert!(BAD.len() >= 60, "{}", BAD.len());
    for bad in BAD {
        assert!(check_endpoint(bad).is_err(), "{bad:?}");
    }
    assert!(check_endpoint(&format!("https://auth.example.com/{}", "a".repeat(URL_BYTES))).is_err());
}
