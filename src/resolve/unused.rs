//! Definitions that nothing uses: often a slip elsewhere.

use super::names::{Definition, Table};
use super::{Resolver, messages};
use crate::diagnostic::Finding;

impl Resolver<'_> {
    pub(super) fn check_unused(&mut self) {
        let mut findings = Vec::new();
        self.unused(&self.names.places, &mut findings);
        self.unused(&self.names.services, &mut findings);
        self.unused(&self.names.chains, &mut findings);
        self.unused(&self.names.defs, &mut findings);
        findings.sort_by_key(|finding| finding.span);
        for finding in findings {
            self.report(finding);
        }
    }

    /// Of the standard library's modules nobody need use everything.
    fn unused<T: Definition>(&self, table: &Table<'_, T>, findings: &mut Vec<Finding>) {
        for entry in &table.entries {
            if !entry.used.get() && !self.sources.file(entry.span.file()).is_built_in() {
                let word = self.text(entry.span);
                findings.push(messages::unused(entry.span, word, entry.node.noun()));
            }
        }
    }
}
