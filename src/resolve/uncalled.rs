//! Mistakes in definitions that nothing uses: they would wait for the first use.

use super::names::PlaceNode;
use super::{Resolver, messages, misplaced};
use crate::syntax::tree::{
    Clause, ClauseKind, Endpoint, EndpointKind, List, Name, PortValue, Statement, StatementKind,
    Subject, SubjectKind, Verb, VerbKind,
};

impl<'a> Resolver<'a> {
    /// Reads what no rule has made be read. A use here is none.
    pub(super) fn check_definitions(&mut self) {
        for index in 0..self.names.services.entries.len() {
            let entry = &self.names.services.entries[index];
            let (span, used) = (entry.span, entry.used.get());
            self.service_of_word(span, self.text(span));
            self.names.services.entries[index].used.set(used);
        }
        for index in 0..self.names.places.entries.len() {
            let entry = &self.names.places.entries[index];
            if let PlaceNode::Let { list } = entry.node {
                let span = entry.span;
                self.let_ends(index, Name(span), self.text(span), list);
            }
        }
        for index in 0..self.names.defs.entries.len() {
            let entry = &self.names.defs.entries[index];
            if !entry.used.get() {
                self.check_body(&entry.node.body);
            }
        }
    }

    /// The body of a `def` that is not called: what its parameters stand for is not known, so only
    /// literals are read.
    fn check_body(&mut self, body: &'a [Statement]) {
        for statement in body {
            if let Some(what) = misplaced(&statement.kind) {
                self.report(messages::misplaced_statement(statement.span, what));
            }
            match &statement.kind {
                StatementKind::Rule(rule) => {
                    self.check_verb(&rule.verb);
                    rule.subjects.iter().for_each(|subject| self.check_subject(subject));
                    self.check_clauses(&rule.clauses);
                }
                StatementKind::Block(block) => {
                    self.check_clauses(&block.clauses);
                    self.check_body(&block.body);
                }
                _ => {}
            }
        }
    }

    fn check_verb(&mut self, verb: &Verb) {
        match &verb.kind {
            VerbKind::Mark { mark, sticky } => {
                self.read_new_mark(*mark, *sticky);
            }
            VerbKind::Clamp(Some(size)) => {
                self.read_segment_size(*size);
            }
            _ => {}
        }
    }

    fn check_subject(&mut self, subject: &Subject) {
        match &subject.kind {
            SubjectKind::Ports { ports: Some(PortValue::Value(value)), .. }
            | SubjectKind::More(value) => {
                self.read_ports(*value);
            }
            SubjectKind::Call { ports, .. } => {
                self.read_port_list(ports);
            }
            SubjectKind::Any
            | SubjectKind::Name(_)
            | SubjectKind::Ports { .. }
            | SubjectKind::Icmp { .. }
            | SubjectKind::Protocol(_)
            | SubjectKind::Interface(_) => {}
        }
    }

    fn check_clauses(&mut self, clauses: &[Clause]) {
        self.check_duplicates(clauses);
        for clause in clauses {
            match &clause.kind {
                ClauseKind::From(list)
                | ClauseKind::To(list)
                | ClauseKind::At(list)
                | ClauseKind::As(list)
                | ClauseKind::Hairpin(list) => self.check_list(list),
                ClauseKind::Sport(values) => {
                    self.read_port_list(values);
                }
                ClauseKind::Mac(values) => {
                    self.read_macs(values);
                }
                ClauseKind::Mark(mark) => {
                    self.read_mark(*mark);
                }
                ClauseKind::Length(value) => {
                    self.read_lengths(*value);
                }
                ClauseKind::Ttl(value) => {
                    self.read_byte(value.0, "ttl", u8::MAX);
                }
                ClauseKind::Limit { rate, .. } => {
                    self.read_rate(*rate);
                }
                _ => {}
            }
        }
    }

    fn check_list(&mut self, list: &List) {
        list.items.iter().chain(&list.except).for_each(|item| self.check_endpoint(item));
    }

    fn check_endpoint(&mut self, item: &Endpoint) {
        match &item.kind {
            EndpointKind::Address(value) => {
                self.read_addresses(*value);
            }
            EndpointKind::Group(list) => self.check_list(list),
            EndpointKind::Any
            | EndpointKind::Machine
            | EndpointKind::Name(_)
            | EndpointKind::PortOnly => {}
        }
    }
}
