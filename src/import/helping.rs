//! Connection helpers: rules that assign them are said by what allows the service.

use std::collections::BTreeSet;

use crate::net::{Family, Helper};
use crate::resolve::policy::Part;
use crate::ruleset::{TableName, Target};
use crate::source::Span;

use super::Level;
use super::draft::Drafting;
use super::reading::Standing;
use super::statement::{Statement, Verb};

/// The traffic that has a helper by rules of the raw table.
#[derive(Debug, Clone, Default)]
pub(super) struct Helping(BTreeSet<(Family, Part, Helper)>);

impl Drafting<'_> {
    /// Finds which traffic has helpers.
    pub(super) fn find_helped(&mut self) {
        let mut found = BTreeSet::new();
        for (family, _, part, helper) in self.helping_rules() {
            found.insert((family, part, helper));
        }
        self.helping = Helping(found);
    }

    /// The rules that assign helpers by ports, and by what else a statement can say of them.
    fn helping_rules(&self) -> Vec<(Family, Span, Part, Helper)> {
        let mut all = Vec::new();
        for side in &self.sides {
            for told in side.told().filter(|told| self.choices.level(told.line) == Level::Free) {
                if let (Verb::Help(helper), [part]) = (&told.said.verb, &told.said.parts[..]) {
                    all.push((side.ruleset.family, told.line, part.clone(), *helper));
                }
            }
        }
        all
    }

    /// The services that a statement allows with their helpers.
    pub(super) fn helped(&self, said: &Statement, family: Family) -> BTreeSet<String> {
        if said.verb != Verb::Allow || self.helping.0.is_empty() {
            return BTreeSet::new();
        }
        let has = |part: &Part, helper| self.helping.0.contains(&(family, part.clone(), helper));
        self.writer.services.helped(&said.parts, has)
    }

    /// The lines of the rules that what allows the traffic says.
    pub(super) fn said_by_services(&self) -> BTreeSet<Span> {
        let rules = self.helping_rules();
        let mut said = BTreeSet::new();
        for side in self.sides.iter().filter(|_| !rules.is_empty()) {
            let family = side.ruleset.family;
            let filter = side.ruleset.table(TableName::Filter);
            let chains = filter.into_iter().flat_map(|table| &table.chains);
            let allowing = chains
                .flat_map(|chain| &chain.rules)
                .filter(|rule| rule.target == Target::Accept)
                .filter_map(|rule| self.words(side, rule, Standing::Filter));
            let names: BTreeSet<String> = allowing.flat_map(|said| said.helped).collect();
            let services = self.writer.services;
            let parts: BTreeSet<(&Part, Helper)> = services.parts_of(&names).collect();
            said.extend(rules.iter().filter_map(|(of, line, part, helper)| {
                (*of == family && parts.contains(&(part, *helper))).then_some(*line)
            }));
        }
        said
    }
}
