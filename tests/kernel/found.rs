//! A policy with what the analysis finds in it, and its rules in the kernel with their counters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use palisade::analyze;
use palisade::diagnostic::{Finding, Level, catalogue};
use palisade::emit::{self, Header};
use palisade::lower::{Lowered, lower};
use palisade::meaning::{Meaning, meaning};
use palisade::net::Family;
use palisade::resolve;
use palisade::ruleset::{Origin, Rule, Table, TableName, Target};
use palisade::source::{MemoryLoader, Sources};

use crate::load::{Rules, Variant, restore, restore_sets, save_with_counters};
use crate::netns::Namespace;

/// What is reported of rules that no packet meets.
const DEAD: [&str; 5] =
    ["never-matches", "unreachable-rule", "duplicate-rule", "shadowed-conflict", "shadowed-rule"];

pub struct Found {
    pub text: String,
    pub sources: Sources,
    pub policy: resolve::Policy,
    pub meaning: Meaning,
    pub findings: Vec<Finding>,
    lowered: Lowered,
    rules: Rules,
}

/// A rule of the kernel that does what its statement says, rather than leading there.
pub struct Act<'f> {
    pub family: Family,
    pub table: TableName,
    chain: &'f str,
    index: usize,
    pub rule: &'f Rule,
    /// Whether new destinations are given there.
    on_arrival: bool,
}

/// How many packets met each rule, by the chain it stands in.
pub struct Counters(BTreeMap<(Family, TableName, String), Vec<u64>>);

impl Found {
    /// `None` when it is refused for more than rules that never match.
    pub fn of(text: String) -> Option<Self> {
        let mut sources = Sources::new();
        let root = sources.add("policy.fw", text.as_str());
        let resolved = resolve::resolve(root, &mut sources, &mut MemoryLoader::default());
        let is_refused = |finding: &Finding| {
            finding.level == Level::Error && *finding.lint != catalogue::NEVER_MATCHES
        };
        if resolved.findings.iter().any(is_refused) {
            return None;
        }
        let policy = resolved.policy;
        let meaning = meaning(&policy);
        let all = |_: &palisade::diagnostic::Lint| true;
        let findings = analyze::findings(
            analyze::Text::Policy(&policy),
            &meaning,
            &sources,
            &resolved.expectations,
            &all,
        );
        let lowered = lower(&policy, &sources);
        let header = Header::default();
        let rules = Rules {
            sets: emit::ipsets(&lowered.v4, &lowered.v6, &header, &sources),
            v4: emit::iptables(&lowered.v4, &header, &sources),
            v6: emit::iptables(&lowered.v6, &header, &sources),
        };
        Some(Found { text, sources, policy, meaning, findings, lowered, rules })
    }

    /// Forgets who was added to a set; who is written in one stays.
    pub fn empty_sets(&self, router: &Namespace) {
        router.output("ipset", &["flush"], "").expect("sets can be emptied");
        restore_sets(router, &self.rules.sets).expect("they were loaded before");
    }

    /// Loads its rules, all counters at zero.
    pub fn load(&self, router: &Namespace, variant: Variant) {
        router.output("ipset", &["flush"], "").expect("sets can be emptied");
        let sets = restore_sets(router, &self.rules.sets);
        let rules = || {
            let mut families = Family::BOTH.into_iter();
            families.try_for_each(|family| restore(router, variant, family, self.rules.of(family)))
        };
        sets.and_then(|()| rules())
            .unwrap_or_else(|error| panic!("{variant:?}: {error}\n{}", self.text));
    }

    /// How often each of its rules was met since they were loaded.
    pub fn counters(&self, router: &Namespace, variant: Variant) -> Counters {
        let mut counters = BTreeMap::new();
        for family in Family::BOTH {
            read(&save_with_counters(router, variant, family), family, &mut counters);
        }
        for (family, table) in self.tables() {
            for chain in &table.chains {
                let key = (family, table.name, chain.name.to_string());
                let read = counters.get(&key).map_or(0, Vec::len);
                assert_eq!(read, chain.rules.len(), "{key:?} {}", self.text);
            }
        }
        Counters(counters)
    }

    fn tables(&self) -> impl Iterator<Item = (Family, &Table)> {
        let both = [(Family::V4, &self.lowered.v4), (Family::V6, &self.lowered.v6)];
        both.into_iter()
            .flat_map(|(family, ruleset)| ruleset.tables.iter().map(move |table| (family, table)))
    }

    /// The rules that act for statements and for implicit rules.
    pub fn acts(&self) -> Vec<Act<'_>> {
        self.tables().flat_map(|(family, table)| self.acts_of(family, table)).collect()
    }

    fn acts_of<'f>(&self, family: Family, table: &'f Table) -> Vec<Act<'f>> {
        let own = self.policy.chains.iter().map(|chain| &*chain.name);
        let own: BTreeSet<String> =
            own.flat_map(|name| [name.to_owned(), format!("pal-{name}")]).collect();
        let shared = shared(table, &own);
        let arriving = reached(table, &["PREROUTING", "OUTPUT"]);
        let chains = table.chains.iter().filter(|chain| !shared.contains(&*chain.name));
        let acts = chains.flat_map(|chain| {
            let on_arrival = arriving.contains(&*chain.name);
            let rules = chain.rules.iter().enumerate();
            rules.map(move |(index, rule)| Act {
                family,
                table: table.name,
                chain: &chain.name,
                index,
                rule,
                on_arrival,
            })
        });
        // Other jumps lead from one condition of a statement to the next.
        let does = |act: &Act<'_>| match &act.rule.target {
            Target::Jump(name) | Target::Goto(name) => own.contains(&**name),
            _ => true,
        };
        acts.filter(does).collect()
    }

    /// The statements of which it is reported that no packet meets them, as rules name them, with the
    /// findings.
    pub fn dead(&self) -> Vec<(Origin, &Finding)> {
        let dead = self.findings.iter().filter(|finding| DEAD.contains(&finding.lint.name));
        // Of a call in a call only the outermost is known of a rule.
        let one_call = dead.filter(|finding| finding.also_at.len() < 2);
        let named = |finding: &'_ Finding| Origin::Statement {
            span: finding.span.expect("a rule has a place"),
            call: finding.also_at.last().copied(),
        };
        one_call.map(|finding| (named(finding), finding)).collect()
    }

    /// The statements that have rules, in no order.
    pub fn statements(&self) -> BTreeSet<Origin> {
        let acts = self.acts().into_iter().map(|act| act.rule.origin);
        acts.filter(|origin| matches!(origin, Origin::Statement { .. })).collect()
    }

    /// The rules in which a statement is judged: in filter and nat, if it has rules there; of one that
    /// gives new destinations, where it does.
    pub fn judged(&self, origin: Origin) -> Vec<Act<'_>> {
        let own = |act: &Act<'_>| act.rule.origin == origin;
        let mut acts: Vec<Act<'_>> = self.acts().into_iter().filter(own).collect();
        let decides = |act: &Act<'_>| matches!(act.table, TableName::Filter | TableName::Nat);
        if acts.iter().any(decides) {
            acts.retain(decides);
        }
        let arrives = |act: &Act<'_>| act.table == TableName::Nat && act.on_arrival;
        let arriving =
            Family::BOTH.map(|family| acts.iter().any(|act| act.family == family && arrives(act)));
        let counts = |act: &Act<'_>| {
            let [v4, v6] = arriving;
            let arriving = if act.family == Family::V4 { v4 } else { v6 };
            !arriving || arrives(act)
        };
        acts.into_iter().filter(counts).collect()
    }
}

impl Counters {
    pub fn of(&self, act: &Act<'_>) -> u64 {
        self.0[&(act.family, act.table, act.chain.to_owned())][act.index]
    }
}

/// The chains that rules of several statements lead to, other than those that users wrote: what is done
/// there is not done for one of them.
fn shared(table: &Table, own: &BTreeSet<String>) -> BTreeSet<Arc<str>> {
    let mut callers: BTreeMap<&Arc<str>, BTreeSet<Origin>> = BTreeMap::new();
    for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
        if let Target::Jump(name) | Target::Goto(name) = &rule.target {
            callers.entry(name).or_default().insert(rule.origin);
        }
    }
    let is_shared = |name: &str, origins: &BTreeSet<Origin>| {
        let is_base =
            name.starts_with("pal-") && table.name.built_in_chains().contains(&&name[4..]);
        origins.len() > 1 && !own.contains(name) && !is_base
    };
    let shared = callers.iter().filter(|(name, origins)| is_shared(name, origins));
    let shared: Vec<&str> = shared.map(|(name, _)| &***name).collect();
    let behind = reached(table, &shared);
    behind.into_iter().filter(|name| !own.contains(&**name)).collect()
}

/// Some chains, and those that rules lead to from there.
fn reached(table: &Table, from: &[&str]) -> BTreeSet<Arc<str>> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<Arc<str>> = from.iter().map(|name| (*name).into()).collect();
    while let Some(name) = waiting.pop() {
        if reached.insert(Arc::clone(&name)) {
            let rules = table.chain(&name).into_iter().flat_map(|chain| &chain.rules);
            waiting.extend(rules.filter_map(|rule| match &rule.target {
                Target::Jump(name) | Target::Goto(name) => Some(Arc::clone(name)),
                _ => None,
            }));
        }
    }
    reached
}

/// Reads what `iptables-save --counters` prints.
fn read(
    saved: &str,
    family: Family,
    counters: &mut BTreeMap<(Family, TableName, String), Vec<u64>>,
) {
    let mut table = TableName::Filter;
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = TableName::ALL
                .into_iter()
                .find(|table| table.name() == name)
                .unwrap_or_else(|| panic!("a table {name}"));
        } else if let Some((count, rule)) =
            line.strip_prefix('[').and_then(|line| line.split_once("] -A "))
        {
            let chain = rule.split(' ').next().unwrap_or_default();
            let packets = count.split(':').next().unwrap_or_default();
            let packets = packets.parse().unwrap_or_else(|_| panic!("no counter: {line}"));
            counters.entry((family, table, chain.to_owned())).or_default().push(packets);
        }
    }
}
