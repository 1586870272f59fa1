//! NAT statements: one statement does the whole job.

mod families;
mod target;

use super::context::{Context, ToIs};
use super::ends::{End, EndKind, simplify_places};
use super::helpers::Said;
use super::policy::{
    At, CallId, Condition, Forward, Nat, NatKind, Origin, Part, Place, Redirect, Remarks,
    SourceTranslation, Target,
};
use super::services::merge_parts;
use super::spelling::is_of_kernel;
use super::{Resolver, messages};
use crate::net::{Families, Family, Interface, Prefix};
use crate::source::Span;
use crate::syntax::tree::{self, ClauseKind, InterfaceName, List, SubjectKind, VerbKind};

/// A list with where its names are looked up.
type Scoped<'a> = (&'a List, Option<CallId>);

impl<'a> Resolver<'a> {
    pub(super) fn nat_rule(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        outer: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<Nat> {
        let verb = &rule.verb;
        let to_is = match verb.kind {
            VerbKind::Forward | VerbKind::Redirect | VerbKind::Netmap(_) => ToIs::Target,
            _ => ToIs::Ends,
        };
        let context = self.narrow(outer, &rule.clauses, to_is, env)?;
        self.check_nat_clauses(verb, &context)?;
        let (kind, families) = match &verb.kind {
            VerbKind::Masquerade => {
                self.source_nat(rule, span, &context, env, SourceTranslation::Masquerade)?
            }
            VerbKind::Nonat => {
                self.source_nat(rule, span, &context, env, SourceTranslation::Exempt)?
            }
            VerbKind::Snat => {
                let translation = self.new_source(&context, span)?;
                self.source_nat(rule, span, &context, env, translation)?
            }
            VerbKind::Forward => self.forward(rule, span, &context, env)?,
            VerbKind::Redirect => self.redirect(rule, span, &context, env)?,
            VerbKind::Netmap(outside) => self.netmap(outside, span, &context, env)?,
            _ => return None,
        };
        let origin = Origin { span, call: env };
        let conditions: Vec<Condition> =
            context.conditions.iter().map(|(condition, _)| condition.clone()).collect();
        let mut guarded = Vec::new();
        if let NatKind::Forward(_) | NatKind::Redirect(_) = &kind {
            guarded = self.guarded(&rule.subjects, env);
            let mut traffic = self.traffic(&rule.subjects, env)?;
            self.narrow_ports(&mut traffic, &context, rule.subject())?;
            let subject = rule.subject();
            let (conditions, remarks) = (&conditions[..], &context.remarks);
            let said = Said { origin, subject, families, conditions, remarks };
            let helpers = self.helpers_of_nat(&said, &kind, &traffic)?;
            self.assign(helpers);
        }
        let remarks = Remarks { guarded, ..context.remarks };
        Some(Nat { origin, families, kind, conditions, remarks })
    }

    fn check_nat_clauses(&mut self, verb: &tree::Verb, context: &Context<'a>) -> Option<()> {
        const REMARKS: &[&str] = &[
            "ipv4", "ipv6", "mark", "dscp", "during", "comment", "owner", "ticket", "until",
            "expect",
        ];
        let own: &[&str] = match verb.kind {
            VerbKind::Masquerade | VerbKind::Nonat => &["from", "to", "in", "out", "sport", "via"],
            VerbKind::Snat => &["from", "to", "in", "out", "sport", "as", "via"],
            VerbKind::Forward => &["from", "to", "in", "at", "hairpin", "sport", "mac"],
            VerbKind::Redirect => &["from", "to", "in", "at", "sport", "mac"],
            VerbKind::Netmap(_) => &["to", "on"],
            _ => &[],
        };
        let mut whole = true;
        for (word, span) in &context.present {
            if !own.contains(word) && !REMARKS.contains(word) {
                self.report(messages::misplaced_clause(
                    *span,
                    word,
                    self.text(verb.span),
                    verb.span,
                ));
                whole = false;
            }
        }
        let direction = context.direction.map(|(_, at)| at);
        if let Some(at) = direction {
            self.report(messages::nat_in_direction(verb.span, self.text(verb.span), at));
            whole = false;
        }
        whole.then_some(())
    }

    /// masquerade, snat, nonat.
    fn source_nat(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        context: &Context<'a>,
        env: Option<CallId>,
        translation: SourceTranslation,
    ) -> Option<(NatKind, Families)> {
        let word = self.text(rule.verb.span);
        let (traffic, outgoing) = match context.out {
            // `masquerade wan out`: the subjects are interfaces.
            Some(_) => (self.traffic(&[], env)?, Some(self.subject_interfaces(rule, env)?)),
            None => {
                self.check_subjects_of_source_nat(rule, context, env)?;
                let outgoing = context.outgoing.as_ref().map(|(interfaces, _)| interfaces.clone());
                (self.traffic(&rule.subjects, env)?, outgoing)
            }
        };
        let mut traffic = traffic;
        self.narrow_ports(&mut traffic, context, rule.subject())?;
        let mut source = context.from.clone().unwrap_or_else(|| vec![End::any(span)]);
        let mut destination = context.to.clone().unwrap_or_else(|| vec![End::any(span)]);
        for end in source.iter().chain(&destination) {
            if end.kind == EndKind::Machine {
                self.report(messages::source_nat_of_self(end.span, word));
                return None;
            }
        }
        if let Some((interfaces, _)) = &context.incoming {
            source.retain_mut(|end| narrow(end, interfaces));
        }
        if let Some(interfaces) = &outgoing {
            destination.retain_mut(|end| narrow(end, interfaces));
        }
        if source.is_empty() || destination.is_empty() {
            self.report(messages::empty_intersection(span, "interfaces"));
            return None;
        }
        let open = destination.iter().find(|end| end.place.interfaces.is_none());
        if let (Some(end), SourceTranslation::Masquerade) = (open, &translation) {
            self.report(messages::masquerade_without_interface(end.span));
            return None;
        }
        let lists = [&source[..], &destination[..]];
        let shared = self.shared_families(rule, span, context, &traffic, &lists)?;
        let own = families::of_source(&translation, shared, lists);
        let at = context.translation.to_source.map_or(span, |(list, _)| list.span);
        let families = self.translated_families(shared, own, at, context)?;
        let kind = NatKind::Source {
            source: simplify_places(source.iter().map(End::forwarded)),
            destination: simplify_places(destination.iter().map(End::forwarded)),
            parts: merge_parts(traffic.iter().map(|one| &one.part)),
            translation,
        };
        Some((kind, families))
    }

    /// The interfaces written as subjects in `masquerade X out`.
    fn subject_interfaces(
        &mut self,
        rule: &'a tree::Rule,
        env: Option<CallId>,
    ) -> Option<Vec<Interface>> {
        let mut all = Vec::new();
        if rule.subjects.is_empty() {
            self.report(messages::out_without_interface(rule.verb.span, self.text(rule.verb.span)));
            return None;
        }
        for subject in &rule.subjects {
            let interfaces = match &subject.kind {
                SubjectKind::Name(name) => self.interfaces_of_name(*name, env)?,
                SubjectKind::Interface(InterfaceName::Name(name)) => {
                    self.interfaces_of_name(*name, env)?
                }
                SubjectKind::Interface(interface) => {
                    let (span, text) = self.interface_text(*interface);
                    vec![self.read_interface(span, &text)?]
                }
                SubjectKind::Any
                | SubjectKind::Call { .. }
                | SubjectKind::Ports { .. }
                | SubjectKind::More(_)
                | SubjectKind::Icmp { .. }
                | SubjectKind::Protocol(_) => {
                    let word = self.text(rule.verb.span);
                    self.report(messages::out_without_interface(subject.span, word));
                    return None;
                }
            };
            all.extend(interfaces);
        }
        Some(super::ends::simplify_interfaces(all))
    }

    /// The one address that `to` names, as it is written; other tools name the new source so.
    fn single_destination(&self, context: &Context<'a>) -> Option<&'a str> {
        let [end] = &context.to.as_ref()?[..] else { return None };
        let is_single =
            |family| matches!(end.place.addresses.intervals(family)[..], [(a, b)] if a == b);
        let is_address = end.kind == EndKind::Address && Family::BOTH.into_iter().any(is_single);
        is_address.then(|| self.text(end.span))
    }

    /// That no place or interface stands where the services do: `masquerade wan` lacks its `out`.
    fn check_subjects_of_source_nat(
        &mut self,
        rule: &'a tree::Rule,
        context: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<()> {
        for subject in &rule.subjects {
            let SubjectKind::Name(name) = subject.kind else { continue };
            let word = self.text(name.0);
            let is_service =
                self.names.services.contains(word) || self.names.standard.contains(word);
            if is_service || self.argument(word, env).is_some() {
                continue;
            }
            let is_place = self.names.places.contains(word);
            if is_place || is_of_kernel(word) || self.zone_of_interface(word).is_some() {
                let verb = self.text(rule.verb.span);
                let leaves = context.outgoing.is_some() || context.to.is_some();
                self.report(messages::place_in_source_nat(name.0, word, verb, is_place, leaves));
                return None;
            }
        }
        Some(())
    }

    /// `as 203.0.113.5`: an address or range a family.
    fn new_source(&mut self, context: &Context<'a>, span: Span) -> Option<SourceTranslation> {
        let Some((list, env)) = context.translation.to_source else {
            self.report(messages::snat_without_as(span, self.single_destination(context)));
            return None;
        };
        let ends = self.ends(list, env)?;
        let all = self.addresses_of(&ends, "a new source")?;
        let mut ranges = [None, None];
        for (slot, family) in ranges.iter_mut().zip(Family::BOTH) {
            *slot = match all.intervals(family)[..] {
                [] => None,
                [(low, high)] if !all.is_full_in(family) => {
                    let address = |number| crate::net::address::from_number(family, number);
                    Some((address(low), address(high)))
                }
                _ => {
                    self.report(messages::one_range_expected(list.span, family));
                    return None;
                }
            };
        }
        let [v4, v6] = ranges;
        Some(SourceTranslation::Address { v4, v6 })
    }

    fn forward(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        context: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<(NatKind, Families)> {
        let mut traffic = self.traffic(&rule.subjects, env)?;
        self.narrow_ports(&mut traffic, context, rule.subject())?;
        let Some(written) = context.target else {
            self.report(messages::forward_without_target(rule.verb.span));
            return None;
        };
        let targets = self.targets(written)?;
        if let Some(at) = targets.port {
            self.ports_needed(&traffic, at, rule.verb.span)?;
        }
        let at = self.at(context)?;
        let source = self.foreign_source(rule, context, span)?;
        let shared = self.shared_families(rule, span, context, &traffic, &[&source])?;
        let own = families::of_forward(&targets, &at);
        let said = context.translation.at.map_or(written.0.span, |(list, _)| list.span);
        let families = self.translated_families(shared, own, said, context)?;
        if shared.v4 && targets.v4.is_some() && !families.v4 {
            self.report(messages::one_family_only(said, Family::V4, span));
        }
        let translated = families.intersection(families::of_translation(&at));
        let parts = merge_parts(traffic.iter().map(|one| &one.part));
        let target_v6 = match targets.v6.filter(|_| families.v6) {
            Some(target) if !translated.v6 => {
                Some(self.untranslated(target, &parts, targets.port)?)
            }
            other => other,
        };
        let (hairpin, hairpin_self) = self.hairpin(context, &at, translated)?;
        let forward = Forward {
            source: simplify_places(source.iter().map(End::forwarded)),
            parts,
            at,
            target_v4: targets.v4.filter(|_| families.v4),
            target_v6,
            out: targets.out,
            hairpin,
            hairpin_self,
        };
        Some((NatKind::Forward(Box::new(forward)), families))
    }

    /// A target whose packets keep their port, so that a port written can only be their own.
    fn untranslated(
        &mut self,
        target: Target,
        parts: &[Part],
        written: Option<Span>,
    ) -> Option<Target> {
        let keeps = |port: u16| {
            parts.iter().all(|part| match part {
                Part::Ports { destination, .. } => destination.only() == Some(port),
                Part::Any | Part::Icmp(_) | Part::Protocol(_) => false,
            })
        };
        if let (Some(port), Some(at)) = (target.port, written)
            && !keeps(port)
        {
            self.report(messages::port_without_translation(at));
            return None;
        }
        Some(Target { port: None, ..target })
    }

    /// `at 203.0.113.7`; `at any` for all that passes.
    fn at(&mut self, context: &Context<'a>) -> Option<At> {
        let Some((list, env)) = context.translation.at else { return Some(At::Local) };
        let ends = self.ends(list, env)?;
        let is_place = |end: &&End| {
            let machine = end.kind == EndKind::Machine && end.place.addresses.is_full();
            machine || end.place.interfaces.is_some()
        };
        if let Some(end) = ends.iter().find(is_place) {
            self.report(messages::zone_where_address_expected(end.span, "at"));
            return None;
        }
        let all = self.addresses_of(&ends, "`at`")?;
        Some(At::Addresses(all))
    }

    /// Where forwarded or redirected packets come from: elsewhere.
    fn foreign_source(
        &mut self,
        rule: &tree::Rule,
        context: &Context<'a>,
        span: Span,
    ) -> Option<Vec<End>> {
        let mut source = context.from.clone().unwrap_or_else(|| vec![End::any(span)]);
        if let Some(end) = source.iter().find(|end| end.kind == EndKind::Machine) {
            self.report(messages::forward_from_self(end.span, self.text(rule.verb.span)));
            return None;
        }
        if let Some((interfaces, at)) = &context.incoming {
            source.retain_mut(|end| narrow(end, interfaces));
            if source.is_empty() {
                self.report(messages::empty_intersection(*at, "interfaces"));
                return None;
            }
        }
        Some(source)
    }

    /// The zones of `hairpin`, and whether this machine is among them.
    fn hairpin(
        &mut self,
        context: &Context<'a>,
        at: &At,
        translated: Families,
    ) -> Option<(Vec<Place>, bool)> {
        let Some((list, env)) = context.translation.hairpin else {
            return Some((Vec::new(), false));
        };
        if translated.is_empty() {
            self.report(messages::hairpin_without_translation(list.span));
            return None;
        }
        if let At::Addresses(all) = at
            && Family::BOTH.into_iter().any(|family| all.is_full_in(family))
        {
            self.report(messages::hairpin_at_any(list.span));
            return None;
        }
        let ends = self.ends(list, env)?;
        self.addresses_of(&ends, "a hairpin")?;
        let mut zones = Vec::new();
        let mut own = false;
        for end in ends {
            match end.kind {
                EndKind::Machine => own = true,
                EndKind::Zone if end.place.interfaces.is_some() => {
                    let bare = end.place.addresses.is_full();
                    if bare && matches!(at, At::Local) {
                        self.report(messages::hairpin_without_address(
                            end.span,
                            self.text(end.span),
                        ));
                        return None;
                    }
                    if end.place.addresses.families().intersection(translated).is_empty() {
                        self.report(messages::hairpin_of_other_family(end.span));
                        return None;
                    }
                    zones.push(end.forwarded());
                }
                EndKind::Zone | EndKind::Any | EndKind::Address => {
                    self.report(messages::hairpin_is_no_zone(end.span));
                    return None;
                }
            }
        }
        Some((simplify_places(zones), own))
    }

    fn redirect(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        context: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<(NatKind, Families)> {
        let mut traffic = self.traffic(&rule.subjects, env)?;
        self.narrow_ports(&mut traffic, context, rule.subject())?;
        let port = self.redirect_port(rule, context, &traffic)?;
        let at = self.at(context)?;
        let source = self.foreign_source(rule, context, span)?;
        let shared = self.shared_families(rule, span, context, &traffic, &[&source])?;
        let said = context.translation.at.map_or(span, |(list, _)| list.span);
        let families = self.translated_families(shared, families::of_at(&at), said, context)?;
        let source = simplify_places(source.into_iter().map(|end| end.place));
        let parts = merge_parts(traffic.iter().map(|one| &one.part));
        let redirect = Redirect { source, parts, at, port };
        Some((NatKind::Redirect(Box::new(redirect)), families))
    }

    fn netmap(
        &mut self,
        outside: &'a List,
        span: Span,
        context: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<(NatKind, Families)> {
        let Some((inside, inside_env)) = context.target else {
            self.report(messages::netmap_incomplete(span, "to"));
            return None;
        };
        let Some((on, on_env)) = context.translation.on else {
            self.report(messages::netmap_incomplete(span, "on"));
            return None;
        };
        let ClauseKind::On(names) = &on.kind else { return None };
        let interfaces = self.interfaces(names, on_env)?;
        let (first, second) = (self.network(outside, env)?, self.network(inside, inside_env)?);
        if first.family() != second.family() || first.length() != second.length() {
            self.report(messages::netmap_unequal(inside.span, first, second, outside.span));
            return None;
        }
        let own = Families::only(first.family());
        let families = self.translated_families(context.families, own, outside.span, context)?;
        Some((NatKind::Netmap { outside: first, inside: second, interfaces }, families))
    }

    /// A list that is exactly one network.
    fn network(&mut self, list: &'a List, env: Option<CallId>) -> Option<Prefix> {
        let ends = self.ends(list, env)?;
        let all = self.addresses_of(&ends, "a network")?;
        let networks: Vec<Option<Prefix>> = Family::BOTH
            .into_iter()
            .flat_map(|family| {
                let spanning = move |(low, high)| Prefix::spanning(family, low, high);
                all.intervals(family).into_iter().map(spanning)
            })
            .collect();
        if let [Some(network)] = networks[..] {
            return Some(network);
        }
        self.report(messages::one_network_expected(list.span));
        None
    }
}

/// Puts an end behind interfaces; whether anything is left.
fn narrow(end: &mut End, interfaces: &[Interface]) -> bool {
    end.behind(interfaces).is_some_and(|narrowed| {
        *end = narrowed;
        true
    })
}
