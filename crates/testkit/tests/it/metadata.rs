//! The documents: where they lie and how they are spoiled.

use crate::client::{peer, peer_with};
use patchbay_testkit::{
    fake_oauth::{Canned, Knobs, Meddle},
    http::Client as Http,
};
use serde_json::json;

#[tokio::test]
async fn honest_documents_fit_together() {
    let oauth = peer().await;
    let http = Http::new(&oauth.origin());
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let document = http.get(path).await.expect(200).json();
        assert_eq!(document["resource"], oauth.url());
        assert_eq!(document["authorization_servers"], json!([oauth.issuer()]));
    }
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let document = http.get(path).await.expect(200).json();
        assert_eq!(document["issuer"], oauth.origin());
        assert_eq!(document["token_endpoint"], oauth.at("/token"));
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    }
    http.get("/.well-known/oauth-authorization-server/other").await.expect(404);
}

#[tokio::test]
async fn tenants_have_their_documents_in_all_three_places() {
    let oauth = peer_with(Knobs { tenant: "/tenant1".to_owned(), ..Knobs::default() }).await;
    let http = Http::new(&oauth.origin());
    let places = [
        "/.well-known/oauth-authorization-server/tenant1",
        "/.well-known/openid-configuration/tenant1",
        "/tenant1/.well-known/openid-configuration",
    ];
    for place in places {
        assert_eq!(http.get(place).await.expect(200).json()["issuer"], oauth.at("/tenant1"));
    }
    http.get("/.well-known/oauth-authorization-server").await.expect(404);
    oauth.change(|knobs| knobs.as_metadata_at = Some(vec![places[2].to_owned()]));
    http.get(places[0]).await.expect(404);
    http.get(places[2]).await.expect(200);
}

#[tokio::test]
async fn fields_are_replaced_and_taken_away() {
    let oauth = peer().await;
    let http = Http::new(&oauth.origin());
    oauth.change(|knobs| {
        knobs.issuer = Some("https://Evil.example/".to_owned());
        knobs.registration = false;
        knobs.advertise_iss = false;
        knobs.as_metadata =
            json!({"code_challenge_methods_supported": null, "token_endpoint": "http://127.0.0.1:1/t"});
        knobs.resource_metadata = json!({"resource": oauth.origin()});
    });
    let document = http.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(document["issuer"], "https://Evil.example/");
    assert_eq!(document["token_endpoint"], "http://127.0.0.1:1/t");
    for gone in [
        "code_challenge_methods_supported",
        "registration_endpoint",
        "authorization_response_iss_parameter_supported",
    ] {
        assert_eq!(document.get(gone), None);
    }
    http.post("/register", &crate::client::registration("none")).await.expect(404);
    let document = http.get("/.well-known/oauth-protected-resource/mcp").await.json();
    assert_eq!(document["resource"], oauth.origin());
    assert_eq!(document["authorization_servers"], json!([oauth.origin()]));
    oauth.meddle("/.well-known/oauth-protected-resource/mcp", Meddle::instead(Canned::status(503)));
    http.get("/.well-known/oauth-protected-resource/mcp").await.expect(503);
    http.get("/.well-known/oauth-protected-resource").await.expect(200);
}
