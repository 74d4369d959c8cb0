//! Model providers and models.

mod model_form;
mod model_table;
mod provider_form;
mod provider_table;

use crate::{
    components::{PageHead, loaded},
    error::UiError,
    server_fns::models::{model_list, provider_list},
};
use api::models::{Model, Provider, ProviderType};
use leptos::prelude::*;
use model_table::ModelTable;
use provider_table::ProviderTable;

/// `GET /admin/models`.
#[component]
pub fn ModelsPage() -> impl IntoView {
    let both = Resource::new(|| (), |()| load());
    let changed = Callback::new(move |()| both.refetch());
    view! {
        <div class="page">
            <PageHead title="Models" purpose="Where answers come from, and which models people can choose.".to_owned()/>
            {loaded(both, true, move |(providers, models)| view! {
                <ProviderTable providers=providers.clone() models=models.clone() changed/>
                <ModelTable providers models changed/>
            })}
        </div>
    }
}

async fn load() -> Result<(Vec<Provider>, Vec<Model>), UiError> {
    Ok((provider_list().await?, model_list().await?))
}

/// How people read a provider's type.
fn type_label(provider_type: ProviderType) -> &'static str {
    match provider_type {
        ProviderType::Openai => "OpenAI-compatible",
        ProviderType::Anthropic => "Anthropic",
        ProviderType::Demo => "Demo (no AI)",
    }
}
