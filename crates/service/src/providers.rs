//! Model providers (behaviour 30). The key is write-only.

use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    secrets::{Place, seal},
};
use api::{
    Uuid,
    models::{Provider, ProviderCreate, ProviderType, ProviderUpdate},
};
use domain::{SecretChange, accounts::Action, models as rules};
use secrecy::SecretString;
use store::{
    SealedColumn, StoreError,
    changes::{ChangeKind, change_note},
    models::ModelRecord,
    providers::{self, ProviderRecord},
};

/// The demo model has no real limits; these keep its chats within what any model takes.
const DEMO_CONTEXT_TOKENS: i64 = 128_000;
const DEMO_OUTPUT_TOKENS: i64 = 32_000;

pub(crate) fn api_key_place(row: Uuid) -> Place {
    Place { table: "llm_providers", column: "api_key", row, owner: None }
}

fn to_wire(record: &ProviderRecord) -> Provider {
    Provider {
        id: record.id,
        name: record.name.clone(),
        provider_type: record.provider_type,
        base_url: record.base_url.clone(),
        has_api_key: record.api_key.is_set(),
        enabled: record.enabled,
        created_at: record.created_at,
        updated_at: record.updated_at,
    }
}

fn key_field(field: &str, word: Option<&str>) -> String {
    match (field, word) {
        ("api_key", Some(word)) => format!("api_key {word}"),
        (field, _) => field.to_owned(),
    }
}

fn key_set(record: &ProviderRecord) -> Vec<String> {
    if record.api_key.is_set() { vec![key_field("api_key", Some("set"))] } else { Vec::new() }
}

fn name_conflict(error: StoreError) -> Error {
    if error.is_conflict_on("name") {
        Error::conflict_field("name", "Another provider has this name.")
    } else {
        error.into()
    }
}

impl Service {
    /// A base URL that the guarded client would refuse is refused here already, at its field.
    fn base_url_check(&self, base_url: &str) -> Result<()> {
        if base_url.is_empty() {
            return Ok(());
        }
        let url: url::Url = base_url
            .parse()
            .map_err(|_| Error::invalid_field("base_url", "Enter an absolute http or https URL."))?;
        self.deps().egress.check_url(&url).map_err(|e| Error::invalid_field("base_url", e.public_message()))
    }

    fn seal_provider_key(
        &self,
        id: Uuid,
        current: SealedColumn,
        change: SecretChange,
    ) -> Result<SealedColumn> {
        match change {
            SecretChange::Keep => Ok(current),
            SecretChange::Clear => Ok(SealedColumn::default()),
            SecretChange::Set(key) => {
                seal(&self.deps().keyring, &api_key_place(id), &SecretString::from(key))
            }
        }
    }

    /// All providers, for those who manage models or audit.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn provider_list(&self, ctx: &OpContext) -> Result<Vec<Provider>> {
        ctx.authorize(Action::ModelsReadAll)?;
        let mut session = self.db().read().await?;
        Ok(providers::provider_list(&mut session).await?.iter().map(to_wire).collect())
    }

    /// A new provider.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`] on the name.
    pub async fn provider_create(&self, ctx: &OpContext, request: ProviderCreate) -> Result<Provider> {
        ctx.authorize(Action::ModelsWrite)?;
        let draft = rules::validate_provider_create(&request, &self.url_policy()).map_err(Error::invalid)?;
        self.base_url_check(&draft.base_url)?;
        let (id, now) = (self.new_id(), self.now());
        let api_key = self.seal_provider_key(id, SealedColumn::default(), draft.api_key)?;
        let record = ProviderRecord {
            id,
            name: draft.name,
            provider_type: draft.provider_type,
            base_url: draft.base_url,
            api_key,
            enabled: draft.enabled,
            created_at: now,
            updated_at: now,
        };
        let mut write = self.db().write().await?;
        providers::provider_insert(&mut write, &record).await.map_err(name_conflict)?;
        let act = Act::on("provider.create", "provider", id, &record.name).fields(key_set(&record));
        self.audit(&mut write, ctx, act).await?;
        change_note(&mut write, ChangeKind::Models, &id.to_string()).await?;
        write.commit().await?;
        Ok(to_wire(&record))
    }

    /// Makes a provider without a caller, unless one has the name: the operator's environment and `--demo` do. A demo provider
    /// comes with its model.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn provider_ensure(
        &self,
        name: &str,
        provider_type: ProviderType,
        base_url: &str,
        key: Option<SecretString>,
    ) -> Result<()> {
        let ctx = OpContext::default();
        let mut write = self.db().write().await?;
        if providers::provider_list(&mut write).await?.iter().any(|p| p.name.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        let (id, now) = (self.new_id(), self.now());
        let api_key = match &key {
            Some(key) => seal(&self.deps().keyring, &api_key_place(id), key)?,
            None => SealedColumn::default(),
        };
        let record = ProviderRecord {
            id,
            name: name.to_owned(),
            provider_type,
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key,
            enabled: true,
            created_at: now,
            updated_at: now,
        };
        providers::provider_insert(&mut write, &record).await.map_err(name_conflict)?;
        let act = Act::on("provider.create", "provider", id, name).fields(key_set(&record));
        self.audit(&mut write, &ctx, act).await?;
        if provider_type == ProviderType::Demo {
            let first = !store::models::model_list(&mut write).await?.iter().any(|model| model.is_default);
            let model = ModelRecord {
                id: self.new_id(),
                provider_id: id,
                model: "demo".to_owned(),
                display_name: "Demo model (no AI)".to_owned(),
                context_limit: DEMO_CONTEXT_TOKENS,
                max_output_tokens: DEMO_OUTPUT_TOKENS,
                compaction_threshold: 0,
                enabled: true,
                is_default: first,
                provider_enabled: true,
                created_at: now,
                updated_at: now,
            };
            store::models::model_insert(&mut write, &model).await?;
            self.audit(&mut write, &ctx, Act::on("model.create", "model", model.id, &model.display_name))
                .await?;
        }
        change_note(&mut write, ChangeKind::Models, &id.to_string()).await?;
        write.commit().await?;
        Ok(())
    }

    /// Changes a provider. Another origin in the base URL wipes the key unless it is sent again: a stored key goes only where it
    /// was meant for.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn provider_update(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: ProviderUpdate,
    ) -> Result<Provider> {
        ctx.authorize(Action::ModelsWrite)?;
        let mut write = self.db().write().await?;
        let mut record = providers::provider_get_for_update(&mut write, id).await?.ok_or(Error::NotFound)?;
        let change = rules::validate_provider_update(&to_wire(&record), &request, &self.url_policy())
            .map_err(Error::invalid)?;
        if change.base_url != record.base_url {
            self.base_url_check(&change.base_url)?;
        }
        // The key goes into the log only as what happened to it (behaviour 27).
        let word = change.api_key.audit_word(record.api_key.is_set());
        let changed = change.changed.iter().map(|field| key_field(field, word)).collect();
        record.api_key = self.seal_provider_key(id, record.api_key, change.api_key)?;
        record.name = change.name;
        record.base_url = change.base_url;
        record.enabled = change.enabled;
        record.updated_at = self.now();
        providers::provider_update(&mut write, &record).await.map_err(name_conflict)?;
        self.audit(&mut write, ctx, Act::on("provider.update", "provider", id, &record.name).fields(changed))
            .await?;
        change_note(&mut write, ChangeKind::Models, &id.to_string()).await?;
        write.commit().await?;
        Ok(to_wire(&record))
    }

    /// Removes a provider with its models.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`].
    pub async fn provider_delete(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        ctx.authorize(Action::ModelsWrite)?;
        let mut write = self.db().write().await?;
        let record = providers::provider_get(&mut write, id).await?.ok_or(Error::NotFound)?;
        providers::provider_delete(&mut write, id).await?;
        self.audit(&mut write, ctx, Act::on("provider.delete", "provider", id, &record.name)).await?;
        change_note(&mut write, ChangeKind::Models, &id.to_string()).await?;
        write.commit().await?;
        Ok(())
    }
}
