//! Words that are still being written, with their paragraphs, lists and code as real elements. The committed message brings the
//! whole of Markdown, made and sanitised by the server; this is text nodes alone, so nothing in it can become markup.

mod parse;

use super::transcript::blocks::Text;
use leptos::prelude::*;
use parse::{Piece, Span, pieces};

/// `text` gives nothing once the words are committed; the last ones stay until their element is taken away.
#[component]
pub(super) fn LiveText(#[prop(into)] text: Signal<Option<Text>>) -> impl IntoView {
    let cut = Memo::new(move |last: Option<&Vec<Piece>>| {
        text.with(|text| match text {
            Some(Text::Live(text)) => pieces(text),
            _ => last.cloned().unwrap_or_default(),
        })
    });
    view! {
        <div class="prose" dir="auto" aria-busy="true">
            // A finished piece keeps its key and its element; only the growing one is drawn anew.
            <For
                each=move || cut.get().into_iter().enumerate()
                key=|place| place.clone()
                children=|(_, piece)| view! { <PieceView piece/> }
            />
        </div>
    }
}

#[component]
fn PieceView(piece: Piece) -> impl IntoView {
    match piece {
        Piece::Paragraph(words) => view! { <p dir="auto">{spans(words)}</p> }.into_any(),
        // The page's own headings are above; the committed text has the true levels.
        Piece::Heading(words) => view! { <p class="live-heading" dir="auto">{spans(words)}</p> }.into_any(),
        Piece::Quote(words) => view! { <blockquote dir="auto">{spans(words)}</blockquote> }.into_any(),
        Piece::Code(text) => view! { <pre><code>{text}</code></pre> }.into_any(),
        Piece::Plain(text) => view! { <div class="prose-plain">{text}</div> }.into_any(),
        Piece::List { first: None, items } => view! { <ul>{list_items(items)}</ul> }.into_any(),
        Piece::List { first: Some(first), items } => {
            view! { <ol start=first.to_string()>{list_items(items)}</ol> }.into_any()
        }
    }
}

fn list_items(items: Vec<Vec<Span>>) -> impl IntoView {
    items.into_iter().map(|words| view! { <li dir="auto">{spans(words)}</li> }).collect_view()
}

fn spans(words: Vec<Span>) -> Vec<AnyView> {
    words
        .into_iter()
        .map(|span| match span {
            Span::Text(text) => text.into_any(),
            Span::Code(text) => view! { <code>{text}</code> }.into_any(),
            Span::Strong(words) => view! { <strong>{spans(words)}</strong> }.into_any(),
            Span::Emphasis(words) => view! { <em>{spans(words)}</em> }.into_any(),
            Span::Break => view! { <br/> }.into_any(),
        })
        .collect()
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::*;
    use leptos::reactive::owner::Owner;

    #[test]
    fn whatever_is_written_stays_text() {
        let hostile = "<script>alert(1)</script>\n\n- <b onmouseover='x'>\n\n```\n</code></pre><img src=x onerror=y>\n```\n\n\
                       # <h1>\n\n> **<i>**\n\n[a](javascript:alert(1)) ![b](https://evil.example/x.png)\n\n| <td> |";
        let html = Owner::new().with(|| {
            view! { <LiveText text=Signal::stored(Some(Text::Live(hostile.to_owned())))/> }
                .into_view()
                .to_html()
        });
        for tag in ["<script", "<b ", "<img", "<h1", "<i>", "<a", "href", "<td"] {
            assert!(!html.contains(tag), "{tag} in {html}");
        }
        assert!(html.contains("&lt;script&gt;") && html.contains("<li"), "{html}");
    }
}
