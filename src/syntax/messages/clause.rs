//! What is said about subjects, clauses and lists that the grammar could not read.

use crate::diagnostic::{Finding, catalogue, nearest};

use super::super::scan::{Scan, Setting};
use super::super::token::{BARE_CLAUSES, CLAUSES, SERVICE_CLAUSES, Token, VERBS};
use super::super::unquote;
use super::{syntax_error, words};

/// The first that knows the mistake speaks.
pub fn explain(scan: &Scan<'_, '_>) -> Option<Finding> {
    None.or_else(|| comma(scan))
        .or_else(|| empty_brackets(scan))
        .or_else(|| conjunction(scan))
        .or_else(|| filler(scan))
        .or_else(|| foreign_subject(scan))
        .or_else(|| slash(scan))
        .or_else(|| subject(scan))
        .or_else(|| new_source(scan))
        .or_else(|| target_port(scan))
        .or_else(|| wrong_kind(scan))
        .or_else(|| foreign_verb_behind(scan))
        .or_else(|| nothing_behind(scan))
        .or_else(|| braces_of_rule(scan))
        .or_else(|| another_statement(scan))
        .or_else(|| equals(scan))
        .or_else(|| clause_word(scan))
        .or_else(|| missing_comma(scan))
}

fn comma(scan: &Scan<'_, '_>) -> Option<Finding> {
    if scan.token(-1) == Token::Comma {
        return Some(match scan.token(0) {
            Token::Comma => syntax_error(scan.span(0), "two commas in a row")
                .label("nothing stands between them")
                .help("delete one of them"),
            Token::CloseParen | Token::CloseNets => return None,
            current if ends_list(current) => {
                syntax_error(scan.span(-1), "comma behind the last member of a list")
                    .label("nothing follows it")
                    .help("delete it, or go on with the list")
            }
            _ => return None,
        });
    }
    if scan.token(0) != Token::Comma {
        return None;
    }
    let before = scan.text(-1);
    if words::wanted_after(scan.token(-1), before).is_some() || scan.token(-1).is_verb() {
        return Some(
            syntax_error(scan.span(0), format!("comma right behind `{before}`"))
                .label("a list cannot begin with a comma")
                .help("delete it"),
        );
    }
    if scan.clause_before().is_some_and(|(word, _)| word.is_clause()) {
        return Some(
            syntax_error(scan.span(0), "comma where no list is")
                .label("nothing is listed here")
                .help("delete it: clauses follow each other without a comma"),
        );
    }
    None
}

fn ends_list(token: Token) -> bool {
    matches!(token, Token::End | Token::CloseBrace | Token::OpenBrace | Token::Gives)
        || token.is_clause()
        || token.is_verb()
}

fn conjunction(scan: &Scan<'_, '_>) -> Option<Finding> {
    // `from not lan`: the grammar took `not` for a name, and stopped behind it.
    let is_one = |at: &isize| matches!(scan.text(*at), "and" | "or" | "not" | "without" | "but");
    let at = [0, -1].into_iter().find(is_one)?;
    let word = scan.text(at);
    let (label, help) = match word {
        "and" | "or" => (
            "members of a list are joined by commas",
            format!("write `,` for `{word}`; clauses follow each other without a word"),
        ),
        "not" | "without" | "but" => (
            "exceptions have a word of their own",
            "say `except`: `from any except 10.0.0.0/8`".to_owned(),
        ),
        _ => return None,
    };
    Some(
        syntax_error(scan.span(at), format!("`{word}` is no word of the language"))
            .label(label)
            .help(help),
    )
}

/// What stands between a verb and its clauses.
fn subject(scan: &Scan<'_, '_>) -> Option<Finding> {
    let (before, word) = (scan.text(-1), scan.text(0));
    match (scan.token(-1), scan.token(0)) {
        (Token::Protocol(_), name) if name.is_name() && !is_foreign(scan) => {
            let number = format!("the number of the port belongs behind `{before}`");
            let service = format!("write `{word}` without `{before}`, or the number of its port");
            Some(
                syntax_error(
                    scan.span(0),
                    format!("`{before}` takes port numbers, not the name `{word}`"),
                )
                .label("a service brings its own protocol")
                .help(if scan.reads(-1, 0, word) { service } else { number }),
            )
        }
        (Token::Protocol(_) | Token::Icmp(_), Token::Address) => Some(
            syntax_error(scan.span(0), "address among the ports and services")
                .label("from or to this address?")
                .help(from_or_to(scan, 0)),
        ),
        (Token::Proto, protocol @ (Token::Protocol(_) | Token::Icmp(_))) => Some(
            syntax_error(scan.span(-1), format!("`proto` before `{word}`"))
                .label("for protocols that have no word of their own")
                .help(match protocol {
                    Token::Icmp(_) => format!("leave it out: `{word} any`, `{word} echo-request`"),
                    _ => format!("leave it out: `{word} any`, `{word} 22`"),
                }),
        ),
        (verb, Token::Number | Token::Range) if verb.is_verb() || verb == Token::Protect => {
            let known = format!("{before} tcp {word}");
            scan.reads(-1, 0, &known).then(|| {
                syntax_error(scan.span(0), format!("port `{word}` without a protocol"))
                    .label("of which protocol?")
                    .help(format!("say it first: `{known}`"))
            })
        }
        (verb, Token::Address) if verb.is_verb() || verb == Token::Protect => {
            let known = format!("{before} any from {word}");
            scan.reads(-1, 0, &known).then(|| {
                syntax_error(scan.span(0), format!("address right behind `{before}`"))
                    .label("from or to this address?")
                    .help(format!("write `{known}`, or `to {word}`"))
            })
        }
        (name, Token::Number | Token::Range)
            if name.is_name() && scan.would_take("\"(\"") && scan.would_take("\",\"") =>
        {
            let moved = format!("{before}({word})");
            Some(
                syntax_error(scan.span(0), format!("port right behind the service `{before}`"))
                    .label("a service has its own ports")
                    .help(if scan.reads(-1, 0, &moved) {
                        format!("for another port write `{moved}`")
                    } else {
                        "leave it out, or write protocol and port: `tcp 22`".to_owned()
                    }),
            )
        }
        (Token::Protocol(_), Token::OpenParen) => Some(ports_in_parentheses(scan)),
        (Token::Number | Token::Range, Token::Number | Token::Range)
            if scan.would_take("\",\"") =>
        {
            Some(comma_missing(scan))
        }
        _ => None,
    }
}

/// `from 10.0.0.1` or `to 10.0.0.1` in place of what stands from token `first` to the broken one.
fn from_or_to(scan: &Scan<'_, '_>, first: isize) -> String {
    let word = scan.text(0);
    if scan.reads(first, 0, &format!("from {word}")) {
        return format!("write `from {word}` or `to {word}`");
    }
    "say it behind the subjects: `from 10.0.0.1` or `to 10.0.0.1`".to_owned()
}

/// `tcp (80, 443)`
fn ports_in_parentheses(scan: &Scan<'_, '_>) -> Finding {
    let close = (2..=scan.last()).find(|at| scan.token(*at) == Token::CloseParen);
    let ports = close.map(|close| format!("{} {}", scan.text(-1), scan.words(1, close - 1)));
    let ports = ports.zip(close).filter(|(ports, close)| scan.reads(-1, *close, ports));
    syntax_error(scan.span(0), "ports in parentheses").label("a list of ports has none").help(
        match ports {
            Some((ports, _)) => format!("write `{ports}`"),
            None => "write them with commas: `tcp 80, 443`".to_owned(),
        },
    )
}

/// A word of another tool where a subject belongs.
fn foreign_subject(scan: &Scan<'_, '_>) -> Option<Finding> {
    let is_subject = |at: &isize| {
        let before = scan.token(at - 1);
        scan.token(*at).is_name()
            && (before.is_verb() || matches!(before, Token::Icmp(_) | Token::Protect))
    };
    let at = [-1, 0]
        .into_iter()
        .find(|at| is_subject(at) && words::foreign_subject(scan.text(*at)).is_some())?;
    let word = scan.text(at);
    let help = words::foreign_subject(word)?;
    Some(
        syntax_error(scan.span(at), format!("`{word}` is no word of the language"))
            .label("not a service")
            .help(help),
    )
}

/// Ports and protocols joined by a `/`: `22/tcp`, `tcp/22`, `tcp/udp 53`.
fn slash(scan: &Scan<'_, '_>) -> Option<Finding> {
    const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];
    let (first, last, meant) = match (scan.token(-1), scan.token(0), scan.token(1), scan.token(2)) {
        (_, Token::Value, ..) => {
            let (port, protocol) = scan.text(0).split_once('/')?;
            let is_port = PROTOCOLS.contains(&protocol);
            (0, 0, is_port.then(|| format!("{protocol} {port}"))?)
        }
        (Token::Protocol(_), Token::Slash, Token::Number | Token::Range, _) => {
            (-1, 1, format!("{} {}", scan.text(-1), scan.text(1)))
        }
        (Token::Protocol(_), Token::Slash, Token::Protocol(_), Token::Number | Token::Range) => {
            let port = scan.text(2);
            (-1, 2, format!("{} {port}, {} {port}", scan.text(-1), scan.text(1)))
        }
        (Token::Protocol(_), Token::Slash, Token::Protocol(_), _) => {
            (-1, 1, format!("{} any, {} any", scan.text(-1), scan.text(1)))
        }
        _ => return None,
    };
    let written = scan.words(first, last);
    scan.reads(first, last, &meant).then(|| {
        syntax_error(scan.span(first).to(scan.span(last)), format!("`{written}` with a `/`"))
            .label("a protocol stands before its ports")
            .help(format!("write `{meant}`"))
    })
}

/// The new source of `snat` without its word.
fn new_source(scan: &Scan<'_, '_>) -> Option<Finding> {
    let word = scan.text(0);
    let is_source = scan.head_text() == "snat"
        && scan.token(0) == Token::Address
        && scan.token(-1) != Token::Comma
        && scan.clause_before().is_some_and(|(_, clause)| clause != "as")
        && scan.reads(0, 0, &format!("as {word}"));
    is_source.then(|| {
        syntax_error(scan.span(0), "new source without its `as`")
            .label("`as` belongs before this")
            .help(format!("write `as {word}`"))
    })
}

/// The port of a translation at the wrong place, or without its colon.
fn target_port(scan: &Scan<'_, '_>) -> Option<Finding> {
    if (scan.token(0), scan.token(-2)) == (Token::Colon, Token::At)
        && scan.token(1) == Token::Number
    {
        let (zone, port) = (scan.text(-1), scan.text(1));
        let (first, host) = match scan.token(-3) {
            Token::CloseBracket => (-5, format!("[{}]", scan.text(-4))),
            _ => (-3, scan.text(-3).to_owned()),
        };
        let meant = format!("{host}:{port}@{zone}");
        return Some(
            syntax_error(scan.span(0), "port behind the zone")
                .label("it belongs behind the address")
                .help(if scan.reads(first, 1, &meant) {
                    format!("write `{meant}`")
                } else {
                    "write it there: `10.0.0.2:8443@lan`".to_owned()
                }),
        );
    }
    let word = scan.text(0);
    let is_port = scan.token(0) == Token::Number && scan.token(-1) == Token::To;
    let is_target = is_port && scan.head_text() == "redirect";
    (is_target && scan.reads(0, 0, &format!(":{word}"))).then(|| {
        syntax_error(scan.span(0), format!("port `{word}` without its colon"))
            .label("an address could stand here too")
            .help(format!("write `:{word}`"))
    })
}

/// A value of a kind that its place does not take.
fn wrong_kind(scan: &Scan<'_, '_>) -> Option<Finding> {
    let (before, word) = (scan.text(-1), scan.text(0));
    let endpoints = scan.would_take("address") && scan.would_take("\"self\"");
    let (message, label, help) = match scan.token(0) {
        Token::Text if word == "\"\"" => (
            "empty string".to_owned(),
            "a name or value belongs here",
            "write it without quotes".to_owned(),
        ),
        Token::Text => (
            "string where none can stand".to_owned(),
            "names and values are not quoted here",
            match unquote(word) {
                _ if scan.head() == Token::Raw => raw_table(scan),
                _ if scan.token(-2) == Token::Level && scan.head() == Token::Log => {
                    format!("the prefix stands first: `log {word} level {before}`")
                }
                said if scan.reads(0, 0, &said) => format!("write `{said}`"),
                _ => "leave it out; texts stand behind `comment`, `log` and the like".to_owned(),
            },
        ),
        Token::Pattern if endpoints => (
            format!("interface pattern behind `{before}`"),
            "an interface is no address",
            format!("say it with `in {word}` or `out {word}`"),
        ),
        Token::Number | Token::Range if endpoints => (
            format!("`{word}` is no address"),
            "a number of its own",
            "an address has all its parts: `10.0.0.1`; a port stands behind its protocol: `tcp 22`"
                .to_owned(),
        ),
        Token::Value if endpoints => (
            format!("`{word}` is no address"),
            "neither a zone nor an address",
            "a mac address has a clause of its own: `mac 00:16:3e:00:00:01`".to_owned(),
        ),
        Token::Address if matches!(scan.token(-1), Token::In | Token::Out | Token::On) => (
            format!("address behind `{before}`"),
            "an interface or a zone belongs here",
            from_or_to(scan, -1),
        ),
        Token::Name if scan.token(-1) == Token::Colon => (
            format!("`{word}` is no port"),
            "a number belongs here",
            "ports are numbers: `10.0.0.2:8443`".to_owned(),
        ),
        Token::Name if matches!(scan.token(-1), Token::TextClause(_)) => (
            format!("`{before}` takes a text in double quotes"),
            "not in quotes",
            format!("write `{before} \"{word} …\"`"),
        ),
        verb if verb.is_verb() && scan.token(-1) == Token::Colon => (
            format!("`:` before `{word}`"),
            "no port of its own",
            "a block has braces: `from lan { allow ssh }`; or begin with the verb".to_owned(),
        ),
        _ => return None,
    };
    Some(syntax_error(scan.span(0), message).label(label).help(help))
}

/// A raw rule of which the table, or another word before its text, is missing.
fn raw_table(scan: &Scan<'_, '_>) -> String {
    if scan.position() == 3 && matches!(scan.text(-2), "v4" | "v6") {
        let whole = format!("filter {} {}", scan.text(-1), scan.text(0));
        if scan.reads(-1, 0, &whole) {
            return format!("say its table too: `raw {} {whole}`", scan.text(-2));
        }
    }
    "family, table and chain stand before the text: `raw v4 filter INPUT \"-j DROP\"`".to_owned()
}

/// A verb of another tool behind a word that wants one.
fn foreign_verb_behind(scan: &Scan<'_, '_>) -> Option<Finding> {
    let known = match scan.token(-1) {
        Token::Assert => VERBS,
        Token::Default => &["allow", "drop", "reject"],
        _ => return None,
    };
    let word = scan.text(0);
    let meant = words::foreign_verb(word).filter(|meant| known.contains(meant))?;
    Some(
        syntax_error(scan.span(0), format!("unknown verb `{word}`"))
            .label(format!("not a verb that stands behind `{}`", scan.text(-1)))
            .help(format!("did you mean `{meant}`?")),
    )
}

/// A word whose value is missing.
fn nothing_behind(scan: &Scan<'_, '_>) -> Option<Finding> {
    let word = scan.text(-1);
    let (wanted, example) = words::wanted_after(scan.token(-1), word)?;
    // A word that may stand alone, such as the clause `log`, wants nothing.
    if scan.would_take("end") && scan.would_take("\"during\"") {
        return None;
    }
    let finding = syntax_error(scan.span(-1), format!("nothing stands behind `{word}`"));
    if let (Token::Default, Token::In) = (scan.head(), scan.token(-1)) {
        return Some(
            finding.label("a direction of a default has another name").help("write `input`"),
        );
    }
    let is_default = scan.token(-1) == Token::Default && scan.token(0).is_verb();
    let ends = ends_list(scan.token(0)) || scan.token(0) == Token::CloseParen;
    let finding = if ends && !is_default {
        finding.label(format!("expected {wanted} behind this"))
    } else {
        syntax_error(scan.span(0), format!("`{}` cannot stand behind `{word}`", scan.text(0)))
            .label(format!("expected {wanted}"))
    };
    Some(finding.help(format!("as in `{example}`")))
}

fn empty_brackets(scan: &Scan<'_, '_>) -> Option<Finding> {
    use Token::{CloseBracket, CloseNets, CloseParen, OpenBracket, OpenNets, OpenParen};
    let help = match (scan.token(-1), scan.token(0)) {
        (OpenNets, CloseNets) => "write the nets of the zone, or leave the braces out",
        (OpenParen, CloseParen) => "write its members, or leave the parentheses out",
        (OpenBracket, CloseBracket) => "write an IPv6 address: `[2001:db8::1]:443`",
        _ => return None,
    };
    let span = scan.span(-1).to(scan.span(0));
    Some(syntax_error(span, "list without members").label("nothing is in it").help(help))
}

fn braces_of_rule(scan: &Scan<'_, '_>) -> Option<Finding> {
    let is_rule = scan.head().is_verb() || matches!(scan.head(), Token::Assert | Token::Protect);
    (is_rule && scan.token(0) == Token::OpenBrace).then(|| {
        syntax_error(scan.span(0), "block behind a rule")
            .label("a rule has no block")
            .help("a block's head has clauses only: `from lan { allow ssh }`")
    })
}

fn another_statement(scan: &Scan<'_, '_>) -> Option<Finding> {
    let verb = scan.token(0);
    if !verb.is_verb() || !scan.would_take("end") {
        return None;
    }
    let word = scan.text(0);
    Some(
        syntax_error(scan.span(0), format!("second verb `{word}` in one statement"))
            .label("a statement has one verb, and it comes first")
            .help("begin a new line before it, or write a `;`"),
    )
}

fn equals(scan: &Scan<'_, '_>) -> Option<Finding> {
    let help = match scan.defined() {
        Some(_) => words::DEFINITIONS,
        None => "delete it; conditions are clauses: `from lan`, `tcp 22`",
    };
    (scan.token(0) == Token::Equals).then(|| {
        syntax_error(scan.span(0), "`=` outside a definition")
            .label("nothing is defined here")
            .help(help)
    })
}

fn is_foreign(scan: &Scan<'_, '_>) -> bool {
    words::foreign_clause(scan.text(0)).is_some()
}

/// A word where a clause could stand.
fn clause_word(scan: &Scan<'_, '_>) -> Option<Finding> {
    let (token, word, next) = (scan.token(0), scan.text(0), scan.token(1));
    let word_like = token.is_name() || matches!(token, Token::Burst | Token::Rate | Token::Level);
    if !word_like || !scan.would_take("\"during\"") {
        return None;
    }
    let unknown = |help: String| {
        Finding::new(&catalogue::UNKNOWN_CLAUSE, scan.span(0), format!("unknown clause `{word}`"))
            .label("no clause begins with this word")
            .help(help)
    };
    if let Some(help) = words::foreign_clause(word) {
        return Some(unknown(port_behind_any(scan).unwrap_or_else(|| help.to_owned())));
    }
    let ends = ends_list(next) || next == Token::Comma;
    let close = |known: &[&'static str]| nearest(&word.to_ascii_lowercase(), known.iter().copied());
    let service = if scan.head() == Token::Service { SERVICE_CLAUSES } else { &[] };
    let meant = if ends {
        // Nothing follows, so only a clause without a value can be meant; and two words in a row
        // are more often a list without its comma.
        close(BARE_CLAUSES).filter(|meant| strsim::osa_distance(meant, word) == 1)
    } else {
        close(service).or_else(|| close(CLAUSES))
    };
    if let Some(meant) = meant {
        return Some(unknown(format!("did you mean `{meant}`?")));
    }
    if ends && scan.would_take("\",\"") {
        return None;
    }
    let place = match scan.setting {
        Setting::Packet | Setting::LonePacket => "packet",
        Setting::Statement | Setting::Connections => "rule",
    };
    let clauses = "clauses such as `from`, `to`, `in`, `out`, `state`, `limit`";
    let list = if next.is_name() { joined(scan) } else { None };
    Some(unknown(match list {
        Some(list) => format!("for a list write `{list}`; conditions are {clauses}"),
        None => format!("the conditions of a {place} are {clauses}"),
    }))
}

/// `allow from lan to any port 22`, of which other tools take `to any` for this machine.
fn port_behind_any(scan: &Scan<'_, '_>) -> Option<String> {
    let is_any = (scan.token(-2), scan.token(-1)) == (Token::To, Token::Any);
    let is_port = matches!(scan.text(0), "port" | "ports" | "dport") && scan.token(1).is_value();
    if !(is_any && is_port) {
        return None;
    }
    let (first, verb, port) = (scan.behind_head(1), scan.head_text(), scan.text(1));
    let rule = format!("{verb} tcp {port} {}", scan.words(first, -3));
    let rule = rule.trim_end();
    scan.reads_alone(rule).then(|| {
        format!("write `{rule}`; without `to` it is about this machine, with `to any` about others")
    })
}

fn missing_comma(scan: &Scan<'_, '_>) -> Option<Finding> {
    is_another_member(scan).then(|| comma_missing(scan))
}

fn comma_missing(scan: &Scan<'_, '_>) -> Finding {
    let finding = syntax_error(scan.span(0), "comma missing between two members of a list")
        .label("a `,` belongs before this");
    match (joined(scan), service_behind(scan)) {
        (Some(list), Some(rule)) => {
            finding.help(format!("write `{list}`; a service stands behind the verb: `{rule}`"))
        }
        (Some(list), None) => finding.help(format!("write `{list}`")),
        (None, _) if scan.token(-2) == Token::Proto => {
            syntax_error(scan.span(0), "port behind `proto`")
                .label("`proto` takes none")
                .help("protocols that have ports have words of their own: `tcp 22`, `udp 53`")
        }
        (None, _) => {
            syntax_error(scan.span(0), format!("`{}` cannot stand here", scan.text(0)))
                .label("belongs to nothing before it")
                .help("members of a list are parted by commas, and ports follow their protocol: `tcp 80, 443`")
        }
    }
}

/// The members around a missing comma as a list, when the grammar reads it.
fn joined(scan: &Scan<'_, '_>) -> Option<String> {
    let is_word = |at: &isize| {
        let token = scan.token(*at);
        token.is_name() || token.is_value() || matches!(token, Token::Address | Token::Machine)
    };
    let list = |last| (-1..=last).map(|at| scan.text(at)).collect::<Vec<_>>().join(", ");
    // All the words in a row, or the first two of them.
    let behind = (0..=scan.last()).take_while(is_word).last().unwrap_or(0);
    [behind, 0]
        .into_iter()
        .map(|last| (last, list(last)))
        .find_map(|(last, list)| scan.reads(-1, last, &list).then_some(list))
}

/// A rule without a subject whose clause ends in what may be one: `allow in wan ssh`.
fn service_behind(scan: &Scan<'_, '_>) -> Option<String> {
    let first = scan.behind_head(1);
    let is_bare = scan.head().is_verb() && first < 0 && scan.token(first).is_clause();
    let service = scan.text(0);
    let rule = format!("{} {service} {}", scan.head_text(), scan.words(first, -1));
    (is_bare && scan.token(0).is_name() && scan.reads_alone(&rule)).then_some(rule)
}

/// A word such as `interface` before the name of one.
fn filler(scan: &Scan<'_, '_>) -> Option<Finding> {
    let (before, word) = (scan.text(-1), scan.text(0));
    if !scan.token(-1).is_name() || !words::is_filler(before) || !is_another_member(scan) {
        return None;
    }
    let help = match joined(scan) {
        Some(list) if scan.reads(-1, 0, word) => {
            format!("leave it out: `{word}`; or write `{list}` if you gave that name to something")
        }
        Some(_) | None => "leave it out".to_owned(),
    };
    Some(
        syntax_error(scan.span(-1), format!("`{before}` is no word of the language"))
            .label("what stands behind it says what it is")
            .help(help),
    )
}

/// Whether a member of a list stands right behind another.
fn is_another_member(scan: &Scan<'_, '_>) -> bool {
    let token = scan.token(0);
    let member = token.is_name() || token.is_value() || token.is_subject_word() || {
        matches!(token, Token::Address | Token::Machine | Token::Pattern | Token::OpenParen)
    };
    member && scan.would_take("\",\"")
}
