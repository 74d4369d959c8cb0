//! The transcript on the page: one keyed element per block, so that a streamed piece touches only what it changes.

use super::{
    boundary::Boundary,
    calls::CallFrame,
    files::FileView,
    live_text::LiveText,
    notices::ServerTrouble,
    plan::PlanCard,
    questions::QuestionCard,
    shared::OpenChat,
    transcript::{
        Shared,
        blocks::{Block, BlockKey, Text},
    },
    user_message::UserMessage,
};
use api::messages::TextPart;
use leptos::prelude::*;

/// Everything said so far.
#[component]
pub(super) fn Blocks(chat: OpenChat) -> impl IntoView {
    let blocks = chat.blocks;
    let keys =
        Memo::new(move |_| blocks.with(|blocks| blocks.iter().map(|(key, _)| *key).collect::<Vec<_>>()));
    view! {
        <For each=move || keys.get() key=|key| *key children=move |key| view! { <BlockSlot blocks key chat /> } />
    }
}

/// What kind of element a block needs; the element is made anew only when this changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    File,
    Trouble,
    Text,
    Reasoning,
    Calls,
    Plan,
    Questions,
    Boundary,
    Other,
    Interrupted,
}

impl Kind {
    fn of(block: &Block) -> Self {
        match block {
            Block::User { .. } => Self::User,
            Block::File(_) => Self::File,
            Block::Trouble(_) => Self::Trouble,
            Block::Text(_) => Self::Text,
            Block::Reasoning(_) => Self::Reasoning,
            Block::Calls(_) => Self::Calls,
            Block::Plan(_) => Self::Plan,
            Block::Questions(_) => Self::Questions,
            Block::Boundary { .. } => Self::Boundary,
            Block::Other(_) => Self::Other,
            Block::Interrupted => Self::Interrupted,
        }
    }
}

#[component]
fn BlockSlot(blocks: Memo<Vec<(BlockKey, Block)>>, key: BlockKey, chat: OpenChat) -> impl IntoView {
    // Keys ascend. A block that has just gone keeps its last value until its element is taken away.
    let block = Memo::new(move |last: Option<&Option<Block>>| {
        blocks
            .with(|blocks| {
                let place = blocks.binary_search_by_key(&key, |(key, _)| *key).ok()?;
                Some(blocks[place].1.clone())
            })
            .or_else(|| last.cloned().flatten())
    });
    let kind = Memo::new(move |_| block.with(|block| block.as_ref().map(Kind::of)));
    move || {
        let draw = match kind.get()? {
            Kind::Calls => {
                let frame = Signal::derive(move || match block.get() {
                    Some(Block::Calls(frame)) => Some(frame),
                    _ => None,
                });
                view! { <CallFrame frame chat /> }.into_any()
            }
            Kind::Plan => view! { <PlanCard key block chat /> }.into_any(),
            Kind::Questions => view! { <QuestionCard key block chat /> }.into_any(),
            Kind::Text => view! { <div class="chat-answer" data-testid="answer"><Words block /></div> }.into_any(),
            Kind::Reasoning => view! { <Reasoning block /> }.into_any(),
            Kind::User => view! { <UserMessage key block chat /> }.into_any(),
            Kind::File => (move || match block.get() {
                Some(Block::File(file)) => Some(view! { <FileView file /> }),
                _ => None,
            })
            .into_any(),
            Kind::Trouble => (move || match block.get() {
                Some(Block::Trouble(outcomes)) => Some(view! { <ServerTrouble outcomes /> }),
                _ => None,
            })
            .into_any(),
            Kind::Boundary => (move || match block.get() {
                Some(Block::Boundary { kind, result }) => Some(view! { <Boundary kind result /> }),
                _ => None,
            })
            .into_any(),
            Kind::Other => (move || match block.get() {
                Some(Block::Other(kind)) => Some(view! {
                    <p class="chat-faint">"A part of kind " <code>{kind.to_string()}</code> " that this version cannot show"</p>
                }),
                _ => None,
            })
            .into_any(),
            Kind::Interrupted => view! { <p class="chat-faint chat-interrupted">"Stopped before it was finished"</p> }.into_any(),
        };
        Some(draw)
    }
}

fn text_of(block: Memo<Option<Block>>) -> Option<Text> {
    match block.get() {
        Some(Block::Text(text) | Block::Reasoning(text)) => Some(text),
        _ => None,
    }
}

/// The model's words, growing or done.
#[component]
fn Words(block: Memo<Option<Block>>) -> impl IntoView {
    let text = Memo::new(move |_| text_of(block));
    let live = Memo::new(move |_| text.with(|text| matches!(text, Some(Text::Live(_)))));
    move || {
        if live.get() {
            return view! { <LiveText text /> }.into_any();
        }
        match text.get() {
            Some(Text::Committed(part)) => view! { <Prose part /> }.into_any(),
            _ => ().into_any(),
        }
    }
}

/// The model's words, done.
#[component]
fn Prose(part: Shared<TextPart>) -> impl IntoView {
    view! { <Markup html=part.html.clone() text=part.text.clone() /> }
}

/// The one place in the application that takes markup as it is: the server made it from the text and sanitised it last
/// (behaviour 25, "Do better"); text without it stays text.
#[component]
pub(super) fn Markup(html: Option<String>, text: String) -> impl IntoView {
    match html {
        Some(html) => view! { <div class="prose" dir="auto" inner_html=html></div> }.into_any(),
        None => view! { <div class="prose prose-plain" dir="auto">{text}</div> }.into_any(),
    }
}

#[component]
fn Reasoning(block: Memo<Option<Block>>) -> impl IntoView {
    let live = move || matches!(block.get(), Some(Block::Reasoning(Text::Live(_))));
    view! {
        <details class="chat-reasoning" data-testid="reasoning">
            <summary>{move || if live() { "Thinking" } else { "Thought about it" }}</summary>
            <Words block />
        </details>
    }
}
