//! How the servers of this deployment are doing, for those who look after them; and the check of those that nobody uses.

use crate::{
    Error, OpContext, Result, Service,
    health::{CHECK_EVERY_SECONDS, FRESH_SECONDS},
    mcp_check::is_whole,
    mcp_servers::access_target,
};
use api::{
    Uuid,
    fleet::{Fleet, FleetQuery, FleetServer, HealthCount, HealthState},
};
use domain::accounts::Action;
use store::mcp_servers::{self, FleetFilter, FleetRow, Reader, fleet_counts, fleet_list, health_check_claim};

/// Servers in one answer.
const SERVERS: i64 = 200;
/// Ids that may be asked for at once, and letters of a search.
const IDS: usize = 200;
const SEARCH_CHARS: usize = 200;
/// Checks of one round.
const CHECKS_AT_ONCE: i64 = 16;

impl Service {
    /// Servers with their health, the worst first.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for members; [`Error::Invalid`].
    pub async fn fleet(&self, ctx: &OpContext, query: FleetQuery) -> Result<Fleet> {
        ctx.authorize(Action::ServersReadAll)?;
        let search = query.search.unwrap_or_default();
        if search.chars().count() > SEARCH_CHARS || search.contains('\0') {
            return Err(Error::invalid_field(
                "search",
                format!("Up to {SEARCH_CHARS} characters can be searched for."),
            ));
        }
        if query.ids.as_ref().is_some_and(|ids| ids.len() > IDS) {
            return Err(Error::invalid_field(
                "ids",
                format!("At most {IDS} servers can be asked for at once."),
            ));
        }
        let fresh_from = self.now().plus_seconds(-FRESH_SECONDS);
        let filter = FleetFilter {
            state: query.state,
            search: search.trim().to_owned(),
            ids: query.ids,
            fresh_from: Some(fresh_from),
        };
        let keys: Vec<String> = self.deps().keyring.ids().map(|id| id.as_str().to_owned()).collect();
        let mut session = self.db().read().await?;
        let found = fleet_counts(&mut session, fresh_from).await?;
        let (rows, total) = fleet_list(&mut session, &filter, &keys, SERVERS).await?;
        drop(session);
        let count = |state| found.iter().find(|count| count.state == state).map_or(0, |count| count.servers);
        Ok(Fleet {
            counts: HealthState::ALL.map(|state| HealthCount { state, servers: count(state) }).to_vec(),
            servers: rows.into_iter().map(|row| self.fleet_server(row)).collect(),
            total,
        })
    }

    fn fleet_server(&self, row: FleetRow) -> FleetServer {
        let host = row.url.parse().ok().and_then(|url| egress::Target::of(&url));
        FleetServer {
            failing_users: self.deps().health.failing_users(row.id),
            id: row.id,
            slug: row.slug,
            display_name: row.display_name,
            icon_url: row.icon_url,
            host: host.map(|host| host.to_string()).unwrap_or_default(),
            enabled: row.enabled,
            auth_type: row.auth_type,
            availability: row.availability,
            health: row.health,
            connected_users: row.connected_users,
            expired_users: row.expired_users,
            tools: row.tools,
            tools_to_review: row.tools_to_review,
        }
    }

    /// Checks enabled servers of which nothing was heard for ten minutes, some at a time, until none is due. Those that need an account
    /// of the user's own, or are told who asks, cannot be checked for nobody. Each is taken by one replica only. How many were checked.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn health_check_due(&self) -> Result<usize> {
        let mut checked = 0;
        loop {
            let now = self.now();
            // Not all that were missed at the same moment are due at the same moment again.
            let apart = i64::from(self.new_id().as_bytes()[15]) * CHECK_EVERY_SECONDS / 1024;
            let next = now.plus_seconds(CHECK_EVERY_SECONDS + apart);
            let mut write = self.db().write().await?;
            let due = health_check_claim(&mut write, now, next, CHECKS_AT_ONCE).await?;
            write.commit().await?;
            let checks = due.iter().map(|server| self.health_check(*server));
            for done in futures::future::join_all(checks).await {
                done?;
            }
            // Nothing of it is kept for a user that does not exist.
            self.deps().mcp.close_user(Uuid::nil());
            checked += due.len();
            if i64::try_from(due.len()).unwrap_or(i64::MAX) < CHECKS_AT_ONCE {
                return Ok(checked);
            }
        }
    }

    async fn health_check(&self, id: Uuid) -> Result<()> {
        let nobody = Uuid::nil();
        let mut session = self.db().read().await?;
        let found = mcp_servers::server_get(&mut session, Reader::of_everything(nobody), id).await?;
        drop(session);
        let Some(found) = found else { return Ok(()) };
        let Ok(target) = access_target(&self.deps().keyring, nobody, &found, self.now()) else {
            return Ok(());
        };
        // The pool tells the keeper what came of it.
        if let Ok(result) = self.deps().mcp.check(&target).await {
            let (record, catalogue) = (&found.stored.record, &result.catalogue);
            let whole = is_whole(record, &catalogue.problems);
            self.deps().definitions.learn(record, &catalogue.tools, whole).await?;
        }
        Ok(())
    }
}
