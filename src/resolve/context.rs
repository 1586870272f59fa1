//! What the blocks around a statement and its own clauses say together.

use super::ends::{End, intersect_interfaces};
use super::policy::{
    CallId, Condition, Hook, Limit, LimitId, LimitKey, LimitKind, Log, LogLevel, Remarks,
    SourceLengths,
};
use super::{Resolver, messages};
use crate::net::rate::{MAX_BURST, MAX_DRAIN_SECONDS};
use crate::net::{CtState, CtStates, Families, FlagMatch, Interface, Ports, Rate, TcpFlags, Unit};
use crate::ruleset::{MAX_COMMENT, MAX_LOG_PREFIX};
use crate::source::Span;
use crate::syntax::tree::{Clause, ClauseKind, Key, List, LogOptions, Name, Text, Value};

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
    pub translation: Translation<'a>,
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
            translation: Translation::default(),
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

/// A bucket of 10 a minute that holds 20 keeps a log readable.
const LOG_RATE: (u32, Unit) = (10, Unit::Minute);
const LOG_BURST: u32 = 20;

/// What a limit holds when nothing is said: the kernel's own default.
const DEFAULT_BURST: u32 = 5;

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
        for clause in clauses {
            let word = word(&clause.kind);
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
            ClauseKind::Ipv4 | ClauseKind::Ipv6 => self.one_family(inner, clause)?,
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
            ClauseKind::As(list) => inner.translation.to_source = Some((list, env)),
            ClauseKind::At(list) => inner.translation.at = Some((list, env)),
            ClauseKind::On(_) => inner.translation.on = Some((clause, env)),
            ClauseKind::Hairpin(list) => inner.translation.hairpin = Some((list, env)),
            ClauseKind::Log(options) => inner.log = Some(self.log(options)?),
            ClauseKind::With(name) => inner.with = Some(*name),
            ClauseKind::Limit { rate, burst, per } => {
                let kind = self.rate_limit(clause.span, *rate, *burst, per)?;
                inner.limits.push(Limit { id: self.next_limit(), kind });
            }
            ClauseKind::Connections { count, per } => {
                let kind = self.connections(*count, per.as_ref())?;
                inner.limits.push(Limit { id: self.next_limit(), kind });
            }
            ClauseKind::Comment(text) => remarks.comment = Some(*text),
            ClauseKind::Owner(text) => remarks.owner = Some(*text),
            ClauseKind::Ticket(text) => remarks.ticket = Some(*text),
            ClauseKind::Until(_) => {
                self.report(messages::not_checked(clause.span, "`until`"));
                inner.remarks.until = Some(clause.span);
            }
            ClauseKind::Expect { .. } => {
                self.report(messages::not_checked(clause.span, "`expect`"));
                inner.remarks.expect = Some(clause.span);
            }
            ClauseKind::State(_)
            | ClauseKind::Flags { .. }
            | ClauseKind::User(_)
            | ClauseKind::Group(_)
            | ClauseKind::Mac(_)
            | ClauseKind::Mark(_)
            | ClauseKind::Length(_)
            | ClauseKind::Ttl(_) => {
                let condition = self.condition(clause)?;
                self.add_condition(inner, condition, clause.span)?;
            }
            ClauseKind::During { .. } | ClauseKind::Dscp(_) | ClauseKind::Via(_) => {
                self.report(messages::not_supported(clause.span, word(&clause.kind)));
                return None;
            }
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

    /// The ends that the block around and the clause itself both mean.
    fn both(&mut self, outer: Option<&[End]>, own: Vec<End>, span: Span) -> Option<Vec<End>> {
        let Some(outer) = outer else { return Some(own) };
        let meet = |a: &End| own.iter().filter_map(|b| a.intersection(b)).collect::<Vec<_>>();
        let ends: Vec<End> = outer.iter().flat_map(meet).collect();
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

    fn condition(&mut self, clause: &Clause) -> Option<Condition> {
        Some(match &clause.kind {
            ClauseKind::State(names) => Condition::State(self.states(names)?),
            ClauseKind::Flags { set, mask } => {
                Condition::Flags(self.flags(set, mask, clause.span)?)
            }
            ClauseKind::User(span) => Condition::User(self.read_account(*span)?),
            ClauseKind::Group(span) => Condition::Group(self.read_account(*span)?),
            ClauseKind::Mac(values) => Condition::Mac(self.read_macs(values)?),
            ClauseKind::Mark(mark) => Condition::Mark(self.read_mark(*mark)?),
            ClauseKind::Length(value) => Condition::Length(self.read_lengths(*value)?),
            ClauseKind::Ttl(value) => Condition::Ttl(self.read_byte(value.0, "ttl", u8::MAX)?),
            _ => return None,
        })
    }

    /// Adds a condition; with one of its kind there already, both hold.
    fn add_condition(&mut self, inner: &mut Context, new: Condition, span: Span) -> Option<()> {
        for (old, around) in &mut inner.conditions {
            let both = match (&*old, &new) {
                (Condition::State(a), Condition::State(b)) => Condition::State(a.intersection(*b)),
                (Condition::Length(a), Condition::Length(b)) => {
                    Condition::Length(a.intersection(b))
                }
                (Condition::Mac(a), Condition::Mac(b)) => {
                    Condition::Mac(a.iter().filter(|mac| b.contains(mac)).copied().collect())
                }
                _ => continue,
            };
            let empty = match &both {
                Condition::State(states) => states.is_empty(),
                Condition::Length(lengths) => lengths.is_empty(),
                Condition::Mac(macs) => macs.is_empty(),
                _ => false,
            };
            if empty {
                let finding = messages::empty_intersection(span, "values");
                self.report(finding.related(*around, "the block around says this"));
                return None;
            }
            *old = both;
            return Some(());
        }
        if !inner.conditions.iter().any(|(old, _)| *old == new) {
            inner.conditions.push((new, span));
        }
        Some(())
    }

    fn states(&mut self, names: &[Name]) -> Option<CtStates> {
        let mut states = Vec::new();
        for name in names {
            let word = self.text(name.0);
            if let Some(state) = CtState::from_name(word) {
                states.push(state);
            } else {
                let known = CtState::ALL.map(CtState::name);
                self.report(messages::unknown_word(name.0, word, "state", &known));
                return None;
            }
        }
        Some(states.into_iter().collect())
    }

    fn flags(&mut self, set: &[Name], mask: &[Name], span: Span) -> Option<FlagMatch> {
        let set = self.flag_set(set)?;
        let mask = self.flag_set(mask)?;
        let flags = FlagMatch::new(set, mask);
        if flags.is_none() {
            self.report(messages::flags_outside_mask(span));
        }
        flags
    }

    fn flag_set(&mut self, names: &[Name]) -> Option<TcpFlags> {
        let mut flags = TcpFlags::NONE;
        for name in names {
            let word = self.text(name.0);
            let Some(flag) = TcpFlags::from_name(word) else {
                let mut known = TcpFlags::NAMES.to_vec();
                known.extend(["all", "none"]);
                self.report(messages::unknown_word(name.0, word, "tcp flag", &known));
                return None;
            };
            flags = flags.union(flag);
        }
        Some(flags)
    }

    fn next_limit(&mut self) -> LimitId {
        self.limit_count += 1;
        LimitId(self.limit_count - 1)
    }

    fn burst(&mut self, burst: Option<Value>, default: u32) -> Option<u32> {
        let Some(value) = burst else { return Some(default) };
        let text = self.text(value.0);
        let burst = text.parse().ok().filter(|burst| (1..=MAX_BURST).contains(burst));
        if burst.is_none() {
            self.report(messages::bad_burst(value.0, text, MAX_BURST));
        }
        burst
    }

    /// A rate and its burst, kept within what the kernel counts rightly.
    fn rate_and_burst(
        &mut self,
        rate_value: Value,
        burst_value: Option<Value>,
        default: u32,
    ) -> Option<(Rate, u32)> {
        let rate = self.read_rate(rate_value)?;
        // A default burst may be too much for a slow rate; then as much as fits is meant.
        let most = u64::from(rate.count()) * MAX_DRAIN_SECONDS / u64::from(rate.unit().seconds());
        let default = u32::try_from(most).unwrap_or(u32::MAX).clamp(1, default);
        let burst = self.burst(burst_value, default)?;
        if rate.drain_seconds(burst) > MAX_DRAIN_SECONDS {
            let span = burst_value.map_or(rate_value.0, |burst| rate_value.0.to(burst.0));
            self.report(messages::drains_too_slowly(span, rate, burst, most));
            return None;
        }
        Some((rate, burst))
    }

    fn rate_limit(
        &mut self,
        span: Span,
        rate: Value,
        burst: Option<Value>,
        per: &[Key],
    ) -> Option<LimitKind> {
        let (rate, burst) = self.rate_and_burst(rate, burst, DEFAULT_BURST)?;
        let mut keys = Vec::new();
        for key in per {
            let read = self.key(key)?;
            let same =
                |known: &LimitKey| std::mem::discriminant(known) == std::mem::discriminant(&read);
            if keys.iter().any(same) {
                self.report(messages::key_twice(key.name.0, span));
                return None;
            }
            keys.push(read);
        }
        keys.sort_unstable();
        Some(LimitKind::Rate { rate, burst, per: keys })
    }

    fn key(&mut self, key: &Key) -> Option<LimitKey> {
        let word = self.text(key.name.0);
        let read = match word {
            "source" => return self.source_lengths(key).map(LimitKey::Source),
            "destination" => LimitKey::Destination,
            "source-port" => LimitKey::SourcePort,
            "destination-port" => LimitKey::DestinationPort,
            _ => {
                let known = ["source", "destination", "source-port", "destination-port"];
                self.report(messages::unknown_word(key.name.0, word, "key of a limit", &known));
                return None;
            }
        };
        if let Some(length) = key.v4_length.or(key.v6_length) {
            self.report(messages::length_only_for_source(length.0));
            return None;
        }
        Some(read)
    }

    fn source_lengths(&mut self, key: &Key) -> Option<SourceLengths> {
        let mut lengths = SourceLengths { v4: 32, v6: 64 };
        if let Some(value) = key.v4_length {
            lengths.v4 = self.read_byte(value.0, "prefix length", 32)?;
        }
        if let Some(value) = key.v6_length {
            lengths.v6 = self.read_byte(value.0, "prefix length", 128)?;
        }
        Some(lengths)
    }

    fn connections(&mut self, count: Value, per: Option<&Key>) -> Option<LimitKind> {
        // The kernel holds the count in an unsigned 32-bit number; 0 would never match.
        let count = self.read_number(count.0, "number of connections", 1, 1_000_000)?;
        let Some(key) = per else {
            return Some(LimitKind::Connections { count, per_source: None });
        };
        match self.key(key)? {
            LimitKey::Source(lengths) => {
                Some(LimitKind::Connections { count, per_source: Some(lengths) })
            }
            LimitKey::Destination | LimitKey::SourcePort | LimitKey::DestinationPort => {
                self.report(messages::connections_per_source_only(key.name.0));
                None
            }
        }
    }

    /// What a `log` clause, verb or default says.
    pub(super) fn log(&mut self, options: &LogOptions) -> Option<Log> {
        let prefix = match options.prefix {
            Some(text) => Some(self.read_text(text, "log prefix", MAX_LOG_PREFIX)?.into()),
            None => None,
        };
        let level = match options.level {
            Some(level) => self.read_log_level(level)?,
            None => LogLevel(4),
        };
        let (rate, burst) = if let Some(rate) = options.rate {
            self.rate_and_burst(rate, options.burst, LOG_BURST)?
        } else {
            let rate = Rate::new(LOG_RATE.0, LOG_RATE.1).ok()?;
            (rate, self.burst(options.burst, LOG_BURST)?)
        };
        Some(Log { prefix, level, rate, burst })
    }

    /// Makes one comment of `comment`, `owner` and `ticket`: `text [owner X, ticket Y]`.
    fn remark(&mut self, remarks: &mut Remarks, said: &Remarked) -> Option<()> {
        let Some(at) = said.comment.or(said.owner).or(said.ticket) else { return Some(()) };
        let mut parts = Vec::new();
        for (what, text) in [("owner", said.owner), ("ticket", said.ticket)] {
            if let Some(text) = text {
                parts.push(format!("{what} {}", self.read_text(text, what, MAX_COMMENT)?));
            }
        }
        let mut comment = match said.comment {
            Some(text) => self.read_text(text, "comment", MAX_COMMENT)?,
            None => String::new(),
        };
        if !parts.is_empty() {
            let separator = if comment.is_empty() { "" } else { " " };
            comment = format!("{comment}{separator}[{}]", parts.join(", "));
        }
        if comment.len() > MAX_COMMENT {
            let what = "comment with its owner and ticket";
            self.report(messages::text_too_long(at.0, what, comment.len(), MAX_COMMENT));
            return None;
        }
        remarks.comment = Some(comment.into());
        Some(())
    }
}

/// The remarks of one statement as written.
#[derive(Default)]
struct Remarked {
    comment: Option<Text>,
    owner: Option<Text>,
    ticket: Option<Text>,
}
