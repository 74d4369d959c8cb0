//! Ranking of articles by shared words. Small on purpose: a corpus of some pages needs no index.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::corpus::{ARTICLES, Article};

/// A word in the title says more about an article than one in its body.
const TITLE_WEIGHT: usize = 4;
/// Words too common to tell articles apart.
const COMMON: &[&str] = &[
    "a", "an", "and", "are", "can", "do", "does", "for", "how", "i", "in", "is", "it", "my", "of", "on",
    "or", "the", "to", "what", "when", "why", "with",
];

/// An article that shares words with the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) article: Article,
    pub(crate) score: usize,
}

/// The best `limit` articles, best first; equal scores keep the order of the corpus.
pub(crate) fn search(query: &str, limit: usize) -> Vec<Hit> {
    let wanted: BTreeSet<String> = words(query).filter(|word| !COMMON.contains(&word.as_str())).collect();
    let mut hits: Vec<Hit> = ARTICLES
        .iter()
        .map(|article| Hit { article: *article, score: score(article, &wanted) })
        .filter(|hit| hit.score > 0)
        .collect();
    hits.sort_by_key(|hit| Reverse(hit.score));
    hits.truncate(limit);
    hits
}

fn score(article: &Article, wanted: &BTreeSet<String>) -> usize {
    // Each word counts once: an article that repeats one word says no more about the query.
    let shared = |text: &str| words(text).filter(|word| wanted.contains(word)).collect::<BTreeSet<_>>().len();
    TITLE_WEIGHT * shared(article.title()) + shared(article.body())
}

/// Lower-case words without a plural `s`, so that "server" finds "servers".
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(|word| {
        let word = word.to_lowercase();
        match word.strip_suffix('s') {
            Some(stem) if stem.len() > 2 => stem.to_owned(),
            _ => word,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_article_about_the_subject_comes_first() {
        for (query, first) in [
            ("encryption key rotation", "encryption"),
            ("how do slugs become tool names", "slugs-and-tool-names"),
            ("outbound allow list", "egress"),
            ("unknown outcome", "unknown-outcome"),
        ] {
            assert_eq!(search(query, 3)[0].article.id, first, "{query}");
        }
    }

    #[test]
    fn limit_and_nonsense() {
        assert_eq!(search("server", 2).len(), 2);
        assert!(search("zyzzyva", 5).is_empty());
        assert!(search("the of and", 5).is_empty());
    }
}
