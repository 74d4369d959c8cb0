//! The audit log: one entry per action, in the transaction of the action, without secrets (behaviour 27).

use crate::bench::{Bench, PASSWORD, service};
use api::{
    models::{ModelCreate, ProviderCreate, ProviderUpdate},
    servers::ServerWrite,
    users::{PasswordChange, Role, TokenCreate, UserCreate, UserUpdate},
};
use service::{Error, OpContext};
use testkit::both_engines;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn server(slug: &str) -> ServerWrite {
    ServerWrite {
        display_name: text("Linear"),
        slug: text(slug),
        transport: text("streamable_http"),
        url: text("https://mcp.example.org/mcp"),
        auth_type: text("api_key"),
        api_key_value: text("canary-secret-one"),
        availability: text("default_off"),
        ..ServerWrite::default()
    }
}

/// The actions of the log in the order of their writing.
async fn actions(bench: &Bench) -> Vec<String> {
    bench.db.texts("SELECT action FROM audit_log ORDER BY id").await
}

both_engines! {
    async fn every_write_leaves_one_entry_and_no_secret(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let before = actions(&bench).await;
        assert_eq!(before, ["user.create", "session.login"]);
        let service = &bench.service;
        let (made, _) = service.server_create(&owner, server("linear")).await.unwrap();
        let change = ServerWrite { api_key_value: text("canary-secret-two"), enabled: Some(true), ..ServerWrite::default() };
        bench.pass(1);
        service.server_update(&owner, made.id, change, None).await.unwrap();
        bench.pass(1);
        service.server_delete(&owner, made.id, None).await.unwrap();
        bench.pass(1);
        let provider = ProviderCreate {
            name: "P".to_owned(),
            provider_type: "openai".to_owned(),
            base_url: "https://models.example.org/v1".to_owned(),
            api_key: text("canary-secret-three"),
            enabled: None,
        };
        let provider = service.provider_create(&owner, provider).await.unwrap();
        bench.pass(1);
        let change = ProviderUpdate { api_key: text(""), ..ProviderUpdate::default() };
        service.provider_update(&owner, provider.id, change).await.unwrap();
        bench.pass(1);
        let model = ModelCreate {
            provider_id: Some(provider.id), model: "m".to_owned(), display_name: "M".to_owned(), ..ModelCreate::default()
        };
        let model = service.model_create(&owner, model).await.unwrap();
        bench.pass(1);
        service.model_delete(&owner, model.id).await.unwrap();
        bench.pass(1);
        service.provider_delete(&owner, provider.id).await.unwrap();
        bench.pass(1);
        let user = UserCreate {
            email: "ada@example.org".to_owned(), username: "ada".to_owned(), password: "canary-secret-four".to_owned(),
            ..UserCreate::default()
        };
        let user = service.user_create(&owner, user).await.unwrap();
        bench.pass(1);
        let change = UserUpdate { roles: Some(vec!["admin".to_owned()]), ..UserUpdate::default() };
        service.user_update(&owner, &user.id.to_string(), change).await.unwrap();
        bench.pass(1);
        service.user_delete(&owner, &user.id.to_string()).await.unwrap();
        bench.pass(1);
        let token = TokenCreate { token_name: "laptop".to_owned(), lifetime_seconds: 0 };
        let token = service.token_create(&owner, "me", token).await.unwrap();
        bench.pass(1);
        service.token_delete(&owner, "me", token.id).await.unwrap();
        bench.pass(1);
        let change = PasswordChange { old_password: PASSWORD.to_owned(), password: "canary-secret-five".to_owned() };
        service.password_change(&owner, "me", change).await.unwrap();
        bench.pass(1);
        service.session_logout(&owner).await.unwrap();
        let after = actions(&bench).await;
        assert_eq!(after[before.len()..], [
            "server.create", "server.update", "server.delete", "provider.create", "provider.update", "model.create",
            "model.delete", "provider.delete", "user.create", "user.update", "user.delete", "token.create", "token.delete",
            "user.password", "session.logout",
        ]);
        let everything = bench
            .db
            .texts(
                "SELECT actor_name || ' ' || address || ' ' || user_agent || ' ' || request_id || ' ' || action || ' ' || \
                 resource_type || ' ' || resource_id || ' ' || resource_name || ' ' || outcome || ' ' || \
                 CAST(changed_fields AS TEXT) FROM audit_log ORDER BY id",
            )
            .await;
        for entry in &everything {
            assert!(!entry.contains("canary") && !entry.contains(&token.key), "{entry}");
        }
        let update = everything.iter().find(|entry| entry.contains("server.update")).unwrap();
        for part in ["owner 10.0.0.7 agent/1 req-1", "linear", "api_key_value", "enabled", " ok "] {
            assert!(update.contains(part), "{part} is missing in {update}");
        }
    }

    async fn what_was_refused_or_failed_leaves_nothing_done(db: TestDb) {
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let (member, _) = bench.signed_in("member", Role::Member).await;
        bench.service.server_create(&owner, server("linear")).await.unwrap();
        let before = (actions(&bench).await.len(), bench.db.number("SELECT COUNT(*) FROM mcp_servers").await);
        assert!(matches!(bench.service.server_create(&owner, server("LINEAR")).await, Err(Error::Conflict { .. })));
        assert!(matches!(bench.service.server_create(&owner, ServerWrite::default()).await, Err(Error::Invalid { .. })));
        assert!(matches!(bench.service.server_create(&member, server("x")).await, Err(Error::Forbidden(_))));
        assert!(matches!(bench.service.server_create(&OpContext::default(), server("x")).await, Err(Error::Unauthorized)));
        let ok = "SELECT COUNT(*) FROM audit_log WHERE outcome = 'ok'";
        let entries = usize::try_from(bench.db.number(ok).await).unwrap();
        assert_eq!((entries, bench.db.number("SELECT COUNT(*) FROM mcp_servers").await), before);
    }
}
