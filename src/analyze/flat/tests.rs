use super::*;
use crate::analyze::dead::Life;
use crate::meaning::meaning;
use crate::resolve::resolve;
use crate::source::{MemoryLoader, Sources};

/// Which steps of INPUT are live, by the first words of their statements.
fn lives(text: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    assert!(!crate::diagnostic::has_errors(&resolved.findings), "{:?}", resolved.findings);
    let meaning = meaning(&resolved.policy);
    let flat = Flat::of(&meaning, Family::V4, BaseChain::FilterInput).expect("a chain");
    assert!(flat.is_whole());
    let list = flat.list(Budget::default());
    let told = flat.steps.iter().zip(list.lives()).filter_map(|(step, life)| {
        let crate::meaning::Reason::Written(origin) = step.entry.reason else { return None };
        let text = sources.text(origin.span).trim_end();
        let state = match (step.role, life) {
            (Role::NoWayBack, _) => return None,
            (Role::Said, Life::Live(_)) => "live",
            (Role::Said, Life::Dead(_)) => "dead",
            (Role::Said, Life::NeverMatches) => "never",
            (Role::Said, Life::Unknown) => "unknown",
        };
        Some(format!("{text}: {state}"))
    });
    told.collect()
}

#[test]
fn what_leaves_a_chain_takes_from_the_rest_of_it_only() {
    let found = lives(
        "chain guard {\n  return from 10.0.0.0/8\n  drop from 10.1.0.0/16\n  allow tcp 22\n}\n\
         input {\n  jump guard\n  allow tcp 22 from 10.2.0.0/16\n  allow tcp 22 from 11.0.0.0/8\n}\n",
    );
    let expected = [
        "jump guard: live",
        "return from 10.0.0.0/8: live",
        "drop from 10.1.0.0/16: dead",
        "allow tcp 22: live",
        "allow tcp 22 from 10.2.0.0/16: live",
        "allow tcp 22 from 11.0.0.0/8: dead",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_limited_call_takes_from_nobody_behind_it() {
    let found = lives(
        "chain guard {\n  allow tcp any\n  drop tcp 22\n}\n\
         input {\n  jump guard limit 10/s\n  allow tcp 22\n}\n",
    );
    let expected = [
        "jump guard limit 10/s: live",
        "allow tcp any: live",
        "drop tcp 22: dead",
        "allow tcp 22: live",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_goto_does_not_come_back() {
    let found = lives(
        "chain inner {\n  allow tcp 22\n}\nchain outer {\n  goto inner tcp any\n  drop tcp 80\n  drop udp any\n}\n\
         input {\n  jump outer\n  allow tcp 80\n  goto inner tcp 443\n  allow tcp 443\n}\n",
    );
    let expected = [
        "jump outer: live",
        "goto inner tcp any: live",
        "allow tcp 22: live",
        "drop tcp 80: dead",
        "drop udp any: live",
        "allow tcp 80: live",
        "goto inner tcp 443: live",
        "allow tcp 22: never",
        "allow tcp 443: dead",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_set_is_another_one_after_its_source_was_added() {
    let found = lives(
        "set seen dynamic\n\
         input {\n  drop tcp 22 from seen\n  drop tcp 22 from seen\n  add source to seen tcp 23\n  \
         drop tcp 22 from seen\n  drop tcp 23 from seen\n}\n",
    );
    assert_eq!(found[1], "drop tcp 22 from seen: dead");
    assert_eq!(found[3], "drop tcp 22 from seen: live");
    assert_eq!(found[4], "drop tcp 23 from seen: live");
}

#[test]
fn raw_rules_take_what_their_words_say_unless_they_ask_for_history() {
    let found = lives(
        "raw v4 filter INPUT \"-m string --algo bm --string x -j DROP\"\n\
         raw v4 filter INPUT \"-m string --algo bm --string x -j DROP\"\n\
         raw v4 filter INPUT \"-m limit --limit 1/s -j DROP\"\n\
         raw v4 filter INPUT \"-m limit --limit 1/s -j DROP\"\n\
         input {\n  drop mark 1\n  drop mark 1\n}\n\
         raw v4 filter INPUT \"-j CONNMARK --restore-mark\"\n\
         input {\n  drop mark 1\n}\n",
    );
    let states: Vec<&str> =
        found.iter().filter_map(|one| one.rsplit_once(": ")).map(|(_, state)| state).collect();
    assert_eq!(states, ["live", "dead", "live", "live", "live", "dead", "live", "live"]);
}
