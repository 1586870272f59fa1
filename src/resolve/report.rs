//! Findings as they come: each said once, at the outermost call, and no more than one can read.

use super::Resolver;
use super::calls::outermost;
use super::policy::Origin;
use crate::diagnostic::bound::{MOST_TOLD, too_many};
use crate::diagnostic::catalogue::UNKNOWN_NAME;
use crate::diagnostic::{Finding, Level, Related};

impl Resolver<'_> {
    /// Takes a finding. One in the body of a `def` points at the outermost call, with the place in
    /// the body beside it; the same fault of another call is not said again.
    pub(super) fn report(&mut self, mut finding: Finding) {
        let accepted_by = self.accepted_by(&finding);
        let is_expected = !accepted_by.is_empty();
        let key = (finding.lint.name, finding.span, finding.message.clone(), accepted_by);
        let is_refused = finding.span.is_some_and(|span| {
            let may_be_there = self.lacks_files || self.unread.contains(self.text(span));
            self.refused.contains(&span) || may_be_there && finding.lint.name == UNKNOWN_NAME.name
        });
        if is_refused || !self.reported.insert(key) {
            return;
        }
        // What is expected is not shown, so it takes no room from what is. Of those that can be mended all
        // are kept, so that all are in one go.
        if !is_expected && finding.fix.is_none() && !self.has_room(finding.level) {
            return;
        }
        if let (Some(call), Some(span)) = (self.current, finding.span)
            && self.is_in_body(span)
        {
            let label = std::mem::replace(&mut finding.label, "by this call".to_owned());
            finding.related.insert(0, Related { span, message: label });
            finding.span = Some(outermost(&self.calls, call));
            let calls = self.calls_around();
            finding.also_at.push(span);
            finding.also_at.extend(calls.map(|call| self.calls[call.0 as usize].span));
        }
        self.findings.push(finding);
    }

    /// Takes a finding about an item, which may have come through a call.
    pub(super) fn report_of(&mut self, origin: Origin, finding: Finding) {
        let around = std::mem::replace(&mut self.current, origin.call);
        self.report(finding);
        self.current = around;
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        if self.dropped_findings > 0 {
            self.findings.push(too_many(self.dropped_findings, self.dropped_level));
        }
        self.findings
    }

    /// Whether one more finding of a level is kept; else it is counted.
    fn has_room(&mut self, level: Level) -> bool {
        let kept = self.kept.entry(level).or_default();
        if *kept >= MOST_TOLD {
            self.dropped_findings += 1;
            self.dropped_level = self.dropped_level.max(level);
            return false;
        }
        *kept += 1;
        true
    }
}
