//! Providers and models (issue point 6, behaviour 30).

use crate::support::{TestServer, chat, over, text};
use api::users::Role;
use serde_json::{Value, json};
use testkit::fake_llm::{FakeLlm, Reply};

const PROVIDERS: &str = "/api/v2/providers";
const MODELS: &str = "/api/v2/models";
const ID: &str = "01930000-0000-7000-8000-000000000000";

fn openai(name: &str) -> Value {
    json!({"name": name, "type": "openai", "base_url": "https://models.example.org/v1", "api_key": "sk-secret"})
}

fn path_of(base: &str, object: &Value) -> String {
    format!("{base}/{}", object["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_provider_is_made_listed_changed_and_removed_with_its_models() {
    let server = TestServer::start().await;
    let made = server.owner().post(PROVIDERS, &openai("One")).await.expect(201).json();
    assert_eq!(
        (&made["has_api_key"], &made["enabled"], &made["type"]),
        (&json!(true), &json!(true), &json!("openai"))
    );
    assert!(made.get("api_key").is_none());
    let path = path_of(PROVIDERS, &made);
    let kept =
        server.owner().patch(&path, &json!({"name": "Two", "enabled": false})).await.expect(200).json();
    assert_eq!(
        (&kept["has_api_key"], &kept["name"], &kept["enabled"]),
        (&json!(true), &json!("Two"), &json!(false))
    );
    assert_eq!(
        server.owner().patch(&path, &json!({"api_key": ""})).await.expect(200).json()["has_api_key"],
        false
    );
    let model = json!({"provider_id": made["id"], "model": "m", "display_name": "M"});
    server.owner().post(MODELS, &model).await.expect(201);
    assert_eq!(server.owner().get(PROVIDERS).await.expect(200).json().as_array().unwrap().len(), 1);
    server.owner().delete(&path).await.expect(204);
    assert_eq!(server.owner().get(MODELS).await.expect(200).json(), json!([]));
    server.owner().patch(&path, &json!({})).await.expect(404);
}

#[tokio::test]
async fn each_rule_of_a_provider_refuses_its_own_field() {
    let server = TestServer::start().await;
    for (field, change) in [
        ("name", json!({"name": ""})),
        ("name", json!({"name": "x".repeat(129)})),
        ("type", json!({"type": "telepathy"})),
        ("type", json!({"type": "gemini"})),
        ("base_url", json!({"base_url": "nonsense"})),
        ("base_url", json!({"base_url": "ftp://x.example"})),
        ("base_url", json!({"base_url": "http://x.example/v1"})),
        ("base_url", json!({"base_url": "https://user:pw@x.example/v1"})),
        ("base_url", json!({"base_url": "https://169.254.169.254/v1"})),
        ("base_url", json!({"base_url": "https://10.0.0.1/v1"})),
        ("api_key", json!({"api_key": "a\r\nb"})),
        ("colour", json!({"colour": "red"})),
    ] {
        let answer = server.owner().post(PROVIDERS, &over(openai("One"), change.clone())).await;
        assert_eq!(answer.status, 400, "{change}: {}", answer.body);
        assert_eq!(answer.refused_fields(), [field], "{change}: {}", answer.body);
    }
    server.owner().post(PROVIDERS, &openai("One")).await.expect(201);
    assert_eq!(server.owner().post(PROVIDERS, &openai("ONE")).await.expect(409).refused_fields(), ["name"]);
}

#[tokio::test]
async fn a_private_base_url_is_refused_with_the_setting_that_opens_it() {
    let server = TestServer::with(|settings| settings.egress_allow = None).await.owned().await;
    let body = over(openai("Local"), json!({"base_url": "https://127.0.0.1:11434/v1"}));
    let answer = server.owner().post(PROVIDERS, &body).await.expect(400);
    assert!(answer.body.contains("PATCHBAY_EGRESS_ALLOW=127.0.0.1:11434"), "{}", answer.body);
}

/// A stored key goes only where it was meant for.
#[tokio::test]
async fn another_origin_wipes_the_key_unless_it_is_sent_again() {
    let server = TestServer::start().await;
    let path = path_of(PROVIDERS, &server.owner().post(PROVIDERS, &openai("One")).await.expect(201).json());
    let same = server
        .owner()
        .patch(&path, &json!({"base_url": "https://models.example.org/v2"}))
        .await
        .expect(200)
        .json();
    assert_eq!(same["has_api_key"], true);
    let moved = server
        .owner()
        .patch(&path, &json!({"base_url": "https://evil.example.org/v1"}))
        .await
        .expect(200)
        .json();
    assert_eq!(moved["has_api_key"], false);
    let both = json!({"base_url": "https://third.example.org/v1", "api_key": "new"});
    assert_eq!(server.owner().patch(&path, &both).await.expect(200).json()["has_api_key"], true);
}

#[tokio::test]
async fn each_rule_of_a_model_refuses_its_own_field() {
    let server = TestServer::start().await;
    let provider = server.owner().post(PROVIDERS, &openai("One")).await.expect(201).json();
    let good = json!({"provider_id": provider["id"], "model": "m", "display_name": "M"});
    for (field, change) in [
        ("provider_id", json!({"provider_id": ID})),
        ("provider_id", json!({"provider_id": null})),
        ("provider_id", json!({"provider_id": "x"})),
        ("model", json!({"model": ""})),
        ("model", json!({"model": "x".repeat(257)})),
        ("display_name", json!({"display_name": "x".repeat(129)})),
        ("context_limit", json!({"context_limit": 0})),
        ("context_limit", json!({"context_limit": -5})),
        ("max_output_tokens", json!({"max_output_tokens": 0})),
        ("temperature", json!({"temperature": 1})),
    ] {
        let answer = server.owner().post(MODELS, &over(good.clone(), change.clone())).await;
        assert_eq!(answer.status, 400, "{change}: {}", answer.body);
        assert_eq!(answer.refused_fields(), [field], "{change}: {}", answer.body);
    }
    server.owner().post(MODELS, &good).await.expect(201);
    server.owner().post(MODELS, &good).await.expect(409);
}

#[tokio::test]
async fn the_first_model_becomes_the_default_and_there_is_never_more_than_one() {
    let server = TestServer::start().await;
    let provider = server.owner().post(PROVIDERS, &openai("One")).await.expect(201).json();
    let body = |name: &str| json!({"provider_id": provider["id"], "model": name, "display_name": name});
    let first = server.owner().post(MODELS, &body("a")).await.expect(201).json();
    let second = server.owner().post(MODELS, &body("b")).await.expect(201).json();
    assert_eq!((&first["is_default"], &second["is_default"]), (&json!(true), &json!(false)));
    server.owner().patch(&path_of(MODELS, &second), &json!({"is_default": true})).await.expect(200);
    server.owner().post(MODELS, &over(body("c"), json!({"is_default": true}))).await.expect(201);
    let models = server.owner().get(MODELS).await.expect(200).json();
    let defaults: Vec<&Value> =
        models.as_array().unwrap().iter().filter(|model| model["is_default"] == true).collect();
    assert_eq!(defaults.len(), 1);
    assert_eq!(defaults[0]["model"], "c");
}

#[tokio::test]
async fn members_see_usable_models_without_provider_details_and_no_providers() {
    let server = TestServer::start().await;
    let provider = server.owner().post(PROVIDERS, &openai("One")).await.expect(201).json();
    for (name, enabled) in [("visible-wire-name", true), ("hidden-wire-name", false)] {
        let body = json!({"provider_id": provider["id"], "model": name, "display_name": format!("Model {enabled}"), "enabled": enabled});
        server.owner().post(MODELS, &body).await.expect(201);
    }
    let member = server.user(Role::Member).await.client;
    let seen = member.get(MODELS).await.expect(200);
    assert_eq!(seen.json().as_array().unwrap().len(), 1);
    assert_eq!(seen.json()[0]["display_name"], "Model true");
    assert!(!seen.body.contains("wire-name") && !seen.body.contains("provider_id"), "{}", seen.body);
    member.get(PROVIDERS).await.expect(403);
    server.owner().patch(&path_of(PROVIDERS, &provider), &json!({"enabled": false})).await.expect(200);
    assert_eq!(member.get(MODELS).await.expect(200).json(), json!([]));
    assert_eq!(server.owner().get(MODELS).await.expect(200).json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_chat_uses_the_model_it_names_else_the_default() {
    let (one, two) = (
        FakeLlm::scripted(|_| Reply::text("from one")).await,
        FakeLlm::scripted(|_| Reply::text("from two")).await,
    );
    let server = TestServer::start().await;
    let mut ids = Vec::new();
    for (name, llm) in [("One", &one), ("Two", &two)] {
        let provider = json!({"name": name, "type": "openai", "base_url": llm.base_url()});
        let provider = server.owner().post(PROVIDERS, &provider).await.expect(201).json();
        let model =
            json!({"provider_id": provider["id"], "model": format!("wire-{name}"), "display_name": name});
        ids.push(server.owner().post(MODELS, &model).await.expect(201).json()["id"].clone());
    }
    let member = server.user(Role::Member).await.client;
    let answer = chat(&member, &json!({"content": text("hi")})).await;
    assert_eq!(crate::support::answer_text(answer["messages"].as_array().unwrap()), "from one");
    let answer = chat(&member, &json!({"content": text("hi"), "model_config_id": ids[1]})).await;
    assert_eq!(crate::support::answer_text(answer["messages"].as_array().unwrap()), "from two");
    assert_eq!(answer["last_model_config_id"], ids[1]);
    assert_eq!(two.requests()[0].json()["model"], "wire-Two");
    assert!(two.requests()[0].header("authorization").is_none(), "no key was stored");
    let refused = member
        .post(crate::support::CHATS, &json!({"content": text("hi"), "model_config_id": ID}))
        .await
        .expect(400);
    assert_eq!(refused.refused_fields(), ["model_config_id"]);
    server
        .owner()
        .patch(&format!("{MODELS}/{}", ids[1].as_str().unwrap()), &json!({"enabled": false}))
        .await
        .expect(200);
    let id = answer["id"].as_str().unwrap();
    let went_on = crate::support::send(&member, id, &json!({"content": text("again")})).await;
    assert_eq!(
        crate::support::answer_text(went_on["messages"].as_array().unwrap()),
        "from one",
        "the default takes over"
    );
}

#[tokio::test]
async fn without_any_model_the_chat_says_what_to_do() {
    let server = TestServer::start().await;
    let answer = chat(server.owner(), &json!({"content": text("hi")})).await;
    assert_eq!(
        (&answer["status"], &answer["last_error"]["code"]),
        (&json!("error"), &json!("model_missing"))
    );
    assert!(answer["last_error"]["message"].as_str().unwrap().contains("Models"), "{answer}");
}
