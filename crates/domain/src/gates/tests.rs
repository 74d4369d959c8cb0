//! Every combination of facts, against rules written down a second time.

use super::*;
use crate::mcp_server::tests::record;
use std::collections::BTreeSet;

const GROUPS: [GroupAccess; 4] =
    [GroupAccess::Everybody, GroupAccess::Member, GroupAccess::ByRole, GroupAccess::Outside];
const CHOICES: [Choice; 3] = [Choice::NewChat, Choice::Chosen, Choice::NotChosen];
const STANDINGS: [DefinitionStanding; 3] =
    [DefinitionStanding::Accepted, DefinitionStanding::New, DefinitionStanding::Changed];
const MODES: [(TurnMode, bool); 5] = [
    (TurnMode::Normal, false),
    (TurnMode::Plan, true),
    (TurnMode::Plan, false),
    (TurnMode::PlanSubagent, true),
    (TurnMode::PlanSubagent, false),
];
const READERS: [Reader; 4] = [
    Reader { is_subject: true, unredacted: true },
    Reader { is_subject: true, unredacted: false },
    Reader { is_subject: false, unredacted: true },
    Reader { is_subject: false, unredacted: false },
];

fn connections_and_policies() -> Vec<(AuthStatus, ToolChangePolicy)> {
    let each = |&status| ToolChangePolicy::ALL.iter().map(move |&policy| (status, policy));
    AuthStatus::ALL.iter().flat_map(each).collect()
}

fn every_fact() -> Vec<ServerFacts> {
    let mut all = Vec::new();
    for account_active in [true, false] {
        for enabled in [true, false] {
            for group in GROUPS {
                for &availability in Availability::ALL {
                    for choice in CHOICES {
                        for configured in [true, false] {
                            for (auth_status, change_policy) in connections_and_policies() {
                                all.extend(MODES.map(|(mode, allow_in_plan_mode)| ServerFacts {
                                    account_active,
                                    enabled,
                                    group,
                                    availability,
                                    choice,
                                    configured,
                                    auth_status,
                                    change_policy,
                                    mode,
                                    allow_in_plan_mode,
                                }));
                            }
                        }
                    }
                }
            }
        }
    }
    all
}

/// Lists as they bear on the tool `get_issue`, and whether each lets it pass.
fn every_filter() -> Vec<(ToolFilter, bool, bool)> {
    let lists: [(&[&str], Option<bool>); 3] =
        [(&[], None), (&["x", "get_*", "*"], Some(true)), (&["GET_*", "list_*"], Some(false))];
    let list = |patterns: &[&str]| patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut all = Vec::new();
    for (allow, allow_matches) in lists {
        for (deny, deny_matches) in lists {
            let filter = ToolFilter::new(&list(allow), &list(deny));
            all.push((filter, allow_matches != Some(false), deny_matches != Some(true)));
        }
    }
    all
}

/// The rules of behaviour 2, 10, 14 and 16, gate by gate.
fn expected(
    facts: &ServerFacts,
    allowed: bool,
    not_denied: bool,
    definition: DefinitionStanding,
) -> [(Gate, bool); 10] {
    let takes_part = match facts.choice {
        Choice::Chosen => true,
        Choice::NotChosen => facts.availability == Availability::ForceOn,
        Choice::NewChat => facts.availability != Availability::DefaultOff,
    };
    let connected = matches!(
        facts.auth_status,
        AuthStatus::NotRequired
            | AuthStatus::Connected
            | AuthStatus::ExpiredRefreshable
            | AuthStatus::NeedsPermission
    );
    [
        (Gate::Account, facts.account_active),
        (Gate::Enabled, facts.enabled),
        (Gate::Group, facts.group != GroupAccess::Outside),
        (Gate::Selection, takes_part),
        (
            Gate::PlanMode,
            match facts.mode {
                TurnMode::Normal => true,
                TurnMode::Plan => facts.allow_in_plan_mode,
                TurnMode::PlanSubagent => false,
            },
        ),
        (Gate::Configured, facts.configured),
        (Gate::Connected, connected || !facts.configured),
        (Gate::AllowList, allowed),
        (Gate::DenyList, not_denied),
        (
            Gate::Definition,
            facts.change_policy != ToolChangePolicy::Hold || definition == DefinitionStanding::Accepted,
        ),
    ]
}

/// A tool whose definition was accepted.
fn known<'a>(filter: &'a ToolFilter, name: &'a str) -> ToolFacts<'a> {
    ToolFacts { filter, name, definition: DefinitionStanding::Accepted }
}

#[test]
fn every_combination_is_decided_as_the_rules_say() {
    let (facts, filters) = (every_fact(), every_filter());
    assert_eq!((facts.len(), filters.len()), (2 * 2 * 4 * 3 * 3 * 2 * 9 * 3 * 5, 9));
    for facts in &facts {
        for ((filter, allowed, not_denied), definition) in
            filters.iter().flat_map(|filter| STANDINGS.map(|standing| (filter, standing)))
        {
            let decision = decide(facts, Some(ToolFacts { filter, name: "get_issue", definition }));
            let expected = expected(facts, *allowed, *not_denied, definition);
            let found: Vec<(Gate, bool)> = decision
                .findings
                .iter()
                .map(|finding| (finding.gate(), finding.verdict() != GateVerdict::Fail))
                .collect();
            assert_eq!(found, expected, "{facts:?} {filter:?}");
            // The whole is its parts: offered when all that applies passes, else the first that fails is named.
            let first = expected.iter().find(|(_, passes)| !passes).map(|(gate, _)| *gate);
            assert_eq!(decision.failed().map(|finding| finding.gate()), first, "{facts:?}");
            assert_eq!(decision.offered(), first.is_none());
            assert_eq!(decision.takes_part(), expected[..4].iter().all(|(_, passes)| *passes));
            // A server is judged the same, whichever of its tools is asked about.
            assert_eq!(decide(facts, None).findings, decision.findings[..7]);
        }
    }
}

#[test]
fn the_gates_stand_in_the_order_of_the_contract() {
    let gates: Vec<Gate> = Gate::ALL.to_vec();
    let mut sorted = gates.clone();
    sorted.sort();
    assert_eq!(gates, sorted);
    let facts = ServerFacts::open(&record(), Choice::Chosen);
    let filter = ToolFilter::default();
    let asked = decide(&facts, Some(known(&filter, "x"))).findings;
    assert_eq!(asked.iter().map(Finding::gate).collect::<Vec<_>>(), gates);
}

#[test]
fn what_does_not_apply_is_said_and_stops_nothing() {
    let facts = ServerFacts::open(&record(), Choice::Chosen);
    let filter = ToolFilter::default();
    let decision = decide(&facts, Some(known(&filter, "x")));
    let not_asked: Vec<Gate> = decision
        .findings
        .iter()
        .filter(|finding| finding.verdict() == GateVerdict::NotApplicable)
        .map(Finding::gate)
        .collect();
    assert_eq!(
        not_asked,
        [Gate::PlanMode, Gate::Connected, Gate::AllowList, Gate::DenyList, Gate::Definition]
    );
    assert!(decision.offered());
}

#[test]
fn the_first_matching_pattern_is_named() {
    let list = |patterns: &[&str]| patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let filter = ToolFilter::new(&list(&["list_*", "get_*", "*"]), &list(&["x", "*_secret", "get_s*"]));
    let facts = ServerFacts::open(&record(), Choice::Chosen);
    let patterns = |name: &str| {
        let decision = decide(&facts, Some(known(&filter, name)));
        let pattern = |at: usize| decision.findings[at].pattern().map(str::to_owned);
        (pattern(7), pattern(8))
    };
    assert_eq!(patterns("get_secret"), (Some("get_*".into()), Some("*_secret".into())));
    assert_eq!(patterns("other"), (Some("*".into()), None));
}

/// The lists alone decide the same for turns and for the form's preview.
#[test]
fn the_preview_of_the_lists_agrees_with_the_gates() {
    let facts = ServerFacts::open(&record(), Choice::Chosen);
    for (filter, ..) in every_filter() {
        for name in ["get_issue", "list_a", "GET_X", "x", ""] {
            let decision = decide(&facts, Some(known(&filter, name)));
            assert_eq!(decision.offered(), filter.verdict(name).is_allowed(), "{filter:?} {name}");
        }
    }
}

#[test]
fn every_finding_has_a_sentence_and_members_learn_nothing_hidden() {
    for facts in every_fact() {
        for ((filter, ..), definition) in every_filter().into_iter().zip(STANDINGS.into_iter().cycle()) {
            let decision = decide(&facts, Some(ToolFacts { filter: &filter, name: "get_issue", definition }));
            for reader in READERS {
                for gate in decision.to_wire(reader) {
                    assert!(gate.reason.ends_with('.') && gate.reason.len() > 8, "{gate:?}");
                }
            }
        }
    }
    let member = Reader { is_subject: true, unredacted: false };
    let of = |change: &dyn Fn(&mut ServerFacts)| {
        let mut facts = ServerFacts::open(&record(), Choice::Chosen);
        change(&mut facts);
        decide(&facts, None).to_wire(member)
    };
    // Whether groups limit the server is hidden, and so is what exactly its configuration lacks.
    assert_eq!(of(&|_| ()), of(&|facts| facts.group = GroupAccess::Member));
    let words: BTreeSet<String> = every_fact()
        .iter()
        .flat_map(|facts| decide(facts, None).to_wire(member))
        .filter(|gate| gate.verdict != GateVerdict::Fail || gate.gate != Gate::Group)
        .map(|gate| gate.reason)
        .collect();
    for hidden in ["group", "secret", "origin", "URL"] {
        assert!(!words.iter().any(|sentence| sentence.contains(hidden)), "{hidden}: {words:?}");
    }
}
