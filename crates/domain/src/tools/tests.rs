use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn plain_names_stay_readable() {
    assert_eq!(exposed_name("linear", "create_issue"), "linear__create_issue");
    assert_eq!(exposed_name("gh-1", "list-repos"), "gh-1__list-repos");
    assert_eq!(exposed_name("a", "list_projects"), "a__list_projects");
    let longest = "x".repeat(61);
    assert_eq!(exposed_name("a", &longest), format!("a__{longest}"));
}

#[test]
fn changed_and_cut_names_end_in_a_hash() {
    for (slug, original) in [
        ("acme.web", "list"),
        ("acme", "issues.list"),
        ("acme", "issues/list"),
        ("acme", "größe"),
        ("acme", "a b"),
        ("acme", &"x".repeat(59)),
        ("acme", &"x".repeat(400)),
        (&"s".repeat(64), "tool"),
    ] {
        let name = exposed_name(slug, original);
        assert!(name.len() <= 64, "{name}");
        assert!(looks_hashed(&name), "{name}");
    }
}

/// The names are stored with chats and cached by providers: a change of the function would break both.
#[test]
fn names_never_change_between_builds() {
    assert_eq!(exposed_name("acme.web", "list"), "acme_web__list_2u5ewtoc");
    assert_eq!(
        exposed_name("acme", &"x".repeat(100)),
        "acme__xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_4b7djrgr"
    );
}

#[test]
fn a_tool_cannot_take_the_exposed_name_of_another() {
    let victim = exposed_name("a.b", "list");
    let hash = victim.rsplit_once('_').unwrap().1;
    let thief = exposed_name("a_b", &format!("list_{hash}"));
    assert_ne!(victim, thief);
}

#[test]
fn built_in_names_cannot_be_shadowed() {
    for built_in in BUILT_IN_NAMES {
        assert!(!built_in.contains("__") && !looks_hashed(built_in), "{built_in}");
    }
    let long_slug = "propose_plan".repeat(5) + "slug";
    assert!(!BUILT_IN_NAMES.contains(&exposed_name(&long_slug, "x").as_str()));
}

#[test]
fn patterns() {
    for (pattern, name, matches) in [
        ("list", "list", true),
        ("list", "List", false),
        ("list", "lists", false),
        ("list", "alist", false),
        ("list*", "list", true),
        ("list*", "list_all", true),
        ("*list", "my_list", true),
        ("*", "", true),
        ("*", "anything", true),
        ("**", "anything", true),
        ("", "", true),
        ("", "x", false),
        ("?", "x", true),
        ("?", "ä", true),
        ("?", "", false),
        ("?", "xy", false),
        ("a?c", "abc", true),
        ("a*b*c", "a_b_b_c", true),
        ("a*b*c", "acb", false),
        ("a*a", "a", false),
        ("ab*ba", "aba", false),
        ("*a*b", "bab", true),
        ("*issue*", "create_issue", true),
        ("delete_*", "delete_", true),
        ("delete_?*", "delete_", false),
        ("[ab]", "a", false),
        ("[ab]", "[ab]", true),
        ("a.c", "abc", false),
        ("issues/*", "issues/list", true),
    ] {
        assert_eq!(pattern_matches(pattern, name), matches, "{pattern} on {name}");
    }
}

/// Behaviour 15: the admin's patterns alone say what is safe to run twice.
#[test]
fn only_what_is_listed_is_safe_to_run_twice() {
    for (list, name, safe) in [
        (&[][..], "get", false),
        (&["*"], "get", true),
        (&["get"], "get", true),
        (&["get"], "GET", false),
        (&["get"], "get_all", false),
        (&["put", "get_*"], "get_all", true),
        (&["get?"], "get1", true),
        (&["get?"], "get", false),
    ] {
        let server = ServerRecord {
            tool_idempotent_list: list.iter().map(|text| (*text).to_owned()).collect(),
            ..crate::mcp_server::tests::record()
        };
        assert_eq!(safe_to_repeat(&server, name), safe, "{list:?} {name}");
    }
}

/// Behaviour 15: which calls wait for a person, and that nothing of what needs an approval is sent twice on one.
#[test]
fn only_what_is_listed_needs_an_approval_and_is_never_repeated() {
    let server = ServerRecord {
        tool_approval_list: vec!["create_*".to_owned(), "Drop".to_owned()],
        tool_idempotent_list: vec!["*".to_owned()],
        ..crate::mcp_server::tests::record()
    };
    for (name, needed) in [("create_issue", true), ("Drop", true), ("drop", false), ("get", false)] {
        assert_eq!(needs_approval(&server, name), needed, "{name}");
        assert_eq!(safe_to_repeat(&server, name), !needed, "{name}");
    }
}

#[test]
fn deny_wins_over_allow() {
    let list = |entries: &[&str]| entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
    let open = ToolFilter::default();
    assert!(open.verdict("x").is_allowed());
    let filter = ToolFilter::new(&list(&["list_*", "get_*"]), &list(&["*_secret"]));
    assert_eq!(filter.verdict("list_issues"), Verdict::Allowed);
    assert_eq!(filter.verdict("create_issue"), Verdict::NotOnAllowList);
    assert_eq!(filter.verdict("get_secret"), Verdict::Denied { pattern: "*_secret".into() });
    assert_eq!(filter.verdict("get_secret").reason(), "Denied by the pattern `*_secret`.");
    let deny_only = ToolFilter::new(&[], &list(&["drop"]));
    assert!(deny_only.verdict("Drop").is_allowed());
    assert!(!deny_only.verdict("drop").is_allowed());
}

/// The textbook definition, exponential, to compare with.
fn matches_slowly(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|at| matches_slowly(rest, &name[at..])),
        Some((first, rest)) => name
            .split_first()
            .is_some_and(|(head, tail)| (*first == '?' || first == head) && matches_slowly(rest, tail)),
    }
}

fn slug() -> impl Strategy<Value = String> {
    "[a-b][a-b._-]{0,4}[a-b.-]|[a-b]".prop_filter("slugs hold no __", |slug| !slug.contains("__"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn patterns_agree_with_the_definition(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(pattern_matches(&pattern, &name), matches_slowly(&chars(&pattern), &chars(&name)));
    }

    #[test]
    fn names_fit_every_provider(slug in ".{0,70}", original in ".{0,140}") {
        let name = exposed_name(&slug, &original);
        prop_assert!(name.len() <= 64);
        prop_assert!(name.chars().all(is_name_char));
        prop_assert_eq!(&name, &exposed_name(&slug, &original));
    }

    /// A small alphabet, so that nearly every set would collide without the hash.
    #[test]
    fn names_never_collide(tools in prop::collection::btree_set((slug(), "[ab_./]{0,4}|[ab]{60,64}"), 0..20)) {
        let mut routes = BTreeMap::new();
        for (slug, original) in tools {
            let name = exposed_name(&slug, &original);
            let other = routes.insert(name.clone(), (slug.clone(), original.clone()));
            prop_assert!(other.is_none(), "{name}: {other:?} and {slug}, {original}");
        }
    }
}

/// What names are made of: letters, what becomes `_`, homoglyphs, invisible characters, the separator, our own tools, long runs, tails that
/// look like a hash.
const FRAGMENTS: [&str; 26] = [
    "a",
    "b",
    "A",
    "_",
    "__",
    "-",
    ".",
    "/",
    " ",
    "\u{430}",
    "\u{ff41}",
    "\u{e9}",
    "e\u{301}",
    "\u{200b}",
    "\u{1f600}",
    "list",
    "spawn_agent",
    "propose_plan",
    "wait_agent",
    "_2u5ewtoc",
    "_4b7djrgr",
    "_234567aa",
    "2aaaaaaa",
    "0",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
];

/// Slugs as the form takes them: no `__`, no `_` at the end, a letter or digit first.
const SLUGS: [&str; 14] = [
    "a",
    "a.b",
    "a-b",
    "a_b",
    "a_b-",
    "a.",
    "A",
    "1",
    "spawn_agent",
    "list",
    "a_2u5ewtoc",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "x.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// Threat 45. Also with tools that are called as others are exposed: a server learns these names from the model's calls.
    #[test]
    fn ten_thousand_hostile_sets_of_names_are_told_apart(
        picks in prop::collection::vec((0..SLUGS.len(), prop::collection::vec(0..FRAGMENTS.len(), 1..5), any::<u8>()), 2..8),
    ) {
        let mut tools: Vec<(String, String)> = Vec::new();
        for (slug, fragments, trick) in picks {
            let name: String = fragments.iter().map(|at| FRAGMENTS[*at]).collect();
            let earlier = tools.last().map(|(slug, name)| exposed_name(slug, name));
            let name = match (trick % 8, earlier) {
                // the whole exposed name of another tool, or what would make ours read like it
                (0, Some(exposed)) => exposed,
                (1, Some(exposed)) => exposed.split_once("__").map_or(exposed.clone(), |(_, tail)| tail.to_owned()),
                (2, Some(exposed)) => format!("{name}{}", &exposed[exposed.len().saturating_sub(NAME_HASH_CHARS + 1)..]),
                _ => name,
            };
            tools.push((SLUGS[slug].to_owned(), name));
        }
        tools.sort();
        tools.dedup();
        let mut routes = BTreeMap::new();
        for (slug, original) in &tools {
            let name = exposed_name(slug, original);
            prop_assert!((1..=EXPOSED_NAME_CHARS).contains(&name.len()) && name.chars().all(is_name_char), "{name}");
            prop_assert!(!BUILT_IN_NAMES.contains(&name.as_str()), "{name}");
            // A function of these two and of nothing else: whatever was named before, in whatever order.
            prop_assert_eq!(&name, &exposed_name(&slug.clone(), &original.clone()));
            let other = routes.insert(name.clone(), (slug, original));
            prop_assert!(other.is_none(), "{name}: {other:?} and {slug}, {original}");
        }
    }
}
