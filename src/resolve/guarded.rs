//! Services in rules that by their tags are not for everybody.

use super::policy::{CallId, Guarded, Part};
use super::services::merge_parts;
use super::{MAX_DEPTH, Resolver};
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
            Some((argument, env)) => match &argument.kind {
                ArgumentKind::Name(name) => {
                    self.guarded_of_word(self.text(name.0), name.0, env, found);
                }
                ArgumentKind::Subjects(subjects) => found.extend(self.guarded(subjects, env)),
                ArgumentKind::Endpoints(_)
                | ArgumentKind::Quoted(_)
                | ArgumentKind::Pattern(_)
                | ArgumentKind::Value(_) => {}
            },
            None => self.guarded_service(word, at, 0, found),
        }
    }

    /// The service of this name, if it is such a one by its own tags.
    pub(super) fn guarded_alone(&mut self, name: Span) -> Option<Guarded> {
        let mut found = Vec::new();
        self.guarded_service(self.text(name), name, MAX_DEPTH, &mut found);
        found.pop()
    }

    /// What the service of this name opens.
    pub(super) fn parts_of_service(&mut self, name: Span) -> Vec<Part> {
        let traffic = self.service_of_word(name, self.text(name));
        traffic.map(|all| merge_parts(all.iter().map(|one| &one.part))).unwrap_or_default()
    }

    fn guarded_service(&mut self, word: &'a str, at: Span, depth: usize, found: &mut Vec<Guarded>) {
        let own = self.names.services.find(word).map(|(_, node)| node);
        let Some(node) = own.or_else(|| self.names.standard.find(word).map(|(_, node)| node))
        else {
            return;
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
            return;
        }
        let is_login = tags.contains(&"remote-access");
        let tag = GUARDED.into_iter().find(|tag| tags.contains(tag));
        if let Some(tag) = tag.filter(|tag| *tag != "admin" || !is_login) {
            let Some(traffic) = self.service_of_word(at, word) else { return };
            let parts = merge_parts(traffic.iter().map(|one| &one.part));
            found.push(Guarded { name: word.into(), tag: tag.into(), span: at, parts });
            return;
        }
        if depth < MAX_DEPTH {
            for subject in node.subjects {
                if let SubjectKind::Name(name) = &subject.kind {
                    self.guarded_service(self.text(name.0), at, depth + 1, found);
                }
            }
        }
    }
}

/// Traffic of a service at other ports.
fn move_to(part: &mut Part, ports: &Ports) {
    match part {
        Part::Ports { destination, .. } => destination.clone_from(ports),
        Part::Any | Part::Protocol(_) | Part::Icmp(_) => {}
    }
}
