//! Services in rules that by their tags are not for everybody.

use std::collections::BTreeSet;

use super::Resolver;
use super::policy::{CallId, Guarded, Part};
use super::services::merge_parts;
use crate::net::Ports;
use crate::source::Span;
use crate::syntax::tree::{ArgumentKind, ClauseKind, Subject, SubjectKind};

/// The tags of what the world should not reach, the gravest first. What is in clear or logs people in
/// is often meant for it: web pages, mail, ssh.
pub(super) const GUARDED: [&str; 3] = ["insecure", "database", "admin"];

impl<'a> Resolver<'a> {
    /// Those among the subjects of a rule.
    pub(super) fn guarded(&mut self, subjects: &'a [Subject], env: Option<CallId>) -> Vec<Guarded> {
        let mut found = Vec::new();
        for subject in subjects {
            match &subject.kind {
                SubjectKind::Name(name) => {
                    self.guarded_of_word(self.text(name.0), name.0, env, &mut found);
                }
                SubjectKind::Call { name, ports } => {
                    let before = found.len();
                    self.guarded_of_word(self.text(name.0), name.0, env, &mut found);
                    let Some(ports) = self.read_port_list(ports) else { continue };
                    let parts = found[before..].iter_mut().flat_map(|one| &mut one.parts);
                    parts.for_each(|part| move_to(part, &ports));
                }
                SubjectKind::Any
                | SubjectKind::Ports { .. }
                | SubjectKind::More(_)
                | SubjectKind::Icmp { .. }
                | SubjectKind::Protocol(_)
                | SubjectKind::Interface(_) => {}
            }
        }
        found
    }

    /// What a name brings: a service, with those it is made of, or the argument of a `def`.
    fn guarded_of_word(
        &mut self,
        word: &'a str,
        at: Span,
        env: Option<CallId>,
        found: &mut Vec<Guarded>,
    ) {
        match self.argument(word, env) {
            Some((argument, env)) if self.follow(at, 1) => match &argument.kind {
                ArgumentKind::Name(name) => {
                    self.guarded_of_word(self.text(name.0), name.0, env, found);
                }
                ArgumentKind::Subjects(subjects) => found.extend(self.guarded(subjects, env)),
                ArgumentKind::Endpoints(_)
                | ArgumentKind::Quoted(_)
                | ArgumentKind::Pattern(_)
                | ArgumentKind::Value(_) => {}
            },
            Some(_) => {}
            None => self.guarded_service(word, at, found),
        }
    }

    /// The service of this name, if it is such a one by its own tags.
    pub(super) fn guarded_alone(&mut self, name: Span) -> Option<Guarded> {
        match self.tagged(self.text(name), name) {
            Tagged::Guarded(guarded) => Some(guarded),
            Tagged::Settled | Tagged::MadeOf(_) => None,
        }
    }

    /// What the service of this name opens.
    pub(super) fn parts_of_service(&mut self, name: Span) -> Vec<Part> {
        let traffic = self.service_of_word(name, self.text(name));
        traffic.map(|all| merge_parts(all.iter().map(|one| &one.part))).unwrap_or_default()
    }

    /// With the services that it is made of; each of these is looked at once.
    fn guarded_service(&mut self, word: &'a str, at: Span, found: &mut Vec<Guarded>) {
        let mut seen = BTreeSet::new();
        let mut open = vec![word];
        while let Some(word) = open.pop() {
            if !seen.insert(word) {
                continue;
            }
            match self.tagged(word, at) {
                Tagged::Guarded(guarded) => found.push(guarded),
                Tagged::Settled => {}
                Tagged::MadeOf(subjects) => {
                    open.extend(subjects.iter().rev().filter_map(|one| match &one.kind {
                        SubjectKind::Name(name) => Some(self.text(name.0)),
                        _ => None,
                    }));
                }
            }
        }
    }

    /// What the tags of a service say.
    fn tagged(&mut self, word: &'a str, at: Span) -> Tagged<'a> {
        let own = self.names.services.find(word).map(|(_, node)| node);
        let Some(node) = own.or_else(|| self.names.standard.find(word).map(|(_, node)| node))
        else {
            return Tagged::Settled;
        };
        let tags: Vec<&str> = node
            .clauses
            .iter()
            .filter_map(|clause| match &clause.kind {
                ClauseKind::Tags(names) => Some(names),
                _ => None,
            })
            .flatten()
            .map(|name| self.text(name.0))
            .collect();
        // What goes to many on one link does not come from afar.
        if tags.contains(&"multicast") {
            return Tagged::Settled;
        }
        let is_login = tags.contains(&"remote-access");
        let tag = GUARDED.into_iter().find(|tag| tags.contains(tag));
        let Some(tag) = tag.filter(|tag| *tag != "admin" || !is_login) else {
            return Tagged::MadeOf(node.subjects);
        };
        let Some(traffic) = self.service_of_word(at, word) else { return Tagged::Settled };
        let parts = merge_parts(traffic.iter().map(|one| &one.part));
        Tagged::Guarded(Guarded { name: word.into(), tag: tag.into(), span: at, parts })
    }
}

/// Whether a service is for everybody.
enum Tagged<'a> {
    Guarded(Guarded),
    /// Nothing in it is guarded.
    Settled,
    /// By its own tags it is; those that it is made of tell the rest.
    MadeOf(&'a [Subject]),
}

/// Traffic of a service at other ports.
fn move_to(part: &mut Part, ports: &Ports) {
    match part {
        Part::Ports { destination, .. } => destination.clone_from(ports),
        Part::Any | Part::Protocol(_) | Part::Icmp(_) => {}
    }
}
