//! The facts that say which limits of a ruleset have room, each by what it counts and by its number among
//! those that count alike, in the order in which packets may meet them.

use std::collections::{BTreeSet, HashMap};

use palisade::analyze::equal::Rooms;
use palisade::analyze::ruled::{place, ruled};
use palisade::meaning::{BaseChain, Question};
use palisade::net::Family;
use palisade::resolve::policy::LimitId;
use palisade::ruleset::{Chain, Match, MatchKind, Rule, Ruleset, Target};

/// The fact of each match that depends on history, by where the match is.
pub fn rooms(ruleset: &Ruleset) -> HashMap<*const Match, String> {
    let mut numbering = Numbering { ruleset, alike: HashMap::new(), rooms: HashMap::new() };
    let mut seen = BTreeSet::new();
    for base in BaseChain::ALL {
        let (table, name) = place(base);
        let Some(table) = ruleset.table(table) else { continue };
        let mut open: Vec<(&Chain, usize)> =
            table.chain(name).map(|it| (it, 0)).into_iter().collect();
        while let Some((chain, next)) = open.pop() {
            let Some(rule) = chain.rules.get(next) else { continue };
            open.push((chain, next + 1));
            numbering.rule(rule);
            if let Target::Jump(to) | Target::Goto(to) = &rule.target
                && seen.insert((table.name, to))
            {
                open.extend(table.chain(to).map(|chain| (chain, 0)));
            }
        }
    }
    numbering.rooms
}

struct Numbering<'r> {
    ruleset: &'r Ruleset,
    /// How many there are so far that count alike, and which of them have names.
    alike: HashMap<String, Vec<Option<&'r str>>>,
    rooms: HashMap<*const Match, String>,
}

impl<'r> Numbering<'r> {
    fn rule(&mut self, rule: &'r Rule) {
        let of_history: Vec<&Match> =
            rule.matches.iter().filter(|found| found.kind.depends_on_history()).collect();
        for (at, found) in of_history.iter().enumerate() {
            let fact = alone(found, self.ruleset);
            let is_last = at + 1 == of_history.len();
            let of_log = is_last && matches!(rule.target, Target::Log { .. });
            let fact = match &found.kind {
                MatchKind::Limit { .. } if of_log && !found.negated => {
                    fact.replacen("room in a limit", "room in a log", 1)
                }
                MatchKind::Hashlimit(table) if !found.negated => {
                    self.numbered(fact, Some(&*table.name))
                }
                _ => self.numbered(fact, None),
            };
            self.rooms.insert(std::ptr::from_ref(*found), fact);
        }
    }

    /// A fact with the number of a limit. Those of one name count together.
    fn numbered(&mut self, fact: String, name: Option<&'r str>) -> String {
        let alike = self.alike.entry(fact.clone()).or_default();
        let known = alike.iter().position(|known| known.is_some() && *known == name);
        let number = known.unwrap_or_else(|| {
            alike.push(name);
            alike.len() - 1
        });
        if number == 0 { fact } else { format!("{fact} (number {} of these)", number + 1) }
    }
}

/// The fact about a match in a ruleset that has no other.
fn alone(found: &Match, ruleset: &Ruleset) -> String {
    let mut alone = ruleset.clone();
    alone.tables.retain_mut(|table| {
        table.chains.retain(|chain| chain.policy.is_some());
        table.chains.iter_mut().for_each(|chain| chain.rules.clear());
        true
    });
    let chain = alone.tables.iter_mut().flat_map(|table| &mut table.chains).next();
    let origin = palisade::ruleset::Origin::Default(None);
    let rule = Rule { matches: vec![found.clone()], target: Target::Accept, origin };
    chain.expect("a ruleset has chains").rules.push(rule);
    let families = [Some(&alone).filter(|_| ruleset.family == Family::V4), Some(&alone)];
    let [v4, v6] = families.map(|one| one.filter(|one| one.family == ruleset.family));
    let v6 = v6.filter(|_| ruleset.family == Family::V6);
    let meaning = ruled(v4, v6).meaning;
    Rooms::of(&meaning, ruleset.family).fact(Question::Limit(LimitId(0))).to_string()
}
