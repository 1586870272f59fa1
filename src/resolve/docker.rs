//! `docker { … }`: who may reach the ports that Docker publishes.

use super::context::Context;
use super::direction::Route;
use super::ends::{End, EndKind};
use super::policy::{Condition, Docker, Part, Scope};
use super::rules::describe;
use super::services::Traffic;
use super::{Body, Resolver, messages};
use crate::net::Interface;
use crate::source::Span;
use crate::syntax::tree::{InterfaceName, Statement, Verb, VerbKind};

/// The bridges that Docker makes when no other names are given: that of `docker run`, and one for
/// each `docker network create`.
const BRIDGES: [&str; 2] = ["docker0", "br-+"];

impl<'a> Resolver<'a> {
    pub(super) fn docker(
        &mut self,
        bridges: &'a [InterfaceName],
        body: &'a [Statement],
        span: Span,
    ) {
        let usual = || BRIDGES.iter().filter_map(|name| Interface::new(name).ok()).collect();
        let bridges =
            if bridges.is_empty() { Some(usual()) } else { self.interfaces(bridges, None) };
        self.body = Body::Docker;
        for statement in body {
            self.inner(statement, &Context::top(), None);
        }
        self.body = Body::Policy;
        let rules = std::mem::take(&mut self.chain_rules);
        if let Some(first) = &self.docker {
            let first = first.span;
            self.report(messages::docker_twice(span, first));
            return;
        }
        self.docker = bridges.map(|bridges| Docker { span, bridges, rules });
    }

    /// What a rule of the block may say: who comes, and to which published port.
    pub(super) fn check_docker_rule(
        &mut self,
        verb: &Verb,
        context: &Context<'a>,
        traffic: &[Traffic],
        span: Span,
    ) -> Option<()> {
        let fits = matches!(
            verb.kind,
            VerbKind::Allow | VerbKind::Drop | VerbKind::Reject | VerbKind::Log(_)
        );
        if !fits {
            self.report(messages::verb_in_docker(verb.span, self.text(verb.span)));
            return None;
        }
        let without = |one: &&Traffic| match one.part {
            Part::Icmp(_) | Part::Protocol(_) => true,
            Part::Any | Part::Ports { .. } => false,
        };
        if let Some(other) = traffic.iter().find(without) {
            self.report(messages::docker_without_ports(span, &describe(&other.part)));
            return None;
        }
        let owner = |(condition, _): &&(Condition, Span)| {
            matches!(condition, Condition::User(_) | Condition::Group(_))
        };
        if let Some((_, at)) = context.conditions.iter().find(owner) {
            self.report(messages::owner_in_docker(*at));
            return None;
        }
        Some(())
    }

    /// Packets from anywhere to a published port; which container that is, is Docker's to say.
    pub(super) fn docker_route(&mut self, context: &Context<'a>, span: Span) -> Option<Route> {
        let clause = |what: &str| {
            let mut present = context.present.iter();
            present.find(|(word, _)| *word == what).map(|(_, at)| *at)
        };
        if let Some(at) = clause("to").or_else(|| clause("out")) {
            self.report(messages::destination_in_docker(at));
            return None;
        }
        if let Some((_, at)) = context.direction {
            self.report(messages::direction_in_docker(at));
            return None;
        }
        let own = |end: &&End| end.kind == EndKind::Machine;
        if let Some(end) = context.from.iter().flatten().find(own) {
            self.report(messages::self_in_docker(end.span));
            return None;
        }
        let source = context.from.clone().unwrap_or_else(|| vec![End::any(span)]);
        Some(Route { scope: Scope::Docker, source, destination: vec![End::any(span)] })
    }
}
