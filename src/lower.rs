//! Policy → ruleset: each statement becomes kernel rules of both families, in the order written.
//!
//! In goes a resolved policy, out come the tables of IPv4 and IPv6. First match in source order
//! stays first match; nothing is hoisted, and a list of n things costs n rules, not a product. It is
//! total: whatever a policy says, it comes out as rules, and what is empty in a family comes out as
//! none there, never as a rule without the condition.
//!
//! To read on: `set` is how packets are described on the way, `layout` how such a description
//! becomes rules and chains, `filter`, `nat` and `alter` what statements become.

mod address;
mod alter;
mod body;
mod condition;
mod docker;
mod filter;
mod flow;
mod forward;
mod generated;
mod implicit;
mod layout;
mod limit;
mod nat;
mod own;
mod part;
mod place;
mod port_map;
mod raw;
mod reject;
mod set;
mod sets;
mod tracking;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::net::Family;
use crate::packet::shares::both;
use crate::resolve::Policy;
use crate::resolve::policy::{self, Hook, Item, RawTable, Remarks, Scope};
use crate::ruleset::{
    Chain, ChainPolicy, KernelSet, Match, MatchKind, Origin, Rule, Ruleset, Table, TableName,
    Target,
};
use crate::source::Sources;

use alter::Changing;
use body::Body;
use generated::Generated;
use layout::Layout;
use limit::Limits;

/// What a policy is to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowered {
    pub v4: Ruleset,
    pub v6: Ruleset,
}

/// The rulesets of a policy. `sources` are looked up for where limits stand.
#[must_use]
pub fn lower(policy: &Policy, sources: &Sources) -> Lowered {
    let limits = Limits::of(policy, sources);
    let of = |family| Lowering::new(policy, &limits, family).run();
    // The families know nothing of each other.
    let (v6, v4) = both(|| of(Family::V6), || of(Family::V4));
    Lowered { v4, v6 }
}

/// One family's tables while they are written.
struct Lowering<'a> {
    policy: &'a Policy,
    limits: &'a Limits,
    family: Family,
    /// The kernel's sets of this family, by [`policy::SetId`].
    sets: Vec<Arc<KernelSet>>,
    /// Generated chains of the filter table, then those of the nat table.
    filter: Generated,
    nat: Generated,
    prerouting: Vec<Rule>,
    nat_output: Vec<Rule>,
    postrouting: Vec<Rule>,
    nat_input: Vec<Rule>,
    mangle: Changing,
    raw: Changing,
    security: Changing,
}

/// The filter chains while they are written.
#[derive(Default)]
struct Hooks {
    input: Body,
    forward: Body,
    output: Body,
}

impl Hooks {
    fn of(&mut self, hook: Hook) -> &mut Body {
        match hook {
            Hook::Input => &mut self.input,
            Hook::Forward => &mut self.forward,
            Hook::Output => &mut self.output,
        }
    }
}

impl<'a> Lowering<'a> {
    fn new(policy: &'a Policy, limits: &'a Limits, family: Family) -> Self {
        let taken = || policy.chains.iter().map(|chain| Arc::clone(&chain.name));
        let changing = |name| Changing::new(name, Generated::new(taken()));
        Lowering {
            policy,
            limits,
            family,
            sets: sets::kernel_sets(policy, family),
            filter: Generated::new(taken()),
            nat: Generated::new(taken()),
            prerouting: Vec::new(),
            nat_output: Vec::new(),
            postrouting: Vec::new(),
            nat_input: Vec::new(),
            mangle: changing(TableName::Mangle),
            raw: changing(TableName::Raw),
            security: changing(TableName::Security),
        }
    }

    fn run(mut self) -> Ruleset {
        let policy = self.policy;
        let mut hooks = Hooks::default();
        self.restore_marks(policy);
        for item in &policy.items {
            match item {
                Item::Rule(rule) => {
                    for hook in Hook::ALL {
                        self.filter_rule(hooks.of(hook), rule, Scope::Hook(hook));
                    }
                }
                Item::Nat(nat) => self.nat_statement(&mut hooks, nat),
                Item::Alter(alteration) => self.alteration(alteration),
                Item::Raw(raw) => self.raw(&mut hooks, raw),
            }
        }
        self.helpers(policy);
        let docker = policy.docker.as_ref().map(|docker| self.docker_user(docker));
        let mut users = |table| {
            let own = policy.chains.iter().filter(move |chain| chain.table == table);
            own.map(|chain| self.user_chain(chain)).collect::<Vec<Chain>>()
        };
        let users = RawTable::ALL.map(&mut users);
        let Hooks { input, forward, output } = hooks;
        let built_in = vec![
            self.base_chain(Hook::Input, input),
            self.base_chain(Hook::Forward, forward),
            self.base_chain(Hook::Output, output),
        ];
        let family = self.family;
        let sets = std::mem::take(&mut self.sets);
        let tables = self.tables(built_in, docker, users);
        let mut ruleset = Ruleset { family, tables, sets, preserve: false };
        if let Some(preserve) = &policy.preserve {
            let origin = Origin::Statement { span: preserve.span, call: None };
            own::preserve_others(&mut ruleset, origin);
        }
        ruleset
    }

    fn user_chain(&mut self, chain: &policy::Chain) -> Chain {
        let mut body = Body::default();
        for rule in &chain.rules {
            self.filter_rule(&mut body, rule, Scope::Chain);
        }
        self.raws_of_chain(&mut body, chain);
        let rules = body.finish(&mut self.filter);
        Chain { name: Arc::clone(&chain.name), policy: None, rules }
    }

    fn base_chain(&mut self, hook: Hook, body: Body) -> Chain {
        let (name, body_name) = match hook {
            Hook::Input => ("INPUT", "input.rules"),
            Hook::Forward => ("FORWARD", "forward.rules"),
            Hook::Output => ("OUTPUT", "output.rules"),
        };
        let default = self.policy.defaults.of(hook);
        let mut rules = implicit::implicit_rules(self.policy, hook, self.family);
        let mut last = implicit::default_rules(default, self.family);
        let leaves = body.leaves;
        let mut body = body.finish(&mut self.filter);
        if leaves && !last.is_empty() {
            // Whoever leaves the body comes to the default, not past it to the policy.
            let chain = self.filter.named(body_name, body);
            let origin = Origin::Default(default.span);
            rules.push(Rule { matches: Vec::new(), target: Target::Jump(chain), origin });
        } else {
            rules.append(&mut body);
        }
        rules.append(&mut last);
        Chain { name: name.into(), policy: Some(implicit::chain_policy(default)), rules }
    }

    /// `users` are the chains of users in each table, in the order of [`RawTable::ALL`].
    fn tables(
        self,
        filter: Vec<Chain>,
        docker: Option<Chain>,
        users: [Vec<Chain>; RawTable::ALL.len()],
    ) -> Vec<Table> {
        let [users, nat_users, mangle_users, raw_users, security_users] = users;
        let nat = [
            ("PREROUTING", self.prerouting),
            ("INPUT", self.nat_input),
            ("OUTPUT", self.nat_output),
            ("POSTROUTING", self.postrouting),
        ];
        let nat = nat.map(|(name, rules)| built_in(name, rules)).into_iter();
        let filter = filter.into_iter().chain(docker).chain(users);
        let filter = filter.chain(self.filter.into_chains());
        let nat = nat.chain(nat_users).chain(self.nat.into_chains());
        let mut tables = vec![
            Table { name: TableName::Filter, chains: filter.collect() },
            Table { name: TableName::Nat, chains: nat.collect() },
            Table { name: TableName::Mangle, chains: self.mangle.finish(mangle_users) },
            Table { name: TableName::Raw, chains: self.raw.finish(raw_users) },
        ];
        let security = self.security.finish(security_users);
        // Not every kernel has this table.
        if security.iter().any(|chain| chain.policy.is_none() || !chain.rules.is_empty()) {
            tables.push(Table { name: TableName::Security, chains: security });
        }
        tables
    }

    /// Writes rules of one statement to the filter table.
    fn layout(&mut self, origin: policy::Origin) -> Layout<'_> {
        let origin = self.origin(origin);
        Layout { chains: &mut self.filter, origin }
    }

    /// Writes rules of one statement to the nat table.
    fn nat_layout(&mut self, origin: policy::Origin) -> Layout<'_> {
        let origin = self.origin(origin);
        Layout { chains: &mut self.nat, origin }
    }

    /// A statement, with the outermost use of a `def` that it came through.
    fn origin(&self, origin: policy::Origin) -> Origin {
        Origin::Statement { span: origin.span, call: self.policy.outermost_call(origin) }
    }
}

/// What is said of a statement, as a match that is always true.
fn comment(remarks: &Remarks) -> Option<Match> {
    remarks.comment.clone().map(|comment| MatchKind::Comment(comment).into())
}

fn built_in(name: &str, rules: Vec<Rule>) -> Chain {
    Chain { name: name.into(), policy: Some(ChainPolicy::Accept), rules }
}
