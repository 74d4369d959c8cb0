//! The hostile corpus: one case for each number of threats 9, tables B and C. A case drives the pool over the real outbound
//! client against a peer on loopback that does what the row says, with a healthy server of the same pool at work beside it.
//!
//! Where a row names a figure that takes minutes, its test says by how much it is scaled down.

mod addresses;
mod crossing;
mod effects;
mod hops;
mod huge;
mod lab;
mod messages;
mod names;
mod numbers;
mod old_peer;
mod refusals;
mod slow;
mod storm;
mod tools;

use std::collections::BTreeSet;

/// What a number is shown by.
enum Shown {
    /// The test. It is named, so that none can be listed that does not exist.
    #[expect(dead_code, reason = "being named is its use")]
    By(fn()),
    /// Comes with this issue.
    NotYet(&'static str),
}

struct Case {
    number: u8,
    name: &'static str,
    shown: Shown,
}

macro_rules! case {
    ($number:literal, not yet $issue:literal, $name:literal) => {
        Case { number: $number, name: $name, shown: Shown::NotYet($issue) }
    };
    ($number:literal, $($test:ident)::+) => {
        Case { number: $number, name: stringify!($($test)::+), shown: Shown::By($($test)::+) }
    };
}

const CASES: &[Case] = &[
    case!(24, addresses::ip_literals),
    case!(25, names::rebinding),
    case!(26, hops::redirect_chains),
    case!(27, addresses::parser_differentials),
    case!(28, addresses::listed_private_servers),
    case!(29, names::proxy_in_the_environment),
    case!(30, addresses::our_own_url),
    case!(31, hops::side_fetches),
    case!(32, hops::open_and_closed_ports_look_alike),
    case!(33, slow::accepts_and_never_answers),
    case!(34, slow::drips_and_endless_streams),
    case!(35, huge::bodies_without_an_end),
    case!(36, messages::malformed_json_rpc),
    case!(37, crossing::two_users_with_colliding_ids),
    case!(38, crossing::shared_keys_share_no_session),
    case!(39, effects::session_lost_in_mid_turn),
    case!(40, effects::connection_cut_after_the_effect),
    case!(41, refusals::refused_in_mid_turn),
    case!(42, numbers::hostile_numbers),
    case!(43, huge::lists_without_an_end),
    case!(44, tools::schema_bombs),
    case!(45, tools::hostile_names),
    case!(46, tools::rug_pull_between_list_and_call),
    case!(47, not yet "5/9", "text of one server leads to no unapproved call of another"),
    case!(48, tools::mirrored_headers),
    case!(49, not yet "5/9", "elicitation abuse"),
    case!(50, crossing::lists_of_two_users),
    case!(51, storm::list_changed_storm),
];

/// What may still be missing, and until when.
const MAY_WAIT: &[(u8, &str)] = &[(47, "5/9"), (49, "5/9")];

#[test]
fn every_number_of_b_and_c_has_one_case() {
    let numbers: Vec<u8> = CASES.iter().map(|case| case.number).collect();
    assert_eq!(numbers, (24..=51).collect::<Vec<u8>>(), "a number is missing, double or out of place");
    let names: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), CASES.len(), "one test stands for two numbers");
    let waiting: Vec<(u8, &str)> = CASES.iter().filter_map(Case::waits).collect();
    assert_eq!(waiting, MAY_WAIT);
}

impl Case {
    fn waits(&self) -> Option<(u8, &'static str)> {
        match self.shown {
            Shown::By(_) => None,
            Shown::NotYet(issue) => Some((self.number, issue)),
        }
    }
}
