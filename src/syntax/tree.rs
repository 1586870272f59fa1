//! What a text says, before names mean anything. Nodes carry spans; text is looked up.
//!
//! The tree keeps every statement in the order written, also a broken one
//! ([`StatementKind::Invalid`], already reported), so a policy with mistakes can be looked at as a
//! whole.

use crate::net::{Family, PortProtocol};
use crate::source::Span;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    pub statements: Vec<Statement>,
}

/// A word that names something; its text is the text under the span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name(pub Span);

/// A string with its quotes; [`super::unquote`] gives what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text(pub Span);

/// A number, address, rate or other value as written; read by whoever knows what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(pub Span);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub span: Span,
    pub kind: StatementKind,
}

impl Statement {
    /// A number among its subjects that no protocol stands before, which `resolve` refuses.
    #[must_use]
    pub fn lonely_port(&self) -> Option<Span> {
        let subjects: &[Subject] = match &self.kind {
            StatementKind::Rule(rule) | StatementKind::Assert(rule) => &rule.subjects,
            StatementKind::Service { subjects, .. } | StatementKind::Protect { subjects, .. } => {
                subjects
            }
            StatementKind::Include(_)
            | StatementKind::Use(_)
            | StatementKind::Zone { .. }
            | StatementKind::Let { .. }
            | StatementKind::Set(_)
            | StatementKind::Def(_)
            | StatementKind::Chain { .. }
            | StatementKind::Default(_)
            | StatementKind::Implicit(_)
            | StatementKind::Block(_)
            | StatementKind::Call { .. }
            | StatementKind::Test { .. }
            | StatementKind::Preserve(_)
            | StatementKind::Docker { .. }
            | StatementKind::Raw { .. }
            | StatementKind::Invalid => &[],
        };
        let mut takes_ports = false;
        for subject in subjects {
            match subject.kind {
                SubjectKind::More(port) if !takes_ports => return Some(port.0),
                SubjectKind::More(_) => {}
                SubjectKind::Ports { ports, .. } => takes_ports = ports.is_some(),
                SubjectKind::Any
                | SubjectKind::Name(_)
                | SubjectKind::Icmp { .. }
                | SubjectKind::Protocol(_)
                | SubjectKind::Call { .. }
                | SubjectKind::Interface(_) => takes_ports = false,
            }
        }
        None
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementKind {
    /// `include "conf.d/*.fw"`
    Include(Text),
    /// `use hardening`
    Use(Name),
    /// `zone lan = eth1, wlan+ { 10.0.0.0/24 }`; without an interface `zone x = { nets }`
    Zone { name: Name, interfaces: Vec<InterfaceName>, nets: Option<Box<List>> },
    /// `let admins = 203.0.113.0/24`
    Let { name: Name, list: List },
    /// `set NAME …`
    Set(Box<SetDefinition>),
    /// `service shop = tcp 8080 comment "…"`
    Service { name: Name, subjects: Vec<Subject>, clauses: Vec<Clause> },
    /// `def publish(svc, host) { … }`
    Def(Box<Def>),
    /// `chain guard { … }`
    Chain { name: Name, body: Vec<Statement> },
    /// `default drop input, forward log "rest "`
    Default(Box<DefaultStatement>),
    /// `implicit loopback, established`, or the one word `none`
    Implicit(Vec<Name>),
    /// A rule or NAT statement.
    Rule(Box<Rule>),
    /// `from wan { … }`, `input { … }`
    Block(Box<Block>),
    /// `publish(https, web)`
    Call { name: Name, arguments: Vec<Argument> },
    /// `assert allow ssh from admins`
    Assert(Box<Rule>),
    /// `protect ssh from admins`
    Protect { subjects: Vec<Subject>, clauses: Vec<Clause> },
    /// `test "title" { … }`
    Test { title: Text, packets: Vec<TestPacket> },
    /// `preserve docker, "MYCHAIN*"`
    Preserve(Vec<Pattern>),
    /// `docker { … }`, `docker on br0 { … }`
    Docker { bridges: Vec<InterfaceName>, body: Vec<Statement> },
    /// `raw v4 filter INPUT "…"`
    Raw { family: Name, table: Name, chain: Name, text: Text },
    /// What could not be read; a finding tells.
    Invalid,
}

/// A set that is one kernel set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetDefinition {
    pub name: Name,
    pub kind: SetKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKind {
    /// `set x from "file"`
    File(Text),
    /// `set x = 10.0.0.0/8, …`
    List(List),
    /// `set x dynamic timeout 1h [size N]`
    Dynamic { timeout: Option<Value>, size: Option<Value> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Def {
    pub name: Name,
    pub parameters: Vec<Name>,
    pub body: Vec<Statement>,
}

/// `default VERDICT [DIRECTIONS] [log …]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultStatement {
    /// Allow, Drop or Reject; another verb is refused by `resolve`.
    pub verb: Verb,
    /// `input`, `forward`, `output`; empty when none is written.
    pub directions: Vec<Name>,
    pub clauses: Vec<Clause>,
}

/// `VERB [SUBJECTS] CLAUSE*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub verb: Verb,
    pub subjects: Vec<Subject>,
    pub clauses: Vec<Clause>,
}

impl Rule {
    /// Where the rule says what it is about: its subjects, or the verb when there are none.
    #[must_use]
    pub fn subject(&self) -> Span {
        match (self.subjects.first(), self.subjects.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => self.verb.span,
        }
    }
}

/// A verb with what belongs to it before the subjects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verb {
    /// The word itself.
    pub span: Span,
    pub kind: VerbKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerbKind {
    Allow,
    Drop,
    Reject,
    Log(Box<LogOptions>),
    Return,
    Jump(Name),
    Goto(Name),
    Masquerade,
    Snat,
    Forward,
    Redirect,
    /// `netmap 203.0.113.0/28 to …`
    Netmap(Box<List>),
    Nonat,
    /// `mark 0x10/0xff sticky`
    Mark {
        mark: MarkValue,
        sticky: bool,
    },
    Dscp(DscpValue),
    /// `clamp mss [N]`
    Clamp(Option<Value>),
    Notrack,
    /// `add source/24 to SET for 10m`
    Add {
        key: Box<Key>,
        set: Name,
        duration: Option<Value>,
    },
}

/// `log ["prefix"] [level L] [rate R [burst N]]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogOptions {
    pub prefix: Option<Text>,
    pub level: Option<LogLevel>,
    pub rate: Option<Value>,
    pub burst: Option<Value>,
}

/// `warning` or `4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(pub Span);

/// `N` or `N/M`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkValue {
    pub value: Value,
    pub mask: Option<Value>,
}

/// A class name (`ef`) or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DscpValue(pub Span);

/// A member of the list of what a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub span: Span,
    pub kind: SubjectKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectKind {
    /// `any`
    Any,
    /// `ssh`: a service, or a parameter of the `def` around; in `masquerade X out` an interface.
    Name(Name),
    /// `wireguard(51821)`
    Call { name: Name, ports: Vec<Value> },
    /// `tcp 22`, `tcp any`; `ports` is `None` when nothing follows, which `resolve` refuses.
    Ports { protocol: PortProtocol, ports: Option<PortValue> },
    /// `80` after a comma: one more port of the protocol before it.
    More(Value),
    /// `icmp echo-request`, `icmp 3/4`, `icmp any`, bare `icmp` (`kind` is `None`).
    Icmp { family: Family, kind: Option<IcmpValue> },
    /// `proto gre`, `proto 47`; a name or a number.
    Protocol(Span),
    /// `ppp+` or `"odd name"`: only in `masquerade X out`.
    Interface(InterfaceName),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortValue {
    Any(Span),
    /// A number or a range.
    Value(Value),
}

/// What follows `icmp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpValue {
    Any(Span),
    Name(Name),
    Number { kind: Value, code: Option<Value> },
}

/// A list of endpoints; everything after `except` is taken away from everything before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub span: Span,
    pub items: Vec<Endpoint>,
    /// Empty without `except`.
    pub except: Vec<Endpoint>,
}

/// `10.0.0.2:8443@lan`: what, with the port and the place that may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub span: Span,
    pub kind: EndpointKind,
    /// A number or a range, of a translation's target.
    pub port: Option<Value>,
    pub place: Option<PlaceName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointKind {
    Any,
    /// `self`
    Machine,
    Name(Name),
    /// An address, network or range; an IPv6 address without the brackets it may have.
    Address(Value),
    Group(Box<List>),
    /// `:3128`: the port alone.
    PortOnly,
}

/// What stands behind `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceName {
    Machine(Span),
    Zone(Name),
}

impl PlaceName {
    #[must_use]
    pub fn span(self) -> Span {
        match self {
            PlaceName::Machine(span) | PlaceName::Zone(Name(span)) => span,
        }
    }
}

/// An interface or a zone that stands for its interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceName {
    /// `eth0`, `lan`: a zone's name wins.
    Name(Name),
    /// `wg+`
    Pattern(Span),
    /// `"odd name"`: always an interface.
    Quoted(Text),
}

impl InterfaceName {
    #[must_use]
    pub fn span(self) -> Span {
        match self {
            InterfaceName::Name(Name(span))
            | InterfaceName::Pattern(span)
            | InterfaceName::Quoted(Text(span)) => span,
        }
    }
}

/// What `preserve` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    Name(Name),
    Quoted(Text),
}

/// A condition or remark; which of them a statement may have is `resolve`'s to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// From the clause's word to its last token.
    pub span: Span,
    pub kind: ClauseKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClauseKind {
    From(List),
    To(List),
    In(Vec<InterfaceName>),
    /// Empty for the bare `out`: the direction OUTPUT.
    Out(Vec<InterfaceName>),
    Ipv4,
    Ipv6,
    Sport(Vec<Value>),
    State(Vec<Name>),
    Flags {
        set: Vec<Name>,
        mask: Vec<Name>,
    },
    Limit {
        rate: Value,
        burst: Option<Value>,
        per: Vec<Key>,
    },
    Connections {
        count: Value,
        per: Option<Key>,
    },
    During {
        hours: Option<Value>,
        days: Vec<DayRange>,
        local: Option<Span>,
    },
    /// A name or a number.
    User(Span),
    Group(Span),
    Mac(Vec<Value>),
    Mark(MarkValue),
    Dscp(DscpValue),
    Length(Value),
    Ttl(Value),
    Via(Name),
    Log(LogOptions),
    With(Name),
    Comment(Text),
    Owner(Text),
    Ticket(Text),
    Until(Value),
    Expect {
        lint: Name,
        reason: Text,
    },
    /// `as 203.0.113.5`
    As(List),
    /// `at 203.0.113.7`
    At(List),
    /// `on wan`
    On(Vec<InterfaceName>),
    /// `hairpin lan`, `hairpin self`
    Hairpin(List),
    /// `within limits`
    Within(Name),
    /// `helper ftp`, in a service.
    Helper(Name),
    /// `alias smtps`, in a service.
    Alias(Vec<Name>),
    /// `tags insecure`, in a service.
    Tags(Vec<Name>),
}

/// `mon` or `mon-fri`; the lexer reads `mon-fri` as one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRange(pub Span);

/// `source/24,/56`: what a limit counts by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub name: Name,
    pub v4_length: Option<Value>,
    pub v6_length: Option<Value>,
}

/// A head of clauses, or a direction, around statements.
///
/// Without direction and without clauses it is a block whose head could not be read: a finding
/// tells, and the body is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The head alone.
    pub head: Span,
    pub direction: Option<Direction>,
    pub clauses: Vec<Clause>,
    pub body: Vec<Statement>,
}

/// The word that opens a direction block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Input,
    Forward,
    Output,
}

/// What a `def` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub span: Span,
    pub kind: ArgumentKind,
}

/// What an argument is shows only by how the body uses it, so one that could be either is kept as
/// written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A name: a service, a place, an interface or a chain.
    Name(Name),
    /// `tcp 8443`, `icmp echo-request`, or a list of such in parentheses.
    Subjects(Vec<Subject>),
    /// Addresses, `any`, `self`, or a list of such (and names) in parentheses.
    Endpoints(List),
    /// A quoted text: an interface, a comment, a log prefix.
    Quoted(Text),
    /// `wg+`
    Pattern(Span),
    /// A number, range, rate, mac or other value.
    Value(Value),
}

/// One line of a `test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPacket {
    pub span: Span,
    /// The protocol with what stands before the source.
    pub subject: Subject,
    pub source: Endpoint,
    pub destination: Endpoint,
    pub clauses: Vec<Clause>,
    /// The verb behind `=>`.
    pub verdict: Verb,
}
