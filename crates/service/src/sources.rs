//! The ports of the chat daemon, implemented: which servers take part and how they are dialled, which model answers.

use crate::{Definitions, Refresher, mcp_servers::USE_WAIT, providers, secrets, standing::Standing};
use api::{Uuid, chats::TurnError, models::ProviderType};
use async_trait::async_trait;
use chatd::{ModelSource, PermissionAsk, ResolvedModel, ServerSource, SourceError, StepServer, TurnScope};
use dbcrypt::Keyring;
use domain::{
    availability::order_for_step,
    definitions::{DefinitionStanding, KnownDefinitions},
    gates::{Choice, decide},
    mcp_server::ServerRecord,
    oauth::challenge::Challenge,
    plan_mode::{Origin, TurnMode, admission},
};
use egress::Egress;
use llm::ProviderConfig;
use mcpclient::Catalogue;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use store::{
    Db, StoreError,
    mcp_servers::{self, Candidates, FoundServer},
    models::{self, ModelRecord},
    providers::{self as stored_providers, ProviderRecord},
};

/// Providers kept ready, by id and last change; more than an organisation has.
const PROVIDERS_KEPT: usize = 64;

type ProviderCache = HashMap<(Uuid, i64), Arc<dyn llm::ModelProvider>>;

/// Reads the database at each step: an edit acts at the next call (behaviour 6).
pub struct Sources {
    db: Db,
    keyring: Arc<Keyring>,
    egress: Egress,
    demo_pacing: Duration,
    definitions: Arc<Definitions>,
    refresher: Arc<Refresher>,
    providers: Mutex<ProviderCache>,
}

impl Sources {
    pub fn new(
        db: Db,
        keyring: Arc<Keyring>,
        egress: Egress,
        definitions: Arc<Definitions>,
        refresher: Arc<Refresher>,
        demo_pacing: Duration,
    ) -> Self {
        let providers = Mutex::new(HashMap::new());
        Self { db, keyring, egress, demo_pacing, definitions, refresher, providers }
    }

    /// The next turn builds its provider anew.
    pub(crate) fn providers_forget(&self) {
        self.providers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn step_server(&self, standing: &Standing, found: FoundServer, scope: TurnScope<'_>) -> StepServer {
        let choice = Choice::of(scope.selected, found.stored.record.id);
        let now = self.refresher.now();
        let (facts, access) = standing.assess(&self.keyring, &found, true, choice, scope.mode, now);
        StepServer { record: found.stored.record, facts, access }
    }

    /// What is open to this turn. Without its owner the turn has nobody to act for: it ends, it does not go
    /// on without tools.
    async fn open_servers(&self, scope: TurnScope<'_>) -> Result<(Standing, Vec<FoundServer>), SourceError> {
        let mut session = self.db.read().await.map_err(source_error)?;
        let standing = Standing::load(&mut session, scope.owner).await.map_err(source_error)?;
        let standing = standing
            .filter(|standing| standing.account_active)
            .ok_or_else(|| SourceError("the owner of the chat may no longer act".to_owned()))?;
        let open =
            mcp_servers::server_candidates(&mut session, standing.reader, Candidates::Forced, scope.selected)
                .await;
        Ok((standing, open.map_err(source_error)?))
    }

    async fn one_server(
        &self,
        owner: Uuid,
        server_id: Uuid,
    ) -> Result<Option<(Standing, FoundServer)>, SourceError> {
        let mut session = self.db.read().await.map_err(source_error)?;
        let Some(standing) = Standing::load(&mut session, owner).await.map_err(source_error)? else {
            return Ok(None);
        };
        let found = mcp_servers::server_get(&mut session, standing.reader, server_id).await;
        Ok(found.map_err(source_error)?.map(|found| (standing, found)))
    }

    fn provider(&self, record: &ProviderRecord) -> Result<Arc<dyn llm::ModelProvider>, TurnError> {
        let key = (record.id, record.updated_at.0);
        if let Some(known) = self.providers.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let config = self.provider_config(record)?;
        let provider = llm::provider(config, self.egress.clone());
        let mut kept = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else was faster: what a provider learns, and its breaker, are there once.
        if let Some(known) = kept.get(&key) {
            return Ok(known.clone());
        }
        kept.retain(|(id, _), _| *id != record.id);
        if kept.len() >= PROVIDERS_KEPT {
            kept.clear();
        }
        kept.insert(key, provider.clone());
        Ok(provider)
    }

    fn provider_config(&self, record: &ProviderRecord) -> Result<ProviderConfig, TurnError> {
        if record.provider_type == ProviderType::Demo {
            return Ok(ProviderConfig::Demo { pacing: self.demo_pacing });
        }
        let base_url = record.base_url.parse().map_err(|_| {
            turn_error(
                "model_unavailable",
                "The provider's base URL is not valid. An admin can mend it under Models.",
            )
        })?;
        let api_key = secrets::open(&self.keyring, &providers::api_key_place(record.id), &record.api_key)
            .map_err(|error| {
                tracing::error!(provider = %record.id, error = &error as &dyn std::error::Error, "provider key unreadable");
                turn_error("model_auth", "The provider's key cannot be read any more. An admin can enter it again under Models.")
            })?;
        Ok(match record.provider_type {
            ProviderType::Anthropic => ProviderConfig::Anthropic { base_url, api_key },
            ProviderType::Openai | ProviderType::Demo => ProviderConfig::OpenAi { base_url, api_key },
        })
    }

    async fn model_record(
        &self,
        id: Option<Uuid>,
    ) -> Result<Option<(ModelRecord, ProviderRecord)>, StoreError> {
        let mut session = self.db.read().await?;
        let chosen = match id {
            Some(id) => {
                models::model_get(&mut session, id).await?.filter(|m| m.enabled && m.provider_enabled)
            }
            None => None,
        };
        // A chat whose model was removed or switched off goes on with the default.
        let model = match chosen {
            Some(model) => Some(model),
            None => models::model_default(&mut session).await?,
        };
        let Some(model) = model else { return Ok(None) };
        let provider = stored_providers::provider_get(&mut session, model.provider_id).await?;
        Ok(provider.map(|provider| (model, provider)))
    }
}

/// Whether plan mode leaves the server in (behaviour 22): the same rule that the gates ask.
pub(crate) fn is_awake(mode: TurnMode, record: &ServerRecord) -> bool {
    admission(mode, Origin::Server { allow_in_plan_mode: record.allow_in_plan_mode }).admits()
}

fn turn_error(code: &str, message: &str) -> TurnError {
    TurnError { code: code.to_owned(), message: message.to_owned(), retryable: true }
}

fn source_error(error: StoreError) -> SourceError {
    SourceError(error.to_string())
}

#[async_trait]
impl ServerSource for Sources {
    async fn step_servers(&self, scope: TurnScope<'_>) -> Result<Vec<StepServer>, SourceError> {
        let (standing, mut open) = self.open_servers(scope).await?;
        // Nothing is fetched for a server that sleeps.
        let awake: Vec<FoundServer> =
            open.iter().filter(|found| is_awake(scope.mode, &found.stored.record)).cloned().collect();
        if self.refresher.freshen(&awake, USE_WAIT).await {
            open = self.open_servers(scope).await?.1;
        }
        let mut servers: Vec<StepServer> = open
            .into_iter()
            .map(|found| self.step_server(&standing, found, scope))
            .filter(|server| decide(&server.facts, None).takes_part())
            .collect();
        order_for_step(&mut servers, scope.selected, |server| &server.record);
        Ok(servers)
    }

    async fn call_server(
        &self,
        scope: TurnScope<'_>,
        server_id: Uuid,
    ) -> Result<Option<StepServer>, SourceError> {
        let Some((standing, mut found)) = self.one_server(scope.owner, server_id).await? else {
            return Ok(None);
        };
        if is_awake(scope.mode, &found.stored.record)
            && self.refresher.freshen(std::slice::from_ref(&found), USE_WAIT).await
        {
            match self.one_server(scope.owner, server_id).await? {
                Some((_, again)) => found = again,
                None => return Ok(None),
            }
        }
        Ok(Some(self.step_server(&standing, found, scope)))
    }

    async fn credential_refused(
        &self,
        scope: TurnScope<'_>,
        server_id: Uuid,
        credential_version: i64,
        challenge: Option<&Challenge>,
    ) -> Result<Option<StepServer>, SourceError> {
        let refused = self.refresher.refused(server_id, scope.owner, credential_version, challenge).await;
        if !refused.map_err(|error| SourceError(error.to_string()))? {
            return Ok(None);
        }
        let found = self.one_server(scope.owner, server_id).await?;
        Ok(found.map(|(standing, found)| self.step_server(&standing, found, scope)))
    }

    async fn permission_wanted(
        &self,
        owner: Uuid,
        server_id: Uuid,
        tool: &str,
        challenge: &Challenge,
    ) -> Result<PermissionAsk, SourceError> {
        let asked = self.refresher.permission_wanted(server_id, owner, tool, challenge).await;
        asked.map_err(|error| SourceError(error.to_string()))
    }

    async fn definitions_learn(
        &self,
        server: &ServerRecord,
        listed: &Catalogue,
    ) -> Result<Arc<KnownDefinitions>, SourceError> {
        self.definitions.learn(server, &listed.tools, false).await.map_err(source_error)
    }

    async fn definition_standing(
        &self,
        server_id: Uuid,
        tool: &str,
        hash: &str,
    ) -> Result<DefinitionStanding, SourceError> {
        let mut session = self.db.read().await.map_err(source_error)?;
        // From the database, not from what is kept: the last look before a call.
        let known =
            mcp_servers::definitions_known_of(&mut session, server_id, tool).await.map_err(source_error)?;
        Ok(known.standing(tool, hash))
    }
}

#[async_trait]
impl ModelSource for Sources {
    async fn model_resolve(&self, id: Option<Uuid>) -> Result<ResolvedModel, TurnError> {
        let found = self.model_record(id).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot load the model");
            turn_error("internal", "The model could not be loaded. Try again in a moment.")
        })?;
        let Some((model, provider)) = found else {
            return Err(turn_error(
                "model_missing",
                "No model is set up. An admin can add a provider and a model under Models.",
            ));
        };
        Ok(ResolvedModel {
            id: model.id,
            provider: self.provider(&provider)?,
            model: model.model,
            max_output_tokens: model.max_output_tokens,
            context_limit: model.context_limit,
        })
    }
}
