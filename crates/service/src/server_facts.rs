//! Keeps what servers were found to speak (protocol.md E3), so that the next process need not ask again and admins see it.

use crate::HealthKeeper;
use api::Timestamp;
use domain::{clock::Clock, workspace::is_entry_id};
use mcpclient::{Contact, Found, Observer};
use std::sync::Arc;
use store::{
    Db,
    mcp_servers::{ServerFacts, server_facts_put, server_url},
};
use url::Url;

/// Writes what a connection found out. Losing it costs one question at the next start, so nothing waits for it.
pub struct FactKeeper {
    db: Db,
    clock: Arc<dyn Clock>,
    health: Arc<HealthKeeper>,
}

impl FactKeeper {
    pub fn new(db: Db, clock: Arc<dyn Clock>, health: Arc<HealthKeeper>) -> Self {
        Self { db, clock, health }
    }
}

impl Observer for FactKeeper {
    fn found(&self, found: Found) {
        if is_entry_id(found.server_id) {
            return;
        }
        let (db, now) = (self.db.clone(), self.clock.now());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move { keep(&db, now, found).await });
    }

    fn contacted(&self, contact: Contact) {
        // How the servers of workspaces are doing is shown in the turns of their users, nowhere else.
        if is_entry_id(contact.server_id) {
            return;
        }
        self.health.heard(&contact);
    }
}

/// Writes down what a server was found to speak. Losing it costs one question, so trouble is only logged.
pub(crate) async fn keep(db: &Db, now: Timestamp, found: Found) {
    let facts = ServerFacts {
        wire: found.wire.as_str().to_owned(),
        revision: found.revision.as_str().to_owned(),
        server_name: found.server_name,
        server_version: found.server_version,
        found_at: now,
    };
    let written = async {
        let mut write = db.write().await?;
        // The row has the address as the admin wrote it.
        let stored = server_url(&mut write, found.server_id).await?;
        if let Some(url) = stored.filter(|url| url.parse().is_ok_and(|url: Url| url == found.url)) {
            server_facts_put(&mut write, found.server_id, &url, &facts).await?;
        }
        write.commit().await
    };
    if let Err(error) = written.await {
        tracing::debug!(server = %found.server_id, %error, "what a server speaks was not kept");
    }
}
