//! Accounts, managed by admins; only an owner changes owners (behaviour 2).

use crate::{Error, OpContext, Result, Service, audit::Act};
use api::{
    Uuid, Validation,
    users::{PasswordChange, Role, User, UserCreate, UserStatus, UserUpdate},
};
use domain::accounts::{self, Action};
use store::{StoreError, credentials, users, users::UserRecord};

/// A page of users at most.
const PAGE: i64 = 200;

/// Validates and hashes: a record ready to insert.
pub(crate) async fn new_user_record(
    service: &Service,
    email: &str,
    username: &str,
    name: &str,
    password: Option<String>,
    roles: Vec<Role>,
) -> Result<UserRecord> {
    let (email, username, name) = (email.trim().to_owned(), username.trim().to_owned(), name.trim().to_owned());
    let mut wrong = accounts::validate_profile(&email, &username, &name);
    if let Some(password) = &password {
        wrong.extend(accounts::validate_password(password, &email, &username));
    }
    if !wrong.is_empty() {
        return Err(Error::invalid(wrong));
    }
    let password_hash = match password {
        Some(password) => Some(service.0.passwords.hash(password).await?),
        None => None,
    };
    let now = service.now();
    let id = service.new_id();
    Ok(UserRecord {
        user: User { id, email, username, name, roles, status: UserStatus::Active, created_at: now, updated_at: now },
        password_hash,
    })
}

fn parse_roles(names: &[String], wrong: &mut Vec<Validation>) -> Vec<Role> {
    if names.is_empty() {
        return vec![Role::Member];
    }
    let mut roles: Vec<Role> = Vec::new();
    for name in names {
        match Role::parse(name) {
            Some(role) => roles.push(role),
            None => wrong.push(Validation::new("roles", format!("\"{name}\" is not a role. Use owner, admin, auditor or member."))),
        }
    }
    roles.sort();
    roles.dedup();
    roles
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
    /// All accounts by user name.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn user_list(&self, ctx: &OpContext, after: &str, limit: Option<i64>) -> Result<Vec<User>> {
        ctx.authorize(Action::UsersManage)?;
        let mut session = self.db().read().await?;
        let records = users::user_list(&mut session, after, limit.unwrap_or(PAGE).clamp(1, PAGE)).await?;
        Ok(records.into_iter().map(|record| record.user).collect())
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
        ctx.authorize(Action::UsersManage)?;
        let mut wrong = Vec::new();
        let roles = parse_roles(&request.roles, &mut wrong);
        if roles.contains(&Role::Owner) {
            ctx.authorize(Action::OwnersManage)?;
        }
        let record =
            new_user_record(self, &request.email, &request.username, &request.name, Some(request.password), roles).await;
        let record = match (record, wrong.is_empty()) {
            (Ok(record), true) => record,
            (Ok(_), false) => return Err(Error::invalid(wrong)),
            (Err(Error::Invalid { mut validations, .. }), _) => {
                validations.extend(wrong);
                return Err(Error::invalid(validations));
            }
            (Err(error), _) => return Err(error),
        };
        let mut write = self.db().write().await?;
        users::user_insert(&mut write, &record).await.map_err(conflict)?;
        self.audit(&mut write, ctx, Act::on("user.create", "user", record.user.id, &record.user.username)).await?;
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
        let administrative =
            request.roles.is_some() || request.status.is_some() || request.password.is_some() || request.email.is_some();
        if administrative || !own {
            ctx.authorize(Action::UsersManage)?;
        }
        let mut wrong = Vec::new();
        let roles = request.roles.as_ref().map(|names| parse_roles(names, &mut wrong));
        let status = match request.status.as_deref() {
            None => None,
            Some("active") => Some(UserStatus::Active),
            Some("suspended") => Some(UserStatus::Suspended),
            Some(_) => {
                wrong.push(Validation::new("status", "Use active or suspended."));
                None
            }
        };
        let mut session = self.db().read().await?;
        let current = users::user_get(&mut session, id).await?.ok_or(Error::NotFound)?;
        drop(session);
        let email = request.email.as_deref().unwrap_or(&current.user.email).trim().to_owned();
        let username = request.username.as_deref().unwrap_or(&current.user.username).trim().to_owned();
        let name = request.name.as_deref().unwrap_or(&current.user.name).trim().to_owned();
        wrong.extend(accounts::validate_profile(&email, &username, &name));
        if let Some(password) = &request.password {
            wrong.extend(accounts::validate_password(password, &email, &username));
        }
        if own && (status == Some(UserStatus::Suspended)) {
            wrong.push(Validation::new("status", "You cannot suspend your own account."));
        }
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        let password_hash = match request.password.clone() {
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        let mut write = self.db().write().await?;
        let mut record = users::user_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        let was_owner = record.user.is_owner() && record.user.status == UserStatus::Active;
        let touches_owner = record.user.is_owner() || roles.as_ref().is_some_and(|r| r.contains(&Role::Owner));
        if touches_owner && !own && !ctx.may(Action::OwnersManage) {
            return Err(Error::Forbidden("Only an owner can change an owner.".to_owned()));
        }
        if touches_owner && roles.is_some() && !ctx.may(Action::OwnersManage) {
            return Err(Error::Forbidden("Only an owner can change an owner.".to_owned()));
        }
        let mut changed = Vec::new();
        let mut set = |field: &str, differs: bool| {
            if differs {
                changed.push(field.to_owned());
            }
        };
        set("email", record.user.email != email);
        set("username", record.user.username != username);
        set("name", record.user.name != name);
        set("roles", roles.as_ref().is_some_and(|r| *r != record.user.roles));
        set("status", status.is_some_and(|s| s != record.user.status));
        set("password changed", password_hash.is_some());
        record.user.email = email;
        record.user.username = username;
        record.user.name = name;
        record.user.roles = roles.unwrap_or(record.user.roles);
        record.user.status = status.unwrap_or(record.user.status);
        record.user.updated_at = self.now();
        let ends_sessions = password_hash.is_some() || record.user.status == UserStatus::Suspended;
        if password_hash.is_some() {
            record.password_hash = password_hash;
        }
        users::user_update(&mut write, &record).await.map_err(conflict)?;
        let still_owner = record.user.is_owner() && record.user.status == UserStatus::Active;
        if was_owner && !still_owner && users::owners_count(&mut write).await? == 0 {
            return Err(Error::conflict("This is the last active owner. Make somebody else an owner first."));
        }
        if ends_sessions {
            let keep = own.then_some(caller.credential_id);
            credentials::sessions_delete_others(&mut write, id, keep).await?;
        }
        self.audit(&mut write, ctx, Act::on("user.update", "user", id, &record.user.username).fields(changed)).await?;
        write.commit().await?;
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
        let record = users::user_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        if record.user.is_owner() {
            ctx.authorize(Action::OwnersManage)?;
        }
        users::user_delete(&mut write, id).await?;
        if record.user.is_owner() && users::owners_count(&mut write).await? == 0 {
            return Err(Error::conflict("This is the last active owner. Make somebody else an owner first."));
        }
        self.audit(&mut write, ctx, Act::on("user.delete", "user", id, &record.user.username)).await?;
        write.commit().await?;
        self.deps().mcp.close_user(id);
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
        let mut wrong = accounts::validate_password(&request.password, &current.user.email, &current.user.username);
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
