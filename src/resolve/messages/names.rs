//! Messages about names and definitions.

use crate::diagnostic::{Finding, Lint, catalogue as lint, nearest};
use crate::net::{CtState, Family, IcmpType, Protocol};
use crate::resolve::names::{Names, Taken};
use crate::source::Span;
use crate::syntax::foreign_subject;
use crate::syntax::tree::{Clause, Def};

use crate::resolve::context::word as clause_word;

use super::{counted, with_article};

pub fn duplicate(Taken { first, noun }: Taken, word: &str, at: Span) -> Finding {
    Finding::new(&lint::DUPLICATE_DEFINITION, at, format!("the {noun} `{word}` is defined twice"))
        .label("defined again here")
        .related(first, "first defined here")
        .help("rename one of them, or remove it")
}

pub fn redefined_service(at: Span, word: &str) -> Finding {
    let message = format!("`{word}` replaces a service of the standard library");
    Finding::new(&lint::REDEFINED_SERVICE, at, message)
        .label("this is what it means in this policy")
        .help(format!("`palisade services {word}` shows what it would mean otherwise"))
}

pub fn name_too_long(at: Span, noun: &str, length: usize, max: usize) -> Finding {
    let message =
        format!("the {noun} name is too long: {length} bytes, and the kernel takes {max}");
    Finding::new(&lint::NAME_TOO_LONG, at, message).label("too long").help("choose a shorter name")
}

pub fn taken_chain_name(at: Span, word: &str) -> Finding {
    let message =
        format!("a chain cannot be named `{word}`: the kernel means something else by it");
    Finding::new(&lint::RESERVED_NAME, at, message)
        .label("a target or chain of the kernel")
        .help("choose another name; lower case is always free")
}

fn suggest<'a>(finding: Finding, word: &str, known: impl Iterator<Item = &'a str>) -> Finding {
    match nearest(word, known) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding,
    }
}

pub fn unknown_service(at: Span, word: &str, names: &Names) -> Finding {
    let message = format!("there is no service `{word}`");
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, message).label("not a service");
    if let Some(help) = foreign_subject(word) {
        return finding.help(help);
    }
    if names.places.contains(word) {
        return finding
            .note(format!("`{word}` is a place"))
            .help(format!("places follow `from` and `to`: `any from {word}`"));
    }
    if Protocol::from_name(word).is_some() {
        return finding.help(format!("a whole protocol is written `proto {word}`"));
    }
    if CtState::from_name(word).is_some() {
        return finding.note(format!("`{word}` is a state of connections")).help(format!(
            "states stand behind `state`: `any state {word}`; the implicit rule `established` lets answers pass already"
        ));
    }
    let finding = suggest(finding, word, names.services.names().chain(names.standard.names()));
    if finding.help.is_some() {
        return finding;
    }
    finding.help(format!(
        "define it (`service {word} = tcp 8080`), write the port (`tcp 8080`), or search with \
         `palisade services {word}`"
    ))
}

pub fn unknown_lint(at: Span, word: &str) -> Finding {
    let message = format!("there is no lint `{word}`");
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, message).label("not a lint");
    let finding = suggest(finding, word, lint::ALL.iter().map(|lint| lint.name));
    if finding.help.is_some() {
        return finding;
    }
    finding.help("`palisade explain` lists them all")
}

pub fn not_expectable(at: Span, lint: &Lint) -> Finding {
    let message = format!("a finding `{}` cannot be expected", lint.name);
    let finding = Finding::new(&lint::BAD_VALUE, at, message).label("no rule can accept it");
    if lint.is_error() {
        finding
            .note("it is an error that nothing lowers")
            .help(format!("mend what it is about; see `palisade explain {}`", lint.name))
    } else {
        finding
            .note("it is not about a rule")
            .help(format!("to hide it everywhere, call with `--allow {}`", lint.name))
    }
}

pub fn expectation_without_reason(at: Span) -> Finding {
    Finding::new(&lint::BAD_VALUE, at, "the reason of an `expect` is empty")
        .label("says nothing")
        .help("say why the finding is accepted; whoever reads the policy next will ask")
}

/// `zone` is the one that has an interface of this name.
pub fn unknown_place(at: Span, word: &str, zone: Option<&str>, names: &Names) -> Finding {
    let message = format!("there is no zone or address list `{word}`");
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, message).label("not defined");
    if let Some(zone) = zone {
        return finding.note(format!("`{word}` is an interface of zone `{zone}`")).help(format!(
            "write `{zone}`; an interface stands behind `in` or `out`: `in {word}`"
        ));
    }
    if is_host_name(word) {
        return finding.note("names are never looked up in DNS").help(format!(
            "write its addresses, or define them: `let {} = 192.0.2.1`",
            label(word)
        ));
    }
    let finding = suggest(finding, word, names.places.names());
    if finding.help.is_some() {
        return finding;
    }
    if word == "pmtu" {
        return finding.help("leave it out: `clamp mss` alone takes the size from the path");
    }
    if names.services.contains(word) || names.standard.contains(word) {
        return finding
            .note(format!("`{word}` is a service"))
            .help(format!("services follow the verb: `allow {word}`"));
    }
    if word.ends_with(|c: char| c.is_ascii_digit()) {
        return finding.help(format!(
            "an interface stands behind `in` or `out`: `in {word}`; or give it a zone: \
             `zone lan = {word}`"
        ));
    }
    finding.help(format!(
        "define it: `zone {word} = eth1` for what is behind an interface, or \
         `let {word} = 192.0.2.1` for addresses"
    ))
}

/// Whether a word looks like a name of DNS: `example.com`, but not `eth0.10`.
fn is_host_name(word: &str) -> bool {
    let top = word.rsplit_once('.').map_or("", |(_, top)| top);
    top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic())
}

/// The first label of a host's name.
fn label(word: &str) -> &str {
    word.split('.').next().unwrap_or(word)
}

pub fn unknown_chain(at: Span, word: &str, names: &Names) -> Finding {
    let message = format!("there is no chain `{word}`");
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, message).label("not defined");
    let finding = suggest(finding, word, names.chains.names());
    if finding.help.is_some() {
        return finding;
    }
    finding.help(format!("define it: `chain {word} {{ ... }}`"))
}

pub fn unknown_def(at: Span, word: &str, names: &Names) -> Finding {
    let message = format!("there is no definition `{word}` to call");
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, message).label("not defined");
    let finding = suggest(finding, word, names.defs.names());
    if finding.help.is_some() {
        return finding;
    }
    finding.help(format!(
        "define it (`def {word}(...) {{ ... }}`), or take in the module that does (`use`)"
    ))
}

pub fn unknown_protocol(at: Span, word: &str) -> Finding {
    let message = format!("there is no protocol `{word}`");
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, message).label("not a protocol");
    let finding = suggest(finding, word, Protocol::names().map(|(name, _)| name));
    if finding.help.is_some() {
        return finding;
    }
    finding.help("write its number: `proto 47`")
}

pub fn unknown_icmp_type(at: Span, word: &str, family: Family) -> Finding {
    let noun = match family {
        Family::V4 => "icmp",
        Family::V6 => "icmpv6",
    };
    let message = format!("there is no {noun} type `{word}`");
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, message).label("not a type");
    let finding = suggest(finding, word, IcmpType::names(family));
    if finding.help.is_some() {
        return finding;
    }
    finding.help(format!("write its number: `{noun} 8`"))
}

/// A word that is not one of a few.
pub fn unknown_word(at: Span, word: &str, noun: &str, known: &[&str]) -> Finding {
    let message = format!("`{word}` is no {noun}");
    let finding = Finding::new(&lint::UNKNOWN_NAME, at, message)
        .label(format!("not {}", with_article(noun)))
        .note(format!("known are {}", known.join(", ")));
    let finding = suggest(finding, word, known.iter().copied());
    if finding.help.is_some() {
        return finding;
    }
    // `reset` for `tcp-reset`
    let ends = |name: &&&str| name.strip_suffix(word).is_some_and(|rest| rest.ends_with('-'));
    let mut whole = known.iter().filter(ends);
    match (whole.next(), whole.next()) {
        (Some(one), None) => finding.help(format!("did you mean `{one}`?")),
        _ => finding,
    }
}

pub fn unknown_implicit(at: Span, word: &str, known: &[&str]) -> Finding {
    unknown_word(at, word, "implicit rule", known)
}

/// Something that rests on itself.
pub fn recursive(noun: &str, word: &str, at: Span, ring: &[Span]) -> Finding {
    let message = format!("`{word}` needs itself");
    let mut finding = Finding::new(&lint::RECURSIVE_DEFINITION, at, message)
        .label(format!("leads back to the {noun}"));
    for site in ring {
        finding = finding.related(*site, "by way of this");
    }
    finding.help("a definition must end in values; break the ring")
}

pub fn definitions_too_deep(at: Span, max: usize) -> Finding {
    let message = format!("definitions rest on each other more than {max} deep");
    Finding::new(&lint::NESTING_TOO_DEEP, at, message)
        .label("not followed")
        .help("define it by values")
}

pub fn wrong_arguments(at: Span, word: &str, def: &Def, given: usize) -> Finding {
    let wanted = def.parameters.len();
    let verb = if given == 1 { "is" } else { "are" };
    let message = format!("`{word}` takes {}, {given} {verb} given", counted(wanted, "argument"));
    Finding::new(&lint::WRONG_ARGUMENTS, at, message)
        .label("called here")
        .related(def.name.0, "defined here")
        .help("a list is one argument when it stands in parentheses: `(http, https)`")
}

pub fn argument_is_no(at: Span, argument: Span, noun: &str) -> Finding {
    Finding::new(
        &lint::WRONG_ARGUMENTS,
        at,
        format!("this argument is used as a {noun}, and is none"),
    )
    .label(format!("used as a {noun}"))
    .related(argument, "given here")
    .help(format!("give the call a {noun}"))
}

/// A parameter where a word of the language itself belongs.
pub fn parameter_cannot_stand(at: Span, word: &str, argument: Span) -> Finding {
    Finding::new(&lint::WRONG_ARGUMENTS, at, format!("the parameter `{word}` cannot stand here"))
        .label("a word of the language belongs here")
        .related(argument, "given here")
        .help("parameters stand for services, places, interfaces, chains, users and groups")
}

pub fn duplicate_parameter(at: Span, word: &str, first: Span) -> Finding {
    let message = format!("two parameters are named `{word}`");
    Finding::new(&lint::DUPLICATE_DEFINITION, at, message)
        .label("again here")
        .related(first, "first named here")
        .help("rename one of them")
}

pub fn type_without_icmp(at: Span, word: &str, protocol: &str) -> Finding {
    Finding::new(&lint::UNKNOWN_NAME, at, format!("there is no service `{word}`"))
        .label("not a service")
        .note(format!("`{word}` is a type of {protocol}, and each says its protocol"))
        .help(format!("write `{protocol} {word}`"))
}

pub fn unused(at: Span, word: &str, noun: &str) -> Finding {
    Finding::new(&lint::UNUSED_DEFINITION, at, format!("the {noun} `{word}` is never used"))
        .label("defined here")
        .help("use it or remove it")
}

pub fn composite_cannot_bind(at: Span, member: Span) -> Finding {
    let message = "a service of services cannot have `sport`, `to` or `helper`";
    Finding::new(&lint::MISPLACED_CLAUSE, at, message)
        .label("this service")
        .related(member, "has this service as a member")
        .help("give the clause to the member's own definition")
}

pub fn service_without_ports(at: Span) -> Finding {
    Finding::new(&lint::NO_PORTS, at, "`sport` in a service that has a protocol without ports")
        .label("this service")
        .help("`sport` goes with tcp, udp and sctp only")
}

pub fn misplaced_in_service(clause: &Clause) -> Finding {
    let word = clause_word(&clause.kind);
    let message = format!("`{word}` means nothing in the definition of a service");
    Finding::new(&lint::MISPLACED_CLAUSE, clause.span, message)
        .label("not here")
        .help("a service may have sport, helper, to, ipv4, ipv6, alias, tags and comment")
}

pub fn cannot_move(at: Span, word: &str) -> Finding {
    let message = format!("`{word}` cannot be put on another port: it is more than one");
    Finding::new(&lint::WRONG_ARGUMENTS, at, message)
        .label("not a service of one port")
        .help("write the protocol and port instead, such as `tcp 8443`")
}

pub fn chain_cycle(at: Span, steps: &[(&str, Span)]) -> Finding {
    let names: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
    let message = format!("chains jump in a ring: {}", names.join(", "));
    let mut finding = Finding::new(&lint::CHAIN_CYCLE, at, message).label("part of the ring");
    for (name, span) in steps {
        finding = finding.related(*span, format!("`{name}` jumps on here"));
    }
    finding.help("remove one of the jumps; the kernel refuses such rules")
}

/// The jump to a chain, and the chains that lead to it, each with its jump.
pub fn jumps_too_deep(at: Span, to: &str, before: &[(&str, Span)], max: usize) -> Finding {
    let message = format!("chains jump to each other more than {max} deep");
    let mut finding =
        Finding::new(&lint::NESTING_TOO_DEEP, at, message).label(format!("`{to}` is too deep"));
    for (name, span) in before {
        finding = finding.related(*span, format!("`{name}` jumps on here"));
    }
    finding
        .note("nf_tables follows at most 15 jumps, and Palisade needs some of them itself")
        .help("put the rules of one of these chains in the place of the jump to it")
}
