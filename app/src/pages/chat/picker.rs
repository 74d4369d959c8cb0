//! Which servers the chat may use (behaviour 16, 25): forced ones locked on, the rest switched by the person.

use super::{browser, needs::is_waiting, popover::Popover, why::WhyServer};
use crate::{
    components::{Connect, Glyph, Icon, ServerTile, connect::keep_live},
    server_fns::{
        chats::chat_options,
        servers::{ServerState, is_personal},
    },
};
use api::{
    Uuid,
    chats::{AuthRequired, PlanMode},
    servers::{Availability, McpServer},
};
use domain::plan_mode::{Origin, TurnMode, admission};
use leptos::{prelude::*, task::spawn_local};
use std::collections::BTreeSet;

/// Where the selection for new chats is remembered, per browser.
const STORAGE_KEY: &str = "patchbay.servers";

/// The person's choice among the servers on offer.
#[derive(Clone, Copy)]
pub(super) struct Selection {
    /// On offer, as last heard of: connecting changes them.
    servers: RwSignal<Vec<McpServer>>,
    /// `None`: a chat that is yet to be made.
    chat: Option<Uuid>,
    chosen: RwSignal<BTreeSet<Uuid>>,
    /// Something was chosen, now or in an earlier visit; else the server's own rules decide.
    decided: RwSignal<bool>,
    /// The chat plans: servers that no admin approved for it sleep.
    planning: RwSignal<bool>,
    /// The picker is open.
    open: RwSignal<bool>,
    /// How many servers the chat chose that are not on offer to the person any more.
    lost: usize,
    /// For whoever connects or disconnects: takes over the server as it stands now. The page's own, because a dialog may call it
    /// when the row that opened it is gone.
    changed: Callback<McpServer>,
}

impl Selection {
    /// For a new chat: the server's defaults until the browser remembers better.
    pub(super) fn for_new_chat(servers: &[McpServer]) -> Self {
        let selection = Self::new(None, servers, &defaults(servers));
        Effect::new(move |_| {
            let remembered = browser::remembered(STORAGE_KEY);
            if let Some(chosen) =
                selection.servers.with_untracked(|servers| recall(remembered.as_deref(), servers))
            {
                selection.chosen.set(chosen);
                selection.decided.set(true);
            }
        });
        selection
    }

    /// For a chat that has its list already.
    pub(super) fn for_chat(chat: Uuid, servers: &[McpServer], chosen: &[Uuid]) -> Self {
        Self::new(Some(chat), servers, &chosen.iter().copied().collect())
    }

    fn new(chat: Option<Uuid>, servers: &[McpServer], chosen: &BTreeSet<Uuid>) -> Self {
        let offered: BTreeSet<Uuid> =
            servers.iter().map(|server| server.id).filter(|id| chosen.contains(id)).collect();
        let lost = chosen.len() - offered.len();
        let servers = RwSignal::new(servers.to_vec());
        Self {
            chat,
            servers,
            changed: Callback::new(move |server: McpServer| hear(servers, vec![server])),
            chosen: RwSignal::new(offered),
            decided: RwSignal::new(false),
            planning: RwSignal::new(false),
            open: RwSignal::new(false),
            lost,
        }
    }

    /// Servers of this chat that were removed, switched off or closed to the person.
    pub(super) fn lost(self) -> usize {
        self.lost
    }

    fn is_on(self, server: &McpServer) -> bool {
        server.availability == Availability::ForceOn || self.chosen.with(|chosen| chosen.contains(&server.id))
    }

    fn set(self, id: Uuid, on: bool) {
        self.chosen.update(|chosen| {
            if on {
                chosen.insert(id);
            } else {
                chosen.remove(&id);
            }
        });
        self.decided.set(true);
        let chosen: Vec<Uuid> = self.chosen.with_untracked(|chosen| chosen.iter().copied().collect());
        if let Ok(text) = serde_json::to_string(&chosen) {
            browser::remember(STORAGE_KEY, &text);
        }
    }

    /// Whether the next turn is in plan mode.
    pub(super) fn planning(self) -> RwSignal<bool> {
        self.planning
    }

    /// The mode as it is shown, to send along: what the person sees counts, however late a switch is stored.
    pub(super) fn plan_mode(self) -> PlanMode {
        if self.planning.get_untracked() { PlanMode::Plan } else { PlanMode::Off }
    }

    /// Plan mode leaves the server out (behaviour 22); tracks.
    fn sleeps(self, server: &McpServer) -> bool {
        let mode = if self.planning.get() { TurnMode::Plan } else { TurnMode::Normal };
        let origin = Origin::Server { allow_in_plan_mode: server.allow_in_plan_mode };
        !admission(mode, origin).admits()
    }

    /// Servers that take part, forced ones included; tracks.
    pub(super) fn active(self) -> usize {
        self.servers.with(|servers| {
            servers.iter().filter(|server| self.is_on(server) && !self.sleeps(server)).count()
        })
    }

    /// Those that take part but wait for the person; tracks.
    pub(super) fn waiting(self) -> Vec<Uuid> {
        self.servers.with(|servers| {
            let waiting = servers
                .iter()
                .filter(|server| self.is_on(server) && !self.sleeps(server) && is_waiting(server));
            waiting.map(|server| server.id).collect()
        })
    }

    /// A server on offer; tracks.
    pub(super) fn find(self, id: Uuid) -> Option<McpServer> {
        self.servers.with(|servers| servers.iter().find(|server| server.id == id).cloned())
    }

    /// The same as it stands, without tracking.
    pub(super) fn find_now(self, id: Uuid) -> Option<McpServer> {
        self.servers.with_untracked(|servers| servers.iter().find(|server| server.id == id).cloned())
    }

    /// All on offer, as last heard of; none once the page is gone.
    pub(super) fn on_offer(self) -> Vec<McpServer> {
        self.servers.try_get_untracked().unwrap_or_default()
    }

    pub(super) fn changed(self) -> Callback<McpServer> {
        self.changed
    }

    /// What the answer to a message says of connections.
    pub(super) fn hear_required(self, required: &[AuthRequired]) {
        let heard = self.on_offer().into_iter().filter_map(|mut server| {
            let entry = required.iter().find(|entry| entry.server_id == server.id)?;
            (entry.auth_status != server.auth_status).then(|| {
                server.auth_status = entry.auth_status;
                server.auth_status_reason = String::new();
                server.auth_connected = false;
                server
            })
        });
        let heard: Vec<McpServer> = heard.collect();
        if !heard.is_empty() {
            hear(self.servers, heard);
        }
    }

    /// What is shown of connections follows the truth as long as somebody can see it: all of the picker, or what takes part, which
    /// is named before sending as soon as its connection ends.
    pub(super) fn follow(self) {
        let shown = move || {
            let all = self.open.get();
            self.servers.with(|servers| {
                let shown =
                    servers.iter().filter(|server| is_personal(server) && (all || self.is_on(server)));
                shown.map(|server| server.id).collect()
            })
        };
        keep_live(shown, move |states| self.hear_states(&states));
    }

    /// Tells nobody when nothing is new.
    fn hear_states(self, states: &[ServerState]) {
        self.servers.try_maybe_update(|servers| {
            let mut new = false;
            for server in servers {
                new |= states.iter().any(|state| state.apply(server));
            }
            (new, ())
        });
    }

    /// After a turn: it may have found out that a connection is dead. Asks only where there are connections at all.
    pub(super) fn refresh(self) {
        if !self.servers.with_untracked(|servers| servers.iter().any(is_personal)) {
            return;
        }
        spawn_local(async move {
            // Nobody asked for this, so a failure is not worth words: what was known stays.
            if let Ok(options) = chat_options().await {
                hear(self.servers, options.servers);
            }
        });
    }

    /// What to send along: nothing while nothing was decided, so that the server's rules act (behaviour 16).
    pub(super) fn outgoing(self) -> Option<Vec<Uuid>> {
        self.decided.get_untracked().then(|| {
            let chosen = self.chosen.get_untracked();
            self.servers.with_untracked(|servers| {
                servers.iter().map(|server| server.id).filter(|id| chosen.contains(id)).collect()
            })
        })
    }
}

/// Takes over what was heard of servers on offer.
fn hear(servers: RwSignal<Vec<McpServer>>, heard: Vec<McpServer>) {
    servers.try_update(|servers| {
        for server in heard {
            if let Some(known) = servers.iter_mut().find(|known| known.id == server.id) {
                *known = server;
            }
        }
    });
}

fn defaults(servers: &[McpServer]) -> BTreeSet<Uuid> {
    servers
        .iter()
        .filter(|server| server.availability == Availability::DefaultOn)
        .map(|server| server.id)
        .collect()
}

/// The remembered selection cut to what exists. `None` when nothing usable is remembered: then the defaults stay. A person who
/// switched everything off is remembered as such; one whose servers are all gone is not.
fn recall(text: Option<&str>, servers: &[McpServer]) -> Option<BTreeSet<Uuid>> {
    let remembered: Vec<Uuid> = serde_json::from_str(text?).ok()?;
    let existing: BTreeSet<Uuid> =
        remembered.iter().copied().filter(|id| servers.iter().any(|server| server.id == *id)).collect();
    (remembered.is_empty() || !existing.is_empty()).then_some(existing)
}

/// Button with the number of active servers, and the panel behind it. Nothing when there are no servers.
#[component]
pub(super) fn ServerPicker(selection: Selection) -> impl IntoView {
    let open = selection.open;
    if selection.servers.with_untracked(Vec::is_empty) {
        return ().into_any();
    }
    let trigger = view! {
        <Icon glyph=Glyph::Server />
        <span class="chat-tool-word">"Servers"</span>
        <span class="chat-count">{move || selection.active()}</span>
        <Icon glyph=Glyph::ChevronDown />
    };
    view! {
        <Popover
            open
            label="Servers"
            button_class="chat-tool-button"
            panel_class="chat-panel chat-picker"
            trigger=trigger.into_any()
        >
            <p class="chat-panel-title">"Servers for this chat"</p>
            <ul class="chat-picker-list">
                {selection
                    .on_offer()
                    .into_iter()
                    .map(|server| view! { <PickerRow server selection /> })
                    .collect_view()}
            </ul>
        </Popover>
    }
    .into_any()
}

#[component]
fn PickerRow(server: McpServer, selection: Selection) -> impl IntoView {
    let forced = server.availability == Availability::ForceOn;
    let id = server.id;
    let input_id = format!("server-{id}");
    let note_id = format!("server-{id}-note");
    let checked = {
        let server = server.clone();
        move || selection.is_on(&server)
    };
    let now = {
        let first = server.clone();
        Signal::derive(move || selection.find(id).unwrap_or_else(|| first.clone()))
    };
    let asleep = {
        let server = server.clone();
        Memo::new(move |_| selection.is_on(&server) && selection.sleeps(&server))
    };
    view! {
        <li class="chat-picker-row">
            <ServerTile name=server.display_name.clone() icon_url=server.icon_url.clone() />
            <label class="chat-picker-text" for=input_id.clone()>
                <bdi class="chat-picker-name">{server.display_name.clone()}</bdi>
                {(!server.description.is_empty())
                    .then(|| view! { <span class="chat-picker-description" dir="auto">{server.description.clone()}</span> })}
            </label>
            <input
                id=input_id
                class="chat-switch"
                type="checkbox"
                role="switch"
                aria-describedby=note_id.clone()
                prop:checked=checked
                disabled=forced
                on:change=move |event| selection.set(id, event_target_checked(&event))
            />
            <div class="chat-picker-connect">
                <Connect server=now changed=selection.changed() />
            </div>
            <span id=note_id class="chat-picker-note">
                {forced
                    .then(|| {
                        view! {
                            <span class="chat-picker-forced">
                                <Icon glyph=Glyph::Lock />
                                "Always on: an admin set this server for every chat."
                            </span>
                        }
                    })}
            </span>
            {move || asleep.get().then(|| view! { <Sleeping /> })}
            <WhyServer server=id name=server.display_name.clone() chat=selection.chat />
        </li>
    }
}

/// Why a server that is switched on takes no part now.
#[component]
fn Sleeping() -> impl IntoView {
    view! {
        <span class="chat-picker-note" data-testid="asleep">
            <span class="chat-picker-forced">
                <Icon glyph=Glyph::Moon />
                "Sleeping in plan mode: no admin approved it for that."
            </span>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: u128, availability: &str) -> McpServer {
        let id = Uuid::from_u128(id);
        serde_json::from_value(serde_json::json!({
            "id": id, "display_name": "S", "slug": "s", "description": "", "icon_url": "", "transport": "", "url": "",
            "auth_type": "none", "has_oauth2_secret": false, "has_api_key": false, "has_custom_headers": false,
            "has_signing_secret": false, "user_headers": [], "tool_allow_list": [], "tool_deny_list": [],
            "tool_idempotent_list": [], "tool_approval_list": [], "tool_change_policy": "notify",
            "send_trace_context": false, "use_instructions": false, "availability": availability, "enabled": true,
            "model_intent": false, "allow_in_plan_mode": false, "forward_coder_headers": false, "auth_connected": true,
            "auth_status": "not_required", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn the_remembered_selection_is_cut_to_what_exists() {
        let servers = [server(1, "default_on"), server(2, "default_off")];
        let ids = |ids: &[u128]| ids.iter().copied().map(Uuid::from_u128).collect::<BTreeSet<_>>();
        let text = |ids: &[u128]| {
            serde_json::to_string(&ids.iter().copied().map(Uuid::from_u128).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(recall(Some(&text(&[2, 9])), &servers), Some(ids(&[2])));
        assert_eq!(recall(Some(&text(&[])), &servers), Some(ids(&[])), "everything off is a choice");
        assert_eq!(recall(Some(&text(&[8, 9])), &servers), None, "all gone: defaults");
        assert_eq!(recall(Some("rubbish"), &servers), None);
        assert_eq!(recall(None, &servers), None);
        assert_eq!(defaults(&servers), ids(&[1]));
    }
}
