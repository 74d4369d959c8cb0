//! Model providers (behaviour 30). The key is write-only.

use crate::{
    Error, OpContext, Result, Service,
    audit::Act,
    secrets::{Place, seal},
};
use api::{
    Uuid,
    models::{Provider, ProviderCreate, ProviderUpdate},
};
use domain::{accounts::Action, models as rules};
use secrecy::SecretString;
use store::{
    SealedColumn, StoreError,
    providers::{self, ProviderRecord},
};

pub(crate) fn api_key_place(row: Uuid) -> Place {
    Place { table: "llm_providers", column: "api_key", row }
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
        let url: url::Url =
            base_url.parse().map_err(|_| Error::invalid_field("base_url", "Enter an absolute http or https URL."))?;
        self.deps().egress.check_url(&url).map_err(|e| Error::invalid_field("base_url", e.public_message()))
    }

    /// All providers, for those who manage models or audit.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn provider_list(&self, ctx: &OpContext) -> Result<Vec<Provider>> {
        ctx.authorize(Action::ServersReadAll)?;
        let mut session = self.db().read().await?;
        Ok(providers::provider_list(&mut session).await?.iter().map(to_wire).collect())
    }

    /// A new provider.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`] on the name.
    pub async fn provider_create(&self, ctx: &OpContext, request: ProviderCreate) -> Result<Provider> {
        ctx.authorize(Action::ModelsWrite)?;
        let draft = rules::validate_provider_create(&request).map_err(Error::invalid)?;
        self.base_url_check(&draft.base_url)?;
        let (id, now) = (self.new_id(), self.now());
        let api_key = match draft.api_key {
            Some(key) => seal(&self.deps().keyring, &api_key_place(id), &SecretString::from(key))?,
            None => SealedColumn::default(),
        };
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
        self.audit(&mut write, ctx, Act::on("provider.create", "provider", id, &record.name)).await?;
        write.commit().await?;
        Ok(to_wire(&record))
    }

    /// Changes a provider. Another origin in the base URL wipes the key unless it is sent again: a stored key goes only where it
    /// was meant for.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn provider_update(&self, ctx: &OpContext, id: Uuid, request: ProviderUpdate) -> Result<Provider> {
        ctx.authorize(Action::ModelsWrite)?;
        let mut write = self.db().write().await?;
        let mut record = providers::provider_get(&mut write, id).await?.ok_or(Error::NotFound)?;
        let draft = rules::validate_provider_update(record.provider_type, &record.name, &record.base_url, record.enabled, &request)
            .map_err(Error::invalid)?;
        let mut changed = Vec::new();
        if draft.base_url != record.base_url {
            self.base_url_check(&draft.base_url)?;
            changed.push("base_url".to_owned());
        }
        match request.api_key.as_deref().map(str::trim) {
            Some("") => {
                record.api_key = SealedColumn::default();
                changed.push("api_key cleared".to_owned());
            }
            Some(key) => {
                record.api_key = seal(&self.deps().keyring, &api_key_place(id), &SecretString::from(key.to_owned()))?;
                changed.push("api_key changed".to_owned());
            }
            None if origin(&draft.base_url) != origin(&record.base_url) && record.api_key.is_set() => {
                record.api_key = SealedColumn::default();
                changed.push("api_key cleared".to_owned());
            }
            None => {}
        }
        record.name = draft.name;
        record.base_url = draft.base_url;
        record.enabled = draft.enabled;
        record.updated_at = self.now();
        providers::provider_update(&mut write, &record).await.map_err(name_conflict)?;
        self.audit(&mut write, ctx, Act::on("provider.update", "provider", id, &record.name).fields(changed)).await?;
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
        write.commit().await?;
        Ok(())
    }
}

fn origin(url: &str) -> Option<String> {
    url::Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}
