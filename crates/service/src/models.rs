//! Models (behaviour 30).

use crate::{Error, OpContext, Result, Service, audit::Act};
use api::{
    Uuid,
    models::{Model, ModelCreate, ModelUpdate},
};
use domain::{
    accounts::Action,
    models::{self as rules, ModelDraft},
};
use store::{
    StoreError,
    changes::{ChangeKind, change_note},
    models::{self, ModelRecord},
};

fn to_wire(record: &ModelRecord, unredacted: bool) -> Model {
    Model {
        id: record.id,
        provider_id: unredacted.then_some(record.provider_id),
        model: unredacted.then(|| record.model.clone()),
        display_name: record.display_name.clone(),
        context_limit: record.context_limit,
        max_output_tokens: record.max_output_tokens,
        compaction_threshold: record.compaction_threshold,
        enabled: record.enabled,
        is_default: record.is_default,
    }
}

fn draft_of(record: &ModelRecord) -> ModelDraft {
    ModelDraft {
        provider_id: record.provider_id,
        model: record.model.clone(),
        display_name: record.display_name.clone(),
        context_limit: record.context_limit,
        max_output_tokens: record.max_output_tokens,
        compaction_threshold: record.compaction_threshold,
        enabled: record.enabled,
        is_default: record.is_default,
    }
}

fn conflict(error: StoreError) -> Error {
    match error {
        StoreError::Conflict { .. } => {
            Error::conflict_field("model", "This provider has the model already, or the provider is gone.")
        }
        other => other.into(),
    }
}

impl Service {
    /// All models for those who manage or audit; enabled ones without provider details for the rest.
    ///
    /// # Errors
    /// [`Error::Unauthorized`].
    pub async fn model_list(&self, ctx: &OpContext) -> Result<Vec<Model>> {
        ctx.require()?;
        let unredacted = ctx.may(Action::ModelsReadAll);
        let mut session = self.db().read().await?;
        let records = models::model_list(&mut session).await?;
        Ok(records
            .iter()
            .filter(|record| unredacted || (record.enabled && record.provider_enabled))
            .map(|record| to_wire(record, unredacted))
            .collect())
    }

    /// A new model. The first one becomes the default.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn model_create(&self, ctx: &OpContext, request: ModelCreate) -> Result<Model> {
        ctx.authorize(Action::ModelsWrite)?;
        let draft = rules::validate_model_create(&request).map_err(Error::invalid)?;
        let (id, now) = (self.new_id(), self.now());
        let mut write = self.db().write().await?;
        if store::providers::provider_get(&mut write, draft.provider_id).await?.is_none() {
            return Err(Error::invalid_field("provider_id", "There is no provider with this id."));
        }
        let first = !models::model_list(&mut write).await?.iter().any(|model| model.is_default);
        let record = ModelRecord {
            id,
            provider_id: draft.provider_id,
            model: draft.model,
            display_name: draft.display_name,
            context_limit: draft.context_limit,
            max_output_tokens: draft.max_output_tokens,
            compaction_threshold: draft.compaction_threshold,
            enabled: draft.enabled,
            is_default: draft.is_default || first,
            provider_enabled: true,
            created_at: now,
            updated_at: now,
        };
        if record.is_default {
            models::model_default_clear(&mut write).await?;
        }
        models::model_insert(&mut write, &record).await.map_err(conflict)?;
        self.audit(&mut write, ctx, Act::on("model.create", "model", id, &record.display_name)).await?;
        change_note(&mut write, ChangeKind::Models, &id.to_string()).await?;
        write.commit().await?;
        Ok(to_wire(&record, true))
    }

    /// Changes a model; making it the default takes the mark off the other.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn model_update(&self, ctx: &OpContext, id: Uuid, request: ModelUpdate) -> Result<Model> {
        ctx.authorize(Action::ModelsWrite)?;
        let mut write = self.db().write().await?;
        let mut record = models::model_get(&mut write, id).await?.ok_or(Error::NotFound)?;
        let before = draft_of(&record);
        let draft = rules::validate_model_update(&before, &request).map_err(Error::invalid)?;
        let changed = rules::changed_model_fields(&before, &draft);
        if draft.is_default && !record.is_default {
            models::model_default_clear(&mut write).await?;
        }
        record.model = draft.model;
        record.display_name = draft.display_name;
        record.context_limit = draft.context_limit;
        record.max_output_tokens = draft.max_output_tokens;
        record.compaction_threshold = draft.compaction_threshold;
        record.enabled = draft.enabled;
        record.is_default = draft.is_default;
        record.updated_at = self.now();
        models::model_update(&mut write, &record).await.map_err(conflict)?;
        let act = Act::on("model.update", "model", id, &record.display_name).fields(changed);
        self.audit(&mut write, ctx, act).await?;
        change_note(&mut write, ChangeKind::Models, &id.to_string()).await?;
        write.commit().await?;
        Ok(to_wire(&record, true))
    }

    /// Removes a model; chats that used it go on with the default.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`].
    pub async fn model_delete(&self, ctx: &OpContext, id: Uuid) -> Result<()> {
        ctx.authorize(Action::ModelsWrite)?;
        let mut write = self.db().write().await?;
        let record = models::model_get(&mut write, id).await?.ok_or(Error::NotFound)?;
        models::model_delete(&mut write, id).await?;
        self.audit(&mut write, ctx, Act::on("model.delete", "model", id, &record.display_name)).await?;
        change_note(&mut write, ChangeKind::Models, &id.to_string()).await?;
        write.commit().await?;
        Ok(())
    }
}
