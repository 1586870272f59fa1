//! The members of lists, kept for whoever asks what each of them adds.

use std::sync::Arc;

use super::policy::{Listed, Origin, Part, Says};
use super::services::Traffic;
use super::{Body, Resolver};
use crate::source::Span;
use crate::syntax::tree::{self, ClauseKind, Endpoint, EndpointKind, List, Subject};

impl<'a> Resolver<'a> {
    /// The members of the lists of several that a rule writes itself; `each` is the traffic of each
    /// subject. Lists of one member, which most are, take no room.
    pub(super) fn keep_lists(
        &mut self,
        rule: &'a tree::Rule,
        origin: Origin,
        each: &[Vec<Traffic>],
    ) {
        let mut members = Vec::new();
        if rule.subjects.len() > 1 {
            let subjects = rule.subjects.iter().zip(each);
            members.extend(subjects.map(|(subject, traffic)| self.listed(subject, traffic)));
        }
        for clause in &rule.clauses {
            match &clause.kind {
                ClauseKind::From(list) => members.extend(addresses(list, Says::From)),
                ClauseKind::To(list) => members.extend(addresses(list, Says::To)),
                _ => {}
            }
        }
        // What Docker published is judged by nobody.
        if !members.is_empty() && self.body != Body::Docker {
            self.lists.push((origin, members.into()));
        }
    }

    fn listed(&mut self, subject: &Subject, traffic: &[Traffic]) -> Listed {
        let parts: Vec<Part> = traffic.iter().map(|one| one.part.clone()).collect();
        let parts = match self.known_parts.get(&parts[..]) {
            Some(known) => Arc::clone(known),
            None => {
                let parts: Arc<[Part]> = parts.into();
                self.known_parts.insert(Arc::clone(&parts));
                parts
            }
        };
        let is_plain = traffic.iter().all(Traffic::is_plain);
        Listed { span: subject.span, says: Says::About { parts, is_plain } }
    }
}

/// The addresses that are written in a list of several.
fn addresses(list: &List, says: fn(Span) -> Says) -> impl Iterator<Item = Listed> {
    let list = inside(list);
    let several = list.items.iter().filter(|_| list.items.len() > 1);
    several.filter_map(move |item| match &item.kind {
        EndpointKind::Address(value) => Some(Listed { span: item.span, says: says(value.0) }),
        EndpointKind::Any
        | EndpointKind::Machine
        | EndpointKind::Name(_)
        | EndpointKind::Group(_)
        | EndpointKind::PortOnly => None,
    })
}

/// The list in parentheses that a list is, if it is nothing else.
fn inside(mut list: &List) -> &List {
    while let ([Endpoint { kind: EndpointKind::Group(inner), place: None, .. }], []) =
        (&list.items[..], &list.except[..])
    {
        list = inner;
    }
    list
}
