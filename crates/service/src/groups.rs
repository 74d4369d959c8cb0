//! Groups: who may use the servers that are limited to some (behaviour 2 and 30).

use crate::{Error, OpContext, Result, Service, audit::Act, pages::page_of};
use api::{
    Page, PageQuery, Uuid,
    groups::{Group, GroupCreate, GroupServer, GroupSource, GroupSummary, GroupUpdate},
};
use domain::{
    accounts::Action,
    groups::{GroupChange, validate_group_create, validate_group_update},
    limits::{GROUP_MEMBERS, GROUPS},
    text::quote,
};
use store::{
    Session, StoreError, Write,
    changes::{ChangeKind, change_note},
    groups::{self, GroupRecord},
    users,
};

/// Servers named in a refusal; the rest is counted.
const NAMED: usize = 10;

fn conflict(error: StoreError) -> Error {
    if error.is_conflict_on("name") {
        Error::conflict_field("name", "Another group has this name. Choose a different one.")
    } else {
        error.into()
    }
}

/// What one edit did to the members.
#[derive(Default)]
struct Moved {
    /// User names, for the audit log.
    joined: Vec<String>,
    left: Vec<String>,
    /// Ids of those who left.
    gone: Vec<Uuid>,
}

impl Service {
    /// Groups by name, in pages.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for members: who is grouped with whom is not theirs to read. [`Error::Invalid`].
    pub async fn group_list(&self, ctx: &OpContext, query: &PageQuery) -> Result<Page<GroupSummary>> {
        ctx.authorize(Action::GroupsRead)?;
        let page = page_of(query)?;
        let mut session = self.db().read().await?;
        let rows = groups::group_list(&mut session, &query.after, page.fetched()).await?;
        Ok(Page::cut(rows, page.rows, |group| group.name.clone()))
    }

    /// One group with its members and the servers it limits.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`].
    pub async fn group_get(&self, ctx: &OpContext, id: Uuid) -> Result<Group> {
        ctx.authorize(Action::GroupsRead)?;
        let mut session = self.db().read().await?;
        let record = groups::group_get(&mut session, id).await?.ok_or(Error::NotFound)?;
        to_wire(&mut session, record).await
    }

    /// A new group without members.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`] on the name or when there are too many.
    pub async fn group_create(&self, ctx: &OpContext, request: GroupCreate) -> Result<Group> {
        ctx.authorize(Action::GroupsManage)?;
        let new = validate_group_create(&request).map_err(Error::invalid)?;
        let now = self.now();
        let record = GroupRecord {
            id: self.new_id(),
            name: new.name,
            display_name: new.display_name,
            source: GroupSource::Admin,
            created_at: now,
            updated_at: now,
        };
        let mut write = self.db().write().await?;
        if groups::groups_count(&mut write).await? >= count(GROUPS) {
            return Err(Error::conflict(format!(
                "There are {GROUPS} groups, which is the most. Delete one that is no longer needed."
            )));
        }
        groups::group_insert(&mut write, &record).await.map_err(conflict)?;
        self.audit(&mut write, ctx, Act::on("group.create", "group", record.id, &record.name)).await?;
        let wire = to_wire(&mut write, record).await?;
        write.commit().await?;
        Ok(wire)
    }

    /// Renames a group, and lets users join and leave.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] on the name, and for what the identity
    /// provider decides.
    pub async fn group_update(&self, ctx: &OpContext, id: Uuid, request: GroupUpdate) -> Result<Group> {
        ctx.authorize(Action::GroupsManage)?;
        let mut write = self.db().write().await?;
        let mut record = groups::group_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        let change =
            validate_group_update(&record.name, &record.display_name, &request).map_err(Error::invalid)?;
        if record.source == GroupSource::Oidc {
            refuse_what_the_provider_decides(&change)?;
        }
        let moved = self.members_move(&mut write, id, &change).await?;
        record.name = change.name;
        record.display_name = change.display_name;
        record.updated_at = self.now();
        groups::group_update(&mut write, &record).await.map_err(conflict)?;
        let fields = change.changed.iter().map(|field| (*field).to_owned());
        let joined = moved.joined.iter().map(|name| format!("joined {name}"));
        let left = moved.left.iter().map(|name| format!("left {name}"));
        let act = Act::on("group.update", "group", id, &record.name);
        self.audit(&mut write, ctx, act.fields(fields.chain(joined).chain(left).collect())).await?;
        let wire = to_wire(&mut write, record).await?;
        for user in &moved.gone {
            change_note(&mut write, ChangeKind::Users, &user.to_string()).await?;
        }
        change_note(&mut write, ChangeKind::Groups, &id.to_string()).await?;
        write.commit().await?;
        for user in moved.gone {
            self.deps().mcp.close_user(user);
        }
        Ok(wire)
    }

    /// Removes a group.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`]; [`Error::Conflict`] while it limits a server, which would be open to everybody
    /// without it.
    pub async fn group_delete(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        ctx.authorize(Action::GroupsManage)?;
        let mut write = self.db().write().await?;
        let record = groups::group_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        let servers = groups::group_servers(&mut write, id).await?;
        if !servers.is_empty() {
            return Err(still_limits(&record.name, &servers));
        }
        groups::group_delete(&mut write, id).await.map_err(|error| match error {
            // A server that is being added right now, and not there for anybody else yet.
            StoreError::Conflict { .. } => Error::conflict(
                "A server that is limited to this group is being added. Try again in a moment.",
            ),
            other => other.into(),
        })?;
        self.audit(&mut write, ctx, Act::on("group.delete", "group", id, &record.name)).await?;
        change_note(&mut write, ChangeKind::Groups, &id.to_string()).await?;
        write.commit().await?;
        Ok(())
    }

    async fn members_move(&self, write: &mut Write, id: Uuid, change: &GroupChange) -> Result<Moved> {
        let mut moved = Moved::default();
        let now = self.now();
        for user in &change.remove_users {
            // Somebody who is not in it, or has no account any more, is out already.
            if groups::member_delete(write, id, *user).await?
                && let Some(record) = users::user_get(write, *user).await?
            {
                moved.left.push(record.user.username);
                moved.gone.push(*user);
            }
        }
        for (at, user) in change.add_users.iter().enumerate() {
            let unknown =
                || Error::invalid_field(&format!("add_users[{at}]"), "There is no user with this id.");
            let record = users::user_get(write, *user).await?.ok_or_else(unknown)?;
            let joined = groups::member_insert(write, id, *user, now).await.map_err(|error| match error {
                StoreError::Conflict { .. } => unknown(),
                other => other.into(),
            })?;
            if joined {
                moved.joined.push(record.user.username);
            }
        }
        if !moved.joined.is_empty() && groups::group_members_count(write, id).await? > count(GROUP_MEMBERS) {
            return Err(Error::invalid_field(
                "add_users",
                format!(
                    "A group holds at most {GROUP_MEMBERS} users. Leave some out, or make a second group."
                ),
            ));
        }
        Ok(moved)
    }
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

async fn to_wire(session: &mut Session, record: GroupRecord) -> Result<Group> {
    Ok(Group {
        members: groups::group_members(session, record.id).await?,
        servers: groups::group_servers(session, record.id).await?,
        id: record.id,
        name: record.name,
        display_name: record.display_name,
        source: record.source,
        created_at: record.created_at,
        updated_at: record.updated_at,
    })
}

/// The request is in order, only the state of the group forbids it: 409, not 400.
fn refuse_what_the_provider_decides(change: &GroupChange) -> Result<()> {
    if !change.add_users.is_empty() || !change.remove_users.is_empty() {
        let field = if change.add_users.is_empty() { "remove_users" } else { "add_users" };
        return Err(Error::conflict_field(
            field,
            "The members of this group come from the identity provider at each login, which would undo a change made here. \
             Change them there, or make a group of your own.",
        ));
    }
    if change.changed.contains(&"name") {
        return Err(Error::conflict_field(
            "name",
            "The identity provider knows this group by its name, so it stays. Change the display name instead.",
        ));
    }
    Ok(())
}

fn still_limits(name: &str, servers: &[GroupServer]) -> Error {
    let mut names: Vec<String> =
        servers.iter().take(NAMED).map(|server| quote(&server.display_name, 80)).collect();
    if servers.len() > NAMED {
        names.push(format!("{} more", servers.len() - NAMED));
    }
    let named = match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    };
    Error::conflict(format!(
        "The group {name} limits who may use {named}; without it a server could be open to everybody. Take the group off these \
         servers first."
    ))
}
