//! Encryption keys: what there is, what needs it, and how the operator changes it.

use crate::{
    components::{Badge, CodeBlock, Column, Glyph, Notice, PageHead, RelativeTime, Table, Tone, loaded},
    server_fns::keys::key_list,
};
use api::keys::{KeyState, KeyStatus};
use leptos::prelude::*;

/// `GET /admin/keys`.
#[component]
pub fn KeysPage() -> impl IntoView {
    let keys = Resource::new(|| (), |()| key_list());
    view! {
        <div class="page">
            <PageHead title="Keys" purpose="What encrypts the secrets that Patchbay stores. Only ids are shown here, never a key.".to_owned()/>
            {loaded(keys, true, |keys| view! { <Warnings keys=keys.clone()/> <KeyTable keys/> })}
            <HowToRotate/>
        </div>
    }
}

/// What needs somebody to act.
#[component]
fn Warnings(keys: Vec<KeyStatus>) -> impl IntoView {
    let lost = keys.iter().any(KeyStatus::is_lost);
    let waiting = keys.iter().any(|key| key.state == Some(KeyState::Introduced));
    view! {
        {lost.then(|| view! {
            <Notice tone=Tone::Danger title="Values need a key that is not configured">
                <p>"The next start is refused until the key is back in PATCHBAY_ENCRYPTION_KEYS, or its values are given up with patchbay keys purge."</p>
            </Notice>
        })}
        {waiting.then(|| view! {
            <Notice tone=Tone::Info title="A new key is introduced">
                <p>"It is written with as soon as somebody puts it first and every running replica can read with it."</p>
            </Notice>
        })}
    }
}

const COLUMNS: [Column; 5] = [
    Column::Text("Key"),
    Column::Text("State"),
    Column::Text("Configured here"),
    Column::Text("Readable by"),
    Column::Text("Values"),
];

#[component]
fn KeyTable(keys: Vec<KeyStatus>) -> impl IntoView {
    let rows = keys.into_iter().map(|key| view! { <KeyRow key_status=key/> }).collect_view();
    view! {
        <Table columns=&COLUMNS>{rows}</Table>
    }
}

#[component]
fn KeyRow(key_status: KeyStatus) -> impl IntoView {
    let key = key_status;
    let (tone, glyph, word, meaning) = match key.state {
        Some(KeyState::Introduced) => {
            (Tone::Info, Glyph::Clock, "Introduced", "Not every replica can read with it yet.")
        }
        Some(KeyState::Active) => (Tone::Ok, Glyph::Check, "Active", "In use."),
        Some(KeyState::Retired) => {
            (Tone::Neutral, Glyph::Lock, "Retired", "Nothing needs it; it still reads.")
        }
        Some(KeyState::Revoked) => (Tone::Danger, Glyph::Cross, "Revoked", "Given up; no start with it."),
        None => (Tone::Danger, Glyph::Question, "Unknown", "Values name it, but it is not registered."),
    };
    let usage = key
        .usage
        .iter()
        .map(|used| view! { <span class="row-note">{format!("{}.{}: {}", used.table, used.column, used.values)}</span> })
        .collect_view();
    let values = key.values();
    view! {
        <tr>
            <td>
                <span class="row-title"><code>{key.id.clone()}</code></span>
                {key.created_at.map(|at| view! { <span class="row-note">"Known since "<RelativeTime at/></span> })}
            </td>
            <td data-label="State">
                <div>
                    <span class="badges">
                        <Badge tone glyph text=word/>
                        {key.writes.then(|| view! { <Badge tone=Tone::Accent glyph=Glyph::Pencil text="Encrypts new values"/> })}
                    </span>
                    <span class="row-note">{meaning}</span>
                </div>
            </td>
            <td data-label="Configured here">
                {if key.configured {
                    view! { <Badge tone=Tone::Ok glyph=Glyph::Check text="Yes"/> }
                } else {
                    view! { <Badge text="No"/> }
                }}
            </td>
            <td data-label="Readable by">{readers(key.readable_by, key.replicas)}</td>
            <td data-label="Values">
                <span class="row-title">{values}</span>
                {usage}
            </td>
        </tr>
    }
}

/// Keys are changed where they are configured, so the page can only say how.
#[component]
fn HowToRotate() -> impl IntoView {
    view! {
        <section class="section" aria-labelledby="rotate-title">
            <div class="section-head">
                <h2 id="rotate-title">"Change the key"</h2>
                <p>"Keys live in the operator's configuration, so they are changed on the server's command line, while Patchbay runs."</p>
            </div>
            <div class="section-body table-block">
                <p>"First make a key, put it in front of the old one in PATCHBAY_ENCRYPTION_KEYS, and restart every replica, one by one. When the new key is active here, move every stored secret to it:"</p>
                <CodeBlock text="patchbay keys rotate" label="Command to rotate keys"/>
                <p>"The old key is then retired. Keep it as long as you keep backups that need it. To give it up for good, revoke it and remove it from the configuration:"</p>
                <CodeBlock text="patchbay keys revoke KEY_ID" label="Command to revoke a key"/>
            </div>
        </section>
    }
}

/// Which of the running replicas can read with a key.
fn readers(readable_by: i64, replicas: i64) -> String {
    match (readable_by, replicas) {
        (0, _) => "No replica".to_owned(),
        (1, 1) => "The one replica".to_owned(),
        (readable_by, replicas) if readable_by == replicas => format!("All {replicas} replicas"),
        (readable_by, replicas) => format!("{readable_by} of {replicas} replicas"),
    }
}

#[cfg(test)]
mod tests {
    use super::readers;

    #[test]
    fn readers_are_told_as_people_count() {
        for (readable_by, replicas, words) in [
            (1, 1, "The one replica"),
            (2, 2, "All 2 replicas"),
            (1, 3, "1 of 3 replicas"),
            (0, 1, "No replica"),
            (0, 0, "No replica"),
        ] {
            assert_eq!(readers(readable_by, replicas), words);
        }
    }
}
