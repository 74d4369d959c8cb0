//! The page for addresses that lead nowhere.

use crate::{
    browser,
    components::{EmptyState, Glyph, PageTitle},
};
use leptos::prelude::*;

/// Status 404.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    browser::set_status(404);
    view! {
        <PageTitle text="Not found"/>
        <div class="page">
            <EmptyState glyph=Glyph::Question title="Nothing here" text="This address leads to no page. It may have been deleted, or you may not have access to it.">
                <a class="btn btn-primary" href="/">"Back to your chats"</a>
            </EmptyState>
        </div>
    }
}
