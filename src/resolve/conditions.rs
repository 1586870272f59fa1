//! Conditions on a packet beside where it comes from and goes to: state, flags, mark, user and more.

use super::context::Context;
use super::policy::{CallId, Condition};
use super::{Resolver, messages};
use crate::net::{Account, CtState, CtStates, FlagMatch, TcpFlags, TimeWindow, Weekdays};
use crate::packet::Field;
use crate::source::Span;
use crate::syntax::tree::{ArgumentKind, Clause, ClauseKind, DayRange, Name, Text, Value};

impl<'a> Resolver<'a> {
    pub(super) fn condition(
        &mut self,
        clause: &'a Clause,
        env: Option<CallId>,
    ) -> Option<Condition> {
        Some(match &clause.kind {
            ClauseKind::State(names) => Condition::State(self.states(names, env)?),
            ClauseKind::Flags { set, mask } => {
                Condition::Flags(self.flags(set, mask, clause.span, env)?)
            }
            ClauseKind::User(span) => {
                let account = self.account(*span, env)?;
                self.tell_apart(Field::User, &account, *span)?;
                Condition::User(account)
            }
            ClauseKind::Group(span) => {
                let account = self.account(*span, env)?;
                self.tell_apart(Field::Group, &account, *span)?;
                Condition::Group(account)
            }
            ClauseKind::Mac(values) => Condition::Mac(self.read_macs(values)?),
            ClauseKind::Mark(mark) => Condition::Mark(self.read_mark(*mark)?),
            ClauseKind::Length(value) => Condition::Length(self.read_lengths(*value)?),
            ClauseKind::Ttl(value) => Condition::Ttl(self.read_byte(value.0, "ttl", u8::MAX)?),
            ClauseKind::Dscp(value) => Condition::Dscp(self.read_dscp(*value, env)?),
            ClauseKind::During { hours, days, local } => {
                let local = local.is_some();
                Condition::During(self.window(*hours, days, local, env)?)
            }
            ClauseKind::Via(name) => {
                self.no_parameter(name.0, env)?;
                self.carrier(*name)?
            }
            _ => return None,
        })
    }

    /// Adds a condition; with one of its kind there already, both hold.
    pub(super) fn add_condition(
        &mut self,
        inner: &mut Context,
        new: Condition,
        span: Span,
    ) -> Option<()> {
        let alike = inner.conditions.iter().position(|(old, _)| old.is_like(&new));
        let Some(position) = alike else {
            inner.conditions.push((new, span));
            return Some(());
        };
        let (old, around) = &inner.conditions[position];
        let Some(both) = old.intersection(&new) else {
            let finding = messages::empty_intersection(span, "values");
            self.report(finding.related(*around, "the block around says this"));
            return None;
        };
        inner.conditions[position].0 = both;
        Some(())
    }

    /// Refuses a name beside a number that it may have. (Nobody but root has 0.)
    fn tell_apart(&mut self, field: Field, account: &Account, span: Span) -> Option<()> {
        let is_name = match account {
            Account::Number(0) => return Some(()),
            Account::Number(_) => false,
            Account::Name(_) => true,
        };
        self.accounts.entry((field, is_name)).or_insert(span);
        let Some(other) = self.accounts.get(&(field, !is_name)) else { return Some(()) };
        self.report(messages::name_beside_number(span, *other));
        None
    }

    /// A user or group, or the argument that stands for it.
    fn account(&mut self, span: Span, env: Option<CallId>) -> Option<Account> {
        let Some((argument, env)) = self.argument(self.text(span), env) else {
            return self.read_account(span);
        };
        match &argument.kind {
            ArgumentKind::Name(Name(inner)) => self.account(*inner, env),
            ArgumentKind::Quoted(Text(inner)) | ArgumentKind::Value(Value(inner)) => {
                self.read_account(*inner)
            }
            ArgumentKind::Subjects(_) | ArgumentKind::Endpoints(_) | ArgumentKind::Pattern(_) => {
                self.report(messages::argument_is_no(span, argument.span, "user or group"));
                None
            }
        }
    }

    /// Refuses a parameter where a word of the language itself belongs.
    pub(super) fn no_parameter(&mut self, span: Span, env: Option<CallId>) -> Option<()> {
        let Some((argument, _)) = self.argument(self.text(span), env) else { return Some(()) };
        self.report(messages::parameter_cannot_stand(span, self.text(span), argument.span));
        None
    }

    /// What a packet is carried by.
    fn carrier(&mut self, name: Name) -> Option<Condition> {
        let word = self.text(name.0);
        if word == "ipsec" {
            return Some(Condition::Ipsec);
        }
        self.report(messages::unknown_word(name.0, word, "carrier", &["ipsec"]));
        None
    }

    fn window(
        &mut self,
        hours: Option<Value>,
        days: &[DayRange],
        local: bool,
        env: Option<CallId>,
    ) -> Option<TimeWindow> {
        let hours = match hours {
            Some(value) => Some(self.read_hours(value)?),
            None => None,
        };
        let mut all = if days.is_empty() { Weekdays::every_day() } else { Weekdays::default() };
        for range in days {
            self.no_parameter(range.0, env)?;
            all = all.union(self.read_days(*range)?);
        }
        Some(TimeWindow { hours, days: all, local })
    }

    fn states(&mut self, names: &[Name], env: Option<CallId>) -> Option<CtStates> {
        let mut states = Vec::new();
        for name in names {
            self.no_parameter(name.0, env)?;
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

    fn flags(
        &mut self,
        set: &[Name],
        mask: &[Name],
        span: Span,
        env: Option<CallId>,
    ) -> Option<FlagMatch> {
        let set = self.flag_set(set, env)?;
        let mask = self.flag_set(mask, env)?;
        let flags = FlagMatch::new(set, mask);
        if flags.is_none() {
            self.report(messages::flags_outside_mask(span));
        }
        flags
    }

    fn flag_set(&mut self, names: &[Name], env: Option<CallId>) -> Option<TcpFlags> {
        let mut flags = TcpFlags::NONE;
        for name in names {
            self.no_parameter(name.0, env)?;
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
}
