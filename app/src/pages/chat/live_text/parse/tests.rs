use super::*;

/// A piece in short: `p`, `h`, `q`, `pre`, `ul`, `ol 3`, `raw`, with `*…*`, `_…_`, `` `…` `` and `/` for a break.
fn short(text: &str) -> Vec<String> {
    fn words(spans: &[Span]) -> String {
        spans
            .iter()
            .map(|span| match span {
                Span::Text(text) => text.clone(),
                Span::Strong(inside) => format!("<*{}*>", words(inside)),
                Span::Emphasis(inside) => format!("<_{}_>", words(inside)),
                Span::Code(text) => format!("<`{text}`>"),
                Span::Break => "/".to_owned(),
            })
            .collect()
    }
    pieces(text)
        .iter()
        .map(|piece| match piece {
            Piece::Paragraph(spans) => format!("p {}", words(spans)),
            Piece::Heading(spans) => format!("h {}", words(spans)),
            Piece::Quote(spans) => format!("q {}", words(spans)),
            Piece::Code(text) => format!("pre {text}"),
            Piece::Plain(text) => format!("raw {text}"),
            Piece::List { first, items } => {
                let items = items.iter().map(|item| words(item)).collect::<Vec<_>>().join(" | ");
                first.map_or_else(|| format!("ul {items}"), |first| format!("ol {first} {items}"))
            }
        })
        .collect()
}

#[test]
fn blocks_are_told_apart() {
    for (text, found) in [
        ("", vec![]),
        ("one\ntwo\n\nthree", vec!["p one two", "p three"]),
        ("one  \ntwo", vec!["p one/two"]),
        ("# Title\ntext", vec!["h Title", "p text"]),
        ("#hash", vec!["p #hash"]),
        ("- a\n- b\n\n- c\n\nend", vec!["ul a | b | c", "p end"]),
        ("intro:\n- a\n  more\n  - deep\n1. x\n2. y", vec!["p intro:", "ul a more/• deep", "ol 1 x | y"]),
        ("3) x", vec!["ol 3 x"]),
        ("> a\n> b", vec!["q a b"]),
        ("| a | b |\n|---|---|", vec!["raw | a | b |\n|---|---|"]),
        ("```rust\nlet a = 1;\n\n  b\n```\nafter", vec!["pre let a = 1;\n\n  b", "p after"]),
        ("~~~\n```\n~~~", vec!["pre ```"]),
        ("2026. A year", vec!["ol 2026 A year"]),
        ("a\r\nb", vec!["p a b"]),
    ] {
        assert_eq!(short(text), found, "{text:?}");
    }
}

#[test]
fn words_are_emphasised() {
    for (text, found) in [
        ("a **b** c *d* e", "p a <*b*> c <_d_> e"),
        ("__a__ _b_", "p <*a*> <_b_>"),
        ("snake_case_name and 2 * 3 * 4", "p snake_case_name and 2 * 3 * 4"),
        ("**a *b* c**", "p <*a <_b_> c*>"),
        ("***both***", "p <*<_both_>*>"),
        ("`a*b*` ``c`d``", "p <`a*b*`> <`c`d`>"),
        (r"\*a\* \`", "p *a* `"),
        ("[a **b**](https://x.example/) c", "p a <*b*> c"),
        ("![pic](https://x.example/a.png)", "p pic"),
        ("[not a link] and![1]", "p [not a link] and![1]"),
        ("ünïcödé **größer** ✓", "p ünïcödé <*größer*> ✓"),
    ] {
        assert_eq!(short(text), [found], "{text:?}");
    }
}

#[test]
fn what_is_open_at_the_end_is_shown_as_if_it_were_closed() {
    for (text, found) in [
        ("a **b", vec!["p a <*b*>"]),
        ("a **b*", vec!["p a <*b*>"]),
        ("a **", vec!["p a "]),
        ("a *", vec!["p a "]),
        ("a `b", vec!["p a <`b`>"]),
        ("a `", vec!["p a "]),
        ("a [b](https://x.exam", vec!["p a b"]),
        ("text\n\n-", vec!["p text"]),
        ("text\n\n##", vec!["p text"]),
        ("text\n\n1.", vec!["p text"]),
        ("```\n\na", vec!["pre \na"]),
        ("text\n``", vec!["p text"]),
        ("```\nlet a;", vec!["pre let a;"]),
        ("```\nlet a;\n``", vec!["pre let a;"]),
        ("```rus", vec!["pre "]),
        // Not the end: it stays as written.
        ("a **b\n\nc", vec!["p a **b", "p c"]),
        ("a ` b\n\nc", vec!["p a ` b", "p c"]),
    ] {
        assert_eq!(short(text), found, "{text:?}");
    }
}

/// Every beginning of a text is cut without a panic, and finished pieces do not change any more.
#[test]
fn growing_changes_the_last_pieces_only() {
    let text = "# Plan\n\nFirst **do** this, then `that`:\n\n1. one _a_\n2. two ***b***\n   - deep [l](https://x.example)\n\n\
                ```sh\ncargo test **not bold**\n```\n\n> quoted\n\n| a |\n|---|\n\nEnd ✓ **";
    let whole = pieces(text);
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        let now = pieces(&text[..end]);
        for (place, piece) in now.iter().enumerate().take(now.len().saturating_sub(1)) {
            assert_eq!(piece, &whole[place], "after {:?}", &text[..end]);
        }
    }
}

#[test]
fn hostile_length_and_nesting_end() {
    let plain = "x".repeat(MAX_BYTES + 1);
    assert_eq!(pieces(&plain), [Piece::Plain(plain.clone())]);
    for sign in ["*a ", "**a ", "_a ", "`a ``b ", "[a", "[a](", "- ", "> ", "***", "![", "\\"] {
        let text = sign.repeat(MAX_BYTES / sign.len() - 8);
        assert!(!pieces(&text).is_empty(), "{sign}");
        assert!(pieces(&format!("{text}\n\nx")).len() > 1, "{sign}");
    }
}
