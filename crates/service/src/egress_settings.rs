//! What may be dialled inside the network: the operator's list and, unless the operator forbids it, the owners' (behaviour 11, 30).

use crate::{Error, OpContext, Result, Service, audit::Act, mcp_servers::check_match};
use api::{
    Validation,
    settings::{EgressAllow, EgressAllowWrite},
};
use domain::{accounts::Action, limits::EGRESS_ALLOW_ENTRIES, settings::egress_allow_etag};
use egress::AllowList;
use store::{
    Db, Session,
    changes::{ChangeKind, change_note},
    settings,
};

/// The row of `settings`: a JSON list of entries.
const KEY: &str = "egress.allow";

/// What the operator decided when the process started.
#[derive(Debug, Clone, Default)]
pub struct OperatorEgress {
    /// `PATCHBAY_EGRESS_ALLOW`.
    pub allow: AllowList,
    /// `PATCHBAY_EGRESS_ALLOW_LOCKED`: what owners set opens nothing, and they cannot change it.
    pub locked: bool,
}

impl Service {
    /// The private destinations that may be dialled now, in the notation of `PATCHBAY_EGRESS_ALLOW`.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn egress_allow(&self, ctx: &OpContext) -> Result<String> {
        ctx.authorize(Action::ServersReadAll)?;
        Ok(self.deps().egress.allow().to_string())
    }

    /// Who allowed which private destinations, and the ETag of the owners' list.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn egress_allow_get(&self, ctx: &OpContext) -> Result<(EgressAllow, String)> {
        ctx.authorize(Action::EgressAllowRead)?;
        let mut session = self.db().read().await?;
        let entries = stored(&mut session).await?;
        Ok((self.egress_allow_wire(&entries), egress_allow_etag(&entries)))
    }

    /// Replaces what owners allow; acts at once here, and within seconds on other replicas.
    ///
    /// # Errors
    /// [`Error::Forbidden`], also when the operator keeps the list; [`Error::Invalid`] naming each entry; [`Error::Stale`].
    pub async fn egress_allow_put(
        &self,
        ctx: &OpContext,
        request: EgressAllowWrite,
        if_match: Option<&str>,
    ) -> Result<(EgressAllow, String)> {
        ctx.authorize(Action::EgressAllowWrite)?;
        if self.deps().operator_egress.locked {
            let (attempted, resource_type) = Action::EgressAllowWrite.audit_words();
            return Err(ctx.refuse(
                attempted,
                resource_type,
                "The operator keeps this list (PATCHBAY_EGRESS_ALLOW_LOCKED). Ask them to add the destination to \
                 PATCHBAY_EGRESS_ALLOW.",
            ));
        }
        let wanted = self.egress_entries(&request)?;
        let mut write = self.db().write().await?;
        let before = entries_of(&settings::setting_get_for_update(&mut write, KEY, "[]").await?);
        check_match(if_match, &egress_allow_etag(&before))?;
        let added =
            wanted.iter().filter(|entry| !before.contains(entry)).map(|entry| format!("added {entry}"));
        let removed =
            before.iter().filter(|entry| !wanted.contains(entry)).map(|entry| format!("removed {entry}"));
        let changed: Vec<String> = added.chain(removed).collect();
        if !changed.is_empty() {
            let text = serde_json::to_string(&wanted).map_err(|e| Error::internal("egress allow list", e))?;
            settings::setting_put(&mut write, KEY, &text).await?;
            let act = Act {
                action: "settings.update",
                resource_type: "setting",
                resource_id: "egress-allow".to_owned(),
                resource_name: "egress-allow",
                changed_fields: changed,
            };
            self.audit(&mut write, ctx, act).await?;
            change_note(&mut write, ChangeKind::Settings, KEY).await?;
        }
        write.commit().await?;
        self.egress_allow_reload().await?;
        Ok((self.egress_allow_wire(&wanted), egress_allow_etag(&wanted)))
    }

    /// Makes the stored list act: at start, after a change here, and after one that another replica made.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the list in force stays.
    pub async fn egress_allow_reload(&self) -> Result<()> {
        // One at a time: of two changes at once, the later one must also be the later one to act.
        let _order = self.0.egress_reload.lock().await;
        let list = egress_allow_of(self.db(), &self.deps().operator_egress).await?;
        self.deps().egress.set_allow(list);
        Ok(())
    }

    fn egress_allow_wire(&self, entries: &[String]) -> EgressAllow {
        let operator = &self.deps().operator_egress;
        EgressAllow {
            entries: entries.to_vec(),
            operator_entries: operator.allow.entries().collect(),
            locked: operator.locked,
        }
    }

    /// Every entry as it will be shown, or what is wrong with which.
    fn egress_entries(&self, request: &EgressAllowWrite) -> Result<Vec<String>> {
        let given = || request.entries.iter().enumerate().filter(|(_, text)| !text.trim().is_empty());
        if given().count() > EGRESS_ALLOW_ENTRIES {
            return Err(Error::invalid_field(
                "entries",
                format!(
                    "At most {EGRESS_ALLOW_ENTRIES} destinations are possible; a network such as 10.0.0.0/8:443 counts as one."
                ),
            ));
        }
        let mut entries: Vec<String> = Vec::new();
        let mut wrong = Vec::new();
        for (at, text) in given() {
            match self.egress_entry(text) {
                Ok(entry) if entries.contains(&entry) => {}
                Ok(entry) => entries.push(entry),
                Err(detail) => wrong.push(Validation::new(format!("entries[{at}]"), detail)),
            }
        }
        if wrong.is_empty() { Ok(entries) } else { Err(Error::invalid(wrong)) }
    }

    fn egress_entry(&self, text: &str) -> std::result::Result<String, String> {
        let shown = domain::text::quote(text, 80);
        let entry = AllowList::entry(text).map_err(|error| format!("`{shown}`: {}.", error.reason()))?;
        match self.deps().egress.never_opens(&entry) {
            Some(class) => Err(format!(
                "`{shown}` can never be dialled ({}), so no entry opens it. Remove it.",
                class.label()
            )),
            None => Ok(entry.to_string()),
        }
    }
}

/// The operator's list and, unless it is locked, the owners': what a server on this database would dial.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn egress_allow_of(db: &Db, operator: &OperatorEgress) -> Result<AllowList> {
    let mut list = operator.allow.clone();
    if !operator.locked {
        let mut session = db.read().await?;
        for entry in stored(&mut session).await? {
            match AllowList::entry(&entry) {
                Ok(entry) => list = list.with(&entry),
                // Written by a newer version, or by hand: what cannot be read opens nothing.
                Err(error) => tracing::error!(%error, "a stored private destination is not readable"),
            }
        }
    }
    Ok(list)
}

/// What owners set. A row that is no list is an error of ours and opens nothing.
async fn stored(session: &mut Session) -> Result<Vec<String>> {
    Ok(settings::setting_get(session, KEY).await?.map_or_else(Vec::new, |text| entries_of(&text)))
}

fn entries_of(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::error!(%error, "the stored list of private destinations is not readable");
        Vec::new()
    })
}
