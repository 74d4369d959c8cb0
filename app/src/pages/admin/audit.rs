//! The audit log: who did what, from where, and what came of it. Filters and pages are addresses, so all of it works before and
//! without wasm.

mod entries;
mod filters;

use crate::{
    browser::encode_query_value,
    components::{Glyph, Icon, PageHead, loaded},
    server_fns::audit::audit_list,
};
use api::{Timestamp, audit::AuditQuery};
use entries::Entries;
use filters::Filters;
use leptos::prelude::*;
use leptos_router::{hooks::use_query_map, params::ParamsMap};

/// `GET /admin/audit`, with the parameters of `GET /api/v2/audit`.
#[component]
pub fn AuditPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| params.with(read_query));
    let page = Resource::new(move || query.get(), audit_list);
    view! {
        <div class="page">
            <PageHead title="Audit" purpose="Who did what, from where, and what came of it. Newest first.".to_owned()>
                // Not a page of this application: the browser itself fetches it.
                <a class="btn" rel="external" download="patchbay-audit.ndjson" href=move || query.with(export_address)>
                    <Icon glyph=Glyph::Download/>
                    "Export"
                </a>
            </PageHead>
            {move || view! { <Filters query=query.get()/> }}
            {loaded(page, true, move |page| view! { <Entries page query=query.get_untracked()/> })}
        </div>
    }
}

/// The parameters of the page. A time from the form has no zone: it is UTC, as its label says.
fn read_query(params: &ParamsMap) -> AuditQuery {
    let mut query = AuditQuery::default();
    for name in ["from", "to", "actor", "action", "resource_type", "resource_id", "outcome", "limit", "after"]
    {
        if let (Some(place), Some(value)) = (query.field_mut(name), params.get(name)) {
            *place = value.trim().to_owned();
        }
    }
    for time in [&mut query.from, &mut query.to] {
        *time = with_zone(time);
    }
    query
}

/// `2026-11-23T18:43` and `2026-11-23T18:43:10` become RFC 3339; everything else is for the server to judge.
fn with_zone(time: &str) -> String {
    let candidate = match time.len() {
        16 => format!("{time}:00Z"),
        19 => format!("{time}Z"),
        _ => return time.to_owned(),
    };
    if Timestamp::parse(&candidate).is_some() { candidate } else { time.to_owned() }
}

fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", encode_query_value(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

fn export_address(query: &AuditQuery) -> String {
    let mut pairs = vec![("format", "ndjson")];
    pairs.extend(query.pairs(true));
    address("/api/v2/audit", &pairs)
}

/// The page behind `after`, or the first one.
fn page_address(query: &AuditQuery, after: Option<api::Uuid>) -> String {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    address("/admin/audit", &AuditQuery { after, ..query.clone() }.pairs(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_form_are_utc() {
        for (typed, sent) in [
            ("2026-11-23T18:43", "2026-11-23T18:43:00Z"),
            ("2026-11-23T18:43:10", "2026-11-23T18:43:10Z"),
            ("2026-11-23T18:43:00+02:00", "2026-11-23T18:43:00+02:00"),
            ("yesterday at noon", "yesterday at noon"),
            ("16 characters ok", "16 characters ok"),
            ("", ""),
        ] {
            assert_eq!(with_zone(typed), sent);
        }
    }

    #[test]
    fn addresses_keep_the_filters_and_encode_them() {
        let query = AuditQuery {
            actor: "a&b=c".to_owned(),
            from: "2026-11-23T18:43:00+02:00".to_owned(),
            after: "x".to_owned(),
            ..AuditQuery::default()
        };
        assert_eq!(
            export_address(&query),
            "/api/v2/audit?format=ndjson&from=2026-11-23T18%3A43%3A00%2B02%3A00&actor=a%26b%3Dc"
        );
        assert_eq!(page_address(&AuditQuery::default(), None), "/admin/audit");
        let next = page_address(&query, Some(api::Uuid::nil()));
        assert!(next.ends_with("&actor=a%26b%3Dc&after=00000000-0000-0000-0000-000000000000"), "{next}");
    }
}
