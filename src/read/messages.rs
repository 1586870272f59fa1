//! What is said about a text that no `iptables-restore` would load: one function a message.

use crate::diagnostic::{Finding, catalogue, nearest};
use crate::net::Family;
use crate::ruleset::{Standing, TableName};
use crate::source::Span;

use super::line::What;

/// After so many mistakes reading stops.
pub(super) const MAX_FINDINGS: usize = 100;

fn bad_dump(span: Span, message: impl Into<String>) -> Finding {
    Finding::new(&catalogue::BAD_DUMP, span, message)
}

pub(super) fn too_many_findings(span: Span) -> Finding {
    let message = format!("more than {MAX_FINDINGS} mistakes in this file");
    Finding::new(&catalogue::TOO_MANY_FINDINGS, span, message)
        .label("reading stopped here")
        .help("see whether this is a file of `iptables-save`")
}

pub(super) fn byte_order_mark(span: Span) -> Finding {
    bad_dump(span, "byte order mark at the beginning of a rules file")
        .label("the tools refuse it")
        .help("save the file as UTF-8 without a byte order mark")
}

pub(super) fn carriage_return(span: Span) -> Finding {
    bad_dump(span, "line of a rules file that ends with a carriage return")
        .label("the tools refuse it")
        .help("save the file with the line ends of Unix")
}

pub(super) fn null(span: Span) -> Finding {
    bad_dump(span, "zero byte in a rules file")
        .label("the tools read no further than this")
        .help("make the file anew with `iptables-save`")
}

pub(super) fn line_too_long(span: Span, most: usize) -> Finding {
    bad_dump(span, format!("line of a rules file longer than {most} bytes"))
        .label("the tools would read the rest as another line")
        .help("break it into several rules")
}

pub(super) fn open_quote(span: Span) -> Finding {
    bad_dump(span, "quote that its line does not close")
        .label("opened here")
        .note("the tools read on to the end of the line, and lose what the rule says behind it")
        .help("close it with `\"`; in quotes write `\\\"` for `\"`")
}

pub(super) fn unknown_table(span: Span, name: &str) -> Finding {
    let known = TableName::ALL.map(TableName::name);
    let finding = bad_dump(span, format!("table `{name}`, which iptables does not have"))
        .label("unknown table");
    match nearest(name, known) {
        Some(near) => finding.help(format!("write `*{near}`")),
        None => finding.help(format!("the tables are {}", known.join(", "))),
    }
}

pub(super) fn missing_commit(span: Span, table: TableName) -> Finding {
    bad_dump(span, format!("table `{table}` without its COMMIT"))
        .label("begins here")
        .note("without it the tools load nothing of a table")
        .help("put a line `COMMIT` behind its last rule")
}

pub(super) fn outside_table(span: Span) -> Finding {
    bad_dump(span, "line outside of a table")
        .label("no table begins before it")
        .note("a policy has no such lines: it says `allow tcp 22`")
        .help("give what `iptables-save` prints; or put a line such as `*filter` before it and `COMMIT` behind it")
}

pub(super) fn bad_declaration(span: Span) -> Finding {
    bad_dump(span, "line that should declare a chain")
        .label("expected a name, a policy and counters")
        .help("write `:NAME - [0:0]`, or `:INPUT DROP [0:0]` for a chain of the kernel")
}

pub(super) fn declared_twice(span: Span, name: &str) -> Finding {
    bad_dump(span, format!("chain `{name}` declared twice"))
        .label("declared above already")
        .help("delete this line")
}

pub(super) fn bad_chain_name(span: Span, name: &str) -> Finding {
    bad_dump(span, format!("`{name}` is no name for a chain"))
        .label("the tools refuse it")
        .help("a name has at most 28 bytes, and is none of ACCEPT, DROP, QUEUE and RETURN")
}

pub(super) fn bad_policy(span: Span, policy: &str) -> Finding {
    bad_dump(span, format!("policy `{policy}`, which no chain has"))
        .label("expected ACCEPT or DROP")
        .help("write `ACCEPT` or `DROP`")
}

pub(super) fn policy_of_own_chain(span: Span, chain: &str) -> Finding {
    bad_dump(span, format!("policy of `{chain}`, which is no chain of the kernel"))
        .label("expected `-`")
        .help("write `-`, and put what the policy was to do into a last rule")
}

pub(super) fn no_command(span: Span) -> Finding {
    bad_dump(span, "line that is neither a rule nor a chain")
        .label("expected `-A CHAIN`")
        .help("a rule begins with `-A`, a chain with `:`, a table with `*`, a comment with `#`")
}

pub(super) fn two_commands(span: Span) -> Finding {
    bad_dump(span, "line with two commands")
        .label("the second one")
        .help("give each a line of its own")
}

pub(super) fn bad_position(span: Span, rules: usize) -> Finding {
    bad_dump(span, "rule at a place that its chain does not have")
        .label(format!("the chain has {rules} rules"))
        .help("count the rules of the chain from 1")
}

pub(super) fn unknown_chain<'a>(
    span: Span,
    name: &str,
    table: TableName,
    known: impl IntoIterator<Item = &'a str>,
) -> Finding {
    let finding = bad_dump(span, format!("chain `{name}`, which table `{table}` does not have"))
        .label("not declared above");
    match nearest(name, known) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => {
            finding.help(format!("declare it at the beginning of the table: `:{name} - [0:0]`"))
        }
    }
}

pub(super) fn ring(spans: &[(Span, String)]) -> Finding {
    let names: Vec<&str> = spans.iter().map(|(_, name)| name.as_str()).collect();
    let way = format!("{} → {}", names.join(" → "), names.first().copied().unwrap_or_default());
    let first = spans[0].0;
    let message = format!("chains that jump to each other in a ring: {way}");
    let mut finding = Finding::new(&catalogue::CHAIN_CYCLE, first, message).label("jumps on");
    for (span, _) in spans.iter().skip(1) {
        finding = finding.related(*span, "and on from here");
    }
    finding.help("break it at the jump that is not needed")
}

pub(super) fn assumed_ipv4(span: Span) -> Finding {
    Finding::new(&catalogue::FAMILY_ASSUMED, span, "rules of which nothing says the family")
        .label("read as rules for IPv4")
        .help("name the file `.v4` or `.v6`, or leave it the first line that the tool wrote")
}

pub(super) fn incomplete(span: Span) -> Finding {
    let message = "dump of rules that are not all the rules of the machine";
    Finding::new(&catalogue::INCOMPLETE_DUMP, span, message)
        .label("the tool says so here")
        .help("look at the others too: `iptables-legacy-save`, `nft list ruleset`")
}

/// What is wrong with a word of a rule, which says `text`.
pub(super) fn fault(span: Span, text: &str, what: &What, family: Family) -> Finding {
    let shown = shortened(text);
    match what {
        What::Expected(expected) => bad_dump(span, format!("`{shown}` is not {expected}"))
            .label(format!("expected {expected}"))
            .help("correct the value"),
        What::Address => bad_dump(span, format!("`{shown}` is no {family} address"))
            .label(format!("expected an {family} address or network in figures"))
            .note("a name would mean whatever it means where the rules are loaded")
            .help("write the address in figures"),
        What::Protocol => bad_dump(span, format!("protocol `{shown}`, which is not known"))
            .label("unknown protocol")
            .help("write its number"),
        What::MissingValue => bad_dump(span, format!("`{shown}` without its value"))
            .label("nothing follows")
            .help("write the value behind it"),
        What::Stray => bad_dump(span, format!("word `{shown}`, which belongs to no option"))
            .label("no option before it takes it")
            .note("there is no comment behind a rule: `#` is one at the beginning of a line only")
            .help("delete it, or put the option before it"),
        What::UnknownOption if is_short_of_dashes(text) => {
            bad_dump(span, format!("option `{shown}`, which is not known here"))
                .label("one dash is before a letter")
                .help(format!("write `-{shown}`"))
        }
        What::UnknownOption => bad_dump(span, format!("option `{shown}`, which is not known here"))
            .label("no match or target before it has it")
            .help("name the match that has it with `-m`, or the protocol with `-p`"),
        What::ShortBeforeSign(whole) => {
            bad_dump(span, format!("`{shown}`: the beginning of an option's name, and a `=`"))
                .label("not all versions of the tools read it alike")
                .help(format!("write `--{whole}` and its value as two words"))
        }
        What::NoValue => bad_dump(span, format!("`{shown}`, of which the option takes no value"))
            .label("a value behind `=`")
            .help("delete the `=` and what is behind it"),
        What::Command => bad_dump(span, format!("`{shown}` in a rules file"))
            .label("changes what is there, or is about the tool")
            .help("a dump has `-A`, `-I`, `-N` and `-P` only"),
        What::Twice => bad_dump(span, format!("`{shown}` twice in one rule"))
            .label("the second one")
            .help("delete one of them"),
        What::NotNegated => bad_dump(span, format!("`!` before `{shown}`"))
            .label("this has no opposite")
            .help("delete the `!`"),
        What::NegatedList => bad_dump(span, "`!` before a list of addresses")
            .label("the tools refuse it: each address would be a rule of its own")
            .help("write a rule that returns for each address"),
        What::TooManyRules(most) => bad_dump(span, format!("more than {most} rules in one file"))
            .label("with the addresses of this line")
            .help("put the addresses into a set"),
        What::TooManyWords => bad_dump(span, "line of more words than the tools take")
            .label("one word too many")
            .help("break it into several rules"),
        What::AfterChain => {
            bad_dump(span, format!("option `{shown}` behind a target without options"))
                .label("the target takes none")
                .help("delete it")
        }
        What::UnknownTarget => {
            bad_dump(span, format!("`{shown}` is neither a chain of the table nor a known target"))
                .label("where should it go?")
                .help(match target_meant(text) {
                    Some(target) => format!("write `{target}`"),
                    None => format!("declare it at the beginning of the table: `:{shown} - [0:0]`"),
                })
        }
        What::NoOption => bad_dump(span, format!("match `{shown}` without an option"))
            .label("what does it ask?")
            .help("write what it is to ask behind it, or delete it"),
        What::OtherProtocol(written) => {
            bad_dump(span, format!("`{shown}` in a rule that is not about its protocol"))
                .label(format!("the tools want {written} in the rule"))
                .help(format!("write {written}, or delete this"))
        }
        What::OtherFamily(of) => other_family(span, &shown, *of, family),
        What::Misplaced(standing) => misplaced(span, &shown, standing),
        What::Without(options) => without(span, &shown, options),
        What::Beside(other) => bad_dump(span, format!("`{shown}` beside `--{other}`"))
            .label("the tools take one of them")
            .help("make two rules of it, or delete one"),
        What::GotoTarget => bad_dump(span, format!("`-g {shown}`, which is no chain of the table"))
            .label("expected a chain")
            .help("write `-j` for a target"),
    }
}

/// `-dport`: a long name behind one dash.
fn is_short_of_dashes(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(super::options::is_option)
}

/// The target that a word of another tool, or one in lower case, stands for.
fn target_meant(text: &str) -> Option<&'static str> {
    const KNOWN: [&str; 4] = ["ACCEPT", "DROP", "REJECT", "RETURN"];
    match text.to_ascii_uppercase().as_str() {
        "ALLOW" | "PERMIT" | "PASS" => Some("ACCEPT"),
        "DENY" | "BLOCK" | "DISCARD" => Some("DROP"),
        "REFUSE" => Some("REJECT"),
        upper => KNOWN.into_iter().find(|known| *known == upper),
    }
}

fn other_family(span: Span, shown: &str, of: Family, family: Family) -> Finding {
    bad_dump(span, format!("`{shown}` is of {of}"))
        .label(format!("{family} has no such thing"))
        .help("put it into the rules of the other family, or delete it")
}

fn without(span: Span, shown: &str, options: &[&str]) -> Finding {
    let options: Vec<String> = options.iter().map(|name| format!("`--{name}`")).collect();
    let wanted = options.join(" or ");
    bad_dump(span, format!("`{shown}` without {wanted}"))
        .label("the tools refuse it")
        .help(format!("write {wanted} beside it, or delete it"))
}

fn misplaced(span: Span, shown: &str, standing: &Standing) -> Finding {
    let place = standing.place();
    bad_dump(span, format!("`{shown}`, which the kernel takes only {place}"))
        .label("not here")
        .help("put it there, or delete it")
}

/// Packets of a chain of the kernel come to a rule that may not be there.
pub(super) fn misled(span: Span, shown: &str, standing: &Standing, from: &str) -> Finding {
    misplaced(span, &shortened(shown), standing)
        .note(format!("the chain of this rule is reached from {from}"))
}

/// Enough of a word to know it again.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let plain = |c: char| if c.is_control() { '?' } else { c };
    if text.chars().nth(MOST).is_none() {
        return text.chars().map(plain).collect();
    }
    text.chars().take(MOST).map(plain).chain(['…']).collect()
}

pub(super) fn unmodelled_set(span: Span, what: &str) -> Finding {
    let message = format!("what is in a set of `{what}` is not known here");
    Finding::new(&catalogue::UNMODELLED_SET, span, message)
        .label("known by its name only")
        .note("that an address is in such a set is a condition of its own, which may hold or not")
}

pub(super) fn filled_set(span: Span, name: &str) -> Finding {
    let message = format!("what is in the set `{name}` is not known, for rules change it");
    Finding::new(&catalogue::UNMODELLED_SET, span, message)
        .label("known by its name only")
        .note("that an address is in such a set is a condition of its own, which may hold or not")
}

pub(super) fn bad_set_line(span: Span, message: &str) -> Finding {
    bad_dump(span, message)
        .label("ipset would refuse it, or it is not known here")
        .help("make the file anew with `ipset save`")
}
