//! `notrack`: packets that conntrack does not see, and their answers, which it must not see either.

use super::context::{Context, ToIs};
use super::direction::Route;
use super::ends::{End, EndKind};
use super::helpers::{group_addresses, met_early};
use super::policy::{
    Action, Alteration, AlterationKind, CallId, Condition, Flow, Hook, Item, Origin, Part, Place,
    Policy, Rule, Scope, Verdict,
};
use super::rules::{ports_text, speaks_in};
use super::services::Traffic;
use super::{Resolver, messages};
use crate::net::{Addresses, CtState, Family, IcmpType, Interface, Ports};
use crate::source::Span;
use crate::syntax::tree;

/// Answers that conntrack does not see, so that they are no answers to the filter.
#[derive(Debug, Clone)]
pub struct Answers {
    origin: Origin,
    /// In the filter's chains.
    flows: Vec<Flow>,
    /// The rules that let them pass, as they are to be written.
    rules: Vec<(Hook, String)>,
}

impl<'a> Resolver<'a> {
    pub(super) fn notrack(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        outer: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<Alteration> {
        let traffic = self.traffic(&rule.subjects, env);
        let context = self.narrow(outer, &rule.clauses, ToIs::Ends, env)?;
        self.check_notrack_clauses(&rule.verb, &context)?;
        let mut traffic = traffic?;
        self.narrow_ports(&mut traffic, &context, rule.subject())?;
        let routes = self.routes(&context, span)?;
        let families = self.rule_families(&context, &mut traffic, &rule.subjects, env)?;
        let flows = self.flows(&routes, &traffic, families, span, false)?;
        self.check_addresses(&routes, &traffic, &context)?;
        let origin = Origin { span, call: env };
        // A packet to a group is answered by nobody whom it was sent to.
        let groups = group_addresses();
        let answers: Vec<Flow> =
            flows.iter().filter(|flow| !is_within(flow, &groups)).filter_map(answer).collect();
        let rules = routes.iter().flat_map(|route| self.rules_for(route, &context, &answers));
        let rules = rules.collect();
        self.answers.push(Answers { origin, flows: answers.clone(), rules });
        let mut early: Vec<Flow> = Vec::new();
        for flow in flows.iter().chain(&answers) {
            let Scope::Hook(hook) = flow.scope else { continue };
            early.extend(met_early(flow, hook).filter(|flow| !early.contains(flow)));
        }
        Some(Alteration {
            origin,
            kind: AlterationKind::Notrack,
            flows: early,
            conditions: context.conditions.into_iter().map(|(condition, _)| condition).collect(),
            remarks: context.remarks,
        })
    }

    /// Only what says the same of a packet and of its answer.
    fn check_notrack_clauses(&mut self, verb: &tree::Verb, context: &Context<'a>) -> Option<()> {
        let mut whole = true;
        for (word, at) in &context.present {
            let finding = match *word {
                "from" | "to" | "in" | "out" | "sport" | "ipv4" | "ipv6" | "comment" | "owner"
                | "ticket" | "until" | "expect" => continue,
                "state" => messages::state_before_tracking(*at, verb.span),
                "flags" | "user" | "group" | "mac" | "mark" | "dscp" | "length" | "ttl" | "via"
                | "during" => messages::not_of_answers(*at, word, verb.span),
                _ => messages::clause_of_no_change(*at, word, self.text(verb.span), verb.span),
            };
            self.report(finding);
            whole = false;
        }
        whole.then_some(())
    }

    /// Of what passes through, the outgoing interface is not known yet: both ends must be addresses,
    /// or anything.
    fn check_addresses(
        &mut self,
        routes: &[Route],
        traffic: &[Traffic],
        context: &Context<'a>,
    ) -> Option<()> {
        let loose = traffic.iter().any(Traffic::ignores_nets);
        let through = routes.iter().filter(|route| route.scope == Scope::Hook(Hook::Forward));
        let mut ends = through.flat_map(|route| route.source.iter().chain(&route.destination));
        let by_interface = |end: &&End| {
            let place = if loose { &end.loose } else { &end.place };
            let full = Family::BOTH.into_iter().any(|family| place.addresses.is_full_in(family));
            place.interfaces.is_some() && full && place.sets.is_empty()
        };
        let Some(end) = ends.find(by_interface) else { return Some(()) };
        let clause = context.present.iter().find(|(word, _)| matches!(*word, "in" | "out"));
        let clause = clause.filter(|_| end.kind == EndKind::Any);
        let at = clause.map_or(end.span, |(_, at)| *at);
        self.report(messages::notrack_by_interface(at, self.text(at)));
        None
    }

    /// The rules, one for each set of source ports, that let the answers of a route pass.
    fn rules_for(
        &self,
        route: &Route,
        context: &Context<'a>,
        answers: &[Flow],
    ) -> Vec<(Hook, String)> {
        let Some(hook) = hook_of(route.scope).map(answering) else { return Vec::new() };
        let parts = answers.iter().filter(|flow| flow.scope == Scope::Hook(hook));
        let ends = self.ends_of_answers(route, context, hook);
        let family = context.family_clause.map_or("", |clause| self.text(clause));
        let words = [&ends, family, "state untracked"].into_iter().filter(|word| !word.is_empty());
        let clauses = words.collect::<Vec<_>>().join(" ");
        let rules = by_source(parts.flat_map(|flow| &flow.parts)).into_iter();
        rules
            .map(|(source, subjects)| {
                let sport = source.map_or_else(String::new, |ports| format!(" sport {ports}"));
                let rule = format!("allow {}{sport} {clauses}", subjects.join(", "));
                // Without the block an address in `to` would have to say where it is.
                let rule =
                    if hook == Hook::Forward { format!("forward {{ {rule} }}") } else { rule };
                (hook, rule)
            })
            .collect()
    }

    /// `from … to …`, the other way round.
    fn ends_of_answers(&self, route: &Route, context: &Context<'a>, hook: Hook) -> String {
        let list = |ends: &[End]| {
            let named = ends.iter().filter(|end| end.kind != EndKind::Any);
            named.map(|end| self.text(end.span)).collect::<Vec<_>>().join(", ")
        };
        let (from, to) = (list(&route.destination), list(&route.source));
        let mut words: Vec<String> = Vec::new();
        match hook {
            Hook::Input | Hook::Forward if from.is_empty() => {}
            Hook::Input | Hook::Forward => words.push(format!("from {from}")),
            Hook::Output => words.push("from self".to_owned()),
        }
        if hook != Hook::Input && !to.is_empty() {
            words.push(format!("to {to}"));
        }
        let turned = [("in", "out"), ("out", "in")];
        for (word, turned) in turned {
            let clauses = context.present.iter().filter(|(present, _)| *present == word);
            for text in clauses.map(|(_, at)| self.text(*at)).filter(|text| *text != word) {
                words.push(text.replacen(word, turned, 1));
            }
        }
        words.join(" ")
    }

    /// Says which answers nothing lets pass.
    pub(super) fn mention_untracked_answers(&mut self, policy: &Policy) {
        for Answers { origin, flows, rules } in std::mem::take(&mut self.answers) {
            let lost = |hook: Hook| {
                let closed = !matches!(policy.defaults.of(hook).verdict, Verdict::Allow);
                let here = flows.iter().filter(|flow| flow.scope == Scope::Hook(hook));
                closed && here.into_iter().any(|flow| !is_allowed(policy, flow, hook))
            };
            let wanted: Vec<&str> =
                rules.iter().filter(|(hook, _)| lost(*hook)).map(|(_, rule)| &**rule).collect();
            if !wanted.is_empty() {
                self.report_of(origin, messages::untracked_answers(origin.span, &wanted));
            }
        }
    }
}

/// Whether a flow goes only to these addresses.
fn is_within(flow: &Flow, addresses: &Addresses) -> bool {
    flow.destination.iter().all(|place| place.addresses.is_subset(addresses))
}

fn hook_of(scope: Scope) -> Option<Hook> {
    match scope {
        Scope::Hook(hook) => Some(hook),
        Scope::Arrival(_) | Scope::Chain | Scope::Docker => None,
    }
}

/// The chain in which answers are met.
fn answering(hook: Hook) -> Hook {
    match hook {
        Hook::Input => Hook::Output,
        Hook::Forward => Hook::Forward,
        Hook::Output => Hook::Input,
    }
}

/// The answers to the packets of a flow; `None` when there are none.
fn answer(flow: &Flow) -> Option<Flow> {
    let hook = hook_of(flow.scope).map(answering)?;
    let bare = |places: &[Place]| -> Vec<Place> {
        places.iter().map(|place| Place { interfaces: None, ..place.clone() }).collect()
    };
    let (source, destination) = match hook {
        Hook::Input => (flow.destination.clone(), bare(&flow.source)),
        Hook::Forward => (flow.destination.clone(), flow.source.clone()),
        Hook::Output => (bare(&flow.destination), flow.source.clone()),
    };
    let parts: Vec<Part> = flow.parts.iter().filter_map(answering_part).collect();
    let answer = Flow { scope: Scope::Hook(hook), source, destination, parts, ..flow.clone() };
    Family::BOTH.into_iter().any(|family| speaks_in(&answer, family)).then_some(answer)
}

/// What answers a part; `None` for messages that are not answered.
#[must_use]
pub fn answering_part(part: &Part) -> Option<Part> {
    match part {
        Part::Any | Part::Protocol(_) => Some(part.clone()),
        Part::Ports { protocol, source, destination } => Some(Part::Ports {
            protocol: *protocol,
            source: destination.clone(),
            destination: source.clone(),
        }),
        Part::Icmp(icmp) => {
            // Echo, timestamp, information and address mask (RFC 792, RFC 950); echo (RFC 4443).
            let reply = match (icmp.family, icmp.kind) {
                (Family::V4, 8) => 0,
                (Family::V4, 13 | 15 | 17) | (Family::V6, 128) => icmp.kind + 1,
                _ => return None,
            };
            Some(Part::Icmp(IcmpType { kind: reply, ..*icmp }))
        }
    }
}

/// Parts as subjects, by the source ports that a rule must ask for.
fn by_source<'p>(parts: impl Iterator<Item = &'p Part>) -> Vec<(Option<String>, Vec<String>)> {
    let mut rules: Vec<(Option<String>, Vec<String>)> = Vec::new();
    for part in parts {
        let (source, subject) = match part {
            Part::Ports { protocol, source, destination } => {
                let to = ports_text(destination).unwrap_or_else(|| "any".to_owned());
                (ports_text(source), format!("{protocol} {to}"))
            }
            Part::Any => (None, "any".to_owned()),
            Part::Icmp(icmp) => (
                None,
                match icmp.family {
                    Family::V4 => format!("icmp {icmp}"),
                    Family::V6 => format!("icmpv6 {icmp}"),
                },
            ),
            Part::Protocol(protocol) => (None, format!("proto {protocol}")),
        };
        match rules.iter_mut().find(|(known, _)| *known == source) {
            Some((_, subjects)) if subjects.contains(&subject) => {}
            Some((_, subjects)) => subjects.push(subject),
            None => rules.push((source, vec![subject])),
        }
    }
    rules
}

/// Whether a rule of the hook itself allows all packets of a flow although conntrack does not see
/// them. A part, a source and a destination at a time: rules may share the work.
fn is_allowed(policy: &Policy, flow: &Flow, hook: Hook) -> bool {
    let rules: Vec<&Rule> = policy.items.iter().filter_map(allowing).collect();
    let loopback = [Interface::loopback()];
    let by_loopback = |place: &Place| {
        policy.implicit.loopback && place.interfaces.as_deref().is_some_and(|own| own == loopback)
    };
    Family::BOTH.into_iter().filter(|family| speaks_in(flow, *family)).all(|family| {
        let parts = flow.parts.iter().filter(|part| part.families().contains(family));
        parts.into_iter().all(|part| {
            flow.source.iter().all(|source| {
                flow.destination.iter().all(|destination| {
                    let flows = rules.iter().flat_map(|rule| &rule.flows);
                    let mut here = flows.filter(|allowed| {
                        allowed.scope == Scope::Hook(hook) && allowed.families.contains(family)
                    });
                    by_loopback(source)
                        || by_loopback(destination)
                        || here.any(|allowed| {
                            allowed.source.iter().any(|place| has(place, source, family))
                                && allowed
                                    .destination
                                    .iter()
                                    .any(|place| has(place, destination, family))
                                && allowed.parts.iter().any(|whole| has_part(whole, part))
                        })
                })
            })
        })
    })
}

/// A rule that allows whatever is in its flows, when that is untracked.
fn allowing(item: &Item) -> Option<&Rule> {
    let Item::Rule(rule) = item else { return None };
    let untracked = |condition: &Condition| condition.is_met_in(CtState::Untracked);
    let all = rule.limits.is_empty() && rule.conditions.iter().all(untracked);
    (rule.action == Action::Allow && all).then_some(rule)
}

fn has(whole: &Place, place: &Place, family: Family) -> bool {
    let interfaces = match (&whole.interfaces, &place.interfaces) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(whole), Some(own)) => own.iter().all(|one| whole.iter().any(|w| w.covers(one))),
    };
    let only = |addresses: &Addresses| {
        Addresses::union_all(
            addresses
                .intervals(family)
                .into_iter()
                .map(|(low, high)| Addresses::range(family, low, high))
                .collect::<Vec<_>>()
                .iter(),
        )
    };
    let sets = whole.sets.iter().all(|member| place.sets.contains(member));
    interfaces && sets && only(&place.addresses).is_subset(&whole.addresses)
}

fn has_part(whole: &Part, part: &Part) -> bool {
    let within = |own: &Ports, all: &Ports| own.is_subset(all);
    match (whole, part) {
        (Part::Any, _) => true,
        (
            Part::Ports { protocol, source, destination },
            Part::Ports { protocol: own, source: from, destination: to },
        ) => protocol == own && within(from, source) && within(to, destination),
        (Part::Protocol(protocol), Part::Ports { protocol: own, .. }) => {
            *protocol == own.protocol()
        }
        (Part::Icmp(whole), Part::Icmp(own)) => {
            whole.family == own.family
                && whole.kind == own.kind
                && (whole.code.is_none() || whole.code == own.code)
        }
        (Part::Protocol(protocol), Part::Icmp(own)) => {
            *protocol == crate::net::Protocol::icmp(own.family)
        }
        (Part::Protocol(whole), Part::Protocol(own)) => whole == own,
        (Part::Ports { .. } | Part::Icmp(_), _) | (Part::Protocol(_), Part::Any) => false,
    }
}
