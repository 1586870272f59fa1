//! Statements that change packets: marks, classes, segment sizes.

use super::context::{Context, ToIs};
use super::direction::Route;
use super::ends::End;
use super::policy::{
    Alteration, AlterationKind, Bound, CallId, Condition, Hook, Origin, Part, Place, Scope,
};
use super::rules::{describe, is_tcp};
use super::services::Traffic;
use super::{Resolver, messages};
use crate::net::{FlagMatch, PortProtocol, Ports, TcpFlags};
use crate::source::Span;
use crate::syntax::tree::{self, VerbKind};

impl<'a> Resolver<'a> {
    pub(super) fn alteration(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        outer: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<Alteration> {
        let kind = self.alteration_kind(&rule.verb, env);
        let traffic = self.traffic(&rule.subjects, env);
        let context = self.narrow(outer, &rule.clauses, ToIs::Ends, env)?;
        self.check_alteration_clauses(&rule.verb, &context)?;
        let (kind, mut traffic) = (kind?, traffic?);
        if let AlterationKind::ClampMss(_) = kind {
            self.only_tcp(&mut traffic, rule)?;
            self.can_open(&context)?;
        }
        self.narrow_ports(&mut traffic, &context, rule.subject())?;
        let routes = self.routes(&context, span)?;
        self.check_conditions(&context, &traffic, &routes)?;
        let routes = match kind {
            AlterationKind::Mark(_) | AlterationKind::StickyMark(_) => where_marked(routes),
            AlterationKind::Dscp(_) | AlterationKind::ClampMss(Some(_)) => routes,
            AlterationKind::ClampMss(None) => self.with_a_path(routes)?,
            AlterationKind::Notrack | AlterationKind::Helper(_) => return None, // Made elsewhere.
        };
        let families = self.rule_families(&context, &mut traffic, &rule.subjects, env)?;
        let flows = self.flows(&routes, &traffic, families, span, false)?;
        let conditions = context.conditions.into_iter().map(|(condition, _)| condition).collect();
        let origin = Origin { span, call: env };
        Some(Alteration { origin, kind, flows, conditions, remarks: context.remarks })
    }

    fn alteration_kind(
        &mut self,
        verb: &tree::Verb,
        env: Option<CallId>,
    ) -> Option<AlterationKind> {
        Some(match &verb.kind {
            VerbKind::Mark { mark, sticky } => {
                let read = self.read_new_mark(*mark, *sticky)?;
                if *sticky { AlterationKind::StickyMark(read) } else { AlterationKind::Mark(read) }
            }
            VerbKind::Dscp(class) => AlterationKind::Dscp(self.read_dscp(*class, env)?),
            VerbKind::Clamp(size) => AlterationKind::ClampMss(match size {
                Some(size) => Some(self.read_segment_size(*size)?),
                None => None,
            }),
            _ => return None,
        })
    }

    /// Clauses that mean nothing with what lets a packet go on, whatever it is.
    fn check_alteration_clauses(&mut self, verb: &tree::Verb, context: &Context<'a>) -> Option<()> {
        let mut whole = true;
        for (word, span) in &context.present {
            let fits = !matches!(
                *word,
                "as" | "at" | "on" | "hairpin" | "with" | "log" | "limit" | "connections"
            );
            if !fits {
                let said = change_word(&verb.kind);
                self.report(messages::clause_of_no_change(*span, word, said, verb.span));
                whole = false;
            }
        }
        whole.then_some(())
    }

    /// Every protocol is every tcp connection; another protocol has no segments.
    fn only_tcp(&mut self, traffic: &mut [Traffic], rule: &tree::Rule) -> Option<()> {
        for one in traffic.iter_mut() {
            if one.part == Part::Any {
                one.part = Part::Ports {
                    protocol: PortProtocol::Tcp,
                    source: Ports::full(),
                    destination: Ports::full(),
                };
            } else if !is_tcp(&one.part) {
                let part = describe(&one.part);
                self.report(messages::tcp_only(rule.subject(), "`clamp mss`", &part));
                return None;
            }
        }
        Some(())
    }

    /// Only packets that open a connection say a size; `flags` may ask for more of them, but for no
    /// others.
    fn can_open(&mut self, context: &Context<'a>) -> Option<()> {
        let opening = FlagMatch::new(TcpFlags::SYN, TcpFlags::SYN.union(TcpFlags::RST))?;
        for (condition, span) in &context.conditions {
            if let Condition::Flags(flags) = condition
                && flags.intersection(opening).is_none()
            {
                self.report(messages::opens_nothing(*span));
                return None;
            }
        }
        Some(())
    }

    /// Refuses what only arrives: the kernel takes the size from the route on which a packet leaves.
    fn with_a_path(&mut self, routes: Vec<Route>) -> Option<Vec<Route>> {
        let input = routes.iter().find(|route| route.scope == Scope::Hook(Hook::Input));
        let Some(end) = input.and_then(|route| route.destination.first()) else {
            return Some(routes);
        };
        let at = end.span;
        self.report(messages::clamp_on_input(at));
        None
    }
}

/// How people call a statement that changes packets.
pub fn change_word(verb: &VerbKind) -> &'static str {
    match verb {
        VerbKind::Dscp(_) => "dscp",
        VerbKind::Clamp(_) => "clamp mss",
        VerbKind::Notrack => "notrack",
        _ => "mark",
    }
}

/// Where marks are set: as early as what is said allows, so that a route can be chosen by them. Where
/// an outgoing interface is said, the route must be chosen already.
fn where_marked(routes: Vec<Route>) -> Vec<Route> {
    let mut placed: Vec<Route> = Vec::new();
    for route in routes {
        if route.scope != Scope::Hook(Hook::Forward) {
            placed.push(route);
            continue;
        }
        let leaves = |end: &End| end.place.interfaces.is_some();
        let (behind, early): (Vec<End>, Vec<End>) =
            route.destination.iter().cloned().partition(leaves);
        match placed.last_mut() {
            Some(last) if is_everything_that_arrives(last, &route.source, &early) => {
                last.scope = Scope::Arrival(Bound::Anywhere);
            }
            Some(_) | None if early.is_empty() => {}
            Some(_) | None => placed.push(Route {
                scope: Scope::Arrival(Bound::Elsewhere),
                source: route.source.clone(),
                destination: early,
            }),
        }
        if !behind.is_empty() {
            placed.push(Route { destination: behind, ..route });
        }
    }
    placed
}

/// Whether what goes here and what goes beyond, `to self, any`, is all that comes from the source:
/// then it is told apart by nothing.
fn is_everything_that_arrives(here: &Route, source: &[End], beyond: &[End]) -> bool {
    let anywhere = |ends: &[End]| ends.iter().any(|end| end.place == Place::anywhere());
    here.scope == Scope::Hook(Hook::Input)
        && here.source == source
        && anywhere(&here.destination)
        && anywhere(beyond)
}
