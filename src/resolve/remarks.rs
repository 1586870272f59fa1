//! What a rule says to people: log lines, comments, owners and tickets.

use super::context::Context;
use super::policy::{Allowance, CallId, Log, LogLevel, Remarks, Until};
use super::{Resolver, messages};
use crate::net::{Rate, Unit};
use crate::ruleset::{MAX_COMMENT, MAX_LOG_PREFIX};
use crate::syntax::tree::{Clause, ClauseKind, LogOptions, Text};

/// A bucket of 10 a minute that holds 20 keeps a log readable.
const LOG_RATE: (u32, Unit) = (10, Unit::Minute);
const LOG_BURST: u32 = 20;

/// The rate of a log that writes a line for each packet.
const UNLIMITED: &str = "unlimited";

impl Resolver<'_> {
    /// What a `log` clause, verb or default says.
    pub(super) fn log(&mut self, options: &LogOptions, env: Option<CallId>) -> Option<Log> {
        let prefix = match options.prefix {
            Some(text) => Some(self.read_text(text, "log prefix", MAX_LOG_PREFIX)?.into()),
            None => None,
        };
        let level = match options.level {
            Some(level) => {
                self.no_parameter(level.0, env)?;
                self.read_log_level(level)?
            }
            None => LogLevel(4),
        };
        let (rate, burst) = if let Some(rate) = options.rate {
            if self.text(rate.0) == UNLIMITED && options.burst.is_none() {
                return Some(Log { prefix, level, allowance: None });
            }
            self.rate_and_burst(rate, options.burst, LOG_BURST)?
        } else {
            let rate = Rate::new(LOG_RATE.0, LOG_RATE.1).ok()?;
            (rate, self.burst(options.burst, LOG_BURST)?)
        };
        Some(Log { prefix, level, allowance: Some(Allowance { rate, burst }) })
    }

    /// Keeps a remark for [`Self::remark`].
    pub(super) fn take_remark(
        &mut self,
        inner: &mut Context<'_>,
        clause: &Clause,
        remarks: &mut Remarked,
    ) {
        match &clause.kind {
            ClauseKind::Comment(text) => remarks.comment = Some(*text),
            ClauseKind::Owner(text) => remarks.owner = Some(*text),
            ClauseKind::Ticket(text) => remarks.ticket = Some(*text),
            ClauseKind::Until(value) => {
                let date = self.read_date(*value);
                inner.remarks.until = date.map(|date| Until { date, span: clause.span });
            }
            // `expect` was gathered before, whatever becomes of the statement.
            _ => {}
        }
    }

    /// Makes one comment of `comment`, `owner` and `ticket`: `text [owner X, ticket Y]`.
    pub(super) fn remark(&mut self, remarks: &mut Remarks, said: &Remarked) -> Option<()> {
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
pub struct Remarked {
    comment: Option<Text>,
    owner: Option<Text>,
    ticket: Option<Text>,
}
