//! Text from models becomes markup here and nowhere else: rendered, then sanitised last (behaviour 25, threats 52 and 53).

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};
use std::{collections::HashSet, sync::OnceLock};

/// Longest text that is rendered; beyond it the reader gets plain text. Bounds the parser's time.
const MAX_BYTES: usize = 512 * 1024;
/// Deepest nesting that is rendered: a stack overflow is not a panic (threats 3.15).
const MAX_DEPTH: usize = 32;

/// Sanitised markup of `text`. Raw HTML in it stays visible as text; images become links that a person may follow; links open
/// elsewhere and tell nobody where they came from.
pub fn render_markdown(text: &str) -> String {
    if text.len() > MAX_BYTES {
        return plain(text);
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut depth = 0_usize;
    let mut events = Vec::new();
    for event in Parser::new_ext(text, options) {
        match &event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return plain(text);
        }
        events.push(match event {
            // Markup written by a model is text.
            Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
            // Nothing loads from outside: an image is a link with its description.
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                Event::Start(Tag::Link { link_type, dest_url, title, id })
            }
            Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
            other => other,
        });
    }
    let mut markup = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut markup, events.into_iter());
    sanitiser().clean(&markup).to_string()
}

fn plain(text: &str) -> String {
    let mut markup = String::with_capacity(text.len() + 16);
    markup.push_str("<p>");
    markup.push_str(&ammonia::clean_text(text));
    markup.push_str("</p>");
    markup
}

fn sanitiser() -> &'static Builder<'static> {
    static SANITISER: OnceLock<Builder<'static>> = OnceLock::new();
    SANITISER.get_or_init(|| {
        let tags: HashSet<&str> = [
            "a",
            "blockquote",
            "br",
            "code",
            "del",
            "em",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "hr",
            "li",
            "ol",
            "p",
            "pre",
            "strong",
            "table",
            "tbody",
            "td",
            "th",
            "thead",
            "tr",
            "ul",
        ]
        .into();
        let mut builder = Builder::new();
        builder
            .tags(tags)
            .tag_attributes(
                [("a", HashSet::from(["href", "title"])), ("ol", HashSet::from(["start"]))].into(),
            )
            .generic_attributes(HashSet::new())
            .url_schemes(HashSet::from(["http", "https", "mailto"]))
            .url_relative(UrlRelative::Deny)
            .link_rel(Some("noopener noreferrer nofollow"))
            .set_tag_attribute_value("a", "target", "_blank");
        builder
    })
}

#[cfg(test)]
mod tests {
    use super::render_markdown;

    #[test]
    fn markdown_becomes_markup() {
        let html = render_markdown("# Hi\n\n- **a**\n- `b`\n\n| x | y |\n|---|---|\n| 1 | 2 |\n");
        for piece in ["<h1>Hi</h1>", "<strong>a</strong>", "<code>b</code>", "<td>2</td>"] {
            assert!(html.contains(piece), "{piece} in {html}");
        }
    }

    #[test]
    fn nothing_loads_and_nothing_runs() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![pixel](https://evil.example/p.png)",
            "[x](javascript:alert(1))",
            "[x](data:text/html,<script>1</script>)",
            "<iframe src=https://evil.example></iframe>",
            "<svg/onload=alert(1)>",
            "<style>@import 'https://evil.example'</style>",
            "[a]: https://evil.example\n![a][a]",
            "<a href=\"/api/v2/users/logout\">x</a> [y](/logout)",
            "<https://evil.example/\"onmouseover=alert(1)>",
            "<link rel=prefetch href=//evil.example>",
            "<video poster=https://evil.example>",
            "<meta http-equiv=refresh content=0;url=https://evil.example>",
        ] {
            let html = render_markdown(hostile);
            for forbidden in [
                "<script",
                "<img",
                "<iframe",
                "<svg",
                "<style",
                "<link",
                "<video",
                "<meta",
                "javascript:",
                "data:text",
            ] {
                let as_markup = html.to_lowercase().contains(forbidden);
                // `javascript:` may stay as visible text, never inside an attribute.
                let in_attribute = html.to_lowercase().contains(&format!("=\"{forbidden}"));
                let bad = if forbidden.starts_with('<') { as_markup } else { in_attribute };
                assert!(!bad, "{forbidden} in {html} from {hostile}");
            }
            // Escaped markup is text; only the inside of a real tag can be a link.
            let relative = html
                .split("<a ")
                .skip(1)
                .any(|tag| tag.split('>').next().is_some_and(|a| a.contains("href=\"/")));
            assert!(!relative, "relative link in {html}");
        }
    }

    #[test]
    fn deep_nesting_is_plain_text() {
        let deep = "> ".repeat(5000) + "x";
        assert!(render_markdown(&deep).starts_with("<p>&gt;"));
    }
}
