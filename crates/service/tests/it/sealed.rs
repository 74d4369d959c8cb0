//! Sealed values open in their own row only (behaviour 26).

use crate::bench::Bench;
use api::{check::ConnectOutcome, servers::ServerWrite, users::Role};
use testkit::{
    both_engines,
    fake_mcp::{FakeMcp, FakeTool},
};

fn keyed(slug: &str, url: &str, key: &str) -> ServerWrite {
    let text = |text: &str| Some(text.to_owned());
    ServerWrite {
        display_name: text(slug),
        slug: text(slug),
        transport: text("streamable_http"),
        url: text(url),
        auth_type: text("api_key"),
        api_key_value: text(key),
        availability: text("default_off"),
        ..ServerWrite::default()
    }
}

both_engines! {
    /// A reader of the database who swaps ciphertexts between rows must not get a key sent elsewhere.
    async fn a_ciphertext_moved_to_another_row_is_not_used_and_costs_no_list(db: TestDb) {
        let fake = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
        let bench = Bench::new(db).await;
        let (owner, _) = bench.signed_in("owner", Role::Owner).await;
        let service = &bench.service;
        let (victim, _) = service.server_create(&owner, keyed("victim", "https://mcp.example.org/mcp", "the-victims-key")).await.unwrap();
        let (thief, _) = service.server_create(&owner, keyed("thief", &fake.url(), "some-other-key")).await.unwrap();
        assert_eq!(service.server_check(&owner, thief.id).await.unwrap().outcome, ConnectOutcome::Connected);
        bench
            .db
            .raw(
                "UPDATE mcp_servers SET api_key_value = (SELECT v.api_key_value FROM mcp_servers v WHERE v.slug = 'victim') \
                 WHERE slug = 'thief'",
            )
            .await
            .unwrap();
        let before = fake.requests().len();
        let report = service.server_check(&owner, thief.id).await.unwrap();
        assert_ne!(report.outcome, ConnectOutcome::Connected);
        assert!(report.error.contains("cannot be read"), "{}", report.error);
        let after = fake.requests();
        // The end of the first check's session may still arrive; anything else would be a use.
        assert!(after[before..].iter().all(|request| request.method == "DELETE"), "nothing was sent: {:?}", &after[before..]);
        assert!(!after.iter().any(|request| request.whole().contains("the-victims-key")));
        let listed = service.server_list(&owner, None, None).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().any(|server| server.id == victim.id));
        // Entered again, it works.
        let again = ServerWrite { api_key_value: Some("entered-again".to_owned()), ..ServerWrite::default() };
        service.server_update(&owner, thief.id, again, None).await.unwrap();
        assert_eq!(service.server_check(&owner, thief.id).await.unwrap().outcome, ConnectOutcome::Connected);
    }
}
