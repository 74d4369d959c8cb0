//! Title bar, document title and brand.

use leptos::{prelude::*, text_prop::TextProp};
use leptos_meta::Title;

/// The document's title, "… · Patchbay".
#[component]
pub fn PageTitle(#[prop(into)] text: Signal<String>) -> impl IntoView {
    view! { <Title text=title_prop(text)/> }
}

/// On the server the text as it is now, never the signal: the head is written when the page is drawn already, outside of its
/// reactive values. Whatever page the thread drew last is looked into there, so a signal would panic, or bring the title of
/// somebody else's page. The renderer writes titles unescaped; in the browser they are set as a property.
#[cfg(feature = "ssr")]
fn title_prop(text: Signal<String>) -> TextProp {
    text.with_untracked(|text| escape_markup(text)).into()
}

#[cfg(not(feature = "ssr"))]
fn title_prop(text: Signal<String>) -> TextProp {
    TextProp::from(move || text.get())
}

/// `&`, `<`, `>` as character references: enough inside elements whose content is text (`title`, `textarea`).
pub(crate) fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The head of a page: its heading, one line of purpose, and what belongs to this page alone.
#[component]
pub fn PageHead(
    #[prop(into)] title: String,
    #[prop(optional, into)] purpose: Option<String>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <PageTitle text=title.clone()/>
        <header class="page-head">
            <div class="min-w-0">
                <h1>{title}</h1>
                {purpose.map(|purpose| view! { <p>{purpose}</p> })}
            </div>
            {children.map(|children| view! { <div class="page-actions">{children()}</div> })}
        </header>
    }
}

/// The mark: four sockets and one patched cord.
#[component]
pub fn Brand() -> impl IntoView {
    view! {
        <span class="brand">
            <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
                <rect class="brand-plate" width="32" height="32" rx="7"></rect>
                <g class="brand-sockets">
                    <circle cx="9" cy="10" r="3"></circle>
                    <circle cx="23" cy="10" r="3"></circle>
                    <circle cx="9" cy="22" r="3"></circle>
                    <circle cx="23" cy="22" r="3"></circle>
                </g>
                <path class="brand-cord" d="M9 10C9 18 23 14 23 22"></path>
            </svg>
            "Patchbay"
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "ssr")]
    #[test]
    fn a_title_outlives_the_values_of_its_page() {
        let owner = Owner::new();
        let title = owner.with(|| title_prop(Signal::stored("A <b>".to_owned())));
        owner.cleanup();
        // Another page on the same thread, with values in the same places.
        let title = Owner::new().with(|| {
            let _other = Signal::stored("somebody else's".to_owned());
            title.get()
        });
        assert_eq!(title, "A &lt;b&gt;");
    }

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(escape_markup("</title><script>&amp;"), "&lt;/title&gt;&lt;script&gt;&amp;amp;");
    }
}
