//! Accounts, managed by admins; only an owner changes owners (behaviour 2).

use crate::{
    Error, OpContext, Result, Service, audit::Act, chats::state_of, oauth::grants_of_user, pages::page_of,
};
use api::{
    Page, PageQuery, Uuid, Validation,
    users::{PasswordChange, Role, User, UserCreate, UserStatus, UserUpdate},
};
use domain::accounts::{self, Action, NewUser, can_manage_user};
use domain::chat::{ChatEvent, transition};
use store::{
    StoreError,
    changes::{ChangeKind, change_note},
    chats::{self, Transition, chats_busy},
    credentials, users,
    users::UserRecord,
};

/// Hashes the password: a record ready to insert.
pub(crate) async fn new_user_record(service: &Service, new: NewUser) -> Result<UserRecord> {
    let password_hash = Some(service.0.passwords.hash(new.password).await?);
    let now = service.now();
    let user = User {
        id: service.new_id(),
        email: new.email,
        username: new.username,
        name: new.name,
        roles: new.roles,
        status: UserStatus::Active,
        created_at: now,
        updated_at: now,
    };
    Ok(UserRecord { user, password_hash })
}

pub(crate) fn refuse_owner_change(ctx: &OpContext) -> Error {
    let (attempted, resource_type) = Action::OwnersManage.audit_words();
    ctx.refuse(attempted, resource_type, "Only an owner can change an owner.")
}

fn role_names(roles: &[Role]) -> String {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.into_iter().map(Role::as_str).collect::<Vec<_>>().join(",")
}

/// The roles of a new account, for the audit log.
pub(crate) fn roles_given(roles: &[Role]) -> String {
    format!("roles={}", role_names(roles))
}

/// A changed field for the audit log: rights with what they were and are, secrets as a word, of the rest only the name.
fn changed_field(field: &str, before: &User, after: &accounts::UserChange) -> String {
    match field {
        "roles" => format!("roles={} -> {}", role_names(&before.roles), role_names(&after.roles)),
        "status" => format!("status={} -> {}", before.status.as_str(), after.status.as_str()),
        "password" => "password changed".to_owned(),
        name => name.to_owned(),
    }
}

fn last_owner() -> Error {
    Error::conflict("This is the last active owner. Make somebody else an owner first.")
}

fn conflict(error: StoreError) -> Error {
    if error.is_conflict_on("email") {
        Error::conflict_field("email", "Somebody has an account with this email already.")
    } else if error.is_conflict_on("username") {
        Error::conflict_field("username", "This username is taken.")
    } else {
        error.into()
    }
}

impl Service {
    /// Accounts by user name, in pages; `q` looks into user name, name and email.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`].
    pub async fn user_list(&self, ctx: &OpContext, query: &PageQuery) -> Result<Page<User>> {
        ctx.authorize(Action::UsersManage)?;
        let page = page_of(query)?;
        let mut session = self.db().read().await?;
        let records = users::user_list(&mut session, query.q.trim(), &query.after, page.fetched()).await?;
        let rows = records.into_iter().map(|record| record.user).collect();
        Ok(Page::cut(rows, page.rows, |user: &User| user.username.clone()))
    }

    /// One account: the own one, or any for those who manage users.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`].
    pub async fn user_get(&self, ctx: &OpContext, user: &str) -> Result<User> {
        let id = self.user_id_of(ctx, user)?;
        let mut session = self.db().read().await?;
        Ok(users::user_get(&mut session, id).await?.ok_or(Error::NotFound)?.user)
    }

    /// A new account.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn user_create(&self, ctx: &OpContext, request: UserCreate) -> Result<User> {
        let caller = ctx.authorize(Action::UsersManage)?;
        let new = accounts::validate_user_create(&request).map_err(Error::invalid)?;
        if !can_manage_user(&caller.user.roles, &[], &new.roles) {
            return Err(refuse_owner_change(ctx));
        }
        let record = new_user_record(self, new).await?;
        let mut write = self.db().write().await?;
        users::user_insert(&mut write, &record).await.map_err(conflict)?;
        let act = Act::on("user.create", "user", record.user.id, &record.user.username);
        self.audit(&mut write, ctx, act.fields(vec![roles_given(&record.user.roles)])).await?;
        write.commit().await?;
        Ok(record.user)
    }

    /// Changes an account. A change of password, roles or status ends what the old state allowed.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn user_update(&self, ctx: &OpContext, user: &str, request: UserUpdate) -> Result<User> {
        let id = self.user_id_of(ctx, user)?;
        let caller = ctx.require()?;
        let own = id == caller.user.id;
        let administrative = request.roles.is_some()
            || request.status.is_some()
            || request.password.is_some()
            || request.email.is_some();
        if administrative || !own {
            ctx.authorize(Action::UsersManage)?;
        }
        let mut session = self.db().read().await?;
        let current = users::user_get(&mut session, id).await?.ok_or(Error::NotFound)?;
        drop(session);
        // Before the body is judged: whoever may not touch an owner learns that, not what is wrong with a field.
        if !own && !can_manage_user(&caller.user.roles, &current.user.roles, &current.user.roles) {
            return Err(refuse_owner_change(ctx));
        }
        let change = accounts::validate_user_update(&current.user, &request).map_err(Error::invalid)?;
        if own && change.status == UserStatus::Suspended {
            return Err(Error::invalid_field("status", "You cannot suspend your own account."));
        }
        let changed =
            change.changed.iter().map(|field| changed_field(field, &current.user, &change)).collect();
        let password_hash = match change.password {
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        let mut write = self.db().write().await?;
        // Two owners demoting each other at once must not both pass.
        users::users_lock(&mut write).await?;
        let mut record = users::user_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        if record.user != current.user {
            return Err(Error::conflict(
                "Somebody else changed this account meanwhile. Load it again and repeat your change.",
            ));
        }
        if (administrative || !own) && !can_manage_user(&caller.user.roles, &record.user.roles, &change.roles)
        {
            return Err(refuse_owner_change(ctx));
        }
        let was_owner = record.user.is_owner() && record.user.status == UserStatus::Active;
        let ends_sessions = password_hash.is_some() || change.status == UserStatus::Suspended;
        record.user.email = change.email;
        record.user.username = change.username;
        record.user.name = change.name;
        record.user.roles = change.roles;
        record.user.status = change.status;
        record.user.updated_at = self.now();
        record.password_hash = password_hash.or(record.password_hash);
        users::user_update(&mut write, &record).await.map_err(conflict)?;
        let still_owner = record.user.is_owner() && record.user.status == UserStatus::Active;
        if was_owner && !still_owner && users::owners_count(&mut write).await? == 0 {
            return Err(last_owner());
        }
        if ends_sessions {
            let keep = own.then_some(caller.credential_id);
            credentials::sessions_delete_others(&mut write, id, keep).await?;
        }
        let rights_changed = change.changed.iter().any(|field| matches!(*field, "roles" | "status"));
        self.audit(
            &mut write,
            ctx,
            Act::on("user.update", "user", id, &record.user.username).fields(changed),
        )
        .await?;
        if rights_changed {
            change_note(&mut write, ChangeKind::Users, &id.to_string()).await?;
        }
        write.commit().await?;
        if record.user.status == UserStatus::Suspended {
            self.turns_stop(id).await?;
        } else if rights_changed {
            self.deps().mcp.close_user(id);
        }
        Ok(record.user)
    }

    /// Removes an account with its chats, sessions and tokens.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Conflict`] for the last owner or oneself.
    pub async fn user_delete(&self, ctx: &OpContext, user: &str) -> Result<()> {
        let caller = ctx.authorize(Action::UsersManage)?;
        let id = self.user_id_of(ctx, user)?;
        if id == caller.user.id {
            return Err(Error::conflict("You cannot delete your own account. Ask another owner or admin."));
        }
        let mut write = self.db().write().await?;
        users::users_lock(&mut write).await?;
        let record = users::user_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        let running = chats_busy(&mut write, id).await?;
        if !can_manage_user(&caller.user.roles, &record.user.roles, &[]) {
            return Err(refuse_owner_change(ctx));
        }
        grants_of_user(&self.deps().grants_context(), &mut write, id).await?;
        users::user_delete(&mut write, id).await?;
        if record.user.is_owner() && users::owners_count(&mut write).await? == 0 {
            return Err(last_owner());
        }
        self.audit(&mut write, ctx, Act::on("user.delete", "user", id, &record.user.username)).await?;
        change_note(&mut write, ChangeKind::Users, &id.to_string()).await?;
        write.commit().await?;
        for chat in running {
            self.deps().chatd.interrupt(chat);
            self.deps().chatd.hub().chat_gone(chat);
        }
        self.deps().mcp.close_user(id);
        self.revocations_soon();
        Ok(())
    }

    /// Stops what runs for a user who may no longer act (behaviour 2: within 5 s), and closes their connections.
    async fn turns_stop(&self, user: Uuid) -> Result<()> {
        let mut write = self.db().write().await?;
        let running = chats_busy(&mut write, user).await?;
        for chat in &running {
            let Some(record) = chats::chat_get_for_update(&mut write, user, *chat).await? else { continue };
            if let Ok(next) = transition(state_of(&record), ChatEvent::Interrupt)
                && next.status != record.status
            {
                chats::chat_transition(&mut write, &record.fence(), &Transition::to(next.status, self.now()))
                    .await?;
            }
        }
        write.commit().await?;
        for chat in running {
            self.deps().chatd.interrupt(chat);
        }
        self.deps().mcp.close_user(user);
        Ok(())
    }

    /// Sets a password: the own one with the old one, or another user's by those who manage users.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], [`Error::RateLimited`].
    pub async fn password_change(&self, ctx: &OpContext, user: &str, request: PasswordChange) -> Result<()> {
        let id = self.user_id_of(ctx, user)?;
        let caller = ctx.require()?;
        if id != caller.user.id {
            let update = UserUpdate { password: Some(request.password), ..UserUpdate::default() };
            return self.user_update(ctx, user, update).await.map(|_| ());
        }
        self.attempt_count(&format!("password:{id}")).await?;
        let mut session = self.db().read().await?;
        let current = users::user_get(&mut session, id).await?.ok_or(Error::NotFound)?;
        drop(session);
        let mut wrong = Vec::new();
        if let Err(detail) =
            accounts::check_password(&request.password, &current.user.email, &current.user.username)
        {
            wrong.push(Validation::new("password", detail));
        }
        if !self.0.passwords.verify(request.old_password, current.password_hash).await? {
            wrong.push(Validation::new("old_password", "This is not your current password."));
        }
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        let hash = self.0.passwords.hash(request.password).await?;
        let mut write = self.db().write().await?;
        let mut record = users::user_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        record.password_hash = Some(hash);
        record.user.updated_at = self.now();
        users::user_update(&mut write, &record).await?;
        credentials::sessions_delete_others(&mut write, id, Some(caller.credential_id)).await?;
        let act = Act::on("user.password", "user", id, &record.user.username);
        self.audit(&mut write, ctx, act.fields(vec!["password changed".to_owned()])).await?;
        write.commit().await?;
        Ok(())
    }
}
