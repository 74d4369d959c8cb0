//! Which tool fits a message.

use super::{
    intent::first_clause,
    message::Message,
    schema::Asked,
    words::{akin, words},
};
use crate::{ToolSpec, limits::DEMO_DESCRIPTION};
use std::collections::{BTreeSet, HashMap};

/// A word of the tool's own name.
const IN_NAME: f64 = 2.5;
/// A word of the server's prefix, which all its tools share.
const IN_PREFIX: f64 = 0.6;
/// A word of a short description.
const IN_DESCRIPTION: f64 = 1.0;
/// A word of a parameter's name or choices: not enough by itself.
const IN_PARAMETERS: f64 = 0.8;
/// A word that only begins alike.
const AKIN: f64 = 0.5;
/// The tool's whole name, written out.
const WRITTEN_OUT: f64 = 6.0;
/// What a tool must reach to be called: one rare word of a short description, or the like.
const THRESHOLD: f64 = 0.99;
/// Words up to which a description is short. In a longer one, a shared word means less.
const SHORT_DESCRIPTION: f64 = 40.0;

/// The tool that fits best.
pub(super) struct Choice<'a> {
    pub(super) tool: &'a ToolSpec,
    /// The words of the message that it shares, in their order.
    pub(super) shared: Vec<String>,
}

/// The best tool for `message`, if any fits at all. Ties go to the first name in the alphabet.
pub(super) fn choose<'a>(message: &Message<'_>, tools: &'a [ToolSpec]) -> Option<Choice<'a>> {
    let profiles: Vec<HashMap<String, f64>> = tools.iter().map(profile).collect();
    let rarity = Rarity::of(&profiles);
    let mut best: Option<(f64, Choice<'a>)> = None;
    for (tool, profile) in tools.iter().zip(&profiles) {
        let (score, shared) = score(message, tool, profile, &rarity);
        let better = match &best {
            None => true,
            Some((top, choice)) => {
                score.total_cmp(top).then_with(|| choice.tool.name.cmp(&tool.name)).is_gt()
            }
        };
        if score >= THRESHOLD && better {
            best = Some((score, Choice { tool, shared }));
        }
    }
    best.map(|(_, choice)| choice)
}

/// The stems by which a message only names the tool: those of its name and of the first clause of its description. What
/// the description says further on may well be what the message is about.
pub(super) fn naming_words(tool: &ToolSpec) -> BTreeSet<String> {
    words(&tool.name)
        .into_iter()
        .chain(words(first_clause(description(tool))))
        .map(|word| word.stem)
        .collect()
}

fn score(
    message: &Message<'_>,
    tool: &ToolSpec,
    profile: &HashMap<String, f64>,
    rarity: &Rarity<'_>,
) -> (f64, Vec<String>) {
    let mut score = 0.0;
    let mut shared = Vec::new();
    let mut seen = BTreeSet::new();
    for word in message.words.iter().filter(|word| !word.is_filler()) {
        if !seen.insert(&word.stem) {
            continue;
        }
        let value = match profile.get(&word.stem) {
            Some(weight) => weight * rarity.of_stem(&word.stem),
            None => profile
                .iter()
                .filter(|(stem, _)| akin(stem, &word.stem))
                .map(|(stem, weight)| AKIN * weight * rarity.of_stem(stem))
                .fold(0.0, f64::max),
        };
        if value > 0.0 {
            score += value;
            shared.push(word.text.clone());
        }
    }
    if message.writes_out(local_name(&tool.name)) || message.writes_out(&tool.name) {
        score += WRITTEN_OUT;
        if shared.is_empty() {
            shared.push(local_name(&tool.name).to_owned());
        }
    }
    (score, shared)
}

/// How few tools have a word.
struct Rarity<'a> {
    tools: f64,
    having: HashMap<&'a str, f64>,
}

impl<'a> Rarity<'a> {
    fn of(profiles: &'a [HashMap<String, f64>]) -> Self {
        let mut having = HashMap::new();
        for stem in profiles.iter().flat_map(HashMap::keys) {
            *having.entry(stem.as_str()).or_insert(0.0) += 1.0;
        }
        Self { tools: profiles.len() as f64, having }
    }

    /// 1 for a word of one tool only, falling with the share of tools that have it.
    fn of_stem(&self, stem: &str) -> f64 {
        let having = self.having.get(stem).copied().unwrap_or(1.0);
        (1.0 + self.tools / having).ln() / (1.0 + self.tools).ln()
    }
}

/// The stems of a tool, each with its weight.
fn profile(tool: &ToolSpec) -> HashMap<String, f64> {
    let mut profile = HashMap::new();
    let mut add = |text: &str, weight: f64| {
        for word in words(text).into_iter().filter(|word| !word.is_filler()) {
            let entry = profile.entry(word.stem).or_insert(0.0_f64);
            *entry = entry.max(weight);
        }
    };
    let local = local_name(&tool.name);
    add(&tool.name[..tool.name.len() - local.len()], IN_PREFIX);
    add(local, IN_NAME);
    let description = description(tool);
    let length = words(description).len() as f64;
    add(description, IN_DESCRIPTION / (1.0 + (length / SHORT_DESCRIPTION).max(1.0).ln()));
    for (name, schema) in Asked::of(&tool.parameters).properties() {
        add(name, IN_PARAMETERS);
        for choice in schema.get("enum").and_then(|choices| choices.as_array()).into_iter().flatten() {
            add(choice.as_str().unwrap_or_default(), IN_PARAMETERS);
        }
    }
    profile
}

fn description(tool: &ToolSpec) -> &str {
    let text = tool.description.as_str();
    &text[..text.char_indices().nth(DEMO_DESCRIPTION).map_or(text.len(), |(at, _)| at)]
}

/// The name behind the server's prefix (behaviour 14: `slug__tool`).
pub(super) fn local_name(name: &str) -> &str {
    match name.split_once("__") {
        Some((_, local)) if !local.is_empty() => local,
        _ => name,
    }
}
