//! Filter rules: subjects, clauses and directions → flows.

use super::context::{Context, ToIs};
use super::direction::Route;
use super::ends::{End, EndKind, families_of, simplify_places};
use super::helpers::Said;
use super::policy::{
    Action, Bound, CallId, Condition, Flow, Hook, Limit, LimitKey, LimitKind, Origin, Part, Place,
    RejectWith, Remarks, Rule, Scope,
};
use super::services::{Traffic, merge_parts, together};
use super::{Body, Resolver, messages};
use crate::net::{Addresses, Families, Family, PortProtocol, Ports};
use crate::source::Span;
use crate::syntax::tree::{self, ClauseKind, Name, Subject, SubjectKind, VerbKind};

impl<'a> Resolver<'a> {
    pub(super) fn filter_rule(
        &mut self,
        rule: &'a tree::Rule,
        span: Span,
        outer: &Context<'a>,
        env: Option<CallId>,
    ) -> Option<Rule> {
        let action = self.action(&rule.verb, env);
        let each = self.traffic_of_each(&rule.subjects, env);
        let context = self.narrow(outer, &rule.clauses, ToIs::Ends, env)?;
        self.check_filter_clauses(&rule.verb, &context)?;
        let (mut action, each) = (action?, each?);
        let mut traffic = together(each.clone());
        self.narrow_ports(&mut traffic, &context, rule.subject())?;
        if self.body == Body::Docker {
            self.check_docker_rule(&rule.verb, &context, &traffic, rule.subject())?;
        }
        self.check_keys(&context, &traffic, rule.subject())?;
        let routes = self.routes(&context, span)?;
        self.check_conditions(&context, &traffic, &routes)?;
        if let Action::Reject(with) = &mut action {
            *with = self.reject_with(&context, &traffic, rule.subject())?;
        }
        let mut families = self.rule_families(&context, &mut traffic, &rule.subjects, env)?;
        if matches!(action, Action::Reject(RejectWith::ProtoUnreachable)) {
            families = families.intersection(Families::only(Family::V4));
        }
        let stops = matches!(action, Action::Drop | Action::Reject(_));
        let flows = self.flows(&routes, &traffic, families, span, stops)?;
        let log = match &rule.verb.kind {
            VerbKind::Log(options) => Some(self.log(options, env)?),
            _ => context.log.clone(),
        };
        let origin = Origin { span, call: env };
        let conditions: Vec<Condition> =
            context.conditions.iter().map(|(condition, _)| condition.clone()).collect();
        if action == Action::Allow {
            let subject = rule.subject();
            let (conditions, remarks) = (&conditions[..], &context.remarks);
            let said = Said { origin, subject, families, conditions, remarks };
            let helpers = self.helpers_of_rule(&said, &routes, &traffic)?;
            self.assign(helpers);
        }
        let aims = [context.direction.is_some(), context.out.is_some(), context.outgoing.is_some()];
        let aims_nowhere =
            self.body == Body::Policy && context.to.is_none() && !aims.contains(&true);
        let guarded = match action {
            Action::Allow => self.guarded(&rule.subjects, env),
            Action::Drop
            | Action::Reject(_)
            | Action::Log
            | Action::Return
            | Action::Jump(_)
            | Action::Goto(_)
            | Action::Add(_) => Vec::new(),
        };
        let speaks_of_all_in = context.block.filter(|_| speaks_of_all(rule));
        self.keep_lists(rule, origin, &each);
        if self.body != Body::Policy {
            self.chain_clauses.insert(origin, context.present.clone());
        }
        Some(Rule {
            origin,
            action,
            flows,
            conditions,
            limits: context.limits,
            log,
            remarks: Remarks { aims_nowhere, speaks_of_all_in, guarded, ..context.remarks },
        })
    }

    fn action(&mut self, verb: &tree::Verb, env: Option<CallId>) -> Option<Action> {
        Some(match &verb.kind {
            VerbKind::Allow => Action::Allow,
            VerbKind::Drop => Action::Drop,
            VerbKind::Reject => Action::Reject(RejectWith::PortUnreachable),
            VerbKind::Log(_) => Action::Log,
            VerbKind::Return => Action::Return,
            VerbKind::Jump(name) => Action::Jump(self.chain(*name, env)?),
            VerbKind::Goto(name) => Action::Goto(self.chain(*name, env)?),
            VerbKind::Add { key, set, duration } => {
                Action::Add(self.addition(key, *set, *duration, env)?)
            }
            _ => return None,
        })
    }

    /// Clauses that mean nothing with this verb.
    fn check_filter_clauses(&mut self, verb: &tree::Verb, context: &Context<'a>) -> Option<()> {
        let mut whole = true;
        for (word, span) in &context.present {
            let fits = match *word {
                "as" | "at" | "on" | "hairpin" => false,
                "with" => matches!(verb.kind, VerbKind::Reject),
                "log" => !matches!(verb.kind, VerbKind::Log(_)),
                "connections" => !matches!(verb.kind, VerbKind::Return | VerbKind::Goto(_)),
                _ => true,
            };
            if !fits {
                self.report(messages::misplaced_clause(
                    *span,
                    word,
                    self.text(verb.span),
                    verb.span,
                ));
                whole = false;
            }
        }
        whole.then_some(())
    }

    /// Applies `sport`; `span` is what it is applied to.
    pub(super) fn narrow_ports(
        &mut self,
        traffic: &mut Vec<Traffic>,
        context: &Context<'a>,
        span: Span,
    ) -> Option<()> {
        let Some((ports, at)) = &context.sport else { return Some(()) };
        for one in traffic.iter_mut() {
            let Part::Ports { source, .. } = &mut one.part else {
                self.report(messages::sport_without_ports(*at, &describe(&one.part), span));
                return None;
            };
            *source = source.intersection(ports);
        }
        let has_ports = |one: &Traffic| match &one.part {
            Part::Ports { source, .. } => !source.is_empty(),
            Part::Any | Part::Icmp(_) | Part::Protocol(_) => true,
        };
        traffic.retain(has_ports);
        if traffic.is_empty() {
            self.report(messages::empty_intersection(*at, "source ports"));
            return None;
        }
        Some(())
    }

    /// A rate counted by ports needs traffic that has some; `span` is what it is applied to.
    fn check_keys(&mut self, context: &Context<'a>, traffic: &[Traffic], span: Span) -> Option<()> {
        let by_ports = |limit: &Limit| match &limit.kind {
            LimitKind::Rate { per, .. } => per.iter().any(|key| match key {
                LimitKey::SourcePort | LimitKey::DestinationPort => true,
                LimitKey::Source(_) | LimitKey::Destination => false,
            }),
            LimitKind::Connections { .. } => false,
        };
        let has_ports = |one: &&Traffic| matches!(one.part, Part::Ports { .. });
        let without = traffic.iter().find(|one| !has_ports(one));
        let (true, Some(other)) = (context.limits.iter().any(by_ports), without) else {
            return Some(());
        };
        let clause = context.present.iter().find(|(word, _)| *word == "limit");
        let at = clause.map_or(span, |(_, at)| *at);
        self.report(messages::key_without_ports(at, &describe(&other.part), span));
        None
    }

    /// Conditions that not every packet of the rule can have.
    pub(super) fn check_conditions(
        &mut self,
        context: &Context<'a>,
        traffic: &[Traffic],
        routes: &[Route],
    ) -> Option<()> {
        let only = |hook| routes.iter().all(|route| route.scope == Scope::Hook(hook));
        let some = |hook| routes.iter().any(|route| route.scope == Scope::Hook(hook));
        let other = traffic.iter().find(|one| !is_tcp(&one.part));
        for (condition, span) in &context.conditions {
            let finding = match condition {
                Condition::Flags(_) => {
                    other.map(|other| messages::tcp_only(*span, "`flags`", &describe(&other.part)))
                }
                Condition::User(_) | Condition::Group(_) => {
                    let elsewhere = self.body == Body::Policy && !only(Hook::Output);
                    elsewhere.then(|| messages::owner_outside_output(*span))
                }
                Condition::Mac(_) => some(Hook::Output).then(|| messages::mac_on_output(*span)),
                Condition::State(_)
                | Condition::Mark(_)
                | Condition::Length(_)
                | Condition::Ttl(_)
                | Condition::Dscp(_)
                | Condition::During(_)
                | Condition::Ipsec => None,
            };
            if let Some(finding) = finding {
                self.report(finding);
                return None;
            }
        }
        Some(())
    }

    fn reject_with(
        &mut self,
        context: &Context<'a>,
        traffic: &[Traffic],
        span: Span,
    ) -> Option<RejectWith> {
        let Some(name) = context.with else { return Some(RejectWith::PortUnreachable) };
        let with = self.reject_word(name, context.families)?;
        let other = traffic.iter().find(|one| !is_tcp(&one.part));
        if let (RejectWith::TcpReset, Some(other)) = (with, other) {
            let finding = messages::tcp_only(name.0, "`tcp-reset`", &describe(&other.part));
            self.report(finding.related(span, format!("this is about {}", describe(&other.part))));
            return None;
        }
        Some(with)
    }

    pub(super) fn reject_word(&mut self, name: Name, families: Families) -> Option<RejectWith> {
        let word = self.text(name.0);
        let Some((with, own)) = ANSWERS.iter().find(|(known, _)| known.name() == word) else {
            let known: Vec<&str> = ANSWERS.iter().map(|(known, _)| known.name()).collect();
            self.report(messages::unknown_word(name.0, word, "answer", &known));
            return None;
        };
        let lost = Family::BOTH.into_iter().find(|f| families.contains(*f) && !own.contains(*f));
        if let Some(family) = lost {
            self.report(messages::answer_of_one_family(name.0, word, family));
            return None;
        }
        Some(*with)
    }

    /// The families of a rule by its clauses; lists that have none of them are an error.
    pub(super) fn rule_families(
        &mut self,
        context: &Context<'a>,
        traffic: &mut Vec<Traffic>,
        subjects: &'a [Subject],
        env: Option<CallId>,
    ) -> Option<Families> {
        let families = context.families;
        let clause = context.family_clause;
        let possible = |wanted: Families| !families.intersection(wanted).is_empty();
        for subject in subjects {
            if clause.is_none() || matches!(subject.kind, SubjectKind::More(_)) {
                continue; // More ports are of the protocol before them.
            }
            // `ping` has a part in each family; of `icmpv6 …` with `ipv4` nothing is left.
            let own = self.traffic(std::slice::from_ref(subject), env)?;
            if let (Some(one), false) = (own.first(), own.iter().any(|one| possible(one.families)))
            {
                self.report(match one.part {
                    Part::Protocol(protocol) if protocol.is_ipv6_header() => {
                        messages::header_is_no_protocol(subject.span, protocol)
                    }
                    Part::Any | Part::Ports { .. } | Part::Icmp(_) | Part::Protocol(_) => {
                        let part = describe(&one.part);
                        messages::traffic_of_other_family(subject.span, &part, clause)
                    }
                });
                return None;
            }
        }
        traffic.retain(|one| possible(one.families));
        for ends in [&context.from, &context.to].into_iter().flatten() {
            if !possible(families_of(ends)) {
                self.report(messages::addresses_of_other_family(ends[0].span, clause));
                return None;
            }
        }
        Some(families)
    }

    /// The flows of each route: traffic that is bound alike goes together. A rule that `stops` packets
    /// is to lose none.
    pub(super) fn flows(
        &mut self,
        routes: &[Route],
        traffic: &[Traffic],
        families: Families,
        span: Span,
        stops: bool,
    ) -> Option<Vec<Flow>> {
        let mut flows = Vec::new();
        for route in routes {
            for group in groups(traffic) {
                flows.push(flow(route, &group, families));
            }
        }
        flows.retain(|flow| Family::BOTH.into_iter().any(|family| speaks_in(flow, family)));
        if flows.is_empty() {
            self.report(messages::no_family_left(span));
            return None;
        }
        for route in routes {
            self.judge_families(route, traffic, families, span, stops);
        }
        let header = traffic.iter().find_map(|one| match one.part {
            Part::Protocol(protocol) => Some(protocol).filter(|one| one.is_ipv6_header()),
            Part::Any | Part::Ports { .. } | Part::Icmp(_) => None,
        });
        if let (true, true, Some(header)) = (stops, families.v6, header) {
            self.report(messages::header_not_dropped(span, header));
        }
        Some(flows)
    }

    /// Says when a list without members in a family makes the rule silent there.
    fn judge_families(
        &mut self,
        route: &Route,
        traffic: &[Traffic],
        families: Families,
        span: Span,
        stops: bool,
    ) {
        if traffic.iter().all(Traffic::ignores_nets) {
            return;
        }
        let by_traffic = Families {
            v4: traffic.iter().any(|one| one.families.v4),
            v6: traffic.iter().any(|one| one.families.v6),
        };
        for family in Family::BOTH {
            if !families.intersection(by_traffic).contains(family) {
                continue;
            }
            if stops {
                if let Some(end) = all_of_the_other(route, family) {
                    let text = self.text(end);
                    self.report(messages::all_of_one_family(end, family, text, span));
                    continue;
                }
                let lost = lost_zones(route, family);
                for zone in &lost {
                    let text = self.text(*zone);
                    self.report(messages::family_not_dropped(*zone, family, text, span));
                }
                if !lost.is_empty() {
                    continue;
                }
            }
            let has = |ends: &[End]| families_of(ends).contains(family);
            let named = |ends: &[End]| {
                ends.iter().any(|end| {
                    end.kind != EndKind::Any && !(end.place.addresses.is_full_in(family))
                })
            };
            let (source, destination) = (&route.source, &route.destination);
            let gone = match (has(source), has(destination)) {
                (false, true) => named(destination).then(|| source[0].span),
                (true, false) => named(source).then(|| destination[0].span),
                (true, true) | (false, false) => None,
            };
            if let Some(gone) = gone {
                self.report(messages::one_family_only(gone, family, span));
            }
        }
    }
}

/// Where a route names all addresses of the other family, and none of this one.
fn all_of_the_other(route: &Route, family: Family) -> Option<Span> {
    let other = match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    };
    let lists = [&route.source, &route.destination];
    let mut lost = lists.into_iter().filter(|ends| !families_of(ends).contains(family));
    let all = lost.find_map(|ends| ends.iter().find(|end| end.place.addresses.is_full_in(other)));
    all.map(|end| end.span)
}

/// The zones of a route, as written, that have nothing in a family that is not left out on purpose:
/// those of the source, or else of the destination.
fn lost_zones(route: &Route, family: Family) -> Vec<Span> {
    let lost = |ends: &[End]| -> Vec<Span> {
        let empty =
            |end: &&End| end.lacks.contains(family) && end.place.addresses.is_empty_in(family);
        ends.iter().filter(empty).map(|end| end.span).collect()
    };
    let meant = |ends: &[End]| families_of(ends).contains(family) || !lost(ends).is_empty();
    if !meant(&route.source) || !meant(&route.destination) {
        return Vec::new();
    }
    let of_source = lost(&route.source);
    if of_source.is_empty() { lost(&route.destination) } else { of_source }
}

/// Traffic that is bound alike: same families, same destination, nets ignored or not.
pub(super) fn groups(traffic: &[Traffic]) -> Vec<Vec<&Traffic>> {
    let mut groups: Vec<Vec<&Traffic>> = Vec::new();
    for one in traffic {
        let alike = |group: &&mut Vec<&Traffic>| {
            group[0].families == one.families
                && group[0].destination == one.destination
                && group[0].ignores_nets() == one.ignores_nets()
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

pub(super) fn flow(route: &Route, group: &[&Traffic], families: Families) -> Flow {
    let first = group[0];
    let place = |end: &End| {
        if first.ignores_nets() {
            end.loose.clone()
        } else {
            match route.scope {
                Scope::Hook(Hook::Forward) | Scope::Arrival(Bound::Elsewhere) => end.forwarded(),
                Scope::Hook(Hook::Input | Hook::Output)
                | Scope::Arrival(Bound::Anywhere | Bound::Here)
                | Scope::Chain
                | Scope::Docker => end.place.clone(),
            }
        }
    };
    let source = simplify_places(route.source.iter().map(place));
    let mut destination = simplify_places(route.destination.iter().map(place));
    if let Some(addresses) = &first.destination {
        let bound = |place: Place| bind(place, addresses);
        destination = simplify_places(destination.into_iter().map(bound));
    }
    Flow {
        scope: route.scope,
        families: families.intersection(first.families),
        source,
        destination,
        parts: merge_parts(group.iter().map(|one| &one.part)),
    }
}

/// A multicast destination stands instead of the addresses of a place; an address that was written
/// stays a condition.
fn bind(place: Place, addresses: &Addresses) -> Place {
    Place { addresses: place.addresses.intersection(addresses), ..place }
}

/// Whether a flow says anything in a family.
pub(super) fn speaks_in(flow: &Flow, family: Family) -> bool {
    let has = |places: &[Place]| places.iter().any(|place| !place.addresses.is_empty_in(family));
    flow.families.contains(family)
        && has(&flow.source)
        && has(&flow.destination)
        && flow.parts.iter().any(|part| part.families().contains(family))
}

pub(super) fn is_tcp(part: &Part) -> bool {
    matches!(part, Part::Ports { protocol: PortProtocol::Tcp, .. })
}

/// A part as people say it.
pub(super) fn describe(part: &Part) -> String {
    match part {
        Part::Any => "any protocol".to_owned(),
        Part::Ports { protocol, destination, .. } => match ports_text(destination) {
            Some(ports) => format!("{protocol} {ports}"),
            None => protocol.to_string(),
        },
        Part::Icmp(icmp) => match icmp.family {
            Family::V4 => format!("icmp {icmp}"),
            Family::V6 => format!("icmpv6 {icmp}"),
        },
        Part::Protocol(protocol) => protocol.to_string(),
    }
}

/// `22, 80-90`; `None` for every port.
pub(super) fn ports_text(ports: &Ports) -> Option<String> {
    if ports.is_full() {
        return None;
    }
    let one = |(low, high): &(u16, u16)| {
        if low == high { low.to_string() } else { format!("{low}-{high}") }
    };
    Some(ports.intervals().iter().map(one).collect::<Vec<_>>().join(", "))
}

/// What may stand after `with`, and in which families the kernel has it.
const ANSWERS: &[(RejectWith, Families)] = &[
    (RejectWith::TcpReset, Families::BOTH),
    (RejectWith::PortUnreachable, Families::BOTH),
    (RejectWith::NetUnreachable, Families::BOTH),
    (RejectWith::HostUnreachable, Families::BOTH),
    (RejectWith::ProtoUnreachable, Families { v4: true, v6: false }),
    (RejectWith::NetProhibited, Families::BOTH),
    (RejectWith::HostProhibited, Families::BOTH),
    (RejectWith::AdminProhibited, Families::BOTH),
    (RejectWith::PolicyFail, Families { v4: false, v6: true }),
    (RejectWith::RejectRoute, Families { v4: false, v6: true }),
];

/// Whether a rule says nothing of packets: a verb, perhaps with `any`, and remarks.
fn speaks_of_all(rule: &tree::Rule) -> bool {
    let is_any = |subject: &tree::Subject| matches!(subject.kind, SubjectKind::Any);
    let is_remark = |clause: &tree::Clause| {
        matches!(
            clause.kind,
            ClauseKind::Log(_)
                | ClauseKind::With(_)
                | ClauseKind::Comment(_)
                | ClauseKind::Owner(_)
                | ClauseKind::Ticket(_)
                | ClauseKind::Until(_)
                | ClauseKind::Expect { .. }
        )
    };
    rule.subjects.iter().all(is_any) && rule.clauses.iter().all(is_remark)
}
