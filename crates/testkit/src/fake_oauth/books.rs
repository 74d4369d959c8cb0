//! What the authorization server remembers: clients, codes, and the tokens of each grant.

use crate::temp::unique;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A client, registered or entered by the test.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    pub secret: Option<String>,
    /// `client_secret_basic`, `client_secret_post` or `none`.
    pub auth_method: String,
    pub redirect_uris: Vec<String>,
    /// What deletes it (RFC 7592).
    pub registration_token: Option<String>,
}

/// Everything that came of one authorization. Its tokens end together.
#[derive(Debug, Clone)]
pub struct Family {
    /// Counts from 0.
    pub id: usize,
    pub client_id: String,
    /// As it was asked for; `None` only where the peer does not demand it.
    pub resource: Option<String>,
    /// Scopes, separated by spaces.
    pub scope: String,
    pub revoked: bool,
    /// How many refresh tokens it had so far.
    pub rotations: usize,
}

/// An authorization code that waits to be exchanged, or was.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) resource: Option<String>,
    pub(super) scope: String,
    pub(super) until: Instant,
    /// What came of it.
    pub(super) family: Option<usize>,
}

#[derive(Debug)]
struct Access {
    family: usize,
    scope: String,
    until: Instant,
}

#[derive(Debug)]
struct Refresh {
    family: usize,
    replaced: bool,
}

/// What a token stands for, while it is good.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) family: Family,
    pub(super) scope: String,
}

/// How a refresh token stands.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    Unknown,
    Revoked,
    Replaced(Family),
    Good(Family),
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) codes: BTreeMap<String, Code>,
    families: Vec<Family>,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
    /// Registrations that succeeded.
    pub(super) registrations: usize,
}

impl Books {
    pub(super) fn families(&self) -> &[Family] {
        &self.families
    }

    pub(super) fn new_family(&mut self, client_id: &str, resource: Option<String>, scope: &str) -> Family {
        let family = Family {
            id: self.families.len(),
            client_id: client_id.to_owned(),
            resource,
            scope: scope.to_owned(),
            revoked: false,
            rotations: 0,
        };
        self.families.push(family.clone());
        family
    }

    pub(super) fn revoke(&mut self, family: usize) {
        if let Some(family) = self.families.get_mut(family) {
            family.revoked = true;
        }
    }

    pub(super) fn new_access(&mut self, family: usize, scope: &str, lifetime: Duration) -> String {
        let token = format!("at-{family}-{}", unique());
        let until = Instant::now() + lifetime;
        self.access.insert(token.clone(), Access { family, scope: scope.to_owned(), until });
        token
    }

    pub(super) fn new_refresh(&mut self, family: usize) -> String {
        let token = format!("rt-{family}-{}", unique());
        self.refresh.insert(token.clone(), Refresh { family, replaced: false });
        if let Some(family) = self.families.get_mut(family) {
            family.rotations += 1;
        }
        token
    }

    /// Another one takes its place.
    pub(super) fn replace(&mut self, refresh: &str) {
        if let Some(token) = self.refresh.get_mut(refresh) {
            token.replaced = true;
        }
    }

    pub(super) fn refresh_standing(&self, token: &str) -> Standing {
        let Some(token) = self.refresh.get(token) else { return Standing::Unknown };
        let family = self.families[token.family].clone();
        match token {
            _ if family.revoked => Standing::Revoked,
            Refresh { replaced: true, .. } => Standing::Replaced(family),
            Refresh { .. } => Standing::Good(family),
        }
    }

    /// What an access token is good for, if for anything.
    pub(super) fn live(&self, token: &str) -> Option<Live> {
        let token = self.access.get(token)?;
        let family = self.families[token.family].clone();
        let good = !family.revoked && Instant::now() < token.until;
        good.then(|| Live { family, scope: token.scope.clone() })
    }

    /// The family of a token of either kind, good or not.
    pub(super) fn family_of(&self, token: &str) -> Option<usize> {
        let access = self.access.get(token).map(|token| token.family);
        access.or_else(|| self.refresh.get(token).map(|token| token.family))
    }

    pub(super) fn is_access(&self, token: &str) -> bool {
        self.access.contains_key(token)
    }

    pub(super) fn forget_access(&mut self, token: &str) {
        self.access.remove(token);
    }

    pub(super) fn expire_access(&mut self) {
        let now = Instant::now();
        self.access.values_mut().for_each(|token| token.until = now);
    }
}
