//! Which chains a rule belongs to: input, forward, output. Never guessed.

use super::context::Context;
use super::ends::{End, EndKind};
use super::policy::{Hook, Scope};
use super::{Body, Resolver, messages};
use crate::net::{Addresses, Interface};
use crate::source::Span;

/// Places that are looked through for one around an address.
const MOST_PLACES: usize = 500;

/// The ends of a rule in one chain.
#[derive(Debug, Clone)]
pub struct Route {
    pub scope: Scope,
    pub source: Vec<End>,
    pub destination: Vec<End>,
}

impl<'a> Resolver<'a> {
    /// The routes of a rule whose clauses are in `context`; `span` is the statement.
    pub(super) fn routes(&mut self, context: &Context<'a>, span: Span) -> Option<Vec<Route>> {
        if self.headless {
            return None;
        }
        let routes = if self.body == Body::Docker {
            vec![self.docker_route(context, span)?]
        } else if self.body != Body::Policy {
            self.chain_route(context, span)?
        } else {
            match self.fixed_direction(context)? {
                Some((hook, at)) => self.fixed_routes(context, hook, at, span)?,
                None => self.free_routes(context, span)?,
            }
        };
        routes.into_iter().map(|route| self.behind_interfaces(route, context)).collect()
    }

    fn chain_route(&mut self, context: &Context<'a>, span: Span) -> Option<Vec<Route>> {
        if let Some(at) = context.direction.map(|(_, at)| at).or(context.out) {
            self.report(messages::direction_in_chain(at));
            return None;
        }
        let both = context.from.iter().chain(&context.to).flatten();
        if let Some(end) = both.clone().find(|end| end.kind == EndKind::Machine) {
            self.report(messages::self_in_chain(end.span));
            return None;
        }
        let source = context.from.clone().unwrap_or_else(|| vec![End::any(span)]);
        let destination = context.to.clone().unwrap_or_else(|| vec![End::any(span)]);
        Some(vec![Route { scope: Scope::Chain, source, destination }])
    }

    /// The direction that a block or the bare `out` fixes.
    #[allow(clippy::option_option, reason = "a fault is not the absence of a fixed direction")]
    fn fixed_direction(&mut self, context: &Context<'a>) -> Option<Option<(Hook, Span)>> {
        match (context.direction, context.out) {
            (Some((hook, at)), Some(out)) if hook != Hook::Output => {
                self.report(messages::two_directions(out, at, hook));
                None
            }
            (Some(fixed), _) => Some(Some(fixed)),
            (None, Some(out)) => Some(Some((Hook::Output, out))),
            (None, None) => Some(None),
        }
    }

    fn fixed_routes(
        &mut self,
        context: &Context<'a>,
        hook: Hook,
        at: Span,
        span: Span,
    ) -> Option<Vec<Route>> {
        let source = context.from.clone();
        let destination = context.to.clone();
        let wrong = |ends: &Option<Vec<End>>, bad: &dyn Fn(EndKind) -> bool| {
            ends.iter().flatten().find(|end| bad(end.kind)).map(|end| end.span)
        };
        let (bad_source, bad_destination) = match hook {
            Hook::Input => (
                wrong(&source, &|kind| kind == EndKind::Machine),
                wrong(&destination, &|kind| kind == EndKind::Zone),
            ),
            Hook::Forward => (
                wrong(&source, &|kind| kind == EndKind::Machine),
                wrong(&destination, &|kind| kind == EndKind::Machine),
            ),
            Hook::Output => (wrong(&source, &|kind| kind == EndKind::Zone), None),
        };
        let bad_interface = match hook {
            Hook::Input => context.outgoing.as_ref(),
            Hook::Output => context.incoming.as_ref(),
            Hook::Forward => None,
        };
        if let Some(bad) = bad_source.or(bad_destination).or(bad_interface.map(|(_, span)| *span)) {
            self.report(messages::not_in_direction(bad, at, hook));
            return None;
        }
        let anything = || vec![End::any(span)];
        let mut destination = destination.unwrap_or_else(anything);
        if hook == Hook::Output {
            destination = destination.into_iter().map(over_loopback).collect();
        }
        let source = source.unwrap_or_else(anything);
        Some(vec![Route { scope: Scope::Hook(hook), source, destination }])
    }

    fn free_routes(&mut self, context: &Context<'a>, span: Span) -> Option<Vec<Route>> {
        if let (Some((_, at)), None, None) = (&context.outgoing, &context.from, &context.incoming) {
            self.report(messages::out_without_from(*at));
            return None;
        }
        let from = context.from.clone().unwrap_or_else(|| vec![End::any(span)]);
        let (own, others) = split(&from);
        if let (Some(end), Some((_, at))) = (own.first(), &context.incoming) {
            self.report(messages::in_from_self(*at, end.span));
            return None;
        }
        let mut routes = Vec::new();
        if !others.is_empty() {
            self.routes_of_others(context, &others, span, &mut routes)?;
        }
        if !own.is_empty() {
            own_routes(context, &own, span, &mut routes);
        }
        Some(routes)
    }

    /// The one zone that says of its nets that they have these addresses. Where very many places have
    /// names, none is looked for.
    fn zone_around(&mut self, addresses: &Addresses) -> Option<&'a str> {
        let named = Some(self.names.places.entries.len()).filter(|named| *named <= MOST_PLACES)?;
        let mut around = (0..named).filter(|index| {
            let zone = self.zone(*index);
            let nets = zone.as_ref().and_then(|zone| zone.nets.as_ref());
            nets.is_some_and(|nets| addresses.is_subset(nets))
        });
        let first = around.next();
        let only = first.filter(|_| around.next().is_none())?;
        Some(self.sources.text(self.names.places.entries[only].span))
    }

    /// Input and forward: packets that come from elsewhere.
    fn routes_of_others(
        &mut self,
        context: &Context<'a>,
        others: &[End],
        span: Span,
        routes: &mut Vec<Route>,
    ) -> Option<()> {
        let Some(to) = &context.to else {
            let (hook, end) = match context.outgoing {
                Some(_) => (Hook::Forward, End::any(span)),
                None => (Hook::Input, End::machine(span)),
            };
            routes.push(route(hook, others.to_vec(), vec![end]));
            return Some(());
        };
        let (here, beyond) = split(to);
        let fixed = context.incoming.is_some() && context.outgoing.is_some();
        let unplaced = beyond.iter().find(|end| end.kind == EndKind::Address);
        if let (Some(end), false) = (unplaced, fixed) {
            let zone = self.zone_around(&end.place.addresses);
            self.report(messages::ambiguous_destination(end.span, self.text(end.span), zone));
            return None;
        }
        if let (Some(end), Some((_, at))) = (here.first(), &context.outgoing) {
            self.report(messages::out_to_self(*at, end.span));
            return None;
        }
        if !here.is_empty() {
            routes.push(route(Hook::Input, others.to_vec(), here));
        }
        if !beyond.is_empty() {
            routes.push(route(Hook::Forward, others.to_vec(), beyond));
        }
        Some(())
    }

    /// Puts `in` and `out` on the ends; an end that no such interface leads to is gone.
    fn behind_interfaces(&mut self, mut route: Route, context: &Context<'a>) -> Option<Route> {
        let narrow = |ends: &mut Vec<End>, interfaces: &[Interface]| {
            *ends = ends.iter().filter_map(|end| end.behind(interfaces)).collect();
            ends.is_empty()
        };
        let mut empty = None;
        if let Some((interfaces, at)) = &context.incoming
            && narrow(&mut route.source, interfaces)
        {
            empty = Some(*at);
        }
        if let Some((interfaces, at)) = &context.outgoing
            && narrow(&mut route.destination, interfaces)
        {
            empty = Some(*at);
        }
        if let Some(at) = empty {
            let finding = messages::empty_intersection(at, "interfaces");
            let other = [&context.from, &context.to].into_iter().flatten().flatten();
            let other = other.map(|end| end.span).find(|other| *other != at);
            self.report(match other {
                Some(other) => finding.related(other, "this is elsewhere"),
                None => finding,
            });
            return None;
        }
        Some(route)
    }
}

fn route(hook: Hook, source: Vec<End>, destination: Vec<End>) -> Route {
    Route { scope: Scope::Hook(hook), source, destination }
}

/// This machine's ends, and the others.
fn split(ends: &[End]) -> (Vec<End>, Vec<End>) {
    ends.iter().cloned().partition(|end| end.kind == EndKind::Machine)
}

/// Packets of this machine: to others by OUTPUT, to itself by OUTPUT and INPUT of lo.
fn own_routes(context: &Context, own: &[End], span: Span, routes: &mut Vec<Route>) {
    let to = context.to.clone().unwrap_or_else(|| vec![End::any(span)]);
    let (here, beyond) = split(&to);
    if !beyond.is_empty() {
        routes.push(route(Hook::Output, own.to_vec(), beyond));
    }
    if !here.is_empty() {
        let out: Vec<End> = here.iter().cloned().map(over_loopback).collect();
        routes.push(route(Hook::Output, own.to_vec(), out));
        let source = own.iter().cloned().map(over_loopback).collect();
        routes.push(route(Hook::Input, source, here));
    }
}

/// This machine reaches itself over lo only; other ends stay as they are.
fn over_loopback(end: End) -> End {
    if end.kind != EndKind::Machine {
        return end;
    }
    end.behind(&[Interface::loopback()]).unwrap_or(end)
}
