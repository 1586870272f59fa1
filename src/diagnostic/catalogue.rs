//! Every code a finding can have: its level, whether a rule may expect it, a line about it, and its
//! page of explanation.
//!
//! The page stands in `pages/NAME.md` and serves `palisade explain`, SARIF and the tests alike.

use super::Level;

/// A kind of finding. Names are for people and stay; there are no numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    pub name: &'static str,
    /// `None` for what is off: shown only when it is asked for.
    pub level: Option<Level>,
    /// Whether `expect` accepts its findings.
    pub expectable: bool,
    /// One line, as lists show it.
    pub summary: &'static str,
    /// One page: what, why it matters, a wrong and a right policy.
    pub page: &'static str,
}

impl Lint {
    /// Whether it is an error by itself, which no option lowers unless it is expectable.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.level == Some(Level::Error)
    }
}

/// The level of a row; `Off` is none.
macro_rules! level {
    (Off) => {
        None
    };
    ($level:ident) => {
        Some(Level::$level)
    };
}

/// Whether the findings of a row can be expected. Unless the row says so, errors cannot: the compiler
/// could not go on from them. What is about no rule, or about `expect` itself, cannot either.
macro_rules! expectable {
    (Error) => {
        false
    };
    ($level:ident) => {
        true
    };
    ($level:ident expectable) => {
        true
    };
    ($level:ident unexpectable) => {
        false
    };
}

/// A row: `ID = "name", LEVEL [expectable | unexpectable], "summary";`
macro_rules! catalogue {
    ($($id:ident = $name:literal, $level:ident $($expect:ident)?, $summary:literal;)*) => {
        $(
            #[doc = $summary]
            pub static $id: Lint = Lint {
                name: $name,
                level: level!($level),
                expectable: expectable!($level $($expect)?),
                summary: $summary,
                page: include_str!(concat!("pages/", $name, ".md")),
            };
        )*
        /// Every lint, by name.
        pub static ALL: &[&Lint] = &[$(&$id),*];
    };
}

catalogue! {
    ACTS_EARLIER = "acts-earlier", Warning, "a mark that is set before a statement that stands above it acts";
    AMBIGUOUS_DESTINATION = "ambiguous-destination", Error, "an address in `to` that is placed neither on this machine nor in a zone";
    AMBIGUOUS_DIRECTION = "ambiguous-direction", Error, "an outgoing interface without a word on where the packets come from";
    ANALYSIS_INCOMPLETE = "analysis-incomplete", Error expectable, "a budget was hit: something is not proved";
    ASSERTION_DEPENDS = "assertion-depends", Error, "a promise that holds or not by what limits say";
    ASSERTION_FAILED = "assertion-failed", Error, "a promise that a packet breaks";
    BAD_ADDRESS = "bad-address", Error, "a text that is not an address, network or range";
    BAD_DUMP = "bad-dump", Error, "a rules file that iptables-restore would refuse or misread";
    BAD_INTERFACE = "bad-interface", Error, "a name that no interface can have";
    BAD_LIMIT = "bad-limit", Error, "a rate or burst that the kernel refuses or counts wrongly";
    BAD_PORT = "bad-port", Error, "a port that does not exist or a range that is reversed";
    BAD_RAW = "bad-raw", Error, "a raw rule that the tools refuse or take for something else";
    BAD_VALUE = "bad-value", Error, "a value of another kind or outside its range";
    CHAIN_CYCLE = "chain-cycle", Error, "chains that jump to each other in a ring";
    CONFLICTING_DIRECTION = "conflicting-direction", Error, "clauses that ask for two directions at once";
    DEFAULT_ACCEPT = "default-accept", Warning unexpectable, "a chain INPUT whose rules only accept, and that accepts the rest too";
    DROP_INPUT_ONLY = "drop-input-only", Note, "a source that is refused to this machine and forwarded to others";
    DUPLICATE_CLAUSE = "duplicate-clause", Error, "a clause given twice in one statement";
    DUPLICATE_DEFINITION = "duplicate-definition", Error, "a name defined twice in its name space";
    DUPLICATE_RULE = "duplicate-rule", Warning, "a rule that says again what an earlier one says";
    EMPTY_SET = "empty-set", Warning, "a set whose file has no entry";
    EXPIRED_RULE = "expired-rule", Warning, "a rule past its `until`";
    FAMILY_ASSUMED = "family-assumed", Note unexpectable, "a rules file of which nothing says the family";
    FAMILY_NOT_DROPPED = "family-not-dropped", Warning, "a drop or reject that loses a family because a zone has no nets in it";
    FILE_TOO_LARGE = "file-too-large", Error, "a policy of more bytes than are read";
    FILTER_SEES_TRANSLATED = "filter-sees-translated", Warning, "a filter rule about an address that nat always replaces";
    FOREIGN_RULES = "foreign-rules", Note unexpectable, "rules of other programs that are not judged";
    FORWARDING_NEEDED = "forwarding-needed", Note, "a policy that forwards needs the kernel's forwarding switched on";
    HOST_BITS = "host-bits", Warning, "a network written with bits beyond its prefix length";
    IMPLICIT_LEFT_OUT = "implicit-left-out", Warning unexpectable, "implicit rules switched off that few policies do without";
    INCLUDE_CYCLE = "include-cycle", Error, "files that include each other in a ring";
    INCLUDE_EMPTY = "include-empty", Warning unexpectable, "an include pattern that matches no file";
    INCLUDE_TWICE = "include-twice", Error, "a file included twice";
    INCOMPLETE_DUMP = "incomplete-dump", Warning unexpectable, "a dump that says itself that there are other rules";
    IPV6_NOT_WRITTEN = "ipv6-not-written", Note unexpectable, "only rules.v4 was written, not rules.v6";
    LIMIT_BYPASSED = "limit-bypassed", Warning, "a limit beyond which later rules accept all the same";
    LIMIT_REVERSED = "limit-reversed", Note, "a limit up to which packets are refused, and beyond which they are accepted";
    LOCKOUT = "lockout", Error, "a connection that is protected and not accepted, or not answered";
    MISPLACED_CLAUSE = "misplaced-clause", Error, "a clause that means nothing where it stands";
    MISPLACED_STATEMENT = "misplaced-statement", Error, "a statement that may not stand where it stands";
    MISSING_ADDRESSES = "missing-addresses", Error, "a `notrack` by interface where no interface is known";
    MISSING_TARGET = "missing-target", Error, "a translation that lacks its interface, address or port";
    NAME_TOO_LONG = "name-too-long", Error, "a name longer than the kernel takes";
    NAT_CONFLICT = "nat-conflict", Error expectable, "two translations that overlap, neither an exception to the other";
    NAT_TARGET_DROPPED = "nat-target-dropped", Error expectable, "a translation whose packets are dropped, or never translated";
    NAT_WITHOUT_FORWARD = "nat-without-forward", Note, "a translation to which nothing is forwarded";
    NESTING_TOO_DEEP = "nesting-too-deep", Error, "more nested blocks than are read";
    NEVER_MATCHES = "never-matches", Error, "conditions that contradict each other";
    NO_ESTABLISHED = "no-established", Warning unexpectable, "no rule accepts the packets of accepted connections";
    NO_LOOPBACK = "no-loopback", Warning unexpectable, "no rule accepts what the machine says to itself";
    NO_NEIGHBOUR_DISCOVERY = "no-neighbour-discovery", Warning unexpectable, "no rule accepts what IPv6 needs on a link";
    NO_PORTS = "no-ports", Error, "a port on a protocol that has none";
    NO_REMOTE_ACCESS = "no-remote-access", Note unexpectable, "nobody can log in by ssh";
    NOT_UTF8 = "not-utf8", Error, "a file that is not UTF-8 text";
    ONE_FAMILY_ONLY = "one-family-only", Note, "a rule that loses one family although another of its lists has members in it";
    OPEN_TO_WORLD = "open-to-world", Note, "a service that is not for everybody, or every port of this machine, open to everybody";
    OVERLAP = "overlap", Off, "two rules of different effects that share packets";
    OVERLAPPING_ZONES = "overlapping-zones", Error, "two zones on one interface whose nets overlap";
    PARTLY_DEAD = "partly-dead", Note, "a member of a list that adds nothing to its rule";
    PRESERVED_CLASH = "preserved-clash", Error, "a chain or mark of the policy that belongs to what it preserves";
    RECURSIVE_DEFINITION = "recursive-definition", Error, "a definition that needs itself";
    REDEFINED_SERVICE = "redefined-service", Note unexpectable, "a service of the standard library given another meaning";
    REDUNDANT_RULE = "redundant-rule", Warning, "a rule that changes nothing, because later rules do the same";
    REDUNDANT_WITH_DEFAULT = "redundant-with-default", Off, "a rule that changes nothing, because the default does the same";
    RELATED_NOT_ACCEPTED = "related-not-accepted", Warning, "a connection helper whose further connections are dropped";
    RESERVED_NAME = "reserved-name", Error, "a reserved word defined as a name";
    SET_TOO_LARGE = "set-too-large", Error, "a set of more networks than the kernel is told to hold";
    SETS_FIRST = "sets-first", Note, "rules that name sets, which must be loaded before them";
    SHADOWED_CONFLICT = "shadowed-conflict", Error expectable, "a rule whose packets all meet an earlier rule that does something else";
    SHADOWED_RULE = "shadowed-rule", Warning, "a rule whose packets all meet earlier rules that do the same";
    SYNTAX_ERROR = "syntax-error", Error, "a text that is not of the language";
    TCP_ONLY = "tcp-only", Error, "a tcp condition or answer on another protocol";
    TEST_FAILED = "test-failed", Error, "a test packet of which something else becomes";
    TEXT_TOO_LONG = "text-too-long", Error, "a comment or log prefix longer than the kernel keeps";
    TOO_MANY_FINDINGS = "too-many-findings", Error, "more findings than are shown";
    TOO_MUCH_EXPANSION = "too-much-expansion", Error, "definitions that unfold to more than is compiled";
    UNCLEAR_PACKET = "unclear-packet", Error, "a test packet of which too little is said";
    UNEQUAL = "unequal", Error, "packets that two sides of a comparison treat otherwise";
    UNFULFILLED_EXPECTATION = "unfulfilled-expectation", Warning unexpectable, "an `expect` that met nothing";
    UNKNOWN_CHARACTER = "unknown-character", Error, "a character that the language does not use";
    UNKNOWN_CLAUSE = "unknown-clause", Error, "a word where a clause was expected";
    UNKNOWN_NAME = "unknown-name", Error, "a name that nothing defines";
    UNMODELLED_MATCH = "unmodelled-match", Note, "a raw condition that is known by its words only";
    UNMODELLED_SET = "unmodelled-set", Note unexpectable, "a set of the kernel of which no dump tells what is in it";
    UNREACHABLE_CHAIN = "unreachable-chain", Warning, "a chain that no packet is sent to";
    UNREACHABLE_RULE = "unreachable-rule", Warning, "a rule behind a verdict on everything";
    UNREADABLE_FILE = "unreadable-file", Error, "a file that cannot be read";
    UNTERMINATED_STRING = "unterminated-string", Error, "a string without its closing quote";
    UNTRACKED_ANSWERS = "untracked-answers", Warning, "a `notrack` whose answers no rule accepts";
    UNUSED_DEFINITION = "unused-definition", Warning unexpectable, "a definition that nothing uses";
    VACUOUS_ASSERTION = "vacuous-assertion", Error, "a promise about packets that there are not";
    WRONG_ARGUMENTS = "wrong-arguments", Error, "a call with other arguments than the definition has parameters";
    WRONG_FAMILY = "wrong-family", Error, "an address or protocol of a family that the rule excludes";
    WRONG_HELPER = "wrong-helper", Error, "a connection helper on traffic that it does not read";
}

/// The lint of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Lint> {
    ALL.iter().copied().find(|lint| lint.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_name() {
        let names: Vec<&str> = ALL.iter().map(|lint| lint.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        for name in names {
            assert_eq!(find(name).map(|lint| lint.name), Some(name));
        }
    }

    #[test]
    fn what_a_row_does_not_say_follows_from_its_level() {
        let row = |level: Option<Level>, expectable| (level, expectable);
        assert_eq!(row(level!(Off), expectable!(Off)), (None, true));
        assert_eq!(row(level!(Note), expectable!(Note)), (Some(Level::Note), true));
        assert_eq!(row(level!(Error), expectable!(Error)), (Some(Level::Error), false));
        assert_eq!(row(level!(Error), expectable!(Error expectable)), (Some(Level::Error), true));
        assert!(!UNFULFILLED_EXPECTATION.expectable && HOST_BITS.expectable);
        assert!(SYNTAX_ERROR.is_error() && !HOST_BITS.is_error());
    }

    #[test]
    fn pages_explain_and_show_a_wrong_and_a_right_policy() {
        for lint in ALL {
            let title = format!("# {}\n\n", lint.name);
            let body = lint.page.strip_prefix(&title).unwrap_or_else(|| panic!("{title}"));
            let lines = lint.page.lines().count();
            assert!((6..=30).contains(&lines), "{}: {lines} lines", lint.name);
            assert!(lint.page.lines().all(|line| line.len() <= 80 && line == line.trim_end()));
            assert!(lint.page.ends_with('\n') && !body.starts_with('#'), "{}", lint.name);
            // What one file cannot show has no examples; else there is one of each.
            let mut inside = false;
            let headings: Vec<&str> = body
                .lines()
                .filter(|line| {
                    inside ^= line.starts_with("```");
                    !inside && (line.starts_with("# ") || line.starts_with("##"))
                })
                .collect();
            let fences: Vec<&str> = body.lines().filter(|line| line.starts_with("```")).collect();
            match headings.as_slice() {
                [] => assert!(fences.is_empty(), "{}", lint.name),
                headings => {
                    assert_eq!(headings, ["## Wrong", "## Right"], "{}", lint.name);
                    let of = |kind| ["```", kind].concat();
                    let pair = |kind| [of(kind), "```".into(), of(kind), "```".into()];
                    let pairs = [pair("fw"), pair("dump")];
                    assert!(pairs.iter().any(|pair| fences == *pair), "{}: {fences:?}", lint.name);
                }
            }
        }
    }
}
