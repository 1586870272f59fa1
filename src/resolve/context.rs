//! What the blocks around a statement and its own clauses say together.

use super::ends::{End, intersect_interfaces};
use super::policy::{CallId, Condition, Hook, Limit, Log, Remarks};
use super::remarks::Remarked;
use super::{MAX_MEMBERS, Resolver, messages};
use crate::net::{Families, Interface, Ports};
use crate::source::Span;
use crate::syntax::tree::{Clause, ClauseKind, List, Name};

/// The clauses that hold for a statement. Clauses of one kind in a block and inside it intersect.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    pub direction: Option<(Hook, Span)>,
    pub from: Option<Vec<End>>,
    pub to: Option<Vec<End>>,
    /// A `to` that a translation reads its own way.
    pub target: Option<(&'a List, Option<CallId>)>,
    pub incoming: Option<(Vec<Interface>, Span)>,
    pub outgoing: Option<(Vec<Interface>, Span)>,
    /// The bare `out`.
    pub out: Option<Span>,
    pub families: Families,
    /// The clause that left one family, when one did.
    pub family_clause: Option<Span>,
    pub sport: Option<(Ports, Span)>,
    pub conditions: Vec<(Condition, Span)>,
    pub limits: Vec<Limit>,
    pub log: Option<Log>,
    pub with: Option<Name>,
    pub remarks: Remarks,
    /// The innermost block around.
    pub block: Option<Span>,
    pub translation: Translation<'a>,
    /// Whether it is of a promise, which may be `within limits`.
    pub is_promise: bool,
    /// Every clause that holds: its word and where it stands.
    pub present: Vec<(&'static str, Span)>,
}

/// The clauses of NAT statements alone, with where their names are looked up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Translation<'a> {
    pub to_source: Option<(&'a List, Option<CallId>)>,
    pub at: Option<(&'a List, Option<CallId>)>,
    pub on: Option<(&'a Clause, Option<CallId>)>,
    pub hairpin: Option<(&'a List, Option<CallId>)>,
}

impl Context<'_> {
    /// What holds at the top level: nothing.
    pub fn top() -> Self {
        Context {
            direction: None,
            from: None,
            to: None,
            target: None,
            incoming: None,
            outgoing: None,
            out: None,
            families: Families::BOTH,
            family_clause: None,
            sport: None,
            conditions: Vec::new(),
            limits: Vec::new(),
            log: None,
            with: None,
            remarks: Remarks::default(),
            block: None,
            translation: Translation::default(),
            is_promise: false,
            present: Vec::new(),
        }
    }
}

/// The word of a clause, as it is written and shown.
pub fn word(kind: &ClauseKind) -> &'static str {
    match kind {
        ClauseKind::From(_) => "from",
        ClauseKind::To(_) => "to",
        ClauseKind::In(_) => "in",
        ClauseKind::Out(_) => "out",
        ClauseKind::Ipv4 => "ipv4",
        ClauseKind::Ipv6 => "ipv6",
        ClauseKind::Sport(_) => "sport",
        ClauseKind::State(_) => "state",
        ClauseKind::Flags { .. } => "flags",
        ClauseKind::Limit { .. } => "limit",
        ClauseKind::Connections { .. } => "connections",
        ClauseKind::During { .. } => "during",
        ClauseKind::User(_) => "user",
        ClauseKind::Group(_) => "group",
        ClauseKind::Mac(_) => "mac",
        ClauseKind::Mark(_) => "mark",
        ClauseKind::Dscp(_) => "dscp",
        ClauseKind::Length(_) => "length",
        ClauseKind::Ttl(_) => "ttl",
        ClauseKind::Via(_) => "via",
        ClauseKind::Log(_) => "log",
        ClauseKind::With(_) => "with",
        ClauseKind::Comment(_) => "comment",
        ClauseKind::Owner(_) => "owner",
        ClauseKind::Ticket(_) => "ticket",
        ClauseKind::Until(_) => "until",
        ClauseKind::Expect { .. } => "expect",
        ClauseKind::As(_) => "as",
        ClauseKind::At(_) => "at",
        ClauseKind::On(_) => "on",
        ClauseKind::Hairpin(_) => "hairpin",
        ClauseKind::Within(_) => "within",
        ClauseKind::Helper(_) => "helper",
        ClauseKind::Alias(_) => "alias",
        ClauseKind::Tags(_) => "tags",
    }
}

/// How a statement reads its `to`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ToIs {
    Ends,
    Target,
}

impl<'a> Resolver<'a> {
    /// Whether no clause is given twice; each that is, is reported.
    pub(super) fn check_duplicates(&mut self, clauses: &[Clause]) -> bool {
        let mut whole = true;
        for (index, clause) in clauses.iter().enumerate() {
            let same = |other: &&Clause| word(&other.kind) == word(&clause.kind);
            if let Some(first) = clauses[..index].iter().find(same) {
                self.report(messages::duplicate_clause(
                    clause.span,
                    word(&clause.kind),
                    first.span,
                ));
                whole = false;
            }
        }
        whole
    }

    /// The context of a statement with these clauses inside `outer`; `None` after a fault.
    pub(super) fn narrow(
        &mut self,
        outer: &Context<'a>,
        clauses: &'a [Clause],
        to_is: ToIs,
        env: Option<CallId>,
    ) -> Option<Context<'a>> {
        let mut inner = outer.clone();
        let mut whole = self.check_duplicates(clauses);
        let mut remarks = Remarked::default();
        for (index, clause) in clauses.iter().enumerate() {
            let word = word(&clause.kind);
            if clauses[..index].iter().any(|first| self::word(&first.kind) == word) {
                continue; // A duplicate, reported: it narrows nothing.
            }
            inner.present.retain(|(known, _)| *known != word);
            inner.present.push((word, clause.span));
            whole &= self.narrow_by(&mut inner, clause, to_is, env, &mut remarks).is_some();
        }
        whole &= self.remark(&mut inner.remarks, &remarks).is_some();
        whole.then_some(inner)
    }

    fn narrow_by(
        &mut self,
        inner: &mut Context<'a>,
        clause: &'a Clause,
        to_is: ToIs,
        env: Option<CallId>,
        remarks: &mut Remarked,
    ) -> Option<()> {
        match &clause.kind {
            ClauseKind::From(_)
            | ClauseKind::To(_)
            | ClauseKind::In(_)
            | ClauseKind::Out(_)
            | ClauseKind::Ipv4
            | ClauseKind::Ipv6
            | ClauseKind::Sport(_) => self.narrow_flow(inner, clause, to_is, env)?,
            ClauseKind::As(list) => inner.translation.to_source = Some((list, env)),
            ClauseKind::At(list) => inner.translation.at = Some((list, env)),
            ClauseKind::On(_) => inner.translation.on = Some((clause, env)),
            ClauseKind::Hairpin(list) => inner.translation.hairpin = Some((list, env)),
            ClauseKind::Log(options) => inner.log = Some(self.log(options, env)?),
            ClauseKind::With(name) => {
                self.no_parameter(name.0, env)?;
                inner.with = Some(*name);
            }
            ClauseKind::Limit { .. } | ClauseKind::Connections { .. } => {
                inner.limits.push(self.limit(clause, env)?);
            }
            ClauseKind::Comment(_)
            | ClauseKind::Owner(_)
            | ClauseKind::Ticket(_)
            | ClauseKind::Until(_)
            | ClauseKind::Expect { .. } => self.take_remark(inner, clause, remarks),
            ClauseKind::State(_)
            | ClauseKind::Flags { .. }
            | ClauseKind::User(_)
            | ClauseKind::Group(_)
            | ClauseKind::Mac(_)
            | ClauseKind::Mark(_)
            | ClauseKind::Dscp(_)
            | ClauseKind::Length(_)
            | ClauseKind::Ttl(_)
            | ClauseKind::During { .. }
            | ClauseKind::Via(_) => {
                let condition = self.condition(clause, env)?;
                self.add_condition(inner, condition, clause.span)?;
            }
            // Read where the promise is.
            ClauseKind::Within(_) if inner.is_promise => {}
            ClauseKind::Within(_)
            | ClauseKind::Helper(_)
            | ClauseKind::Alias(_)
            | ClauseKind::Tags(_) => {
                self.report(messages::clause_of_another(clause.span, word(&clause.kind)));
                return None;
            }
        }
        Some(())
    }

    /// Clauses that say where packets come from and go to, and of which family and ports they are.
    fn narrow_flow(
        &mut self,
        inner: &mut Context<'a>,
        clause: &'a Clause,
        to_is: ToIs,
        env: Option<CallId>,
    ) -> Option<()> {
        match &clause.kind {
            ClauseKind::From(list) => {
                let ends = self.ends(list, env)?;
                inner.from = Some(self.both(inner.from.as_deref(), ends, clause.span)?);
            }
            ClauseKind::To(list) if to_is == ToIs::Target => inner.target = Some((list, env)),
            ClauseKind::To(list) => {
                let ends = self.ends(list, env)?;
                inner.to = Some(self.both(inner.to.as_deref(), ends, clause.span)?);
            }
            ClauseKind::In(names) => {
                let own = self.interfaces(names, env)?;
                inner.incoming = Some(self.meet(inner.incoming.take(), own, clause.span)?);
            }
            ClauseKind::Out(names) if names.is_empty() => inner.out = Some(clause.span),
            ClauseKind::Out(names) => {
                let own = self.interfaces(names, env)?;
                inner.outgoing = Some(self.meet(inner.outgoing.take(), own, clause.span)?);
            }
            ClauseKind::Sport(values) => {
                let own = self.read_port_list(values)?;
                let ports = match &inner.sport {
                    Some((outer, _)) => outer.intersection(&own),
                    None => own,
                };
                if ports.is_empty() {
                    self.report(messages::empty_intersection(clause.span, "source ports"));
                    return None;
                }
                inner.sport = Some((ports, clause.span));
            }
            ClauseKind::Ipv4 | ClauseKind::Ipv6 => self.one_family(inner, clause)?,
            _ => return None,
        }
        Some(())
    }

    /// The ends that the block around and the clause itself both mean.
    fn both(&mut self, outer: Option<&[End]>, own: Vec<End>, span: Span) -> Option<Vec<End>> {
        let Some(outer) = outer else { return Some(own) };
        if !self.follow(span, outer.len().saturating_mul(own.len())) {
            return None;
        }
        let meet = |a: &End| own.iter().filter_map(|b| a.intersection(b)).collect::<Vec<_>>();
        let ends: Vec<End> = outer.iter().flat_map(meet).take(MAX_MEMBERS + 1).collect();
        if ends.len() > MAX_MEMBERS {
            self.report(messages::too_many_members(span));
            return None;
        }
        if ends.is_empty() {
            let finding = messages::empty_intersection(span, "addresses or interfaces");
            self.report(finding.related(outer[0].span, "the block around says this"));
            return None;
        }
        Some(ends)
    }

    fn meet(
        &mut self,
        outer: Option<(Vec<Interface>, Span)>,
        own: Vec<Interface>,
        span: Span,
    ) -> Option<(Vec<Interface>, Span)> {
        let Some((outer, around)) = outer else { return Some((own, span)) };
        let Some(both) = intersect_interfaces(&outer, &own) else {
            let finding = messages::empty_intersection(span, "interfaces");
            self.report(finding.related(around, "the block around says this"));
            return None;
        };
        Some((both, span))
    }

    fn one_family(&mut self, inner: &mut Context, clause: &Clause) -> Option<()> {
        let own = Families {
            v4: matches!(clause.kind, ClauseKind::Ipv4),
            v6: matches!(clause.kind, ClauseKind::Ipv6),
        };
        inner.families = inner.families.intersection(own);
        if inner.families.is_empty() {
            let finding = messages::empty_intersection(clause.span, "families");
            let around = inner.family_clause.unwrap_or(clause.span);
            self.report(finding.related(around, "the other family is asked for here"));
            return None;
        }
        inner.family_clause = Some(clause.span);
        Some(())
    }
}
