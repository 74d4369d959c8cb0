//! How the server is doing, in the head of its editor: the word, since when, and the error that belongs to it.

use super::form::EditorForm;
use crate::{
    components::{HealthMark, RelativeTime, health::error_now},
    server_fns::fleet::fleet,
};
use api::fleet::{FleetQuery, ServerHealth};
use leptos::{prelude::*, task::spawn_local};

/// Nothing until it is known. Asked for once the editor stands, and again after each test of the connection.
#[component]
pub(super) fn HealthLine(form: EditorForm) -> impl IntoView {
    let health = RwSignal::new(None::<ServerHealth>);
    let id = Memo::new(move |_| form.saved.with(|saved| saved.as_ref().map(|server| server.id)));
    Effect::new(move || {
        let Some(id) = id.get() else { return };
        form.report.track();
        let query = FleetQuery { ids: Some(vec![id]), ..FleetQuery::default() };
        spawn_local(async move {
            if let Ok(fleet) = fleet(query).await {
                health.try_set(
                    fleet.servers.into_iter().find(|server| server.id == id).map(|server| server.health),
                );
            }
        });
    });
    view! {
        // Keeps its line from the first frame on where there will be something to say.
        <div class="editor-health" class:editor-health-none=move || id.get().is_none() data-testid="editor-health">
            {move || health.get().map(|health| view! { <Doing health/> })}
        </div>
    }
}

#[component]
pub(super) fn Doing(health: ServerHealth) -> impl IntoView {
    let error = error_now(&health).map(str::to_owned);
    view! {
        <HealthMark state=health.state/>
        {health.since.map(|at| view! { <span class="text-fg-muted">"since " <RelativeTime at/></span> })}
        {error.map(|error| view! { <span class="editor-error" dir="auto">{error}</span> })}
    }
}
