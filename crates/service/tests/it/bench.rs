//! A service on a database of its own, with a clock that moves when told.

use api::{Timestamp, users::Role};
use chatd::{ChatDaemon, ChatdConfig};
use dbcrypt::Keyring;
use domain::clock::{Clock, Entropy, ManualClock, SeededEntropy};
use egress::{Egress, EgressConfig};
use mcpclient::{ClientConfig, McpClients};
pub(crate) use patchbay_service as service;
use service::{
    Caller, ChangeFollower, Definitions, Deps, FactKeeper, HealthKeeper, Keys, OpContext, OperatorEgress,
    Refresher, Replica, RequestInfo, Service, Sources,
};
use std::{sync::Arc, time::Duration};
use testkit::TestDb;

pub(crate) const PASSWORD: &str = "a fine long password";

pub(crate) struct Bench {
    pub(crate) service: Service,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) db: TestDb,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) mcp: McpClients,
    pub(crate) sources: Arc<Sources>,
    entropy: Arc<dyn Entropy>,
}

pub(crate) fn info() -> RequestInfo {
    RequestInfo {
        address: "10.0.0.7".to_owned(),
        user_agent: "agent/1".to_owned(),
        request_id: "req-1".to_owned(),
        ..RequestInfo::default()
    }
}

impl Bench {
    pub(crate) async fn new(db: TestDb) -> Self {
        Self::with(db, Keyring::generate().unwrap().0).await
    }

    /// With keys made of one byte each.
    pub(crate) async fn with_keys(db: TestDb, bytes: &[u8]) -> Self {
        Self::with(db, crate::keys::ring(bytes)).await
    }

    /// The follower of this process, which also makes it a replica.
    pub(crate) async fn follower(&self) -> ChangeFollower {
        let keys = Keys {
            db: self.db.db().clone(),
            keyring: self.keyring.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
        };
        let id = domain::clock::new_id(&*self.clock, &*self.entropy);
        let replica = Replica::join(keys, id, &OpContext::default()).await.unwrap();
        ChangeFollower::start(self.service.clone(), self.sources.clone(), replica).await.unwrap()
    }

    /// Reached by people and providers at this address.
    pub(crate) async fn at(db: TestDb, access_url: &str) -> Self {
        let keyring = Arc::new(Keyring::generate().unwrap().0);
        let pool = db.db().clone();
        Self::build(db, pool, keyring, Arc::default(), SeededEntropy::default(), access_url).await
    }

    /// Another process on the same database, with connections of its own, the same keys and the same clock.
    pub(crate) async fn replica(&self, seed: u64) -> Self {
        let (keyring, clock) = (self.keyring.clone(), self.clock.clone());
        let pool = self.db.reopen().await;
        let access_url = self.service.access_url().as_str();
        Self::build(self.db.clone(), pool, keyring, clock, SeededEntropy::new(seed), access_url).await
    }

    async fn with(db: TestDb, keyring: Keyring) -> Self {
        let pool = db.db().clone();
        let entropy = SeededEntropy::default();
        Self::build(db, pool, Arc::new(keyring), Arc::default(), entropy, "http://127.0.0.1:3000").await
    }

    async fn build(
        db: TestDb,
        pool: store::Db,
        keyring: Arc<Keyring>,
        clock: Arc<ManualClock>,
        entropy: SeededEntropy,
        access_url: &str,
    ) -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(entropy);
        let access_url: url::Url = access_url.parse().unwrap();
        let egress = Egress::new(EgressConfig {
            allow: "127.0.0.1/32:*".parse().unwrap(),
            own_listeners: vec![],
            access_url: Some(access_url.clone()),
            user_agent: "patchbay-test".to_owned(),
        })
        .unwrap();
        let health = Arc::new(HealthKeeper::new(pool.clone(), clock.clone()));
        let mcp = McpClients::new(
            egress.clone(),
            ClientConfig {
                observer: Some(Arc::new(FactKeeper::new(pool.clone(), clock.clone(), health.clone()))),
                version: "0".to_owned(),
                clock: Arc::clone(&clock) as Arc<dyn domain::clock::Clock>,
            },
        );
        let definitions = Arc::new(Definitions::new(pool.clone(), clock.clone(), entropy.clone()));
        let refresher = Refresher::new(
            pool.clone(),
            keyring.clone(),
            egress.clone(),
            mcp.clone(),
            clock.clone(),
            entropy.clone(),
            access_url.clone(),
        );
        let sources = Arc::new(Sources::new(
            pool.clone(),
            keyring.clone(),
            egress.clone(),
            definitions.clone(),
            refresher.clone(),
            Duration::ZERO,
        ));
        let chatd = ChatDaemon::start(chatd::Deps {
            db: pool.clone(),
            mcp: mcp.clone(),
            models: sources.clone(),
            servers: sources.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            config: ChatdConfig::default(),
        })
        .await
        .unwrap();
        let build = api::users::BuildInfo {
            version: "0".to_owned(),
            commit: String::new(),
            database: db.engine_name().to_owned(),
            dashboard_url: access_url.to_string(),
        };
        let deps = Deps {
            db: pool.clone(),
            keyring: keyring.clone(),
            egress,
            operator_egress: OperatorEgress::default(),
            mcp: mcp.clone(),
            chatd,
            definitions,
            refresher,
            health,
            tool_trials_per_minute: 30,
            clock: clock.clone(),
            entropy: entropy.clone(),
            access_url,
            build,
        };
        Self { service: Service::new(deps), clock, db, keyring, mcp, sources, entropy }
    }

    /// Makes an account and signs it in: its context and its token.
    pub(crate) async fn signed_in(&self, username: &str, role: Role) -> (OpContext, String) {
        let email = format!("{username}@example.org");
        self.service.user_ensure(&email, username, "", PASSWORD, role).await.unwrap();
        self.login(&email).await
    }

    pub(crate) async fn login(&self, email: &str) -> (OpContext, String) {
        let request = api::users::LoginRequest { email: email.to_owned(), password: PASSWORD.to_owned() };
        let (_, token) = self.service.session_login(&info(), request).await.unwrap();
        (self.context(&token).await.expect("a fresh session is live"), token)
    }

    /// Who a request with this token comes from.
    pub(crate) async fn context(&self, token: &str) -> Option<OpContext> {
        let caller: Option<Caller> = self.service.authenticate(token).await.unwrap();
        let request = RequestInfo { refusals: self.service.refusals(), ..info() };
        caller.map(|caller| OpContext { caller: Some(caller), request })
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
