use domain::clock::SeededEntropy;

use super::*;

const REQUEST: AuthorizationRequest<'_> = AuthorizationRequest {
    client_id: "id &=",
    redirect_uri: "https://p.example/oauth2/callback?x=1",
    state: "s-_",
    challenge: "c",
    // Neither gets a slash nor loses its case (threat 10).
    resource: "https://MCP.example.com",
    scope: Some("files:read a"),
    prompt_consent: true,
};

#[test]
fn a_request_has_everything_once() {
    let url = authorization_url("https://auth.example.com/authorize", &REQUEST).unwrap();
    assert_eq!(
        url,
        "https://auth.example.com/authorize?response_type=code&client_id=id+%26%3D\
         &redirect_uri=https%3A%2F%2Fp.example%2Foauth2%2Fcallback%3Fx%3D1&state=s-_&code_challenge=c\
         &code_challenge_method=S256&resource=https%3A%2F%2FMCP.example.com&scope=files%3Aread+a&prompt=consent"
    );
    for scope in [None, Some("")] {
        let least = AuthorizationRequest { scope, prompt_consent: false, ..REQUEST };
        let url = authorization_url("https://auth.example.com/authorize", &least).unwrap();
        assert!(url.ends_with("&resource=https%3A%2F%2FMCP.example.com"), "{url}");
    }
}

#[test]
fn what_the_endpoint_has_in_its_query_stays() {
    for (endpoint, start) in [
        ("https://A.example:443/x?p=B2C%201", "https://A.example:443/x?p=B2C%201&response_type=code&"),
        ("https://a.example?tenant=1&", "https://a.example?tenant=1&response_type=code&"),
        ("https://a.example/?", "https://a.example/?response_type=code&"),
        ("https://a.example", "https://a.example?response_type=code&"),
    ] {
        let url = authorization_url(endpoint, &REQUEST).unwrap();
        assert!(url.starts_with(start), "{url}");
    }
    for taken in [
        "state",
        "client_id",
        "resource",
        "scope",
        "prompt",
        "code_challenge_method",
        "request_uri",
        "%73tate",
    ] {
        let endpoint = format!("https://a.example/x?y=1&{taken}=evil");
        assert!(
            matches!(authorization_url(&endpoint, &REQUEST), Err(AuthorizationUrlError::Taken(_))),
            "{taken}"
        );
    }
}

/// Threat 7: the address is checked again before anybody is sent there.
#[test]
fn nobody_is_sent_to_a_bad_address() {
    for bad in crate::urls::tests::BAD {
        assert!(matches!(authorization_url(bad, &REQUEST), Err(AuthorizationUrlError::Unsafe(_))), "{bad}");
    }
}

/// Threat 8: S256 always, and a verifier of its own for each sign-in. (No list, and a list without S256: `metadata`.)
#[test]
fn each_sign_in_has_its_own_proof() {
    let entropy = SeededEntropy::default();
    let (first, second) = (Pkce::new(&entropy), Pkce::new(&entropy));
    assert_ne!(first.verifier.expose_secret(), second.verifier.expose_secret());
    assert_ne!(first.challenge, second.challenge);
    for pkce in [&first, &second] {
        let verifier = pkce.verifier.expose_secret();
        assert_eq!(verifier.len(), 43);
        assert!(verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        assert_eq!(pkce.challenge.len(), 43);
        assert!(!format!("{pkce:?}").contains(verifier));
    }
    // RFC 7636, appendix B
    let known = PkceCodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&known);
    assert_eq!(challenge.as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let url = authorization_url("https://a.example/x", &REQUEST).unwrap();
    assert!(url.contains("code_challenge_method=S256") && !url.contains("plain"));
}

#[test]
fn the_iss_table() {
    let recorded = "https://auth.example.com/tenant1";
    assert_eq!(check_iss(true, recorded, Some(recorded)), Ok(()));
    assert_eq!(check_iss(true, recorded, Some("https://evil.example")), Err(IssRefused::Other));
    assert_eq!(check_iss(true, recorded, None), Err(IssRefused::Missing));
    assert_eq!(check_iss(false, recorded, Some(recorded)), Ok(()));
    assert_eq!(check_iss(false, recorded, Some("https://evil.example")), Err(IssRefused::Other));
    assert_eq!(check_iss(false, recorded, None), Ok(()));
}

/// Threat 4: whatever is only nearly the issuer is another one.
#[test]
fn near_misses_are_misses() {
    let recorded = "https://auth.example.com/tenant1";
    let misses = [
        "",
        " ",
        "https://auth.example.com/tenant1/",
        "https://auth.example.com/tenant1//",
        "https://auth.example.com//tenant1",
        "https://auth.example.com/tenant1?",
        "https://auth.example.com/tenant1#",
        "https://auth.example.com/tenant1?x=y",
        "https://auth.example.com/Tenant1",
        "https://Auth.example.com/tenant1",
        "HTTPS://auth.example.com/tenant1",
        "https://auth.example.com:443/tenant1",
        "https://auth.example.com:8443/tenant1",
        "https://auth.example.com./tenant1",
        "https://auth.example.com/./tenant1",
        "https://auth.example.com/x/../tenant1",
        "https://auth.example.com%2ftenant1",
        "https://auth.example.com/tenant%31",
        "https://auth.example.com/tenant1%2f",
        "https%3A%2F%2Fauth.example.com%2Ftenant1",
        "https://auth.example.com\\tenant1",
        "http://auth.example.com/tenant1",
        "//auth.example.com/tenant1",
        "auth.example.com/tenant1",
        "https://user@auth.example.com/tenant1",
        " https://auth.example.com/tenant1",
        "https://auth.example.com/tenant1 ",
        "https://auth.example.com/tenant1\n",
        "https://auth.example.com/tenant1\0",
        "https://auth.example.com/tenant",
        "https://auth.example.com/tenant11",
        "https://auth.example.com",
        "https://\u{430}uth.example.com/tenant1",
    ];
    assert!(misses.len() >= 20);
    for miss in misses {
        for advertised in [true, false] {
            assert_eq!(check_iss(advertised, recorded, Some(miss)), Err(IssRefused::Other), "{miss:?}");
        }
    }
}
