//! Registration: what is remembered, refused and deleted.

use crate::client::{REDIRECT, error_of, peer, registration};
use patchbay_testkit::{
    fake_oauth::{Canned, Meddle, approve, browser, challenge_of},
    http::{Client as Http, Proof},
};
use serde_json::json;

#[tokio::test]
async fn clients_are_confidential_or_public_as_they_ask() {
    let oauth = peer().await;
    let http = Http::new(&oauth.origin());
    let confidential = http.post("/register", &registration("client_secret_basic")).await.expect(201).json();
    assert!(confidential["client_secret"].is_string() && confidential["client_secret_expires_at"] == 0);
    let public = http.post("/register", &registration("none")).await.expect(201).json();
    assert_eq!(public.get("client_secret"), None);
    let refused = http.post("/register", &registration("private_key_jwt")).await.expect(400);
    assert_eq!(error_of(&refused), "invalid_client_metadata");
    let mut nowhere = registration("none");
    nowhere["redirect_uris"] = json!([]);
    assert_eq!(error_of(&http.post("/register", &nowhere).await.expect(400)), "invalid_redirect_uri");
    assert_eq!((oauth.registrations(), oauth.clients().len()), (2, 2));
}

#[tokio::test]
async fn clients_delete_themselves_with_their_own_token() {
    let oauth = peer().await;
    let http = Http::new(&oauth.origin());
    let answer = http.post("/register", &registration("none")).await.expect(201).json();
    let uri = answer["registration_client_uri"].as_str().unwrap();
    let (_, path) = browser::split(uri);
    http.delete(path).await.expect(401);
    http.with(Proof::Bearer("another".to_owned())).delete(path).await.expect(401);
    let own = Proof::Bearer(answer["registration_access_token"].as_str().unwrap().to_owned());
    http.with(own.clone()).delete(path).await.expect(204);
    assert!(oauth.clients().is_empty());
    http.with(own).delete(path).await.expect(401);
}

#[tokio::test]
async fn registrations_are_refused_as_told() {
    let oauth = peer().await;
    let http = Http::new(&oauth.origin());
    let no = Canned::error(400, "invalid_client_metadata", "confidential clients are not welcome");
    oauth.meddle("/register", Meddle::instead(no).only_with("client_secret_basic"));
    let refused = http.post("/register", &registration("client_secret_basic")).await.expect(400);
    assert_eq!(error_of(&refused), "invalid_client_metadata");
    http.post("/register", &registration("none")).await.expect(201);
    oauth.honest("/register");
    http.post("/register", &registration("client_secret_basic")).await.expect(201);
    assert_eq!((oauth.registrations(), oauth.requests_at("/register").len()), (2, 3));
}

#[tokio::test]
async fn clients_that_are_urls_are_known_by_their_document() {
    let oauth = peer().await;
    let id = "https://patchbay.example/client-metadata.json";
    oauth.change(|knobs| {
        knobs.client_documents.insert(id.to_owned(), json!({"client_id": id, "redirect_uris": [REDIRECT]}));
    });
    assert_eq!(oauth.as_metadata()["client_id_metadata_document_supported"], true);
    let challenge = challenge_of("a verifier");
    let url = |id: &str| {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_id", id),
                ("redirect_uri", REDIRECT),
                ("response_type", "code"),
                ("state", "s"),
            ])
            .extend_pairs([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")])
            .extend_pairs([("resource", oauth.resource())])
            .finish();
        oauth.at(&format!("/authorize?{query}"))
    };
    assert!(browser::parameters(&approve(&url(id)).await).contains_key("code"));
    browser::open(&url("https://patchbay.example/another.json")).await.expect(400);
}
