//! What the parts of one chat page share through context, and what the pages of this tab share with the sidebar.

use super::{
    picker::Selection,
    transcript::{
        Shared, Transcript,
        blocks::{Block, BlockKey, asking},
        call::CallState,
    },
};
use crate::server_fns::chats::ChatOpened;
use api::{Uuid, messages::ToolCallPart};
use leptos::prelude::*;

/// Context of one open chat.
#[derive(Clone, Copy)]
pub(super) struct OpenChat {
    pub(super) transcript: RwSignal<Transcript>,
    /// The transcript cut for the page; made once per change for all who look.
    pub(super) blocks: Memo<Vec<(BlockKey, Block)>>,
    /// The calls that have the buttons for what their servers need of the person; where a server has one, it is asked for nowhere
    /// else on the page.
    pub(super) asking: Memo<Vec<(Uuid, Shared<ToolCallPart>)>>,
    /// Milliseconds since the epoch, ticking while a call runs; `None` on the server and until the browser has taken over, so
    /// that both render the same.
    pub(super) now_ms: RwSignal<Option<f64>>,
    /// What a screen reader is told next: states, never tokens.
    pub(super) announcement: RwSignal<String>,
    /// The servers on offer: a call may need something of the person's first.
    pub(super) servers: Selection,
    /// What the composer chose; `None`: the chat's or the default one.
    pub(super) model: RwSignal<Option<Uuid>>,
    /// A subagent: only its chat writes to it.
    pub(super) subagent: bool,
}

impl OpenChat {
    pub(super) fn new(transcript: Transcript, servers: Selection, model: RwSignal<Option<Uuid>>) -> Self {
        let transcript = RwSignal::new(transcript);
        let blocks = Memo::new(move |_| transcript.with(Transcript::blocks));
        Self {
            transcript,
            blocks,
            asking: Memo::new(move |_| blocks.with(|blocks| asking(blocks))),
            now_ms: RwSignal::new(None),
            announcement: RwSignal::new(String::new()),
            servers,
            model,
            subagent: false,
        }
    }

    /// A call is out at its server; tracks.
    pub(super) fn runs_calls(self) -> bool {
        self.blocks.with(|blocks| {
            let frames = blocks.iter().rev().map(|(_, block)| block);
            frames
                .filter_map(|block| match block {
                    Block::Calls(frame) if !frame.turn_over => Some(frame),
                    _ => None,
                })
                .any(|frame| frame.calls.iter().any(|call| call.state == CallState::Running))
        })
    }
}

/// Tells the sidebar that a chat came, went, or changed its title or status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ListVersion(pub(super) u64);

// One tab is one person, so a thread-local is this tab's state. On the server, where a thread serves many people, it does not exist.
#[cfg(feature = "hydrate")]
thread_local! {
    static FRESH: std::cell::RefCell<Option<ChatOpened>> = const { std::cell::RefCell::new(None) };
    static LIST_VERSION: ArcRwSignal<ListVersion> = ArcRwSignal::new(ListVersion::default());
}

/// Keeps a chat just created, so that its page opens with the first message and asks nobody.
pub(super) fn keep_fresh(opened: ChatOpened) {
    #[cfg(feature = "hydrate")]
    FRESH.with(|fresh| *fresh.borrow_mut() = Some(opened));
    #[cfg(not(feature = "hydrate"))]
    drop(opened);
}

/// The chat kept under this id, once.
pub(super) fn take_fresh(id: Uuid) -> Option<ChatOpened> {
    #[cfg(feature = "hydrate")]
    {
        FRESH.with(|fresh| fresh.borrow_mut().take_if(|opened| opened.chat.id == id))
    }
    #[cfg(not(feature = "hydrate"))]
    {
        let _ = id;
        None
    }
}

pub(super) fn list_changed() {
    #[cfg(feature = "hydrate")]
    LIST_VERSION.with(|version| version.update(|version| version.0 += 1));
}

/// Rises with each [`list_changed`]; tracks.
pub(super) fn list_version() -> ListVersion {
    #[cfg(feature = "hydrate")]
    {
        LIST_VERSION.with(|version| version.get())
    }
    #[cfg(not(feature = "hydrate"))]
    {
        ListVersion::default()
    }
}
