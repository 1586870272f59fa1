//! What the grammar's rules make of their parts, where that takes more than a constructor.

use crate::net::Family;
use crate::source::Span;

use super::messages;
use super::report::{Mistake, Reporter};
use super::token::{AccountWord, ListWord, NameWord, PlainVerb, TextWord, ValueWord};
use super::tree::{
    ArgumentKind, Block, Clause, ClauseKind, Def, Endpoint, EndpointKind, Key, List, Name, Rule,
    Statement, StatementKind, Subject, SubjectKind, Text, Value, Verb, VerbKind,
};

/// One of the words behind `per`, as commas part them.
pub enum KeyPart {
    /// `source` or `source/24`
    Key(Name, Option<Value>),
    /// `/56`: the IPv6 length of the key before.
    Length(Value),
}

/// A member of a list in parentheses, before it shows what the list is of.
pub enum Member {
    Endpoint(Endpoint),
    Subject(Subject),
}

pub fn plain_verb(word: PlainVerb) -> VerbKind {
    match word {
        PlainVerb::Allow => VerbKind::Allow,
        PlainVerb::Drop => VerbKind::Drop,
        PlainVerb::Reject => VerbKind::Reject,
        PlainVerb::Return => VerbKind::Return,
        PlainVerb::Snat => VerbKind::Snat,
        PlainVerb::Redirect => VerbKind::Redirect,
        PlainVerb::Nonat => VerbKind::Nonat,
        PlainVerb::Notrack => VerbKind::Notrack,
    }
}

pub fn family(family: Family) -> ClauseKind {
    match family {
        Family::V4 => ClauseKind::Ipv4,
        Family::V6 => ClauseKind::Ipv6,
    }
}

pub fn account(word: AccountWord, who: Span) -> ClauseKind {
    match word {
        AccountWord::User => ClauseKind::User(who),
        AccountWord::Group => ClauseKind::Group(who),
    }
}

pub fn value_clause(word: ValueWord, value: Value) -> ClauseKind {
    match word {
        ValueWord::Length => ClauseKind::Length(value),
        ValueWord::Ttl => ClauseKind::Ttl(value),
        ValueWord::Until => ClauseKind::Until(value),
    }
}

pub fn name_clause(word: NameWord, name: Name) -> ClauseKind {
    match word {
        NameWord::Via => ClauseKind::Via(name),
        NameWord::With => ClauseKind::With(name),
        NameWord::Within => ClauseKind::Within(name),
    }
}

pub fn text_clause(word: TextWord, text: Text) -> ClauseKind {
    match word {
        TextWord::Comment => ClauseKind::Comment(text),
        TextWord::Owner => ClauseKind::Owner(text),
        TextWord::Ticket => ClauseKind::Ticket(text),
    }
}

pub fn list_clause(word: ListWord, list: List) -> ClauseKind {
    match word {
        ListWord::As => ClauseKind::As(list),
        ListWord::At => ClauseKind::At(list),
        ListWord::Hairpin => ClauseKind::Hairpin(list),
    }
}

/// A rule without room for more: there may be a million.
#[expect(clippy::unnecessary_box_returns, reason = "the parser moves what it builds about")]
pub fn rule(verb: Verb, mut subjects: Vec<Subject>, mut clauses: Vec<Clause>) -> Box<Rule> {
    subjects.shrink_to_fit();
    clauses.shrink_to_fit();
    Box::new(Rule { verb, subjects, clauses })
}

pub fn list(span: Span, mut items: Vec<Endpoint>, mut except: Vec<Endpoint>) -> List {
    items.shrink_to_fit();
    except.shrink_to_fit();
    List { span, items, except }
}

/// Puts the parts behind `per` together: a length without a name belongs to the key before it.
pub fn keys(notes: &Reporter<'_>, parts: Vec<KeyPart>) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for part in parts {
        match part {
            KeyPart::Key(name, v4_length) => keys.push(Key { name, v4_length, v6_length: None }),
            KeyPart::Length(length) => match keys.last_mut() {
                Some(key) if key.v4_length.is_some() && key.v6_length.is_none() => {
                    key.v6_length = Some(length);
                }
                Some(_) | None => notes.report(messages::lonely_length(length.0)),
            },
        }
    }
    keys
}

pub fn block(head: Span, first: Clause, rest: Vec<Clause>, body: Vec<Statement>) -> Block {
    let mut clauses = Vec::with_capacity(1 + rest.len());
    clauses.push(first);
    clauses.extend(rest);
    Block { head, direction: None, clauses, body }
}

pub fn def(
    notes: &Reporter<'_>,
    name: Name,
    parameters: Vec<Name>,
    body: Vec<Statement>,
) -> StatementKind {
    for name in std::iter::once(&name).chain(&parameters) {
        let text = &notes.text()[name.0.range()];
        if text.contains(['.', '-']) {
            notes.report(messages::def_name(name.0, text));
        }
    }
    StatementKind::Def(Box::new(Def { name, parameters, body }))
}

/// A statement that could not be read.
pub fn invalid(notes: &Reporter<'_>, start: usize, mistake: &Mistake) -> StatementKind {
    notes.statement_error(start, mistake);
    StatementKind::Invalid
}

/// A block whose head could not be read: a block without direction and clauses keeps the body.
pub fn headless(
    notes: &Reporter<'_>,
    start: usize,
    end: usize,
    mistake: &Mistake,
    body: Vec<Statement>,
) -> StatementKind {
    notes.statement_error(start, mistake);
    let head = notes.span(start, end);
    StatementKind::Block(Box::new(Block { head, direction: None, clauses: Vec::new(), body }))
}

/// What one endpoint is as an argument: a bare name may turn out to be anything.
pub fn endpoint_argument(endpoint: Endpoint) -> ArgumentKind {
    match (&endpoint.kind, endpoint.port, endpoint.place) {
        (EndpointKind::Name(name), None, None) => ArgumentKind::Name(*name),
        _ => ArgumentKind::Endpoints(List {
            span: endpoint.span,
            items: vec![endpoint],
            except: Vec::new(),
        }),
    }
}

/// A list in parentheses as an argument: of subjects as soon as one is spelled out, else of
/// endpoints.
pub fn list_argument(
    notes: &Reporter<'_>,
    span: Span,
    members: Vec<Member>,
    except: Vec<Endpoint>,
) -> ArgumentKind {
    let of_subjects = members.iter().any(|member| matches!(member, Member::Subject(_)));
    if !of_subjects {
        let endpoint = |member| match member {
            Member::Endpoint(endpoint) => Some(endpoint),
            Member::Subject(_) => None,
        };
        let items = members.into_iter().filter_map(endpoint).collect();
        return ArgumentKind::Endpoints(List { span, items, except });
    }
    if let Some(first) = except.first() {
        notes.report(messages::mixed_list(first.span));
    }
    let mut subjects = Vec::with_capacity(members.len());
    for member in members {
        match member {
            Member::Subject(subject) => subjects.push(subject),
            Member::Endpoint(endpoint) => match subject_of(&endpoint) {
                Some(kind) => subjects.push(Subject { span: endpoint.span, kind }),
                None => notes.report(messages::mixed_list(endpoint.span)),
            },
        }
    }
    if let Some(first) = subjects.first()
        && let SubjectKind::More(port) = first.kind
    {
        notes.report(messages::port_first_in_list(port.0));
    }
    ArgumentKind::Subjects(subjects)
}

fn subject_of(endpoint: &Endpoint) -> Option<SubjectKind> {
    match (&endpoint.kind, endpoint.port, endpoint.place) {
        (EndpointKind::Name(name), None, None) => Some(SubjectKind::Name(*name)),
        (EndpointKind::Any, None, None) => Some(SubjectKind::Any),
        _ => None,
    }
}
