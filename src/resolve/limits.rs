//! `limit` and `connections`: rates that the kernel counts rightly, and what they are counted by.

use super::policy::{CallId, Limit, LimitId, LimitKey, LimitKind, SourceLengths};
use super::{Resolver, messages};
use crate::net::Rate;
use crate::net::rate::{MAX_BURST, MAX_DRAIN_SECONDS};
use crate::source::Span;
use crate::syntax::tree::{Clause, ClauseKind, Key, Value};

/// What a limit holds when nothing is said: the kernel's own default.
const DEFAULT_BURST: u32 = 5;

impl Resolver<'_> {
    /// What a `limit` or `connections` clause says.
    pub(super) fn limit(&mut self, clause: &Clause, env: Option<CallId>) -> Option<Limit> {
        let kind = match &clause.kind {
            ClauseKind::Limit { rate, burst, per } => {
                self.rate_limit(clause.span, *rate, *burst, per, env)?
            }
            ClauseKind::Connections { count, per } => {
                self.connections(*count, per.as_ref(), env)?
            }
            _ => return None,
        };
        Some(Limit { id: self.next_limit(), kind })
    }

    fn next_limit(&mut self) -> LimitId {
        self.limit_count += 1;
        LimitId(self.limit_count - 1)
    }

    pub(super) fn burst(&mut self, burst: Option<Value>, default: u32) -> Option<u32> {
        let Some(value) = burst else { return Some(default) };
        let text = self.text(value.0);
        let burst = text.parse().ok().filter(|burst| (1..=MAX_BURST).contains(burst));
        if burst.is_none() {
            self.report(messages::bad_burst(value.0, text, MAX_BURST));
        }
        burst
    }

    /// A rate and its burst, kept within what the kernel counts rightly.
    pub(super) fn rate_and_burst(
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
        env: Option<CallId>,
    ) -> Option<LimitKind> {
        let (rate, burst) = self.rate_and_burst(rate, burst, DEFAULT_BURST)?;
        let mut keys = Vec::new();
        for key in per {
            let read = self.key(key, env)?;
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

    fn key(&mut self, key: &Key, env: Option<CallId>) -> Option<LimitKey> {
        let word = self.text(key.name.0);
        let read = match word {
            "source" => return self.source_lengths(key).map(LimitKey::Source),
            "destination" => LimitKey::Destination,
            "source-port" => LimitKey::SourcePort,
            "destination-port" => LimitKey::DestinationPort,
            _ => {
                self.no_parameter(key.name.0, env)?;
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

    fn connections(
        &mut self,
        count: Value,
        per: Option<&Key>,
        env: Option<CallId>,
    ) -> Option<LimitKind> {
        // The kernel holds the count in an unsigned 32-bit number; 0 would never match.
        let count = self.read_number(count.0, "number of connections", 1, 1_000_000)?;
        let Some(key) = per else {
            return Some(LimitKind::Connections { count, per_source: None });
        };
        match self.key(key, env)? {
            LimitKey::Source(lengths) => {
                Some(LimitKind::Connections { count, per_source: Some(lengths) })
            }
            LimitKey::Destination | LimitKey::SourcePort | LimitKey::DestinationPort => {
                self.report(messages::connections_per_source_only(key.name.0));
                None
            }
        }
    }
}
