//! Sessions, tokens, attempts and keys run out (behaviour 2 and 17, threats 5 Inbound).

use crate::bench::{Bench, PASSWORD, info, service};
use api::{
    chats::{ChatCreate, InputPart},
    users::{LoginRequest, Role, TokenCreate},
};
use service::{Error, RequestInfo};
use testkit::both_engines;

const HOUR: u64 = 3600;

fn login(email: &str, password: &str) -> LoginRequest {
    LoginRequest { email: email.to_owned(), password: password.to_owned() }
}

both_engines! {
    async fn a_session_ends_after_twelve_idle_hours_and_lives_on_while_used(db: TestDb) {
        let bench = Bench::new(db).await;
        let (_, idle) = bench.signed_in("ada", Role::Member).await;
        let (_, used) = bench.login("ada@example.org").await;
        for _ in 0..3 {
            bench.pass(5 * HOUR);
            assert!(bench.context(&used).await.is_some());
        }
        assert!(bench.context(&idle).await.is_none(), "15 hours without a request");
        bench.pass(12 * HOUR - 1);
        assert!(bench.context(&used).await.is_some());
        bench.pass(12 * HOUR);
        assert!(bench.context(&used).await.is_none());
    }

    async fn a_session_ends_after_seven_days_however_it_is_used(db: TestDb) {
        let bench = Bench::new(db).await;
        let (_, token) = bench.signed_in("ada", Role::Member).await;
        for _ in 0..(7 * 24 / 6 - 1) {
            bench.pass(6 * HOUR);
            assert!(bench.context(&token).await.is_some());
        }
        bench.pass(6 * HOUR);
        assert!(bench.context(&token).await.is_none());
    }

    async fn an_api_token_lives_as_long_as_was_asked_and_use_does_not_prolong_it(db: TestDb) {
        let bench = Bench::new(db).await;
        let (ctx, _) = bench.signed_in("ada", Role::Member).await;
        let request = TokenCreate { token_name: "t".to_owned(), lifetime_seconds: 2 * HOUR as i64 };
        let made = bench.service.token_create(&ctx, "me", request).await.unwrap();
        assert_eq!(made.expires_at, bench.now().plus_seconds(2 * HOUR as i64));
        let request = TokenCreate { token_name: "default".to_owned(), lifetime_seconds: 0 };
        let long = bench.service.token_create(&ctx, "me", request).await.unwrap();
        bench.pass(2 * HOUR - 1);
        let by_token = bench.context(&made.key).await.unwrap().caller.unwrap();
        assert!(!by_token.is_session);
        bench.pass(1);
        assert!(bench.context(&made.key).await.is_none());
        bench.pass(29 * 24 * HOUR);
        assert!(bench.context(&long.key).await.is_some(), "30 days unless asked otherwise");
        bench.pass(24 * HOUR);
        assert!(bench.context(&long.key).await.is_none());
    }

    async fn the_window_of_attempts_passes_and_a_success_forgets_them(db: TestDb) {
        let bench = Bench::new(db).await;
        bench.signed_in("ada", Role::Member).await;
        // Each from an address of its own: the account counts.
        let from = std::sync::atomic::AtomicU32::new(0);
        let attempt = async |password: &str| {
            let from = from.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let info = RequestInfo { address: format!("10.1.0.{from}"), ..info() };
            bench.service.session_login(&info, login("ada@example.org", password)).await
        };
        for _ in 0..9 {
            assert!(matches!(attempt("wrong password").await, Err(Error::BadCredentials)));
        }
        assert!(attempt(PASSWORD).await.is_ok(), "the tenth is still let through, and forgets the others");
        for _ in 0..10 {
            assert!(matches!(attempt("wrong password").await, Err(Error::BadCredentials)));
        }
        let Err(Error::RateLimited { retry_after, .. }) = attempt(PASSWORD).await else { panic!("not limited") };
        assert!((290..=300).contains(&retry_after.as_secs()), "{retry_after:?}");
        bench.pass(301);
        assert!(attempt(PASSWORD).await.is_ok());
    }

    /// Whoever guesses at others' accounts gets no new window by signing in to their own.
    async fn an_own_login_gives_back_its_own_attempt_only(db: TestDb) {
        let bench = Bench::new(db).await;
        bench.signed_in("mallory", Role::Member).await;
        let guess = |n: u32| login(&format!("victim{n}@example.org"), "wrong password");
        for n in 0..9 {
            assert!(matches!(bench.service.session_login(&info(), guess(n)).await, Err(Error::BadCredentials)));
            bench.login("mallory@example.org").await;
        }
        assert!(matches!(bench.service.session_login(&info(), guess(9)).await, Err(Error::BadCredentials)));
        assert!(matches!(bench.service.session_login(&info(), guess(10)).await, Err(Error::RateLimited { .. })));
    }

    async fn attempts_are_counted_per_address_too(db: TestDb) {
        let bench = Bench::new(db).await;
        for n in 0..10 {
            let refused = bench.service.session_login(&info(), login(&format!("nobody{n}@example.org"), "wrong password")).await;
            assert!(matches!(refused, Err(Error::BadCredentials)));
        }
        let refused = bench.service.session_login(&info(), login("somebody@example.org", "wrong password")).await;
        assert!(matches!(refused, Err(Error::RateLimited { .. })));
        let elsewhere = RequestInfo { address: "10.0.0.8".to_owned(), ..info() };
        let refused = bench.service.session_login(&elsewhere, login("somebody@example.org", "wrong password")).await;
        assert!(matches!(refused, Err(Error::BadCredentials)));
    }

    async fn an_idempotency_key_is_remembered_for_a_day(db: TestDb) {
        let bench = Bench::new(db).await;
        let (ctx, _) = bench.signed_in("ada", Role::Member).await;
        let request = || ChatCreate { content: vec![InputPart::Text { text: "hi".to_owned() }], ..ChatCreate::default() };
        let create = async || bench.service.chat_create(&ctx, request(), Some("k")).await.unwrap().chat.id;
        let first = create().await;
        bench.pass(23 * HOUR);
        bench.service.maintenance_sweep().await.unwrap();
        assert_eq!(create().await, first);
        bench.pass(2 * HOUR);
        bench.service.maintenance_sweep().await.unwrap();
        assert_ne!(create().await, first);
    }

    async fn the_sweep_removes_what_expired(db: TestDb) {
        let bench = Bench::new(db).await;
        let (ctx, _) = bench.signed_in("ada", Role::Member).await;
        let request = TokenCreate { token_name: "t".to_owned(), lifetime_seconds: 30 * 24 * HOUR as i64 };
        bench.service.token_create(&ctx, "me", request).await.unwrap();
        bench.pass(13 * HOUR);
        bench.service.maintenance_sweep().await.unwrap();
        assert_eq!(bench.db.texts("SELECT kind FROM credentials").await, ["token"]);
        assert_eq!(bench.db.number("SELECT COUNT(*) FROM login_attempts").await, 0);
    }
}
