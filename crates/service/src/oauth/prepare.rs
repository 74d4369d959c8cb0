//! From a server's URL to everything that is stored about its provider: found, and a client made there (behaviour 8).

use super::{Refresher, client_document_url, redirect_uri, sealed};
use crate::{Error, Result, mcp_servers::registration_token_place};
use api::{
    Uuid,
    oauth::{DiscoveryCandidate, FoundProvider, ManualSetup},
    servers::OAuth2Registration,
};
use domain::{
    mcp_server::OAuth2Settings,
    oauth::scopes::{self, ScopeSource},
};
use mcpauth::{
    auth_method::{self, AuthMethod},
    discovery::{Candidate, CandidateKind, DiscoveryError, DiscoveryErrorKind, Found, Question, discover},
    metadata::ServerMetadata,
    registration::{Registered, Registration, Way, choose, delete_client, register},
    resource::Fit,
};
use secrecy::SecretString;
use store::{
    Write,
    mcp_servers::{FoundServer, StoredServer},
    oauth::{self, OAuthFacts},
};

/// A client at a provider, ready to be stored.
pub(crate) struct Prepared {
    pub(crate) settings: OAuth2Settings,
    /// `None` keeps what is stored.
    pub(crate) secret: Option<Option<SecretString>>,
    pub(crate) facts: OAuthFacts,
    /// The version of the server that it was found for; 0 for one in setup.
    pub(crate) seen_version: i64,
    /// To be undone at the provider when it cannot be stored.
    registered: Option<(String, SecretString)>,
    /// Whose lease on the server's registration it is; it ends when the facts are stored.
    holder: Option<Uuid>,
}

impl Prepared {
    /// Without a secret, and with nothing to be undone.
    fn of(settings: OAuth2Settings, facts: OAuthFacts) -> Self {
        Self { settings, secret: Some(None), facts, seen_version: 0, registered: None, holder: None }
    }

    /// Puts what was found beside the server.
    pub(crate) async fn facts_store(&self, write: &mut Write) -> Result<()> {
        oauth::oauth_facts_delete(write, self.facts.mcp_server_id).await?;
        Ok(oauth::oauth_facts_put(write, &self.facts).await?)
    }
}

impl Refresher {
    /// Asks who issues tokens for `stored`; of several the one that was `chosen`.
    ///
    /// # Errors
    /// [`Error::Discovery`] with everything that was asked.
    pub(crate) async fn discover(&self, stored: &StoredServer, chosen: Option<&str>) -> Result<Found> {
        let found = discover(&self.egress, question(stored, chosen))
            .await
            .map_err(|error| refused(error, &stored.record.oauth2.scopes))?;
        if chosen.is_none_or(|chosen| chosen == found.issuer) {
            return Ok(found);
        }
        let message = "The authorization server that was chosen cannot be used: the server does not name it, or its metadata is not what it \
                       should be. Choose another one.";
        Err(with_report(message.to_owned(), found.report.iter(), None))
    }

    /// As [`Self::prepare`], for a server that is in use: nobody else makes a client for it meanwhile, and `seen` is still what is stored.
    ///
    /// # Errors
    /// [`Error::Stale`] when it was changed meanwhile, [`Error::Conflict`] when others register for too long.
    pub(crate) async fn prepare_alone(
        &self,
        seen: &FoundServer,
        wanted: &StoredServer,
        found: &Found,
        anew: bool,
    ) -> Result<Prepared> {
        let id = seen.stored.record.id;
        let holder = self.registration_lease(id).await?;
        let work = async {
            let now = self.found(id, Uuid::nil()).await?;
            if now.is_none_or(|now| now.stored.record.version != seen.stored.record.version) {
                return Err(Error::Stale);
            }
            self.prepare(wanted, seen.oauth.as_ref(), found, anew).await
        };
        match work.await {
            Ok(prepared) => {
                Ok(Prepared { holder: Some(holder), seen_version: seen.stored.record.version, ..prepared })
            }
            Err(error) => {
                self.lease_end(id, holder).await;
                Err(error)
            }
        }
    }

    /// Makes a client there, or keeps the one that `stored` has where that is this provider's, unless it is to be made `anew`.
    ///
    /// # Errors
    /// [`Error::Discovery`] when there is no way to one.
    pub(crate) async fn prepare(
        &self,
        stored: &StoredServer,
        facts: Option<&OAuthFacts>,
        found: &Found,
        anew: bool,
    ) -> Result<Prepared> {
        let (id, oauth2, metadata) = (stored.record.id, &stored.record.oauth2, &found.metadata);
        let row = facts.map_or_else(|| self.new_id(), |facts| facts.id);
        let chosen = scopes::choose("", found.challenge_scope.as_deref(), &found.published_scopes);
        let mut settings = OAuth2Settings {
            client_id: oauth2.client_id.clone(),
            auth_url: metadata.authorization_endpoint.clone(),
            token_url: metadata.token_endpoint.clone(),
            revocation_url: revocation_url(oauth2, facts, found),
            scopes: oauth2.scopes.clone(),
            issuer: found.issuer.clone(),
            registration: oauth2.registration,
            secret_wiped: oauth2.secret_wiped,
        };
        let mut next = OAuthFacts {
            id: row,
            mcp_server_id: id,
            issuer: found.issuer.clone(),
            resource: found.resource.clone(),
            token_url: metadata.token_endpoint.clone(),
            iss_required: metadata.iss_parameter_supported,
            offline_access: metadata.lists_offline_access(),
            scopes: chosen.as_ref().map(|chosen| chosen.scopes.clone()).unwrap_or_default(),
            scopes_source: match chosen.map(|chosen| chosen.source) {
                Some(ScopeSource::Challenge) => "challenge".to_owned(),
                Some(ScopeSource::Published) => "published".to_owned(),
                Some(ScopeSource::Given) | None => String::new(),
            },
            guessed: found.guessed,
            auth_methods: metadata.token_endpoint_auth_methods.clone(),
            auth_method: AuthMethod::None.as_str().to_owned(),
            registration_endpoint: metadata.registration_endpoint.clone().unwrap_or_default(),
            registration_uri: String::new(),
            registration_token: store::SealedColumn::default(),
            secret_expires_at: None,
            found_at: self.clock.now(),
            registered_at: None,
            revocation_found: metadata.revocation_endpoint.clone().unwrap_or_default(),
            drift: String::new(),
        };
        let has_secret = stored.record.has_oauth2_secret;
        if keeps_client(oauth2, found) && !anew {
            match facts {
                // Registered there before: as it was answered then.
                Some(known) if known.registered_at.is_some() => {
                    next.auth_method.clone_from(&known.auth_method);
                    next.registration_uri.clone_from(&known.registration_uri);
                    next.registration_token.clone_from(&known.registration_token);
                    next.secret_expires_at = known.secret_expires_at;
                    next.registered_at = known.registered_at;
                }
                _ => {
                    let (method, _) = auth_method::choose(None, has_secret, next.auth_methods.as_deref());
                    method.as_str().clone_into(&mut next.auth_method);
                }
            }
            let mut kept = Prepared { secret: None, ..Prepared::of(settings, next) };
            // It was given for the address that it was sent to, which is another one now (behaviour 6, point 5).
            if !moves_alone(oauth2) && has_secret && oauth2.token_url != kept.settings.token_url {
                kept.secret = Some(None);
                kept.settings.secret_wiped = true;
            }
            return Ok(kept);
        }
        match choose(metadata, self.access_url.scheme() == "https") {
            Way::Cimd => {
                settings.client_id = client_document_url(&self.access_url, id);
                settings.registration = Some(OAuth2Registration::Cimd);
                settings.secret_wiped = false;
                Ok(Prepared::of(settings, next))
            }
            Way::Dcr => {
                let registered = self.register(id, metadata).await.map_err(|error| {
                    registration_refused(
                        found,
                        metadata.registration_endpoint.as_deref(),
                        &error,
                        &oauth2.scopes,
                    )
                })?;
                self.take_client(&mut settings, &mut next, &registered)?;
                let undo = registered.registration_client_uri.zip(registered.registration_access_token);
                Ok(Prepared {
                    secret: Some(kept_secret(registered.auth_method, registered.client_secret)),
                    registered: undo,
                    ..Prepared::of(settings, next)
                })
            }
            Way::ByHand => {
                let message = "The provider supports neither client documents nor automatic registration. Make a client there by \
                               hand, with this server's redirect URI, and enter its id.";
                Err(with_report(
                    message.to_owned(),
                    found.report.iter(),
                    Some(manual_of(&found.issuer, metadata, &oauth2.scopes)),
                ))
            }
        }
    }

    pub(super) async fn register(
        &self,
        id: Uuid,
        metadata: &ServerMetadata,
    ) -> std::result::Result<Registered, mcpauth::registration::RegistrationError> {
        let asked = Registration {
            client_name: None,
            client_uri: self.access_url.as_str().trim_end_matches('/').to_owned(),
            redirect_uri: redirect_uri(&self.access_url, id),
            // Providers take registered scopes for all that the client may ever ask for: a step-up would be refused.
            scope: None,
        };
        register(&self.egress, metadata, asked).await
    }

    /// What a provider answered to a registration, into what is stored.
    pub(super) fn take_client(
        &self,
        settings: &mut OAuth2Settings,
        facts: &mut OAuthFacts,
        registered: &Registered,
    ) -> Result<()> {
        settings.client_id.clone_from(&registered.client_id);
        settings.registration = Some(OAuth2Registration::Dcr);
        settings.secret_wiped = false;
        registered.auth_method.as_str().clone_into(&mut facts.auth_method);
        facts.registration_uri = registered.registration_client_uri.clone().unwrap_or_default();
        let place = registration_token_place(facts.id);
        facts.registration_token =
            sealed(&self.keyring, &place, registered.registration_access_token.as_ref())?;
        facts.secret_expires_at =
            registered.secret_expires_at.map(|seconds| api::Timestamp(seconds.saturating_mul(1_000_000)));
        facts.registered_at = Some(self.clock.now());
        Ok(())
    }

    /// A client that was made for nothing is taken back, if the provider lets us. One that was stored after all, though the database did not
    /// say so, stays; so does one of which nobody can say.
    pub(crate) async fn undo(&self, prepared: Prepared) {
        if let Some(holder) = prepared.holder {
            self.lease_end(prepared.facts.mcp_server_id, holder).await;
        }
        let server = prepared.facts.mcp_server_id;
        let in_use = match self.found(server, Uuid::nil()).await {
            Ok(found) => {
                found.is_some_and(|found| found.stored.record.oauth2.client_id == prepared.settings.client_id)
            }
            Err(_) => true,
        };
        if let Some((uri, token)) = prepared.registered
            && !in_use
        {
            let _ = delete_client(&self.egress, &uri, &token).await;
        }
    }
}

/// The client that is there is this provider's (protocol.md 14.11).
fn keeps_client(oauth2: &OAuth2Settings, found: &Found) -> bool {
    let same = if oauth2.issuer.is_empty() {
        oauth2.token_url == found.metadata.token_endpoint
    } else {
        oauth2.issuer == found.issuer
    };
    !oauth2.client_id.is_empty() && same
}

/// Where grants will be given back: where an admin said, at the provider that they said it of; else where this one says (behaviour 8).
pub(super) fn revocation_url(oauth2: &OAuth2Settings, facts: Option<&OAuthFacts>, found: &Found) -> String {
    let stored = oauth2.revocation_url.as_str();
    let was_found = facts.is_some_and(|facts| facts.revocation_found == stored);
    let is_of_it = oauth2.issuer.is_empty() || oauth2.issuer == found.issuer;
    if !stored.is_empty() && !was_found && is_of_it {
        return stored.to_owned();
    }
    found.metadata.revocation_endpoint.clone().unwrap_or_default()
}

/// What is asked about a server; of several providers the one that was chosen, else the one in use.
pub(super) fn question(stored: &StoredServer, chosen: Option<&str>) -> Question {
    let pinned = chosen.unwrap_or(&stored.record.oauth2.issuer);
    Question {
        server_url: stored.record.url.clone(),
        given_issuer: None,
        pinned_issuer: Some(pinned.to_owned()).filter(|issuer| !issuer.is_empty()),
    }
}

/// Patchbay made the client, and makes another one where its secret must not go along.
fn moves_alone(oauth2: &OAuth2Settings) -> bool {
    matches!(oauth2.registration, Some(OAuth2Registration::Cimd | OAuth2Registration::Dcr))
}

/// How a client would come about, for a look before anything is done.
pub(super) fn way_words(
    stored: &StoredServer,
    found: &Found,
    is_https: bool,
    anew: bool,
) -> (&'static str, bool) {
    let oauth2 = &stored.record.oauth2;
    if keeps_client(oauth2, found) && !anew {
        return (oauth2.registration.map_or("manual", OAuth2Registration::as_str), true);
    }
    match choose(&found.metadata, is_https) {
        Way::Cimd => ("cimd", false),
        Way::Dcr => ("dcr", false),
        Way::ByHand => ("", false),
    }
}

pub(super) fn provider_of(found: &Found, scopes: &str, registration: &str) -> FoundProvider {
    let chosen = scopes::choose(scopes, found.challenge_scope.as_deref(), &found.published_scopes);
    let source = chosen.as_ref().map_or("", |chosen| match chosen.source {
        ScopeSource::Given => "given",
        ScopeSource::Challenge => "challenge",
        ScopeSource::Published => "published",
    });
    FoundProvider {
        issuer: found.issuer.clone(),
        all_issuers: found.all_issuers.clone(),
        resource: found.resource.clone(),
        auth_url: found.metadata.authorization_endpoint.clone(),
        token_url: found.metadata.token_endpoint.clone(),
        revocation_url: found.metadata.revocation_endpoint.clone().unwrap_or_default(),
        scopes_source: source.to_owned(),
        scopes: chosen.map(|chosen| chosen.scopes).unwrap_or_default(),
        registration: registration.to_owned(),
        guessed: found.guessed,
    }
}

/// What an admin should know before taking it over.
pub(super) fn warnings(found: &Found) -> Vec<String> {
    let mut warnings = Vec::new();
    if found.resource_fit == Fit::Ancestor {
        warnings.push(format!("Tokens are for {}, which is wider than this server.", found.resource));
    }
    for foreign in found.metadata.foreign_origins() {
        warnings.push(format!(
            "The {} is on {}, another origin than the issuer's.",
            foreign.field, foreign.origin
        ));
    }
    if found.guessed {
        warnings.push(
            "The server publishes nothing: the endpoints are those of the 2025-03-26 revision, and PKCE is not declared.".to_owned(),
        );
    }
    if found.all_issuers.len() > 1 {
        warnings.push(format!(
            "The server names {} authorization servers; the one of {} is used.",
            found.all_issuers.len(),
            found.issuer
        ));
    }
    warnings
}

pub(super) fn candidate(candidate: &Candidate) -> DiscoveryCandidate {
    let what = match candidate.what {
        CandidateKind::Probe => "probe",
        CandidateKind::ResourceMetadata => "resource_metadata",
        CandidateKind::AuthorizationServer => "authorization_server",
    };
    DiscoveryCandidate {
        url: candidate.url.clone(),
        what: what.to_owned(),
        status: candidate.status,
        cause: candidate.cause.clone(),
        used: candidate.used,
    }
}

fn with_report<'a>(
    message: String,
    report: impl Iterator<Item = &'a Candidate>,
    manual: Option<ManualSetup>,
) -> Error {
    let candidates = report.map(candidate).collect();
    Error::Discovery { message, candidates, manual: manual.map(Box::new) }
}

fn refused(error: DiscoveryError, scopes: &str) -> Error {
    let manual = match &error.kind {
        DiscoveryErrorKind::IssuerMismatch { expected, published, metadata: Some(metadata) } => {
            let expected_issuer = expected.clone();
            Some(ManualSetup { expected_issuer, ..manual_of(published, metadata, scopes) })
        }
        _ => None,
    };
    with_report(error.public_message(), error.report.iter(), manual)
}

fn manual_of(issuer: &str, metadata: &ServerMetadata, scopes: &str) -> ManualSetup {
    ManualSetup {
        issuer: issuer.to_owned(),
        expected_issuer: String::new(),
        auth_url: metadata.authorization_endpoint.clone(),
        token_url: metadata.token_endpoint.clone(),
        revocation_url: metadata.revocation_endpoint.clone().unwrap_or_default(),
        scopes: scopes.to_owned(),
    }
}

fn registration_refused(
    found: &Found,
    endpoint: Option<&str>,
    error: &mcpauth::registration::RegistrationError,
    scopes: &str,
) -> Error {
    let guessed = "The server asks for a sign-in and publishes nothing about who provides it; where the revision of 2025-03-26 would have \
                   it, nobody answers as a provider does. If it wants an API key or headers, choose that authentication. Otherwise make a \
                   client at its provider by hand, with this server's redirect URI, and enter its id and addresses.";
    let message = if found.guessed {
        guessed.to_owned()
    } else {
        format!(
            "Patchbay could not be registered: {}. Make a client there by hand, with this server's redirect URI, and enter its id.",
            error.public_message().trim_end_matches('.')
        )
    };
    let mut candidates: Vec<DiscoveryCandidate> = found.report.iter().map(candidate).collect();
    for candidate in &mut candidates {
        candidate.used &= !found.guessed;
    }
    candidates.push(DiscoveryCandidate {
        url: endpoint.unwrap_or_default().to_owned(),
        what: "registration".to_owned(),
        status: None,
        cause: error.public_message(),
        used: false,
    });
    // What nobody published is nothing to start from.
    let manual = (!found.guessed).then(|| Box::new(manual_of(&found.issuer, &found.metadata, scopes)));
    Error::Discovery { message, candidates, manual }
}

/// A client that logs in without a secret has none, whatever came along: it would be taken for one that was given by hand.
pub(super) fn kept_secret(method: AuthMethod, secret: Option<SecretString>) -> Option<SecretString> {
    secret.filter(|_| method != AuthMethod::None)
}
