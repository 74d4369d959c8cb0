//! The articles `search_docs` looks through. They are part of the program, so the demo needs no network.

/// One article: a markdown file whose first line is its title.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Article {
    /// File name without its ending; stable, so that a model can name it.
    pub(crate) id: &'static str,
    text: &'static str,
}

impl Article {
    pub(crate) fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
    }

    /// Everything below the title.
    pub(crate) fn body(&self) -> &'static str {
        self.text.split_once('\n').map_or("", |(_, body)| body.trim())
    }
}

pub(crate) const ARTICLES: &[Article] = &[
    Article { id: "servers", text: include_str!("../corpus/servers.md") },
    Article { id: "slugs-and-tool-names", text: include_str!("../corpus/slugs-and-tool-names.md") },
    Article { id: "authentication", text: include_str!("../corpus/authentication.md") },
    Article { id: "availability", text: include_str!("../corpus/availability.md") },
    Article { id: "tool-filters", text: include_str!("../corpus/tool-filters.md") },
    Article { id: "model-intent", text: include_str!("../corpus/model-intent.md") },
    Article { id: "tool-calls", text: include_str!("../corpus/tool-calls.md") },
    Article { id: "unknown-outcome", text: include_str!("../corpus/unknown-outcome.md") },
    Article { id: "encryption", text: include_str!("../corpus/encryption.md") },
    Article { id: "egress", text: include_str!("../corpus/egress.md") },
    Article { id: "roles", text: include_str!("../corpus/roles.md") },
    Article { id: "chats-and-turns", text: include_str!("../corpus/chats-and-turns.md") },
    Article { id: "model-providers", text: include_str!("../corpus/model-providers.md") },
    Article { id: "rest-api", text: include_str!("../corpus/rest-api.md") },
    Article { id: "plan-for-backup", text: include_str!("../corpus/plan-for-backup.md") },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_article_has_a_title_and_a_body() {
        assert!(ARTICLES.len() >= 10);
        for article in ARTICLES {
            assert!(!article.title().is_empty() && !article.title().contains('#'), "{}", article.id);
            assert!(article.body().len() > 100, "{}", article.id);
        }
    }
}
