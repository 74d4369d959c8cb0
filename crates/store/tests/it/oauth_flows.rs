//! Sign-ins under way: single use, ten minutes, two tabs (threats 9).

use crate::{
    oauth_tokens::pair,
    support::{START, commit, credential, id, insert_user, read, refused, sealed, store},
};
use api::Uuid;
use store::{
    credentials::{CredentialKind, credential_insert},
    oauth::*,
};
use testkit::{TestDb, both_engines};

const LIFE: i64 = 600_000_000;

fn hash() -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..16].copy_from_slice(id().as_bytes());
    hash
}

pub(crate) fn flow(server: Uuid, user: Uuid, credential: Uuid) -> OAuthFlow {
    OAuthFlow {
        id: id(),
        state_hash: hash(),
        mcp_server_id: server,
        user_id: user,
        credential_id: credential,
        verifier: sealed(b"verifier", "0123456789abcdef"),
        issuer: "https://id.example".to_owned(),
        iss_required: true,
        resource: "https://mcp.example.org/mcp".to_owned(),
        redirect_uri: "https://patchbay.example/callback".to_owned(),
        token_url: "https://id.example/token".to_owned(),
        client_id: "client".to_owned(),
        scopes: "files:read".to_owned(),
        return_to: "/chats/1?q=a".to_owned(),
        credential_version: 3,
        created_at: START,
        expires_at: START,
        is_live: false,
    }
}

async fn session(db: &TestDb, user: Uuid) -> Uuid {
    let record = credential(user, CredentialKind::Session);
    commit!(db, |write| credential_insert(write, &record, record.id.as_bytes()));
    record.id
}

/// A flow of a user, a server and a session of their own.
async fn begin(db: &TestDb) -> OAuthFlow {
    let (server, user) = pair(db).await;
    let flow = flow(server, user, session(db, user).await);
    commit!(db, |write| oauth_flow_insert(write, &flow, LIFE));
    flow
}

async fn out_of_time(db: &TestDb) {
    db.raw("UPDATE mcp_oauth_flows SET expires_at = 1").await.unwrap();
}

both_engines! {
    async fn a_flow_is_found_by_its_state_and_lives_by_the_databases_clock(db: TestDb) {
        let begun = begin(&db).await;
        let found = read!(db, |session| oauth_flow_get(session, &begun.state_hash)).unwrap();
        let now = read!(db, |session| store::clock::database_now(session)).0;
        assert!((now - 20_000_000..=now).contains(&found.created_at.0), "{:?} {now}", found.created_at);
        // The clock goes on within a statement.
        assert!((LIFE..LIFE + 1_000_000).contains(&(found.expires_at.0 - found.created_at.0)), "{found:?}");
        let expected =
            OAuthFlow { created_at: found.created_at, expires_at: found.expires_at, is_live: true, ..begun.clone() };
        assert_eq!(found, expected);
        assert_eq!(read!(db, |session| oauth_flow_get(session, &hash())), None);
        out_of_time(&db).await;
        assert!(!read!(db, |session| oauth_flow_get(session, &begun.state_hash)).unwrap().is_live);
    }

    async fn a_flow_is_used_once_by_whoever_is_first_of_200(db: TestDb) {
        let begun = begin(&db).await;
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { commit!(db, |write| oauth_flow_consume(write, begun.id)) })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            won += usize::from(task.await.unwrap());
        }
        assert_eq!(won, 1);
        assert_eq!(read!(db, |session| oauth_flow_get(session, &begun.state_hash)), None);
    }

    async fn a_use_that_is_not_committed_is_none(db: TestDb) {
        let begun = begin(&db).await;
        let mut write = db.write().await.unwrap();
        assert!(oauth_flow_consume(&mut write, begun.id).await.unwrap());
        drop(write);
        assert!(commit!(db, |write| oauth_flow_consume(write, begun.id)));
    }

    async fn a_flow_that_took_too_long_cannot_be_used_and_is_swept(db: TestDb) {
        let late = begin(&db).await;
        out_of_time(&db).await;
        let live = begin(&db).await;
        assert!(!commit!(db, |write| oauth_flow_consume(write, late.id)));
        assert_eq!(commit!(db, |write| oauth_flows_sweep(write)), 1);
        assert_eq!(commit!(db, |write| oauth_flows_sweep(write)), 0);
        assert_eq!(read!(db, |session| oauth_flow_get(session, &late.state_hash)), None);
        assert!(commit!(db, |write| oauth_flow_consume(write, live.id)), "another tab");
    }

    async fn two_tabs_of_one_session_work(db: TestDb) {
        let one = begin(&db).await;
        let two = OAuthFlow { id: id(), state_hash: hash(), ..one.clone() };
        commit!(db, |write| oauth_flow_insert(write, &two, LIFE));
        for flow in [&two, &one] {
            assert!(commit!(db, |write| oauth_flow_consume(write, flow.id)));
        }
        commit!(db, |write| oauth_flow_insert(write, &one, LIFE));
        let error = refused!(db, |write| oauth_flow_insert(write, &OAuthFlow { id: id(), ..one.clone() }, LIFE));
        assert!(error.is_conflict_on("state_hash"), "{error:?}");
    }

    async fn the_oldest_of_a_user_give_way_to_the_twentieth(db: TestDb) {
        let other = begin(&db).await;
        let first = begin(&db).await;
        let next = || OAuthFlow { id: id(), state_hash: hash(), ..first.clone() };
        for _ in 1..20 {
            commit!(db, |write| oauth_flow_insert(write, &next(), LIFE));
        }
        assert!(read!(db, |session| oauth_flow_get(session, &first.state_hash)).is_some());
        db.raw("UPDATE mcp_oauth_flows SET expires_at = expires_at - 1000000").await.unwrap();
        let last = next();
        commit!(db, |write| oauth_flow_insert(write, &last, LIFE));
        db.raw("UPDATE mcp_oauth_flows SET expires_at = expires_at - 1000000").await.unwrap();
        assert_eq!(db.number("SELECT COUNT(*) FROM mcp_oauth_flows").await, 21, "one of them is somebody else's");
        // Twenty at once, and no old one is left; each of the new ones is there.
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (db, flow) = (db.clone(), next());
                tokio::spawn(async move {
                    commit!(db, |write| oauth_flow_insert(write, &flow, LIFE));
                    flow.state_hash
                })
            })
            .collect();
        for task in tasks {
            let state = task.await.unwrap();
            assert!(read!(db, |session| oauth_flow_get(session, &state)).is_some());
        }
        assert_eq!(db.number("SELECT COUNT(*) FROM mcp_oauth_flows").await, 21);
        assert_eq!(read!(db, |session| oauth_flow_get(session, &last.state_hash)), None);
        assert!(read!(db, |session| oauth_flow_get(session, &other.state_hash)).is_some());
    }

    async fn flows_go_with_their_session_their_user_and_their_server(db: TestDb) {
        let (one, two, three) = (begin(&db).await, begin(&db).await, begin(&db).await);
        commit!(db, |write| store::credentials::credential_delete(write, one.user_id, CredentialKind::Session, one.credential_id));
        assert_eq!(read!(db, |session| oauth_flow_get(session, &one.state_hash)), None);
        commit!(db, |write| store::users::user_delete(write, two.user_id));
        assert_eq!(read!(db, |session| oauth_flow_get(session, &two.state_hash)), None);
        commit!(db, |write| store::mcp_servers::server_delete(write, three.mcp_server_id));
        assert_eq!(db.number("SELECT COUNT(*) FROM mcp_oauth_flows").await, 0);
        let user = insert_user(&db, "bob").await.user.id;
        let gone = flow(one.mcp_server_id, user, one.credential_id);
        assert!(matches!(refused!(db, |write| oauth_flow_insert(write, &gone, LIFE)), store::StoreError::Conflict { .. }));
    }
}
