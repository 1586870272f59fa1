//! The words, values and signs of the language, as [`logos`] tells them apart.
//!
//! A token carries no text: that is looked up by its place. Words that the grammar treats alike
//! are one token with a payload, which keeps the generated parser small. The lexer is lenient with
//! values (`10.0.0.300` is an address token), so that whoever reads a value can complain exactly.

use logos::Logos;

use crate::net::{Family, PortProtocol};

/// A verb that takes nothing but subjects and clauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainVerb {
    Allow,
    Drop,
    Reject,
    Return,
    Snat,
    Redirect,
    Nonat,
    Notrack,
}

/// A clause of a list of endpoints, beside `from` and `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListWord {
    As,
    At,
    Hairpin,
}

/// A clause of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueWord {
    Length,
    Ttl,
    Until,
}

/// A clause of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameWord {
    Via,
    With,
    Within,
}

/// A clause of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextWord {
    Comment,
    Owner,
    Ticket,
}

/// A clause about the process behind a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountWord {
    User,
    Group,
}

/// What the parser sees.
#[derive(Logos, Debug, Clone, Copy, PartialEq, Eq)]
#[logos(skip r"[ \t\r\x0b\x0c]+")]
#[logos(subpattern v4 = r"[0-9]+(\.[0-9]+)+(/[0-9]+(\.[0-9]+)*)?")]
#[logos(subpattern h = r"[0-9A-Fa-f]+")]
#[logos(subpattern v6 = r"(((?&h)(:(?&h))*)?::[0-9A-Fa-f:.]*|(?&h)(:(?&h))(:(?&h))+(:[0-9]+(\.[0-9]+)+)?)(%[0-9A-Za-z_.]+)?(/[0-9A-Fa-f:.]+)?")]
pub enum Token {
    // Reserved words.
    #[token("allow", |_| PlainVerb::Allow)]
    #[token("drop", |_| PlainVerb::Drop)]
    #[token("reject", |_| PlainVerb::Reject)]
    #[token("return", |_| PlainVerb::Return)]
    #[token("snat", |_| PlainVerb::Snat)]
    #[token("redirect", |_| PlainVerb::Redirect)]
    #[token("nonat", |_| PlainVerb::Nonat)]
    #[token("notrack", |_| PlainVerb::Notrack)]
    Verb(PlainVerb),
    #[token("log")]
    Log,
    #[token("jump")]
    Jump,
    #[token("goto")]
    Goto,
    #[token("masquerade")]
    Masquerade,
    #[token("forward")]
    Forward,
    #[token("netmap")]
    Netmap,
    #[token("mark")]
    Mark,
    #[token("dscp")]
    Dscp,
    #[token("clamp")]
    Clamp,
    #[token("add")]
    Add,
    #[token("from")]
    From,
    #[token("to")]
    To,
    #[token("in")]
    In,
    #[token("out")]
    Out,
    #[token("on")]
    On,
    #[token("sport")]
    Sport,
    #[token("state")]
    State,
    #[token("flags")]
    Flags,
    #[token("limit")]
    Limit,
    #[token("connections")]
    Connections,
    #[token("ipv4", |_| Family::V4)]
    #[token("ipv6", |_| Family::V6)]
    Family(Family),
    #[token("during")]
    During,
    #[token("user", |_| AccountWord::User)]
    #[token("group", |_| AccountWord::Group)]
    Account(AccountWord),
    #[token("mac")]
    Mac,
    #[token("length", |_| ValueWord::Length)]
    #[token("ttl", |_| ValueWord::Ttl)]
    #[token("until", |_| ValueWord::Until)]
    ValueClause(ValueWord),
    #[token("via", |_| NameWord::Via)]
    #[token("with", |_| NameWord::With)]
    #[token("within", |_| NameWord::Within)]
    NameClause(NameWord),
    #[token("comment", |_| TextWord::Comment)]
    #[token("owner", |_| TextWord::Owner)]
    #[token("ticket", |_| TextWord::Ticket)]
    TextClause(TextWord),
    #[token("as", |_| ListWord::As)]
    #[token("at", |_| ListWord::At)]
    #[token("hairpin", |_| ListWord::Hairpin)]
    ListClause(ListWord),
    #[token("expect")]
    Expect,
    #[token("tcp", |_| PortProtocol::Tcp)]
    #[token("udp", |_| PortProtocol::Udp)]
    #[token("sctp", |_| PortProtocol::Sctp)]
    Protocol(PortProtocol),
    #[token("icmp", |_| Family::V4)]
    #[token("icmpv6", |_| Family::V6)]
    Icmp(Family),
    #[token("proto")]
    Proto,
    #[token("any")]
    Any,
    #[token("self")]
    Machine,
    #[token("except")]
    Except,
    #[token("sticky")]
    Sticky,
    #[token("for")]
    For,
    #[token("level")]
    Level,

    // Words that mean something only where they stand: the filter makes them of names.
    Include,
    Use,
    Zone,
    Let,
    Set,
    Service,
    Def,
    Chain,
    Default,
    Implicit,
    Assert,
    Protect,
    Test,
    Preserve,
    Docker,
    Raw,
    Input,
    Output,
    Helper,
    Alias,
    Tags,
    Dynamic,
    Timeout,
    Size,
    Rate,
    Burst,
    // Contextual words that the grammar itself tells from names.
    #[token("mss")]
    Mss,
    #[token("per")]
    Per,
    #[token("local")]
    Local,

    #[regex(r"[A-Za-z][A-Za-z0-9_]*([-.]+[A-Za-z0-9_]+)*")]
    Name,
    /// `wg+`
    #[regex(r"[A-Za-z][A-Za-z0-9_.-]*\+")]
    Pattern,
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    Text,
    #[regex(r"[0-9]+", priority = 40)]
    #[regex(r"0x[0-9A-Fa-f]+", priority = 40)]
    Number,
    #[regex(r"[0-9]+-[0-9]+", priority = 40)]
    Range,
    #[regex(r"(?&v4)(-(?&v4))?", priority = 30)]
    #[regex(r"(?&v6)(-(?&v6))?", priority = 20)]
    #[regex(r"(?&v4)-(?&v6)", priority = 30)]
    #[regex(r"(?&v6)-(?&v4)", priority = 30)]
    Address,
    /// A mac address, a time or date, a rate or a duration.
    #[regex(r"[0-9A-Fa-f][0-9A-Fa-f](:[0-9A-Fa-f][0-9A-Fa-f]){5}", priority = 50)]
    #[regex(r"[0-9]+:[0-9]+(-[0-9]+:[0-9]+)?", priority = 40)]
    #[regex(r"[0-9]+-[0-9]+-[0-9]+", priority = 40)]
    #[regex(r"[0-9]+/[A-Za-z]+", priority = 40)]
    #[regex(r"([0-9]+(us|ms|s|m|h|d|w|sec|min|second|minute|hour|day|week|secs|mins|seconds|minutes|hours|days|weeks))+", priority = 40)]
    Value,

    #[token("{")]
    OpenBrace,
    #[token("}")]
    CloseBrace,
    #[token("(")]
    OpenParen,
    #[token(")")]
    CloseParen,
    #[token("[")]
    OpenBracket,
    #[token("]")]
    CloseBracket,
    #[token(",")]
    Comma,
    #[token("=")]
    Equals,
    #[token(":")]
    Colon,
    #[token("/")]
    Slash,
    #[token("@")]
    At,
    #[token("->")]
    Arrow,
    #[token("=>")]
    Gives,

    // Braces that do not hold statements: the filter makes them of braces.
    OpenNets,
    CloseNets,
    OpenPackets,
    ClosePackets,
    /// A statement's end: made by the filter of `;` and of the newlines that count.
    End,
    /// What the language does not have; already reported.
    Unknown,

    // What only the filter sees.
    #[token("\n")]
    Newline,
    #[token(";")]
    Semicolon,
    #[regex(r"#[^\n]*", allow_greedy = true)]
    Comment,
    /// A string that its line ends before its quote does.
    #[regex(r#""([^"\\\n]|\\[^\n])*\\?"#)]
    OpenText,
    /// A text between typographic quotes.
    #[regex("[“”„«][^“”„«»\"\n]*[“”»\"]")]
    CurlyText,
    /// A word that begins as no name does: `3com`, `_x`.
    #[regex(r"[0-9][A-Za-z0-9_.-]*[A-Za-z_][A-Za-z0-9_.-]*", priority = 10)]
    #[regex(r"_[A-Za-z0-9_.-]*", priority = 10)]
    BadName,
}

impl Token {
    /// Whether the token is a word that may not be defined as a name.
    #[must_use]
    pub fn is_reserved(self) -> bool {
        self.is_verb() || self.is_clause() || self.is_subject_word() || {
            matches!(self, Token::Machine | Token::Except | Token::Sticky | Token::For)
                || self == Token::Level
        }
    }

    /// Whether the token begins a rule.
    #[must_use]
    pub fn is_verb(self) -> bool {
        use Token::{Add, Clamp, Dscp, Forward, Goto, Jump, Log, Mark, Masquerade, Netmap, Verb};
        matches!(
            self,
            Verb(_) | Log | Jump | Goto | Masquerade | Forward | Netmap | Mark | Dscp | Clamp | Add
        )
    }

    /// Whether the token begins a clause.
    #[must_use]
    pub fn is_clause(self) -> bool {
        use Token::{
            Account, Alias, Connections, Dscp, During, Expect, Family, Flags, From, Helper, In,
            Limit, ListClause, Log, Mac, Mark, NameClause, On, Out, Sport, State, Tags, TextClause,
            To, ValueClause,
        };
        matches!(self, From | To | In | Out | On | Sport | State | Flags | Limit | Connections)
            || matches!(self, Family(_) | During | Account(_) | Mac | ValueClause(_) | Mark | Dscp)
            || matches!(self, NameClause(_) | TextClause(_) | ListClause(_) | Expect | Log)
            || matches!(self, Helper | Alias | Tags)
    }

    /// Whether the token begins a literal subject, or is `any`.
    #[must_use]
    pub fn is_subject_word(self) -> bool {
        matches!(self, Token::Protocol(_) | Token::Icmp(_) | Token::Proto | Token::Any)
    }

    /// Whether the token can stand for a name.
    #[must_use]
    pub fn is_name(self) -> bool {
        matches!(self, Token::Name | Token::Mss | Token::Per | Token::Local)
    }

    /// Whether the token begins the definition of a name.
    #[must_use]
    pub fn is_definition(self) -> bool {
        use Token::{Chain, Def, Let, Service, Set, Zone};
        matches!(self, Zone | Let | Set | Service | Def | Chain)
    }

    /// Whether the token is a number or another value but an address.
    #[must_use]
    pub fn is_value(self) -> bool {
        matches!(self, Token::Number | Token::Range | Token::Value)
    }
}

const STATEMENT_WORDS: &[(&str, Token)] = &[
    ("include", Token::Include),
    ("use", Token::Use),
    ("zone", Token::Zone),
    ("let", Token::Let),
    ("set", Token::Set),
    ("service", Token::Service),
    ("def", Token::Def),
    ("chain", Token::Chain),
    ("default", Token::Default),
    ("implicit", Token::Implicit),
    ("assert", Token::Assert),
    ("protect", Token::Protect),
    ("test", Token::Test),
    ("preserve", Token::Preserve),
    ("docker", Token::Docker),
    ("raw", Token::Raw),
    ("input", Token::Input),
    ("output", Token::Output),
];

/// The contextual words that begin a statement.
pub fn statement_words() -> impl Iterator<Item = (&'static str, Token)> {
    STATEMENT_WORDS.iter().copied()
}

/// The verbs, as written.
pub const VERBS: &[&str] = &[
    "allow",
    "drop",
    "reject",
    "log",
    "return",
    "jump",
    "goto",
    "masquerade",
    "snat",
    "forward",
    "redirect",
    "netmap",
    "nonat",
    "mark",
    "dscp",
    "clamp",
    "notrack",
    "add",
];

/// The words that begin a clause of a rule, as written.
pub const CLAUSES: &[&str] = &[
    "from",
    "to",
    "in",
    "out",
    "on",
    "sport",
    "state",
    "flags",
    "limit",
    "connections",
    "ipv4",
    "ipv6",
    "during",
    "user",
    "group",
    "mac",
    "length",
    "ttl",
    "until",
    "via",
    "with",
    "within",
    "comment",
    "owner",
    "ticket",
    "as",
    "at",
    "hairpin",
    "expect",
    "log",
    "mark",
    "dscp",
];

/// The clauses that stand without a value.
pub const BARE_CLAUSES: &[&str] = &["out", "ipv4", "ipv6"];

/// The clauses that only a service definition has.
pub const SERVICE_CLAUSES: &[&str] = &["helper", "alias", "tags"];
