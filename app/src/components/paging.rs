//! Long lists in pages: a search and links to the first and the next page. All of it is in the address, so it works without wasm,
//! with the back button, and in a bookmark.

use super::icon::{Glyph, Icon};
use api::PageQuery;
use leptos::prelude::*;
use leptos_router::hooks::{use_navigate, use_query_map};

/// Rows of a page of the panel.
const ROWS: i64 = 50;

/// The page that the address asks for: `?q=` and `?after=`.
pub fn use_page_query() -> Memo<PageQuery> {
    let query = use_query_map();
    Memo::new(move |_| {
        query.with(|query| PageQuery {
            q: query.get("q").unwrap_or_default().trim().to_owned(),
            after: query.get("after").unwrap_or_default(),
            limit: Some(ROWS),
        })
    })
}

/// The address of a page of the list at `path`; `show` is what else narrows it.
pub(crate) fn page_href(path: &str, show: &str, q: &str, after: &str) -> String {
    let mut href = path.to_owned();
    for (name, value) in [("show", show), ("q", q), ("after", after)] {
        if !value.is_empty() {
            let sign = if href.contains('?') { '&' } else { '?' };
            href.push_str(&format!("{sign}{name}={}", escape_part(value)));
        }
    }
    href
}

/// Everything but unreserved characters of RFC 3986 as percent codes: for one value of a query, or one step of a path.
pub(crate) fn escape_part(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A search that the server does, over all pages.
#[component]
pub fn SearchForm(
    /// Where the list is.
    path: &'static str,
    /// What is searched, such as "users".
    what: &'static str,
    #[prop(into)] placeholder: String,
    query: Memo<PageQuery>,
    /// What else narrows the list (`?show=`); a search keeps it.
    #[prop(optional, into)]
    show: Signal<String>,
) -> impl IntoView {
    let navigate = use_navigate();
    let typed = RwSignal::new(query.with_untracked(|query| query.q.clone()));
    // A link to another page of the list, or the back button, changes what is searched for.
    Effect::new(move || typed.set(query.with(|query| query.q.clone())));
    view! {
        <form
            class="table-tools"
            role="search"
            method="get"
            action=path
            on:submit=move |event| {
                event.prevent_default();
                let href = page_href(path, &show.get_untracked(), typed.get_untracked().trim(), "");
                navigate(&href, Default::default());
            }
        >
            // For a browser without wasm, which makes the address out of the fields.
            <input type="hidden" name="show" disabled=move || show.with(String::is_empty) value=move || show.get()/>
            <label class="search">
                <Icon glyph=Glyph::Search/>
                <span class="sr-only">{format!("Search {what}")}</span>
                <input
                    type="search"
                    name="q"
                    class="input"
                    placeholder=placeholder
                    maxlength="128"
                    value=typed.get_untracked()
                    prop:value=move || typed.get()
                    on:input=move |event| typed.set(event_target_value(&event))
                />
            </label>
            <button type="submit" class="btn">"Search"</button>
        </form>
    }
}

/// Links to the first and the next page; nothing where everything is shown.
#[component]
pub fn PageLinks(
    path: &'static str,
    query: PageQuery,
    next: Option<String>,
    #[prop(optional, into)] show: String,
) -> impl IntoView {
    if query.after.is_empty() && next.is_none() {
        return None;
    }
    let first = (!query.after.is_empty()).then(|| page_href(path, &show, &query.q, ""));
    let next = next.map(|after| page_href(path, &show, &query.q, &after));
    Some(view! {
        <nav class="page-links" aria-label="Pages">
            {first.map(|href| view! {
                <a class="btn btn-small" href=href>
                    <Icon glyph=Glyph::ArrowLeft/>
                    "First page"
                </a>
            })}
            {next.map(|href| view! {
                <a class="btn btn-small" href=href rel="next">
                    "Next page"
                    <Icon glyph=Glyph::ChevronRight/>
                </a>
            })}
        </nav>
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_any_search_and_any_cursor() {
        assert_eq!(page_href("/admin/users", "", "", ""), "/admin/users");
        assert_eq!(page_href("/admin/users", "", "", "ada"), "/admin/users?after=ada");
        assert_eq!(
            page_href("/admin/users", "", "a&b=c é", "x"),
            "/admin/users?q=a%26b%3Dc%20%C3%A9&after=x"
        );
        assert_eq!(page_href("/admin/servers", "enabled", "a", ""), "/admin/servers?show=enabled&q=a");
    }
}
