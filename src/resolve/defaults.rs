//! `default` and `implicit`: what holds when nothing else is said.

use super::policy::{Defaults, Hook, HookDefault, Implicit, RejectWith, Verdict};
use super::{Resolver, context, messages};
use crate::source::Span;
use crate::syntax::tree::{ClauseKind, DefaultStatement, Name, Statement, StatementKind, VerbKind};

/// The implicit rules by name, in the order in which they stand.
const IMPLICIT: [&str; 5] =
    ["loopback", "established", "invalid", "neighbour-discovery", "dhcpv6-client"];

/// Those whose absence is told whatever the rules say.
const LEFT_OUT: [&str; 2] = ["invalid", "dhcpv6-client"];

impl<'a> Resolver<'a> {
    pub(super) fn defaults(&mut self, statements: &[&'a Statement]) -> Defaults {
        let built_in = |verdict| HookDefault { verdict, log: None, span: None };
        let mut defaults = Defaults {
            input: built_in(Verdict::Drop),
            forward: built_in(Verdict::Drop),
            output: built_in(Verdict::Allow),
        };
        for statement in statements {
            if let StatementKind::Default(default) = &statement.kind {
                self.default(default, statement.span, &mut defaults);
            }
        }
        defaults
    }

    fn default(&mut self, default: &DefaultStatement, span: Span, defaults: &mut Defaults) {
        let Some(read) = self.read_default(default, span) else { return };
        for (hook, at) in self.default_hooks(&default.directions, span) {
            let slot = match hook {
                Hook::Input => &mut defaults.input,
                Hook::Forward => &mut defaults.forward,
                Hook::Output => &mut defaults.output,
            };
            if let Some(first) = slot.span {
                self.report(messages::default_twice(at, first));
                continue;
            }
            *slot = read.clone();
        }
    }

    fn read_default(&mut self, default: &DefaultStatement, span: Span) -> Option<HookDefault> {
        let mut verdict = match default.verb.kind {
            VerbKind::Allow => Verdict::Allow,
            VerbKind::Drop => Verdict::Drop,
            VerbKind::Reject => Verdict::Reject(RejectWith::PortUnreachable),
            _ => {
                let word = self.text(default.verb.span);
                self.report(messages::not_a_default(default.verb.span, word));
                return None;
            }
        };
        let mut log = None;
        if !self.check_duplicates(&default.clauses) {
            return None;
        }
        for clause in &default.clauses {
            match (&clause.kind, verdict) {
                (ClauseKind::Log(options), _) => log = Some(self.log(options, None)?),
                (ClauseKind::With(name), Verdict::Reject(_)) => {
                    let both = crate::net::Families::BOTH;
                    let with = self.reject_word(*name, both)?;
                    if with == RejectWith::TcpReset {
                        self.report(messages::tcp_only(name.0, "`tcp-reset`", "a default"));
                        return None;
                    }
                    verdict = Verdict::Reject(with);
                }
                (kind, _) => {
                    self.clause_of_default(default, clause.span, kind);
                    return None;
                }
            }
        }
        Some(HookDefault { verdict, log, span: Some(span) })
    }

    /// A clause that a default does not have: never to be left out, for the default would be of more.
    fn clause_of_default(&mut self, default: &DefaultStatement, at: Span, kind: &ClauseKind) {
        let verb = self.text(default.verb.span);
        let meant = match kind {
            ClauseKind::Out(names) if names.is_empty() => {
                let named = default.directions.iter().map(|name| self.text(name.0));
                let all: Vec<&str> =
                    named.filter(|word| *word != "output").chain(["output"]).collect();
                format!("default {verb} {}", all.join(", "))
            }
            _ => format!("{verb} any {}", self.text(at)),
        };
        let is_direction = matches!(kind, ClauseKind::Out(names) if names.is_empty());
        let word = context::word(kind);
        self.report(messages::clause_of_default(at, word, default.verb.span, is_direction, &meant));
    }

    /// The hooks a default is for; without any it is input and forward.
    fn default_hooks(&mut self, directions: &[Name], span: Span) -> Vec<(Hook, Span)> {
        if directions.is_empty() {
            return vec![(Hook::Input, span), (Hook::Forward, span)];
        }
        let mut hooks = Vec::new();
        for name in directions {
            let hook = match self.text(name.0) {
                "input" => Hook::Input,
                "forward" => Hook::Forward,
                "output" => Hook::Output,
                word => {
                    self.report(messages::unknown_direction(name.0, word));
                    continue;
                }
            };
            hooks.push((hook, name.0));
        }
        hooks
    }

    pub(super) fn implicit(&mut self, statements: &[&'a Statement]) -> Implicit {
        let mut on = [true; IMPLICIT.len()];
        let mut first: Option<Span> = None;
        for statement in statements {
            let StatementKind::Implicit(names) = &statement.kind else { continue };
            if let Some(first) = first {
                self.report(messages::implicit_twice(statement.span, first));
                continue;
            }
            first = Some(statement.span);
            on = self.read_implicit(names, statement.span);
        }
        let [loopback, established, invalid, neighbour_discovery, dhcpv6_client] = on;
        Implicit { loopback, established, invalid, neighbour_discovery, dhcpv6_client, span: first }
    }

    fn read_implicit(&mut self, names: &[Name], span: Span) -> [bool; IMPLICIT.len()] {
        let mut on = [false; IMPLICIT.len()];
        let mut whole = true;
        for name in names {
            let word = self.text(name.0);
            // American spelling is understood too.
            let spelt = word.replace("neighbor", "neighbour");
            match IMPLICIT.iter().position(|known| *known == spelt) {
                Some(index) => on[index] = true,
                None if word == "none" && names.len() == 1 => {}
                None => {
                    self.report(messages::unknown_implicit(name.0, word, &IMPLICIT));
                    whole = false;
                }
            }
        }
        for (name, on) in IMPLICIT.iter().zip(on) {
            // A word that is not known may stand for any of them. Whether the policy misses the others
            // depends on its rules, and is judged with them.
            if !on && whole && LEFT_OUT.contains(name) {
                self.report(messages::implicit_left_out(span, name));
            }
        }
        on
    }
}
