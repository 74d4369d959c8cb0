//! Which definitions of tools are known and accepted (behaviour 13, protocol.md T6), and what a listing adds to that.
//!
//! Of one tool several definitions may be accepted: servers show different users different things, and what was accepted once may come
//! back. Of those that are not, only the last is kept.

use crate::limits::KNOWN_TOOLS;
use api::servers::ToolChangePolicy;
use std::collections::{HashMap, HashSet};

/// How a definition that a server lists stands to what was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefinitionStanding {
    /// It was there at the first listing, or somebody said yes to it.
    Accepted,
    /// No definition of the tool was ever accepted.
    New,
    /// Another one was.
    Changed,
}

/// What is known of one tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KnownTool {
    /// Hashes.
    accepted: HashSet<String>,
    /// Of the definition that was listed last.
    listed: String,
    /// One of its definitions waits for somebody's yes.
    waits: bool,
    gone: bool,
}

/// One definition that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDefinition {
    pub name: String,
    pub hash: String,
    pub accepted: bool,
    /// A full listing no longer had the tool.
    pub gone: bool,
}

/// What is known of the tools of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownDefinitions {
    /// Whether the server was ever listed.
    listed_before: bool,
    tools: HashMap<String, KnownTool>,
}

/// What a listing adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lessons {
    /// The first listing of the server: all of it is accepted.
    pub first: bool,
    /// Definitions to be stored, and whether they are accepted by that.
    pub definitions: Vec<Lesson>,
    /// Known definitions that are listed again in place of another one of their tool, or after their tool was gone.
    pub returned: Vec<(String, String)>,
    /// Tools that a full listing no longer has.
    pub gone: Vec<String>,
    /// Tools that are not stored because there are too many.
    pub left_out: usize,
}

/// One definition to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    pub name: String,
    pub hash: String,
    pub accepted: bool,
    /// How it stands: what an audit entry says.
    pub standing: DefinitionStanding,
    /// Another definition of the tool waits already, or the tool keeps changing without anybody being asked: no news.
    pub again: bool,
}

impl Lessons {
    /// Nothing has to be stored.
    pub fn is_empty(&self) -> bool {
        !self.first && self.definitions.is_empty() && self.returned.is_empty() && self.gone.is_empty()
    }

    /// Nothing that somebody has to hear of now: known definitions in place of other known ones, and further ones of tools that wait
    /// already. A server that shows each user another definition does this at every listing.
    pub fn can_wait(&self) -> bool {
        !self.first && self.gone.is_empty() && self.definitions.iter().all(|lesson| lesson.again)
    }
}

impl KnownDefinitions {
    /// From what is stored, per tool the definition that was listed last at the end.
    pub fn new(listed_before: bool, stored: impl IntoIterator<Item = KnownDefinition>) -> Self {
        let mut tools: HashMap<String, KnownTool> = HashMap::new();
        for definition in stored {
            let tool = tools.entry(definition.name).or_default();
            if definition.accepted {
                tool.accepted.insert(definition.hash.clone());
            }
            tool.waits |= !definition.accepted;
            tool.gone = definition.gone;
            tool.listed = definition.hash;
        }
        Self { listed_before, tools }
    }

    /// How a definition stands. What was never seen is new.
    pub fn standing(&self, name: &str, hash: &str) -> DefinitionStanding {
        match self.tools.get(name) {
            Some(tool) if tool.accepted.contains(hash) => DefinitionStanding::Accepted,
            Some(tool) if !tool.accepted.is_empty() => DefinitionStanding::Changed,
            _ => DefinitionStanding::New,
        }
    }

    /// What a listing of names and hashes adds. `whole`: it is what the server has, not what one user gets of it.
    pub fn learn<'a>(
        &self,
        policy: ToolChangePolicy,
        listed: impl IntoIterator<Item = (&'a str, &'a str)>,
        whole: bool,
    ) -> Lessons {
        let first = !self.listed_before;
        let mut lessons = Lessons { first, ..Lessons::default() };
        let mut names = HashSet::new();
        let mut room = KNOWN_TOOLS.saturating_sub(self.tools.len());
        for (name, hash) in listed {
            names.insert(name);
            let standing = self.standing(name, hash);
            match self.tools.get(name) {
                Some(tool) if tool.listed == hash && !tool.gone => continue,
                Some(tool) if tool.accepted.contains(hash) || tool.listed == hash => {
                    lessons.returned.push((name.to_owned(), hash.to_owned()));
                    continue;
                }
                Some(_) => {}
                None if room == 0 => {
                    lessons.left_out += 1;
                    continue;
                }
                None => room -= 1,
            }
            let accepted = first || policy == ToolChangePolicy::Accept;
            let again =
                self.tools.get(name).is_some_and(|tool| tool.waits || (accepted && tool.accepted.len() > 1));
            lessons.definitions.push(Lesson {
                name: name.to_owned(),
                hash: hash.to_owned(),
                accepted,
                standing,
                again,
            });
        }
        if whole {
            let missing =
                self.tools.iter().filter(|(name, tool)| !tool.gone && !names.contains(name.as_str()));
            lessons.gone = missing.map(|(name, _)| name.clone()).collect();
            lessons.gone.sort_unstable();
        }
        lessons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DefinitionStanding::{Accepted, Changed, New};
    use ToolChangePolicy::{Accept, Hold, Notify};

    /// The tools that came or changed without anybody's yes.
    fn to_review(lessons: &Lessons) -> Vec<&str> {
        let waiting = lessons.definitions.iter().filter(|lesson| !lesson.accepted);
        waiting.map(|lesson| lesson.name.as_str()).collect()
    }

    fn stored(name: &str, hash: &str, accepted: bool) -> KnownDefinition {
        KnownDefinition { name: name.to_owned(), hash: hash.to_owned(), accepted, gone: false }
    }

    #[test]
    fn the_first_listing_is_accepted_and_what_comes_later_is_not() {
        let nothing = KnownDefinitions::default();
        let first = nothing.learn(Hold, [("a", "1"), ("b", "1")], false);
        assert!(first.first && first.definitions.iter().all(|lesson| lesson.accepted));
        let known = KnownDefinitions::new(true, [stored("a", "1", true)]);
        for policy in [Notify, Hold] {
            let later = known.learn(policy, [("a", "2"), ("b", "1")], false);
            assert_eq!(to_review(&later), ["a", "b"]);
            assert_eq!([later.definitions[0].standing, later.definitions[1].standing], [Changed, New]);
        }
        assert!(to_review(&known.learn(Accept, [("a", "2"), ("b", "1")], false)).is_empty());
        assert!(known.learn(Hold, [("a", "1")], true).is_empty(), "nothing new");
    }

    #[test]
    fn an_empty_first_listing_is_a_first_listing() {
        assert!(KnownDefinitions::default().learn(Hold, [], true).first);
        let known = KnownDefinitions::new(true, []);
        assert_eq!(to_review(&known.learn(Hold, [("a", "1")], true)), ["a"]);
    }

    #[test]
    fn what_was_accepted_once_may_come_back_and_a_refused_one_is_asked_about_once() {
        let known = KnownDefinitions::new(
            true,
            [stored("a", "1", true), stored("a", "2", true), stored("a", "3", false)],
        );
        assert_eq!(known.standing("a", "1"), Accepted);
        assert_eq!(known.standing("a", "3"), Changed);
        assert_eq!(known.learn(Hold, [("a", "1")], false).returned, [("a".to_owned(), "1".to_owned())]);
        assert!(known.learn(Hold, [("a", "3")], false).is_empty(), "already waiting");
        assert_eq!(to_review(&known.learn(Hold, [("a", "4")], false)), ["a"]);
    }

    #[test]
    fn what_waits_already_and_changes_again_is_no_news() {
        let known = KnownDefinitions::new(true, [stored("a", "1", true), stored("a", "2", false)]);
        let again = known.learn(Hold, [("a", "3")], false);
        assert!(again.can_wait() && !again.is_empty());
        assert_eq!(known.standing("a", "3"), Changed, "not stored, and held all the same");
        assert!(!known.learn(Hold, [("a", "3"), ("b", "1")], false).can_wait(), "a new tool is news");
        assert!(!KnownDefinitions::default().learn(Hold, [], false).can_wait());
    }

    #[test]
    fn only_a_whole_listing_says_that_a_tool_is_gone() {
        let known = KnownDefinitions::new(true, [stored("a", "1", true), stored("b", "1", true)]);
        assert!(known.learn(Notify, [("a", "1")], false).is_empty());
        assert_eq!(known.learn(Notify, [("a", "1")], true).gone, ["b"]);
        let gone = KnownDefinition { gone: true, ..stored("b", "1", true) };
        let known = KnownDefinitions::new(true, [stored("a", "1", true), gone]);
        assert!(known.learn(Notify, [("a", "1")], true).is_empty(), "said once");
        assert_eq!(known.learn(Notify, [("b", "1")], false).returned, [("b".to_owned(), "1".to_owned())]);
        assert_eq!(known.standing("b", "1"), Accepted);
    }

    #[test]
    fn a_server_cannot_fill_the_database_with_names() {
        let many: Vec<String> = (0..KNOWN_TOOLS + 7).map(|n| n.to_string()).collect();
        let listed = many.iter().map(|name| (name.as_str(), "1"));
        let lessons = KnownDefinitions::default().learn(Notify, listed, true);
        assert_eq!((lessons.definitions.len(), lessons.left_out), (KNOWN_TOOLS, 7));
    }
}
